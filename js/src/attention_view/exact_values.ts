/** Exact values as tables: what a token attends to, and what attends to it. */

import { type Ranked, topKeys, topQueries } from "../core/attention/pattern";
import { cssColour } from "../core/drawing/colour";
import { entryOf } from "../core/drawing/scale";
import { h } from "../core/elements/dom";
import { draw } from "../core/reactive";
import { tokenSpanAt } from "../core/tokens";
import { WORDS } from "./opened_head_quantity";
import { PANEL_TITLES, type State } from "./state";

const KEYS = 10;
const QUERIES = 6;

export function createDetails(state: State, until: AbortSignal): HTMLElement {
  const element = h("div", { class: "av-details", role: "region", "aria-label": "Exact values", tabindex: 0 });
  draw(until, () => {
    const panel = state.hover.value?.panel ?? state.panel.value;
    const head = state.spoken.value;
    const pattern = head && state.patterns.get(head, panel).value;
    const tokens = state.tokensOf(panel);
    const query = state.queryIn(panel);
    if (!pattern || query === undefined || query >= tokens.length) {
      element.replaceChildren();
      return;
    }
    const of = [
      ...(state.compared.value.length > 1 ? [head.join(".")] : []),
      ...(state.panels.length > 1 ? [PANEL_TITLES[panel]] : []),
    ];
    const side = of.length ? `${of.join(", ")}: ` : "";
    const title = (text: string): HTMLElement =>
      h("caption", {}, side, tokenSpanAt(tokens, query), h("span", { class: "sw-dim" }, ` ${query}`), ` ${text}`);
    const keys = topKeys(pattern, query, KEYS);
    const queries = topQueries(pattern, query, QUERIES);
    element.replaceChildren(
      table(state, title(WORDS[state.patterns.quantity.value].to), keys, tokens, query + 1 - keys.length),
      table(
        state,
        title(WORDS[state.patterns.quantity.value].by),
        queries,
        tokens,
        tokens.length - query - queries.length,
      ),
    );
  });
  return element;
}

function table(state: State, caption: HTMLElement, rows: Ranked[], tokens: string[], others: number): HTMLElement {
  const panel = state.hover.value?.panel ?? state.panel.value;
  const scale = state.openedScaleOf(panel);
  const colours = state.tableOf(panel);
  const largest = Math.max(1e-12, ...rows.map(({ value }) => Math.abs(value) || 0));
  const body = h("tbody");
  for (const { position, value, exact } of rows) {
    const bar = h("i");
    bar.style.width = `${(Math.abs(value) / largest) * 100 || 0}%`;
    bar.style.background = cssColour(colours[Math.max(0, entryOf(value, scale))]!);
    body.append(
      h(
        "tr",
        {},
        h("td", { class: "sw-dim" }, String(position)),
        h("td", { class: "av-word" }, tokenSpanAt(tokens, position)),
        h("td", { class: "av-number" }, state.valueText(panel, { value, exact })),
        h("td", { class: "av-bar", "aria-hidden": "true" }, bar),
      ),
    );
  }
  if (others > 0)
    body.append(
      h("tr", {}, h("td"), h("td", { class: "sw-dim", colspan: 3 }, `and ${others.toLocaleString("en")} more`)),
    );
  const head = h(
    "tr",
    {},
    ...["position", "token", WORDS[state.patterns.quantity.value].number].map((name) =>
      h("th", { scope: "col" }, name),
    ),
    h("td"),
  );
  return h("table", {}, caption, h("colgroup", {}, h("col"), h("col"), h("col"), h("col")), h("thead", {}, head), body);
}
