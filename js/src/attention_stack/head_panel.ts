/** The head that is pointed at or selected, large: queries down, keys across, their tokens beside them. */

import { type Frame, matrixFrame } from "../core/attention/matrix_frame";
import { drawLabels, LABEL_FONT_SIZE, labelRoom, type Pinned } from "../core/attention/matrix_labels";
import { EMPTY, paint, type Raster, rasterise } from "../core/attention/raster";
import { context, h } from "../core/elements/dom";
import { placeIn } from "../core/elements/pointer";
import type { Theme } from "../core/elements/theme";
import { createWalker, type Walker } from "../core/keyboard/keyboard_grid";
import { computed, draw, type ReadonlySignal, sizeOf, watch } from "../core/reactive";
import { type Head, headText, sameHead } from "../core/selection";
import type { Cell, State } from "./state";
import { cellNote } from "./tooltip_text";

/** The name of the queries, below them. */
const BELOW = 18;
/** Of the picture, along a side. */
const MOST_PIXELS = 512;

export function createHeadPanel(state: State, until: AbortSignal): HTMLElement {
  const title = h("b");
  const why = h("span", { class: "sw-dim" });
  const cells = h("canvas", { "aria-hidden": "true" });
  const marks = h("canvas", { "aria-hidden": "true" });
  const place = h("div", { class: "as-matrix" }, cells, marks);
  const note = h("p", { class: "as-note" });
  const element = h(
    "div",
    { class: "sw-panel as-panel", role: "region", "aria-label": "Head" },
    h("div", { class: "sw-panel-title" }, title, why),
    note,
    place,
  );
  const size = sizeOf(place, until);
  watch(until, () => {
    const head = state.shown.value;
    const selected = state.heads.value.some((one) => sameHead(one, head));
    title.textContent = head ? headText(head) : "No head";
    why.textContent = head ? (selected ? "selected" : "pointed at: click to select") : "";
    const cell = state.cell.value;
    note.textContent = !head
      ? "Point at a slice to see its head here; click it to select the head."
      : cell
        ? cellNote(state, head, cell).join("")
        : "";
  });
  const tokens = [...state.tokens];
  const n = tokens.length;
  const frame = computed(() => {
    const [width, height] = size.value;
    const pen = marks.getContext("2d")!;
    pen.font = `${LABEL_FONT_SIZE}px ${state.theme.value.mono}`;
    const room = labelRoom(tokens, pen.measureText("0").width, true);
    return matrixFrame(width, height - BELOW, room.queryWidth, room.keyHeight, room.tailWidth, n);
  });
  const drawn = computed(() => {
    const head = state.shown.value;
    return head && state.isReady(head) ? head : undefined;
  });
  const picture = computed(() => {
    const head = drawn.value;
    if (!head) return undefined;
    const pattern = state.pattern.value;
    const raster = pattern ? rasterise(pattern, { query: 0, key: 0, span: n }, MOST_PIXELS) : coarse(state, head);
    return paint(raster, { ...state.scale.value }, state.table.value);
  });
  draw(until, () => {
    const [width, height] = size.value;
    if (width && height) drawCells(context(cells, width, height), picture.value, frame.value, state.theme.value);
  });
  draw(until, () => {
    const [width, height] = size.value;
    if (!width || !height) return;
    const pen = context(marks, width, height);
    if (drawn.value) drawMarks(pen, tokens, frame.value, state.cell.value, state.theme.value);
  });
  const walker = createCellWalker(state, frame);
  place.append(walker.element);
  watch(until, () => {
    walker.element.hidden = !drawn.value;
    void frame.value;
    void state.pattern.value;
    if (drawn.value) walker.refresh();
  });
  place.addEventListener("pointermove", (event) => {
    const [x, y] = placeIn(place, event);
    const { left, top, side } = frame.peek();
    const cell = { query: Math.floor(((y - top) / side) * n), key: Math.floor(((x - left) / side) * n) };
    const isCell = cell.key >= 0 && cell.key <= cell.query && cell.query < n;
    state.pointAt(isCell && state.heads.peek().length ? cell : undefined);
  });
  place.addEventListener("pointerleave", () => state.pointAt(undefined));
  return element;
}

/** The cells of the head that is shown, by keyboard; what it stands on is said here alone, not at each pointer move. */
function createCellWalker(state: State, frame: ReadonlySignal<Frame>): Walker {
  const n = state.tokens.length;
  return createWalker({
    name: "Cells of the head: queries down, keys across",
    rows: () => n,
    columns: (query) => query + 1,
    place: (query, key) => {
      const { left, top, side } = frame.peek();
      const one = side / n;
      return { left: left + key * one, top: top + query * one, width: Math.max(3, one), height: Math.max(3, one) };
    },
    describe: (query, key) => {
      const head = state.shown.peek();
      return head ? `${headText(head)}, ${cellNote(state, head, { query, key }).join("").replace("≈", "about")}` : "";
    },
    onMove: (query, key) => state.pointAt({ query, key }),
    onEnter: () => {},
    onLeave: () => state.pointAt(undefined),
  });
}

/** What does not change with the pointer. */
function drawCells(
  pen: CanvasRenderingContext2D,
  picture: HTMLCanvasElement | undefined,
  { left, top, side }: Frame,
  theme: Theme,
): void {
  if (!picture) return;
  pen.imageSmoothingEnabled = picture.width > side;
  pen.drawImage(picture, left, top, side, side);
  pen.strokeStyle = theme.line;
  pen.strokeRect(left - 0.5, top - 0.5, side + 1, side + 1);
}

/** The names of the axes and the tokens, of which those that are pointed at come first, and the cell itself. */
function drawMarks(
  pen: CanvasRenderingContext2D,
  tokens: string[],
  frame: Frame,
  cell: Cell | undefined,
  theme: Theme,
): void {
  pen.font = `${LABEL_FONT_SIZE}px ${theme.font}`;
  pen.fillStyle = theme.dim;
  pen.textAlign = "right";
  pen.textBaseline = "alphabetic";
  pen.fillText("key →", frame.left - 8, frame.top - 8);
  pen.fillText("query ↓", frame.left - 8, frame.top + frame.side + 14);
  pen.textAlign = "left";
  const pinned = (position: number | undefined): Pinned[] =>
    position === undefined ? [] : [{ position, ink: theme.accent }];
  const whole = { query: 0, key: 0, span: tokens.length };
  drawLabels(pen, tokens, frame, whole, theme, () => theme.ink, pinned(cell?.query), pinned(cell?.key));
  if (cell) markCell(pen, frame, tokens.length, cell, theme.accent);
}

function markCell(
  pen: CanvasRenderingContext2D,
  { left, top, side }: Frame,
  n: number,
  { query, key }: Cell,
  colour: string,
): void {
  const one = side / n;
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5;
  const grown = Math.max(one, 4);
  pen.strokeRect(left + key * one - (grown - one) / 2, top + query * one - (grown - one) / 2, grown, grown);
}

/** The slice itself, where the pattern is not there. */
function coarse(state: State, head: Head): Raster {
  const { side } = state;
  const start = state.sliceOf(head) * side * side;
  const { cells } = state.slices.value;
  const values = new Float32Array(side * side);
  for (let i = 0; i < values.length; i++) values[i] = i % side > Math.floor(i / side) ? EMPTY : cells[start + i]! / 255;
  return { width: side, height: side, values, query: 0, key: 0, cells: state.tokens.length / side };
}
