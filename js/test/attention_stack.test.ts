import { expect, test } from "vitest";
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
import { columnsOf, isDrawn } from "../src/attention_stack/slices";

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
  expect(flat![12]![1]! - flat![0]![1]!).toBeGreaterThan(1);
  const sum = flat!.reduce((all, [x, y]) => all + Math.abs(x!) + Math.abs(y!), 0);
  expect(sum).toBeGreaterThan(0);
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
  const { front, right } = scene.camera;
  for (let slice = 0; slice < scene.xs.length; slice++) {
    const u = (x - scene.xs[slice]!) / scene.ux;
    const v = (y - scene.ys[slice]! - u * scene.uy) / scene.vy;
    if (u < 0 || u >= 1 || v < u || v >= 1 || !shows(slice, u, v)) continue;
    const [px, py, pz] = scene.places.subarray(3 * slice, 3 * slice + 3) as unknown as [number, number, number];
    const at = (px + u - 0.5) * front[0] + (py + 0.5 - v) * front[1] + pz * front[2];
    if (at > depth + 1e-6) [found, depth] = [slice, at];
  }
  expect(right).toBeDefined();
  return found;
}

test("the slice that is picked is the one in front", () => {
  let state = 7;
  const next = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
  for (const spread of [0, 0.2, 0.5, 0.7, 0.95]) {
    const scene = sceneOf(shape, { ...pose, spread, turn: -70 + 140 * next(), tilt: -60 + 120 * next() }, ...size);
    for (let turn = 0; turn < 200; turn++) {
      const [x, y] = [next() * size[0], next() * size[1]];
      const shows = (slice: number, u: number): boolean => (slice * 7 + Math.floor(u * 8)) % 3 > 0;
      const expected = nearest(scene, x, y, shows);
      if (expected >= 0) expect(pick(scene, x, y, shows)!.slice).toBe(expected);
    }
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
