/** Thumbnails: small pictures of whole patterns, quantised; good for drawing only. */

import { EMPTY, type Raster } from "../../core/attention/raster";
import { entryOf } from "../../core/drawing/scale";
import type { Head } from "../../core/selection";
import type { PanelName, State } from "../state";

/** The thumbnail of a head as a raster; undefined while its layer has not arrived. */
export function thumbnail(state: State, [layer, head]: Head, panel: PanelName): Raster | undefined {
  const { layers } = state.patterns.thumbnails.value;
  if (layer >= layers || !state.has([layer, head], panel)) return undefined;
  const side = state.patterns.thumbnailSize;
  const values = new Float32Array(side * side);
  const level = levels(state, [layer, head], panel);
  for (let i = 0; i < values.length; i++) values[i] = i % side > Math.floor(i / side) ? EMPTY : level(i) / 255;
  return { width: side, height: side, values, query: 0, key: 0, cells: state.sizeOf(panel) / side };
}

/** All thumbnails, coloured, in one canvas without gaps: layers down, heads across. */
export function atlas(state: State, panel: PanelName): HTMLCanvasElement {
  const { layers } = state.patterns.thumbnails.value;
  const side = state.patterns.thumbnailSize;
  const width = state.headsPerLayer * side;
  const colours = colourOfLevels(state, panel);
  const picture = document.createElement("canvas");
  picture.width = width;
  picture.height = state.layers * side;
  const pen = picture.getContext("2d")!;
  const image = pen.createImageData(picture.width, picture.height);
  const out = new Uint32Array(image.data.buffer);
  for (let layer = 0; layer < layers; layer++)
    for (let head = 0; head < state.headsPerLayer; head++) {
      if (!state.has([layer, head], panel)) continue;
      const level = levels(state, [layer, head], panel);
      for (let row = 0; row < side; row++) {
        const to = (layer * side + row) * width + head * side;
        for (let column = 0; column <= row; column++) out[to + column] = colours[level(row * side + column) + 255] ?? 0; // none: not a cell of both
      }
    }
  pen.putImageData(image, 0, 0);
  return picture;
}

/** Level of the i-th pixel of a thumbnail: 0 to 255, or -255 to 255 for B - A; NaN where a token has no partner. */
function levels(state: State, [layer, head]: Head, panel: PanelName): (i: number) => number {
  const { values } = state.patterns.thumbnails.value;
  const cells = state.patterns.thumbnailSize ** 2;
  const start = (side: number): number => ((side * state.layers + layer) * state.headsPerLayer + head) * cells;
  const [a, b] = [start(0), start(1)];
  if (panel === "difference" && !state.aligned) return (i) => values[b + i]! - values[a + i]!;
  if (panel === "difference" && state.exactThumbnails) {
    const side = state.patterns.thumbnailSize;
    const places = Array.from({ length: side }, (_, pixel) => {
      const at = state.beside.position(Math.floor((pixel * state.sizeOf("a")) / side), "a", "b");
      return at === undefined ? -1 : Math.ceil((at * side) / state.sizeOf("b"));
    });
    return (i) => {
      const [row, column] = [places[Math.floor(i / side)]!, places[i % side]!];
      return column < 0 || column > row ? NaN : values[b + row * side + column]! - values[a + i]!;
    };
  }
  const from = panel === "b" ? b : a;
  return (i) => values[from + i]!;
}

/** Colours of the levels -255 to 255. */
function colourOfLevels(state: State, panel: PanelName): Uint32Array {
  const shown = panel === "difference" && !state.exactThumbnails ? "a" : panel;
  const [scale, table] = [state.scaleOf(shown), state.tableOf(shown)];
  return Uint32Array.from({ length: 511 }, (_, i) => table[entryOf((i - 255) / 255, scale)]!);
}
