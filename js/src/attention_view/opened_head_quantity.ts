/** What the opened head shows: attention, or attention times the size of what is written of the key. */

import { largestMagnitude } from "../core/attention/pattern";
import { createLegend } from "../core/drawing/legend";
import { h } from "../core/elements/dom";
import { computed, settable, watch } from "../core/reactive";
import type { Quantity } from "./patterns/patterns";
import type { State } from "./state";

/** How each is spoken of: of a query to its keys, of a key to its queries, above its numbers, in a CSV. */
export const WORDS: Record<Quantity, { name: string; to: string; by: string; number: string; column: string }> = {
  attention: {
    name: "attention",
    to: "attends to",
    by: "is attended by",
    number: "attention",
    column: "attention",
  },
  value_weighted: {
    name: "value-weighted",
    to: "gets from",
    by: "gives to",
    number: "size of what is written",
    column: "value_weighted_attention",
  },
};

/** Two buttons, one of them pressed; absent where there are no weights. */
export function quantitySwitch(state: State, until: AbortSignal): HTMLElement {
  const button = (quantity: Quantity, title: string): HTMLElement => {
    const made = h(
      "button",
      { class: "sw-button", type: "button", title, onclick: () => state.setQuantity(quantity) },
      WORDS[quantity].name,
    );
    watch(until, () => made.setAttribute("aria-pressed", String(state.patterns.quantity.value === quantity)));
    return made;
  };
  const element = h(
    "span",
    { class: "av-quantity", role: "group", "aria-label": "What the opened head shows" },
    button("attention", "Where the head looks"),
    button("value_weighted", "Attention times the size of what the head writes of the key (v)"),
  );
  watch(until, () => {
    element.hidden = !!state.noWeights.value;
  });
  return element;
}

/** The scale of value-weighted attention follows what is shown until it is dragged. */
export function weightedLegend(state: State, until: AbortSignal): HTMLElement {
  const scale = computed(() => state.weightedLimit.value ?? state.fittedWeighted());
  return createLegend(
    {
      name: WORDS.value_weighted.name,
      scale: settable(scale, (next) => void (state.weightedLimit.value = next)),
      initial: () => state.fittedWeighted(),
      largest: () => {
        const patterns = state.compared
          .peek()
          .flatMap((head) => state.sides.map((side) => state.patterns.get(head, side)));
        return Math.max(...patterns.map((pattern) => (pattern.peek() ? largestMagnitude(pattern.peek()!) : 0))) || 1;
      },
      clipped: computed(() => (state.weighted ? state.clippedOf(state.compared.value, state.sides) : 0)),
      table: computed(() => state.tableOf("a")),
      theme: state.theme,
      onCommit: () => {},
    },
    until,
  );
}
