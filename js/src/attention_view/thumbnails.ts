/** Thumbnails as rasters: small pictures of whole patterns, quantised; good for drawing only. */
import type { Head } from "../core/selection";
import { EMPTY, type Raster } from "./raster";
import type { PanelName, State } from "./state";

/** The thumbnail of a head; undefined while its layer has not arrived. */
export function thumbnail(state: State, [layer, head]: Head, panel: PanelName): Raster | undefined {
  const { values, layers } = state.patterns.thumbnails.value;
  if (layer >= layers) return undefined;
  const side = state.patterns.thumbnailSize;
  const cells = side * side;
  const at = (of: number): number => ((of * state.layers + layer) * state.headsPerLayer + head) * cells;
  const out = new Float32Array(cells);
  for (let i = 0; i < cells; i++) {
    if (i % side > Math.floor(i / side)) out[i] = EMPTY;
    else if (panel === "difference") out[i] = (values[at(1) + i]! - values[at(0) + i]!) / 255;
    else out[i] = values[at(panel === "b" ? 1 : 0) + i]! / 255;
  }
  return { width: side, height: side, values: out, query: 0, key: 0, cells: state.size / side };
}
