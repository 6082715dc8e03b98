/** The cells of a map: exact values, estimates, and which of them are known. A cell is a flat index everywhere. */
import { type Bytes, float32, float64 } from "../../core/bytes";

export type Numbers = Float64Array | Float32Array;

export interface Effects {
  /** NaN where not run, infinite where it was run and is undefined. */
  values: Numbers;
  estimates?: Numbers;
  /** 1 where a cell is 0 by construction, and was not run. */
  zero?: Uint8Array;
}

export type Status = "exact" | "zero" | "estimate" | "undefined" | "none";

/** Read a trait of `count` numbers, float64 or float32. */
export function numbers(value: Bytes, count: number): Numbers | undefined {
  return value.byteLength ? (value.byteLength === 4 * count ? float32(value) : float64(value)) : undefined;
}

export function statusOf({ values, estimates, zero }: Effects, cell: number): Status {
  const value = values[cell]!;
  if (Number.isFinite(value)) return zero?.[cell] ? "zero" : "exact";
  if (!Number.isNaN(value)) return "undefined";
  return estimates && Number.isFinite(estimates[cell]) ? "estimate" : "none";
}

/** What is drawn of a cell: its exact value, else its estimate, else NaN. */
export function shownOf({ values, estimates }: Effects, cell: number): number {
  const value = values[cell]!;
  if (Number.isFinite(value)) return value;
  return Number.isNaN(value) && estimates && Number.isFinite(estimates[cell]) ? estimates[cell]! : NaN;
}

/** The largest magnitude on show, 0 where nothing is. */
export function largest(effects: Effects): number {
  let most = 0;
  for (let cell = 0; cell < effects.values.length; cell++) {
    const size = Math.abs(shownOf(effects, cell));
    if (size > most) most = size;
  }
  return most;
}

/** The `count` cells of the largest magnitude, the largest first. */
export function strongest(effects: Effects, count: number): number[] {
  const best: number[] = [];
  const size = (cell: number): number => Math.abs(shownOf(effects, cell));
  for (let cell = 0; cell < effects.values.length; cell++) {
    const here = size(cell);
    if (!(here > 0) || (best.length === count && here <= size(best.at(-1)!))) continue;
    let at = best.length;
    while (at > 0 && size(best[at - 1]!) < here) at--;
    best.splice(at, 0, cell);
    if (best.length > count) best.pop();
  }
  return best;
}

/** How many cells have each status. */
export function countsOf(effects: Effects): Record<Status, number> {
  const counts = { exact: 0, zero: 0, estimate: 0, undefined: 0, none: 0 };
  for (let cell = 0; cell < effects.values.length; cell++) counts[statusOf(effects, cell)]++;
  return counts;
}

/** Pearson's r between estimate and effect of the cells that were run and estimated; undefined where it says nothing. */
export function agreement({ values, estimates, zero }: Effects): { r: number; n: number } | undefined {
  if (!estimates) return undefined;
  let [n, x, y, xx, yy, xy] = [0, 0, 0, 0, 0, 0];
  for (let cell = 0; cell < values.length; cell++) {
    const [a, b] = [values[cell]!, estimates[cell]!];
    if (zero?.[cell] || !Number.isFinite(a) || !Number.isFinite(b)) continue;
    // Welford's way, which keeps its digits where values are nearly alike.
    const [dx, dy] = [a - x, b - y];
    n++;
    x += dx / n;
    y += dy / n;
    xx += dx * (a - x);
    yy += dy * (b - y);
    xy += dx * (b - y);
  }
  const r = xy / Math.sqrt(xx * yy);
  return n > 2 && Number.isFinite(r) ? { r: Math.max(-1, Math.min(1, r)), n } : undefined;
}
