/** The stack: what is drawn when, what the pointer does, names of layers, and how many heads are hidden. */

import { mix } from "../core/drawing/colour";
import { context, h } from "../core/elements/dom";
import { followPointer, placeIn, zoomOfWheel } from "../core/elements/pointer";
import { rgbOf, type Theme } from "../core/elements/theme";
import type { Tooltip } from "../core/elements/tooltip";
import { createWalker } from "../core/keyboard/keyboard_grid";
import { computed, draw, type ReadonlySignal, sizeOf, watch } from "../core/reactive";
import { type Head, headText, sameHead } from "../core/selection";
import { createCanvas } from "../core/webgl/canvas";
import { onScreen, pick, type Scene, sceneOf } from "./scene";
import { sliceNames } from "./slice_names";
import { canvasSlices, isDrawn, type Slices, type SlicesRenderer, webglSlices } from "./slices";
import { REST_MS, slowMotion } from "./slow_motion";
import type { State } from "./state";
import { cellNote, strongest } from "./tooltip_text";

const STILL = 4;

export interface Stage {
  element: HTMLElement;
  kind: ReadonlySignal<"webgl" | "canvas" | "lost">;
  zoomBy(by: number): void;
}

export function createStage(state: State, tooltip: Tooltip, until: AbortSignal): Stage {
  const canvas = createCanvas<Slices>(webglSlices, canvasSlices, until);
  const overlay = h("canvas", { class: "as-overlay", "aria-hidden": "true" });
  const element = h("div", { class: "as-stage" }, canvas.element, overlay);
  const size = sizeOf(element, until);
  const scene = computed(() =>
    sceneOf(state.shape, state.pose.value, Math.max(60, size.value[0]), Math.max(60, size.value[1])),
  );
  /** Without marks: what can be seen does not follow from what is pointed at. */
  const bare = computed<Slices>(() => ({
    ...state.slices.value,
    scene: scene.value,
    side: state.side,
    scale: state.scale.value,
    table: state.table.value,
    ...unmarked(state),
  }));
  const slices = computed<Slices>(() => ({ ...bare.value, marks: marksOf(state) }));
  const coarse = slowMotion(state.pose, until);
  draw(until, () => {
    const [width, height] = size.value;
    canvas.kind.value; // another canvas is to be drawn anew
    if (!width || !height) return;
    const ratio = (window.devicePixelRatio || 1) * (coarse.value ? 0.5 : 1);
    canvas.draw(slices.value, width, height, ratio);
  });
  draw(until, () => {
    const [width, height] = size.value;
    if (width && height) drawNames(context(overlay, width, height), state.theme.value, scene.value, state.side);
  });
  countHidden(
    state,
    () => (canvas.renderer as SlicesRenderer).seen(bare.peek(), ...size.peek()),
    [bare, size, canvas.kind],
    until,
  );
  const zoomBy = (by: number): void => {
    const [width, height] = size.peek();
    state.zoomAt(by, width / 2, height / 2, width, height);
  };
  listen(state, element, scene, bare, size, until);
  element.append(createWalk(state, scene, until));
  showNote(state, tooltip, element, scene, until);
  return { element, kind: canvas.kind, zoomBy };
}

function marksOf(state: State): Uint8Array {
  const marks = new Uint8Array(state.shape.layers * state.shape.heads);
  for (const head of state.heads.value) marks[state.sliceOf(head)] = 1;
  if (state.pointed.value) marks[state.sliceOf(state.pointed.value)] = 2;
  return marks;
}

function unmarked(state: State): Pick<Slices, "marks" | "edges"> {
  const marks = new Uint8Array(state.shape.layers * state.shape.heads);
  const { ink, groundRgb, select, accent } = state.theme.value;
  const line = mix(groundRgb, rgbOf(ink) ?? [128, 128, 128], 0.22);
  return { marks, edges: [line, rgbOf(select) ?? [255, 0, 128], rgbOf(accent) ?? [0, 128, 255]] };
}

/** Count the heads of which nothing is seen, when all stands still. */
function countHidden(
  state: State,
  seen: () => Set<number>,
  after: readonly ReadonlySignal<unknown>[],
  until: AbortSignal,
): void {
  let rest = 0;
  watch(until, () => {
    for (const one of after) void one.value;
    clearTimeout(rest);
    rest = window.setTimeout(() => {
      const ready = state.slices.peek().ready * state.shape.heads;
      if (ready) state.hidden.value = state.shape.layers * state.shape.heads - seen().size;
    }, REST_MS);
  });
  until.addEventListener("abort", () => clearTimeout(rest));
}

function listen(
  state: State,
  element: HTMLElement,
  scene: ReadonlySignal<Scene>,
  slices: ReadonlySignal<Slices>,
  size: ReadonlySignal<readonly [number, number]>,
  until: AbortSignal,
): void {
  const place = (event: MouseEvent): readonly [number, number] => placeIn(element, event);
  const point = ([x, y]: readonly [number, number]): Head | undefined => {
    const found = pick(scene.peek(), x, y, isDrawn(slices.peek()));
    const head = found && state.headOf(found.slice);
    const n = state.tokens.length;
    state.pointAt(found && { query: Math.floor(found.v * n), key: Math.floor(found.u * n) });
    if (!(head && sameHead(head, state.pointed.peek()))) state.pointed.value = head;
    return head;
  };
  const on = <K extends keyof HTMLElementEventMap>(
    kind: K,
    hear: (event: HTMLElementEventMap[K]) => void,
    passive = true,
  ): void => element.addEventListener(kind, hear, { signal: until, passive });
  on("pointermove", (event) => {
    if (!event.buttons) point(place(event));
  });
  on("pointerleave", () => {
    state.pointed.value = state.cell.value = undefined;
  });
  on("pointerdown", (down) => {
    if (down.button > 1) return;
    const [start, before] = [place(down), state.pose.peek()];
    const moves = down.altKey || down.button === 1;
    let dragged = false;
    const drag = (move: PointerEvent): void => {
      const at = place(move);
      const [dx, dy] = [at[0] - start[0], at[1] - start[1]];
      dragged ||= Math.hypot(dx, dy) > STILL;
      if (!dragged) return;
      state.pointed.value = state.cell.value = undefined;
      if (moves) state.look({ x: before.x + dx, y: before.y + dy }, false);
      else state.look({ turn: before.turn + dx * 0.4, tilt: before.tilt + dy * 0.4 }, false);
    };
    followPointer(element, down, drag, () => {
      state.commitPose();
      const head = dragged ? undefined : point(start);
      if (head) state.select(head, down.shiftKey);
    });
  });
  on(
    "wheel",
    (event) => {
      const by = zoomOfWheel(event);
      if (!by) return;
      event.preventDefault();
      state.zoomAt(by, ...place(event), ...size.peek());
    },
    false,
  );
}

/** Heads by keyboard: the deepest layer is the first row, as it is on top. */
function createWalk(state: State, scene: ReadonlySignal<Scene>, until: AbortSignal): HTMLElement {
  const { layers, heads } = state.shape;
  const headAt = (row: number, column: number): Head => [layers - 1 - row, column];
  const walker = createWalker({
    name: "Heads",
    rows: () => layers,
    columns: () => heads,
    place: (row, column) => {
      const slice = state.sliceOf(headAt(row, column));
      const corners = [
        onScreen(scene.peek(), slice, 0, 0),
        onScreen(scene.peek(), slice, 0, 1),
        onScreen(scene.peek(), slice, 1, 1),
      ];
      const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)];
      const [left, top] = [Math.min(...xs), Math.min(...ys)];
      return { left, top, width: Math.max(...xs) - left, height: Math.max(...ys) - top };
    },
    describe: (row, column) => {
      const head = headAt(row, column);
      const selected = state.heads.peek().some((one) => sameHead(one, head));
      return `${headText(head)}, ${strongest(state, head)}${selected ? ", selected" : ""}`;
    },
    onMove: (row, column) => {
      state.cell.value = undefined;
      state.pointed.value = headAt(row, column);
    },
    onEnter: (row, column, extend) => state.select(headAt(row, column), extend),
    onLeave: () => (state.pointed.value = undefined),
  });
  watch(until, () => {
    scene.value;
    state.heads.value;
    walker.refresh();
  });
  return walker.element;
}

function drawNames(pen: CanvasRenderingContext2D, theme: Theme, scene: Scene, side: number): void {
  pen.font = `11px ${theme.font}`;
  pen.fillStyle = theme.dim;
  pen.textBaseline = "middle";
  for (const { text, x, y, anchor } of sliceNames(scene, side)) {
    pen.textAlign = anchor === "middle" ? "center" : anchor;
    pen.fillText(text, x, y);
  }
}

function showNote(
  state: State,
  tooltip: Tooltip,
  element: HTMLElement,
  scene: ReadonlySignal<Scene>,
  until: AbortSignal,
): void {
  watch(until, () => {
    const [head, cell] = [state.pointed.value, state.cell.value];
    if (!head) {
      tooltip.hide();
      return;
    }
    const { left, top } = element.getBoundingClientRect();
    const slice = state.sliceOf(head);
    const n = state.tokens.length;
    const [x, y] = cell
      ? onScreen(scene.value, slice, (cell.key + 0.5) / n, (cell.query + 0.5) / n)
      : onScreen(scene.value, slice, 1, 1);
    const rest = cell
      ? h("div", { class: "sw-dim" }, ...cellNote(state, head, cell))
      : h("div", { class: "sw-dim" }, strongest(state, head));
    tooltip.show(left + x, top + y, [h("b", {}, headText(head)), rest]);
  });
}
