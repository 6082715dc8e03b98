/** A saved page has no kernel: between the strengths that were computed, log-probabilities are interpolated. */

import { float32 } from "../../core/bytes";
import type { Answer as Reply } from "../../core/requests";
import type { Strength } from "../sliders/sliders";
import type { Answer, Token } from "./answer";

export interface Grid {
  /** Rising; the last may be null. */
  strengths: Strength[];
  tokens: { id: number; text: string }[];
  kl: number[];
  difference: (number | null)[] | null;
  /** Of the first point's tokens, then the second's, ... */
  p: Float32Array;
  p0: Float32Array;
}

export const gridOf = ({ data, buffers }: Reply): Grid => ({
  ...data,
  p: float32(buffers[0]!),
  p0: float32(buffers[1]!),
});

/** How many of the most probable tokens the grid has of each point. */
const KNOWN = 10;
const LEAST = 1e-38;

/** How many are more than this one. */
function moreThan(all: ArrayLike<number>, at: number): number {
  let count = 0;
  for (let i = 0; i < all.length; i++) if (all[i]! > all[at]!) count++;
  return count;
}

/** What comes next at a strength, and whether it was computed; undefined beyond what was. */
export function interpolated(
  grid: Grid,
  strength: Strength,
  difference0: number | null,
): { answer: Answer; computed: boolean } | undefined {
  const exact = grid.strengths.findIndex(
    (one) => one === strength || (one !== null && strength !== null && Math.abs(one - strength) < 1e-9),
  );
  const points = grid.strengths.filter((one) => one !== null);
  const above = exact >= 0 || strength === null ? -1 : points.findIndex((one) => one > strength);
  if (exact < 0 && above <= 0) return undefined;
  const [low, high] = exact >= 0 ? [exact, exact] : [above - 1, above];
  const share = exact >= 0 ? 0 : (strength! - points[low]!) / (points[high]! - points[low]!);
  const between = (a: number, b: number): number => a + share * (b - a);
  const n = grid.tokens.length;
  const log = (point: number, at: number): number => Math.log(Math.max(LEAST, grid.p[point * n + at]!));
  const p = grid.tokens.map((_, at) =>
    exact >= 0 ? grid.p[exact * n + at]! : Math.exp(between(log(low, at), log(high, at))),
  );
  const tokens: Token[] = grid.tokens.map((token, at) => {
    const [rank, rank0] = [moreThan(p, at), moreThan(grid.p0, at)];
    return { ...token, p: p[at]!, p0: grid.p0[at]!, rank, rank0, atLeast: rank >= KNOWN || rank0 >= KNOWN };
  });
  const { difference } = grid;
  return {
    computed: exact >= 0,
    answer: {
      tokens,
      kl: between(grid.kl[low]!, grid.kl[high]!),
      difference:
        difference && difference[low] !== null && difference[high] !== null
          ? between(difference[low]!, difference[high]!)
          : null,
      difference0,
    },
  };
}
