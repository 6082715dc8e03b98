/** The pointer over the map: the note beside it, selecting positions, zooming and moving. */

import { followPointer, placeIn } from "../../core/elements/pointer";
import type { Tooltip } from "../../core/elements/tooltip";
import type { Walker } from "../../core/keyboard/keyboard_grid";
import { signal, watch } from "../../core/reactive";
import { GUTTER, HEADER, zoomLimits } from "../layout";
import type { State } from "../state";
import { cellNote } from "./cell_note";

const SLACK = 4;

export function listenToPointer(
  state: State,
  element: HTMLElement,
  walker: Walker,
  tooltip: Tooltip,
  until: AbortSignal,
): void {
  listenToHover(state, element, tooltip, until);
  listenToPress(state, element, walker);
  element.addEventListener("dblclick", () => (state.zoom.value = 1));
  element.addEventListener("wheel", (event) => turnWheel(state, element, event), { passive: false });
}

/** Zoom by `factor` with what is at `x`, `y` kept in its place. */
export function zoom(state: State, factor: number, x: number, y: number): void {
  const [least, most] = zoomLimits(state.room.peek(), state.counts);
  const before = state.view.peek();
  const [column, row] = [before.x + x / before.w, before.y + y / before.h];
  state.zoom.value = Math.max(least, Math.min(most, state.zoom.peek() * factor));
  state.origin.value = [0, 0]; // whole cells do not matter now: what was under the pointer is put there again
  const after = state.view.peek();
  state.origin.value = [column - x / after.w, row - y / after.h];
}

function listenToHover(state: State, element: HTMLElement, tooltip: Tooltip, until: AbortSignal): void {
  // Where the pointer is, so that its note is told again when values arrive.
  const pointer = signal<{ x: number; y: number } | undefined>(undefined);
  watch(until, () => {
    const cell = state.hover.value;
    if (pointer.value && cell) tooltip.show(pointer.value.x, pointer.value.y, cellNote(state, cell));
  });
  const leave = (): void => {
    pointer.value = state.hover.value = undefined;
    tooltip.hide();
  };
  element.addEventListener("pointermove", (event) => {
    const { row, column } = locate(state, element, event);
    if (row === undefined || column === undefined) return leave();
    const [cell, before] = [{ layer: state.rowOf(row), position: column }, state.hover.peek()];
    if (before?.layer !== cell.layer || before.position !== cell.position) state.hover.value = cell;
    pointer.value = { x: event.clientX, y: event.clientY };
  });
  element.addEventListener("pointerleave", leave);
}

/** A click or a drag selects positions; with Alt a drag moves the map. */
function listenToPress(state: State, element: HTMLElement, walker: Walker): void {
  element.addEventListener("pointerdown", (down) => {
    const { row, column } = locate(state, element, down);
    if (down.button || column === undefined) return;
    const start = state.view.peek();
    let moved = false;
    let to = column;
    followPointer(
      element,
      down,
      (move) => {
        moved ||= Math.hypot(move.clientX - down.clientX, move.clientY - down.clientY) > SLACK;
        if (!moved) return;
        if (down.altKey)
          state.origin.value = [
            start.x - (move.clientX - down.clientX) / start.w,
            start.y - (move.clientY - down.clientY) / start.h,
          ];
        else to = locate(state, element, move).column ?? to;
      },
      () => {
        if (moved && down.altKey) return;
        const [first, last] = [Math.min(column, to), Math.max(column, to)];
        if (row !== undefined) walker.stand(row, column);
        state.select(
          Array.from({ length: last - first + 1 }, (_, i) => first + i),
          down.shiftKey,
        );
      },
    );
  });
}

/** A plain wheel is the notebook's; sideways, or with shift, it moves along the prompt. */
function turnWheel(state: State, element: HTMLElement, event: WheelEvent): void {
  const [x, y] = placeIn(element, event);
  const view = state.view.peek();
  const sideways = event.shiftKey
    ? event.deltaX || event.deltaY
    : Math.abs(event.deltaX) > Math.abs(event.deltaY)
      ? event.deltaX
      : 0;
  if (event.ctrlKey) zoom(state, Math.exp(event.deltaY * -0.004), x - GUTTER, y - HEADER);
  else if (sideways && view.w * state.counts.columns > state.room.peek().width + 1)
    state.origin.value = [view.x + sideways / view.w, view.y];
  else return;
  event.preventDefault();
}

/** The cell below a pointer; above the cells, the column of the label. */
function locate(state: State, element: HTMLElement, event: MouseEvent): { row?: number; column?: number } {
  const { counts } = state;
  const [view, room] = [state.view.peek(), state.room.peek()];
  const [left, top] = placeIn(element, event);
  const [x, y] = [left - GUTTER, top - HEADER];
  const [column, row] = [Math.floor(view.x + x / view.w), Math.floor(view.y + y / view.h)];
  if (x < 0 || x >= room.width || y >= room.height || column >= counts.columns || row >= counts.rows) return {};
  return y < 0 ? { column } : { row, column };
}
