import { describe, expect, test } from "vitest";
import { inkOn } from "../src/core/drawing/colour";
import { Requests } from "../src/core/requests";
import { revealing, stepOf, viewOf, zoomLimits } from "../src/logit_lens_view/layout";
import { Lens } from "../src/logit_lens_view/lens";
import { apart } from "../src/logit_lens_view/position/position_chart";
import { everOnTop, runText, settledFrom } from "../src/logit_lens_view/position/summary";
import { briefProbability, cellNumber, legendRank, rankText } from "../src/logit_lens_view/quantities";
import { FakeModel } from "./fake_model";

/** Layers down the list, lowest first; two positions. */
function lensOf(topIds: number[][]): Lens {
  const chances = topIds.flat().map((_, i) => (i + 1) / 100);
  const model = new FakeModel({
    tokens: ["a", "b"],
    layers: topIds.map((_, i) => i),
    top_ids: new Uint8Array(Int32Array.from(topIds.flat()).buffer),
    top_probabilities: new Uint8Array(Float32Array.from(chances).buffer),
    texts: { 1: " one", 2: " two" },
    watched: [1],
  });
  return new Lens(model, new Requests(model, new AbortController().signal));
}

describe("one position through the layers", () => {
  const lens = lensOf([
    [1, 9],
    [2, 1],
    [1, 1],
    [1, 2],
    [1, 1],
  ]);
  test("tokens that were ever on top, the deepest first, with their runs and peak", () => {
    expect(everOnTop(lens, 0)).toMatchObject([
      {
        id: 1,
        runs: [
          [0, 0],
          [2, 4],
        ],
        count: 4,
        peakLayer: 4,
      },
      { id: 2, runs: [[1, 1]], count: 1, peakLayer: 1 },
    ]);
    expect(runText(lens, everOnTop(lens, 0)[0]!)).toBe("0, 2–output");
    expect(everOnTop(lens, 1).map(({ id }) => lens.text(id))).toEqual([" one", " two", "#9"]);
  });
  test("since when the top token is the output's", () => {
    expect([...settledFrom(lens)]).toEqual([2, 4]);
    expect([
      ...settledFrom(
        lensOf([
          [1, 1],
          [1, 2],
        ]),
      ),
    ]).toEqual([0, 1]);
  });
});

describe("layout", () => {
  const room = { width: 800, height: 372 };
  test("columns that fit are all on show, others keep the width of a word", () => {
    expect(viewOf(room, { columns: 10, rows: 31 }, 1, 0, 0)).toEqual({ x: 0, y: 0, w: 80, h: 12 });
    expect(viewOf(room, { columns: 16, rows: 5 }, 1, 0, 0)).toMatchObject({ w: 50, h: 48 });
    expect(viewOf(room, { columns: 2, rows: 5 }, 1, 0, 0).w).toBe(132);
    expect(viewOf(room, { columns: 200, rows: 31 }, 1, Infinity, 0)).toMatchObject({ x: 186, w: 800 / 14 });
  });
  test("many layers scroll, and all fit when zoomed out", () => {
    const counts = { columns: 200, rows: 81 };
    expect(viewOf(room, counts, 1, 0, 99)).toMatchObject({ y: 50, h: 12 });
    const [least] = zoomLimits(room, counts);
    expect(viewOf(room, counts, least, 9, 9)).toEqual({ x: 0, y: 0, w: 4, h: 372 / 81 });
  });
  test("a walk scrolls as little as needed", () => {
    const view = { x: 100, y: 0, w: 80, h: 12 };
    expect(revealing(view, room, 50, 3)).toEqual([50, 0]);
    expect(revealing(view, room, 105, 3)).toEqual([100, 0]);
    expect(revealing(view, room, 110, 40)).toEqual([101, 10]);
  });
  test("labels stand at round numbers", () => {
    expect([20, 14, 12, 5, 0.5].map((cell) => stepOf(cell, 14))).toEqual([1, 1, 2, 5, 50]);
  });
});

test("labels stand apart, within their limits", () => {
  expect(apart([10, 11, 60], 0, 100)).toEqual([10, 23, 60]);
  expect(apart([99, 98, 97], 0, 100)).toEqual([100, 87, 74]);
});

test("words are black or white, whichever stands out", () => {
  const rgb = (r: number, g: number, b: number): number => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  expect([rgb(68, 1, 84), rgb(253, 231, 37), rgb(255, 255, 255), 0].map(inkOn)).toEqual(["#fff", "#000", "#000", ""]);
});

test("numbers", () => {
  expect([0.5, 1, 0.004, 0].map((value) => cellNumber(value, "probability"))).toEqual([".50", "1.00", "<.01", ".00"]);
  expect([1 / 3, 1].map((value) => cellNumber(value, "rank"))).toEqual(["3", "1"]);
  expect([2.345, 45.67, Infinity, NaN].map((value) => cellNumber(value, "kl"))).toEqual(["2.35", "45.7", "∞", "NaN"]);
  expect([1, 1 / 200, 1e-4, 0].map(legendRank)).toEqual(["1", "200", "≥10k", "≥10k"]);
  expect([0, 1233].map(rankText)).toEqual(["1", "1,234"]);
  expect([0, 1e-9, 0.12345].map(briefProbability)).toEqual(["0.000", "<.001", "0.123"]);
});
