/** A strip of all cells below the map, where they are not all on show: its frame is the part on show. */

import { context, h } from "../../core/elements/dom";
import { followPointer } from "../../core/elements/pointer";
import { computed, draw, type ReadonlySignal, watch } from "../../core/reactive";
import { GUTTER } from "../layout";
import type { State } from "../state";
import { rasterOf } from "./raster";

const HEIGHT = 32;

/** The part of all cells that is on show, in fractions of them. */
interface Part {
  x: number;
  y: number;
  width: number;
  height: number;
}

export function createOverview(state: State, until: AbortSignal): HTMLElement {
  const part = computed(() => partOf(state));
  const isWhole = computed(() => part.value.width > 0.999 && part.value.height > 0.999);
  const canvas = h("canvas", { "aria-hidden": "true" });
  const frame = createFrame(state, part, until);
  const all = h("div", { class: "ll-all", style: `margin-left: ${GUTTER}px; height: ${HEIGHT}px` }, canvas, frame);
  const element = h(
    "div",
    { class: "ll-overview" },
    h("span", { class: "ll-all-name", "aria-hidden": "true" }, "all"),
    all,
  );
  watch(until, () => void (element.hidden = isWhole.value));
  const raster = computed(() => (isWhole.value ? undefined : rasterOf(state)));
  draw(until, () => {
    const { width } = state.room.value;
    if (raster.value && width) drawAll(context(canvas, width, HEIGHT), state, raster.value, width);
  });
  listenToPointer(state, all, frame, part);
  listenToKeys(state, frame);
  return element;
}

function partOf({ counts, view, room }: State): Part {
  const { columns, rows } = counts;
  const { x, y, w, h } = view.value;
  return {
    x: x / columns,
    y: y / rows,
    width: Math.min(1, room.value.width / w / columns),
    height: Math.min(1, room.value.height / h / rows),
  };
}

function drawAll(pen: CanvasRenderingContext2D, state: State, raster: HTMLCanvasElement, width: number): void {
  const { columns } = state.counts;
  pen.imageSmoothingEnabled = width < columns;
  pen.drawImage(raster, 0, 0, width, HEIGHT);
  pen.fillStyle = state.theme.value.select;
  for (const position of state.selectedTokens.value)
    pen.fillRect((position / columns) * width, HEIGHT - 4, Math.max(2, width / columns), 4);
}

/** Around the part on show. */
function createFrame(state: State, part: ReadonlySignal<Part>, until: AbortSignal): HTMLElement {
  const { columns } = state.counts;
  const frame = h("div", {
    class: "ll-frame",
    role: "scrollbar",
    tabindex: 0,
    "aria-orientation": "horizontal",
    "aria-label": "Part of the prompt on show",
    "aria-valuemin": 0,
    "aria-valuemax": columns - 1,
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
  return frame;
}

function listenToPointer(state: State, all: HTMLElement, frame: HTMLElement, part: ReadonlySignal<Part>): void {
  const at = (event: PointerEvent): [x: number, y: number] => {
    const { left, top, width, height } = all.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  };
  const go = (event: PointerEvent, grip: readonly [number, number]): void => {
    const [x, y] = at(event);
    state.origin.value = [(x - grip[0]) * state.counts.columns, (y - grip[1]) * state.counts.rows];
  };
  all.addEventListener("pointerdown", (down) => {
    down.preventDefault();
    frame.focus({ preventScroll: true });
    const [x, y] = at(down);
    const now = part.peek();
    const held = x >= now.x && x <= now.x + now.width;
    const grip = [held ? x - now.x : now.width / 2, y - now.y] as const;
    go(down, grip);
    followPointer(all, down, (move) => go(move, grip));
  });
}

function listenToKeys(state: State, frame: HTMLElement): void {
  frame.addEventListener("keydown", (event) => {
    const { columns } = state.counts;
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
}
