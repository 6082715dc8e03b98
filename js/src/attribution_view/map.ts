/** The map and the running total on the screen: canvases, the cell that has the focus, the pointer. */
import { context, h } from "../core/elements/dom";
import type { Theme } from "../core/elements/theme";
import type { Tooltip } from "../core/elements/tooltip";
import { round } from "../core/export/figure";
import { createWalker, type Walker } from "../core/keyboard/keyboard_grid";
import { computed, draw, type ReadonlySignal, sizeOf, watch } from "../core/reactive";
import { canvasPen, type Pen, SIZE } from "./canvas_or_svg";
import { drawLabels, drawMap, drawTotal } from "./drawing";
import { cellOf, type Frame, frameOf, spotAt, xOf, yOf } from "./layout";
import type { Spot, State } from "./state";
import { noteOf } from "./tooltip_text";

let known: [string, (text: string) => number] | undefined;

/** How wide a text is in the host's font. */
export function measureOf({ font }: Theme): (text: string) => number {
  if (known?.[0] === font) return known[1];
  const pen = document.createElement("canvas").getContext("2d")!;
  pen.font = `${SIZE}px ${font}`;
  const measure = (text: string): number => pen.measureText(text).width;
  known = [font, measure];
  return measure;
}

/** Room for the names of the rows. */
const gutterOf = (state: State, measure: (text: string) => number): number =>
  Math.ceil(Math.max(measure("head"), ...state.parts.rows.map(({ label }) => measure(label)))) + 10;

export function createMap(state: State, tooltip: Tooltip, until: AbortSignal): HTMLElement {
  const below = h("canvas", { "aria-hidden": "true" });
  const above = h("canvas", { "aria-hidden": "true" });
  const element = h("div", { class: "at-map" }, below, above);
  const size = sizeOf(element, until);
  const { parts } = state;
  const frame = computed(() => {
    const [width, height] = size.value;
    const gutter = gutterOf(state, measureOf(state.theme.value));
    return frameOf({ width, height }, gutter, parts.rows.length, parts.columns.length, parts.heads);
  });
  draw(until, () => {
    if (!size.value[0]) return;
    const theme = state.theme.value;
    const pen = canvasPen(context(below, ...size.value), theme);
    drawMap(pen, parts, frame.value, { scale: state.scale.value, table: state.table.value, theme });
    drawTotal(pen, parts, frame.value, state.axis, theme, measureOf(theme));
  });
  draw(until, () => {
    if (size.value[0]) drawAbove(canvasPen(context(above, ...size.value), state.theme.value), state, frame.value);
  });
  const walker = walkerOf(state, frame);
  element.append(walker.element);
  watch(until, () => {
    void frame.value;
    if (size.value[0]) walker.refresh();
  });
  listenToPointer(state, element, frame, walker, tooltip);
  return element;
}

/** Labels, and the places that are selected, open and pointed at. */
export function drawAbove(pen: Pen, state: State, frame: Frame): void {
  const [theme, { parts }, at] = [state.theme.value, state, state.pointed.value];
  drawLabels(pen, parts, frame, theme, measureOf(theme), at);
  for (const [layer, head] of state.heads.value) outline(pen, frame, parts.rowOf(layer), head, theme.select, theme);
  const mlp = parts.columns.findIndex(({ component }) => component === "mlp");
  if (state.mlp.value !== null && mlp >= 0) outline(pen, frame, parts.rowOf(state.mlp.value), mlp, theme.ink, theme);
  if (!at) return;
  if (at.column < frame.columns) {
    if (parts.part(at.row, at.column)) outline(pen, frame, at.row, at.column, theme.accent, theme);
    return;
  }
  const { left } = frame.total;
  pen.line(
    `M${round(left - 4)} ${round(yOf(frame, at.row) + 0.5)}H${round(frame.right + 1)}v${round(frame.rowHeight - 1)}H${round(left - 4)}z`,
    { stroke: theme.accent },
  );
}

function outline(pen: Pen, frame: Frame, row: number, column: number, ink: string, { ground }: Theme): void {
  if (row < 0) return;
  const [x, y, w, h] = cellOf(frame, row, column);
  const gap = Math.min(frame.cellWidth, frame.rowHeight) >= 7 ? 1 : 0;
  const [width, height] = [w - gap, h - gap];
  const box = (out: number): string =>
    `M${round(x - out)} ${round(y - out)}h${round(width + 2 * out)}v${round(height + 2 * out)}h${round(-width - 2 * out)}z`;
  if (Math.min(width, height) >= 10) pen.line(box(-1.5), { stroke: ground, width: 1 });
  pen.line(box(0), { stroke: ink, width: 2 });
}

function walkerOf(state: State, frame: ReadonlySignal<Frame>): Walker {
  const { parts } = state;
  return createWalker({
    name: state.model.get("title"),
    rows: () => parts.rows.length,
    columns: () => parts.columns.length + 1,
    place: (row, column) => {
      const now = frame.peek();
      const [top, height] = [yOf(now, row), Math.max(3, now.rowHeight)];
      if (column < now.columns) return { left: xOf(now, column), top, width: Math.max(3, now.cellWidth), height };
      return { left: now.total.left - 4, top, width: now.right - now.total.left + 5, height };
    },
    describe: (row, column) => noteOf(state, { row, column }).join(", ") || "No such part",
    onMove: (row, column) => void (state.pointed.value = { row, column }),
    onEnter: (row, column, extend) => choose(state, { row, column }, extend),
    onLeave: () => void (state.pointed.value = undefined),
  });
}

function choose(state: State, { row, column }: Spot, extend: boolean): void {
  const part = state.parts.part(row, column);
  if (part) state.choose(part, extend);
}

function listenToPointer(
  state: State,
  element: HTMLElement,
  frame: ReadonlySignal<Frame>,
  walker: Walker,
  tooltip: Tooltip,
): void {
  const spotOf = (event: MouseEvent): Spot | undefined => {
    const box = element.getBoundingClientRect();
    return spotAt(frame.peek(), event.clientX - box.left, event.clientY - box.top);
  };
  const leave = (): void => {
    state.pointed.value = undefined;
    element.style.cursor = "";
    tooltip.hide();
  };
  element.addEventListener("pointermove", (event) => {
    const at = spotOf(event);
    const note = at ? noteOf(state, at) : [];
    if (!at || !note.length) return leave();
    const now = state.pointed.peek();
    if (now?.row !== at.row || now.column !== at.column) state.pointed.value = at;
    const part = state.parts.part(at.row, at.column);
    element.style.cursor = part && (part.head >= 0 || part.component === "mlp") ? "pointer" : "default";
    const [title, ...lines] = note;
    tooltip.show(event.clientX, event.clientY, [h("b", {}, title!), ...lines.map((line) => h("div", {}, line))]);
  });
  element.addEventListener("pointerleave", leave);
  element.addEventListener("click", (event) => {
    const at = spotOf(event);
    if (!at) return;
    walker.stand(at.row, at.column);
    (walker.element.querySelector(".sw-cell") as HTMLElement).focus({ preventScroll: true });
    choose(state, at, event.shiftKey);
  });
  element.addEventListener("dblclick", () => state.selection.setHeads([]));
}
