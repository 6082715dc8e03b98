/** The opened head, and those that are pinned beside it: name and legends above, matrices and exact values below. */

import { largestMagnitude } from "../core/attention/pattern";
import { className } from "../core/drawing/colour";
import { createLegend } from "../core/drawing/legend";
import { niceCeiling } from "../core/drawing/scale";
import { h } from "../core/elements/dom";
import type { Tooltip } from "../core/elements/tooltip";
import { counted, short, significant } from "../core/format";
import { computed, type ReadonlySignal, settable, signal, sizeOf, untracked, watch } from "../core/reactive";
import { type Head, headText, sameHead } from "../core/selection";
import { createDetails } from "./exact_values";
import { createMatrix } from "./matrix/matrix";
import { quantitySwitch, weightedLegend } from "./opened_head_quantity";
import { createTokens, tokensButton } from "./opened_head_tokens";
import { PANEL_TITLES, type PanelName, type State } from "./state";

const DETAILS_WIDTH = 232;
const TOKENS_WIDTH = 296;
/** So much more a matrix gets between the grid and two columns. */
const BETWEEN = 80;
const LEAST_MATRIX = 240;
const LEAST_PANEL = 170;
const ROOMY_PANEL = 250;
const STACKED_HEIGHT = 72;
const HEAD_LINE = 32;

export function createOpenedHead(state: State, tooltip: Tooltip, until: AbortSignal): HTMLElement {
  const hidden = signal(0);
  const matrices = h("div", { class: "av-matrices" });
  const panels = h("div", { class: "av-panels" });
  const element = h("div", { class: "av-right" }, headLine(state, hidden, until), panels);
  const size = sizeOf(element, until);
  const details = createDetails(state, until);
  const tokens = createTokens(state, until);
  panels.append(matrices, tokens, details);

  const count = state.panels.length;
  const layout = computed(() => {
    const [width, height] = size.value;
    const heads = state.compared.value.length;
    const alone = heads > 1 || (count > 1 && width < count * LEAST_PANEL);
    const room = Math.max(1, Math.floor(width / LEAST_PANEL));
    const across = heads > 1 ? Math.min(heads, room) : alone ? 1 : count;
    const matrix = across > 1 ? across * ROOMY_PANEL : LEAST_MATRIX;
    const fits = (more: number): boolean => width >= matrix + more && !state.narrow.value;
    const tokens = state.tokensShown.value;
    const besideTokens = tokens && fits(TOKENS_WIDTH);
    const beside = fits(DETAILS_WIDTH + (besideTokens ? TOKENS_WIDTH + BETWEEN : 0));
    const spare = height - HEAD_LINE - width / across;
    const details = state.detailsWanted.value ?? (beside || (!tokens && spare > STACKED_HEIGHT));
    return { details, stacked: (details && !beside) || (tokens && !besideTokens), alone, across };
  });
  /** The pinned heads that have room beside the shown one, the last ones first. */
  const beside = computed(() => {
    const others = state.compared.value.slice(0, -1);
    return others.slice(Math.max(0, others.length - (layout.value.across - 1)));
  });
  const own = state.panels.map((panel) => ({ panel, frame: ownMatrix(state, panel, beside, tooltip, until) }));
  const pinned = pinnedMatrices(state, beside, tooltip, until);
  watch(until, () => {
    const { alone, stacked, details: shown, across } = layout.value;
    state.alone.value = alone;
    state.detailsShown.value = shown;
    details.hidden = !shown;
    panels.classList.toggle("av-stacked", stacked);
    hidden.value = state.compared.value.length > 1 ? state.compared.value.length - across : 0;
    for (const { panel, frame } of own) frame.hidden = alone && panel !== state.panel.value;
    matrices.replaceChildren(...pinned.value, ...own.map(({ frame }) => frame));
  });
  watch(until, () => {
    element.hidden = !state.open.value;
  });
  return element;
}

/** The matrix of the head that is opened or pointed at. */
function ownMatrix(
  state: State,
  panel: PanelName,
  beside: ReadonlySignal<Head[]>,
  tooltip: Tooltip,
  until: AbortSignal,
): HTMLElement {
  const title = h("b");
  watch(until, () => {
    const head = state.compared.value.length > 1 && state.shown.value;
    const names = [...(head ? [head.join(".")] : []), ...(state.panels.length > 1 ? [panelTitle(state, panel)] : [])];
    title.textContent = names.join(", ");
    title.hidden = !names.length;
  });
  const labelled = computed(() => !beside.value.length && (panel === "a" || state.alone.value || state.tokensDiffer));
  return createMatrix(state, { panel, head: state.shown, labelled, title }, tooltip, until);
}

/** "B", "B: 5.0" where its head is of another name, "none in B" where there is none. */
const panelTitle = (state: State, panel: PanelName): string =>
  (state.shown.value && state.besideText(state.shown.value, panel)) || PANEL_TITLES[panel];

/** A matrix for each pinned head, made when it is pinned and kept while it is; each shows the prompt that the grid shows. */
function pinnedMatrices(
  state: State,
  beside: ReadonlySignal<Head[]>,
  tooltip: Tooltip,
  until: AbortSignal,
): ReadonlySignal<HTMLElement[]> {
  const made = new Map<string, { element: HTMLElement; end: AbortController }>();
  const frames = signal<HTMLElement[]>([]);
  until.addEventListener("abort", () => made.forEach(({ end }) => end.abort()));
  watch(until, () => {
    const panel = state.panel.value;
    const wanted = new Map(beside.value.map((head) => [`${head.join(".")} ${panel}`, head]));
    untracked(() => {
      for (const [key, { end }] of made) if (!wanted.has(key)) end.abort(), made.delete(key);
      for (const [key, head] of wanted) {
        if (made.has(key)) continue;
        const end = new AbortController();
        const first = computed(() => sameHead(beside.value[0], head) || state.tokensDiffer);
        const options = {
          panel,
          head: signal<Head | undefined>(head),
          labelled: first,
          title: pinnedTitle(state, head, panel),
        };
        made.set(key, { element: createMatrix(state, options, tooltip, end.signal), end });
      }
      frames.value = [...wanted.keys()].map((key) => made.get(key)!.element);
    });
  });
  return frames;
}

function pinnedTitle(state: State, head: Head, panel: PanelName): HTMLElement {
  const name = head.join(".");
  return h(
    "b",
    {},
    [name, state.besideText(head, panel)].filter(Boolean).join(", "),
    h(
      "button",
      { class: "sw-button", type: "button", "aria-label": `Unpin ${name}`, onclick: () => state.togglePin(head) },
      "×",
    ),
  );
}

function headLine(state: State, hidden: ReadonlySignal<number>, until: AbortSignal): HTMLElement {
  const name = h("span", { class: "av-name", role: "status", "aria-live": "polite" });
  const attention = legendOf(state, "a", until);
  const weighted = weightedLegend(state, until);
  const difference = state.panels.includes("difference") ? [legendOf(state, "difference", until)] : [];
  const legends = h("span", { class: "av-legends" });
  watch(until, () => legends.replaceChildren(state.weighted ? weighted : attention, ...difference));
  watch(until, () => {
    const head = state.shown.value;
    const letter = head && state.letters.value.get(head.join("."));
    const notes = [
      letter && className(letter),
      state.patterns.loading.value || (head && standing(state, head)),
      hidden.value > 0 && `${counted(hidden.value, "pinned head")} without room`,
    ];
    const said = notes.filter(Boolean).map((note) => `, ${note}`);
    name.replaceChildren(head ? headText(head) : "", h("span", {}, said.join("")));
  });
  return h(
    "div",
    { class: "av-head" },
    h("span", { class: "av-named" }, name, pinButton(state, until), closeButton(state)),
    quantitySwitch(state, until),
    tokensButton(state, until),
    legends,
  );
}

/** Whether it is only pointed at; where nobody chose it, why it is this one; else what the picture would not tell. */
function standing(state: State, head: Head): string {
  if (!sameHead(head, state.open.value)) return "click to open";
  const { statistic } = state.first.value ?? {};
  if (state.isSelected(head) || statistic === undefined) return smallness(state, head);
  const value = state.statistics.value?.of(statistic, head) ?? NaN;
  const size = Number.isNaN(value) ? "" : ` (${significant(value)})`;
  return `shown first: the largest ${statistic.replaceAll("_", " ")}${size}`;
}

function pinButton(state: State, until: AbortSignal): HTMLElement {
  const button = h("button", {
    class: "sw-button",
    type: "button",
    onclick: () => state.shown.peek() && state.togglePin(state.shown.peek()!),
  });
  watch(until, () => {
    const head = state.shown.value;
    const pinned = !!head && state.isPinned(head);
    button.textContent = pinned ? "unpin" : "pin";
    button.setAttribute("aria-pressed", String(pinned));
    button.title = pinned
      ? "No longer keep this head beside others"
      : "Keep this head beside the next one that is opened";
  });
  return button;
}

const closeButton = (state: State): HTMLElement =>
  h(
    "button",
    {
      class: "sw-button",
      type: "button",
      "aria-label": "Close the head",
      title: "Close the head: the grid takes the whole width",
      onclick: () => state.close(),
    },
    "×",
  );

/** What the picture alone would not tell: that it is dark because all is small, or that it is drawn in steps. */
function smallness(state: State, head: Head): string {
  const pattern = state.patterns.get(head, "a").value;
  if (!pattern) return "";
  const [largest, { high }] = [largestMagnitude(pattern), state.scale.value];
  const small =
    !state.weighted && largest < high / 5 && state.scale.value.kind === "linear"
      ? `all below ${short(niceCeiling(largest))}`
      : "";
  return [small, pattern.exact ? "" : `drawn in steps of ${short(pattern.step)}`].filter(Boolean).join(", ");
}

function legendOf(state: State, panel: PanelName, until: AbortSignal): HTMLElement {
  const signed = panel === "difference";
  const limit = computed(() => state.scaleOf(panel));
  // A signed scale follows what is shown until it is dragged.
  const scale = signed ? settable(limit, (next) => void (state.signedLimit.value = next)) : state.scale;
  const shownPatterns = () =>
    (signed ? (["difference"] as const) : state.sides).flatMap((side) =>
      state.compared.peek().map((head) => state.patterns.get(head, side).peek()),
    );
  return createLegend(
    {
      name: signed ? "B − A" : "attention",
      scale: scale as typeof state.scale,
      initial: () => (signed ? state.fittedSigned() : { kind: "linear", low: 0, high: 1, threshold: 0 }),
      largest: () => Math.max(...shownPatterns().map((pattern) => (pattern ? largestMagnitude(pattern) : 1))),
      clipped: computed(() => state.clippedOf(state.compared.value, signed ? ["difference"] : state.sides)),
      table: computed(() => state.tableOf(panel)),
      theme: state.theme,
      onCommit: () => state.commitScale(),
    },
    until,
  );
}
