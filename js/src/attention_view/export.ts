/** What an attention view writes: Python lines that make it again, and its values as CSV. */

import { forVisible } from "../core/attention/matrix_frame";
import { read } from "../core/attention/pattern";
import { csvLine } from "../core/export/files";
import { python, selectedHeads, selectedTokens, viewCode } from "../core/export/python_code";
import { type Head, headText, sameHead } from "../core/selection";
import { WORDS } from "./opened_head_quantity";
import type { Side } from "./patterns/patterns";
import { PANEL_TITLES, type State } from "./state";

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

/** A cell of one prompt or of both: its query and key in each; -1 where there is none. */
type Cell = Record<Side, readonly [query: number, key: number]>;
const NONE = [-1, -1] as const;

/** The cells that the zoom shows: those of A with their partners in B, and then those of B without one. */
function cellsOf(state: State): Cell[] {
  const cells: Cell[] = [];
  const partner = (from: Side, to: Side, cell: Cell[Side]): Cell[Side] => {
    const [query, key] = cell.map((at) => state.beside.position(at, from, to) ?? -1) as [number, number];
    return query < 0 || key < 0 || key > query ? NONE : [query, key];
  };
  const visit = (side: Side, add: (cell: Cell[Side]) => void): void =>
    forVisible(state.windowOf(side).peek(), state.sizeOf(side), (query, key) => add([query, key]));
  visit("a", (a) => cells.push({ a, b: partner("a", "b", a) }));
  if (state.aligned) visit("b", (b) => partner("b", "a", b) === NONE && cells.push({ a: NONE, b }));
  return cells;
}

/**
 * Exact values of the open head and the pinned ones, one line a cell, within what the zoom shows. Fetches the rows that
 * are only known in steps.
 */
export async function csv(state: State): Promise<string> {
  const open = state.open.peek();
  const heads = [...(open ? [open] : []), ...state.pinned.peek().filter((head) => !sameHead(head, open))];
  if (!heads.length) throw new Error("Open a head first: its values are what is saved.");
  let lines = 0;
  for (const side of state.aligned ? (["a", "b"] as const) : (["a"] as const))
    forVisible(state.windowOf(side).peek(), state.sizeOf(side), () => (lines += heads.length));
  if (lines > MOST_LINES)
    throw new Error(
      `These are ${lines.toLocaleString("en")} cells. Zoom in to save at most ${MOST_LINES.toLocaleString("en")}.`,
    );
  const cells = cellsOf(state);
  for (const head of heads)
    for (const side of state.sidesOf(head)) {
      const queries = cells.map((cell) => cell[side][0]).filter((query) => query >= 0);
      const [first, last] = queries.reduce(([low, high], at) => [Math.min(low, at), Math.max(high, at + 1)], [
        Infinity,
        0,
      ] as [number, number]);
      for (let from = first; from < last; from += 256)
        await state.patterns.loadRows(head, [side], from, Math.min(last, from + 256));
    }
  const values = state.panels.map((panel) =>
    state.panels.length > 1
      ? PANEL_TITLES[panel].replace(" − ", "_minus_").toLowerCase()
      : WORDS[state.patterns.quantity.peek()].column,
  );
  const several = state.panels.length > 1;
  // where all is of one number and one name, it is said once
  const named = several && (state.aligned || state.panels.length < 3);
  const places = named ? ["query_a", "key_a", "query_b", "key_b"] : ["query", "key"];
  const tokens = several
    ? ["query_token_a", "key_token_a", "query_token_b", "key_token_b"]
    : ["query_token", "key_token"];
  const header = [...(named ? ["layer", "head", "layer_b", "head_b"] : ["layer", "head"]), ...places, ...tokens];
  const out = [csvLine([...header, ...values])];
  for (const head of heads) {
    const sides = state.sidesOf(head);
    const patterns = state.panels.map((panel) => state.patterns.get(head, panel).peek());
    if (state.panels.some((panel, i) => state.has(head, panel) && !patterns[i]))
      throw new Error(`${headText(head)} is still loading.`);
    for (const cell of cells) {
      const there = state.sides.map((side) => (sides.includes(side) ? cell[side] : NONE));
      if (there.every((one) => one === NONE)) continue;
      const shown = (at: number, text: (at: number) => string | number): string | number => (at < 0 ? "" : text(at));
      const at = named ? there : there.slice(0, 1);
      const words = there.flatMap((one, i) => one.map((at) => shown(at, (at) => state.tokens[state.sides[i]!][at]!)));
      const numbers = state.panels.map((panel, i) => {
        const [query, key] = there[panel === "b" ? 1 : 0]!;
        const pattern = patterns[i];
        if (query < 0 || !pattern || (panel === "difference" && there[1] === NONE)) return "";
        return read(pattern, query, key).value;
      });
      const names = named ? [...head, ...(state.beside.head(head) ?? ["", ""])] : head;
      const positions = at.flatMap((one) => one.map((at) => shown(at, (at) => at)));
      out.push(csvLine([...names, ...positions, ...words, ...numbers]));
    }
  }
  return out.join("");
}
