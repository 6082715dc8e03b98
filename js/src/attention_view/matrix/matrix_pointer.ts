/** The pointer over a matrix: the note beside it, selecting, zooming and moving. */

import { inside, KEY_LABEL_ANGLE, zoomed } from "../../core/attention/matrix_frame";
import { isExact, read } from "../../core/attention/pattern";
import { h } from "../../core/elements/dom";
import { followPointer, placeIn } from "../../core/elements/pointer";
import type { Tooltip } from "../../core/elements/tooltip";
import { exact } from "../../core/format";
import type { Walker } from "../../core/keyboard/keyboard_grid";
import { signal, watch } from "../../core/reactive";
import { type Head, headText } from "../../core/selection";
import { tokenSpanAt } from "../../core/tokens";
import { PANEL_TITLES, type PanelName, type State } from "../state";
import type { Brush, Matrix } from "./matrix_state";

export function listenToPointer(matrix: Matrix, walker: Walker, tooltip: Tooltip, until: AbortSignal): void {
  const { element, state } = matrix;
  listenToHover(matrix, tooltip, until);
  listenToPress(matrix, walker);
  element.addEventListener("dblclick", () => state.resetWindow());
  element.addEventListener("wheel", (event) => zoomByWheel(matrix, event), { passive: false });
}

/** Point at a cell or, without a key, at the token of a label; the exact values of its row are wanted. */
export function pointAt({ state, panel, head }: Matrix, query: number, key: number | undefined): void {
  const one = head.peek();
  state.hover.value = { query, key, panel, head: one };
  if (one) state.wantRow(one, panel, query);
}

function listenToHover(matrix: Matrix, tooltip: Tooltip, until: AbortSignal): void {
  const { element, state, panel, head, brush } = matrix;
  // Where the pointer is, so that its note is told again when exact values arrive.
  const pointer = signal<{ x: number; y: number } | undefined>(undefined);
  watch(until, () => {
    const hover = state.hover.value;
    if (!pointer.value || hover?.panel !== panel || hover.head !== head.peek()) return;
    const { x, y } = pointer.value;
    const token = tokenSpanAt(state.tokensOf(panel), hover.query);
    if (hover.key === undefined) tooltip.show(x, y, [token, ` ${hover.query}`]);
    else tooltip.show(x, y, cellNote(state, panel, hover.head!, hover.query, hover.key));
  });
  const leave = (): void => {
    pointer.value = state.hover.value = undefined;
    tooltip.hide();
  };
  element.addEventListener("pointermove", (event) => {
    const { query, key } = locate(matrix, event);
    if (event.buttons && brush.peek()) return;
    if (query !== undefined && key !== undefined && key <= query && query < state.sizeOf(panel))
      pointAt(matrix, query, key);
    else if ((query === undefined) !== (key === undefined) && (query ?? key!) < state.sizeOf(panel))
      pointAt(matrix, (query ?? key)!, undefined);
    else return leave();
    pointer.value = { x: event.clientX, y: event.clientY };
  });
  element.addEventListener("pointerleave", leave);
}

/** Where a pointer is: a cell of the triangle, or a label (then only one of the two). */
function locate({ element, frame, state, panel }: Matrix, event: MouseEvent): { query?: number; key?: number } {
  const { left, top, side } = frame.peek();
  const view = state.windowOf(panel).peek();
  const [x, y] = placeIn(element, event);
  const query = Math.floor(view.query + ((y - top) / side) * view.span);
  const key = Math.floor(view.key + ((x - left) / side) * view.span);
  const [inX, inY] = [x >= left && x < left + side, y >= top && y < top + side];
  if (inX && inY) return { query, key };
  if (inY && x < left) return { query };
  // Labels above are slanted: where they start counts.
  if (y < top && y > 0) {
    const start = Math.floor(view.key + ((x - left - (top - y) / Math.tan(-KEY_LABEL_ANGLE)) / side) * view.span);
    if (start >= view.key && start < view.key + view.span) return { key: start };
  }
  return {};
}

/** A click selects a token, a drag those of a rectangle; with Alt it moves the zoomed part. */
function listenToPress(matrix: Matrix, walker: Walker): void {
  const { element, state, panel, brush } = matrix;
  element.addEventListener("pointerdown", (down) => {
    if (down.button || !state.shown.peek()) return;
    const start = locate(matrix, down);
    const token = start.query === undefined || start.key === undefined ? (start.query ?? start.key) : undefined;
    if (token !== undefined) return state.selectTokens([token], down.shiftKey, panel);
    if (start.query === undefined) return;
    const from: [number, number] = [start.query, start.key!];
    const view = state.windowOf(panel).peek();
    followPointer(
      element,
      down,
      (move) => {
        const moved = { x: move.clientX - down.clientX, y: move.clientY - down.clientY };
        if (Math.hypot(moved.x, moved.y) < 4 && !brush.peek()) return;
        if (down.altKey) {
          const cell = matrix.frame.peek().side / view.span;
          const to = { query: view.query - moved.y / cell, key: view.key - moved.x / cell, span: view.span };
          state.setWindow(panel, inside(to, state.sizeOf(panel)));
          return;
        }
        const { query, key } = locate(matrix, move);
        if (query !== undefined && key !== undefined) brush.value = { from, to: [query, key] };
      },
      () => {
        const drawn = brush.peek();
        brush.value = undefined;
        if (drawn) state.selectTokens(tokensIn(drawn, state.sizeOf(panel)), down.shiftKey, panel);
        else if (!down.altKey && from[1] <= from[0]) {
          walker.stand(...from);
          state.selectTokens([from[0]], down.shiftKey, panel);
        }
      },
    );
  });
}

function zoomByWheel({ element, frame, state, panel }: Matrix, event: WheelEvent): void {
  if (!event.ctrlKey || !state.shown.peek()) return;
  event.preventDefault();
  const { left, top, side } = frame.peek();
  const [x, y] = placeIn(element, event);
  const view = state.windowOf(panel).peek();
  const query = view.query + ((y - top) / side) * view.span;
  const key = view.key + ((x - left) / side) * view.span;
  state.setWindow(panel, zoomed(view, Math.exp(event.deltaY * 0.004), query, key, state.sizeOf(panel)));
}

/** The tokens of a brushed rectangle: its queries and its keys. */
function tokensIn({ from, to }: Brush, size: number): number[] {
  const found = new Set<number>();
  for (const axis of [0, 1] as const)
    for (let at = Math.min(from[axis], to[axis]); at <= Math.max(from[axis], to[axis]); at++)
      if (at >= 0 && at < size) found.add(at);
  return [...found].sort((one, other) => one - other);
}

function cellNote(state: State, panel: PanelName, head: Head, query: number, key: number): (Node | string)[] {
  const tokens = state.tokensOf(panel);
  const lines = state.panels.map((name) => {
    const pattern = state.patterns.get(head, name).value;
    const place = (of: PanelName): (number | undefined)[] =>
      [query, key].map((at) => state.beside.position(at, panel, of));
    const [q, k] = place(name);
    const [other, at] = name === "difference" ? place("b") : [q, k];
    const line = h("div", { class: "av-value" });
    if (state.panels.length > 1) line.append(h("span", { class: "sw-dim" }, `${PANEL_TITLES[name]} `));
    const none = q === undefined || k === undefined || other === undefined || at === undefined || k > q || at > other;
    if (!state.has(head, name)) line.append(h("span", { class: "sw-dim" }, "no such head"));
    else if (none) line.append(h("span", { class: "sw-dim" }, "not aligned"));
    else if (!pattern)
      line.append(h("span", { class: "sw-dim" }, state.isLarge(head) ? "loading …" : "open the head for its values"));
    else
      line.append(
        h("b", {}, `${isExact(pattern, q) ? "" : "≈ "}${exact(read(pattern, q, k).value)}`),
        state.weighted ? " value-weighted" : "",
      );
    return line;
  });
  const place = h(
    "div",
    {},
    tokenSpanAt(tokens, query),
    h("span", { class: "sw-dim" }, ` ${query} → `),
    tokenSpanAt(tokens, key),
    h("span", { class: "sw-dim" }, ` ${key}`),
  );
  const name = state.compared.value.length > 1 ? [h("div", { class: "sw-dim" }, headText(head))] : [];
  return [...name, place, ...lines];
}
