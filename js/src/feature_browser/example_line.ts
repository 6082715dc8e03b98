/** Tokens on one line, each on the colour of a latent's activation, the one that it is about in the middle. */
import { cssColour, inkOn, type Table } from "../core/drawing/colour";
import { entryOf } from "../core/drawing/scale";
import { h } from "../core/elements/dom";
import { tokenBox } from "../core/elements/token_box";
import type { Tooltip } from "../core/elements/tooltip";
import { exact } from "../core/format";
import { parts, plain, tokenSpan } from "../core/tokens";

/** Tokens before and behind the one in the middle. */
const [BEFORE, BEHIND] = [14, 10];
/** Characters of a token. */
const LONGEST = 60;

export interface TokenLine {
  tokens: readonly string[];
  /** null: it fires, and nobody knows how strongly. */
  values: ArrayLike<number | null>;
  at: number;
  /** Of a token of the line, what is said beside its activation. */
  where(at: number): string;
}

export interface Colouring {
  table: Table;
  /** Where the colours end. */
  high: number;
}

export function tokenElement(token: string, value: number | null, { table, high }: Colouring): HTMLElement {
  const cut = [...token].length > LONGEST ? `${[...token].slice(0, LONGEST).join("")}…` : token;
  const span = tokenBox(parts(cut), false, { class: "fb-token" });
  if (value === null) span.classList.add("fb-unknown");
  else if (value > 0) {
    const colour = table[Math.max(1, entryOf(value, { kind: "linear", low: 0, high: high || 1, threshold: 0 }))]!;
    span.style.background = cssColour(colour);
    span.style.color = inkOn(colour);
  }
  return span;
}

const notes = new WeakMap<Element, { line: TokenLine; at: number }>();

/** The line; its tokens say exact values under the pointer, see `tellTokens`. */
export function createLine(line: TokenLine, colouring: Colouring): HTMLElement {
  const { tokens, values, at } = line;
  const span = (place: number): HTMLElement => {
    const one = tokenElement(tokens[place]!, values[place]!, colouring);
    notes.set(one, { line, at: place });
    return one;
  };
  const range = (from: number, to: number): HTMLElement[] =>
    Array.from({ length: Math.max(0, to - from) }, (_, i) => span(from + i));
  const before = h("span", { class: "fb-before" }, ...range(Math.max(0, at - BEFORE), at));
  const behind = h("span", { class: "fb-behind" }, ...range(at, Math.min(tokens.length, at + 1 + BEHIND)));
  const text = h("span", { class: "fb-kwic", role: "img", "aria-label": spoken(line) }, before, behind);
  return text;
}

/** For screen readers. */
function spoken({ tokens, values, at }: TokenLine): string {
  const value = values[at];
  const around = tokens.slice(Math.max(0, at - BEFORE), at + 1 + BEHIND).map((one) => plain(one, LONGEST));
  const strength = value === null || value === undefined ? "" : `activation ${exact(value)} `;
  return `${strength}on ${plain(tokens[at] ?? "", LONGEST)} in: ${around.join(" ")}`;
}

/** Show what a token's activation is, exactly, where the pointer is on one. */
export function tellTokens(element: HTMLElement, tooltip: Tooltip, until: AbortSignal): void {
  const tell = (event: PointerEvent): void => {
    const span = (event.target as Element).closest(".fb-token");
    const note = span && notes.get(span);
    if (!note) {
      tooltip.hide();
      return;
    }
    const { line, at } = note;
    const value = line.values[at];
    const said =
      value === null || value === undefined
        ? "fires; how strongly is not known"
        : value > 0
          ? `activation ${exact(value)}`
          : "does not fire";
    tooltip.show(event.clientX, event.clientY, [
      h("div", {}, tokenSpan([...line.tokens[at]!].slice(0, 200).join(""))),
      h("div", {}, said),
      h("div", { class: "sw-dim" }, line.where(at)),
    ]);
  };
  element.addEventListener("pointermove", tell, { signal: until });
  element.addEventListener("pointerleave", () => tooltip.hide(), { signal: until });
}
