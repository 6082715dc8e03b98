/** What an attention view writes: Python lines that make it again, and its values as CSV. */

import { csvLine } from "../core/export/files";
import { python, selectedHeads, selectedTokens, viewCode } from "../core/export/python_code";
import type { Head } from "../core/selection";
import { forVisible } from "./matrix/matrix_drawing";
import { WORDS } from "./opened_head_quantity";
import { read } from "./patterns/pattern";
import { headText, PANEL_TITLES, type State, same } from "./state";

const MOST_LINES = 2_000_000;

/** `AttentionView(trace, selected_heads=[(5, 1)])` for the present state; what is at its default is left out. */
export function pythonCode(state: State): string {
  const { kind, low, high, threshold } = state.scale.peek();
  const args = [
    "trace",
    state.panels.length > 1 && "versus",
    labels(state.letters.peek()),
    ...(state.model.get("arguments") as string[]),
    selectedHeads(state.heads.peek()),
    selectedTokens(state.selectedTokens.peek()),
    kind !== "linear" && `scale="${kind}"`,
    (low !== 0 || high !== 1) && `limits=(${low}, ${high})`,
    state.model.get("quantity") === "value_weighted" && 'quantity="value_weighted"',
    state.model.get("head_tokens") && "head_tokens=True",
    threshold && `threshold=${threshold}`,
    state.sort.peek() && `sort=${python(state.sort.peek())}`,
    state.filter.peek() && `filter=${python(state.filter.peek())}`,
    pinned(state.pinned.peek()),
  ];
  return viewCode(state.model.get("made_by"), "AttentionView", args, state.model.get("head_notes"));
}

const pinned = (heads: readonly Head[]): string =>
  heads.length ? `pinned_heads=[${heads.map((head) => `(${head.join(", ")})`).join(", ")}]` : "";

/** `labels={(5, 1): "N"}`, "" for none. */
const labels = (letters: ReadonlyMap<string, string>): string => {
  const items = [...letters].map(([head, letter]) => `(${head.replace(".", ", ")}): ${python(letter)}`);
  return items.length ? `labels={${items.join(", ")}}` : "";
};

/**
 * Exact values of the open head and the pinned ones, one line a cell, within what the zoom shows. Fetches the rows that
 * are only known in steps.
 */
export async function csv(state: State): Promise<string> {
  const open = state.open.peek();
  const heads = [...(open ? [open] : []), ...state.pinned.peek().filter((head) => !same(head, open))];
  if (!heads.length) throw new Error("Open a head first: its values are what is saved.");
  const { query, span } = state.window.peek();
  const [first, last] = [Math.floor(query), Math.min(state.size, Math.ceil(query + span))];
  let lines = 0;
  forVisible(state.window.peek(), state.size, () => (lines += heads.length));
  if (lines > MOST_LINES)
    throw new Error(
      `These are ${lines.toLocaleString("en")} cells. Zoom in to save at most ${MOST_LINES.toLocaleString("en")}.`,
    );
  for (const head of heads)
    for (let from = first; from < last; from += 256)
      await state.patterns.loadRows(head, state.sides, from, Math.min(last, from + 256));
  const values = state.panels.map((panel) =>
    state.panels.length > 1
      ? PANEL_TITLES[panel].replace(" − ", "_minus_").toLowerCase()
      : WORDS[state.patterns.quantity.peek()].column,
  );
  const tokens =
    state.panels.length > 1
      ? ["query_token_a", "key_token_a", "query_token_b", "key_token_b"]
      : ["query_token", "key_token"];
  const out = [csvLine(["layer", "head", "query", "key", ...tokens, ...values])];
  for (const head of heads) {
    const patterns = state.panels.map((panel) => state.patterns.get(head, panel).peek());
    if (patterns.some((pattern) => !pattern)) throw new Error(`${headText(head)} is still loading.`);
    forVisible(state.window.peek(), state.size, (q, k) => {
      const words = state.sides.flatMap((side) => [state.tokens[side][q]!, state.tokens[side][k]!]);
      out.push(csvLine([...head, q, k, ...words, ...patterns.map((pattern) => read(pattern!, q, k).value)]));
    });
  }
  return out.join("");
}
