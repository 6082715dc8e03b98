import { describe, expect, test } from "vitest";
import { entryOf, niceCeiling, niceEnd, positionOf, type Scale, valueAt } from "../src/core/drawing/scale";

const linear: Scale = { kind: "linear", low: 0, high: 1, threshold: 0 };

describe("scale", () => {
  test("valueAt inverts positionOf", () => {
    for (const scale of [
      linear,
      { ...linear, low: 0.2, high: 0.7 },
      { kind: "log", low: 0.001, high: 1, threshold: 0 },
      { ...linear, low: -2, high: 2 },
    ] as Scale[])
      for (const at of [0, 0.25, 0.5, 1]) expect(positionOf(valueAt(at, scale), scale)).toBeCloseTo(at, 10);
  });
  test("entries: ends, beyond, threshold, NaN", () => {
    expect([-1, 0, 0.5, 1, 2].map((value) => entryOf(value, linear))).toEqual([0, 0, 128, 255, 255]);
    expect(entryOf(0.09, { ...linear, threshold: 0.1 })).toBe(0);
    expect(entryOf(0.1, { ...linear, threshold: 0.1 })).toBe(25);
    expect(entryOf(-0.05, { kind: "linear", low: -1, high: 1, threshold: 0.1 })).toBe(127);
    expect(entryOf(NaN, linear)).toBe(-1);
  });
  test("log: equal ratios are equal steps, zero is the ground", () => {
    const log: Scale = { kind: "log", low: 0, high: 1, threshold: 0 };
    expect(positionOf(0.1, log) - positionOf(0.01, log)).toBeCloseTo(
      positionOf(0.01, log) - positionOf(0.001, log),
      10,
    );
    expect(entryOf(0, log)).toBe(0);
  });
  test("limits that meet do not divide by zero", () => {
    const flat = { ...linear, low: 0.5, high: 0.5 };
    expect([0.4, 0.6].map((value) => entryOf(value, flat))).toEqual([0, 255]);
  });
});

test("colours end at the next round number", () => {
  expect([10.5, 20.7, 0.013, 0.3, 1, 7, 9, 0, Number.NaN].map(niceEnd)).toEqual([12, 25, 0.015, 0.3, 1, 8, 10, 1, 1]);
});

test("niceCeiling", () => {
  expect([0.013, 0.02, 0.3, 1, 7, 0].map(niceCeiling)).toEqual([0.02, 0.02, 0.5, 1, 10, 1]);
});
