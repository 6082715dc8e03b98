import { describe, expect, test } from "vitest";
import { labelPositions, labelStep, matrixFrame, showing, thumbnailPitch, zoomed } from "../src/attention_view/layout";

test("thumbnails fit, and scroll rather than vanish", () => {
  expect(thumbnailPitch(5, 8, 400, 380)).toBe(50);
  expect(thumbnailPitch(12, 12, 400, 380)).toBe(31);
  expect(thumbnailPitch(32, 32, 400, 380)).toBe(22);
  expect(thumbnailPitch(1, 1, 400, 380)).toBe(64);
});

test("cells are whole pixels where they are large", () => {
  expect(matrixFrame(600, 400, 50, 60, 20, 14).side).toBe(14 * 24);
  expect(matrixFrame(600, 400, 50, 60, 20, 1024).side).toBe(338);
});

describe("labels", () => {
  test("thin out in steps of 1, 2, 5, 10", () => {
    expect([24, 13, 7, 3, 0.3].map((cell) => labelStep(cell, 12.5))).toEqual([1, 1, 2, 5, 50]);
  });
  test("stand at multiples of the step within the window", () => {
    expect(labelPositions(0, 14, 14, 5)).toEqual([0, 5, 10]);
    expect(labelPositions(7.8, 4, 100, 1)).toEqual([8, 9, 10, 11]);
    expect(labelPositions(95, 10, 100, 2)).toEqual([96, 98]);
  });
});

describe("zoom", () => {
  const whole = { query: 0, key: 0, span: 100 };
  test("keeps the cell under the pointer", () => {
    const window = zoomed(whole, 0.5, 60, 20, 100);
    expect(window).toEqual({ query: 30, key: 10, span: 50 });
  });
  test("stays inside, and ends at the whole", () => {
    expect(zoomed(whole, 0.5, 100, 0, 100)).toEqual({ query: 50, key: 0, span: 50 });
    expect(zoomed({ query: 30, key: 10, span: 50 }, 4, 0, 0, 100)).toEqual(whole);
    expect(zoomed({ query: 0, key: 0, span: 2 }, 0.1, 0, 0, 2).span).toBe(2);
  });
  test("follows a walk", () => {
    expect(showing({ query: 10, key: 10, span: 5 }, 20, 3, 100)).toEqual({ query: 16, key: 3, span: 5 });
  });
});
