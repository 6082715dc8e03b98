/** A strip of all cells below the map, where they are not all on show: its frame is the part on show. */
import { context, h } from "../../core/elements/dom";
import { computed, draw, watch } from "../../core/reactive";
import { GUTTER } from "../layout";
import type { State } from "../state";
import { rasterOf } from "./raster";

const HEIGHT = 32;

export function createOverview(state: State, until: AbortSignal): HTMLElement {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const frame = h("div", {
    class: "ll-frame",
    role: "scrollbar",
    tabindex: 0,
    "aria-orientation": "horizontal",
    "aria-label": "Part of the prompt on show",
    "aria-valuemin": 0,
    "aria-valuemax": state.counts.columns - 1,
  });
  const all = h("div", { class: "ll-all", style: `margin-left: ${GUTTER}px; height: ${HEIGHT}px` }, canvas, frame);
  const element = h(
    "div",
    { class: "ll-overview" },
    h("span", { class: "ll-all-name", "aria-hidden": "true" }, "all"),
    all,
  );
  const { columns, rows } = state.counts;
  const part = computed(() => {
    const [view, room] = [state.view.value, state.room.value];
    return {
      width: Math.min(1, room.width / view.w / columns),
      height: Math.min(1, room.height / view.h / rows),
      x: view.x / columns,
      y: view.y / rows,
    };
  });
  watch(until, () => void (element.hidden = part.value.width > 0.999 && part.value.height > 0.999));
  const raster = computed(() => (part.value.width > 0.999 && part.value.height > 0.999 ? undefined : rasterOf(state)));
  draw(until, () => {
    const { width } = state.room.value;
    if (!raster.value || !width) return;
    const pen = context(canvas, width, HEIGHT);
    pen.imageSmoothingEnabled = width < columns;
    pen.drawImage(raster.value, 0, 0, width, HEIGHT);
    pen.fillStyle = state.theme.value.select;
    for (const position of state.selectedTokens.value)
      pen.fillRect((position / columns) * width, HEIGHT - 4, Math.max(2, width / columns), 4);
  });
  watch(until, () => {
    const { x, y, width, height } = part.value;
    Object.assign(frame.style, {
      left: `${100 * x}%`,
      width: `${100 * width}%`,
      top: `${100 * y}%`,
      height: `${100 * height}%`,
    });
    const first = Math.round(x * columns);
    frame.setAttribute("aria-valuenow", String(first));
    frame.setAttribute(
      "aria-valuetext",
      `Positions ${first} to ${Math.min(columns, Math.round((x + width) * columns)) - 1} of ${columns}`,
    );
  });
  const go = (event: PointerEvent, grip: readonly [number, number]): void => {
    const bounds = all.getBoundingClientRect();
    const [x, y] = [(event.clientX - bounds.left) / bounds.width, (event.clientY - bounds.top) / bounds.height];
    state.origin.value = [(x - grip[0]) * columns, (y - grip[1]) * rows];
  };
  all.addEventListener("pointerdown", (down) => {
    down.preventDefault();
    frame.focus({ preventScroll: true });
    const bounds = all.getBoundingClientRect();
    const [x, y] = [(down.clientX - bounds.left) / bounds.width, (down.clientY - bounds.top) / bounds.height];
    const now = part.peek();
    const held = x >= now.x && x <= now.x + now.width;
    const grip = [held ? x - now.x : now.width / 2, y - now.y] as const;
    all.setPointerCapture(down.pointerId);
    go(down, grip);
    all.onpointermove = (move) => go(move, grip);
    all.onlostpointercapture = () => (all.onpointermove = null);
  });
  frame.addEventListener("keydown", (event) => {
    const view = state.view.peek();
    const page = state.room.peek().width / view.w;
    const to = {
      ArrowLeft: [view.x - 1, view.y],
      ArrowRight: [view.x + 1, view.y],
      ArrowUp: [view.x, view.y - 1],
      ArrowDown: [view.x, view.y + 1],
      PageUp: [view.x - page, view.y],
      PageDown: [view.x + page, view.y],
      Home: [0, view.y],
      End: [columns, view.y],
    }[event.key] as [number, number] | undefined;
    if (!to) return;
    event.preventDefault();
    event.stopPropagation();
    state.origin.value = [Math.min(to[0], columns - page), to[1]];
  });
  return element;
}
