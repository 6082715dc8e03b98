/** Above the points: what they are coloured by and what the colours mean, the layer, how to draw around them. */
import { cssColour } from "../core/drawing/colour";
import { createLegend } from "../core/drawing/legend";
import { h } from "../core/elements/dom";
import { count } from "../core/format";
import { watch } from "../core/reactive";
import { type Column, hueOf, isHollow, missingColour, otherColour, seenName, shownClasses } from "./colours";
import type { State } from "./state";

export function createHeadLine(state: State, until: AbortSignal): HTMLElement {
  const place = h("span", { class: "pv-legend" });
  let legend: AbortController | undefined;
  until.addEventListener("abort", () => legend?.abort());
  watch(until, () => {
    const column = state.column.value;
    legend?.abort();
    legend = new AbortController();
    place.replaceChildren(...(column ? [legendOf(state, column, legend.signal)] : []));
  });
  return h(
    "div",
    { class: "sw-legend-row pv-head" },
    ...(state.layers.length > 1 ? [layerSlider(state, until)] : []),
    ...(state.columns.length ? [columnList(state, until)] : []),
    place,
    tools(state, until),
  );
}

function columnList(state: State, until: AbortSignal): HTMLElement {
  const select = h("select", { class: "sw-select", "aria-label": "What points are coloured by" });
  select.append(...state.columns.map((column, at) => h("option", { value: at }, seenName(column.name, 40))));
  select.addEventListener("change", () => state.setColumn(state.columns[select.selectedIndex]!.name));
  watch(until, () => void (select.selectedIndex = state.columns.indexOf(state.column.value!)));
  return select;
}

function legendOf(state: State, column: Column, until: AbortSignal): HTMLElement {
  const missing = column.missing ? [key(missingColour(), `none (${count(column.missing)})`)] : [];
  if (column.classes) return h("span", { class: "pv-classes" }, ...classKeys(state, column, until), ...missing);
  const scale = createLegend(
    {
      name: seenName(column.name, 40),
      scale: state.scale,
      initial: () => state.fitted(),
      largest: () => state.largest(),
      clipped: state.clipped,
      clippedTitle: "Points beyond the ends of the scale, in the colour of its end",
      table: state.table,
      theme: state.theme,
      onCommit: () => state.commitScale(),
    },
    until,
  );
  return h("span", { class: "pv-classes" }, scale, ...missing);
}

/** A key a class, which shows that class alone; those without a hue together. */
function classKeys(state: State, column: Column, until: AbortSignal): HTMLElement[] {
  const classes = column.classes!;
  const shown = shownClasses(classes);
  const keys = classes.slice(0, shown).map((name, at) => {
    const swatch = h("i", { class: "pv-swatch" });
    const button = h(
      "button",
      {
        class: "sw-button pv-key",
        type: "button",
        title: `Show only ${seenName(name, 40)}`,
        onclick: () => (state.only.value = state.only.peek() === at ? undefined : at),
      },
      swatch,
      h("span", { class: "pv-class" }, seenName(name, 24)),
      h("span", { class: "sw-dim" }, count(column.counts[at]!)),
    );
    watch(until, () => {
      swatch.style.background = cssColour(hueOf(at, state.theme.value.dark));
      button.setAttribute("aria-pressed", String(state.only.value === at));
    });
    return button;
  });
  const rest = classes.length - shown;
  if (!rest) return keys;
  const points = column.counts.slice(shown).reduce((sum, n) => sum + n, 0);
  return [...keys, key(otherColour(), `${count(rest)} others (${count(points)})`)];
}

const key = (colour: number, words: string): HTMLElement =>
  h(
    "span",
    { class: "pv-key sw-dim" },
    isHollow(colour)
      ? h("i", { class: "pv-swatch", style: `border: 1.5px solid ${cssColour(colour)}` })
      : h("i", { class: "pv-swatch", style: `background: ${cssColour(colour)}` }),
    words,
  );

function layerSlider(state: State, until: AbortSignal): HTMLElement {
  const name = h("b", { class: "pv-layer" });
  const input = h("input", {
    type: "range",
    min: 0,
    max: state.layers.length - 1,
    step: 1,
    "aria-label": "Layer",
    class: "pv-slider",
  });
  input.addEventListener("input", () => state.setLayer(state.layers[Number(input.value)]!));
  watch(until, () => {
    const layer = state.layer.value;
    input.value = String(state.layers.indexOf(layer));
    input.setAttribute("aria-valuetext", `layer ${layer}`);
    name.textContent = `layer ${layer}`;
  });
  return h("label", { class: "pv-layers" }, name, input);
}

function tools(state: State, until: AbortSignal): HTMLElement {
  const buttons = (["lasso", "rectangle"] as const).map((tool) => {
    const button = h(
      "button",
      {
        class: "sw-button",
        type: "button",
        title: tool === "lasso" ? "Drag draws around points (r changes)" : "Drag draws a rectangle (r changes)",
        onclick: () => (state.tool.value = tool),
      },
      tool,
    );
    watch(until, () => button.setAttribute("aria-pressed", String(state.tool.value === tool)));
    return button;
  });
  return h("span", { class: "pv-tools", role: "group", "aria-label": "What a drag draws" }, ...buttons);
}
