/** A map of cells on a canvas, with its labels, pointer and keys: the main one, or the strip of positions above it. */
import { context, h } from "../../core/elements/dom";
import type { Tooltip } from "../../core/elements/tooltip";
import { createWalker } from "../../core/elements/walker";
import { computed, draw, type ReadonlySignal, type Signal, signal, sizeOf, watch } from "../../core/reactive";
import { type Grid, sumsOf } from "../cells/grid";
import { COLUMN_BAR, drawSums, ROW_BAR } from "../cells/sums";
import { cellNote, sumNote, tokenNote } from "../panel/cell_note";
import type { State } from "../state";
import { drawCells, outline, placeIn } from "./drawing";
import { columnRoom, drawColumnLabels, drawRowLabels, measuresOf, type Pinned, rowRoom } from "./labels";
import { columnAt, type Frame, frameOf, rowAt, showing, type Window, xOf, yOf, zoomed } from "./layout";
import { rasterise } from "./raster";

export interface MapOptions {
  name: string;
  grid: ReadonlySignal<Grid>;
  window: Signal<Window>;
  /** The least room at the left, so that maps one above the other are in line. */
  gutter?: ReadonlySignal<number>;
  /** Whether row and column sums stand at the margins. */
  sums: boolean;
  onPoint(cell: number | undefined): void;
  onChoose(cell: number, extend: boolean): void;
}

/** Room for a margin of sums, its gaps included. */
const ROW_SUMS = ROW_BAR + 20;
const COLUMN_SUMS = COLUMN_BAR + 20;

export interface MapView {
  element: HTMLElement;
  frame: ReadonlySignal<Frame>;
  /** The height that the labels and sums take beside the cells, and the width of the labels at the left. */
  around: ReadonlySignal<number>;
  gutter: ReadonlySignal<number>;
}

export function createMap(state: State, options: MapOptions, tooltip: Tooltip, until: AbortSignal): MapView {
  const { grid, window: view } = options;
  const below = h("canvas", { "aria-hidden": "true" });
  const above = h("canvas", { class: "pm-above", "aria-hidden": "true" });
  const element = h("div", { class: "pm-map" }, below, above);
  const size = sizeOf(element, until);
  const pointed = signal<{ row?: number; column?: number } | undefined>(undefined);
  const measures = computed(() => measuresOf(state.theme.value));

  const room = computed(() => {
    const now = grid.value;
    const left = Math.max(rowRoom(now, measures.value), options.gutter?.value ?? 0);
    const bottom = options.sums ? (now.across === "positions" ? COLUMN_SUMS : 32) : 2;
    const guess = (size.value[0] - left - (options.sums ? ROW_SUMS : 4)) / view.value.span;
    const { height, tail } = columnRoom(now, Math.min(40, guess >= 4 ? Math.floor(guess) : guess), measures.value);
    return { left, top: height, right: Math.max(options.sums ? ROW_SUMS : 4, tail), bottom };
  });
  const frame = computed(() => {
    const [width, height] = size.value;
    const now = grid.value;
    return frameOf(width, height, room.value, now.rows.length, now.columns.length, view.value, now.gapBefore);
  });
  const gutter = computed(() => room.value.left);
  const around = computed(() => room.value.top + room.value.bottom);

  draw(until, () => {
    const [width, height] = size.value;
    if (!width) return;
    const pen = context(below, width, height);
    const [effects, theme, table] = [state.effects.value, state.theme.value, state.table.value];
    const raster = rasterise(
      grid.value,
      effects,
      view.value,
      Math.round(frame.value.width * (window.devicePixelRatio || 1)),
    );
    drawCells(pen, { grid: grid.value, effects, raster, frame: frame.value, scale: state.scale.value, table, theme });
    if (!options.sums) return;
    if (sums.value.rows.some(({ n }) => n)) drawSums(pen, grid.value, sums.value, frame.value, table, theme);
  });
  const sums = computed(() => sumsOf(grid.value, state.effects.value));

  draw(until, () => {
    const [width, height] = size.value;
    if (!width) return;
    const pen = context(above, width, height);
    const [theme, now, place, at] = [state.theme.value, grid.value, frame.value, pointed.value];
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
    const cell = cellOf(now, at);
    if (cell !== undefined && at)
      outline(pen, xOf(place, at.column!), yOf(place, at.row!), place, theme.accent, theme.ground);
  });

  const walker = createWalker({
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
      point({ row, column });
    },
    onEnter: (row, column, extend) => {
      const cell = cellOf(grid.peek(), { row, column });
      if (cell !== undefined) options.onChoose(cell, extend);
    },
    onLeave: () => leave(),
  });
  element.append(walker.element);
  watch(until, () => {
    void frame.value;
    void state.effects.value;
    if (size.value[0]) walker.refresh();
  });

  const point = (at: { row?: number; column?: number } | undefined): void => {
    pointed.value = at;
    options.onPoint(cellOf(grid.peek(), at));
  };
  // Where the pointer is, so that its note is told again when a value changes beneath it.
  const pointer = signal<{ x: number; y: number } | undefined>(undefined);
  watch(until, () => {
    const [at, spot] = [pointed.value, pointer.value];
    if (!spot) return tooltip.hide();
    const [now, effects] = [grid.value, state.effects.value];
    const cell = cellOf(now, at);
    if (cell !== undefined) tooltip.show(spot.x, spot.y, cellNote(state, effects, cell));
    else if (at?.row !== undefined)
      tooltip.show(spot.x, spot.y, sumNote(now.rows[at.row]!.name, sums.value.rows[at.row]!));
    else if (at?.column !== undefined)
      tooltip.show(
        spot.x,
        spot.y,
        columnNote(now, at.column, options.sums ? sums.value.columns[at.column] : undefined),
      );
    else tooltip.hide();
  });

  /** Where a pointer is: on a cell, on a row's sum or label (then only a row), on a column's (then only a column). */
  const locate = (event: MouseEvent): { row?: number; column?: number } | undefined => {
    const bounds = element.getBoundingClientRect();
    const now = frame.peek();
    const [x, y] = [event.clientX - bounds.left, event.clientY - bounds.top];
    const inRows = y >= now.top && y < now.top + now.height;
    const inColumns = x >= now.left && x < now.left + now.width;
    const column = columnAt(now, x);
    if (inRows && inColumns) return column === undefined ? undefined : { row: rowAt(now, y), column };
    if (inRows && options.sums && x < now.left + now.width + ROW_SUMS) return { row: rowAt(now, y) };
    if (!inColumns || column === undefined) return undefined;
    if (y < now.top || (options.sums && grid.peek().across === "positions")) return { column };
    return undefined;
  };

  element.addEventListener("pointermove", (event) => {
    if (event.buttons && panning) return;
    const at = locate(event);
    if (at?.row !== pointed.peek()?.row || at?.column !== pointed.peek()?.column) point(at);
    pointer.value = { x: event.clientX, y: event.clientY };
  });
  const leave = (): void => {
    pointer.value = undefined;
    point(undefined);
  };
  element.addEventListener("pointerleave", leave);

  let panning = false;
  element.addEventListener("pointerdown", (down) => {
    if (down.button) return;
    const at = locate(down);
    const from = view.peek();
    element.setPointerCapture(down.pointerId);
    element.onpointermove = (move) => {
      if (!panning && (Math.abs(move.clientX - down.clientX) < 4 || from.span >= grid.peek().columns.length)) return;
      panning = true;
      view.value = zoomed(
        { ...from, first: from.first - (move.clientX - down.clientX) / frame.peek().cellWidth },
        1,
        0,
        grid.peek().columns.length,
      );
    };
    element.onlostpointercapture = () => {
      element.onpointermove = element.onlostpointercapture = null;
      const moved = panning;
      panning = false;
      const cell = cellOf(grid.peek(), at);
      if (moved) return;
      if (cell !== undefined) {
        walker.stand(at!.row!, at!.column!);
        walker.element.querySelector<HTMLElement>(".sw-cell")!.focus({ preventScroll: true }); // keys go on from here
        options.onChoose(cell, down.shiftKey);
      } else if (at?.row === undefined && at?.column !== undefined) {
        const { position } = grid.peek().columns[at.column]!;
        if (position !== undefined) state.chooseToken(position, down.shiftKey);
      }
    };
  });
  element.addEventListener("dblclick", () => (view.value = { first: 0, span: grid.peek().columns.length }));
  element.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      const { left, cellWidth, first } = frame.peek();
      const at = first + (event.clientX - element.getBoundingClientRect().left - left) / cellWidth;
      view.value = zoomed(view.peek(), Math.exp(event.deltaY * 0.004), at, grid.peek().columns.length);
    },
    { passive: false },
  );
  return { element, frame, around, gutter };
}

function cellOf(grid: Grid, at: { row?: number; column?: number } | undefined): number | undefined {
  if (at?.row === undefined || at.column === undefined) return undefined;
  const cell = grid.at[at.row * grid.columns.length + at.column] ?? -1;
  return cell < 0 ? undefined : cell;
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

const columnNote = (
  grid: Grid,
  column: number,
  sum: ReturnType<typeof sumsOf>["columns"][number] | undefined,
): (Node | string)[] => {
  const { text, name, position } = grid.columns[column]!;
  const first = position === undefined ? [name] : tokenNote(text, position);
  return sum && position !== undefined ? [...first, ...sumNote("", sum)] : first;
};
