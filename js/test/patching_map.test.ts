import { expect, test } from "vitest";
import { niceEnd } from "../src/core/drawing/scale";
import { Space } from "../src/patching_map/cells/cell_names";
import { agreement, countsOf, largest, numbers, shownOf, statusOf, strongest } from "../src/patching_map/cells/cells";
import {
  componentGrid,
  flatGrid,
  headGrid,
  positionGrid,
  positionStrip,
  selectedGrid,
  sumsOf,
} from "../src/patching_map/cells/grid";
import { statisticsOf } from "../src/patching_map/cells/statistics";
import { columnAt, frameOf, inside, rowAt, showing, xOf, yOf, zoomed } from "../src/patching_map/drawing/layout";
import { swarm } from "../src/patching_map/drawing/prompt_dots";
import { colours, rasterise } from "../src/patching_map/drawing/raster";
import { entriesOf, residue } from "../src/patching_map/panel/attribution_sum";
import { effectText, valueLines } from "../src/patching_map/panel/cell_note";
import { duration } from "../src/patching_map/panel/status";
import { FakeModel } from "./fake_model";

const space = (state: Record<string, unknown>): Space =>
  new Space(new FakeModel({ positions: [], components: [], over: "head", ...state }));
const cube = space({ axes: ["layer", "head", "position"], shape: [2, 3, 4], positions: ["a", " b", " c", " d"] });
/** Cell 13 is layer 1, head 0, position 1. */
const effects = { values: Float64Array.from({ length: 24 }, (_, i) => (i === 13 ? -9 : i === 2 ? NaN : i / 10)) };

test("exact, estimated, undefined and not run are told apart", () => {
  const four = { values: Float64Array.of(0, NaN, Infinity, NaN), estimates: Float64Array.of(5, 0.5, 5, NaN) };
  expect([0, 1, 2, 3].map((cell) => statusOf(four, cell))).toEqual(["exact", "estimate", "undefined", "none"]);
  expect([0, 1, 2, 3].map((cell) => shownOf(four, cell))).toEqual([0, 0.5, NaN, NaN]);
  expect(countsOf(four)).toEqual({ exact: 1, zero: 0, estimate: 1, undefined: 1, none: 1 });
  expect(largest(four)).toBe(0.5);
  expect(statusOf({ values: Float64Array.of(NaN) }, 0)).toBe("none");
});

test("the strongest cells come largest first, without zeros and unknowns", () => {
  expect(strongest({ values: Float64Array.of(0, -3, NaN, 2, Infinity, 3) }, 9)).toEqual([1, 5, 3]);
  expect(strongest({ values: Float64Array.of(1, 4, 2, 3) }, 2)).toEqual([1, 3]);
});

test("numbers are read in either width, at any offset", () => {
  const bytes = new Uint8Array(1 + 16);
  new Float64Array(2).set([1.5, -2]);
  bytes.set(new Uint8Array(Float64Array.of(1.5, -2).buffer), 1);
  expect([...numbers(new DataView(bytes.buffer, 1), 2)!]).toEqual([1.5, -2]);
  expect([...numbers(new DataView(Float32Array.of(0.5, 3).buffer), 2)!]).toEqual([0.5, 3]);
  expect(numbers(new DataView(new ArrayBuffer(0)), 2)).toBeUndefined();
});

test("a cell that is 0 by construction is neither exact nor a part of the agreement", () => {
  const [x, y] = [Float64Array.of(0, 0, 0, 1, 2, 4), Float64Array.of(0, 0, 0, 2, 1, 5)];
  const effects = { values: x, estimates: y, zero: Uint8Array.of(1, 1, 1, 0, 0, 0) };
  expect(countsOf(effects)).toEqual({ exact: 3, zero: 3, estimate: 0, undefined: 0, none: 0 });
  const { r, n } = agreement(effects)!;
  expect(n).toBe(3);
  expect(r).toBeCloseTo(0.8386278693775345, 12); // as below
  expect(valueLines(effects, 0)[1]).toMatch(/by construction, not run/);
});

test("agreement is Pearson's r over cells that have both", () => {
  const x = Float64Array.of(1, 2, 4, NaN, Infinity, 3);
  const y = Float64Array.of(2, 1, 5, 9, 9, NaN);
  const r = agreement({ values: x, estimates: y })!;
  expect(r.n).toBe(3);
  expect(r.r).toBeCloseTo(0.8386278693775345, 12); // numpy.corrcoef([1, 2, 4], [2, 1, 5])
  expect(agreement({ values: Float64Array.of(1, 1, 1), estimates: Float64Array.of(1, 2, 3) })).toBeUndefined();
  expect(agreement({ values: x })).toBeUndefined();
});

test("a place and its cell are inverse", () => {
  for (let cell = 0; cell < 24; cell++) {
    const { layer, head, position } = cube.placeOf(cell);
    expect(cube.cellAt(layer!, head!, position!)).toBe(cell);
  }
  expect(cube.nameOf(13)).toBe("Head 1.0 at ·b (1)");
  const residual = space({ axes: ["layer", "position"], shape: [3, 1], positions: ["x"], over: "residual" });
  expect([0, 2].map((cell) => residual.nameOf(cell))).toEqual(["Layer 0 at x (0)", "Final norm at x (0)"]);
});

test("layers go up, the deepest on top", () => {
  const grid = flatGrid(space({ axes: ["layer", "head"], shape: [3, 2] }));
  expect([...grid.at]).toEqual([4, 5, 2, 3, 0, 1]);
  expect(grid.rows.map(({ text }) => text)).toEqual(["2", "1", "0"]);
  const alone = flatGrid(space({ axes: ["layer"], shape: [3], over: "mlp_out" }));
  expect([alone.columns.length, ...alone.at]).toEqual([1, 2, 1, 0]);
});

test("a map of heads shows the largest position, or the one selected", () => {
  expect([...headGrid(cube, effects, undefined).at]).toEqual([13, 19, 23, 3, 7, 11]);
  expect([...headGrid(cube, effects, 2).at]).toEqual([14, 18, 22, 2, 6, 10]);
});

test("a map of positions shows each layer's strongest head, or the selected heads", () => {
  expect([...positionGrid(cube, effects).at]).toEqual([20, 13, 22, 23, 8, 9, 10, 11]);
  const chosen = selectedGrid(cube, [
    [0, 2],
    [1, 0],
  ]);
  expect(chosen.rows.map(({ text }) => text)).toEqual(["1.0", "0.2"]);
  expect([...chosen.at]).toEqual([12, 13, 14, 15, 8, 9, 10, 11]);
  expect([...positionStrip(cube, effects, undefined).at]).toEqual([20, 13, 22, 23]);
  expect([...positionStrip(cube, effects, [0, 1]).at]).toEqual([4, 5, 6, 7]);
});

const parts: [string, number, number][] = [
  ["embedding", -1, -1],
  ["attention", 0, 0],
  ["attention", 0, 1],
  ["mlp", 0, -1],
  ["attention", 1, 0],
  ["attention", 1, 1],
  ["mlp", 1, -1],
  ["unembedding_bias", -1, -1],
];

test("an attribution: heads, then the other parts of a layer; what has no layer stands in the sum", () => {
  const grid = componentGrid(space({ axes: ["component"], shape: [8], components: parts, over: "" }));
  expect(grid.columns.map(({ text }) => text)).toEqual(["0", "1", "MLP"]);
  expect([...grid.at]).toEqual([4, 5, 6, 1, 2, 3]);
  expect(grid.gapBefore).toBe(2);
  const entries = entriesOf(parts, [1, 2, 3, 4, 5, 6, 7, 8]);
  expect(entries).toEqual([
    { name: "embedding", value: 1, cell: 0 },
    { name: "heads", value: 16 },
    { name: "MLPs", value: 11 },
    { name: "unembedding bias", value: 8, cell: 7 },
  ]);
  expect(residue(1.2e-7)).toBe("1e−7");
  expect(residue(0)).toBe("0");
});

test("sums are of exact cells only, and say of how many", () => {
  const grid = flatGrid(space({ axes: ["layer", "position"], shape: [2, 2], positions: ["a", "b"], over: "mlp_out" }));
  const sums = sumsOf(grid, { values: Float64Array.of(1, NaN, 3, 4), estimates: Float64Array.of(9, 9, 9, 9) });
  expect(sums.rows).toEqual([
    { sum: 7, n: 2, of: 2 },
    { sum: 1, n: 1, of: 2 },
  ]);
  expect(sums.columns).toEqual([
    { sum: 4, n: 2, of: 2 },
    { sum: 4, n: 1, of: 2 },
  ]);
});

test("cells stand on whole pixels where there is room, and a gap stays a gap", () => {
  const room = { left: 30, top: 20, right: 60, bottom: 20 };
  const frame = frameOf(600, 300, room, 12, 14, { first: 0, span: 14 }, 12);
  expect([frame.cellWidth, frame.cellHeight]).toEqual([35, 21]);
  for (let column = 0; column < 14; column++) expect(columnAt(frame, xOf(frame, column) + 1)).toBe(column);
  expect(columnAt(frame, xOf(frame, 12) - 3)).toBeUndefined();
  expect(rowAt(frame, yOf(frame, 5) + 1)).toBe(5);
  const long = frameOf(600, 300, room, 30, 1024, { first: 0, span: 1024 }, 1024);
  expect(long.left + long.width).toBeCloseTo(600 - room.right, 6);
});

test("a window stays inside, zooms around a column and follows the cursor", () => {
  expect(inside({ first: -5, span: 20 }, 100)).toEqual({ first: 0, span: 20 });
  expect(inside({ first: 99, span: 1 }, 100)).toEqual({ first: 96, span: 4 });
  const near = zoomed({ first: 0, span: 100 }, 0.5, 40, 100);
  expect(near).toEqual({ first: 20, span: 50 });
  expect(showing(near, 90, 100)).toEqual({ first: 41, span: 50 });
  expect(zoomed(near, 100, 40, 100)).toEqual({ first: 0, span: 100 });
});

test("a pixel of many columns shows the strongest, then the undefined", () => {
  const wide = flatGrid(
    space({ axes: ["layer", "position"], shape: [1, 6], positions: [..."abcdef"], over: "mlp_out" }),
  );
  const raster = rasterise(wide, { values: Float64Array.of(1, -5, 2, NaN, Infinity, NaN) }, { first: 0, span: 6 }, 2);
  expect([raster.width, ...raster.cells]).toEqual([2, 1, 4]);
  const table = new Uint32Array(256).fill(7);
  const { solid, pale } = colours(
    rasterise(wide, effects, { first: 0, span: 6 }, 6),
    { values: Float64Array.of(1, NaN, Infinity, NaN, 0, 0), estimates: Float64Array.of(0, 1, 1, NaN, 0, 0) },
    { kind: "linear", low: -1, high: 1, threshold: 0 },
    table,
    3,
  );
  expect([...solid]).toEqual([7, 0, 0, 3, 7, 7]);
  expect([...pale]).toEqual([0, 7, 0, 0, 0, 0]);
});

test.each([
  [0, 1],
  [0.26, 0.3],
  [1.001, 1.2],
  [0.5, 0.5],
  [97, 100],
  [2.1e-5, 2.5e-5],
])("%d is drawn with limits of %d", (value, limit) => expect(niceEnd(value)).toBe(limit));

test("mean, standard error and interval", () => {
  const { mean, error, low, high } = statisticsOf([1, 2, 4, 5]);
  expect([mean, error]).toEqual([3, expect.closeTo(0.9128709291752768, 12)]);
  expect([low, high]).toEqual([expect.closeTo(3 - 1.96 * error, 12), expect.closeTo(3 + 1.96 * error, 12)]);
  expect(statisticsOf([7])).toEqual({ n: 1, mean: 7, error: NaN, low: 7, high: 7 });
});

test("no dot hides another", () => {
  const places = swarm([3, 3, 3.5, 90], (value) => value, 3.5);
  expect(places.map(({ level }) => level)).toEqual([0, 1, 2, 0]);
});

test.each([
  [0.3, "1 s"],
  [12.4, "12 s"],
  [47, "45 s"],
  [200, "3 min"],
  [9000, "2.5 h"],
])("%d seconds are told as %s", (seconds, text) => expect(duration(seconds)).toBe(text));

test.each([
  [0.2641, "+0.264"],
  [-1.5, "−1.500"],
  [0, "0.000"],
  [1.44e-5, "+1.4e−5"],
  [NaN, "–"],
  [1234.5, "+1235"],
])("%d in effectText is %s", (value, text) => expect(effectText(value)).toBe(text));
