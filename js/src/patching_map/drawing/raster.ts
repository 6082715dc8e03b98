/** From a grid to pixels: which cell each pixel shows, and its colours. */
import type { Table } from "../../core/drawing/colour";
import { entryOf, type Scale } from "../../core/drawing/scale";
import { type Effects, shownOf, statusOf } from "../cells/cells";
import type { Grid } from "../cells/grid";
import type { Window } from "./layout";

export interface Raster {
  /** Flat cell of each pixel [row, x]; -1 for none. */
  cells: Int32Array;
  width: number;
  height: number;
  /** The first column, and columns a pixel. */
  first: number;
  per: number;
}

/**
 * The columns of a window in at most `pixels` pixels a row. Where columns are narrower than pixels, a pixel shows the
 * one of the largest magnitude: an average would make single strong cells vanish.
 */
export function rasterise(grid: Grid, effects: Effects, window: Window, pixels: number): Raster {
  const all = grid.columns.length;
  const first = Math.floor(window.first);
  const columns = Math.min(all, Math.ceil(window.first + window.span)) - first;
  const per = Math.max(1, columns / Math.max(1, pixels));
  const [width, height] = [Math.ceil(columns / per), grid.rows.length];
  const cells = new Int32Array(width * height).fill(-1);
  for (let row = 0; row < height; row++)
    for (let column = 0; column < columns; column++) {
      const at = row * width + Math.floor(column / per);
      const cell = grid.at[row * all + first + column]!;
      if (cell >= 0 && (cells[at]! < 0 || weight(effects, cell) > weight(effects, cells[at]!))) cells[at] = cell;
    }
  return { cells, width, height, first, per };
}

/** What is shown where several cells share a pixel: the largest value, else what is undefined. */
const weight = (effects: Effects, cell: number): number => {
  const size = Math.abs(shownOf(effects, cell));
  return !Number.isNaN(size) ? size : statusOf(effects, cell) === "undefined" ? -1 : -2;
};

/** One colour a pixel for the exact (and not-run) cells and one for the estimates, each 0 where the other is. */
export function colours(
  raster: Raster,
  effects: Effects,
  scale: Scale,
  table: Table,
  notRun: number,
): { solid: Uint32Array; pale: Uint32Array } {
  const [solid, pale] = [new Uint32Array(raster.cells.length), new Uint32Array(raster.cells.length)];
  raster.cells.forEach((cell, i) => {
    if (cell < 0) return;
    const status = statusOf(effects, cell);
    if (status === "exact" || status === "zero") solid[i] = table[entryOf(effects.values[cell]!, scale)]!;
    else if (status === "estimate") pale[i] = table[entryOf(effects.estimates![cell]!, scale)]!;
    else if (status === "none") solid[i] = notRun;
  });
  return { solid, pale };
}

/** Pixels as a canvas of their own. */
export function picture(pixels: Uint32Array, width: number, height: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d")!;
  const image = pen.createImageData(width, height);
  new Uint32Array(image.data.buffer).set(pixels);
  pen.putImageData(image, 0, 0);
  return canvas;
}
