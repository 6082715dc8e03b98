/** PatchingMap: layers up, positions or heads across, each cell coloured by its signed effect. */

import { createLegend } from "./core/drawing/legend";
import { h } from "./core/elements/dom";
import { createHeadNote, withNote } from "./core/elements/head_note";
import { createInterventionBar, headOf, type Target } from "./core/elements/intervention_bar";
import { createQuestion, isAsked, type Question } from "./core/elements/question";
import { bindHeight } from "./core/elements/resize";
import { createToolbar, type Toolbar } from "./core/elements/toolbar";
import type { Tooltip } from "./core/elements/tooltip";
import { saverOf } from "./core/export/save_menu";
import { listenForKeys } from "./core/keyboard/keyboard";
import type { Key } from "./core/keyboard/shortcut_list";
import { computed, type ReadonlySignal, signal, sizeOf, trait, watch } from "./core/reactive";
import { withoutHead } from "./core/selection";
import { type View, widget } from "./core/view";
import type { PatchingMapTraits } from "./generated/traits";
import { largest } from "./patching_map/cells/cells";
import { createCellKey } from "./patching_map/drawing/cell_legend";
import { zoomed } from "./patching_map/drawing/layout";
import { createMap } from "./patching_map/drawing/map";
import { csv, pythonCode } from "./patching_map/export";
import { figure } from "./patching_map/figure";
import { createAttributionSum } from "./patching_map/panel/attribution_sum";
import { createPanel } from "./patching_map/panel/panel";
import { createStatus, type StatusLine } from "./patching_map/panel/status";
import css from "./patching_map/patching_map.css";
import { SHOWS, type Shows, State } from "./patching_map/state";

const KEYS: Key[] = [
  ["arrows, Home, End", "walk the cells"],
  ["Enter", "open the cell: its prompts and its code"],
  ["Shift + Enter, Shift + click", "add to what is selected, or take away"],
  ["Escape", "step back: the open cell, zoom, tokens, heads"],
  ["Ctrl + wheel, + and −", "zoom the columns; drag moves them"],
  ["0, double click", "see all columns"],
  ["m", "heads, positions, selected heads"],
  ["r", "run what is left, or stop"],
  ["?", "this list"],
];
const NARROW = 720;
const [LEAST, MOST] = [400, 520];
const STACKED = 220;
const STRIP_CELL = 20;
const QUESTION = 52;
const BAR = 36;
const HINT = "Open a cell of a head or of the residual stream, or select a head, to ablate, freeze or patch it.";

export default widget(css, build);

function build(view: View<PatchingMapTraits>): void {
  const { model, root, theme, title, tooltip, selection, requests, until } = view;
  const state = new State(model, selection, theme, until);
  const saver = saverOf(view, () => figure(state, title.peek(), noteOf(state)), { notes: !!model.get("are_heads") });
  const toolbar = createToolbar(
    root,
    {
      title,
      chips: chipsOf(state),
      keys: KEYS,
      code: () => pythonCode(state),
      saves: { SVG: saver.svg, PNG: saver.png, CSV: () => saver.file("csv", csv(state)), HTML: saver.html },
    },
    until,
  );
  const say = toolbar.say;
  const status = createStatus(state, requests, say, until);

  const message = h("div", { class: "pm-message", role: "note" });
  const told = trait(model, "message", until);
  watch(until, () => {
    message.textContent = told.value;
    message.hidden = !told.value;
  });
  const body = h(
    "div",
    { class: "pm-body" },
    leftPart(state, tooltip, until),
    createPanel(state, requests, tooltip, say, until),
  );
  const size = sizeOf(body, until);
  const narrow = computed(() => size.value[0] > 0 && size.value[0] < NARROW);
  watch(until, () => void body.classList.toggle("pm-narrow", narrow.value));
  root.append(
    status.element,
    message,
    createQuestion(model.get("question") as Partial<Question>),
    headLine(state, until),
    body,
  );
  const target = targetOf(state);
  const bar = createInterventionBar({ model, root, requests, target, hint: HINT }, until);
  const of = headOf(target);
  const head = computed(() => (model.get("are_heads") ? of.value : undefined));
  const note = createHeadNote({ model, root, selection, requests, head }, until);
  root.append(withNote(bar, note));
  if (state.space.components.length) root.append(createAttributionSum(state, until));
  // Where the panel stands below, it needs room of its own.
  bindHeight(view, () => naturalHeight(state) + (narrow.value ? STACKED : 0) + (bar.hidden ? 0 : BAR));
  listenForKeys(root, keyActions(state, toolbar, status), until);
}

/** The open cell, else the head that is selected; nothing where neither is a head's output or the residual stream. */
const targetOf = (state: State) =>
  computed<Target | undefined>(() => {
    const { space, model } = state;
    const ofTokens = model.get("are_tokens");
    const place = state.open.value === undefined ? undefined : space.placeOf(state.open.value);
    const patches = !space.components.length;
    const patch = patches && model.get("prompts").length === 1;
    const position = place?.position;
    const at = position === undefined ? "" : ` at ${space.positionText(position)}`;
    if (place?.head !== undefined && space.over !== "head" && patches) return undefined;
    if (position !== undefined && !ofTokens) return undefined;
    if (place?.head !== undefined) {
      const name = `head ${place.layer}.${place.head}${at}`;
      return { site: "head", layer: place.layer!, index: place.head, position, name, patch };
    }
    if (place && space.over === "residual") {
      const name = `residual ${space.layerText(place.layer!)}${at}`;
      return { site: "residual", layer: place.layer!, position, name, patch };
    }
    const [layer, index] = model.get("are_heads") ? (state.heads.value.at(-1) ?? []) : [];
    return layer === undefined ? undefined : { site: "head", layer, index, name: `head ${layer}.${index}`, patch };
  });

/** As high as comfortable cells need, within what a notebook's cell should take. */
function naturalHeight(state: State): number {
  const rows = state.space.deep ? state.space.layers + 6 : state.grid.peek().rows.length;
  const question = isAsked(state.model.get("question")) ? QUESTION : 0;
  return Math.max(LEAST, Math.min(MOST, 240 + question + 24 * rows));
}

const chipsOf = (state: State) =>
  computed(() => [
    ...state.heads.value.map((head) => ({
      text: head.join("."),
      clear: () => state.setHeads(withoutHead(state.heads.peek(), head)),
    })),
    ...state.tokens.value.map((token) => ({
      text: state.space.positionText(token),
      clear: () => state.setTokens(state.tokens.peek().filter((one) => one !== token)),
    })),
  ]);

/** What the crossings of rows and columns are, where that is a choice. */
function noteOf(state: State): string {
  if (!state.space.deep) return "";
  const shows = state.shows.value;
  const { position } = state;
  if (shows === "heads")
    return position.value === undefined
      ? "Each head at the position of its largest effect"
      : `Each head at ${state.space.positionText(position.value)}`;
  if (shows === "positions") return "The strongest head of each layer at each position";
  return state.heads.value.length
    ? "Each selected head at each position"
    : "No head is selected: the strongest head of each layer at each position";
}

function headLine(state: State, until: AbortSignal): HTMLElement {
  const legend = createLegend(
    {
      name: state.quantity,
      scale: state.scale,
      initial: () => state.fitted(),
      largest: () => largest(state.effects.peek()),
      clipped: state.clipped,
      table: state.table,
      theme: state.theme,
      onCommit: () => state.commitScale(),
    },
    until,
  );
  return h(
    "div",
    { class: "pm-head" },
    h("span", { class: "pm-meaning" }, state.model.get("meaning")),
    createCellKey(state, until),
    legend,
  );
}

function leftPart(state: State, tooltip: Tooltip, until: AbortSignal): HTMLElement {
  const element = h("div", { class: "pm-left" });
  const { element: map, gutter } = createMap(
    state,
    {
      name: state.model.get("title"),
      grid: state.grid,
      window: state.window,
      sums: true,
      onPoint: (cell) => (state.hover.value = cell),
      onChoose: (cell, extend) => state.choose(cell, extend),
    },
    tooltip,
    until,
  );
  if (state.space.deep) element.append(switchOf(state, until), stripOf(state, gutter, tooltip, until));
  element.append(map);
  return element;
}

function switchOf(state: State, until: AbortSignal): HTMLElement {
  const note = h("span", { class: "sw-dim", role: "status" });
  const buttons = SHOWS.map((shows) =>
    h("button", { class: "sw-button", type: "button", role: "radio", onclick: () => state.setShows(shows) }, shows),
  );
  watch(until, () => {
    buttons.forEach((button, i) => button.setAttribute("aria-checked", String(SHOWS[i] === state.shows.value)));
    const choose =
      state.shows.value === "heads" && state.position.value === undefined
        ? "; click a position to see all heads there"
        : "";
    note.textContent = noteOf(state) + choose;
  });
  return h(
    "div",
    { class: "pm-switch" },
    h("span", { role: "radiogroup", "aria-label": "What the map shows" }, ...buttons),
    note,
  );
}

/** Above a map of heads: one head's effect at each position, or the strongest head's; a click chooses the position. */
function stripOf(state: State, gutter: ReadonlySignal<number>, tooltip: Tooltip, until: AbortSignal): HTMLElement {
  const grid = state.strip!;
  const { element, around } = createMap(
    state,
    {
      name: "Positions",
      grid,
      gutter,
      window: signal({ first: 0, span: grid.peek().columns.length }),
      sums: false,
      onPoint: () => {},
      onChoose: (cell, extend) => state.chooseToken(state.space.placeOf(cell).position!, extend),
    },
    tooltip,
    until,
  );
  watch(until, () => void (element.style.height = `${around.value + STRIP_CELL}px`));
  const strip = h("div", { class: "pm-strip" }, element);
  watch(until, () => void (strip.hidden = state.shows.value !== "heads"));
  return strip;
}

function keyActions(state: State, toolbar: Toolbar, status: StatusLine): Record<string, () => void> {
  const zoom = (factor: number): void => {
    const view = state.window.peek();
    state.window.value = zoomed(view, factor, view.first + view.span / 2, state.grid.peek().columns.length);
  };
  const next = (): void => {
    const at = SHOWS.indexOf(state.shows.peek() as Shows);
    if (state.space.deep) state.setShows(SHOWS[(at + 1) % SHOWS.length]!);
  };
  return {
    escape: () => toolbar.say(state.stepBack()),
    "+": () => zoom(1 / 1.5),
    "=": () => zoom(1 / 1.5),
    "-": () => zoom(1.5),
    "0": () => state.resetWindow(),
    m: next,
    r: () => status.toggle(),
  };
}
