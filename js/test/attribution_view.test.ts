import { describe, expect, test } from "vitest";
import { Parts, partName, shortName } from "../src/attribution_view/components";
import { axisOf, barOf, cellOf, frameOf, spotAt, xOf, yOf } from "../src/attribution_view/layout";
import { FakeModel } from "./fake_model";

/** Two layers of two heads, with an MLP each; the biases of the end are `bias`. */
function partsOf(bias = 0): Parts {
  const components = [
    ["embedding", -1, -1],
    ...[0, 1].flatMap((layer) => [
      ["attention", layer, 0],
      ["attention", layer, 1],
      ["attention_bias", layer, -1],
      ["mlp", layer, -1],
    ]),
    ["final_norm_bias", -1, -1],
  ];
  const values = [0.5, 1, -2, 0, 0.25, NaN, 3, 0, -0.5, bias];
  const steps = [
    [-1, "embedding", 0.5, 0.5],
    [0, "attention", -1, -0.5],
    [0, "mlp", 0.25, -0.25],
    [1, "attention", 3, 2.75],
    [1, "mlp", -0.5, 2.25],
    [-1, "final_norm_bias", bias, 2.25 + bias],
  ];
  return new Parts(
    new FakeModel({
      components,
      contributions: new Uint8Array(Float64Array.from(values).buffer),
      errors: new Uint8Array(),
      steps,
      n_layers: 2,
      n_heads: 2,
      whole: 2.25 + bias,
    }),
  );
}

describe("parts", () => {
  const parts = partsOf();
  test("layers stand up, the embedding at the bottom, biases on top where there are some", () => {
    expect(parts.rows.map(({ label }) => label)).toEqual(["1", "0", "embedding"]);
    expect(partsOf(0.1).rows.map(({ label }) => label)).toEqual(["biases", "1", "0", "embedding"]);
  });
  test("heads, then what some layer has", () => {
    expect(parts.columns.map(({ label }) => label)).toEqual(["0", "1", "MLP"]);
    expect(parts.part(1, 1)).toMatchObject({ layer: 0, head: 1, value: -2 });
    expect(parts.part(0, 2)).toMatchObject({ component: "mlp", layer: 1, value: -0.5 });
    expect(parts.part(2, 0)).toBeUndefined();
    expect(parts.part(0, 3)).toBeUndefined();
  });
  test("each step begins where the one before ended", () => {
    const steps = [...parts.rows].reverse().flatMap((row) => row.steps);
    expect(steps.map(({ before }) => before)).toEqual([0, 0.5, -0.5, -0.25, 2.75]);
    expect(steps.at(-1)!.after).toBe(parts.whole);
  });
  test("the largest first, without what is nothing or not known", () => {
    expect(parts.largest().map(shortName)).toEqual(["1.1", "0.1", "0.0", "embedding", "MLP 1", "MLP 0"]);
    expect(parts.largest().map(partName).slice(3, 5)).toEqual(["embedding", "MLP of layer 1"]);
  });
});

describe("layout", () => {
  test("map and running total share the rows and the room", () => {
    const frame = frameOf({ width: 860, height: 400 }, 72, 14, 13, 12);
    expect(frame.rowHeight).toBe(24);
    expect(xOf(frame, 12)).toBe(72 + 12 * frame.cellWidth + frame.gap);
    expect(frame.right).toBeLessThanOrEqual(860);
    expect(frame.total.width).toBeGreaterThan(200);
  });
  test("many cells leave room for the running total, without seams", () => {
    const frame = frameOf({ width: 860, height: 400 }, 72, 82, 65, 64);
    expect(frame.total.width).toBeGreaterThan(120);
    for (const row of [0, 1, 40]) {
      const [, top, , height] = cellOf(frame, row, 3);
      expect(top + height).toBe(cellOf(frame, row + 1, 3)[1]);
    }
    const [left, , width] = cellOf(frame, 0, 8);
    expect(left + width).toBe(cellOf(frame, 0, 9)[0]);
  });
  test("where the pointer is", () => {
    const frame = frameOf({ width: 860, height: 400 }, 72, 5, 5, 4);
    const middle = (column: number): number => xOf(frame, column) + frame.cellWidth / 2;
    for (const column of [0, 3, 4])
      expect(spotAt(frame, middle(column), yOf(frame, 2) + 3)).toEqual({ row: 2, column });
    expect(spotAt(frame, xOf(frame, 4) - 3, yOf(frame, 2) + 3)).toBeUndefined();
    expect(spotAt(frame, frame.total.left + 40, yOf(frame, 0) + 3)).toEqual({ row: 0, column: 5 });
    expect(spotAt(frame, middle(0), 5)).toBeUndefined();
  });
  test("the first step of a row is at its bottom", () => {
    const frame = frameOf({ width: 860, height: 400 }, 72, 5, 5, 4);
    const [first, second] = [barOf(frame, 1, 0, 2), barOf(frame, 1, 1, 2)];
    expect(second.top + second.height).toBeLessThanOrEqual(first.top);
    expect(first.top + first.height).toBeLessThanOrEqual(yOf(frame, 2));
    expect(second.top).toBeGreaterThanOrEqual(yOf(frame, 1));
  });
  test("an axis with round numbers over all values and 0", () => {
    expect(axisOf([0.3, 2.5])).toEqual({ low: 0, high: 2.5, ticks: [0, 0.5, 1, 1.5, 2, 2.5] });
    expect(axisOf([-1.2, 13]).ticks).toEqual([0, 5, 10]);
    expect(axisOf([0]).high).toBe(1);
  });
});
