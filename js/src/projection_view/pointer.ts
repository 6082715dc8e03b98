/** What the pointer does on the points: pointing, drawing around, moving, zooming. */
import { followPointer, placeIn, zoomOfWheel } from "../core/elements/pointer";
import type { ReadonlySignal, Signal } from "../core/reactive";
import { type Outline, rectangle } from "./lasso";
import { type Frame, middleOf, toPlane, zoomedAt } from "./screen_transform";
import type { State } from "./state";

/** How near the pointer has to come, and how far it moves before a click is a drag, in pixels. */
const [REACH, STILL] = [12, 4];
/** An outline has a corner every so many pixels. */
const STEP = 2;

export interface Pointed {
  state: State;
  element: HTMLElement;
  frame: ReadonlySignal<Frame>;
  size: ReadonlySignal<readonly [number, number]>;
  outline: Signal<Outline>;
  zoomBy(factor: number): void;
}

export function createPointer({ state, element, frame, size, outline }: Pointed, until: AbortSignal): void {
  const place = (event: MouseEvent): readonly [number, number] => placeIn(element, event);
  const under = ([x, y]: readonly [number, number]): number | undefined => {
    const { scale } = frame.peek();
    return state.nearest.peek().at(...toPlane(frame.peek(), x, y), REACH / scale, state.isShown);
  };
  const listen = <K extends keyof HTMLElementEventMap>(
    kind: K,
    hear: (event: HTMLElementEventMap[K]) => void,
    passive = true,
  ): void => element.addEventListener(kind, hear, { signal: until, passive });

  listen("pointermove", (event) => {
    if (!event.buttons) state.pointed.value = under(place(event));
  });
  listen("pointerleave", () => (state.pointed.value = undefined));
  listen("pointerdown", (down) => {
    if (down.button > 1) return;
    const start = place(down);
    if (down.altKey || down.button === 1) pan(state, element, frame.peek().scale, down);
    else drawAround(down, start);
  });
  listen("dblclick", () => (state.zoom.value = middleOf(state.box)));
  listen(
    "wheel",
    (event) => {
      const by = zoomOfWheel(event);
      if (!by) return;
      event.preventDefault();
      state.zoom.value = zoomedAt(state.box, state.zoom.peek(), by, ...place(event), ...size.peek());
    },
    false,
  );

  function drawAround(down: PointerEvent, start: readonly [number, number]): void {
    let path: [number, number][] = [[...start]];
    let dragged = false;
    const draw = (move: PointerEvent): void => {
      const at = place(move);
      dragged ||= Math.hypot(at[0] - start[0], at[1] - start[1]) > STILL;
      if (!dragged) return;
      state.pointed.value = undefined;
      const last = path.at(-1)!;
      if (Math.hypot(at[0] - last[0], at[1] - last[1]) >= STEP) path = [...path, [...at]];
      outline.value = state.tool.peek() === "lasso" ? path : rectangle(start, at);
    };
    followPointer(element, down, draw, () => {
      const drawn = outline.peek();
      outline.value = [];
      if (!dragged) {
        const point = under(start);
        if (point !== undefined) state.toggle(point, down.shiftKey);
        return;
      }
      if (drawn.length > 2)
        state.enclose(
          drawn.map(([x, y]) => toPlane(frame.peek(), x, y)),
          down.shiftKey,
        );
    });
  }
}

function pan(state: State, element: HTMLElement, scale: number, down: PointerEvent): void {
  const before = state.zoom.peek();
  followPointer(element, down, (move) => {
    const [right, below] = [move.clientX - down.clientX, move.clientY - down.clientY];
    state.zoom.value = { ...before, x: before.x - right / scale, y: before.y + below / scale };
  });
}
