/** The map of layers and positions, with its pointer and keys. */

import { context, h } from "../../core/elements/dom";
import type { Tooltip } from "../../core/elements/tooltip";
import { createWalker } from "../../core/elements/walker";
import { exact } from "../../core/format";
import { computed, draw, signal, sizeOf, watch } from "../../core/reactive";
import { plain } from "../../core/tokens";
import { GUTTER, HEADER, revealing, zoomLimits } from "../layout";
import { nats } from "../quantities";
import type { Cell, State } from "../state";
import { placeOf } from "./cell_layout";
import { cellNote } from "./cell_note";
import { drawAbove, drawCells } from "./map_drawing";
import { rasterOf } from "./raster";

const SLACK = 4;

export interface LensMap {
  element: HTMLElement;
  /** Scroll to a position. */
  reveal(position: number): void;
  zoom(factor: number): void;
}

export function createMap(state: State, tooltip: Tooltip, until: AbortSignal): LensMap {
  const { counts, lens } = state;
  const below = h("canvas", { "aria-hidden": "true" });
  const above = h("canvas", { class: "ll-above", "aria-hidden": "true" });
  const element = h("div", { class: "ll-map" }, below, above);
  const size = sizeOf(element, until);
  watch(until, () => {
    const [width, height] = size.value;
    state.room.value = { width: Math.max(0, width - GUTTER - 2), height: Math.max(0, height - HEADER - 2) };
  });
  const raster = computed(() => rasterOf(state));
  draw(until, () => {
    const [width, height] = size.value;
    if (width > GUTTER) drawCells(context(below, width, height), state, raster.value);
  });
  draw(until, () => {
    const [width, height] = size.value;
    if (width > GUTTER) drawAbove(context(above, width, height), state);
  });

  const reveal = (position: number, row?: number): void => {
    const view = state.view.peek();
    state.origin.value = revealing(view, state.room.peek(), position, row ?? Math.ceil(view.y));
  };
  const walker = createWalker({
    name: "Layers up, positions across: the top token of each",
    rows: () => counts.rows,
    columns: () => counts.columns,
    place: (row, column) => {
      const { x, y } = placeOf(state.view.peek());
      const { w, h } = state.view.peek();
      return { left: x(column), top: y(row), width: Math.max(3, w - 1), height: Math.max(3, h - 1) };
    },
    describe: (row, column) => describe(state, { layer: state.rowOf(row), position: column }),
    onMove: (row, column) => {
      reveal(column, row);
      state.hover.value = { layer: state.rowOf(row), position: column };
    },
    onEnter: (_row, column, extend) => state.select([column], extend),
    onLeave: () => (state.hover.value = undefined),
  });
  const clip = h("div", { class: "ll-clip" }, walker.element);
  element.append(clip);
  walker.stand(0, state.position.peek());
  watch(until, () => {
    void state.view.value;
    void state.values.value;
    void lens.candidates.value;
    if (size.value[0]) walker.refresh();
  });

  /** The cell below a pointer; above the cells, the column of the label. */
  const locate = (event: MouseEvent): { row?: number; column?: number } => {
    const bounds = element.getBoundingClientRect();
    const [view, room] = [state.view.peek(), state.room.peek()];
    const [x, y] = [event.clientX - bounds.left - GUTTER, event.clientY - bounds.top - HEADER];
    const [column, row] = [Math.floor(view.x + x / view.w), Math.floor(view.y + y / view.h)];
    if (x < 0 || x >= room.width || y >= room.height || column >= counts.columns || row >= counts.rows) return {};
    return y < 0 ? { column } : { row, column };
  };
  const pointer = signal<{ x: number; y: number } | undefined>(undefined);
  watch(until, () => {
    const cell = state.hover.value;
    if (pointer.value && cell) tooltip.show(pointer.value.x, pointer.value.y, cellNote(state, cell));
  });
  const leave = (): void => {
    pointer.value = state.hover.value = undefined;
    tooltip.hide();
  };
  element.addEventListener("pointermove", (event) => {
    const { row, column } = locate(event);
    if (row === undefined || column === undefined) return leave();
    const [cell, before] = [{ layer: state.rowOf(row), position: column }, state.hover.peek()];
    if (before?.layer !== cell.layer || before.position !== cell.position) state.hover.value = cell;
    pointer.value = { x: event.clientX, y: event.clientY };
  });
  element.addEventListener("pointerleave", leave);

  element.addEventListener("pointerdown", (down) => {
    const { row, column } = locate(down);
    if (down.button || column === undefined) return;
    element.setPointerCapture(down.pointerId);
    const start = state.view.peek();
    let moved = false;
    let to = column;
    element.onpointermove = (move) => {
      moved ||= Math.hypot(move.clientX - down.clientX, move.clientY - down.clientY) > SLACK;
      if (!moved) return;
      if (down.altKey)
        state.origin.value = [
          start.x - (move.clientX - down.clientX) / start.w,
          start.y - (move.clientY - down.clientY) / start.h,
        ];
      else to = locate(move).column ?? to;
    };
    element.onlostpointercapture = () => {
      element.onpointermove = element.onlostpointercapture = null;
      if (moved && down.altKey) return;
      const [first, last] = [Math.min(column, to), Math.max(column, to)];
      if (row !== undefined) walker.stand(row, column);
      state.select(
        Array.from({ length: last - first + 1 }, (_, i) => first + i),
        down.shiftKey,
      );
    };
  });
  element.addEventListener("dblclick", () => (state.zoom.value = 1));

  const zoom = (factor: number, x = state.room.peek().width / 2, y = 0): void => {
    const [least, most] = zoomLimits(state.room.peek(), counts);
    const before = state.view.peek();
    const [column, row] = [before.x + x / before.w, before.y + y / before.h];
    state.zoom.value = Math.max(least, Math.min(most, state.zoom.peek() * factor));
    state.origin.value = [0, 0]; // whole cells do not matter now: what was under the pointer is put there again
    const after = state.view.peek();
    state.origin.value = [column - x / after.w, row - y / after.h];
  };
  element.addEventListener(
    "wheel",
    (event) => {
      const bounds = element.getBoundingClientRect();
      const view = state.view.peek();
      // A plain wheel is the notebook's; sideways, or with shift, it moves along the prompt.
      const sideways = event.shiftKey
        ? event.deltaX || event.deltaY
        : Math.abs(event.deltaX) > Math.abs(event.deltaY)
          ? event.deltaX
          : 0;
      if (event.ctrlKey)
        zoom(
          Math.exp(event.deltaY * -0.004),
          event.clientX - bounds.left - GUTTER,
          event.clientY - bounds.top - HEADER,
        );
      else if (sideways && view.w * counts.columns > state.room.peek().width + 1)
        state.origin.value = [view.x + sideways / view.w, view.y];
      else return;
      event.preventDefault();
    },
    { passive: false },
  );
  return { element, reveal, zoom };
}

function describe(state: State, { layer, position }: Cell): string {
  const { lens } = state;
  const cell = lens.cell(layer, position);
  const [top, ...others] = lens.best(cell).map(({ text, probability: value }) => `${plain(text)} ${exact(value)}`);
  const name = layer === lens.layers.length - 1 ? "Output" : `Layer ${lens.layerName(layer)}`;
  const then = others.length ? `, then ${others.join(", ")}` : "";
  return `${name}, position ${position} ${plain(lens.tokens[position]!)}: ${top}${then}; entropy ${nats(lens.entropy.value?.[cell])}, KL ${nats(lens.kl.value?.[cell])}`;
}
