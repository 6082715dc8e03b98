/** What the note beside the pointer says of a cell. */

import { h } from "../../core/elements/dom";
import { exact } from "../../core/format";
import { tokenSpan, tokenSpanAt } from "../../core/tokens";
import { colourName, exactValue, nats } from "../quantities";
import type { Cell, State } from "../state";

export function cellNote(state: State, { layer, position }: Cell): Node[] {
  const { lens } = state;
  const cell = lens.cell(layer, position);
  const [colour, token] = [state.colour.value, state.token.value];
  const next = lens.tokens[position + 1];
  const dim = (text: string): HTMLElement => h("span", { class: "sw-dim" }, text);
  const place = layer === lens.layers.length - 1 ? "output" : `layer ${lens.layerName(layer)}`;
  const best = h("div", { class: "ll-best" });
  for (const { text, probability: value } of lens.best(cell)) {
    const bar = h("i");
    bar.style.width = `${100 * value || 0}%`;
    best.append(tokenSpan(text), h("span", { class: "ll-number" }, exact(value)), h("span", { class: "ll-bar" }, bar));
  }
  const lines = [
    h("div", { class: "ll-place" }, `${place}, position ${position} `, tokenSpanAt(lens.tokens, position)),
    best,
  ];
  if (!lens.candidates.value) lines.push(h("div", {}, dim("The next best are loading …")));
  lines.push(
    h("div", {}, dim(`entropy ${nats(lens.entropy.value?.[cell])}, KL to the output ${nats(lens.kl.value?.[cell])}`)),
  );
  if (colour === "rank" || colour === "token_probability")
    lines.push(
      h("div", {}, dim(`${colourName(lens, colour, token)}: ${exactValue(state.values.value?.[cell], colour)}`)),
    );
  if (next !== undefined) lines.push(h("div", {}, dim("the prompt goes on with "), tokenSpan(next)));
  return lines;
}
