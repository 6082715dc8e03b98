/**
 * Where each slice stands and how it is seen: parallel projection, so that slices are of one size and one form, and
 * which is in front of which follows from their order alone. A slice has side 1; u runs along keys, v down queries.
 */

export interface Shape {
  layers: number;
  /** A layer. */
  heads: number;
}

export interface Pose {
  /** Degrees. */
  turn: number;
  tilt: number;
  /** 0: a stack, layer by layer; .5: the heads of a layer side by side; 1: flat. */
  spread: number;
  /** How much larger than what fits, and how far it is moved, in pixels. */
  zoom: number;
  x: number;
  y: number;
}

export type Place = readonly [x: number, y: number, z: number];

/** From one slice of a stack to the next, between heads and between layers; of layers that are spread; side by side. */
const [HEAD, LAYER, FLOOR, SIDE] = [0.07, 0.2, 0.85, 1.12];
export const STEEPEST = 80;

const unit = (value: number): number => Math.max(0, Math.min(1, value));

/** The middle of a slice, around that of the stack; the first layer is in front, and at the bottom. */
export function placeOf({ layers, heads }: Shape, spread: number, layer: number, head: number): Place {
  const across = unit(2 * spread);
  const up = unit(2 * spread - 1);
  const step = (1 - across) * (heads * HEAD + LAYER) + across * FLOOR;
  const depth = (at: number, of: number): number => at * step + (1 - across) * of * HEAD;
  const middle = depth(layers - 1, heads - 1) / 2;
  return [
    across * SIDE * (head - (heads - 1) / 2),
    up * SIDE * (layer - (layers - 1) / 2),
    (1 - up) * (middle - depth(layer, head)),
  ];
}

/** How a world is seen: what of each axis goes to the right, down, and to the front. */
export interface Camera {
  right: Place;
  down: Place;
  front: Place;
}

export function cameraOf({ turn, tilt }: Pick<Pose, "turn" | "tilt">): Camera {
  const [a, b] = [(turn * Math.PI) / 180, (tilt * Math.PI) / 180];
  const [ca, sa, cb, sb] = [Math.cos(a), Math.sin(a), Math.cos(b), Math.sin(b)];
  return { right: [ca, 0, sa], down: [-sa * sb, -cb, ca * sb], front: [-sa * cb, sb, ca * cb] };
}

const dot = (one: Place, other: Place): number => one[0] * other[0] + one[1] * other[1] + one[2] * other[2];

/** The scene on a screen. */
export interface Scene {
  shape: Shape;
  camera: Camera;
  /** Of each slice its corner (u = v = 0), in pixels; layer after layer. */
  xs: Float64Array;
  ys: Float64Array;
  places: Float32Array;
  /** What u and v are in pixels: u = (ux, uy), v = (0, vy). */
  ux: number;
  uy: number;
  vy: number;
  /** Pixels of a side of a slice, and where the middle of the world is. */
  scale: number;
  x: number;
  y: number;
}

/** Room for names of layers at either side and of heads below, in pixels. */
const [SIDES, TOP, BOTTOM] = [58, 14, 30];

export function sceneOf(shape: Shape, pose: Pose, width: number, height: number): Scene {
  const camera = cameraOf(pose);
  const n = shape.layers * shape.heads;
  const places = new Float32Array(3 * n);
  const [xs, ys] = [new Float64Array(n), new Float64Array(n)];
  // u runs to the right of the world, v down
  const [ux, uy, vy] = [camera.right[0], camera.down[0], -camera.down[1]];
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let at = 0; at < n; at++) {
    const place = placeOf(shape, pose.spread, Math.floor(at / shape.heads), at % shape.heads);
    places.set(place, 3 * at);
    const corner: Place = [place[0] - 0.5, place[1] + 0.5, place[2]];
    const [x, y] = [dot(camera.right, corner), dot(camera.down, corner)];
    xs[at] = x;
    ys[at] = y;
    left = Math.min(left, x);
    right = Math.max(right, x + ux);
    top = Math.min(top, y, y + uy);
    bottom = Math.max(bottom, y + vy, y + uy + vy);
  }
  const fit = Math.min((width - 2 * SIDES) / (right - left), (height - TOP - BOTTOM) / (bottom - top));
  const scale = Math.max(1, fit) * pose.zoom;
  const [x, y] = [
    width / 2 - (scale * (left + right)) / 2 + pose.x,
    (height + TOP - BOTTOM) / 2 - (scale * (top + bottom)) / 2 + pose.y,
  ];
  for (let at = 0; at < n; at++) {
    xs[at] = xs[at]! * scale + x;
    ys[at] = ys[at]! * scale + y;
  }
  return { shape, camera, xs, ys, places, ux: ux * scale, uy: uy * scale, vy: vy * scale, scale, x, y };
}

/** Where a point of a slice is, in pixels. */
export const onScreen = (scene: Scene, slice: number, u: number, v: number): readonly [number, number] => [
  scene.xs[slice]! + u * scene.ux,
  scene.ys[slice]! + u * scene.uy + v * scene.vy,
];

export interface Picked {
  slice: number;
  u: number;
  v: number;
}

/**
 * The slice in front at a point of the screen: of those of which `shows` is true there, else of all whose triangle is
 * there. Slices are in the order of their depth.
 */
export function pick(
  scene: Scene,
  x: number,
  y: number,
  shows: (slice: number, u: number, v: number) => boolean,
): Picked | undefined {
  let first: Picked | undefined;
  for (let slice = 0; slice < scene.xs.length; slice++) {
    const u = (x - scene.xs[slice]!) / scene.ux;
    if (u < 0 || u >= 1) continue;
    const v = (y - scene.ys[slice]! - u * scene.uy) / scene.vy;
    if (v < u || v >= 1) continue; // the triangle below the diagonal
    if (shows(slice, u, v)) return { slice, u, v };
    first ??= { slice, u, v };
  }
  return first;
}

/** The slices of which something is seen, by looking at a point in every `step` pixels; without WebGL. */
export function seenByPicking(
  scene: Scene,
  width: number,
  height: number,
  step: number,
  shows: (slice: number, u: number, v: number) => boolean,
): Set<number> {
  const found = new Set<number>();
  for (let y = step / 2; y < height; y += step)
    for (let x = step / 2; x < width; x += step) {
      const picked = pick(scene, x, y, shows);
      if (picked) found.add(picked.slice);
    }
  return found;
}
