/** Which points lie within what was drawn around them. */

/** Corners, `[x, y]` each. */
export type Outline = readonly (readonly [number, number])[];

export const rectangle = ([x, y]: readonly [number, number], [u, v]: readonly [number, number]): Outline => [
  [x, y],
  [u, y],
  [u, v],
  [x, v],
];

/** The points inside, in their order; the line from the last corner to the first closes it (even-odd rule). */
export function inside(outline: Outline, places: Float32Array, counts: (point: number) => boolean): number[] {
  const xs = outline.map(([x]) => x);
  const ys = outline.map(([, y]) => y);
  const [left, right, bottom, top] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const found: number[] = [];
  for (let point = 0; point < places.length / 2; point++) {
    const [x, y] = [places[2 * point]!, places[2 * point + 1]!];
    if (x < left || x > right || y < bottom || y > top || !counts(point)) continue;
    let within = false;
    for (let i = 0, j = xs.length - 1; i < xs.length; j = i++)
      if (ys[i]! > y !== ys[j]! > y && x < ((xs[j]! - xs[i]!) * (y - ys[i]!)) / (ys[j]! - ys[i]!) + xs[i]!)
        within = !within;
    if (within) found.push(point);
  }
  return found;
}
