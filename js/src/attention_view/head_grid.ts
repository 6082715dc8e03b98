/** All heads as thumbnails: layers down, heads across. */
import { classHue, className } from "../core/drawing/colour";
import { context, h } from "../core/elements/dom";
import { createWalker, type Walker } from "../core/elements/keyboard_grid";
import type { Tooltip } from "../core/elements/tooltip";
import { computed, draw, type ReadonlySignal, sizeOf, watch } from "../core/reactive";
import type { Head } from "../core/selection";
import { thumbnailPitch } from "./layout";
import { atlas } from "./patterns/thumbnails";
import { headText, PANEL_TITLES, type State } from "./state";

const GAP = 4;
const HEADER = 20;

export function createHeadGrid(state: State, space: HTMLElement, tooltip: Tooltip, until: AbortSignal): HTMLElement {
  const canvas = h("canvas", { class: "av-thumbnails", "aria-hidden": "true" });
  // The pictures and, apart from them, their frames: a click redraws only the frames.
  const frames = h("canvas", { class: "av-frames", "aria-hidden": "true" });
  const columns = h("div", { class: "av-columns", "aria-hidden": "true" });
  const rows = h("div", { class: "av-rows", "aria-hidden": "true" });
  const cells = h("div", { class: "av-cells" }, canvas, frames);
  const scroller = h("div", { class: "av-heads" }, h("div", { class: "av-corner" }), columns, rows, cells);
  const size = sizeOf(space, until);
  const pitch = computed(() => pitchOf(state, size.value));
  const walker = createHeadWalker(state, scroller, pitch);
  cells.append(walker.element);

  watch(until, () => {
    const step = pitch.value;
    columns.replaceChildren(...numbers(state.headsPerLayer, step, "left"));
    rows.replaceChildren(...numbers(state.layers, step, "top"));
    columns.style.width = `${state.headsPerLayer * step}px`;
    rows.style.height = `${state.layers * step}px`;
    walker.refresh();
  });
  draw(until, () => drawThumbnails(state, canvas, pitch.value));
  draw(until, () => drawFrames(state, frames, pitch.value));
  watch(until, () => {
    const head = state.open.value;
    if (!head || !size.value[0]) return;
    walker.stand(...head);
    scrollTo(scroller, head, pitch.value);
  });
  listenToPointer(state, cells, pitch, walker, tooltip);
  return h(
    "div",
    { class: "av-left" },
    ...(state.panels.length > 1 ? [panelSwitch(state, until)] : []),
    drawingLine(state, until),
    scroller,
  );
}

/** Of a thumbnail, gap included, where the whole view has so much room. */
function pitchOf(state: State, [width, height]: readonly [number, number]): number {
  const header = HEADER + (state.panels.length > 1 ? 28 : 0);
  return thumbnailPitch(
    state.layers,
    state.headsPerLayer,
    width * (width < 640 ? 0.38 : state.panels.length > 1 ? 0.34 : 0.42) - HEADER - 12,
    height - header - 12,
  );
}

function createHeadWalker(state: State, scroller: HTMLElement, pitch: ReadonlySignal<number>): Walker {
  return createWalker({
    name: "Heads: layers down, heads across",
    rows: () => state.layers,
    columns: () => state.headsPerLayer,
    place: (layer, head) => ({
      left: head * pitch.peek(),
      top: layer * pitch.peek(),
      width: pitch.peek() - GAP,
      height: pitch.peek() - GAP,
    }),
    describe: (layer, head) => describe(state, [layer, head]),
    onMove: (layer, head) => {
      state.pointed.value = [layer, head];
      scrollTo(scroller, [layer, head], pitch.peek());
    },
    onEnter: (layer, head, extend) => state.openHead([layer, head], extend),
    onLeave: () => (state.pointed.value = undefined),
  });
}

function listenToPointer(
  state: State,
  cells: HTMLElement,
  pitch: ReadonlySignal<number>,
  walker: Walker,
  tooltip: Tooltip,
): void {
  const at = (event: MouseEvent): Head | undefined => {
    const frame = cells.getBoundingClientRect();
    const head = Math.floor((event.clientX - frame.left) / pitch.peek());
    const layer = Math.floor((event.clientY - frame.top) / pitch.peek());
    return layer >= 0 && layer < state.layers && head >= 0 && head < state.headsPerLayer ? [layer, head] : undefined;
  };
  cells.addEventListener("pointermove", (event) => {
    const head = at(event);
    state.pointed.value = head;
    if (head) tooltip.show(event.clientX, event.clientY, [describe(state, head)]);
    else tooltip.hide();
  });
  cells.addEventListener("pointerleave", () => {
    state.pointed.value = undefined;
    tooltip.hide();
  });
  cells.addEventListener("click", (event) => {
    const head = at(event);
    if (!head) return;
    walker.stand(...head);
    state.openHead(head, event.shiftKey);
  });
}

function describe(state: State, head: Head): string {
  const letter = state.letters.value.get(head.join("."));
  return (
    headText(head) + (letter ? `, ${className(letter)} (${letter})` : "") + (state.isSelected(head) ? ", selected" : "")
  );
}

function drawThumbnails(state: State, canvas: HTMLCanvasElement, pitch: number): void {
  const pen = context(canvas, state.headsPerLayer * pitch, state.layers * pitch);
  const pictures = atlas(state, state.panel.value);
  const from = state.patterns.thumbnailSize;
  const side = pitch - GAP;
  pen.imageSmoothingEnabled = from > side * window.devicePixelRatio;
  for (let layer = 0; layer < state.layers; layer++)
    for (let head = 0; head < state.headsPerLayer; head++)
      pen.drawImage(pictures, head * from, layer * from, from, from, head * pitch, layer * pitch, side, side);
}

function drawFrames(state: State, canvas: HTMLCanvasElement, pitch: number): void {
  const pen = context(canvas, state.headsPerLayer * pitch, state.layers * pitch);
  const theme = state.theme.value;
  const side = pitch - GAP;
  const frame = ([layer, head]: Head, colour: string, width: number, out: number): void => {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.strokeRect(
      head * pitch - out + width / 2,
      layer * pitch - out + width / 2,
      side + 2 * out - width,
      side + 2 * out - width,
    );
  };
  for (let layer = 0; layer < state.layers; layer++)
    for (let head = 0; head < state.headsPerLayer; head++) frame([layer, head], theme.line, 1, 0);
  const pointed = state.pointed.value;
  if (pointed) frame(pointed, theme.dim, 1, 0);
  for (const head of state.heads.value) frame(head, theme.select, 2, 2);
  const badge = pitch < 28 ? 9 : 12;
  pen.font = `600 ${badge - 2}px ${theme.font}`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (const [name, letter] of state.letters.value) {
    const [layer, head] = name.split(".").map(Number) as Head;
    const hue = classHue(letter, theme.dark);
    if (!state.isSelected([layer, head])) frame([layer, head], hue, 1, 0);
    // In the empty corner above the diagonal.
    const [x, y] = [head * pitch + side - badge / 2, layer * pitch + badge / 2];
    pen.fillStyle = hue;
    pen.fillRect(x - badge / 2, y - badge / 2, badge, badge);
    pen.fillStyle = theme.dark ? "#111" : "#fff";
    pen.fillText(letter === "-" ? "−" : letter, x, y + 0.5);
  }
}

function numbers(count: number, pitch: number, edge: "left" | "top"): HTMLElement[] {
  return Array.from({ length: count }, (_, i) => {
    const number = h("span", {}, String(i));
    number.style[edge] = `${i * pitch + (pitch - GAP) / 2}px`;
    return number;
  });
}

/** Scroll a head into view, within the grid only: scrollIntoView would move the notebook too. */
function scrollTo(scroller: HTMLElement, [layer, head]: Head, pitch: number): void {
  const move = (from: number, length: number, room: number): number =>
    Math.min(length, Math.max(from, length + pitch + HEADER - room));
  scroller.scrollTop = move(scroller.scrollTop, layer * pitch, scroller.clientHeight);
  scroller.scrollLeft = move(scroller.scrollLeft, head * pitch, scroller.clientWidth);
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
