/** The opened head: query down, key across. */

import { showing } from "../../core/attention/matrix_frame";
import { drawAxisNames, drawLabels, type Pinned } from "../../core/attention/matrix_labels";
import { read } from "../../core/attention/pattern";
import type { Raster } from "../../core/attention/raster";
import { context, h } from "../../core/elements/dom";
import type { Tooltip } from "../../core/elements/tooltip";
import { createWalker, type Walker } from "../../core/keyboard/keyboard_grid";
import { draw, watch } from "../../core/reactive";
import { plainAt } from "../../core/tokens";
import { WORDS } from "../opened_head_quantity";
import { PANEL_TITLES, type State } from "../state";
import { drawCells, drawClipMarks, drawCross, drawSelected, placeOf } from "./matrix_drawing";
import { listenToPointer, pointAt } from "./matrix_pointer";
import { type Matrix, type MatrixOptions, matrixOf } from "./matrix_state";

export function createMatrix(state: State, options: MatrixOptions, tooltip: Tooltip, until: AbortSignal): HTMLElement {
  const { panel, title } = options;
  const cells = h("canvas", { "aria-hidden": "true" });
  const marks = h("canvas", { class: "av-above", "aria-hidden": "true" });
  const element = h("div", { class: "av-matrix", "data-panel": panel }, cells, marks);
  const frameElement = h("div", { class: "av-panel" }, title, element);
  const matrix = matrixOf(state, options, element, until);
  const { size, room, raster, frame } = matrix;

  // No wider than its height can use: the exact values get the rest.
  watch(until, () => {
    const { queryWidth, keyHeight, tailWidth } = room.value;
    const { style } = frameElement;
    style.flexBasis = `${queryWidth}px`; // so that matrices side by side are alike, with labels or without
    if (size.value[1])
      style.maxWidth = `${Math.max(120, Math.ceil(queryWidth + tailWidth + size.value[1] - keyHeight))}px`;
  });
  draw(until, () => {
    if (size.value[0] && raster.value) drawBelow(context(cells, ...size.value), matrix, raster.value);
  });
  draw(until, () => {
    if (size.value[0] && raster.value) drawAbove(context(marks, ...size.value), matrix);
  });
  watch(until, () => {
    const head = options.head.value;
    const waits = !!size.value[0] && !!head && state.has(head, panel) && !raster.value;
    element.classList.toggle("av-pending", waits);
    element.classList.toggle("av-absent", !!head && !state.has(head, panel));
  });
  const walker = createMatrixWalker(matrix);
  element.append(walker.element);
  watch(until, () => {
    void frame.value;
    void state.windowOf(panel).value;
    if (size.value[0]) walker.refresh();
  });
  listenToPointer(matrix, walker, tooltip, until);
  return frameElement;
}

/** The cells. */
function drawBelow(pen: CanvasRenderingContext2D, { state, panel, frame, pattern }: Matrix, raster: Raster): void {
  // a thumbnail, which stands for a pattern that is not there, is of attention
  const scale = pattern.value ? state.openedScaleOf(panel) : state.scaleOf(panel);
  const [theme, view] = [state.theme.value, state.windowOf(panel).value];
  drawCells(pen, raster, state.sizeOf(panel), frame.value, view, scale, state.tableOf(panel), theme);
  if (pattern.value) drawClipMarks(pen, pattern.value, frame.value, view, scale.high, theme);
}

/** What changes with the pointer: labels, the cross, the selection, the brush. */
function drawAbove(pen: CanvasRenderingContext2D, { state, panel, frame, labelled, brush }: Matrix): void {
  const [theme, view] = [state.theme.value, state.windowOf(panel).value];
  const chosen = state.selectedIn(panel);
  drawSelected(pen, frame.value, view, chosen, theme);
  const selected: Pinned[] = chosen.map((position) => ({ position, ink: theme.select }));
  const hover = state.hoverIn(panel);
  if (hover) drawCross(pen, frame.value, view, hover.query, hover.key, theme);
  const pointed = (position: number | undefined): Pinned[] =>
    position === undefined ? [] : [{ position, ink: theme.accent }];
  const queries = labelled.value ? [...pointed(hover?.query), ...selected] : undefined;
  const keys = [...pointed(hover?.key ?? hover?.query), ...selected];
  const ink = (at: number): string =>
    state.beside.position(at, panel, panel === "b" ? "a" : "b") === undefined ? theme.dim : theme.ink;
  drawLabels(pen, state.tokensOf(panel), frame.value, view, theme, ink, queries, keys);
  if (labelled.value) drawAxisNames(pen, frame.value, theme);
  if (!brush.value) return;
  const { from, to } = brush.value;
  const place = placeOf(frame.value, view);
  pen.strokeStyle = theme.select;
  pen.lineWidth = 1;
  const [x0, x1] = [Math.min(from[1], to[1]), Math.max(from[1], to[1]) + 1].map(place.x) as [number, number];
  const [y0, y1] = [Math.min(from[0], to[0]), Math.max(from[0], to[0]) + 1].map(place.y) as [number, number];
  pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
}

function createMatrixWalker(matrix: Matrix): Walker {
  const { state, panel, frame, pattern } = matrix;
  const tokens = state.tokensOf(panel);
  return createWalker({
    name: `${PANEL_TITLES[panel]}: queries down, keys across`,
    rows: () => state.sizeOf(panel),
    columns: (query) => query + 1,
    place: (query, key) => {
      const { x, y, cell } = placeOf(frame.peek(), state.windowOf(panel).peek());
      return { left: x(key), top: y(query), width: Math.max(3, cell), height: Math.max(3, cell) };
    },
    describe: (query, key) => {
      const now = pattern.peek();
      const value = now ? state.valueText(panel, read(now, query, key)).replace("≈", "about") : "not loaded";
      return `${plainAt(tokens, query)} (${query}) ${WORDS[state.patterns.quantity.value].to} ${plainAt(tokens, key)} (${key}): ${value}`;
    },
    onMove: (query, key) => {
      state.setWindow(panel, showing(state.windowOf(panel).peek(), query, key, state.sizeOf(panel)));
      pointAt(matrix, query, key);
    },
    onEnter: (query, _key, extend) => state.selectTokens([query], extend, panel),
    onLeave: () => (state.hover.value = undefined),
  });
}
