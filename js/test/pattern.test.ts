import { describe, expect, test } from "vitest";
import {
  countBeyond,
  difference,
  largestMagnitude,
  makePattern,
  read,
  rowStart,
  topKeys,
  topQueries,
} from "../src/core/attention/pattern";

// rows: [1], [.25 .75], [.5 .125 .375]
const values = Float32Array.of(1, 0.25, 0.75, 0.5, 0.125, 0.375);
const pattern = makePattern(3, values, 1, true);

describe("pattern", () => {
  test("rows follow each other", () => {
    expect([0, 1, 2, 3].map(rowStart)).toEqual([0, 1, 3, 6]);
    expect(read(pattern, 2, 1)).toEqual({ value: 0.125, exact: true });
  });
  test("a wrong number of cells is refused in words", () => {
    expect(() => makePattern(4, values, 1, true)).toThrow("10 cells, but 6 arrived");
  });
  test("quantised values are marked, exact rows replace them", () => {
    const coarse = makePattern(3, Uint8Array.of(255, 64, 191, 128, 32, 96), 1 / 255, false);
    expect(read(coarse, 2, 0).exact).toBe(false);
    expect(read(coarse, 2, 0).value).toBeCloseTo(0.502, 3);
    coarse.rows.set(2, Float32Array.of(0.5, 0.125, 0.375));
    expect(read(coarse, 2, 0)).toEqual({ value: 0.5, exact: true });
  });
  test("difference is B - A", () => {
    const other = makePattern(3, Float32Array.of(1, 0.5, 0.5, 0, 0.5, 0.5), 1, true);
    expect([...difference(pattern, other).values]).toEqual([0, 0.25, -0.25, -0.5, 0.375, 0.125]);
    expect(largestMagnitude(difference(pattern, other))).toBe(0.5);
    expect(countBeyond(difference(pattern, other), 0.3)).toBe(2);
  });
  test("the largest keys and queries first", () => {
    expect(topKeys(pattern, 2, 2).map(({ position }) => position)).toEqual([0, 2]);
    expect(topQueries(pattern, 0, 9).map(({ position, value }) => [position, value])).toEqual([
      [0, 1],
      [2, 0.5],
      [1, 0.25],
    ]);
  });
});
