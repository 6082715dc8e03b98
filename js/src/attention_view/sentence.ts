/** The prompt as tokens: under each, how much the token in question attends to it; above, how much it is attended by it. */

import { cssColour } from "../core/colour";
import { h } from "../core/elements/dom";
import type { Tooltip } from "../core/elements/tooltip";
import { exact } from "../core/format";
import { computed, draw, signal, watch } from "../core/reactive";
import { entryOf } from "../core/scale";
import { tokenSpan } from "../core/tokens";
import { isExact, read } from "./patterns/pattern";
import { PANEL_TITLES, type State } from "./state";

/** More spans than this are not put into the page at once. */
const MOST_SPANS = 1000;
const THICKEST = 5;

export function createSentence(state: State, tooltip: Tooltip, until: AbortSignal): HTMLElement {
  const id = `av${Math.random().toString(36).slice(2, 8)}`;
  const list = h("div", {
    class: "av-sentence",
    role: "listbox",
    "aria-multiselectable": "true",
    "aria-label": "Tokens of the prompt",
    tabindex: 0,
  });
  const pages = h("div", { class: "av-pages" });
  const element = h("div", { class: "av-bottom" }, list, pages);
  const first = signal(0);
  const panel = computed(() => state.hover.value?.panel ?? state.panel.value);
  // Only one set of tokens unless they differ, so that pointing at B does not rebuild the same sentence.
  const differ = state.tokensDiffer;
  const tokens = computed(() => (differ && panel.value !== "a" ? state.tokens.b : state.tokens.a));
  let spans: HTMLElement[] = [];

  watch(until, () => {
    const all = tokens.value;
    spans = all.slice(first.value, first.value + MOST_SPANS).map((token, i) => {
      const span = tokenSpan(token);
      span.classList.add("av-token");
      span.setAttribute("role", "option");
      span.id = `${id}-${first.value + i}`;
      span.dataset.at = String(first.value + i);
      return span;
    });
    const name = differ ? [h("span", { class: "sw-dim av-side" }, PANEL_TITLES[panel.value === "a" ? "a" : "b"])] : [];
    list.replaceChildren(...name, ...spans);
    pages.replaceChildren(...pageButtons(all.length, first.value, (to) => (first.value = to)));
    pages.hidden = all.length <= MOST_SPANS;
  });

  watch(until, () => {
    const last = state.selectedTokens.value.at(-1);
    if (last !== undefined) first.value = Math.floor(last / MOST_SPANS) * MOST_SPANS;
  });

  // A hover changes few tokens; only those are touched.
  let marked = new Map<HTMLElement, string>();
  draw(until, () => {
    void tokens.value;
    const head = state.shown.value;
    const pattern = head && state.patterns.get(head, panel.value).value;
    const hover = state.hover.value;
    const selected = state.selectedTokens.value;
    const query = hover?.query ?? selected.at(-1);
    const marks = new Map<HTMLElement, string>();
    if (pattern && query !== undefined && query < state.size) {
      const scale = state.scaleOf(panel.value);
      const table = state.tableOf(panel.value);
      const bar = (value: number): [number, string] => {
        const entry = entryOf(value, scale);
        const strength = entry < 0 ? 0 : scale.low < 0 ? Math.abs(entry - 127.5) / 127.5 : entry / 255;
        return [strength < 0.02 ? 0 : Math.ceil(strength * THICKEST), cssColour(table[Math.max(0, entry)]!)];
      };
      spans.forEach((span, i) => {
        const at = first.value + i;
        const [under, underColour] = at <= query ? bar(read(pattern, query, at).value) : [0, ""];
        const [over, overColour] = at >= query ? bar(read(pattern, at, query).value) : [0, ""];
        const shadows = [
          under && `inset 0 -${under}px ${underColour}`,
          over && `inset 0 ${over}px ${overColour}`,
        ].filter(Boolean);
        if (shadows.length) marks.set(span, shadows.join(","));
      });
    }
    for (const span of marked.keys()) if (!marks.has(span)) span.style.boxShadow = "";
    for (const [span, shadow] of marks) if (marked.get(span) !== shadow) span.style.boxShadow = shadow;
    marked = marks;
  });

  let before: Element[] = [];
  draw(until, () => {
    void tokens.value;
    const at = (token: number | undefined): HTMLElement | undefined =>
      token === undefined ? undefined : spans[token - first.value];
    for (const span of before) span.classList.remove("av-selected", "av-query"), span.removeAttribute("aria-selected");
    const chosen = state.selectedTokens.value.flatMap((token) => at(token) ?? []);
    for (const span of chosen) span.classList.add("av-selected"), span.setAttribute("aria-selected", "true");
    const query = at(state.hover.value?.query);
    query?.classList.add("av-query");
    before = [...chosen, ...(query ? [query] : [])];
  });

  const positionOf = (target: EventTarget | null): number | undefined => {
    const span = target instanceof Element ? target.closest<HTMLElement>("[data-at]") : null;
    return span ? Number(span.dataset.at) : undefined;
  };
  list.addEventListener("pointermove", (event) => {
    const at = positionOf(event.target);
    if (at === undefined) return leave();
    pointAt(at);
    tooltip.show(event.clientX, event.clientY, [
      tokenSpan(tokens.value[at]!),
      h("span", { class: "sw-dim" }, ` ${at}${selfAttention(state, at)}`),
    ]);
  });
  const leave = (): void => {
    state.hover.value = undefined;
    tooltip.hide();
  };
  list.addEventListener("pointerleave", leave);
  list.addEventListener("click", (event) => {
    const at = positionOf(event.target);
    if (at !== undefined) state.selectTokens([at], event.shiftKey);
  });
  const pointAt = (at: number): void => {
    state.hover.value = { query: at, panel: state.panel.peek() };
    const head = state.open.peek();
    if (head) state.patterns.wantRow(head, state.sides, at);
  };

  let cursor = 0;
  const walk = (to: number): void => {
    cursor = Math.max(0, Math.min(state.size - 1, to));
    first.value = Math.floor(cursor / MOST_SPANS) * MOST_SPANS;
    list.setAttribute("aria-activedescendant", `${id}-${cursor}`);
    pointAt(cursor);
    const span = spans[cursor - first.value];
    if (span)
      list.scrollTop = Math.max(
        span.offsetTop + span.offsetHeight - list.clientHeight,
        Math.min(list.scrollTop, span.offsetTop - list.offsetTop),
      );
  };
  list.addEventListener("keydown", (event) => {
    const to = {
      ArrowRight: cursor + 1,
      ArrowDown: cursor + 1,
      ArrowLeft: cursor - 1,
      ArrowUp: cursor - 1,
      Home: 0,
      End: state.size - 1,
    }[event.key];
    if (to !== undefined) walk(to);
    else if (event.key === "Enter" || event.key === " ") state.selectTokens([cursor], event.shiftKey);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  list.addEventListener(
    "focus",
    () => list.matches(":focus-visible") && walk(state.selectedTokens.peek().at(-1) ?? cursor),
  );
  list.addEventListener("blur", leave);
  return element;
}

function selfAttention(state: State, at: number): string {
  const head = state.shown.value;
  const pattern = head && state.patterns.get(head, state.panel.value).value;
  return pattern ? `, attends to itself ${isExact(pattern, at) ? "" : "≈ "}${exact(read(pattern, at, at).value)}` : "";
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
