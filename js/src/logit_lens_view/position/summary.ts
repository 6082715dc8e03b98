/** What the layers of one position come to: which tokens were ever on top, and since when the output's is. */
import type { Lens } from "../lens";

export interface OnTop {
  id: number;
  /** Runs of layers, both ends included, the lowest first. */
  runs: [first: number, last: number][];
  count: number;
  peak: number;
  peakLayer: number;
}

/** Tokens that were on top at some layer of a position, those of the deepest layers first. */
export function everOnTop(lens: Lens, position: number): OnTop[] {
  const found = new Map<number, OnTop>();
  lens.layers.forEach((_, layer) => {
    const cell = lens.cell(layer, position);
    const [id, probability] = [lens.topIds[cell]!, lens.topProbabilities[cell]!];
    const one = found.get(id) ?? { id, runs: [], count: 0, peak: -1, peakLayer: layer };
    found.set(id, one);
    const run = one.runs.at(-1);
    if (run && run[1] === layer - 1) run[1] = layer;
    else one.runs.push([layer, layer]);
    one.count++;
    if (probability > one.peak) [one.peak, one.peakLayer] = [probability, layer];
  });
  const last = ({ runs }: OnTop): number => runs.at(-1)![1];
  return [...found.values()].sort((a, b) => last(b) - last(a));
}

/** The layers of a token in words: "3 to 5, 8, 12 to output". */
export const runText = (lens: Lens, { runs }: OnTop): string =>
  runs
    .map(([first, last]) =>
      first === last ? lens.layerName(first) : `${lens.layerName(first)}–${lens.layerName(last)}`,
    )
    .join(", ");

/** For each position the lowest layer from which on the top token is the output's. */
export function settledFrom(lens: Lens): Int32Array {
  const last = lens.layers.length - 1;
  return Int32Array.from({ length: lens.positions }, (_, position) => {
    let layer = last;
    while (layer > 0 && lens.topIds[lens.cell(layer - 1, position)] === lens.topIds[lens.cell(last, position)]) layer--;
    return layer;
  });
}
