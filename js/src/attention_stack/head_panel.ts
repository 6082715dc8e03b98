/** The head that is pointed at or selected, large: queries down, keys across, their tokens beside them. */
import { matrixFrame } from "../core/attention/matrix_frame";
import { drawLabels, LABEL_FONT_SIZE, labelRoom } from "../core/attention/matrix_labels";
import { EMPTY, paint, type Raster, rasterise } from "../core/attention/raster";
import { context, h } from "../core/elements/dom";
import { draw, sizeOf, watch } from "../core/reactive";
import type { Head } from "../core/selection";
import type { Cell, State } from "./state";
import { cellNote } from "./tooltip_text";

/** The name of the queries, below them. */
const BELOW = 18;

export function createHeadPanel(state: State, until: AbortSignal): HTMLElement {
  const title = h("b");
  const why = h("span", { class: "sw-dim" });
  const canvas = h("canvas", { role: "img" });
  const place = h("div", { class: "as-matrix" }, canvas);
  const note = h("p", { class: "as-note", role: "status" });
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
    const selected = state.heads.value.some((one) => String(one) === String(head));
    title.textContent = head ? `Head ${head.join(".")}` : "No head";
    why.textContent = head ? (selected ? "selected" : "pointed at: click to select") : "";
    canvas.setAttribute("aria-label", head ? `Attention of head ${head.join(".")}, queries down, keys across` : "");
    const cell = state.cell.value;
    note.textContent = !head
      ? "Point at a slice to see its head here; click it to select the head."
      : cell
        ? cellNote(state, head, cell).join("")
        : "";
  });
  let frame = { left: 0, top: 0, side: 1 };
  draw(until, () => {
    const [width, height] = size.value;
    const head = state.shown.value;
    if (!width || !height) return;
    const pen = context(canvas, width, height);
    if (head && state.isReady(head)) frame = drawHead(pen, state, head, width, height);
  });
  place.addEventListener("pointermove", ({ clientX, clientY }) => {
    const head = state.shown.peek();
    const { left, top } = canvas.getBoundingClientRect();
    const n = state.tokens.length;
    const at = (value: number, from: number): number => Math.floor(((value - from) / frame.side) * n);
    const cell = { query: at(clientY - top, frame.top), key: at(clientX - left, frame.left) };
    state.cell.value =
      head && cell.key >= 0 && cell.key <= cell.query && cell.query < n && state.heads.peek().length ? cell : undefined;
  });
  place.addEventListener("pointerleave", () => (state.cell.value = undefined));
  return element;
}

function drawHead(
  pen: CanvasRenderingContext2D,
  state: State,
  head: Head,
  width: number,
  height: number,
): { left: number; top: number; side: number } {
  const theme = state.theme.value;
  const tokens = [...state.tokens];
  const n = tokens.length;
  pen.font = `${LABEL_FONT_SIZE}px ${theme.mono}`;
  const room = labelRoom(tokens, pen.measureText("0").width, true);
  const frame = matrixFrame(width, height - BELOW, room.queryWidth, room.keyHeight, room.tailWidth, n);
  const pattern = state.pattern.value;
  const whole = { query: 0, key: 0, span: n };
  const raster = pattern ? rasterise(pattern, whole, 512) : coarse(state, head);
  pen.imageSmoothingEnabled = raster.width > frame.side;
  pen.drawImage(
    paint(raster, { ...state.scale.value }, state.matrixTable.value),
    frame.left,
    frame.top,
    frame.side,
    frame.side,
  );
  pen.strokeStyle = theme.line;
  pen.strokeRect(frame.left - 0.5, frame.top - 0.5, frame.side + 1, frame.side + 1);
  pen.font = `${LABEL_FONT_SIZE}px ${theme.font}`;
  pen.fillStyle = theme.dim;
  pen.textAlign = "right";
  pen.textBaseline = "alphabetic";
  pen.fillText("key →", frame.left - 8, frame.top - 8);
  pen.fillText("query ↓", frame.left - 8, frame.top + frame.side + 14);
  pen.textAlign = "left";
  const cell = state.cell.value;
  const pinned = (position: number): { position: number; ink: string }[] => [{ position, ink: theme.accent }];
  drawLabels(
    pen,
    tokens,
    frame,
    whole,
    theme,
    () => theme.ink,
    cell ? pinned(cell.query) : [],
    cell ? pinned(cell.key) : [],
  );
  if (cell) markCell(pen, frame, n, cell, theme.accent);
  return frame;
}

function markCell(
  pen: CanvasRenderingContext2D,
  { left, top, side }: { left: number; top: number; side: number },
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
