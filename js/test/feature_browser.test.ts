import { describe, expect, test } from "vitest";
import { float32, int32 } from "../src/core/bytes";
import { readable } from "../src/core/tokens";
import { type Columns, halves, readColumns } from "../src/feature_browser/columns";
import { firesOf } from "../src/feature_browser/fires";
import { orderOf } from "../src/feature_browser/order";
import { percent } from "../src/feature_browser/page_text";
import { FakeModel } from "./fake_model";

const view = (array: ArrayBufferView): DataView => new DataView(array.buffer);

function columnsOf(counts: number[], max: number[], latents: number[] = []): Columns {
  const state = {
    n_listed: counts.length,
    n_tokens: 100,
    latents: view(Int32Array.from(latents)),
    counts: view(Uint32Array.from(counts)),
    maxima: view(Float32Array.from(max)),
    means: view(Uint16Array.from(counts, () => 0x3800)),
    others: view(new Uint8Array(0)),
    scores: view(new Uint16Array(0)),
  };
  return readColumns(new FakeModel(state) as never);
}

describe("columns", () => {
  test("half precision is read as it is written", () => {
    const bits = Uint16Array.from([0x3c00, 0xc000, 0x3555, 0x0001, 0x7c00, 0x7e00, 0x0000]);
    const [one, two, third, least, most, none, zero] = halves(new Uint8Array(bits.buffer));
    expect([one, two, most, none, zero]).toEqual([1, -2, Infinity, NaN, 0]);
    expect(third).toBeCloseTo(1 / 3, 3);
    expect(least).toBe(2 ** -24);
  });
  test("rates are of tokens, means shares of the largest, and what never fired is dead", () => {
    const columns = columnsOf([50, 0], [8, 0]);
    expect([...columns.rate]).toEqual([0.5, 0]);
    expect([...columns.mean]).toEqual([4, 0]);
    expect([...columns.dead]).toEqual([0, 1]);
    expect([columns.rowOf(1), columns.rowOf(2), columns.score]).toEqual([1, undefined, undefined]);
  });
  test("of some latents rows are theirs", () => {
    const columns = columnsOf([1, 2], [1, 1], [40, 27]);
    expect([...columns.latents]).toEqual([40, 27]);
    expect([columns.rowOf(27), columns.rowOf(0)]).toEqual([1, undefined]);
  });
});

describe("order", () => {
  const columns = columnsOf([5, 0, 70, 5], [1, 0, 0.5, 3]);
  test("by a column, equal ones by their numbers", () => {
    expect([...orderOf(columns, ["rate", "descending"], undefined, undefined)]).toEqual([2, 0, 3, 1]);
    expect([...orderOf(columns, ["max", "ascending"], undefined, undefined)]).toEqual([1, 2, 0, 3]);
    expect([...orderOf(columns, ["latent", "descending"], undefined, undefined)]).toEqual([3, 2, 1, 0]);
    expect([...orderOf(columns, ["match", "descending"], undefined, undefined)]).toEqual([2, 0, 3, 1]);
  });
  test("what was found comes as it matches, or sorted, and filtered either way", () => {
    const found = { rows: Int32Array.of(1, 3, 0), match: Float32Array.of(3, 2, 1) };
    const alive = (row: number): boolean => columns.dead[row] === 0;
    expect([...orderOf(columns, ["match", "descending"], undefined, found)]).toEqual([1, 3, 0]);
    expect([...orderOf(columns, ["match", "ascending"], alive, found)]).toEqual([0, 3]);
    expect([...orderOf(columns, ["max", "descending"], alive, found)]).toEqual([3, 0]);
  });
  test("numbers below 0 and missing ones are sorted as a function would", () => {
    const values = Float32Array.from({ length: 500 }, (_, at) => (at % 7 ? Math.sin(at) * 10 ** (at % 9) : NaN));
    const given = { ...columnsOf([], []), n: 500, max: values };
    for (const sign of [1, -1]) {
      const order = orderOf(given, ["max", sign > 0 ? "ascending" : "descending"], undefined, undefined);
      const plain = [...values.keys()].sort((a, b) => {
        const [x, y] = [values[a]!, values[b]!];
        return Number(Number.isNaN(x)) - Number(Number.isNaN(y)) || sign * (x - y) || a - b;
      });
      expect([...order]).toEqual(plain);
    }
  });
});

test("what fires is ranked by its largest activation, or by that on a token", () => {
  const buffers = [Int32Array.of(0, 0, 1, 2), Int32Array.of(7, 9, 7, 9), Float32Array.of(1, 2, 5, 3)].map(view);
  const fires = firesOf("a b c", { data: { tokens: ["a", "b", "c"] }, buffers });
  expect([...fires.ranked(undefined).latents]).toEqual([7, 9]);
  expect([...fires.ranked(0).latents]).toEqual([9, 7]);
  expect([...fires.ranked(2).values]).toEqual([3]);
  expect([...fires.line(9)]).toEqual([2, 0, 3]);
  expect([int32(buffers[0]!).length, float32(buffers[2]!).length]).toEqual([4, 4]);
});

test("shares as percent", () => {
  expect([0, 0.5, 0.012, 0.0000021, 1e-7].map(percent)).toEqual(["0 %", "50 %", "1.2 %", "2e−4 %", "1e−5 %"]);
});

test("labels that would turn the text around them say so", () => {
  expect(readable("a \u202egirl's\u200b name\n")).toBe("a U+202Egirl's␣ name↵");
  expect(readable("plain words")).toBe("plain words");
  expect(readable("")).toBe("");
});
