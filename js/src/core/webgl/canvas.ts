/** A canvas that is drawn by WebGL, or by a 2D context where there is none or the browser takes it away. */
import { h } from "../elements/dom";
import { type ReadonlySignal, signal } from "../reactive";
import { webgl } from "./context";

/** What draws; `F` is what there is to draw. */
export interface Renderer<F> {
  draw(frame: F, width: number, height: number, ratio: number): void;
}

export interface Canvas<F> {
  element: HTMLElement;
  /** "webgl"; "canvas" where there is none; "lost" where the browser took it away. */
  kind: ReadonlySignal<"webgl" | "canvas" | "lost">;
  draw(frame: F, width: number, height: number, ratio?: number): void;
  renderer: Renderer<F>;
}

/** `byWebgl` and `byCanvas` make what draws on a canvas of either kind. */
export function createCanvas<F>(
  byWebgl: (gl: WebGL2RenderingContext) => Renderer<F>,
  byCanvas: (pen: CanvasRenderingContext2D) => Renderer<F>,
  until: AbortSignal,
): Canvas<F> {
  const element = h("div", { class: "sw-canvas", "aria-hidden": "true" });
  const kind = signal<"webgl" | "canvas" | "lost">("webgl");
  const put = (): HTMLCanvasElement => {
    const canvas = h("canvas");
    element.replaceChildren(canvas);
    return canvas;
  };
  const plain = (): Renderer<F> => byCanvas(put().getContext("2d")!); // a canvas keeps its first kind for ever
  const made = (): Renderer<F> => {
    const gl = webgl(
      put(),
      () => {
        if (until.aborted) return;
        canvas.renderer = plain();
        kind.value = "lost";
      },
      until,
    );
    try {
      if (gl) return byWebgl(gl);
    } catch (error) {
      console.warn(error);
    }
    kind.value = "canvas";
    return plain();
  };
  const canvas: Canvas<F> = {
    element,
    kind,
    renderer: undefined as any,
    draw(frame, width, height, ratio = window.devicePixelRatio || 1) {
      const sheet = element.firstElementChild as HTMLCanvasElement;
      const [wide, high] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
      if (sheet.width !== wide || sheet.height !== high) [sheet.width, sheet.height] = [wide, high];
      Object.assign(sheet.style, { width: `${width}px`, height: `${height}px` });
      canvas.renderer.draw(frame, width, height, ratio);
    },
  };
  canvas.renderer = made();
  return canvas;
}

/** What is said where WebGL is not there; "" where it is. */
export const withoutWebgl = (kind: "webgl" | "canvas" | "lost", instead: string): string =>
  kind === "webgl"
    ? ""
    : kind === "lost"
      ? `The browser took WebGL away from this view (it keeps few at a time): ${instead}`
      : `This browser has no WebGL 2: ${instead}`;
