/** A map of cells on a canvas, with its labels: the main one, or the strip of positions above it. */
import { context, h } from "../../core/elements/dom";
import type { Tooltip } from "../../core/elements/tooltip";
import { createWalker, type Walker } from "../../core/keyboard/keyboard_grid";
import { computed, draw, type ReadonlySignal, watch } from "../../core/reactive";
import type { Grid } from "../cells/grid";
import { drawSums } from "../cells/margin_sums";
import { cellNote } from "../panel/cell_note";
import type { State } from "../state";
import { drawCells, outline, placeIn } from "./drawing";
import { drawColumnLabels, drawRowLabels, type Pinned } from "./labels";
import { type Frame, showing, xOf, yOf } from "./layout";
import { leave, listenToPointer, pointAt } from "./map_pointer";
import { type CellMap, cellMapOf, cellOf, type MapOptions } from "./map_state";
import { rasterise } from "./raster";

export interface MapView {
  element: HTMLElement;
  frame: ReadonlySignal<Frame>;
  /** The height that the labels and sums take beside the cells, and the width of the labels at the left. */
  around: ReadonlySignal<number>;
  gutter: ReadonlySignal<number>;
}

export function createMap(state: State, options: MapOptions, tooltip: Tooltip, until: AbortSignal): MapView {
  const cells = h("canvas", { "aria-hidden": "true" });
  const marks = h("canvas", { class: "pm-above", "aria-hidden": "true" });
  const element = h("div", { class: "pm-map" }, cells, marks);
  const map = cellMapOf(state, options, element, until);
  const { size, room, frame } = map;
  draw(until, () => {
    if (size.value[0]) drawBelow(context(cells, ...size.value), map);
  });
  draw(until, () => {
    if (size.value[0]) drawAbove(context(marks, ...size.value), map);
  });
  const walker = createMapWalker(map);
  element.append(walker.element);
  watch(until, () => {
    void frame.value;
    void state.effects.value;
    if (size.value[0]) walker.refresh();
  });
  listenToPointer(map, walker, tooltip, until);
  return {
    element,
    frame,
    around: computed(() => room.value.top + room.value.bottom),
    gutter: computed(() => room.value.left),
  };
}

/** Cells and sums. */
function drawBelow(pen: CanvasRenderingContext2D, { state, options, frame, sums }: CellMap): void {
  const [effects, theme, table] = [state.effects.value, state.theme.value, state.table.value];
  const [grid, view] = [options.grid.value, options.window.value];
  const pixels = Math.round(frame.value.width * (window.devicePixelRatio || 1));
  const raster = rasterise(grid, effects, view, pixels);
  drawCells(pen, { grid, effects, raster, frame: frame.value, scale: state.scale.value, table, theme });
  if (options.sums && sums.value.rows.some(({ n }) => n)) drawSums(pen, grid, sums.value, frame.value, table, theme);
}

/** What changes with the pointer: labels, and the cells that are selected, open and pointed at. */
function drawAbove(pen: CanvasRenderingContext2D, { state, options, frame, pointed }: CellMap): void {
  const [theme, now, place, at] = [state.theme.value, options.grid.value, frame.value, pointed.value];
  const tokens = new Set(state.tokens.value);
  const chosen: Pinned[] = now.columns.flatMap(({ position }, column) =>
    position !== undefined && tokens.has(position) ? [{ at: column, ink: theme.select }] : [],
  );
  const pin = (line: number | undefined): Pinned[] => (line === undefined ? [] : [{ at: line, ink: theme.accent }]);
  drawColumnLabels(pen, now, place, theme, [...pin(at?.column), ...chosen]);
  drawRowLabels(pen, now, place, theme, pin(at?.row));
  pen.fillStyle = theme.select;
  for (const { at: column } of chosen) {
    const x = xOf(place, column);
    if (x < place.left + place.width && x + place.cellWidth > place.left)
      pen.fillRect(x, place.top - 4, Math.max(2, place.cellWidth - 1), 3);
  }
  for (const cell of headCells(state, now)) {
    const spot = placeIn(now, place, cell);
    if (spot) outline(pen, spot.x, spot.y, place, theme.select, theme.ground);
  }
  const open = placeIn(now, place, state.open.value);
  if (open) outline(pen, open.x, open.y, place, theme.ink, theme.ground);
  if (at && cellOf(now, at) !== undefined)
    outline(pen, xOf(place, at.column!), yOf(place, at.row!), place, theme.accent, theme.ground);
}

function createMapWalker(map: CellMap): Walker {
  const { state, options, frame } = map;
  const { grid, window: view } = options;
  return createWalker({
    name: options.name,
    rows: () => grid.peek().rows.length,
    columns: () => grid.peek().columns.length,
    place: (row, column) => {
      const now = frame.peek();
      return {
        left: xOf(now, column),
        top: yOf(now, row),
        width: Math.max(3, now.cellWidth),
        height: Math.max(3, now.cellHeight),
      };
    },
    describe: (row, column) => describe(state, grid.peek(), row, column),
    onMove: (row, column) => {
      view.value = showing(view.peek(), column, grid.peek().columns.length);
      pointAt(map, { row, column });
    },
    onEnter: (row, column, extend) => {
      const cell = cellOf(grid.peek(), { row, column });
      if (cell !== undefined) options.onChoose(cell, extend);
    },
    onLeave: () => leave(map),
  });
}

/** The cells of the selected heads, where each head is one cell. */
function headCells(state: State, grid: Grid): number[] {
  if (grid.across !== "heads") return [];
  const wanted = new Set(state.heads.value.map(String));
  return grid.at.reduce<number[]>((found, cell) => {
    const { layer, head } = cell < 0 ? { layer: 0, head: undefined } : state.space.placeOf(cell);
    if (head !== undefined && wanted.has(`${layer},${head}`)) found.push(cell);
    return found;
  }, []);
}

function describe(state: State, grid: Grid, row: number, column: number): string {
  const cell = cellOf(grid, { row, column });
  return cell === undefined
    ? "No such part"
    : cellNote(state, state.effects.peek(), cell)
        .map((line) => (typeof line === "string" ? line : line.textContent))
        .join(", ");
}
