/** The prompt as tokens: under each, how much the token in question attends to it; above, how much it is attended by it. */

import { isExact, read } from "../core/attention/pattern";
import { h } from "../core/elements/dom";
import type { Tooltip } from "../core/elements/tooltip";
import { exact } from "../core/format";
import { watch } from "../core/reactive";
import { tokenSpanAt } from "../core/tokens";
import { WORDS } from "./opened_head_quantity";
import type { Side } from "./patterns/patterns";
import { drawAttention, drawChosen } from "./sentence_marks";
import { MOST_SPANS, type Sentence, sentenceOf } from "./sentence_state";
import { PANEL_TITLES, type PanelName, type State } from "./state";

/** The prompt of a side, or of the panel that is pointed at or shown. */
export function createSentence(
  state: State,
  side: Side | undefined,
  tooltip: Tooltip,
  until: AbortSignal,
): HTMLElement {
  const sentence = sentenceOf(state, side);
  const { list, panel, tokens, first, spans } = sentence;
  const pages = h("div", { class: "av-pages" });
  watch(until, () => {
    const name = state.tokensDiffer
      ? [h("span", { class: "sw-dim av-side" }, PANEL_TITLES[panel.value === "a" ? "a" : "b"])]
      : [];
    const { length } = tokens.value;
    list.replaceChildren(...name, ...spans.value);
    pages.replaceChildren(...pageButtons(length, first.value, (to) => (first.value = to)));
    pages.hidden = length <= MOST_SPANS;
  });
  watch(until, () => {
    const last = state.selectedIn(panel.value).at(-1);
    if (last !== undefined) first.value = pageOf(last);
  });
  drawAttention(sentence, until);
  drawChosen(sentence, until);
  listenToPointer(sentence, tooltip);
  listenToKeys(sentence, tooltip);
  return h("div", {}, list, pages);
}

/** The first token of the page that a token is in. */
const pageOf = (token: number): number => Math.floor(token / MOST_SPANS) * MOST_SPANS;

function listenToPointer({ state, list, tokens, panel }: Sentence, tooltip: Tooltip): void {
  const positionOf = (target: EventTarget | null): number | undefined => {
    const span = target instanceof Element ? target.closest<HTMLElement>("[data-at]") : null;
    return span ? Number(span.dataset.at) : undefined;
  };
  list.addEventListener("pointermove", (event) => {
    const at = positionOf(event.target);
    if (at === undefined) return leave(state, tooltip);
    pointAt(state, at, panelOf(state, panel.peek()));
    tooltip.show(event.clientX, event.clientY, [
      tokenSpanAt(tokens.value, at),
      h("span", { class: "sw-dim" }, ` ${at}${selfAttention(state, at, panel.peek())}`),
    ]);
  });
  list.addEventListener("pointerleave", () => leave(state, tooltip));
  list.addEventListener("click", (event) => {
    const at = positionOf(event.target);
    if (at !== undefined) state.selectTokens([at], event.shiftKey, panel.peek());
  });
}

function listenToKeys(sentence: Sentence, tooltip: Tooltip): void {
  const { state, list, panel } = sentence;
  let cursor = 0;
  const walk = (to: number): void => {
    cursor = Math.max(0, Math.min(state.sizeOf(panel.peek()) - 1, to));
    standOn(sentence, cursor);
  };
  list.addEventListener("keydown", (event) => {
    const to = {
      ArrowRight: cursor + 1,
      ArrowDown: cursor + 1,
      ArrowLeft: cursor - 1,
      ArrowUp: cursor - 1,
      Home: 0,
      End: state.sizeOf(panel.peek()) - 1,
    }[event.key];
    if (to !== undefined) walk(to);
    else if (event.key === "Enter" || event.key === " ") state.selectTokens([cursor], event.shiftKey, panel.peek());
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  list.addEventListener(
    "focus",
    () => list.matches(":focus-visible") && walk(state.selectedIn(panel.peek()).at(-1) ?? cursor),
  );
  list.addEventListener("blur", () => leave(state, tooltip));
}

/** Show the page of a token, point at it, and scroll it into sight. */
function standOn({ state, list, id, first, spans, panel }: Sentence, token: number): void {
  first.value = pageOf(token);
  list.setAttribute("aria-activedescendant", `${id}-${token}`);
  pointAt(state, token, panelOf(state, panel.peek()));
  const span = spans.peek()[token - first.peek()];
  if (span)
    list.scrollTop = Math.max(
      span.offsetTop + span.offsetHeight - list.clientHeight,
      Math.min(list.scrollTop, span.offsetTop - list.offsetTop),
    );
}

/** Which panel a token of a sentence is pointed at in: B - A is over the tokens of A. */
const panelOf = (state: State, panel: PanelName): PanelName =>
  state.aligned && !(panel === "a" && state.panel.peek() === "difference") ? panel : state.panel.peek();

function pointAt(state: State, token: number, panel: PanelName): void {
  state.hover.value = { query: token, panel };
  const head = state.open.peek();
  if (head) state.wantRow(head, panel, token);
}

function leave(state: State, tooltip: Tooltip): void {
  state.hover.value = undefined;
  tooltip.hide();
}

function selfAttention(state: State, at: number, panel: PanelName): string {
  const head = state.spoken.value;
  const pattern = head && state.patterns.get(head, panel).value;
  return pattern
    ? `, ${WORDS[state.patterns.quantity.value].to} itself ${isExact(pattern, at) ? "" : "≈ "}${exact(read(pattern, at, at).value)}`
    : "";
}

function pageButtons(size: number, first: number, go: (first: number) => void): (Node | string)[] {
  if (size <= MOST_SPANS) return [];
  const button = (label: string, to: number): HTMLElement =>
    h("button", { class: "sw-button", type: "button", disabled: to < 0 || to >= size, onclick: () => go(to) }, label);
  const last = Math.min(size, first + MOST_SPANS) - 1;
  return [
    button("previous", first - MOST_SPANS),
    `Tokens ${first.toLocaleString("en")} to ${last.toLocaleString("en")} of ${size.toLocaleString("en")}`,
    button("next", first + MOST_SPANS),
  ];
}
