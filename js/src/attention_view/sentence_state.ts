/** The sentence's tokens, and which of them are in the page: what its marks share with it. */

import { h } from "../core/elements/dom";
import { computed, type ReadonlySignal, type Signal, signal } from "../core/reactive";
import { tokenInText } from "../core/tokens";
import type { Side } from "./patterns/patterns";
import { PANEL_TITLES, type PanelName, type State } from "./state";

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

/** That of a side, or of the panel that is pointed at or shown. */
export function sentenceOf(state: State, side?: Side): Sentence {
  const list = h("div", {
    class: "av-sentence",
    role: "listbox",
    "aria-multiselectable": "true",
    "aria-label": side ? `Tokens of ${PANEL_TITLES[side]}` : "Tokens of the prompt",
    tabindex: 0,
  });
  const id = `av${Math.random().toString(36).slice(2, 8)}`;
  const first = signal(0);
  const panel = computed(() => side ?? state.hover.value?.panel ?? state.panel.value);
  // Only one set of tokens unless they differ, so that pointing at B does not rebuild the same sentence.
  const differ = state.tokensDiffer;
  const tokens = computed(() => (differ ? state.tokensOf(panel.value) : state.tokens.a));
  const spans = computed(() =>
    tokens.value.slice(first.value, first.value + MOST_SPANS).map((_, i) => {
      const span = spanOf(tokens.value, first.value + i, id);
      const alone = side && state.beside.position(first.value + i, side, side === "a" ? "b" : "a") === undefined;
      if (alone) span.classList.add("av-alone"), (span.title = "No partner");
      return span;
    }),
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
