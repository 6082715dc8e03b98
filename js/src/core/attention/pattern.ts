/** The attention of one head: a causal triangle of values, row after row. */

export interface Pattern {
  /** Number of tokens. */
  readonly size: number;
  /** Lower triangle; the value of a cell is `values[i] * step`. */
  readonly values: Float32Array | Uint8Array;
  readonly step: number;
  readonly exact: boolean;
  /** Exact rows of a pattern whose triangle is quantised. */
  readonly rows: Map<number, Float32Array>;
  readonly signed: boolean;
}

export interface Reading {
  value: number;
  exact: boolean;
}

/** Where row `query` begins in the triangle. */
export const rowStart = (query: number): number => (query * (query + 1)) / 2;

export function makePattern(
  size: number,
  values: Float32Array | Uint8Array,
  step: number,
  exact: boolean,
  signed = false,
): Pattern {
  if (values.length !== rowStart(size))
    throw new Error(`A pattern of ${size} tokens has ${rowStart(size)} cells, but ${values.length} arrived.`);
  return { size, values, step, exact, rows: new Map(), signed };
}

export function read(pattern: Pattern, query: number, key: number): Reading {
  const row = pattern.rows.get(query);
  if (row) return { value: row[key]!, exact: true };
  return { value: pattern.values[rowStart(query) + key]! * pattern.step, exact: pattern.exact };
}

/** B - A, exact where both are; with the partners of A's positions in B over these, NaN elsewhere. */
export function difference(a: Pattern, b: Pattern, partners?: readonly number[]): Pattern {
  if (partners) return alignedDifference(a, b, partners);
  const values = new Float32Array(a.values.length);
  for (let i = 0; i < values.length; i++) values[i] = b.values[i]! * b.step - a.values[i]! * a.step;
  const pattern = makePattern(a.size, values, 1, a.exact && b.exact, true);
  for (const [query, row] of a.rows) {
    const other = b.rows.get(query);
    if (other)
      pattern.rows.set(
        query,
        other.map((value, key) => value - row[key]!),
      );
  }
  return pattern;
}

function alignedDifference(a: Pattern, b: Pattern, partners: readonly number[]): Pattern {
  const values = new Float32Array(a.values.length).fill(NaN);
  const pattern = makePattern(a.size, values, 1, a.exact && b.exact, true);
  for (let query = 0; query < a.size; query++) {
    const other = partners[query]!;
    const row = values.subarray(rowStart(query), rowStart(query + 1));
    for (let key = 0; other >= 0 && key <= query; key++) {
      const at = partners[key]!;
      if (at >= 0 && at <= other) row[key] = read(b, other, at).value - read(a, query, key).value;
    }
    if (!pattern.exact && isExact(a, query) && (other < 0 || isExact(b, other))) pattern.rows.set(query, row);
  }
  return pattern;
}

export function largestMagnitude(pattern: Pattern): number {
  let largest = 0;
  for (const value of pattern.values) if (Math.abs(value) > largest) largest = Math.abs(value);
  return largest * pattern.step;
}

/** How many cells lie beyond a limit, by magnitude. */
export function countBeyond({ values, step }: Pattern, limit: number): number {
  const most = limit / step;
  let count = 0;
  for (let i = 0; i < values.length; i++) if (values[i]! > most || values[i]! < -most) count++;
  return count;
}

/** Whether row `query` can be read exactly without asking the kernel. */
export const isExact = (pattern: Pattern, query: number): boolean => pattern.exact || pattern.rows.has(query);

export interface Ranked extends Reading {
  position: number;
}

/** The keys that `query` attends to most (by magnitude). */
export const topKeys = (pattern: Pattern, query: number, count: number): Ranked[] =>
  top(0, query + 1, count, (key) => ({ position: key, ...read(pattern, query, key) }));

/** The queries that attend to `key` most. */
export const topQueries = (pattern: Pattern, key: number, count: number): Ranked[] =>
  top(key, pattern.size, count, (query) => ({ position: query, ...read(pattern, query, key) }));

/** The largest of many by insertion into a short list: a pointer that moves asks for this at each frame. */
function top(first: number, end: number, count: number, at: (position: number) => Ranked): Ranked[] {
  const size = ({ value }: Ranked): number => (Number.isNaN(value) ? -1 : Math.abs(value));
  const best: Ranked[] = [];
  for (let position = first; position < end; position++) {
    const next = at(position);
    if (best.length === count && size(next) <= size(best.at(-1)!)) continue;
    let place = best.length;
    while (place && size(best[place - 1]!) < size(next)) place--;
    best.splice(place, 0, next);
    best.length = Math.min(best.length, count);
  }
  return best;
}
