/** Which latents are listed, in which order. */
import type { Predicate } from "../core/filter/filter";
import type { Columns } from "./columns";

export type SortColumn = "latent" | "rate" | "mean" | "max" | "score" | "other" | "dead" | "match";

/** What a search found: rows, the best first, and what each is sorted by. */
export interface Found {
  rows: Int32Array;
  match: Float32Array;
}

/** Rows that are found and pass, sorted; what is missing stands last either way, and equal ones by their latents. */
export function orderOf(
  columns: Columns,
  [name, direction]: readonly [SortColumn, string],
  passes: Predicate | undefined,
  found: Found | undefined,
): Int32Array {
  let rows = found ? found.rows : Int32Array.from({ length: columns.n }, (_, row) => row);
  if (passes) rows = rows.filter(passes);
  const sign = direction === "descending" ? -1 : 1;
  if (name === "match" && found) return sign < 0 ? rows : rows.slice().reverse();
  return sorted(rows, name === "latent" ? undefined : valuesOf(columns, name), name === "match" ? -1 : sign);
}

function valuesOf(columns: Columns, name: Exclude<SortColumn, "latent">): ArrayLike<number> {
  if (name === "match") return columns.rate;
  return columns[name] ?? columns.rate;
}

/** Fits into the exact whole numbers of float64 beside 32 bits of a key. */
const MOST = 2 ** 21;
const FLOAT = new Float32Array(1);
const BITS = new Uint32Array(FLOAT.buffer);

/** Numbers are sorted as whole ones, of their bits and their rows, which engines do ten times as fast as by a function. */
function sorted(rows: Int32Array, values: ArrayLike<number> | undefined, sign: number): Int32Array {
  if (!values) return sign > 0 ? rows.slice().sort() : rows.slice().sort().reverse();
  if (rows.length && Math.max(rows[0]!, rows.at(-1)!, values.length) > MOST) return slowly(rows, values, sign);
  const keys = new Float64Array(rows.length);
  rows.forEach((row, at) => {
    FLOAT[0] = sign * values[row]!;
    const bits = BITS[0]!;
    // Of the bits of a number those of a larger one are larger, where the sign is turned.
    const key = Number.isNaN(FLOAT[0]) ? 0xffff_ffff : (bits >>> 31 ? ~bits : bits | 0x8000_0000) >>> 0;
    keys[at] = key * MOST + row;
  });
  keys.sort();
  return Int32Array.from(keys, (key) => key % MOST);
}

const slowly = (rows: Int32Array, values: ArrayLike<number>, sign: number): Int32Array =>
  rows.slice().sort((a, b) => {
    const [x, y] = [values[a]!, values[b]!];
    if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(x)) - Number(Number.isNaN(y)) || a - b;
    return sign * (x - y) || a - b;
  });
