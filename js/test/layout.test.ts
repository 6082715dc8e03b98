import { describe, expect, test } from "vitest";
import { folded, GUTTER, ordered } from "../src/attention_view/head_places";
import { labelPositions, labelStep, matrixFrame, showing, zoomed } from "../src/core/attention/matrix_frame";
import type { Head } from "../src/core/selection";

describe("thumbnails", () => {
  const blocks = (...of: [number, number, number, number]): [number, number] => {
    const { pitch, blocks } = folded(...of);
    return [pitch, blocks.length];
  };
  test("fold into blocks of layers that use the width", () => {
    expect(blocks(30, 9, 1580, 360)).toEqual([40, 4]);
    expect(blocks(30, 9, 830, 360)).toEqual([27, 3]);
    expect(blocks(5, 8, 432, 380)).toEqual([50, 1]);
    expect(blocks(1, 1, 400, 380)).toEqual([64, 1]);
  });
  test("scroll rather than vanish, and never wider than their room but for one block", () => {
    const { pitch, width, height } = folded(80, 12, 480, 300);
    expect(pitch).toBe(18);
    expect(width + GUTTER).toBeLessThanOrEqual(480);
    expect(height).toBeGreaterThan(300);
  });
  test.each([
    ["folded", folded(30, 9, 830, 360)],
    ["in one block", folded(4, 6, 500, 400)],
    [
      "in an order",
      ordered(
        [
          [3, 1],
          [0, 2],
          [29, 8],
          [7, 7],
        ] as Head[],
        150,
      ),
    ],
  ])("%s: what stands under a point is what was placed there, each in a place of its own", (_, places) => {
    const seen = new Set<string>();
    for (const head of places.heads) {
      const { left, top } = places.place(head)!;
      seen.add(`${left} ${top}`);
      expect(places.at(left + 1, top + 1)).toEqual(head);
      expect(places.at(left + places.side - 1, top + places.side - 1)).toEqual(head);
      expect(places.headAt(...places.cellOf(head)!)).toEqual(head);
    }
    expect(seen.size).toBe(places.heads.length);
    expect(places.at(-1, 5)).toBeUndefined();
    expect(places.at(places.width + 99, 5)).toBeUndefined();
  });
  test("an order ends where its heads do", () => {
    const places = ordered(
      [
        [3, 1],
        [0, 2],
        [1, 1],
      ] as Head[],
      150,
    );
    expect([places.rows, places.columns(0), places.columns(1)]).toEqual([2, 2, 1]);
    expect(places.cellOf([9, 9])).toBeUndefined();
  });
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
