/** CircuitGraph: layers up, heads and MLPs across, edges by their scores, changed by hand and measured again. */

import css from "./circuit_graph/circuit_graph.css";
import { dotOf } from "./circuit_graph/dot";
import { figure } from "./circuit_graph/figure";
import { circuitJson, csv, pythonCode } from "./circuit_graph/files";
import { createPanel } from "./circuit_graph/panel";
import { createFootnote, createReadout } from "./circuit_graph/readout";
import { createScores, type Scores } from "./circuit_graph/scores";
import { createStage } from "./circuit_graph/stage";
import { State } from "./circuit_graph/state";
import { createStrip } from "./circuit_graph/strip";
import { type Bar, createBar } from "./core/bar";
import { type AnyModel, bytes, Requests } from "./core/bridge";
import { h } from "./core/dom";
import { download, fileName, pngOf } from "./core/export";
import type { Key } from "./core/keys";
import { widget } from "./core/mount";
import { computed, sizeOf, trait, watch } from "./core/reactive";
import { resizable } from "./core/resize";
import { selectionOf } from "./core/selection";
import { createRoot } from "./core/theme";
import { createTooltip } from "./core/tooltip";

const KEYS: Key[] = [
  ["← →, Home, End", "walk the nodes of a layer"],
  ["↑ ↓", "go along the strongest edge"],
  ["Enter, click", "open the node: its edges and its attention"],
  ["Shift + Enter, Shift + click", "select several nodes; drag over the ground selects those inside"],
  ["x, Delete, Alt + click", "take out what is open, or put it in again"],
  ["Ctrl + Z, Ctrl + Shift + Z", "undo, do again"],
  ["Alt + arrows, drag", "move a node and pin it; double click puts it back"],
  ["Escape", "step back: the open edge, then the selection"],
  ["← → on the slider", "one edge less or more, with Shift a tenth; Page keys too"],
  ["?", "this list"],
];
const NARROW = 720;
const [LEAST, MOST, STACKED] = [460, 520, 216];

export default widget(build);

function build(model: AnyModel, el: HTMLElement, until: AbortSignal): void {
  const { root, theme } = createRoot(el, model, css, until);
  const requests = new Requests(model, until);
  const state = new State(model, selectionOf(model, until), theme, until);
  const scores = createScores(state, requests, until);
  const tooltip = createTooltip(root);
  const title = trait<string>(model, "title", until);
  const bar = createBar(
    root,
    {
      title,
      chips: chipsOf(state),
      keys: KEYS,
      code: () => pythonCode(state),
      saves: savesOf(state, scores, requests, () => title.peek()),
    },
    until,
  );
  bar.controls.append(...historyButtons(state, until));
  const left = h(
    "div",
    { class: "cg-left" },
    createReadout(state, scores, until),
    createStage(state, tooltip, bar.say, until),
    createFootnote(state, until),
    createStrip(state, scores, requests, tooltip, bar.say, until),
  );
  const body = h("div", { class: "cg-body" }, left, createPanel(state, requests, until));
  root.append(body);
  const size = sizeOf(body, until);
  const narrow = computed(() => size.value[0] > 0 && size.value[0] < NARROW);
  watch(until, () => void root.classList.toggle("cg-narrow", narrow.value));
  const resize = resizable(root, model.get("height") ?? naturalHeight(state), (height) => {
    model.set("height", height);
    model.save_changes();
  });
  // Where the panel stands below, it needs room of its own, unless someone has chosen a height.
  watch(until, () => {
    if (model.get("height") === null) resize(naturalHeight(state) + (narrow.value ? STACKED : 0));
  });
  listenForKeys(root, state, bar);
}

/** As high as comfortable layers need, within what a notebook's cell should take. */
const naturalHeight = (state: State): number => Math.max(LEAST, Math.min(MOST, 300 + 40 * state.graph.shape.layers));

const chipsOf = (state: State) =>
  computed(() =>
    state.selected.value.map((key) => ({
      text: state.edits.value.labels[key] ?? key,
      clear: () => state.select(state.selected.peek().filter((one) => one !== key)),
    })),
  );

function historyButtons(state: State, until: AbortSignal): HTMLElement[] {
  const button = (text: string, title: string, onclick: () => void): HTMLButtonElement =>
    h("button", { class: "sw-button", type: "button", title, onclick }, text);
  const undo = button("Undo", "Undo (Ctrl + Z)", () => state.undo());
  const redo = button("Redo", "Do again (Ctrl + Shift + Z)", () => state.redo());
  const reset = button("Reset", "The circuit as given: all its edges, and no others", () => state.reset());
  watch(until, () => {
    undo.disabled = !state.history.canUndo.value;
    redo.disabled = !state.history.canRedo.value;
    const { kept, removed, added } = state.edits.value;
    reset.disabled = kept === null && !removed.length && !added.length;
  });
  return [undo, redo, reset];
}

function savesOf(
  state: State,
  scores: Scores,
  requests: Requests,
  title: () => string,
): Record<string, () => void | Promise<void>> {
  const file = (ending: string, type: string, content: BlobPart): void =>
    download(`${fileName(title())}.${ending}`, new Blob([content], { type }));
  return {
    SVG: () => file("svg", "image/svg+xml", figure(state, scores, title()).svg),
    async PNG() {
      const { svg, width, height } = figure(state, scores, title());
      download(`${fileName(title())}.png`, await pngOf(svg, width, height));
    },
    DOT: () => file("dot", "text/vnd.graphviz", dotOf(state, title())),
    async JSON() {
      const { data } = await requests.ask("json");
      file("json", "application/json", circuitJson(state, data.text));
    },
    CSV: () => file("csv", "text/csv", csv(state)),
    async HTML() {
      const { buffers } = await requests.ask("html");
      file("html", "text/html", bytes(buffers[0]!).slice());
    },
  };
}

function listenForKeys(root: HTMLElement, state: State, bar: Bar): void {
  root.addEventListener("keydown", (event) => {
    const writing = event.target instanceof HTMLElement && event.target.matches("input[type=text]");
    const key = event.key.toLowerCase();
    const command = (event.ctrlKey || event.metaKey) && !event.altKey;
    const action = writing
      ? undefined
      : command && key === "z"
        ? () => (event.shiftKey ? state.redo() : state.undo())
        : command && key === "y"
          ? () => state.redo()
          : command || event.altKey
            ? undefined
            : { escape: () => bar.say(state.stepBack()), x: () => state.toggle(), delete: () => state.toggle() }[key];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  });
}
