/** What a lens view writes: Python lines that make it again, and its values as CSV. */

import { csvLine } from "../core/export/files";
import { selectedTokens, viewCode } from "../core/export/python_code";
import type { State } from "./state";

/** `LogitLensView(result, selected_tokens=[9])` for the present state; what is at its default is left out. */
export function pythonCode(state: State): string {
  const { model, lens } = state;
  const [low, high] = model.get("limits") ?? [];
  const [colour, token] = [state.colour.peek(), state.token.peek()];
  const args = [
    "result",
    selectedTokens(state.selectedTokens.peek()),
    colour !== "probability" && `colour="${colour}"`,
    token !== null && token !== lens.watched[0] && `token=${token}`,
    model.get("scale") !== "linear" && `scale="${model.get("scale")}"`,
    low !== undefined && `limits=(${low}, ${high})`,
    model.get("threshold") && `threshold=${model.get("threshold")}`,
    state.chart.peek() !== "rank" && `chart="${state.chart.peek()}"`,
  ];
  return viewCode(model.get("made_by"), "LogitLensView", args);
}

/** One line a cell, with the columns of the lens' own `to_dataframe()` and then the next best tokens. */
export function csv(state: State): string {
  const { lens } = state;
  const [entropy, kl, candidates] = [lens.entropy.peek(), lens.kl.peek(), lens.candidates.peek()];
  const watched = lens.watched.map((id) => ({ text: quoted(lens.text(id)), values: lens.ofWatched.get(id)!.peek() }));
  if (!entropy || !kl || !candidates || watched.some(({ values }) => !values))
    throw new Error("The values are still loading.");
  const next = Array.from({ length: candidates.k - 1 }, (_, i) => i + 2);
  const lines = [
    csvLine([
      ..."layer position token top_id top_token probability entropy kl".split(" "),
      ...watched.flatMap(({ text }) => [`rank of ${text}`, `probability of ${text}`]),
      ...next.flatMap((i) => [`token_${i}`, `probability_${i}`]),
    ]),
  ];
  lens.layers.forEach((name, layer) =>
    lens.tokens.forEach((token, position) => {
      const cell = lens.cell(layer, position);
      const [top, ...others] = lens.best(cell);
      lines.push(
        csvLine([
          name,
          position,
          token,
          top!.id,
          top!.text,
          top!.probability,
          entropy[cell]!,
          kl[cell]!,
          ...watched.flatMap(({ values }) => [values!.ranks[cell]!, values!.probabilities[cell]!]),
          ...others.flatMap(({ text, probability }) => [text, probability]),
        ]),
      );
    }),
  );
  return lines.join("");
}

/** As Python's repr() writes a text. */
function quoted(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  return (
    mark +
    text
      .replaceAll("\\", "\\\\")
      .replaceAll("\n", "\\n")
      .replaceAll("\t", "\\t")
      .replaceAll("\r", "\\r")
      .replaceAll(mark, `\\${mark}`) +
    mark
  );
}
