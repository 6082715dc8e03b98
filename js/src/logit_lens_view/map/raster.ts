/** All cells as a small picture, one pixel a cell, the deepest layer on top; and what ink can be read on each colour. */

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

const linear = (channel: number): number => (channel / 255) ** 2.2;

/** Black or white, whichever stands out more from a colour; "" for the ink of the page, where there is no colour. */
export function inkOn(packed: number): string {
  if (!packed) return "";
  const luminance =
    0.2126 * linear(packed & 255) + 0.7152 * linear((packed >> 8) & 255) + 0.0722 * linear((packed >> 16) & 255);
  return luminance > 0.179 ? "#000" : "#fff";
}
