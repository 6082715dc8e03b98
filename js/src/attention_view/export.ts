/** What an attention view writes: Python lines that make it again, and its values as CSV. */

import { csvLine } from "../core/export/files";
import { python, selectedHeads, selectedTokens, viewCode } from "../core/export/python_code";
import { forVisible } from "./matrix/matrix_drawing";
import { read } from "./patterns/pattern";
import { PANEL_TITLES, type State } from "./state";

const MOST_LINES = 2_000_000;

/** `AttentionView(trace, selected_heads=[(5, 1)])` for the present state; what is at its default is left out. */
export function pythonCode(state: State): string {
  const { kind, low, high, threshold } = state.scale.peek();
  const args = [
    "trace",
    state.panels.length > 1 && "versus",
    labels(state.letters.peek()),
    selectedHeads(state.heads.peek()),
    selectedTokens(state.selectedTokens.peek()),
    kind !== "linear" && `scale="${kind}"`,
    (low !== 0 || high !== 1) && `limits=(${low}, ${high})`,
    threshold && `threshold=${threshold}`,
  ];
  return viewCode(state.model.get("made_by"), "AttentionView", args);
}

/** `labels={(5, 1): "N"}`, "" for none. */
const labels = (letters: ReadonlyMap<string, string>): string => {
  const items = [...letters].map(([head, letter]) => `(${head.replace(".", ", ")}): ${python(letter)}`);
  return items.length ? `labels={${items.join(", ")}}` : "";
};

/**
 * Exact values of the open head, one line a cell, within what the zoom shows. Fetches the rows that are only known in
 * steps.
 */
export async function csv(state: State): Promise<string> {
  const head = state.open.peek();
  if (!head) throw new Error("Open a head first: its values are what is saved.");
  const { query, span } = state.window.peek();
  const [first, last] = [Math.floor(query), Math.min(state.size, Math.ceil(query + span))];
  let lines = 0;
  forVisible(state.window.peek(), state.size, () => lines++);
  if (lines > MOST_LINES)
    throw new Error(
      `These are ${lines.toLocaleString("en")} cells. Zoom in to save at most ${MOST_LINES.toLocaleString("en")}.`,
    );
  for (let from = first; from < last; from += 256)
    await state.patterns.loadRows(head, state.sides, from, Math.min(last, from + 256));
  const patterns = state.panels.map((panel) => state.patterns.get(head, panel).peek());
  if (patterns.some((pattern) => !pattern)) throw new Error("The head is still loading.");
  const values = state.panels.map((panel) =>
    state.panels.length > 1 ? PANEL_TITLES[panel].replace(" − ", "_minus_").toLowerCase() : "attention",
  );
  const tokens =
    state.panels.length > 1
      ? ["query_token_a", "key_token_a", "query_token_b", "key_token_b"]
      : ["query_token", "key_token"];
  const out = [csvLine(["layer", "head", "query", "key", ...tokens, ...values])];
  forVisible(state.window.peek(), state.size, (q, k) => {
    const words = state.sides.flatMap((side) => [state.tokens[side][q]!, state.tokens[side][k]!]);
    out.push(csvLine([...head, q, k, ...words, ...patterns.map((pattern) => read(pattern!, q, k).value)]));
  });
  return out.join("");
}
