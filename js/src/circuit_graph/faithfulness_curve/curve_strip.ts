/** Below the graph: the slider over all edges on the axis of the curve, the curve, and the point where we are. */

import { h } from "../../core/elements/dom";
import type { Tooltip } from "../../core/elements/tooltip";
import { counted, significant } from "../../core/format";
import { computed, draw, type ReadonlySignal, sizeOf, trait } from "../../core/reactive";
import type { Requests } from "../../core/requests";
import type { Scores } from "../circuit/scores";
import type { State } from "../state";
import { type Chart, chartOf, LEFT, RIGHT } from "./curve_chart";
import { createHead } from "./curve_heading";
import { edgesAt, isKnown, type Measurements, nearest, positionOf } from "./measurements";
import { createSlider } from "./slider";

const SVG = "http://www.w3.org/2000/svg";

export function createStrip(
  state: State,
  scores: Scores,
  requests: Requests,
  tooltip: Tooltip,
  say: (text: string, isError?: boolean) => void,
  until: AbortSignal,
): HTMLElement {
  const curve = trait(state.model, "curve", until);
  const chart = createChart(state, scores, curve, until);
  listenToPointer(chart, state, curve, tooltip);
  const slider = createSlider(state, until);
  Object.assign(slider.style, { marginLeft: `${LEFT}px`, marginRight: `${RIGHT}px` });
  return h("div", { class: "cg-strip" }, createHead(state, curve, requests, say, until), slider, chart);
}

function createChart(
  state: State,
  scores: Scores,
  curve: ReadonlySignal<Partial<Measurements>>,
  until: AbortSignal,
): HTMLElement {
  const plot = h("div", { class: "cg-plot", role: "img" });
  const here = createHere();
  const element = h("div", { class: "cg-chart" }, plot, here.element);
  const size = sizeOf(element, until);
  const now = computed(() => (scores.known.value ? scores.known.value.measured.faithfulness : undefined));
  // The axis follows a point beyond it, not each value on it.
  const beyond = computed(() =>
    typeof now.value === "number" && (now.value < 0 || now.value > 1) ? Math.round(now.value * 10) / 10 : undefined,
  );
  const chart = computed<Chart | undefined>(() => {
    const [width, height] = size.value;
    return width
      ? chartOf(curve.value, state.edges.scored, beyond.value, state.theme.value, { width, height })
      : undefined;
  });
  draw(until, () => {
    if (!chart.value) return;
    plot.replaceChildren(svgOf(chart.value, size.value, state.theme.value.dim));
    plot.setAttribute("aria-label", wordsOf(curve.value));
  });
  draw(until, () => {
    if (chart.value) here.place(chart.value, state, scores);
  });
  return element;
}

function svgOf({ svg }: Chart, [width, height]: readonly [number, number], ink: string): Node {
  // All text in it went through xml(); parsed as SVG in a document of its own, nothing in it could run.
  const { documentElement } = new DOMParser().parseFromString(
    `<svg xmlns="${SVG}" width="${width}" height="${height}" fill="${ink}">${svg}</svg>`,
    "image/svg+xml",
  );
  return document.importNode(documentElement, true);
}

const wordsOf = (curve: Partial<Measurements>): string =>
  isKnown(curve)
    ? `Faithfulness against edges: ${curve.n_edges.map((n, at) => `${n}: ${numberOr(curve.faithfulness[at])}`).join(", ")}`
    : "No curve yet";

/** Where we are: a line at the edges that are in, and a dot at what was last measured. */
function createHere(): { element: SVGElement; place(chart: Chart, state: State, scores: Scores): void } {
  const element = document.createElementNS(SVG, "svg");
  element.setAttribute("class", "cg-here");
  const [line, dot] = [document.createElementNS(SVG, "path"), document.createElementNS(SVG, "circle")];
  dot.setAttribute("r", "4.5");
  const [whisker, random] = [document.createElementNS(SVG, "path"), document.createElementNS(SVG, "path")];
  whisker.setAttribute("class", "cg-whisker");
  random.setAttribute("class", "cg-random");
  element.append(line, random, whisker, dot);
  return {
    element,
    place({ x, y, bottom }, state, scores) {
      const most = state.edges.scored;
      line.setAttribute("d", `M${x(Math.min(most, state.size.value))} 0V${bottom}`);
      const known = scores.known.value;
      const value = known?.measured.faithfulness;
      for (const one of [dot, whisker, random]) one.style.display = typeof value === "number" ? "" : "none";
      dot.classList.toggle("cg-old", !scores.current.value);
      if (typeof value !== "number") return;
      const { low, high } = known!.measured;
      const at = x(Math.min(most, known!.edges));
      const whole = typeof low === "number" && typeof high === "number";
      whisker.setAttribute("d", whole ? `M${at} ${y(low)}V${y(high)}` : "");
      const draws = (scores.compared.value?.random ?? []).filter((one) => one !== null);
      random.setAttribute("d", draws.map((one) => `M${at - 8} ${y(one)}h16`).join(""));
      dot.setAttribute("cx", String(x(Math.min(most, known!.edges))));
      dot.setAttribute("cy", String(y(value)));
    },
  };
}

/** A click keeps as many edges as stand there. */
function listenToPointer(
  chart: HTMLElement,
  state: State,
  curve: ReadonlySignal<Partial<Measurements>>,
  tooltip: Tooltip,
): void {
  const most = state.edges.scored;
  const edgesOf = (event: MouseEvent): number => {
    const { left, width } = chart.getBoundingClientRect();
    return edgesAt((event.clientX - left - LEFT) / Math.max(40, width - LEFT - RIGHT), most);
  };
  chart.addEventListener("click", (event) => state.keep(edgesOf(event)));
  chart.addEventListener("pointermove", (event) =>
    tooltip.show(event.clientX, event.clientY, noteOf(state, curve.peek(), edgesOf(event), most)),
  );
  chart.addEventListener("pointerleave", () => tooltip.hide());
}

const numberOr = (value: number | null | undefined): string =>
  typeof value === "number" ? significant(value) : "not defined";

function noteOf(state: State, curve: Partial<Measurements>, edges: number, most: number): HTMLElement[] {
  const lines = [h("div", {}, `click: keep ${counted(edges, "edge")}`)];
  if (!isKnown(curve)) return lines;
  const at = nearest(curve, edges, most);
  const n = curve.n_edges[at]!;
  if (Math.abs(positionOf(n, most) - positionOf(edges, most)) > 0.02) return lines;
  const interval =
    typeof curve.low[at] === "number" && typeof curve.high[at] === "number"
      ? ` (${significant(curve.low[at]!)} to ${significant(curve.high[at]!)})`
      : "";
  const random = curve.random.map((draw) => draw[at]).filter((value): value is number => typeof value === "number");
  lines.push(
    h("div", {}, h("b", {}, counted(n, "edge"))),
    h("div", {}, `faithfulness ${numberOr(curve.faithfulness[at])}${interval}`),
    h("div", {}, `${state.metric} ${numberOr(curve.metric[at])}`),
  );
  if (random.length) lines.push(h("div", { class: "sw-dim" }, `random edges ${random.map(significant).join(", ")}`));
  return lines;
}
