/** Below the graph: the slider over all edges on the axis of the curve, the curve, and the point where we are. */

import { h } from "../../core/elements/dom";
import type { Tooltip } from "../../core/elements/tooltip";
import { counted, significant } from "../../core/format";
import { computed, draw, signal, sizeOf, trait, watch } from "../../core/reactive";
import type { Requests } from "../../core/requests";
import type { Scores } from "../circuit/scores";
import type { State } from "../state";
import { type Chart, chartKeys, chartOf, LEFT, RIGHT } from "./chart";
import { edgesAt, isKnown, type Measurements, nearest, positionOf } from "./curve";
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
  const most = state.edges.scored;
  const curve = trait(state.model, "curve", until);
  const plot = h("div", { class: "cg-plot", role: "img" });
  const here = document.createElementNS(SVG, "svg");
  here.setAttribute("class", "cg-here");
  const [line, dot] = [document.createElementNS(SVG, "path"), document.createElementNS(SVG, "circle")];
  dot.setAttribute("r", "4.5");
  here.append(line, dot);
  const holder = h("div", { class: "cg-chart" }, plot);
  holder.append(here);
  const size = sizeOf(holder, until);
  const now = computed(() => (scores.known.value ? scores.known.value.measured.faithfulness : undefined));
  // The axis follows a point beyond it, not each value on it.
  const beyond = computed(() =>
    typeof now.value === "number" && (now.value < 0 || now.value > 1) ? Math.round(now.value * 10) / 10 : undefined,
  );
  const chart = computed<Chart | undefined>(() => {
    const [width, height] = size.value;
    return width ? chartOf(curve.value, most, beyond.value, state.theme.value, { width, height }) : undefined;
  });
  draw(until, () => {
    if (!chart.value) return;
    const [width, height] = size.value;
    // All text in it went through xml(); parsed as SVG in a document of its own, nothing in it could run.
    const { documentElement } = new DOMParser().parseFromString(
      `<svg xmlns="${SVG}" width="${width}" height="${height}" fill="${state.theme.value.dim}">${chart.value.svg}</svg>`,
      "image/svg+xml",
    );
    plot.replaceChildren(document.importNode(documentElement, true));
    const known = isKnown(curve.value) ? curve.value : undefined;
    plot.setAttribute(
      "aria-label",
      known
        ? `Faithfulness against edges: ${known.n_edges.map((n, at) => `${n}: ${numberOr(known.faithfulness[at])}`).join(", ")}`
        : "No curve yet",
    );
  });
  draw(until, () => {
    if (!chart.value) return;
    const { x, y, bottom } = chart.value;
    const at = x(Math.min(most, state.size.value));
    line.setAttribute("d", `M${at} 0V${bottom}`);
    const known = scores.known.value;
    const value = known?.measured.faithfulness;
    dot.style.display = typeof value === "number" ? "" : "none";
    dot.classList.toggle("cg-old", !scores.current.value);
    if (typeof value !== "number") return;
    dot.setAttribute("cx", String(x(Math.min(most, known!.edges))));
    dot.setAttribute("cy", String(y(value)));
  });

  const edgesOf = (event: MouseEvent): number => {
    const { left, width } = holder.getBoundingClientRect();
    return edgesAt((event.clientX - left - LEFT) / Math.max(40, width - LEFT - RIGHT), most);
  };
  holder.addEventListener("click", (event) => state.keep(edgesOf(event)));
  holder.addEventListener("pointermove", (event) =>
    tooltip.show(event.clientX, event.clientY, noteOf(state, curve.peek(), edgesOf(event), most)),
  );
  holder.addEventListener("pointerleave", () => tooltip.hide());

  const slider = createSlider(state, until);
  Object.assign(slider.style, { marginLeft: `${LEFT}px`, marginRight: `${RIGHT}px` });
  return h("div", { class: "cg-strip" }, headOf(state, curve, requests, say, until), slider, holder);
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

/** What the lines mean, and the button that computes the curve. */
function headOf(
  state: State,
  curve: { readonly value: Partial<Measurements> },
  requests: Requests,
  say: (text: string, isError?: boolean) => void,
  until: AbortSignal,
): HTMLElement {
  const progress = signal<string | undefined>(undefined);
  let stop: AbortController | undefined;
  const run = async (): Promise<void> => {
    stop = new AbortController();
    progress.value = "";
    try {
      await requests.ask(
        "curve",
        {},
        {
          signal: stop.signal,
          onProgress: (done, total, text) =>
            (progress.value =
              done < total ? `${done} of ${total} measurements${text ? `, ${text}` : ""}` : total ? "" : text),
        },
      );
    } catch (error) {
      if ((error as Error).name === "AbortError") say("Stopped; what is done stays.");
      else say((error as Error).message, true);
    }
    progress.value = stop = undefined;
  };
  const button = h("button", {
    class: "sw-button cg-run",
    type: "button",
    onclick: () => (stop ? stop.abort() : void run()),
  });
  const said = h("span", { class: "sw-dim cg-progress", role: "status" });
  const keys = h("span", { class: "cg-keys" });
  const live = !!state.model.get("live") && !state.saved;
  watch(until, () => {
    const known = isKnown(curve.value);
    const running = progress.value !== undefined;
    button.hidden =
      !live || (known && !running && curve.value.n_edges!.length > 1 && finished(curve.value, state.edges.scored));
    button.textContent = running ? "Stop" : "Compute the curve";
    said.textContent = running
      ? (progress.value ?? "")
      : known || live
        ? ""
        : "No curve: give curve=circuits.curve(scope, circuit).";
    keys.replaceChildren(
      ...chartKeys(curve.value, state.metric).map(([dash, ink, text]) => {
        const svg = document.createElementNS(SVG, "svg");
        svg.setAttribute("width", "20");
        svg.setAttribute("height", "8");
        const path = document.createElementNS(SVG, "path");
        path.setAttribute("d", "M0 4h20");
        path.setAttribute("stroke", state.theme.value[ink]);
        path.setAttribute("stroke-width", ink === "ink" ? "1.5" : "1");
        path.setAttribute("stroke-dasharray", dash);
        svg.append(path);
        const item = h("span", { class: "cg-key" });
        item.append(svg, text);
        return item;
      }),
    );
  });
  const name = h("span", { class: "cg-strip-title" });
  watch(
    until,
    () =>
      void (name.textContent = isKnown(curve.value)
        ? `Faithfulness (left) and ${state.metric} (right) against edges kept`
        : "Edges kept"),
  );
  return h("div", { class: "cg-strip-head" }, name, said, button, keys);
}

const finished = (curve: Partial<Measurements>, most: number): boolean =>
  curve.n_edges!.at(-1)! >= most && (curve.random ?? []).every((draw) => draw.length === curve.n_edges!.length);
