/** Finding points by their place: what is under the pointer, and what is next in a direction. */

/** A grid of buckets over points `[x, y, x, y, ...]`; each bucket lists its points. */
export class Nearest {
  readonly #columns: number;
  readonly #rows: number;
  readonly #left: number;
  readonly #bottom: number;
  readonly #size: number;
  readonly #starts: Int32Array;
  readonly #points: Int32Array;

  constructor(readonly places: Float32Array) {
    const n = places.length / 2;
    let [left, bottom, right, top] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let i = 0; i < n; i++) {
      const [x, y] = [places[2 * i]!, places[2 * i + 1]!];
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < bottom) bottom = y;
      if (y > top) top = y;
    }
    const buckets = Math.max(1, n / 4);
    const [wide, high] = [Math.max(right - left, 1e-12), Math.max(top - bottom, 1e-12)];
    this.#size = Math.max(Math.sqrt((wide * high) / buckets), Math.max(wide, high) / 1000);
    this.#left = left;
    this.#bottom = bottom;
    this.#columns = Math.floor(wide / this.#size) + 1;
    this.#rows = Math.floor(high / this.#size) + 1;
    this.#starts = new Int32Array(this.#columns * this.#rows + 1);
    const bucket = (i: number): number =>
      Math.floor((places[2 * i + 1]! - bottom) / this.#size) * this.#columns +
      Math.floor((places[2 * i]! - left) / this.#size);
    for (let i = 0; i < n; i++) this.#starts[bucket(i) + 1]!++;
    for (let at = 1; at < this.#starts.length; at++) this.#starts[at]! += this.#starts[at - 1]!;
    const next = this.#starts.slice();
    this.#points = new Int32Array(n);
    for (let i = 0; i < n; i++) this.#points[next[bucket(i)]!++] = i;
  }

  /** The nearest point that `counts` within a distance; of two at one place the one drawn later. */
  at(x: number, y: number, within: number, counts: (point: number) => boolean): number | undefined {
    const [size, columns] = [this.#size, this.#columns];
    const first = (value: number, low: number): number => Math.max(0, Math.floor((value - within - low) / size));
    const last = (value: number, low: number, n: number): number =>
      Math.min(n - 1, Math.floor((value + within - low) / size));
    let [found, least]: [number | undefined, number] = [undefined, within * within];
    for (let row = first(y, this.#bottom); row <= last(y, this.#bottom, this.#rows); row++)
      for (let column = first(x, this.#left); column <= last(x, this.#left, columns); column++) {
        const at = row * columns + column;
        for (let i = this.#starts[at]!; i < this.#starts[at + 1]!; i++) {
          const point = this.#points[i]!;
          const distance = (this.places[2 * point]! - x) ** 2 + (this.places[2 * point + 1]! - y) ** 2;
          if (distance > least || (distance === least && found !== undefined && found > point)) continue;
          if (counts(point)) [found, least] = [point, distance];
        }
      }
    return found;
  }
}

/** The next point from a point in a direction: the nearest within 45 degrees of it, those straight ahead before others. */
export function nextInDirection(
  places: Float32Array,
  from: number,
  [right, up]: readonly [number, number],
  counts: (point: number) => boolean,
): number | undefined {
  const [x, y] = [places[2 * from]!, places[2 * from + 1]!];
  let [found, least]: [number | undefined, number] = [undefined, Infinity];
  for (let point = 0; point < places.length / 2; point++) {
    const [dx, dy] = [places[2 * point]! - x, places[2 * point + 1]! - y];
    const ahead = dx * right + dy * up;
    const aside = Math.abs(dx * up - dy * right);
    if (ahead <= 0 || aside > ahead) continue;
    const cost = ahead + 2 * aside;
    if (cost < least && counts(point)) [found, least] = [point, cost];
  }
  return found;
}
