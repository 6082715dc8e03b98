/** AttributionView: which heads, MLPs and neurons write the answer's logit, and how it grows layer by layer. */

import css from "./attribution_view/attribution_view.css";
import { isPale } from "./attribution_view/drawing";
import { csv, neuronCsv, pythonCode } from "./attribution_view/export";
import { figure } from "./attribution_view/figure";
import { FOOTER, HEADER } from "./attribution_view/layout";
import { createMap } from "./attribution_view/map";
import { createPanel } from "./attribution_view/panel";
import { State } from "./attribution_view/state";
import { brief } from "./attribution_view/tooltip_text";
import { createLegend } from "./core/drawing/legend";
import { h } from "./core/elements/dom";
import { createHeadNote, withNote } from "./core/elements/head_note";
import { createInterventionBar, headOf, type Target } from "./core/elements/intervention_bar";
import { bindHeight } from "./core/elements/resize";
import { createToolbar } from "./core/elements/toolbar";
import { saverOf } from "./core/export/save_menu";
import { count } from "./core/format";
import { listenForKeys } from "./core/keyboard/keyboard";
import type { Key } from "./core/keyboard/shortcut_list";
import { computed, sizeOf, watch } from "./core/reactive";
import { withoutHead } from "./core/selection";
import { plain, tokenSpan } from "./core/tokens";
import { type View, widget } from "./core/view";
import type { Model } from "./core/widget_model";
import type { AttributionViewTraits } from "./generated/traits";

const KEYS: Key[] = [
  ["arrows, Home, End", "walk the parts; right of them is the running total"],
  ["Enter, click", "select the head; of an MLP: its neurons"],
  ["Shift + Enter, Shift + click", "add a head, or take it away"],
  ["n", "the neurons of the MLP that writes most, then of the next"],
  ["Escape", "step back: neurons, heads"],
  ["?", "this list"],
];
/** Narrower than this the panel stands below. */
const BESIDE = 820;
const [LEAST, MOST] = [340, 520];
const STACKED = 200;
/** Toolbar, question, edge. */
const AROUND = 96;
const ROW = 24;
const BAR = 36;
const HINT = "Select a head, or a neuron of an MLP, to ablate, scale or freeze it.";

export default widget(css, build);

function build(view: View<AttributionViewTraits>): void {
  const { model, root, theme, title, tooltip, selection, requests, until } = view;
  const state = new State(model, selection, requests, theme, until);
  const saver = saverOf(view, () => figure(state, title.peek(), questionText(model)), { notes: true });
  const toolbar = createToolbar(
    root,
    {
      title,
      chips: computed(() =>
        state.heads.value.map((head) => ({
          text: head.join("."),
          clear: () => selection.setHeads(withoutHead(selection.heads, head)),
        })),
      ),
      keys: KEYS,
      code: () => pythonCode(state),
      saves: {
        SVG: saver.svg,
        PNG: saver.png,
        CSV: () => saver.file("csv", csv(state)),
        "CSV, neurons": async () => {
          const layer = state.mlp.peek();
          if (layer === null) throw new Error("Open the neurons of an MLP first: click it in the map.");
          saver.file("csv", neuronCsv(await state.neurons.of(layer)));
        },
        HTML: saver.html,
      },
    },
    until,
  );
  const body = h("div", { class: "at-body" }, createMap(state, tooltip, until), createPanel(state, until));
  const size = sizeOf(body, until);
  const narrow = computed(() => size.value[0] > 0 && size.value[0] < BESIDE);
  watch(until, () => void body.classList.toggle("at-narrow", narrow.value));
  const target = targetOf(state);
  const bar = createInterventionBar({ model, root, requests, target, hint: HINT }, until);
  const head = headOf(target);
  const note = createHeadNote({ model, root, selection, requests, head }, until);
  root.append(headLine(state, until), body, withNote(bar, note));
  bindHeight(view, () => {
    const natural = AROUND + HEADER + FOOTER + ROW * state.parts.rows.length;
    return Math.max(LEAST, Math.min(MOST, natural)) + (narrow.value ? STACKED : 0) + (bar.hidden ? 0 : BAR);
  });
  listenForKeys(root, { escape: () => toolbar.say(state.stepBack()), n: () => state.nextMlp() }, until);
}

/** The neuron that is selected, else the head. */
const targetOf = (state: State) =>
  computed<Target | undefined>(() => {
    const neuron = state.neuron.value;
    if (neuron) return { site: "neuron", ...neuron, name: `neuron ${neuron.layer}:${neuron.index}` };
    const [layer, index] = state.heads.value.at(-1) ?? [];
    return layer === undefined ? undefined : { site: "head", layer, index, name: `head ${layer}.${index}` };
  });

/** What is decomposed and what it comes to, the key of the bars, the legend of the map. */
function headLine(state: State, until: AbortSignal): HTMLElement {
  const { model, parts } = state;
  const prompts = model.get("n_prompts");
  const question = h(
    "div",
    { class: "at-question" },
    `${model.get("versus").length ? "logit difference" : "logit"} `,
    ...side(model.get("answer")),
    ...(model.get("versus").length ? [" − ", ...side(model.get("versus"))] : []),
    " = ",
    h("b", {}, brief(model.get("whole"))),
    h(
      "span",
      { class: "sw-dim" },
      ` logits${prompts > 1 ? `, mean of ${count(prompts)} prompts` : ""}; the parts sum to it, off by ${residue(model.get("residue"))}`,
    ),
  );
  const legend = createLegend(
    {
      name: "contribution",
      scale: state.scale,
      initial: () => state.fitted(),
      largest: () => state.largest(),
      clipped: state.clipped,
      table: state.table,
      theme: state.theme,
      onCommit: () => state.commitScale(),
    },
    until,
  );
  const keys = h(
    "span",
    { class: "at-keys sw-dim" },
    h("i", { class: "at-solid" }),
    "attention",
    h("i", { class: "at-pale" }),
    "MLP",
  );
  keys.hidden = !parts.rows.some(({ steps }) => steps.length > 1 && steps.some(({ part }) => isPale(part)));
  return h("div", { class: "sw-legend-row" }, question, keys, legend);
}

const side = (tokens: readonly string[]): (Node | string)[] =>
  tokens.length === 1 ? [tokenSpan(tokens[0]!)] : [tokenSpan(tokens[0] ?? ""), ", … (one a prompt)"];

function questionText(model: Model<AttributionViewTraits>): string {
  const sides = [model.get("answer"), model.get("versus")].filter(({ length }) => length);
  const said = sides.map((tokens) => plain(tokens[0]!, 24) + (tokens.length > 1 ? ", …" : "")).join(" − ");
  const what = sides.length > 1 ? "logit difference" : "logit";
  const prompts = model.get("n_prompts");
  const mean = prompts > 1 ? `, mean of ${count(prompts)} prompts` : "";
  return `${what} ${said} = ${brief(model.get("whole"))} logits${mean}; the parts sum to it, off by ${residue(model.get("residue"))}`;
}

/** "1e−7", "0". */
const residue = (value: number): string => (value ? value.toExponential(0).replace("-", "−") : "0");
