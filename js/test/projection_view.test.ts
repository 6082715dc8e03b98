import { expect, test } from "vitest";
import { magnitudeTable } from "../src/core/drawing/colour";
import { signal } from "../src/core/reactive";
import { Requests } from "../src/core/requests";
import {
  coloursOf,
  dimmed,
  hueOf,
  isHollow,
  missingColour,
  otherColour,
  shownClasses,
  tableOf,
} from "../src/projection_view/colours";
import { inside, rectangle } from "../src/projection_view/lasso";
import { LayersAndColumns } from "../src/projection_view/layers_and_columns";
import { Nearest, nextInDirection } from "../src/projection_view/nearest";
import { PointTexts } from "../src/projection_view/point_texts";
import { frameOf, middleOf, toPlane, zoomedAt } from "../src/projection_view/screen_transform";
import { FakeModel } from "./fake_model";

const random = (seed: number): (() => number) => {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
};
const cloud = (n: number, seed = 1): Float32Array => {
  const next = random(seed);
  return Float32Array.from({ length: 2 * n }, () => next() ** 2 * 10 - 3);
};
const every = (): boolean => true;
const box = { left: -3, bottom: -2, right: 5, top: 4 };

test("what is found under the pointer is what a search of all points finds", () => {
  const places = cloud(2000);
  const nearest = new Nearest(places);
  const next = random(7);
  for (let turn = 0; turn < 300; turn++) {
    const [x, y, within] = [next() * 12 - 4, next() * 12 - 4, next()];
    let [best, least]: [number | undefined, number] = [undefined, within ** 2];
    for (let at = 0; at < 2000; at++) {
      const distance = (places[2 * at]! - x) ** 2 + (places[2 * at + 1]! - y) ** 2;
      if (at % 3 && distance <= least) [best, least] = [at, distance];
    }
    expect(nearest.at(x, y, within, (point) => point % 3 > 0)).toBe(best);
  }
});

test("of points at one place the one on top is found, and points on a line or alone are found", () => {
  const same = new Nearest(Float32Array.of(1, 1, 1, 1, 1, 1));
  expect(same.at(1, 1, 0.1, every)).toBe(2);
  expect(same.at(1, 1, 0.1, (point) => point < 2)).toBe(1);
  expect(same.at(3, 1, 0.1, every)).toBeUndefined();
  const line = new Nearest(Float32Array.from({ length: 2000 }, (_, i) => (i % 2 ? 4 : i / 2)));
  expect(line.at(500.2, 4, 1, every)).toBe(500);
  expect(new Nearest(new Float32Array(0)).at(0, 0, 1, every)).toBeUndefined();
});

test("a lasso holds what lies inside, by the even-odd rule", () => {
  const grid = Float32Array.from({ length: 200 }, (_, i) => (i % 2 ? Math.floor(i / 20) : (i / 2) % 10));
  const found = inside(rectangle([1.5, 2.5], [4.5, 3.5]), grid, every);
  expect(found).toEqual([32, 33, 34]);
  const star = [0, 2, 4, 1, 3].map((i) => {
    const angle = (i * 2 * Math.PI) / 5;
    return [4.5 + 4 * Math.sin(angle), 4.5 + 4 * Math.cos(angle)] as const;
  });
  expect(inside(star, Float32Array.of(4.5, 4.5, 4.5, 7.9, 0, 0), every)).toEqual([1]); // not its middle
  expect(inside(rectangle([9, 9], [-1, -1]), grid, (point) => point === 7)).toEqual([7]);
});

test("arrow keys go to the nearest point ahead", () => {
  const places = Float32Array.of(0, 0, 1, 0.9, 2, 0, 0, 3, -1, -1);
  expect(nextInDirection(places, 0, [1, 0], every)).toBe(2);
  expect(nextInDirection(places, 0, [0, 1], every)).toBe(3);
  expect(nextInDirection(places, 0, [0, 1], (point) => point === 4)).toBeUndefined();
  expect(nextInDirection(places, 0, [-1, 0], every)).toBe(4);
  expect(nextInDirection(places, 3, [0, 1], every)).toBeUndefined();
});

test("a zoom keeps what is under the pointer, and both axes have one scale", () => {
  const whole = middleOf(box);
  const frame = frameOf(box, whole, 400, 300);
  expect(toPlane(frame, 200, 150)[0]).toBeCloseTo(1);
  const before = toPlane(frame, 300, 40);
  const zoom = zoomedAt(box, whole, 3, 300, 40, 400, 300);
  const after = toPlane(frameOf(box, zoom, 400, 300), 300, 40);
  expect(after[0]).toBeCloseTo(before[0], 6);
  expect(after[1]).toBeCloseTo(before[1], 6);
  expect(zoomedAt(box, zoom, 0.01, 0, 0, 400, 300)).toEqual(whole);
  expect(frameOf({ left: 1, right: 1, bottom: 2, top: 2 }, whole, 400, 300).scale).toBeGreaterThan(0);
});

test("classes have hues, those without one are grey, and what has no value is a ring", () => {
  const names = Array.from({ length: 12 }, (_, i) => `c${i}`);
  expect([shownClasses(names.slice(0, 8)), shownClasses(names)]).toEqual([8, 7]);
  const column = { name: "k", classes: names, counts: [], low: 0, high: 1, signed: false, missing: 0 };
  const scale = { kind: "linear" as const, low: 0, high: 1, threshold: 0 };
  const table = new Uint32Array(256);
  const found = coloursOf(4, column, Float32Array.of(0, 6, 7, NaN), scale, table, true);
  expect([...found]).toEqual([hueOf(0, true), hueOf(6, true), otherColour(), missingColour()]);
  const numbers = { ...column, classes: null, low: -1, signed: true };
  const signed = tableOf(true, { groundRgb: [0, 0, 0], dark: true } as any);
  const [zero, none] = coloursOf(2, numbers, Float32Array.of(0, NaN), { ...scale, low: -1 }, signed, true);
  expect([isHollow(zero!), isHollow(none!)]).toEqual([false, true]);
  const pale = dimmed(Uint32Array.of(none!, zero!), () => false, [0, 0, 0], 0.2);
  expect([...pale].map(isHollow)).toEqual([true, false]);
  expect(new Set(Array.from({ length: 8 }, (_, at) => hueOf(at, false))).size).toBe(8);
});

test("the smallest number can be seen on the ground", () => {
  const theme = { groundRgb: [255, 255, 255], dark: false } as any;
  const table = tableOf(false, theme);
  expect(table[0]).not.toBe(magnitudeTable([255, 255, 255], false)[0]);
  expect(table[255]).toBe(magnitudeTable([255, 255, 255], false)[255]);
  expect(tableOf(true, theme)[127]! & 255).toBeCloseTo(154, -1);
  const [colour, pale] = dimmed(Uint32Array.of(0xff0000ff, 0xff0000ff), (point) => !point, [255, 255, 255], 0.2);
  expect(colour).toBe(0xff0000ff);
  expect([pale! & 255, (pale! >> 8) & 255, pale! >>> 24]).toEqual([255, 204, 255]);
});

const texts = (state: object): PointTexts => new PointTexts(new FakeModel(state) as any);
const small = (...numbers: number[]): Uint8Array => new Uint8Array(Uint16Array.from(numbers).buffer);
const wide = (...numbers: number[]): Uint8Array => new Uint8Array(Int32Array.from(numbers).buffer);

test("a point is a token in its text", () => {
  const one = texts({
    n_points: 3,
    samples: small(0, 1, 1),
    positions: wide(1, 0, 2),
    words: ["a", "b", "c"],
    word_ids: small(0, 1, 2, 2, 1),
    text_starts: wide(0, 2, 5),
  });
  expect([0, 1, 2].map((point) => one.token(point))).toEqual(["b", "c", "b"]);
  expect(one.context(2, 1)).toEqual({ before: ["c"], token: "b", after: [], more: [true, false] });
  expect(one.context(0, 9)).toEqual({ before: ["a"], token: "b", after: [], more: [false, false] });
  expect([one.row(1, 2), one.row(2, 0), one.isOne, one.place(1)]).toEqual([
    2,
    undefined,
    false,
    "sample 1, position 0",
  ]);
});

test("a point without a text is its token, without tokens its place", () => {
  const given = { n_points: 2, samples: small(0, 0), positions: small(0, 1), text_starts: wide() };
  const named = texts({ ...given, words: ["x", "y"], word_ids: small(1, 0) });
  expect(named.context(0, 3)).toEqual({ before: [], token: "y", after: [], more: [false, false] });
  const bare = texts({ ...given, words: [], word_ids: small() });
  expect([bare.context(0, 3), bare.name(1), bare.isOne]).toEqual([undefined, "position 1", true]);
});

test("a layer that is not held is asked for once, and what is on show stays until it is there", async () => {
  const model = new FakeModel({
    n_points: 1,
    held_layers: [0],
    places: new Uint8Array(Float32Array.of(1, 2).buffer),
    held_columns: [],
    values: new Uint8Array(0),
  });
  const until = new AbortController();
  const layer = signal(0);
  const loaded = new LayersAndColumns(model as any, new Requests(model as any, until.signal, signal(false)));
  const places = loaded.following("layer", layer, until.signal, new Float32Array(2));
  expect([...places.value]).toEqual([1, 2]);
  layer.value = 3;
  void loaded.get("layer", 3);
  const asked = model.sent.filter((one: any) => one.name === "layer") as any[];
  expect(asked.map((one) => one.args)).toEqual([{ layer: 3 }]);
  expect([[...places.value], loaded.status.value]).toEqual([[1, 2], "loading layer 3 …"]);
  const answer = new DataView(Float32Array.of(5, 6).buffer);
  model.tell("msg:custom", { v: 1, id: asked[0].id, kind: "res", data: {} }, [answer]);
  await new Promise((done) => setTimeout(done, 0));
  expect([[...places.value], loaded.status.value]).toEqual([[5, 6], ""]);
  layer.value = 0;
  expect([...places.value]).toEqual([1, 2]);
});
