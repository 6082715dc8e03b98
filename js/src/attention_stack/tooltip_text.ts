/** What is said of a head and of a cell of it: exactly where its pattern is there, else as near as its slice has it. */
import { read } from "../core/attention/pattern";
import { exact, short } from "../core/format";
import { type Head, sameHead } from "../core/selection";
import { plainAt } from "../core/tokens";
import type { Cell, State } from "./state";

/** Where a head looks most, in words. */
export function strongest(state: State, head: Head): string {
  if (!state.isReady(head)) return "not drawn yet";
  const { side } = state;
  const { cells } = state.slices.peek();
  const start = state.sliceOf(head) * side * side;
  let best = 0;
  for (let at = 1; at < side * side; at++) if (cells[start + at]! > cells[start + best]!) best = at;
  const n = state.tokens.length;
  const position = (pixel: number): number => Math.floor((pixel * n) / side);
  const [query, key] = [position(Math.floor(best / side)), position(best % side)];
  const about = side < n ? "about " : "";
  return `largest attention ${short(cells[start + best]! / 255)}, from ${about}${plainAt(state.tokens, query, 24)} to ${plainAt(state.tokens, key, 24)}`;
}

/** Exactly where the pattern is there, else as near as the slice has it. */
export function cellNote(state: State, head: Head, { query, key }: Cell): string[] {
  const pattern = sameHead(head, state.shown.value) ? state.pattern.value : undefined;
  const words = `query ${query} ${plainAt(state.tokens, query, 24)}, key ${key} ${plainAt(state.tokens, key, 24)}: `;
  if (key > query) return [];
  if (pattern) {
    const { value, exact: known } = read(pattern, query, key);
    return [words, known ? exact(value) : `≈ ${short(value)}`];
  }
  const most = state.side < state.tokens.length ? "at most " : "≈ ";
  return [words, most + short(state.levelOf(head, { query, key }))];
}
