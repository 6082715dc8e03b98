/** All heads as thumbnails: layers down and heads across, or in the order of a statistic. */

import { paint } from "../core/attention/raster";
import { classHue, className } from "../core/drawing/colour";
import { context, h } from "../core/elements/dom";
import type { Tooltip } from "../core/elements/tooltip";
import { significant } from "../core/format";
import { createWalker, type Walker } from "../core/keyboard/keyboard_grid";
import { computed, draw, type ReadonlySignal, sizeOf, watch } from "../core/reactive";
import { type Head, headText } from "../core/selection";
import { createGridControls } from "./grid_controls";
import { folded, GUTTER, HEADER, MOST, ordered, type Places } from "./head_places";
import { atlas, thumbnail } from "./patterns/thumbnails";
import { PANEL_TITLES, type State } from "./state";

/** From so many pixels on a thumbnail has room for the letter of its class. */
const LETTERED = 28;
/** Of the thumbnail in the note of a head, where none is open beside the grid. */
const PREVIEW = 160;
const SCROLLBAR = 12;
const USUAL_HEIGHT = 380;
const LEAST_WIDTH = 320;

/** `room` is the width that it may have, of which it takes what it can use. */
export function createHeadGrid(
  state: State,
  room: ReadonlySignal<number>,
  tooltip: Tooltip,
  until: AbortSignal,
): HTMLElement {
  const canvas = h("canvas", { class: "av-thumbnails", "aria-hidden": "true" });
  // The pictures and, apart from them, their frames: a click redraws only the frames.
  const frames = h("canvas", { class: "av-frames", "aria-hidden": "true" });
  const corner = h("div", { class: "av-corner", "aria-hidden": "true" });
  const columns = h("div", { class: "av-columns", "aria-hidden": "true" });
  const rows = h("div", { class: "av-rows", "aria-hidden": "true" });
  const folds = h("div", { class: "av-folds", "aria-hidden": "true" });
  const cells = h("div", { class: "av-cells" }, canvas, frames, folds);
  const scroller = h("div", { class: "av-heads" }, corner, columns, rows, cells);
  const size = sizeOf(scroller, until);
  const places = computed((): Places => {
    const [width, height] = size.value;
    if (state.order.value) return ordered(state.order.value, Math.max(1, width - SCROLLBAR));
    return folded(state.layers, state.headsPerLayer, width - SCROLLBAR, Math.max(1, height - HEADER - 4));
  });
  const walker = createHeadWalker(state, scroller, places);
  cells.append(walker.element);

  watch(until, () => {
    const { blocks, width, height, pitch } = places.value;
    const [first, ...others] = blocks;
    scroller.classList.toggle("av-ordered", !first);
    corner.textContent = first ? "layer" : "";
    columns.replaceChildren(...blocks.flatMap(({ left }) => headNumbers(state.headsPerLayer, left, pitch)));
    if (first) columns.append(h("b", {}, "head"));
    rows.replaceChildren(...(first ? layerNumbers(first.first, first.end, pitch) : []));
    folds.replaceChildren(
      ...others.map(({ left, first, end }) => {
        const fold = h("div", { class: "av-rows" }, ...layerNumbers(first, end, pitch));
        fold.style.left = `${left - GUTTER}px`;
        return fold;
      }),
    );
    columns.style.width = cells.style.width = `${width}px`;
    rows.style.height = cells.style.height = `${height}px`;
    walker.refresh();
  });
  draw(until, () => drawThumbnails(state, canvas, places.value));
  draw(until, () => drawFrames(state, frames, places.value));
  watch(until, () => {
    const head = state.open.value;
    if (!head || !size.value[0]) return;
    const cell = places.value.cellOf(head);
    if (!cell) return;
    walker.stand(...cell);
    scrollTo(scroller, places.value, head);
  });
  listenToPointer(state, cells, places, walker, tooltip);
  const left = h(
    "div",
    { class: "av-left" },
    ...(state.panels.length > 1 ? [panelSwitch(state, until)] : []),
    createGridControls(state, until),
    drawingLine(state, until),
    scroller,
  );
  watch(until, () => {
    left.style.width = `${Math.min(room.value, state.open.value ? mostWidth(state) : Infinity)}px`;
  });
  return left;
}

/** What the largest thumbnails could use; it does not follow from the height, which follows from what wraps. */
function mostWidth({ layers, headsPerLayer }: State): number {
  const blocks = Math.ceil((layers * MOST) / USUAL_HEIGHT);
  return Math.max(LEAST_WIDTH, blocks * (headsPerLayer * MOST + GUTTER) + SCROLLBAR);
}

function createHeadWalker(state: State, scroller: HTMLElement, places: ReadonlySignal<Places>): Walker {
  return createWalker({
    name: "Heads",
    rows: () => Math.max(1, places.peek().rows),
    columns: (row) => Math.max(1, places.peek().columns(row)),
    place: (row, column) => {
      const { side, headAt, place } = places.peek();
      const head = headAt(row, column);
      return { ...((head && place(head)) ?? { left: 0, top: 0 }), width: side, height: side };
    },
    describe: (row, column) => {
      const head = places.peek().headAt(row, column);
      return head ? describe(state, head) : "No head passes the filter";
    },
    onMove: (row, column) => {
      const head = places.peek().headAt(row, column);
      state.pointed.value = head;
      if (head) scrollTo(scroller, places.peek(), head);
    },
    onEnter: (row, column, extend) => {
      const head = places.peek().headAt(row, column);
      if (head) state.openHead(head, extend);
    },
    onLeave: () => (state.pointed.value = undefined),
  });
}

function listenToPointer(
  state: State,
  cells: HTMLElement,
  places: ReadonlySignal<Places>,
  walker: Walker,
  tooltip: Tooltip,
): void {
  const at = (event: MouseEvent): Head | undefined => {
    const frame = cells.getBoundingClientRect();
    return places.peek().at(event.clientX - frame.left, event.clientY - frame.top);
  };
  cells.addEventListener("pointermove", (event) => {
    const head = at(event);
    if (`${head}` !== `${state.pointed.peek()}`) state.pointed.value = head;
    if (head) tooltip.show(event.clientX, event.clientY, noteOf(state, head));
    else tooltip.hide();
  });
  cells.addEventListener("pointerleave", () => {
    state.pointed.value = undefined;
    tooltip.hide();
  });
  cells.addEventListener("click", (event) => {
    const head = at(event);
    const cell = head && places.peek().cellOf(head);
    if (!head || !cell) return;
    tooltip.hide();
    walker.stand(...cell);
    state.openHead(head, event.shiftKey);
  });
}

/** Its name and, where no head is open beside the grid, its thumbnail enlarged. */
function noteOf(state: State, head: Head): (Node | string)[] {
  const panel = state.panel.peek();
  const raster = state.open.peek() ? undefined : thumbnail(state, head, panel);
  if (!raster) return [describe(state, head)];
  const picture = paint(raster, state.scaleOf(panel), state.tableOf(panel));
  picture.className = "av-preview";
  picture.style.width = picture.style.height = `${PREVIEW}px`;
  return [describe(state, head), picture];
}

function describe(state: State, head: Head): string {
  const letter = state.letters.value.get(head.join("."));
  const [sort, statistics] = [state.sort.value, state.statistics.value];
  const value = statistics?.of(sort, head) ?? NaN;
  return [
    headText(head),
    state.besideText(head, state.panel.value),
    letter && `${className(letter)} (${letter})`,
    state.order.value && (Number.isNaN(value) ? `no ${sort}` : `${sort} ${significant(value)}`).replaceAll("_", " "),
    state.isSelected(head) && "selected",
    state.isPinned(head) && "pinned",
  ]
    .filter(Boolean)
    .join(", ");
}

function drawThumbnails(state: State, canvas: HTMLCanvasElement, places: Places): void {
  const { side, width, height, heads, place } = places;
  const pen = context(canvas, width, height);
  const pictures = atlas(state, state.panel.value);
  const from = state.patterns.thumbnailSize;
  pen.imageSmoothingEnabled = from > side * window.devicePixelRatio;
  const passing = state.order.value ? undefined : passingNames(state);
  for (const head of heads) {
    const { left, top } = place(head)!;
    pen.globalAlpha = passing && !passing.has(head.join(".")) ? 0.12 : 1;
    pen.drawImage(pictures, head[1] * from, head[0] * from, from, from, left, top, side, side);
  }
  pen.globalAlpha = 1;
}

/** The heads that the filter lets through; undefined where it lets all. */
const passingNames = (state: State): Set<string> | undefined =>
  state.passes.value && new Set(state.passing.value.map((head) => head.join(".")));

function drawFrames(state: State, canvas: HTMLCanvasElement, places: Places): void {
  const { width, height, side, heads, place } = places;
  const pen = context(canvas, width, height);
  const theme = state.theme.value;
  const frame = (head: Head, colour: string, thick: number, out: number): void => {
    const at = place(head);
    if (!at) return;
    pen.strokeStyle = colour;
    pen.lineWidth = thick;
    pen.strokeRect(at.left - out + thick / 2, at.top - out + thick / 2, side + 2 * out - thick, side + 2 * out - thick);
  };
  for (const head of heads) frame(head, theme.line, 1, 0);
  const passing = state.order.value ? undefined : passingNames(state);
  for (const [name, letter] of state.letters.value) {
    const head = name.split(".").map(Number) as Head;
    const at = place(head);
    if (at && (!passing || passing.has(name))) drawMark(pen, letter, at.left + side, at.top, side, theme);
  }
  const pointed = state.pointed.value;
  if (pointed) frame(pointed, theme.dim, 1, 0);
  const open = state.open.value;
  if (open && !state.heads.value.length) frame(open, theme.ink, 2, 2);
  for (const head of state.pinned.value) frame(head, theme.accent, 2, 2);
  for (const head of state.heads.value) frame(head, theme.select, 2, 2);
  if (state.order.value) drawNames(pen, state, places);
}

/** In the empty corner above the diagonal: a letter, or a dot where it would hide too much. */
function drawMark(
  pen: CanvasRenderingContext2D,
  letter: string,
  right: number,
  top: number,
  side: number,
  theme: { dark: boolean; ground: string; font: string },
): void {
  pen.fillStyle = classHue(letter, theme.dark);
  if (side < LETTERED) {
    const radius = Math.max(2, side / 8);
    pen.beginPath();
    pen.arc(right - radius - 1.5, top + radius + 1.5, radius, 0, 2 * Math.PI);
    pen.fill();
    return;
  }
  pen.fillRect(right - 12, top, 12, 12);
  pen.font = `600 10px ${theme.font}`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillStyle = theme.dark ? "#111" : "#fff";
  pen.fillText(letter === "-" ? "−" : letter, right - 6, top + 6.5);
}

/** Below each picture of an order: which head it is, and how much it has of what the order is by. */
function drawNames(pen: CanvasRenderingContext2D, state: State, { heads, place, side }: Places): void {
  const theme = state.theme.value;
  pen.textBaseline = "top";
  for (const head of heads) {
    const { left, top } = place(head)!;
    const value = state.statistics.value!.of(state.sort.value, head);
    pen.textAlign = "left";
    pen.font = `600 11px ${theme.font}`;
    pen.fillStyle = theme.ink;
    pen.fillText(head.join("."), left, top + side + 3);
    pen.textAlign = "right";
    pen.font = `11px ${theme.font}`;
    pen.fillStyle = theme.dim;
    pen.fillText(Number.isNaN(value) ? "–" : shortest(value), left + side + 4, top + side + 3);
  }
}

/** ".93", "12", "−3.1": no more than fits beside the name. */
const shortest = (value: number): string => significant(Number(value.toPrecision(2))).replace(/^(−?)0\./, "$1.");

/** Every number that has room. */
const step = (pitch: number): number => (pitch < 16 ? 2 : 1);

const headNumbers = (count: number, left: number, pitch: number): HTMLElement[] =>
  numbers(0, count, "left", (i) => left + (i + 0.5) * pitch - 2, step(pitch));

const layerNumbers = (first: number, end: number, pitch: number): HTMLElement[] =>
  numbers(first, end, "top", (i) => (i - first + 0.5) * pitch - 2, 1);

function numbers(
  first: number,
  end: number,
  edge: "left" | "top",
  at: (i: number) => number,
  step: number,
): HTMLElement[] {
  const all: HTMLElement[] = [];
  for (let i = first; i < end; i += step) {
    const number = h("span", {}, String(i));
    number.style[edge] = `${at(i)}px`;
    all.push(number);
  }
  return all;
}

/** Scroll a head into view, within the grid only: scrollIntoView would move the notebook too. */
function scrollTo(scroller: HTMLElement, { place, pitch }: Places, head: Head): void {
  const at = place(head);
  if (!at) return;
  const move = (from: number, start: number, room: number): number =>
    Math.min(start, Math.max(from, start + pitch + HEADER - room));
  scroller.scrollTop = move(scroller.scrollTop, at.top, scroller.clientHeight);
  scroller.scrollLeft = move(scroller.scrollLeft, at.left, scroller.clientWidth);
}

/** How far the server is that draws the thumbnails; where it failed, its sentence and a way to ask again. */
function drawingLine(state: State, until: AbortSignal): HTMLElement {
  const { drawing, failed } = state.patterns;
  const text = h("span", {});
  const again = h(
    "button",
    { class: "sw-button", type: "button", onclick: () => void state.patterns.drawRest() },
    "Ask again",
  );
  const line = h("div", { class: "av-drawing", role: "status" }, text, again);
  watch(until, () => {
    line.hidden = !drawing.value;
    line.classList.toggle("av-failed", failed.value);
    text.textContent = failed.value ? drawing.value : `Thumbnails: ${drawing.value}`;
    again.hidden = !failed.value;
  });
  return line;
}

/** A, B, B - A: what the thumbnails show. */
function panelSwitch(state: State, until: AbortSignal): HTMLElement {
  const buttons = state.panels.map((panel) => {
    const button = h(
      "button",
      { class: "sw-button", type: "button", role: "radio", onclick: () => (state.panel.value = panel) },
      PANEL_TITLES[panel],
    );
    watch(until, () => button.setAttribute("aria-checked", String(state.panel.value === panel)));
    return button;
  });
  return h("div", { class: "av-switch", role: "radiogroup", "aria-label": "Shown prompt" }, ...buttons);
}
