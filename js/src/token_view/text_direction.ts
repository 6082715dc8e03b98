/** In which order the tokens of a line stand: right-to-left scripts in theirs, as the Unicode bidirectional algorithm (UAX 9) has it, a token taken as one character. */
import { piecesOf } from "../core/tokens";

const RIGHT =
  /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Samaritan}\p{Script=Mandaic}\p{Script=Adlam}]/u;
const STRONG = /\p{L}/u;
const DIGIT = /\p{Nd}/u;
/** "<bos>", "<0xE2>", "<U+200D>": names of what has no direction of its own. */
const NAMED = /^\s*<[^<>]*>\s*$/;

type Kind = "left" | "right" | "number" | "neutral";

/** What the first letter of a token says; without a letter, whether it holds digits. */
export function kindOf(token: string): Kind {
  if (NAMED.test(token)) return "neutral";
  const letter = STRONG.exec(token);
  if (letter) return RIGHT.test(letter[0]) ? "right" : "left";
  return DIGIT.test(token) ? "number" : "neutral";
}

export interface Directions {
  /** Of each token: even from left to right, odd from right to left. */
  levels: Uint8Array;
  /** Of each token: 1 in a paragraph that begins at the right edge. */
  fromRight: Uint8Array;
}

/** A line end begins a paragraph, whose first letter says from which edge it goes. */
export function directionsOf(tokens: readonly string[]): Directions {
  const [levels, fromRight] = [new Uint8Array(tokens.length), new Uint8Array(tokens.length)];
  const pieces = piecesOf(tokens);
  const kinds = tokens.map((token, at) => kindOf(pieces[at]?.whole ?? token));
  if (!kinds.includes("right")) return { levels, fromRight };
  for (let from = 0; from < tokens.length; ) {
    let end = from;
    while (end < tokens.length && !tokens[end]!.includes("\n")) end++;
    end = Math.min(tokens.length, end + 1);
    const base = kinds.slice(from, end).find((kind) => kind === "left" || kind === "right") ?? "left";
    if (base === "right") fromRight.fill(1, from, end);
    levels.set(levelsOf(kinds.slice(from, end), base), from);
    from = end;
  }
  return { levels, fromRight };
}

function levelsOf(kinds: Kind[], base: Kind): number[] {
  let before = base;
  kinds.forEach((kind, at) => {
    if (kind === "left" || kind === "right") before = kind;
    // a number keeps the order of its digits, and stands among its neighbours as they do
    else if (kind === "number" && before === "left") kinds[at] = "left";
  });
  const sideOf = (kind: Kind | undefined): Kind => (kind === undefined ? base : kind === "number" ? "right" : kind);
  for (let from = 0; from < kinds.length; from++) {
    if (kinds[from] !== "neutral") continue;
    let end = from;
    while (kinds[end] === "neutral") end++;
    const next = sideOf(kinds[end]);
    kinds.fill(sideOf(kinds[from - 1]) === next ? next : base, from, end);
  }
  return kinds.map((kind) => (kind === "right" ? 1 : kind === "number" || base === "right" ? 2 : 0));
}

/** The tokens `from` to `end` - 1 as they stand from left to right: runs of each level from the highest on turned round. */
export function visualOrder(levels: Uint8Array, from: number, end: number): number[] {
  const order = Array.from({ length: end - from }, (_, i) => from + i);
  for (let level = Math.max(0, ...levels.subarray(from, end)); level > 0; level--)
    for (let first = 0; first < order.length; first++) {
      if (levels[order[first]!]! < level) continue;
      let last = first;
      while (last < order.length && levels[order[last]!]! >= level) last++;
      order.splice(first, last - first, ...order.slice(first, last).reverse());
      first = last;
    }
  return order;
}
