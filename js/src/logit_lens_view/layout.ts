/** Where the cells stand: how large they are, and which of them are on show. */
import { niceCeiling } from "../core/drawing/scale";

/** Room for the names of the layers, left of the cells, and of the tokens, above them. */
export const GUTTER = 48;
export const HEADER = 34;

/** A cell that holds a word; one that does so just about, where then all fit; and the widest, where there is room. */
const WORD = 54;
const SHORT_WORD = 42;
const WIDEST = 132;
const LARGEST_ZOOM = 260;
const LEAST_ROW = 12;
const TALLEST_ROW = 48;

/** Of the cells' part of the map, in pixels. */
export interface Room {
  width: number;
  height: number;
}

/** The cells on show: from column `x` and row `y` on (fractions are allowed), each `w` by `h` pixels; row 0 is on top. */
export interface View {
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface Counts {
  columns: number;
  rows: number;
}

const clamp = (value: number, least: number, most: number): number => Math.max(least, Math.min(most, value));

/** Width of a cell at zoom 1: all columns where they can hold words, else as many whole ones as can. */
function ownWidth(room: Room, { columns }: Counts): number {
  const all = room.width / columns;
  return all >= SHORT_WORD ? Math.min(WIDEST, all) : room.width / Math.max(1, Math.floor(room.width / WORD));
}

/** From all columns at once to one long word a cell. */
export function zoomLimits(room: Room, counts: Counts): [least: number, most: number] {
  const own = ownWidth(room, counts);
  return [Math.min(1, room.width / counts.columns / own), LARGEST_ZOOM / own];
}

/** The view at a zoom, as near to `x`, `y` as the edges allow. Rows shrink only where they do not all fit. */
export function viewOf(room: Room, counts: Counts, zoom: number, x: number, y: number): View {
  const [least, most] = zoomLimits(room, counts);
  const scale = clamp(zoom, least, most);
  const fit = room.height / counts.rows;
  const h = clamp(LEAST_ROW * Math.min(1, scale), Math.min(fit, TALLEST_ROW), Math.max(LEAST_ROW, fit));
  const w = ownWidth(room, counts) * scale;
  return {
    x: clamp(x, 0, Math.max(0, counts.columns - room.width / w)),
    y: clamp(y, 0, Math.max(0, counts.rows - room.height / Math.min(h, TALLEST_ROW))),
    w,
    h: Math.min(h, TALLEST_ROW),
  };
}

/** Where a view must start to show a cell. */
export function revealing(view: View, room: Room, column: number, row: number): [x: number, y: number] {
  const along = (from: number, at: number, span: number): number => clamp(from, at + 1 - span, at);
  return [along(view.x, column, room.width / view.w), along(view.y, row, room.height / view.h)];
}

/** Columns that have a label: each one, or those at multiples of a round number, at least `pitch` pixels apart. */
export const stepOf = (cell: number, pitch: number): number =>
  cell >= pitch ? 1 : Math.max(1, niceCeiling(pitch / cell));

/** The first and the last-plus-one index on show. */
export const shownRange = (from: number, span: number, count: number): [first: number, end: number] => [
  Math.max(0, Math.floor(from)),
  Math.min(count, Math.ceil(from + span)),
];
