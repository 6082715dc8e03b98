import { expect, test } from "vitest";
import { SideBySide } from "../src/attention_view/side_by_side";
import { difference, makePattern, read } from "../src/core/attention/pattern";
import { FakeModel } from "./fake_model";

const made = (traits: Record<string, unknown>): SideBySide =>
  new SideBySide(new FakeModel({ versus_tokens: ["x", "y", "z", "w"], ...traits }) as any);

test("positions are each other's", () => {
  const beside = made({ partners: [1, -1, 3] });
  expect([0, 1, 2].map((at) => beside.position(at, "a", "b"))).toEqual([1, undefined, 3]);
  expect([0, 1, 2, 3].map((at) => beside.position(at, "b", "difference"))).toEqual([undefined, 0, undefined, 2]);
  expect(beside.position(1, "a", "difference")).toBe(1);
  expect(made({ partners: [] }).position(2, "a", "b")).toBe(2);
});

test("what lies between partners lies between them in the other", () => {
  const beside = made({ partners: [1, -1, 3] });
  expect([0, 1, 2].map((at) => beside.place(at, "a", "b", 3, 4))).toEqual([1, 2, 3]);
  expect(beside.place(0.5, "a", "b", 3, 4)).toBe(1.5);
  expect(beside.place(0, "b", "a", 4, 3)).toBe(-0.5);
});

test("heads are those of one name, or as given, or none", () => {
  const beside = made({ versus_shape: [2, 2], head_pairs: [[3, 1, 1, 0]] });
  expect(
    [
      [1, 1],
      [3, 1],
      [3, 0],
    ].map((head) => beside.head(head as [number, number])),
  ).toEqual([[1, 1], [1, 0], undefined]);
});

test("of one prompt all are their own", () => {
  const alone = made({ versus_tokens: [], versus_shape: [], partners: [] });
  expect(alone.head([3, 1])).toEqual([3, 1]);
  expect(alone.position(3, "a", "b")).toBe(3);
});

test("B - A is over pairs, and NaN elsewhere", () => {
  const a = makePattern(2, Float32Array.from([1, 0.25, 0.75]), 1, true);
  const b = makePattern(3, Float32Array.from([1, 0.5, 0.5, 0.125, 0.375, 0.5]), 1, true);
  const cells = (partners: number[]): number[] => {
    const found = difference(a, b, partners);
    return [0, 1].flatMap((q) => [0, 1].slice(0, q + 1).map((k) => read(found, q, k).value));
  };
  expect(cells([0, 2])).toEqual([0, -0.125, -0.25]);
  expect(cells([-1, 1])).toEqual([NaN, NaN, -0.25]);
  expect(cells([2, 0])).toEqual([-0.5, NaN, 0.25]); // the key comes after the query in B
});

test("rows that are exact in both are exact in B - A", () => {
  const a = makePattern(2, Uint8Array.from([255, 64, 191]), 1 / 255, false);
  const b = makePattern(3, Float32Array.from([1, 0.5, 0.5, 0.125, 0.375, 0.5]), 1, true);
  a.rows.set(1, Float32Array.from([0.25, 0.75]));
  const found = difference(a, b, [0, 2]);
  expect(read(found, 0, 0).exact).toBe(false);
  expect(read(found, 1, 0)).toEqual({ value: -0.125, exact: true });
});
