/** What fires on a typed text: its tokens, and a line of them for each latent, the strongest first. */
import { h } from "../core/elements/dom";
import { counted, steady } from "../core/format";
import type { Selection } from "../core/selection";
import { plain } from "../core/tokens";
import { createLine, tokenElement } from "./example_line";
import type { Fires } from "./firing_latents";
import type { State } from "./state";

/** Spans of tokens in the page, lines of latents, and tokens of the text itself. */
const [SPANS, LINES, TOKENS] = [700, 40, 240];

export function textElements(state: State, fires: Fires, selection: Selection): HTMLElement[] {
  const chosen = state.chosen;
  const { latents, values } = fires.ranked(chosen);
  const here = Array.from(latents.keys()).filter((at) => state.columns.rowOf(latents[at]!) !== undefined);
  const most = Math.max(8, Math.min(LINES, Math.floor(SPANS / Math.min(25, Math.max(1, fires.tokens.length)))));
  const said = chosen === undefined ? "on the text" : `on ${plain(fires.tokens[chosen]!, 24)}`;
  const lines = here.slice(0, most).map((at) => latentLine(state, fires, latents[at]!, values[at]!, chosen));
  return [
    textOf(state, fires, selection),
    h(
      "h4",
      {},
      `${counted(here.length, "latent")} fire${here.length === 1 ? "s" : ""} ${said}`,
      h(
        "span",
        { class: "sw-dim", title: "Colours go from 0 to the largest activation of each latent." },
        ", strongest first",
      ),
    ),
    h("div", { class: "fb-fires" }, ...lines),
    ...(here.length > most ? [h("p", { class: "sw-dim" }, `The list has all ${counted(here.length, "latent")}.`)] : []),
  ];
}

/** The tokens; a click ranks latents by what they do on one, in linked views too. */
function textOf(state: State, fires: Fires, selection: Selection): HTMLElement {
  const colouring = { table: state.table.peek(), high: 1 };
  const buttons = fires.tokens.slice(0, TOKENS).map((token, at) => {
    const is = at === state.chosen;
    const button = h("button", {
      class: "fb-choice",
      type: "button",
      "aria-pressed": String(is),
      title: `position ${at}`,
    });
    button.append(tokenElement(token, 0, colouring));
    button.addEventListener("click", () => selection.setTokens(is ? [] : [at]));
    return button;
  });
  const left = fires.tokens.length - TOKENS;
  return h(
    "div",
    { class: "fb-text", role: "group", "aria-label": "Tokens of the text" },
    ...buttons,
    ...(left > 0 ? [h("span", { class: "sw-dim" }, `… and ${counted(left, "more token")}`)] : []),
  );
}

function latentLine(
  state: State,
  fires: Fires,
  latent: number,
  value: number,
  chosen: number | undefined,
): HTMLElement {
  const values = fires.line(latent);
  const at = chosen ?? values.reduce((best, one, place) => (one > values[best]! ? place : best), 0);
  const high = state.columns.max[state.columns.rowOf(latent)!]!;
  const words = state.words(latent);
  const name = words && (words.label || words.tokens);
  const line = { tokens: fires.tokens, values, at, where: (place: number) => `position ${place}, latent ${latent}` };
  return h(
    "div",
    { class: "fb-firing" },
    h(
      "button",
      { class: "sw-link fb-name", type: "button", title: name ?? "", onclick: () => state.open(latent) },
      h("b", {}, String(latent)),
      h("span", { class: "sw-dim" }, ` ${name ?? "…"}`),
    ),
    h("span", { class: "fb-value" }, steady(value)),
    createLine(line, { table: state.table.peek(), high: Math.max(high, value) }),
  );
}
