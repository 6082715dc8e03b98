import { describe, expect, test } from "vitest";
import { makePattern, rowStart } from "../src/core/attention/pattern";
import { colour, EMPTY, rasterise } from "../src/core/attention/raster";
import { magnitudeTable } from "../src/core/drawing/colour";
import type { Scale } from "../src/core/drawing/scale";

const linear: Scale = { kind: "linear", low: 0, high: 1, threshold: 0 };
const table = magnitudeTable([17, 19, 23], true);
const filled = (size: number, value: (query: number, key: number) => number): ReturnType<typeof makePattern> => {
  const cells = new Float32Array(rowStart(size));
  for (let q = 0; q < size; q++) for (let k = 0; k <= q; k++) cells[rowStart(q) + k] = value(q, k);
  return makePattern(size, cells, 1, true);
};
const painted = (raster: ReturnType<typeof rasterise>, scale = linear): Uint32Array => {
  const out = new Uint32Array(raster.values.length);
  colour(raster, scale, table, out);
  return out;
};

describe("rasterise", () => {
  test("one pixel a cell where there is room", () => {
    const raster = rasterise(
      filled(3, (q, k) => q * 10 + k),
      { query: 0, key: 0, span: 3 },
      100,
    );
    expect([...raster.values]).toEqual([0, EMPTY, EMPTY, 10, 11, EMPTY, 20, 21, 22]);
    expect(raster.cells).toBe(1);
  });
  test("a single bright cell survives pooling", () => {
    const raster = rasterise(
      filled(1000, (q, k) => (q === 777 && k === 333 ? 0.9 : 0.001)),
      { query: 0, key: 0, span: 1000 },
      100,
    );
    expect([raster.width, raster.height]).toEqual([100, 100]);
    expect(raster.values[77 * 100 + 33]).toBeCloseTo(0.9);
  });
  test("the largest by magnitude is kept with its sign", () => {
    const raster = rasterise(
      filled(100, (q, k) => (q === 50 && k === 10 ? -0.5 : 0.1)),
      { query: 0, key: 0, span: 100 },
      10,
    );
    expect(raster.values[5 * 10 + 1]).toBeCloseTo(-0.5);
  });
  test("a zoomed window starts at whole cells", () => {
    const raster = rasterise(
      filled(10, (q, k) => q * 10 + k),
      { query: 5.5, key: 1.2, span: 3 },
      100,
    );
    expect([raster.query, raster.key, raster.width, raster.height]).toEqual([5, 1, 4, 4]);
    expect(raster.values[0]).toBe(51);
  });
});

describe("colour", () => {
  test("table ends, ground below the threshold, nothing above the diagonal or for NaN", () => {
    const pattern = filled(2, (q, k) => [[0], [NaN, 1]][q]![k]!);
    expect([...painted(rasterise(pattern, { query: 0, key: 0, span: 2 }, 10))]).toEqual([table[0], 0, 0, table[255]]);
    const raster = rasterise(
      filled(1, () => 0.2),
      { query: 0, key: 0, span: 1 },
      10,
    );
    expect(painted(raster, { ...linear, threshold: 0.3 })[0]).toBe(table[0]);
  });
  test("log spreads small values", () => {
    const raster = rasterise(
      filled(1, () => 0.01),
      { query: 0, key: 0, span: 1 },
      10,
    );
    expect(table.indexOf(painted(raster, { ...linear, kind: "log" })[0]!)).toBeGreaterThan(120);
    expect(table.indexOf(painted(raster)[0]!)).toBeLessThan(4);
  });
});
