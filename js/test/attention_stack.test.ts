import { afterEach, expect, test, vi } from "vitest";
import {
  cameraOf,
  onScreen,
  type Pose,
  pick,
  placeOf,
  type Scene,
  sceneOf,
  seenByPicking,
} from "../src/attention_stack/scene";
import { boxOf, sliceNames } from "../src/attention_stack/slice_names";
import { columnsOf, isDrawn } from "../src/attention_stack/slices";
import { REST_MS, slowMotion } from "../src/attention_stack/slow_motion";
import { State } from "../src/attention_stack/state";
import { magnitudeTable } from "../src/core/drawing/colour";
import { signal } from "../src/core/reactive";
import { FakeModel } from "./fake_model";

const shape = { layers: 12, heads: 12 };
const pose: Pose = { turn: -32, tilt: 22, spread: 0.7, zoom: 1, x: 0, y: 0 };
const always = (): boolean => true;
const size = [900, 500] as const;

test("spread goes from a stack of all heads, over layers side by side, to flat", () => {
  const places = (spread: number): number[][] =>
    Array.from({ length: 144 }, (_, at) => [...placeOf(shape, spread, Math.floor(at / 12), at % 12)]);
  const [stack, layers, flat] = [places(0), places(0.5), places(1)];
  expect(new Set(stack!.map(([x, y]) => `${x} ${y}`)).size).toBe(1);
  expect(stack!.every(([, , z], at) => at === 0 || z! < stack![at - 1]![2]!)).toBe(true); // layer by layer
  expect(new Set(layers!.map(([, , z]) => z!.toFixed(6))).size).toBe(12);
  expect(layers![1]![0]! - layers![0]![0]!).toBeGreaterThan(1); // no slice reaches over the next
  expect(flat!.every(([, , z]) => Math.abs(z!) < 1e-9)).toBe(true);
  expect(flat![12]![1]! - flat![0]![1]!).toBeGreaterThan(1); // deeper layers are above
  expect(new Set(flat!.map(([x, y]) => `${x!.toFixed(6)} ${y!.toFixed(6)}`)).size).toBe(144);
});

test("a camera turns: its axes stay perpendicular and of length 1", () => {
  for (const [turn, tilt] of [
    [0, 0],
    [-32, 22],
    [80, -80],
  ] as const) {
    const { right, down, front } = cameraOf({ turn, tilt });
    const dot = (one: readonly number[], other: readonly number[]): number =>
      one.reduce((sum, value, at) => sum + value * other[at]!, 0);
    for (const one of [right, down, front]) expect(dot(one, one)).toBeCloseTo(1);
    expect([dot(right, down), dot(down, front), dot(front, right)].every((value) => Math.abs(value) < 1e-9)).toBe(true);
  }
});

test("everything is on the screen, whatever the pose", () => {
  for (const turn of [-80, -30, 0, 50])
    for (const tilt of [-70, 0, 40])
      for (const spread of [0, 0.3, 0.5, 0.8, 1]) {
        const scene = sceneOf(shape, { ...pose, turn, tilt, spread }, ...size);
        for (let slice = 0; slice < 144; slice++)
          for (const [u, v] of [
            [0, 0],
            [0, 1],
            [1, 1],
          ] as const) {
            const [x, y] = onScreen(scene, slice, u, v);
            expect(x).toBeGreaterThan(-1);
            expect(x).toBeLessThan(size[0] + 1);
            expect(y).toBeGreaterThan(-1);
            expect(y).toBeLessThan(size[1] + 1);
          }
      }
});

/** The slice in front by brute force: of all that are there, that which is nearest to the eye. */
function nearest(scene: Scene, x: number, y: number, shows: (slice: number, u: number, v: number) => boolean): number {
  let [found, depth] = [-1, -Infinity];
  const { front } = scene.camera;
  for (let slice = 0; slice < scene.xs.length; slice++) {
    const u = (x - scene.xs[slice]!) / scene.ux;
    const v = (y - scene.ys[slice]! - u * scene.uy) / scene.vy;
    if (u < 0 || u >= 1 || v < u || v >= 1 || !shows(slice, u, v)) continue;
    const [px, py, pz] = scene.places.subarray(3 * slice, 3 * slice + 3) as unknown as [number, number, number];
    const at = (px + u - 0.5) * front[0] + (py + 0.5 - v) * front[1] + pz * front[2];
    if (at > depth + 1e-6) [found, depth] = [slice, at];
  }
  return found;
}

test("the slice that is picked is the one in front", () => {
  let state = 7;
  const next = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
  for (const spread of [0, 0.2, 0.5, 0.7, 0.95]) {
    const scene = sceneOf(shape, { ...pose, spread, turn: -70 + 140 * next(), tilt: -60 + 120 * next() }, ...size);
    let found = 0;
    for (let turn = 0; turn < 200; turn++) {
      const [x, y] = [next() * size[0], next() * size[1]];
      const shows = (slice: number, u: number): boolean => (slice * 7 + Math.floor(u * 8)) % 3 > 0;
      const expected = nearest(scene, x, y, shows);
      if (expected < 0) continue;
      found++;
      expect(pick(scene, x, y, shows)!.slice).toBe(expected);
    }
    expect(found).toBeGreaterThan(10);
  }
});

test("flat, each head is picked where it stands, and none is hidden", () => {
  const scene = sceneOf(shape, { ...pose, spread: 1 }, ...size);
  for (let slice = 0; slice < 144; slice++) {
    const found = pick(scene, ...onScreen(scene, slice, 0.3, 0.7), always)!;
    expect(found.slice).toBe(slice);
    expect(found.u).toBeCloseTo(0.3);
    expect(found.v).toBeCloseTo(0.7);
  }
  expect(seenByPicking(scene, ...size, 3, always).size).toBe(144);
});

test("a stack that is looked at from the front hides all but its first slice, unless that is clear", () => {
  const scene = sceneOf(shape, { ...pose, spread: 0, turn: 0, tilt: 0 }, ...size);
  expect([...seenByPicking(scene, ...size, 3, always)]).toEqual([0]);
  expect([...seenByPicking(scene, ...size, 3, (slice) => slice > 4)]).toEqual([5]);
});

test("cells below the threshold are clear, and with none all are drawn", () => {
  const cells = Uint8Array.of(0, 0, 13, 255);
  const given = { cells, side: 2, ready: 1, scene: { shape: { layers: 1, heads: 1 } } as Scene };
  const scale = { kind: "linear" as const, low: 0, high: 1, threshold: 0.05 };
  expect(isDrawn({ ...given, scale })(0, 0.1, 0.1)).toBe(false);
  expect(isDrawn({ ...given, scale })(0, 0.1, 0.9)).toBe(true);
  expect(isDrawn({ ...given, scale: { ...scale, threshold: 0.06 } })(0, 0.1, 0.9)).toBe(false);
  expect(isDrawn({ ...given, scale: { ...scale, threshold: 0 } })(0, 0.1, 0.1)).toBe(true);
  expect(isDrawn({ ...given, ready: 0, scale })(0, 0.9, 0.9)).toBe(false); // its layer is not there yet
  expect([1, 4, 5, 12, 64].map(columnsOf)).toEqual([1, 2, 3, 4, 8]);
});

test("names lie over no slice, over no other name, and on the screen", () => {
  for (const turn of [-80, -32, -5, 0, 40])
    for (const tilt of [-60, 0, 22])
      for (const spread of [0, 0.3, 0.5, 0.7, 1]) {
        const scene = sceneOf(shape, { ...pose, turn, tilt, spread }, ...size);
        const names = sliceNames(scene, 64);
        const boxes = names.map(boxOf);
        boxes.forEach(([left, top, right, bottom], at) => {
          expect(left).toBeGreaterThan(0);
          expect(right).toBeLessThan(size[0]);
          expect(top).toBeGreaterThan(0);
          expect(bottom).toBeLessThan(size[1]);
          for (let x = left; x <= right; x += (right - left) / 4)
            expect(pick(scene, x, (top + bottom) / 2, always)).toBeUndefined();
          for (const [l, t, r, b] of boxes.slice(0, at))
            expect(left < r && right > l && top < b && bottom > t, names[at]!.text).toBe(false);
        });
      }
  const usual = sliceNames(sceneOf(shape, pose, ...size), 64).map(({ text }) => text);
  expect(usual.slice(0, 13)).toEqual(["layer 0", ...Array.from({ length: 11 }, (_, at) => `${at + 1}`), "head 0"]);
});

afterEach(() => void vi.unstubAllGlobals());

test("slow is a stack whose frames are, not one that is moved seldom", () => {
  let [now, next] = [0, undefined as FrameRequestCallback | undefined];
  vi.stubGlobal("performance", { now: () => now });
  vi.stubGlobal("requestAnimationFrame", (step: FrameRequestCallback) => ((next = step), 1));
  vi.stubGlobal("cancelAnimationFrame", () => {});
  const moves = signal(0);
  const coarse = slowMotion(moves, new AbortController().signal);
  /** Frames of `long` ms, the stack being moved in every `every`th. */
  const frames = (many: number, long: number, every: number): void => {
    for (let at = 0; at < many; at++) {
      if (at % every === 0) moves.value++;
      now += long;
      const step = next;
      next = undefined;
      step?.(now);
    }
  };
  frames(40, 16, 6); // an event in 96 ms
  expect(coarse.value).toBe(false);
  frames(6, 60, 1);
  expect(coarse.value).toBe(true);
  frames(Math.ceil(REST_MS / 16) + 1, 16, Infinity);
  expect(coarse.value).toBe(false); // it stands still
  expect(next).toBeUndefined(); // and no frame is waited for
});

test.each([
  ["light", [255, 255, 255]],
  ["dark", [17, 19, 23]],
] as const)("attention has the colours of the heat map on a %s ground", (name, groundRgb) => {
  const model = new FakeModel({
    n_layers: 1,
    n_heads: 1,
    tokens: ["a"],
    thumbnails: new DataView(new ArrayBuffer(1)),
    thumbnail_size: 1,
    thumbnail_layers: 1,
    ...{ turn: 0, tilt: 0, spread: 1, scale: "linear", limits: [0, 1], threshold: 0.05 },
  });
  const theme = signal({ groundRgb, dark: name === "dark" } as any);
  const selection = { heads: [], subscribe: () => {} } as any;
  const state = new State(model, selection, {} as any, theme, new AbortController().signal);
  expect(state.table.value).toEqual(magnitudeTable(groundRgb, name === "dark"));
});
