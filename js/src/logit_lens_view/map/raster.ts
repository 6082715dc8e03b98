/** All cells as a small picture, one pixel a cell, the deepest layer on top. */

import type { Table } from "../../core/drawing/colour";
import { entryOf, type Scale } from "../../core/drawing/scale";
import type { State } from "../state";

/** Undefined while the values have not arrived; what is NaN is left transparent. */
export function rasterOf(state: State): HTMLCanvasElement | undefined {
  const [values, scale, table] = [state.values.value, state.scale.value, state.table.value];
  if (!values) return undefined;
  const { columns, rows } = state.counts;
  const picture = document.createElement("canvas");
  picture.width = columns;
  picture.height = rows;
  const pen = picture.getContext("2d")!;
  const image = pen.createImageData(columns, rows);
  const out = new Uint32Array(image.data.buffer);
  for (let row = 0; row < rows; row++) {
    const from = (rows - 1 - row) * columns;
    for (let column = 0; column < columns; column++)
      out[row * columns + column] = colourOf(values[from + column]!, scale, table);
  }
  pen.putImageData(image, 0, 0);
  return picture;
}

export function colourOf(value: number, scale: Scale, table: Table): number {
  const entry = entryOf(value, scale);
  return entry < 0 ? 0 : table[entry]!;
}
