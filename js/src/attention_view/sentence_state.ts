/** The sentence's tokens, and which of them are in the page: what its marks share with it. */

import { h } from "../core/elements/dom";
import { computed, type ReadonlySignal, type Signal, signal } from "../core/reactive";
import { tokenInText } from "../core/tokens";
import type { PanelName, State } from "./state";

/** More spans than this are not put into the page at once. */
export const MOST_SPANS = 1000;

/** What it shows. */
export interface Sentence {
  state: State;
  list: HTMLElement;
  /** What ids of its tokens begin with. */
  id: string;
  panel: ReadonlySignal<PanelName>;
  tokens: ReadonlySignal<string[]>;
  /** The first token in the page. */
  first: Signal<number>;
  /** The tokens in the page. */
  spans: ReadonlySignal<HTMLElement[]>;
}

export function sentenceOf(state: State): Sentence {
  const list = h("div", {
    class: "av-sentence",
    role: "listbox",
    "aria-multiselectable": "true",
    "aria-label": "Tokens of the prompt",
    tabindex: 0,
  });
  const id = `av${Math.random().toString(36).slice(2, 8)}`;
  const first = signal(0);
  const panel = computed(() => state.hover.value?.panel ?? state.panel.value);
  // Only one set of tokens unless they differ, so that pointing at B does not rebuild the same sentence.
  const differ = state.tokensDiffer;
  const tokens = computed(() => (differ && panel.value !== "a" ? state.tokens.b : state.tokens.a));
  const spans = computed(() =>
    tokens.value.slice(first.value, first.value + MOST_SPANS).map((_, i) => spanOf(tokens.value, first.value + i, id)),
  );
  return { state, list, id, panel, tokens, first, spans };
}

function spanOf(tokens: readonly string[], at: number, id: string): HTMLElement {
  const span = tokenInText(tokens, at);
  span.classList.add("av-token");
  span.setAttribute("role", "option");
  span.id = `${id}-${at}`;
  span.dataset.at = String(at);
  return span;
}
