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
  y(row: number): number;
  /** The inverse of `x` and `y`. */
  placeAt(x: number, y: number): [column: number, row: number];
  /** Radius of the strongest and of the weakest node. */
  radius: { most: number; least: number };
}

/** Room for the numbers of layers and heads. */
export const GUTTER = 40;
const [TOP, BOTTOM, RIGHT] = [20, 38, 20];
const MOST_PITCH = 112;

const within = (value: number, least: number, most: number): number => Math.max(least, Math.min(most, value));

export function frameOf({ width, height }: Room, columns: number, layers: number): Frame {
  const pitch = within((width - GUTTER - RIGHT) / (columns + 1), 4, MOST_PITCH);
  const left = GUTTER + (width - GUTTER - RIGHT - columns * pitch) / 2;
  const rise = Math.max(4, (height - TOP - BOTTOM) / (layers + 1));
  const most = within(Math.min(rise * 0.42, pitch * 0.36), 3, 15);
  return {
    width,
    height,
    pitch,
    rise,
    x: (column) => left + column * pitch,
    y: (row) => TOP + (layers - row) * rise,
    placeAt: (x, y) => [(x - left) / pitch, layers - (y - TOP) / rise],
    radius: { most, least: Math.max(2, most * 0.45) },
  };
}
