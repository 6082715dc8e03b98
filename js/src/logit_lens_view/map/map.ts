/** The map of layers and positions, with its keys. */

import { context, h } from "../../core/elements/dom";
import type { Tooltip } from "../../core/elements/tooltip";
import { exact } from "../../core/format";
import { createWalker, type Walker } from "../../core/keyboard/keyboard_grid";
import { computed, draw, sizeOf, watch } from "../../core/reactive";
import { plain, plainAt } from "../../core/tokens";
import { GUTTER, HEADER, revealing } from "../layout";
import { nats } from "../quantities";
import type { Cell, State } from "../state";
import { placeOf } from "./cell_layout";
import { drawAbove, drawCells } from "./map_drawing";
import { listenToPointer, zoom } from "./map_pointer";
import { rasterOf } from "./raster";

export interface LensMap {
  element: HTMLElement;
  /** Scroll to a position. */
  reveal(position: number): void;
  zoom(factor: number): void;
}

export function createMap(state: State, tooltip: Tooltip, until: AbortSignal): LensMap {
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
  const walker = createMapWalker(state);
  element.append(h("div", { class: "ll-clip" }, walker.element));
  walker.stand(0, state.position.peek());
  watch(until, () => {
    void state.view.value;
    void state.values.value;
    void state.lens.candidates.value;
    if (size.value[0]) walker.refresh();
  });
  listenToPointer(state, element, walker, tooltip, until);
  return {
    element,
    reveal: (position) => reveal(state, position),
    zoom: (factor) => zoom(state, factor, state.room.peek().width / 2, 0),
  };
}

function reveal(state: State, position: number, row?: number): void {
  const view = state.view.peek();
  state.origin.value = revealing(view, state.room.peek(), position, row ?? Math.ceil(view.y));
}

function createMapWalker(state: State): Walker {
  return createWalker({
    name: "Layers up, positions across: the top token of each",
    rows: () => state.counts.rows,
    columns: () => state.counts.columns,
    place: (row, column) => {
      const { x, y } = placeOf(state.view.peek());
      const { w, h } = state.view.peek();
      return { left: x(column), top: y(row), width: Math.max(3, w - 1), height: Math.max(3, h - 1) };
    },
    describe: (row, column) => describe(state, { layer: state.rowOf(row), position: column }),
    onMove: (row, column) => {
      reveal(state, column, row);
      state.hover.value = { layer: state.rowOf(row), position: column };
    },
    onEnter: (_row, column, extend) => state.select([column], extend),
    onLeave: () => (state.hover.value = undefined),
  });
}

function describe(state: State, { layer, position }: Cell): string {
  const { lens } = state;
  const cell = lens.cell(layer, position);
  const [top, ...others] = lens.best(cell).map(({ text, probability: value }) => `${plain(text)} ${exact(value)}`);
  const name = layer === lens.layers.length - 1 ? "Output" : `Layer ${lens.layerName(layer)}`;
  const then = others.length ? `, then ${others.join(", ")}` : "";
  return `${name}, position ${position} ${plainAt(lens.tokens, position)}: ${top}${then}; entropy ${nats(lens.entropy.value?.[cell])}, KL ${nats(lens.kl.value?.[cell])}`;
}
