/** The attention of every head of a prompt: the grid of heads, the opened head, the sentence. */

import css from "./attention_view/attention_view.css";
import { createDetails } from "./attention_view/details";
import { csv, pythonCode } from "./attention_view/export";
import { figure } from "./attention_view/figure";
import { createHeadGrid } from "./attention_view/head_grid";
import { zoomed } from "./attention_view/layout";
import { createMatrix } from "./attention_view/matrix/matrix";
import { largestMagnitude } from "./attention_view/patterns/pattern";
import { Patterns } from "./attention_view/patterns/patterns";
import { createSentence } from "./attention_view/sentence";
import { headText, type PanelName, State } from "./attention_view/state";
import { className } from "./core/drawing/colour";
import { createLegend } from "./core/drawing/legend";
import { niceCeiling } from "./core/drawing/scale";
import { h } from "./core/elements/dom";
import { listenForKeys } from "./core/elements/keyboard";
import { bindHeight } from "./core/elements/resize";
import { createToolbar, type Toolbar } from "./core/elements/toolbar";
import type { Tooltip } from "./core/elements/tooltip";
import { saverOf } from "./core/export/saves";
import { short } from "./core/format";
import { computed, sizeOf, watch } from "./core/reactive";
import type { Head } from "./core/selection";
import { type View, widget } from "./core/view";
import type { AttentionViewTraits } from "./generated/traits";

const DETAILS_WIDTH = 232;
const LEAST_MATRIX = 240;
const LEAST_PANEL = 170;
const ROOMY_PANEL = 250;
const STACKED_HEIGHT = 72;
const HEAD_LINE = 32;

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
  const saver = saverOf(view, () => figure(state, title.peek()), { name });
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

  const body = h("div", { class: "av-body" });
  body.append(createHeadGrid(state, body, tooltip, until), rightPart(state, tooltip, until));
  root.append(body, createSentence(state, tooltip, until));
  bindHeight(view, () => model.get("height"));
  listenForKeys(root, keyActions(state, toolbar));
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

/** Name and legends above, the matrices and the exact values below. */
function rightPart(state: State, tooltip: Tooltip, until: AbortSignal): HTMLElement {
  const panels = h("div", { class: "av-panels" });
  const element = h("div", { class: "av-right" }, headLine(state, until), panels);
  const size = sizeOf(element, until);
  const details = createDetails(state, until);
  const three = state.panels.length > 1;
  const frames = state.panels.map((panel) => ({ panel, frame: createMatrix(state, panel, tooltip, until) }));
  const empty = h(
    "div",
    { class: "av-empty" },
    h("div", {}, "Point at a head to look at it, click to open it."),
    h("div", {}, "Shift-click opens several."),
  );
  panels.append(h("div", { class: "av-matrices" }, ...frames.map(({ frame }) => frame)), empty, details);

  const layout = computed(() => {
    const [width, height] = size.value;
    const alone = three && width < 3 * LEAST_PANEL;
    const beside = width >= DETAILS_WIDTH + (three ? 3 * ROOMY_PANEL : LEAST_MATRIX);
    const spare = height - HEAD_LINE - (three && !alone ? width / 3 : width);
    const details = state.detailsWanted.value ?? (beside || spare > STACKED_HEIGHT);
    return { details, stacked: details && !beside, alone };
  });
  watch(until, () => {
    const shown = !!state.shown.value;
    const { alone, stacked } = layout.value;
    state.alone.value = alone;
    state.detailsShown.value = layout.value.details;
    details.hidden = !layout.value.details || !shown;
    panels.classList.toggle("av-stacked", stacked);
    for (const { panel, frame } of frames) frame.hidden = !shown || (alone && panel !== state.panel.value);
    empty.hidden = shown;
  });
  return element;
}

function headLine(state: State, until: AbortSignal): HTMLElement {
  const name = h("span", { class: "av-name", role: "status", "aria-live": "polite" });
  const legends = h("span", { class: "av-legends" }, legendOf(state, "a", until));
  if (state.panels.length > 1) legends.append(legendOf(state, "difference", until));
  watch(until, () => {
    const head = state.shown.value;
    const letter = head && state.letters.value.get(head.join("."));
    const notes = [
      letter && className(letter),
      state.patterns.loading.value || (head && (state.open.value ? smallness(state, head) : "click to open")),
    ];
    name.replaceChildren(
      head ? headText(head) : "",
      h(
        "span",
        {},
        notes
          .filter(Boolean)
          .map((note) => `, ${note}`)
          .join(""),
      ),
    );
  });
  return h("div", { class: "av-head" }, name, legends);
}

/** What the picture alone would not tell: that it is dark because all is small, or that it is drawn in steps. */
function smallness(state: State, head: Head): string {
  const pattern = state.patterns.get(head, "a").value;
  if (!pattern) return "";
  const [largest, { high }] = [largestMagnitude(pattern), state.scale.value];
  const small =
    largest < high / 5 && state.scale.value.kind === "linear" ? `all below ${short(niceCeiling(largest))}` : "";
  return [small, pattern.exact ? "" : `drawn in steps of ${short(pattern.step)}`].filter(Boolean).join(", ");
}

function legendOf(state: State, panel: PanelName, until: AbortSignal): HTMLElement {
  const signed = panel === "difference";
  const limit = computed(() => state.scaleOf(panel));
  // A signed scale follows what is shown until it is dragged.
  const scale = signed
    ? {
        get value() {
          return limit.value;
        },
        set value(next) {
          state.signedLimit.value = next;
        },
        peek: () => limit.peek(),
      }
    : state.scale;
  const shownPatterns = () =>
    (signed ? (["difference"] as const) : state.sides).map(
      (side) => state.shown.peek() && state.patterns.get(state.shown.peek()!, side).peek(),
    );
  return createLegend(
    {
      name: signed ? "B − A" : "attention",
      scale: scale as typeof state.scale,
      initial: () => (signed ? state.fittedSigned() : { kind: "linear", low: 0, high: 1, threshold: 0 }),
      largest: () => Math.max(...shownPatterns().map((pattern) => (pattern ? largestMagnitude(pattern) : 1))),
      clipped: computed(() => state.clipped(signed ? ["difference"] : state.sides)),
      table: computed(() => state.tableOf(panel)),
      theme: state.theme,
      onCommit: () => state.commitScale(),
    },
    until,
  );
}

function keyActions(state: State, toolbar: Toolbar): Record<string, () => void> {
  const zoom = (factor: number): void => {
    const view = state.window.peek();
    const { query, key = query } = state.hover.peek() ?? {
      query: view.query + view.span / 2,
      key: view.key + view.span / 2,
    };
    state.window.value = zoomed(view, factor, query, key, state.size);
  };
  return {
    escape: () => toolbar.say(state.stepBack()),
    "+": () => zoom(1 / 1.5),
    "=": () => zoom(1 / 1.5),
    "-": () => zoom(1.5),
    "0": () => state.resetWindow(),
    d: () => toggleDetails(state),
  };
}
