/** Points by keyboard and for screen readers: one real element that stands on a point and moves with the arrow keys. */
import { h } from "../core/elements/dom";
import { type ReadonlySignal, watch } from "../core/reactive";
import { nextInDirection } from "./nearest";
import type { Frame } from "./screen_transform";
import type { State } from "./state";
import { describe } from "./tooltip_text";

const DIRECTIONS: Record<string, readonly [number, number]> = {
  ArrowRight: [1, 0],
  ArrowLeft: [-1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

export function createWalk(
  state: State,
  frame: ReadonlySignal<Frame>,
  goTo: (point: number) => void,
  until: AbortSignal,
): HTMLElement {
  const cell = h("div", { class: "sw-cell pv-cell", role: "option", tabindex: 0 });
  const element = h(
    "div",
    { class: "sw-walker", role: "listbox", "aria-multiselectable": "true", "aria-label": "Points" },
    cell,
  );
  const standing = (): number => state.cursor.peek() ?? 0;
  const move = (point: number | undefined, extend: boolean): void => {
    if (point === undefined) return;
    goTo(point);
    if (extend) state.select([point], true);
  };
  /** The first shown point from one on, in the order of the points. */
  const along = (from: number, by: number): number | undefined => {
    for (let point = from; point >= 0 && point < state.n; point += by) if (state.isShown(point)) return point;
    return undefined;
  };
  cell.addEventListener("keydown", (event) => {
    if (event.altKey || event.metaKey || event.ctrlKey || !state.n) return;
    const direction = DIRECTIONS[event.key];
    const { shiftKey } = event;
    if (direction)
      move(nextInDirection(state.places.peek(), standing(), direction, state.isShown), shiftKey && !marking());
    else if (event.key === "Home") move(along(0, 1), false);
    else if (event.key === "End") move(along(state.n - 1, -1), false);
    else if (event.key === "n") move(along(standing() + 1, 1), false);
    else if (event.key === "p") move(along(standing() - 1, -1), false);
    else if (event.key === "b") mark();
    else if (event.key === "Enter" || event.key === " ")
      if (marking()) mark();
      else state.toggle(standing(), shiftKey);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const marking = (): boolean => state.corner.peek() !== undefined;
  /** The first corner of a rectangle, or the second, which selects. */
  const mark = (): void => {
    const corner = state.corner.peek();
    if (corner === undefined) {
      state.corner.value = standing();
      return;
    }
    const places = state.places.peek();
    const [one, other] = [corner, standing()].map((point) => [places[2 * point]!, places[2 * point + 1]!] as const);
    state.corner.value = undefined;
    const [left, right] = [Math.min(one![0], other![0]), Math.max(one![0], other![0])];
    const [bottom, top] = [Math.min(one![1], other![1]), Math.max(one![1], other![1])];
    // with the corners themselves, which lie on the edge
    const rows: number[] = [];
    for (let point = 0; point < state.n; point++) {
      const [x, y] = [places[2 * point]!, places[2 * point + 1]!];
      if (x >= left && x <= right && y >= bottom && y <= top && state.isShown(point)) rows.push(point);
    }
    state.select(rows, false);
  };
  cell.addEventListener("focus", () => {
    if (cell.matches(":focus-visible")) state.cursor.value ??= 0;
  });
  watch(until, () => {
    const point = state.cursor.value ?? 0;
    cell.hidden = !state.n;
    if (!state.n) return;
    const { scale, dx, dy } = frame.value;
    const side = state.size.value + 8;
    const places = state.places.value;
    state.values.value;
    Object.assign(cell.style, {
      left: `${places[2 * point]! * scale + dx - side / 2}px`,
      top: `${dy - places[2 * point + 1]! * scale - side / 2}px`,
      width: `${side}px`,
      height: `${side}px`,
    });
    cell.setAttribute("aria-label", describe(state, point));
    cell.setAttribute("aria-selected", String(state.selected.value.has(point)));
    cell.setAttribute("aria-posinset", String(point + 1));
    cell.setAttribute("aria-setsize", String(state.n));
  });
  return element;
}
