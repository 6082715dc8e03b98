/** CircuitGraph: layers up, heads and MLPs across, edges by their scores, changed by hand and measured again. */

import { shortName } from "./circuit_graph/circuit/graph";
import { createScores } from "./circuit_graph/circuit/scores";
import css from "./circuit_graph/circuit_graph.css";
import { createStage } from "./circuit_graph/drawing/graph_canvases";
import { circuitJson, csv, pythonCode } from "./circuit_graph/export";
import { createStrip } from "./circuit_graph/faithfulness_curve/curve_strip";
import { figure } from "./circuit_graph/figure";
import { dotOf } from "./circuit_graph/graphviz";
import { createPanel } from "./circuit_graph/panel/panel";
import { createFootnote, createReadout } from "./circuit_graph/panel/readout";
import { State } from "./circuit_graph/state";
import { h } from "./core/elements/dom";
import { createHeadNote } from "./core/elements/head_note";
import { createInterventionBar, type Target } from "./core/elements/intervention_bar";
import { createQuestion, isAsked, type Question } from "./core/elements/question";
import { bindHeight } from "./core/elements/resize";
import { createToolbar } from "./core/elements/toolbar";
import { saverOf } from "./core/export/save_menu";
import { listenForKeys } from "./core/keyboard/keyboard";
import type { Key } from "./core/keyboard/shortcut_list";
import { computed, sizeOf, watch } from "./core/reactive";
import type { Head } from "./core/selection";
import { type View, widget } from "./core/view";
import type { CircuitGraphTraits } from "./generated/traits";

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
const QUESTION = 52;
const BAR = 36;
const HINT = "Open a head or an MLP to ablate or scale it in the whole model, on the prompt above.";
const [LEAST, MOST, STACKED] = [460, 520, 288];

export default widget(css, build);

function build(view: View<CircuitGraphTraits>): void {
  const { model, root, theme, title, tooltip, selection, requests, until } = view;
  const state = new State(model, selection, theme, until);
  const scores = createScores(state, requests, until);
  const saver = saverOf(view, () => figure(state, scores, title.peek()), { notes: true });
  const toolbar = createToolbar(
    root,
    {
      title,
      chips: chipsOf(state),
      keys: KEYS,
      code: () => pythonCode(state),
      saves: {
        SVG: saver.svg,
        PNG: saver.png,
        DOT: () => saver.file("dot", dotOf(state, title.peek())),
        JSON: async () => saver.file("json", circuitJson(state, (await requests.ask("json")).data.text)),
        CSV: () => saver.file("csv", csv(state)),
        HTML: saver.html,
      },
    },
    until,
  );
  toolbar.controls.append(...historyButtons(state, until));
  const note = createHeadNote({ model, root, selection, requests, head: openHead(state) }, until);
  const question = createQuestion(model.get("question") as Partial<Question>);
  const left = h(
    "div",
    { class: "cg-left" },
    createReadout(state, scores, until),
    createStage(state, tooltip, toolbar.say, until),
    createFootnote(state, until),
    createStrip(state, scores, requests, tooltip, toolbar.say, until),
  );
  const body = h("div", { class: "cg-body" }, left, createPanel(state, scores, requests, note, until));
  const bar = createInterventionBar({ model, root, requests, target: targetOf(state), hint: HINT, key: "i" }, until);
  root.append(question, body, bar);
  const size = sizeOf(body, until);
  const narrow = computed(() => size.value[0] > 0 && size.value[0] < NARROW);
  watch(until, () => void root.classList.toggle("cg-narrow", narrow.value));
  // Where the panel stands below, it needs room of its own.
  bindHeight(
    view,
    () => naturalHeight(state) + (narrow.value ? STACKED : 0) + (bar.hidden ? 0 : narrow.value ? 2 * BAR : BAR),
  );
  const toggle = (): void => state.toggle();
  listenForKeys(root, { escape: () => toolbar.say(state.stepBack()), x: toggle, delete: toggle }, until, state);
}

/** What alone is open, where it is one node. */
function openNode(state: State, kind: "head" | "mlp"): { layer: number; head: number } | undefined {
  const [key, another] = state.selected.value;
  const unit = key === undefined || another !== undefined ? undefined : state.unitOf(key);
  return unit?.kind === kind && state.edge.value === undefined ? state.graph.nodes[unit.nodes[0]!] : undefined;
}

const openHead = (state: State) =>
  computed<Head | undefined>(() => {
    const node = openNode(state, "head");
    return node && [node.layer, node.head];
  });

const targetOf = (state: State) =>
  computed<Target | undefined>(() => {
    const [head, mlp] = [openNode(state, "head"), openNode(state, "mlp")];
    if (head) return { site: "head", layer: head.layer, index: head.head, name: `head ${head.layer}.${head.head}` };
    return mlp && { site: "mlp", layer: mlp.layer, name: `MLP ${mlp.layer}` };
  });

/** As high as comfortable layers need, within what a notebook's cell should take. */
const naturalHeight = (state: State): number =>
  Math.max(
    LEAST,
    Math.min(MOST, 300 + (isAsked(state.model.get("question")) ? QUESTION : 0) + 40 * state.graph.shape.layers),
  );

const chipsOf = (state: State) =>
  computed(() =>
    state.selected.value.map((key) => ({
      text: chipText(state, key),
      clear: () => state.select(state.selected.peek().filter((one) => one !== key)),
    })),
  );

/** "3.1", with its label where it has one. */
function chipText(state: State, key: string): string {
  const unit = state.unitOf(key);
  const name = !unit || unit.kind === "group" ? key : shortName(state.graph.nodes[unit.nodes[0]!]!);
  const label = state.edits.value.labels.get(key);
  return label ? `${name} ${label}` : name;
}

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
