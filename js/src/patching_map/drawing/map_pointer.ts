/** The pointer over a map: the note beside it, choosing, zooming and moving. */

import { followPointer, placeIn } from "../../core/elements/pointer";
import type { Tooltip } from "../../core/elements/tooltip";
import type { Walker } from "../../core/keyboard/keyboard_grid";
import { watch } from "../../core/reactive";
import type { Grid, Sum } from "../cells/grid";
import { cellNote, sumNote, tokenNote } from "../panel/cell_note";
import { columnAt, rowAt, zoomed } from "./layout";
import { type CellMap, cellOf, ROW_SUMS, type Spot } from "./map_state";

export function listenToPointer(map: CellMap, walker: Walker, tooltip: Tooltip, until: AbortSignal): void {
  const { element, options, frame, pointed, pointer } = map;
  const { grid, window: view } = options;
  watch(until, () => {
    const note = noteAt(map);
    if (pointer.value && note) tooltip.show(pointer.value.x, pointer.value.y, note);
    else tooltip.hide();
  });
  const isPanning = listenToPress(map, walker);
  element.addEventListener("pointermove", (event) => {
    if (event.buttons && isPanning()) return;
    const at = locate(map, event);
    if (at?.row !== pointed.peek()?.row || at?.column !== pointed.peek()?.column) pointAt(map, at);
    pointer.value = { x: event.clientX, y: event.clientY };
  });
  element.addEventListener("pointerleave", () => leave(map));
  element.addEventListener("dblclick", () => (view.value = { first: 0, span: grid.peek().columns.length }));
  element.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      const { left, cellWidth, first } = frame.peek();
      const at = first + (placeIn(element, event)[0] - left) / cellWidth;
      view.value = zoomed(view.peek(), Math.exp(event.deltaY * 0.004), at, grid.peek().columns.length);
    },
    { passive: false },
  );
}

export function pointAt({ options, pointed }: CellMap, at: Spot | undefined): void {
  pointed.value = at;
  options.onPoint(cellOf(options.grid.peek(), at));
}

export function leave(map: CellMap): void {
  map.pointer.value = undefined;
  pointAt(map, undefined);
}

function noteAt({ state, options, sums, pointed }: CellMap): (Node | string)[] | undefined {
  const [grid, effects, at] = [options.grid.value, state.effects.value, pointed.value];
  const cell = cellOf(grid, at);
  if (cell !== undefined) return cellNote(state, effects, cell);
  if (at?.row !== undefined) return sumNote(grid.rows[at.row]!.name, sums.value.rows[at.row]!);
  if (at?.column === undefined) return undefined;
  return columnNote(grid, at.column, options.sums ? sums.value.columns[at.column] : undefined);
}

/** Where a pointer is: on a cell, on a row's sum or label (then only a row), on a column's (then only a column). */
function locate({ element, options, frame }: CellMap, event: MouseEvent): Spot | undefined {
  const now = frame.peek();
  const [x, y] = placeIn(element, event);
  const inRows = y >= now.top && y < now.top + now.height;
  const inColumns = x >= now.left && x < now.left + now.width;
  const column = columnAt(now, x);
  if (inRows && inColumns) return column === undefined ? undefined : { row: rowAt(now, y), column };
  if (inRows && options.sums && x < now.left + now.width + ROW_SUMS) return { row: rowAt(now, y) };
  if (!inColumns || column === undefined) return undefined;
  if (y < now.top || (options.sums && options.grid.peek().across === "positions")) return { column };
  return undefined;
}

/** A click chooses a cell or a position, a drag moves the zoomed part. Returns whether one is under way. */
function listenToPress(map: CellMap, walker: Walker): () => boolean {
  const { element, options, frame } = map;
  const { grid, window: view } = options;
  let panning = false;
  element.addEventListener("pointerdown", (down) => {
    if (down.button) return;
    const at = locate(map, down);
    const from = view.peek();
    followPointer(
      element,
      down,
      (move) => {
        const columns = grid.peek().columns.length;
        if (!panning && (Math.abs(move.clientX - down.clientX) < 4 || from.span >= columns)) return;
        panning = true;
        const first = from.first - (move.clientX - down.clientX) / frame.peek().cellWidth;
        view.value = zoomed({ ...from, first }, 1, 0, columns);
      },
      () => {
        const moved = panning;
        panning = false;
        if (!moved && at) choose(map, at, walker, down.shiftKey);
      },
    );
  });
  return () => panning;
}

function choose({ state, options }: CellMap, at: Spot, walker: Walker, extend: boolean): void {
  const grid = options.grid.peek();
  const cell = cellOf(grid, at);
  if (cell !== undefined) {
    walker.stand(at.row!, at.column!);
    walker.element.querySelector<HTMLElement>(".sw-cell")!.focus({ preventScroll: true }); // keys go on from here
    options.onChoose(cell, extend);
  } else if (at.row === undefined && at.column !== undefined) {
    const { position } = grid.columns[at.column]!;
    if (position !== undefined) state.chooseToken(position, extend);
  }
}

const columnNote = (grid: Grid, column: number, sum: Sum | undefined): (Node | string)[] => {
  const { text, name, position } = grid.columns[column]!;
  const first = position === undefined ? [name] : tokenNote(text, position);
  return sum && position !== undefined ? [...first, ...sumNote("", sum)] : first;
};
