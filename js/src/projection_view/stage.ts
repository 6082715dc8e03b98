/** The points, and above them what is pointed at, marked and drawn around. */
import { context, h } from "../core/elements/dom";
import type { Tooltip } from "../core/elements/tooltip";
import { batch, computed, draw, type ReadonlySignal, signal, sizeOf, watch } from "../core/reactive";
import { type Canvas, createCanvas } from "../core/webgl/canvas";
import { canvasPoints, type Points, webglPoints } from "./drawing_points";
import { createWalk } from "./point_keyboard";
import { createPointer } from "./pointer";
import { type Frame, frameOf, zoomedAt } from "./screen_transform";
import type { State } from "./state";
import { noteOf } from "./tooltip_text";

const MOVE_MS = 120;
/** Rings are drawn around so many selected points; more are told by their colour alone. */
const MOST_RINGS = 40;

export interface Stage {
  element: HTMLElement;
  canvas: Canvas<Points>;
  frame: ReadonlySignal<Frame>;
  /** Bring a point into sight and stand on it. */
  goTo(point: number): void;
  zoomBy(factor: number): void;
}

export function createStage(state: State, tooltip: Tooltip, until: AbortSignal): Stage {
  const canvas = createCanvas<Points>(webglPoints, canvasPoints, until);
  const overlay = h("canvas", { class: "pv-overlay", "aria-hidden": "true" });
  const element = h("div", { class: "pv-stage" }, canvas.element, overlay);
  const size = sizeOf(element, until);
  const frame = computed(() => frameOf(state.box, state.zoom.value, ...size.value));
  /** What is drawn around, in pixels. */
  const outline = signal<readonly (readonly [number, number])[]>([]);
  const motion = moving(state, until);
  const order = computed(() => {
    const selected = state.selected.value;
    if (!selected.size || selected.size === state.n) return undefined;
    const rest = Uint32Array.from({ length: state.n - selected.size });
    let at = 0;
    for (let point = 0; point < state.n; point++) if (!selected.has(point)) rest[at++] = point;
    const all = new Uint32Array(state.n);
    all.set(rest);
    all.set([...selected], rest.length);
    return all;
  });
  draw(until, () => {
    const [width, height] = size.value;
    canvas.kind.value; // another canvas is to be drawn anew
    if (!width || !height) return;
    const [from, share] = motion.value;
    canvas.draw(
      {
        places: state.places.value,
        from,
        share,
        colours: state.colours.value,
        order: order.value,
        size: state.size.value,
        frame: frame.value,
      },
      width,
      height,
    );
  });
  draw(until, () => {
    const [width, height] = size.value;
    if (!width || !height) return;
    const on = onScreen(state, frame.value, motion.value);
    drawOverlay(context(overlay, width, height), state, on, outline.value, height);
  });

  const goTo = (point: number): void => {
    const { zoom } = state;
    const [x, y] = [state.places.peek()[2 * point]!, state.places.peek()[2 * point + 1]!];
    const [width, height] = size.peek();
    const { scale, dx, dy } = frame.peek();
    const [px, py] = [x * scale + dx, dy - y * scale];
    batch(() => {
      if (width && (px < 8 || py < 8 || px > width - 8 || py > height - 8)) zoom.value = { ...zoom.peek(), x, y };
      state.cursor.value = point;
    });
  };
  const zoomBy = (factor: number): void => {
    const [width, height] = size.peek();
    state.zoom.value = zoomedAt(state.box, state.zoom.peek(), factor, width / 2, height / 2, width, height);
  };
  createPointer({ state, element, frame, size, outline, zoomBy }, until);
  element.append(createWalk(state, frame, goTo, until));
  showNote(state, tooltip, element, frame, until);
  return { element, canvas, frame, goTo, zoomBy };
}

/** Where points come from when another layer is shown, and how far they have gone. */
function moving(state: State, until: AbortSignal): ReadonlySignal<readonly [Float32Array, number]> {
  const now = signal<readonly [Float32Array, number]>([state.places.peek(), 1]);
  let last = state.places.peek();
  let frame = 0;
  watch(until, () => {
    const places = state.places.value;
    if (places === last) return;
    const from = last;
    last = places;
    cancelAnimationFrame(frame);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      now.value = [places, 1];
      return;
    }
    const start = performance.now();
    const step = (): void => {
      const share = Math.min(1, (performance.now() - start) / MOVE_MS);
      now.value = share < 1 ? [from, 1 - (1 - share) ** 3] : [places, 1];
      if (share < 1 && !until.aborted) frame = requestAnimationFrame(step);
    };
    now.value = [from, 0];
    frame = requestAnimationFrame(step);
  });
  until.addEventListener("abort", () => cancelAnimationFrame(frame));
  return now;
}

/** Where points are on the screen, also while they move. */
function onScreen(
  state: State,
  { scale, dx, dy }: Frame,
  [from, share]: readonly [Float32Array, number],
): (point: number) => readonly [number, number] {
  const places = state.places.value;
  const along = (at: number): number => from[at]! + share * (places[at]! - from[at]!);
  return (point) => [along(2 * point) * scale + dx, dy - along(2 * point + 1) * scale];
}

function drawOverlay(
  pen: CanvasRenderingContext2D,
  state: State,
  on: (point: number) => readonly [number, number],
  outline: readonly (readonly [number, number])[],
  height: number,
): void {
  const theme = state.theme.value;
  const radius = state.size.value / 2;
  const ring = (point: number, colour: string, width: number, more = 1.5): void => {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.beginPath();
    pen.arc(...on(point), radius + more, 0, 2 * Math.PI);
    pen.stroke();
  };
  const selected = state.selected.value;
  if (selected.size <= MOST_RINGS) for (const point of selected) ring(point, theme.select, 1.5);
  const [corner, cursor, pointed] = [state.corner.value, state.cursor.value, state.pointed.value];
  pen.strokeStyle = theme.accent;
  pen.lineWidth = 1;
  if (corner !== undefined && cursor !== undefined) {
    const [[x, y], [u, v]] = [on(corner), on(cursor)];
    pen.setLineDash([4, 3]);
    pen.strokeRect(Math.min(x, u) - 4, Math.min(y, v) - 4, Math.abs(x - u) + 8, Math.abs(y - v) + 8);
    pen.setLineDash([]);
  }
  if (outline.length > 1) {
    pen.beginPath();
    for (const [x, y] of outline) pen.lineTo(x, y);
    pen.closePath();
    pen.globalAlpha = 0.12;
    pen.fillStyle = theme.accent;
    pen.fill("evenodd");
    pen.globalAlpha = 1;
    pen.stroke();
  }
  if (pointed !== undefined) ring(pointed, theme.accent, 2, 2.5);
  if (state.axes.length === 2) {
    pen.font = `11px ${theme.font}`;
    pen.fillStyle = theme.dim;
    pen.textBaseline = "alphabetic";
    pen.fillText(`→ ${state.axes[0]}`, 4, height - 5);
    pen.save();
    pen.translate(12, height - 20);
    pen.rotate(-Math.PI / 2);
    pen.fillText(`→ ${state.axes[1]}`, 0, 0);
    pen.restore();
  }
}

/** The note on the point under the pointer, else on that which the keys have come to. */
function showNote(
  state: State,
  tooltip: Tooltip,
  element: HTMLElement,
  frame: ReadonlySignal<Frame>,
  until: AbortSignal,
): void {
  const walked = signal(false);
  element.addEventListener("focusin", () => (walked.value = true), { signal: until });
  element.addEventListener("focusout", () => (walked.value = false), { signal: until });
  watch(until, () => {
    const point = state.pointed.value ?? (walked.value ? state.cursor.value : undefined);
    if (point === undefined) {
      tooltip.hide();
      return;
    }
    const on = onScreen(state, frame.value, [state.places.value, 1]);
    const { left, top } = element.getBoundingClientRect();
    state.values.value;
    const [x, y] = on(point);
    tooltip.show(left + x, top + y, noteOf(state, point));
  });
}
