/** The attention of every head of a prompt: the grid of heads, the opened head, the sentence. */

import css from "./attention_view/attention_view.css";
import { csv, pythonCode } from "./attention_view/export";
import { figure } from "./attention_view/figure";
import { createHeadGrid } from "./attention_view/head_grid";
import { createOpenedHead } from "./attention_view/opened_head";
import { Patterns } from "./attention_view/patterns/patterns";
import { createSentence } from "./attention_view/sentence";
import { State } from "./attention_view/state";
import { zoomed } from "./core/attention/matrix_frame";
import { h } from "./core/elements/dom";
import { createHeadNote, withNote } from "./core/elements/head_note";
import { createInterventionBar } from "./core/elements/intervention_bar";
import { bindHeight } from "./core/elements/resize";
import { createToolbar, type Toolbar } from "./core/elements/toolbar";
import { saverOf } from "./core/export/save_menu";
import { listenForKeys } from "./core/keyboard/keyboard";
import { computed, sizeOf, trait, watch } from "./core/reactive";
import { headText } from "./core/selection";
import { type View, widget } from "./core/view";
import { isSavedPage } from "./core/widget_model";
import type { AttentionViewTraits } from "./generated/traits";

/** Below it the opened head stands under the grid. */
const NARROW = 640;
/** What the opened head and its exact values can use. */
const ENOUGH = 740;

const KEYS = [
  ["arrows, Home, End", "walk the heads, the cells or the tokens"],
  ["Enter", "open a head, select a token"],
  ["Shift + Enter, Shift + click", "add to what is selected, or take away"],
  ["Escape", "step back: zoom, tokens, heads"],
  ["Ctrl + wheel, + and −", "zoom the opened head"],
  ["0, double click", "see all of it"],
  ["drag", "select the tokens of a rectangle"],
  ["Alt + drag", "move the zoomed part"],
  ["d", "exact values on or off"],
  ["p", "pin the opened head, or no longer"],
  ["v", "attention or value-weighted attention"],
  ["t", "the tokens that the opened head writes and reads"],
  ["/", "find heads"],
  ["?", "this list"],
] as const;

export default widget(css, build);

function build(view: View<AttentionViewTraits>): void {
  const { model, root, theme, title, tooltip, selection, requests, until } = view;
  const patterns = new Patterns(model, requests, until);
  const state = new State(model, selection, patterns, theme, until);

  const chips = computed(() => [
    ...state.heads.value.map((head) => ({
      text: head.join("."),
      current: head === state.open.value,
      open: () => state.choose(head),
      clear: () => state.dropHead(head),
    })),
    ...(state.selectedTokens.value.length
      ? [{ text: tokenCount(state.selectedTokens.value), clear: () => state.selection.setTokens([]) }]
      : []),
  ]);
  const name = (): string => [title.peek(), ...(state.open.peek() ? [headText(state.open.peek()!)] : [])].join(" ");
  const saver = saverOf(view, () => figure(state, title.peek()), { name, notes: true });
  const toolbar = createToolbar(
    root,
    {
      title,
      chips,
      keys: KEYS,
      code: () => pythonCode(state),
      saves: {
        SVG: saver.svg,
        PNG: saver.png,
        CSV: async () => saver.file("csv", await csv(state)),
        HTML: saver.html,
      },
    },
    until,
  );
  detailsButton(state, toolbar, until);
  watch(until, () => toolbar.say(patterns.problem.value, true));
  watch(until, () => toolbar.say(state.notice.value));

  const body = h("div", { class: "av-body" });
  const size = sizeOf(body, until);
  const room = computed(() => {
    const [width] = size.value;
    if (!state.open.value || width < NARROW) return width;
    return state.panels.length > 1 ? 0.34 * width : Math.max(0.42 * width, width - ENOUGH);
  });
  body.append(createHeadGrid(state, room, tooltip, until), createOpenedHead(state, tooltip, until));
  watch(until, () => {
    state.narrow.value = size.value[0] < NARROW;
    root.classList.toggle("av-narrow", state.narrow.value);
    root.classList.toggle("av-opened", !!state.open.value);
    root.classList.toggle("av-with-tokens", !!state.open.value && state.tokensShown.value);
  });
  const target = computed(() => {
    const [layer, index] = state.open.value ?? [];
    return layer === undefined ? undefined : { site: "head" as const, layer, index, name: `head ${layer}.${index}` };
  });
  const bar = createInterventionBar({ model, root, requests, target }, until);
  const note = createHeadNote({ model, root, selection, requests, head: state.open }, until);
  const below = withNote(bar, note);
  const sentences = state.aligned ? (["a", "b"] as const) : [undefined];
  root.classList.toggle("av-aligned", state.aligned);
  root.append(comparisonLine(state, until), body, below);
  const can = trait(model, "can_intervene", until);
  watch(until, () => {
    // Without a bar a row for the note alone would cost the grid its height.
    if (can.value && !isSavedPage(model)) below.append(note);
    else root.querySelector(".av-legends")!.before(note);
  });
  root.append(
    h("div", { class: "av-bottom" }, ...sentences.map((side) => createSentence(state, side, tooltip, until))),
  );
  bindHeight(view, () => model.get("height"));
  listenForKeys(root, keyActions(root, state, toolbar), until);
}

/** What of A and B is compared; of the opened head, that B has none beside it. */
function comparisonLine(state: State, until: AbortSignal): HTMLElement {
  const line = h("p", { class: "av-comparison", role: "note" });
  watch(until, () => {
    const head = state.shown.value;
    const coarse =
      state.panel.value === "difference" && !state.exactThumbnails
        ? "Thumbnails show A: they are too coarse for B − A."
        : "";
    const absent =
      head && state.sides.length > 1 && !state.has(head, "b")
        ? `B has no head ${head.join(".")}: pairs= in Python puts another beside it.`
        : "";
    line.textContent = [state.model.get("comparison"), coarse, absent].filter(Boolean).join(" ");
    line.hidden = !line.textContent;
  });
  return line;
}

const tokenCount = (tokens: number[]): string =>
  tokens.length === 1 ? `token ${tokens[0]}` : `${tokens.length} tokens`;

function detailsButton(state: State, toolbar: Toolbar, until: AbortSignal): void {
  const button = h(
    "button",
    { class: "sw-button", type: "button", title: "Exact values as a table", onclick: () => toggleDetails(state) },
    "values",
  );
  toolbar.controls.append(button);
  watch(until, () => button.setAttribute("aria-pressed", String(state.detailsShown.value)));
}

const toggleDetails = (state: State): void => void (state.detailsWanted.value = !state.detailsShown.peek());

function keyActions(root: HTMLElement, state: State, toolbar: Toolbar): Record<string, () => void> {
  const zoom = (factor: number): void => {
    const hover = state.hover.peek();
    const panel = hover?.panel ?? state.panel.peek();
    const view = state.windowOf(panel).peek();
    const { query, key = query } = hover ?? { query: view.query + view.span / 2, key: view.key + view.span / 2 };
    state.setWindow(panel, zoomed(view, factor, query, key, state.sizeOf(panel)));
  };
  return {
    escape: () => toolbar.say(state.stepBack()),
    "+": () => zoom(1 / 1.5),
    "=": () => zoom(1 / 1.5),
    "-": () => zoom(1.5),
    "0": () => state.resetWindow(),
    d: () => toggleDetails(state),
    p: () => state.shown.peek() && state.togglePin(state.shown.peek()!),
    v: () => state.setQuantity(state.weighted ? "attention" : "value_weighted"),
    t: () => state.toggleTokens(),
    "/": () => root.querySelector<HTMLElement>(".sw-filter")?.focus(),
  };
}
