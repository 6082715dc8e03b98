/** The numbers of layers and heads beside the stack: where they would lie over a slice, or over each other, they are left out. */
import { onScreen, pick, type Scene } from "./scene";
import { edgeOf } from "./slices";

export interface SliceName {
  text: string;
  /** Its middle line; x as `anchor` says. */
  x: number;
  y: number;
  anchor: "start" | "middle" | "end";
}

/** Of a character, as wide as most; half a line; between a name and its slice. */
const [CHARACTER, HALF, GAP] = [6.5, 6, 7];
/** Heads that are narrower have no numbers. */
const LEAST = 12;

type Box = readonly [left: number, top: number, right: number, bottom: number];

/** `side`: pixels of a slice, whose last cell reaches over the diagonal. */
export function sliceNames(scene: Scene, side: number): SliceName[] {
  const { layers, heads } = scene.shape;
  const names: SliceName[] = [];
  const taken: Box[] = [];
  const add = (name: SliceName): void => {
    const box = boxOf(name);
    const [left, top, right, bottom] = box;
    if (taken.some(([l, t, r, b]) => left < r + 4 && right > l - 4 && top < b && bottom > t)) return;
    if (!isBare(scene, box)) return;
    taken.push(box);
    names.push(name);
  };
  // deeper layers go to the right where the stack is turned to the left: beside their first heads are those in front
  const last = scene.camera.right[2] < 0;
  for (let layer = 0; layer < layers; layer++) {
    const [x, y] = last ? edgeOf(scene, (layer + 1) * heads - 1, side)[2]! : onScreen(scene, layer * heads, 0, 0.5);
    const text = layer ? String(layer) : "layer 0";
    add(last ? { text, x: x + GAP, y, anchor: "start" } : { text, x: x - GAP, y, anchor: "end" });
  }
  if (scene.ux < LEAST) return names;
  for (let head = 0; head < heads; head++) {
    const [x, y] = onScreen(scene, head, 0.5, 1);
    const text = head ? String(head) : "head 0";
    // below the edge, which slopes
    const below = GAP + HALF + (Math.abs(scene.uy / scene.ux) * text.length * CHARACTER) / 2;
    add({ text, x, y: y + below, anchor: "middle" });
  }
  return names;
}

export function boxOf({ text, x, y, anchor }: SliceName): Box {
  const width = text.length * CHARACTER;
  const left = anchor === "end" ? x - width : anchor === "middle" ? x - width / 2 : x;
  return [left, y - HALF, left + width, y + HALF];
}

/** No slice is there. */
function isBare(scene: Scene, [left, top, right, bottom]: Box): boolean {
  for (const share of [0, 0.5, 1])
    for (const y of [top, bottom]) if (pick(scene, left + share * (right - left), y, () => true)) return false;
  return true;
}
