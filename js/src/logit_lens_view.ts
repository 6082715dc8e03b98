/** The logit lens: layers up, positions across, the top token in each cell; beside it one position through the layers. */

import { createLegend } from "./core/drawing/legend";
import { LOG_FLOOR } from "./core/drawing/scale";
import { h } from "./core/elements/dom";
import { bindHeight } from "./core/elements/resize";
import { createToolbar, type Toolbar } from "./core/elements/toolbar";
import { saverOf } from "./core/export/save_menu";
import { listenForKeys } from "./core/keyboard/keyboard";
import { computed, draw, settable, sizeOf, watch } from "./core/reactive";
import { plain } from "./core/tokens";
import { type View, widget } from "./core/view";
import type { LogitLensViewTraits } from "./generated/traits";
import { csv, pythonCode } from "./logit_lens_view/export";
import { figure } from "./logit_lens_view/figure";
import { type Colour, Lens } from "./logit_lens_view/lens";
import css from "./logit_lens_view/logit_lens_view.css";
import { hasSettled } from "./logit_lens_view/map/cell_layout";
import { createMap, type LensMap } from "./logit_lens_view/map/map";
import { createOverview } from "./logit_lens_view/map/overview";
import { createSide } from "./logit_lens_view/position/position_panel";
import { colourName, legendRank } from "./logit_lens_view/quantities";
import { State } from "./logit_lens_view/state";

const KEYS = [
  ["arrows, Home, End", "walk the cells"],
  ["Enter, click", "show a position's layers beside the map"],
  ["Shift + Enter, Shift + click", "add a position, or take it away"],
  ["drag", "select the positions passed over"],
  ["Ctrl + wheel, + and −", "wider or narrower cells"],
  ["Shift + wheel, Alt + drag", "move along the prompt"],
  ["0, double click", "back to the first zoom"],
  ["c", "colour by the next quantity"],
  ["Escape", "step back: zoom, positions"],
  ["?", "this list"],
] as const;

/** Narrower than this the position's layers stand below the map. */
const BESIDE = 760;

export default widget(css, build);

function build(view: View<LogitLensViewTraits>): void {
  const { model, root, theme, title, tooltip, selection, requests, until } = view;
  root.classList.add("ll");
  const lens = new Lens(model, requests);
  const state = new State(model, lens, selection, theme, until);
  const map = createMap(state, tooltip, until);

  const saver = saverOf(view, () => figure(state, title.peek()));
  const toolbar = createToolbar(
    root,
    {
      title,
      chips: computed(() =>
        state.selectedTokens.value.map((position) => ({
          text: `${position} ${plain(lens.tokens[position]!, 12)}`,
          current: position === state.position.value,
          open: () => map.reveal(position),
          clear: () => selection.setTokens(selection.tokens.filter((token) => token !== position)),
        })),
      ),
      keys: KEYS,
      code: () => pythonCode(state),
      saves: { SVG: saver.svg, PNG: saver.png, CSV: () => saver.file("csv", csv(state)), HTML: saver.html },
    },
    until,
  );

  const body = h(
    "div",
    { class: "ll-body" },
    h("div", { class: "ll-left" }, map.element, createOverview(state, until)),
    createSide(state, until),
  );
  const head = headLine(state, until);
  root.append(head.element, body);
  const width = sizeOf(root, until);
  watch(until, () => void body.classList.toggle("ll-stacked", width.value[0] > 0 && width.value[0] < BESIDE));
  bindHeight(view, () => model.get("height"));
  revealFromElsewhere(state, map, until);
  listenForKeys(root, keyActions(state, map, toolbar, head.next), until);
  lens.load().catch((problem: Error) => problem.name !== "AbortError" && toolbar.say(problem.message, true));
}

/** A position that was selected in Python or in another view scrolls into sight. */
function revealFromElsewhere(state: State, map: LensMap, until: AbortSignal): void {
  let before = state.selectedTokens.peek();
  draw(until, () => {
    const now = state.selectedTokens.value;
    if (now !== before && now.length) map.reveal(now.at(-1)!);
    before = now;
  });
}

/** What the colours stand for: a list to choose from, the legend, and what the line is. */
function headLine(state: State, until: AbortSignal): { element: HTMLElement; next(): void } {
  const { lens } = state;
  const choices: [Colour, number | null][] = [
    ["probability", null],
    ["entropy", null],
    ["kl", null],
    ...lens.watched.flatMap((token): [Colour, number][] => [
      ["rank", token],
      ["token_probability", token],
    ]),
  ];
  const select = h("select", { class: "sw-select", "aria-label": "What the colours show", title: MEANING });
  select.append(...choices.map(([colour, token], i) => h("option", { value: i }, colourName(lens, colour, token))));
  const choose = (at: number): void => {
    const [colour, token] = choices[at]!;
    state.setColour(colour, token ?? state.token.peek());
  };
  select.addEventListener("change", () => choose(select.selectedIndex));
  const at = (): number =>
    choices.findIndex(
      ([colour, token]) => colour === state.colour.value && (token === null || token === state.token.value),
    );
  watch(until, () => void (select.selectedIndex = at()));

  const place = h("span", { class: "ll-legend" });
  let legend: AbortController | undefined;
  until.addEventListener("abort", () => legend?.abort());
  const kind = computed(() => `${state.colour.value} ${state.token.value}`);
  watch(until, () => {
    void kind.value;
    legend?.abort();
    legend = new AbortController();
    place.replaceChildren(legendOf(state, legend.signal));
  });
  const settled = h("span", { class: "ll-settled" }, h("i"), "above this line the top token is the output’s");
  watch(until, () => void (settled.hidden = !hasSettled(state.view.value)));
  return {
    element: h("div", { class: "sw-legend-row ll-head" }, select, place, settled),
    next: () => choose((at() + 1) % choices.length),
  };
}

const MEANING =
  "Logit lens: the final norm and the unembedding applied to the residual stream that enters each layer (nostalgebraist 2020). The output is the model’s own prediction.";

function legendOf(state: State, until: AbortSignal): HTMLElement {
  const ranks = state.colour.peek() === "rank";
  const scale = settable(state.scale, (next) => state.setScale(next));
  const initial = (): typeof scale.value => {
    const [low, high] = state.fitted();
    return { kind: ranks ? "log" : "linear", low, high, threshold: 0 };
  };
  return createLegend(
    {
      name: colourName(state.lens, state.colour.peek(), state.token.peek()),
      scale: scale as typeof state.scale & { value: typeof scale.value },
      initial,
      largest: () => state.largest(),
      clipped: state.clipped,
      table: state.table,
      theme: state.theme,
      onCommit: () => state.commitScale(),
      ...(ranks ? { format: legendRank, floor: Math.max(LOG_FLOOR, state.fitted()[0]), fixedKind: true } : {}),
    },
    until,
  );
}

function keyActions(state: State, map: LensMap, toolbar: Toolbar, nextColour: () => void): Record<string, () => void> {
  return {
    escape: () => toolbar.say(state.stepBack()),
    "+": () => map.zoom(1.5),
    "=": () => map.zoom(1.5),
    "-": () => map.zoom(1 / 1.5),
    "0": () => (state.zoom.value = 1),
    c: nextColour,
  };
}
