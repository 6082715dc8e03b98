/** The opened head: query down, key across, with its pointer and keys. */

import { context, h } from "../../core/elements/dom";
import type { Tooltip } from "../../core/elements/tooltip";
import { createWalker } from "../../core/elements/walker";
import { exact } from "../../core/format";
import { computed, draw, signal, sizeOf, watch } from "../../core/reactive";
import { plain, tokenSpan } from "../../core/tokens";
import { inside, KEY_LABEL_ANGLE, matrixFrame, showing, zoomed } from "../layout";
import { isExact, read } from "../patterns/pattern";
import { rasterise } from "../patterns/raster";
import { thumbnail } from "../patterns/thumbnails";
import { PANEL_TITLES, type PanelName, type State } from "../state";
import { drawCells, drawClipMarks, drawCross, drawSelected, placeOf } from "./matrix_drawing";
import { drawLabels, LABEL_FONT_SIZE, labelRoom, type Pinned } from "./matrix_labels";

interface Brush {
  from: [query: number, key: number];
  to: [query: number, key: number];
}

export function createMatrix(state: State, panel: PanelName, tooltip: Tooltip, until: AbortSignal): HTMLElement {
  const tokens = state.tokensOf(panel);
  const below = h("canvas", { "aria-hidden": "true" });
  const above = h("canvas", { class: "av-above", "aria-hidden": "true" });
  const element = h("div", { class: "av-matrix", "data-panel": panel }, below, above);
  const frameElement = h(
    "div",
    { class: "av-panel" },
    ...(state.panels.length > 1 ? [h("b", {}, PANEL_TITLES[panel])] : []),
    element,
  );
  const size = sizeOf(element, until);
  const brush = signal<Brush | undefined>(undefined);

  // Panels side by side over the same tokens share the labels of the first.
  const labelled = computed(() => panel === "a" || state.alone.value || state.tokensDiffer);
  const room = computed(() => labelRoom(tokens, characterWidth(state.theme.value.mono), labelled.value));
  const frame = computed(() => {
    const [width, height] = size.value;
    const { queryWidth, keyHeight, tailWidth } = room.value;
    return matrixFrame(width, height, queryWidth, keyHeight, tailWidth, state.window.value.span);
  });
  // No wider than its height can use: the exact values get the rest.
  watch(until, () => {
    const { queryWidth, keyHeight, tailWidth } = room.value;
    const { style } = frameElement;
    style.flexBasis = `${queryWidth}px`; // so that matrices side by side are alike, with labels or without
    if (size.value[1])
      style.maxWidth = `${Math.max(120, Math.ceil(queryWidth + tailWidth + size.value[1] - keyHeight))}px`;
  });
  const pattern = computed(() => (state.shown.value ? state.patterns.get(state.shown.value, panel).value : undefined));
  const raster = computed(() => {
    const head = state.shown.value;
    if (!head) return undefined;
    if (!pattern.value) return thumbnail(state, head, panel);
    return rasterise(pattern.value, state.window.value, Math.round(frame.value.side * (window.devicePixelRatio || 1)));
  });

  draw(until, () => {
    const [width, height] = size.value;
    if (!width || !raster.value) return;
    const pen = context(below, width, height);
    const theme = state.theme.value;
    const scale = state.scaleOf(panel);
    drawCells(pen, raster.value, state.size, frame.value, state.window.value, scale, state.tableOf(panel), theme);
    if (pattern.value) drawClipMarks(pen, pattern.value, frame.value, state.window.value, scale.high, theme);
  });

  draw(until, () => {
    const [width, height] = size.value;
    if (!width || !raster.value) return;
    const pen = context(above, width, height);
    const [theme, place, view] = [state.theme.value, placeOf(frame.value, state.window.value), state.window.value];
    drawSelected(pen, frame.value, view, state.selectedTokens.value, theme);
    const selected: Pinned[] = state.selectedTokens.value.map((position) => ({ position, ink: theme.select }));
    const hover = state.hover.value;
    if (hover) drawCross(pen, frame.value, view, hover.query, hover.key, theme);
    const pointed = (position: number | undefined): Pinned[] =>
      position === undefined ? [] : [{ position, ink: theme.accent }];
    drawLabels(
      pen,
      tokens,
      frame.value,
      view,
      theme,
      labelled.value ? [...pointed(hover?.query), ...selected] : undefined,
      [...pointed(hover?.key ?? hover?.query), ...selected],
    );
    if (brush.value) {
      const { from, to } = brush.value;
      pen.strokeStyle = theme.select;
      pen.lineWidth = 1;
      const [x0, x1] = [Math.min(from[1], to[1]), Math.max(from[1], to[1]) + 1].map(place.x) as [number, number];
      const [y0, y1] = [Math.min(from[0], to[0]), Math.max(from[0], to[0]) + 1].map(place.y) as [number, number];
      pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
    }
  });

  const walker = createWalker({
    name: `${PANEL_TITLES[panel]}: queries down, keys across`,
    rows: () => state.size,
    columns: (query) => query + 1,
    place: (query, key) => {
      const { x, y, cell } = placeOf(frame.peek(), state.window.peek());
      return { left: x(key), top: y(query), width: Math.max(3, cell), height: Math.max(3, cell) };
    },
    describe: (query, key) => {
      const now = pattern.peek();
      const value = now ? `${isExact(now, query) ? "" : "about "}${exact(read(now, query, key).value)}` : "not loaded";
      return `${plain(tokens[query]!)} (${query}) attends to ${plain(tokens[key]!)} (${key}): ${value}`;
    },
    onMove: (query, key) => {
      state.window.value = showing(state.window.peek(), query, key, state.size);
      point(query, key);
    },
    onEnter: (query, _key, extend) => state.selectTokens([query], extend),
    onLeave: () => (state.hover.value = undefined),
  });
  element.append(walker.element);
  watch(until, () => {
    void frame.value;
    void state.window.value;
    if (size.value[0]) walker.refresh();
  });

  const point = (query: number, key: number | undefined): void => {
    state.hover.value = { query, key, panel };
    const head = state.open.peek();
    if (head) state.patterns.wantRow(head, state.sides, query);
  };
  // Where the pointer is, so that its note is told again when exact values arrive.
  const pointer = signal<{ x: number; y: number } | undefined>(undefined);
  watch(until, () => {
    const hover = state.hover.value;
    if (!pointer.value || hover?.panel !== panel) return;
    const { x, y } = pointer.value;
    if (hover.key === undefined) tooltip.show(x, y, [tokenSpan(tokens[hover.query]!), ` ${hover.query}`]);
    else tooltip.show(x, y, tooltipContent(state, panel, hover.query, hover.key));
  });

  /** Where a pointer is: a cell of the triangle, or a label (then only one of the two). */
  const locate = (event: MouseEvent): { query?: number; key?: number } => {
    const bounds = element.getBoundingClientRect();
    const { left, top, side } = frame.peek();
    const view = state.window.peek();
    const [x, y] = [event.clientX - bounds.left, event.clientY - bounds.top];
    const query = Math.floor(view.query + ((y - top) / side) * view.span);
    const key = Math.floor(view.key + ((x - left) / side) * view.span);
    const [inX, inY] = [x >= left && x < left + side, y >= top && y < top + side];
    if (inX && inY) return { query, key };
    if (inY && x < left) return { query };
    // Labels above are slanted: where they start counts.
    if (y < top && y > 0) {
      const start = Math.floor(view.key + ((x - left - (top - y) / Math.tan(-KEY_LABEL_ANGLE)) / side) * view.span);
      if (start >= view.key && start < view.key + view.span) return { key: start };
    }
    return {};
  };

  element.addEventListener("pointermove", (event) => {
    const { query, key } = locate(event);
    if (event.buttons && brush.peek()) return;
    if (query !== undefined && key !== undefined && key <= query && query < state.size) {
      point(query, key);
    } else if ((query === undefined) !== (key === undefined) && (query ?? key!) < state.size)
      point((query ?? key)!, undefined);
    else return leave();
    pointer.value = { x: event.clientX, y: event.clientY };
  });
  const leave = (): void => {
    pointer.value = state.hover.value = undefined;
    tooltip.hide();
  };
  element.addEventListener("pointerleave", leave);
  element.addEventListener("pointerdown", (down) => {
    if (down.button || !state.shown.peek()) return;
    const start = locate(down);
    const token = start.query === undefined || start.key === undefined ? (start.query ?? start.key) : undefined;
    if (token !== undefined) return state.selectTokens([token], down.shiftKey);
    if (start.query === undefined) return;
    const from: [number, number] = [start.query, start.key!];
    const view = state.window.peek();
    element.setPointerCapture(down.pointerId);
    element.onpointermove = (move) => {
      if (Math.hypot(move.clientX - down.clientX, move.clientY - down.clientY) < 4 && !brush.peek()) return;
      if (down.altKey) {
        const cell = frame.peek().side / view.span;
        state.window.value = inside(
          {
            query: view.query - (move.clientY - down.clientY) / cell,
            key: view.key - (move.clientX - down.clientX) / cell,
            span: view.span,
          },
          state.size,
        );
        return;
      }
      const { query, key } = locate(move);
      if (query !== undefined && key !== undefined) brush.value = { from, to: [query, key] };
    };
    element.onlostpointercapture = () => {
      element.onpointermove = element.onlostpointercapture = null;
      const drawn = brush.peek();
      brush.value = undefined;
      if (drawn) state.selectTokens(tokensIn(drawn, state.size), down.shiftKey);
      else if (!down.altKey && from[1] <= from[0]) {
        walker.stand(...from);
        state.selectTokens([from[0]], down.shiftKey);
      }
    };
  });
  element.addEventListener("dblclick", () => state.resetWindow());
  element.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey || !state.shown.peek()) return;
      event.preventDefault();
      const { left, top, side } = frame.peek();
      const bounds = element.getBoundingClientRect();
      const view = state.window.peek();
      const query = view.query + ((event.clientY - bounds.top - top) / side) * view.span;
      const key = view.key + ((event.clientX - bounds.left - left) / side) * view.span;
      state.window.value = zoomed(view, Math.exp(event.deltaY * 0.004), query, key, state.size);
    },
    { passive: false },
  );
  return frameElement;
}

/** The tokens of a brushed rectangle: its queries and its keys. */
function tokensIn({ from, to }: Brush, size: number): number[] {
  const found = new Set<number>();
  for (const axis of [0, 1] as const)
    for (let at = Math.min(from[axis], to[axis]); at <= Math.max(from[axis], to[axis]); at++)
      if (at >= 0 && at < size) found.add(at);
  return [...found].sort((one, other) => one - other);
}

function tooltipContent(state: State, panel: PanelName, query: number, key: number): (Node | string)[] {
  const head = state.shown.value!;
  const tokens = state.tokensOf(panel);
  const lines = state.panels.map((name) => {
    const pattern = state.patterns.get(head, name).value;
    const line = h("div", { class: "av-value" });
    if (state.panels.length > 1) line.append(h("span", { class: "sw-dim" }, `${PANEL_TITLES[name]} `));
    if (!pattern)
      line.append(h("span", { class: "sw-dim" }, state.open.value ? "loading …" : "open the head for its values"));
    else line.append(h("b", {}, `${isExact(pattern, query) ? "" : "≈ "}${exact(read(pattern, query, key).value)}`));
    return line;
  });
  const place = h(
    "div",
    {},
    tokenSpan(tokens[query]!),
    h("span", { class: "sw-dim" }, ` ${query} → `),
    tokenSpan(tokens[key]!),
    h("span", { class: "sw-dim" }, ` ${key}`),
  );
  return [place, ...lines];
}

let measured: [string, number] = ["", 0];
/** The width of a label's character in the host's monospaced font. */
function characterWidth(mono: string): number {
  if (measured[0] !== mono) {
    const pen = document.createElement("canvas").getContext("2d")!;
    pen.font = `${LABEL_FONT_SIZE}px ${mono}`;
    measured = [mono, pen.measureText("0").width];
  }
  return measured[1];
}
