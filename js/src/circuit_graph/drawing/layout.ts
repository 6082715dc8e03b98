/** From columns and layers to pixels: layers up, the embeddings at the bottom, the logits on top. */

export interface Room {
  width: number;
  height: number;
}

export interface Frame extends Room {
  /** Pixels between two columns, and between two layers. */
  pitch: number;
  rise: number;
  x(column: number): number;
  /** Rows of embeddings and logits keep clear of deep stacks of layers. */
  y(row: number): number;
  /** The inverse of `x` and `y`. */
  placeAt(x: number, y: number): [column: number, row: number];
  /** Radius of the strongest and of the weakest node. */
  radius: { most: number; least: number };
}

/** Room for the numbers of layers and heads. */
export const GUTTER = 40;
const [TOP, BOTTOM, RIGHT] = [14, 32, 20];
/** Between the boxes of embeddings and logits and the layers. */
const LEAST_GAP = 24;
const MOST_PITCH = 112;

const within = (value: number, least: number, most: number): number => Math.max(least, Math.min(most, value));

export function frameOf({ width, height }: Room, columns: number, layers: number): Frame {
  const pitch = within((width - GUTTER - RIGHT) / (columns + 1), 4, MOST_PITCH);
  const left = GUTTER + (width - GUTTER - RIGHT - columns * pitch) / 2;
  const [whole, last] = [height - TOP - BOTTOM, layers - 1];
  const even = whole / (layers + 1);
  const gap = Math.max(even, LEAST_GAP);
  const rise = even >= LEAST_GAP || !last ? even : Math.max(3, (whole - 2 * gap) / last);
  const bottom = TOP + whole - gap; // of layer 0
  const steps = [
    [0, gap],
    [last + 0.4, rise],
    [Infinity, (gap - 0.4 * rise) / 0.6],
  ] as const;
  const y = (row: number): number => {
    let [height, layer] = [-gap, -1];
    for (const [upTo, layerHeight] of steps) {
      if (row <= upTo) return bottom - height - (row - layer) * layerHeight;
      height += (upTo - layer) * layerHeight;
      layer = upTo;
    }
    return bottom - height;
  };
  const layerAt = (pointerY: number): number => {
    let [height, layer] = [-gap, -1];
    for (const [upTo, layerHeight] of steps) {
      const next = height + (upTo - layer) * layerHeight;
      if (bottom - pointerY <= next) return layer + (bottom - pointerY - height) / layerHeight;
      [height, layer] = [next, upTo];
    }
    return layer;
  };
  const most = within(Math.min(rise * 0.42, pitch * 0.36), 3, 15);
  return {
    width,
    height,
    pitch,
    rise,
    x: (column) => left + column * pitch,
    y,
    placeAt: (x, pointerY) => [(x - left) / pitch, layerAt(pointerY)],
    radius: { most, least: Math.max(2, most * 0.45) },
  };
}
