/** The scale of the colours of a column, and the colour of each token; as scope_widgets/widgets/figures/tokens.py has it. */
import type { Table } from "../core/drawing/colour";
import { entryOf, LOG_FLOOR, niceEnd, type Scale } from "../core/drawing/scale";

export interface Column {
  name: string;
  label: string;
  unit: string;
  mean: number | null;
  /** How many tokens have a number. */
  n: number;
  /** Where the colours end, where that is no matter of what is shown. */
  fixed: [number, number] | null;
  log: boolean;
}

/** Of fewer numbers none is an outlier. */
const FEW = 20;

/** Round numbers around nearly all, so that one outlier does not pale the rest. */
export function fitted(values: Float64Array, signed: boolean, log: boolean, fixed: Column["fixed"]): [number, number] {
  if (fixed) return fixed;
  const finite = values.filter(Number.isFinite);
  if (!finite.length) return signed ? [-1, 1] : [0, 1];
  const size = finite.map(Math.abs).sort();
  const [most, largest] = [niceEnd(size[Math.trunc(0.95 * (size.length - 1))]!), niceEnd(size.at(-1)!)];
  const high = log || size.length < FEW || largest <= 2.5 * most ? largest : most;
  if (signed) return [-high, high];
  const low = finite.reduce((least, value) => Math.min(least, value));
  if (log) return [Math.max(low, LOG_FLOOR), Math.max(high, LOG_FLOOR * 10)];
  if (low < 0 || low > 0.5 * size.at(-1)!) {
    const top = finite.reduce((most, value) => Math.max(most, value));
    return low < top ? [low, top] : [low, low + 1];
  }
  return [0, high];
}

export const isBelow = (values: Float64Array): boolean => values.some((value) => value < 0 && Number.isFinite(value));

/** 0 where there is no number. */
export function colourOf(value: number, scale: Scale, table: Table): number {
  const entry = entryOf(value, scale);
  return entry < 0 ? 0 : table[entry]!;
}

export const isClipped = (value: number, { high }: Scale): boolean => Math.abs(value) > high * (1 + 1e-9);
