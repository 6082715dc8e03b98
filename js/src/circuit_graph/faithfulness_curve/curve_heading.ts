/** Above the curve: its title, what its lines mean, and the button that computes it. */

import { h } from "../../core/elements/dom";
import { type ReadonlySignal, signal, watch } from "../../core/reactive";
import type { Requests } from "../../core/requests";
import type { State } from "../state";
import { chartKeys } from "./curve_chart";
import { isKnown, type Measurements } from "./measurements";

const SVG = "http://www.w3.org/2000/svg";

export function createHead(
  state: State,
  curve: ReadonlySignal<Partial<Measurements>>,
  requests: Requests,
  say: (text: string, isError?: boolean) => void,
  until: AbortSignal,
): HTMLElement {
  const run = createRun(requests, say);
  const button = h("button", { class: "sw-button cg-run", type: "button", onclick: run.toggle });
  const said = h("span", { class: "sw-dim cg-progress", role: "status" });
  const keys = h("span", { class: "cg-keys" });
  const name = h("span", { class: "cg-strip-title" });
  const live = !!state.model.get("live") && !state.saved;
  watch(until, () => {
    const known = isKnown(curve.value);
    const running = run.progress.value !== undefined;
    button.hidden = !live || (!running && isFinished(curve.value, state.edges.scored));
    button.textContent = running ? "Stop" : "Compute the curve";
    said.textContent = running
      ? (run.progress.value ?? "")
      : known || live
        ? ""
        : state.graph.shape.columns !== undefined
          ? ""
          : "No curve: give curve=circuits.curve(scope, circuit).";
    name.textContent = known
      ? `Faithfulness (left) and ${state.metric} (right) against edges kept${curve.value.pairs && `, on ${curve.value.pairs}`}`
      : "Edges kept";
  });
  watch(until, () =>
    keys.replaceChildren(
      ...chartKeys(curve.value, state.metric).map(([dash, ink, text]) =>
        keyOf(dash, state.theme.value[ink], ink === "ink" ? "1.5" : "1", text),
      ),
    ),
  );
  return h("div", { class: "cg-strip-head" }, name, said, button, keys);
}

/** Computes the curve, or stops; `progress` is undefined while it does not. */
function createRun(
  requests: Requests,
  say: (text: string, isError?: boolean) => void,
): { progress: ReadonlySignal<string | undefined>; toggle(): void } {
  const progress = signal<string | undefined>(undefined);
  let stop: AbortController | undefined;
  const onProgress = (done: number, total: number, text: string): void =>
    void (progress.value =
      done < total ? `${done} of ${total} measurements${text ? `, ${text}` : ""}` : total ? "" : text);
  const run = async (): Promise<void> => {
    stop = new AbortController();
    progress.value = "";
    try {
      await requests.ask("curve", {}, { signal: stop.signal, onProgress });
    } catch (error) {
      if ((error as Error).name === "AbortError") say("Stopped; what is done stays.");
      else say((error as Error).message, true);
    }
    progress.value = stop = undefined;
  };
  return { progress, toggle: () => (stop ? stop.abort() : void run()) };
}

function keyOf(dash: string, ink: string, width: string, text: string): HTMLElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("width", "20");
  svg.setAttribute("height", "8");
  const line = document.createElementNS(SVG, "path");
  for (const [name, value] of Object.entries({
    d: "M0 4h20",
    stroke: ink,
    "stroke-width": width,
    "stroke-dasharray": dash,
  }))
    line.setAttribute(name, value);
  svg.append(line);
  const key = h("span", { class: "cg-key" });
  key.append(svg, text);
  return key;
}

/** Whether nothing is left to compute: the whole circuit has been measured, and all random draws. */
const isFinished = (curve: Partial<Measurements>, most: number): boolean =>
  isKnown(curve) &&
  curve.n_edges.length > 1 &&
  curve.n_edges.at(-1)! >= most &&
  (curve.random ?? []).every((draw) => draw.length === curve.n_edges.length);
