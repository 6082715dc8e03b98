/** Beside the map, one position through the layers: the watched tokens as lines, and every token that was ever on top. */
import { h } from "../../core/elements/dom";
import { draw, sizeOf, watch } from "../../core/reactive";
import { tokenSpan, tokenSpanAt } from "../../core/tokens";
import { briefProbability } from "../quantities";
import type { State } from "../state";
import { chartOf } from "./position_chart";
import { everOnTop, runText } from "./summary";

const SVG = "http://www.w3.org/2000/svg";

export function createSide(state: State, until: AbortSignal): HTMLElement {
  return h(
    "div",
    { class: "ll-side" },
    h("div", { class: "ll-chart-part" }, heading(state, until), chart(state, until)),
    onTop(state, until),
  );
}

function heading(state: State, until: AbortSignal): HTMLElement {
  const place = h("span", { class: "ll-at", role: "status", "aria-live": "polite" });
  watch(until, () => {
    const position = state.position.value;
    place.replaceChildren(
      "after ",
      tokenSpanAt(state.lens.tokens, position),
      h("span", { class: "sw-dim" }, ` position ${position}`),
    );
  });
  const choices = h("span", { class: "ll-choices", role: "radiogroup", "aria-label": "Lines of the chart" });
  for (const kind of ["rank", "probability"] as const) {
    const button = h(
      "button",
      { class: "sw-button", type: "button", role: "radio", onclick: () => state.setChart(kind) },
      kind,
    );
    watch(until, () => button.setAttribute("aria-checked", String(state.chart.value === kind)));
    choices.append(button);
  }
  return h("div", { class: "ll-heading" }, place, choices);
}

function chart(state: State, until: AbortSignal): HTMLElement {
  const element = h("div", { class: "ll-chart", role: "img" });
  const size = sizeOf(element, until);
  let layerAt = (_x: number): number => 0;
  draw(until, () => {
    const [width, height] = size.value;
    if (!width || !state.lens.watched.length) return;
    const made = chartOf(state, { width, height, layer: state.hover.value?.layer });
    // All text in it went through xml(); parsed as SVG in a document of its own, nothing in it could run.
    const { documentElement } = new DOMParser().parseFromString(
      `<svg xmlns="${SVG}" width="${width}" height="${height}">${made.svg}</svg>`,
      "image/svg+xml",
    );
    element.replaceChildren(document.importNode(documentElement, true));
    element.setAttribute("aria-label", made.words);
    layerAt = made.layerAt;
  });
  if (!state.lens.watched.length) element.append(h("div", { class: "sw-dim" }, "No token is watched."));
  element.addEventListener("pointermove", (event) => {
    if (!state.lens.watched.length) return;
    state.hover.value = {
      layer: layerAt(event.clientX - element.getBoundingClientRect().left),
      position: state.position.peek(),
    };
  });
  element.addEventListener("pointerleave", () => (state.hover.value = undefined));
  return element;
}

function onTop(state: State, until: AbortSignal): HTMLElement {
  const body = h("tbody");
  const heads = ["token", "layers", "", "peak"].map((name) => h("th", { scope: "col" }, name));
  const table = h("table", {}, h("caption", {}, "Ever on top"), h("thead", {}, h("tr", {}, ...heads)), body);
  const { lens } = state;
  watch(until, () => {
    const last = lens.layers.length;
    body.replaceChildren(
      ...everOnTop(lens, state.position.value).map((one) => {
        const strip = h("span", { class: "ll-strip", "aria-hidden": "true" });
        for (const [first, end] of one.runs)
          strip.append(
            h("i", { style: `left: ${(100 * first) / last}%; width: ${(100 * (end + 1 - first)) / last}%` }),
          );
        const trace = (id: number | undefined) => () => void (state.traced.value = id);
        const peak = h(
          "td",
          { class: "ll-number", title: `at ${lens.layerName(one.peakLayer)}` },
          briefProbability(one.peak),
        );
        return h(
          "tr",
          {
            tabindex: 0,
            onpointerenter: trace(one.id),
            onpointerleave: trace(undefined),
            onfocus: trace(one.id),
            onblur: trace(undefined),
          },
          h("td", { class: "ll-word" }, tokenSpan(lens.text(one.id))),
          h("td", {}, strip),
          h("td", { class: "ll-runs", title: runText(lens, one) }, runText(lens, one)),
          peak,
        );
      }),
    );
  });
  return h(
    "div",
    {
      class: "sw-rows ll-ever",
      tabindex: 0,
      role: "region",
      "aria-label": "Tokens that were ever on top at this position",
    },
    table,
  );
}
