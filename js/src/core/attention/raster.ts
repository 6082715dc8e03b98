/** From a pattern to pixels: pool the cells of a window, then colour them. */

import type { Table } from "../drawing/colour";
import { entryOf, LOG_FLOOR, type Scale } from "../drawing/scale";
import { type Pattern, rowStart } from "./pattern";

/** The part of the square that is shown: `span` queries from `query` on, `span` keys from `key` on; may be fractions. */
export interface Window {
  query: number;
  key: number;
  span: number;
}

/** Values of a picture, row by row; `EMPTY` above the diagonal. Its pixels cover whole cells from (`query`, `key`) on. */
export interface Raster {
  width: number;
  height: number;
  values: Float32Array;
  query: number;
  key: number;
  /** Cells a pixel. */
  cells: number;
}

/** Not a cell: above the diagonal. */
export const EMPTY = Infinity;

/**
 * The values of a window in at most `pixels` x `pixels`. Where cells are smaller than pixels, a pixel shows the largest
 * (by magnitude) of its cells: an average would make the thin stripes of long prompts vanish. NaN wins over numbers.
 */
export function rasterise(pattern: Pattern, window: Window, pixels: number): Raster {
  const firstQuery = Math.floor(window.query);
  const firstKey = Math.floor(window.key);
  const rows = Math.min(pattern.size, Math.ceil(window.query + window.span)) - firstQuery;
  const columns = Math.min(pattern.size, Math.ceil(window.key + window.span)) - firstKey;
  const cells = Math.max(1, Math.max(rows, columns) / pixels);
  const width = Math.ceil(columns / cells);
  const height = Math.ceil(rows / cells);
  const values = new Float32Array(width * height).fill(EMPTY);
  const columnOf = Int32Array.from({ length: columns }, (_, i) => Math.floor(i / cells));
  for (let i = 0; i < rows; i++) {
    const query = firstQuery + i;
    const row = pattern.rows.get(query);
    const from = row ? firstKey : rowStart(query) + firstKey;
    const [source, step] = row ? [row, 1] : [pattern.values, pattern.step];
    const to = Math.floor(i / cells) * width;
    const count = Math.min(columns, query + 1 - firstKey);
    for (let j = 0; j < count; j++) {
      const value = source[from + j]! * step;
      const at = to + columnOf[j]!;
      const before = values[at]!;
      if (before === EMPTY || Number.isNaN(value) || Math.abs(value) > Math.abs(before)) values[at] = value;
    }
  }
  return { width, height, values, query: firstQuery, key: firstKey, cells };
}

/** Colour a raster into `out` (RGBA as uint32): nothing above the diagonal and nothing for NaN. */
export function colour(raster: Raster, scale: Scale, table: Table, out: Uint32Array): void {
  const { values } = raster;
  const { low, high, threshold, kind } = scale;
  const ground = table[entryOf(0, { ...scale, threshold: Infinity })]!;
  const log = kind === "log";
  const floor = log ? Math.log(Math.max(low, LOG_FLOOR)) : low;
  const factor = 256 / ((log ? Math.log(high) : high) - floor);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value === EMPTY || Number.isNaN(value)) {
      out[i] = 0;
      continue;
    }
    const magnitude = value < 0 ? -value : value;
    if (magnitude < threshold) out[i] = ground;
    else {
      const entry = ((log ? (value > 0 ? Math.log(value) : -Infinity) : value) - floor) * factor;
      out[i] = table[entry <= 0 ? 0 : entry >= 255 ? 255 : entry | 0]!;
    }
  }
}

/** A coloured raster as a canvas of its own, one pixel a value. */
export function paint(raster: Raster, scale: Scale, table: Table): HTMLCanvasElement {
  const picture = document.createElement("canvas");
  picture.width = raster.width;
  picture.height = raster.height;
  const pen = picture.getContext("2d")!;
  const image = pen.createImageData(raster.width, raster.height);
  colour(raster, scale, table, new Uint32Array(image.data.buffer));
  pen.putImageData(image, 0, 0);
  return picture;
}
