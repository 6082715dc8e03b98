/** How a token is shown: spaces as middle dots, line ends as arrows, byte tokens as hex; never as markup. */
import { h } from "./elements/dom";

export interface Part {
  text: string;
  /** A stand-in for something unprintable, drawn dimmed. */
  dim: boolean;
}

const STAND_INS: Record<string, string> = { " ": "·", "\u00a0": "⍽", "\n": "↵", "\r": "␍", "\t": "⇥", "\u200b": "␣" };
/** Bytes and characters that are given by their number, as `token_texts` in Python writes them. */
const NUMBERED = /^(<0x[0-9A-Fa-f]{2}>)+$|^(\s*<U\+[0-9A-F]{4,6}>)+\s*$/;
/** What draws nothing, or (overrides of the direction) could reorder or hide the text around it. */
const UNSEEN = /[\p{Z}\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Default_Ignorable_Code_Point}\u2800]/u;
/** Joiners and selectors choose the shape of the characters beside them. */
const JOINER = /[\u200c\u200d]/;
const SELECTOR = /\p{Variation_Selector}/u;
const MARK = /\p{M}/u;

/** Split a token into plain parts and dimmed stand-ins. */
export function parts(token: string): Part[] {
  if (NUMBERED.test(token)) {
    const pieces = token.split(/(?<=>)|(?=<)/).map((piece) => (piece.startsWith("<") ? numberOf(piece) : plain(piece)));
    return [{ text: pieces.join(" "), dim: true }];
  }
  if (token === "") return [{ text: "∅", dim: true }];
  const found: Part[] = [];
  const chars = [...token];
  for (const [at, char] of chars.entries()) {
    const part = shown(char, chars[at - 1], chars[at + 1]);
    const last = found.at(-1);
    if (last && last.dim === part.dim) last.text += part.text;
    else found.push(part);
  }
  return found;
}

/** "<0xe2>" as "0xE2". */
const numberOf = (piece: string): string => piece.slice(1, 3) + piece.slice(3, -1).toUpperCase();

function shown(char: string, before = "\u200b", after = "\u200b"): Part {
  const standIn = STAND_INS[char];
  if (standIn) return { text: standIn, dim: true };
  const on = SELECTOR.test(before) || !UNSEEN.test(before);
  const shapes = on && (SELECTOR.test(char) || (JOINER.test(char) && !UNSEEN.test(after)));
  if (UNSEEN.test(char) && !shapes)
    return { text: `U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}`, dim: true };
  // An accent on nothing would be drawn over what stands before the label.
  return { text: MARK.test(char) && !on ? `◌${char}` : char, dim: false };
}

/** A token that holds bytes of a character which byte-level tokenizers spread over several. */
export interface Piece {
  /** Which of them it is, from 1. */
  part: number;
  of: number;
  /** The characters that they make together. */
  whole: string;
}

const BYTES = /^(<0x[0-9A-Fa-f]{2}>)+$/;
const known = new WeakMap<readonly string[], (Piece | undefined)[]>();

/** Of each token of a text whether it is a piece of characters, and of which. */
export function piecesOf(tokens: readonly string[]): (Piece | undefined)[] {
  let pieces = known.get(tokens);
  if (!pieces) {
    pieces = Array.from(tokens, () => undefined);
    for (let from = 0; from < tokens.length; from++) {
      let end = from;
      while (end < tokens.length && BYTES.test(tokens[end]!)) end++;
      if (end > from + 1) fillPieces(tokens, from, end, pieces);
      from = Math.max(from, end - 1);
    }
    known.set(tokens, pieces);
  }
  return pieces;
}

/** Tokens `from` to `end` - 1 are bytes: those that share a character belong together. */
function fillPieces(tokens: readonly string[], from: number, end: number, pieces: (Piece | undefined)[]): void {
  const owners: number[] = [];
  const bytes: number[] = [];
  for (let at = from; at < end; at++)
    for (const [, hex] of tokens[at]!.matchAll(/<0x(..)>/g)) owners.push(at), bytes.push(parseInt(hex!, 16));
  let group: { first: number; last: number; whole: string } | undefined;
  const close = (): void => {
    if (group)
      for (let at = group.first; at <= group.last && group.last > group.first; at++)
        pieces[at] = { part: at - group.first + 1, of: group.last - group.first + 1, whole: group.whole };
    group = undefined;
  };
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes, at);
    const whole = length ? decoded(bytes.slice(at, at + length)) : undefined;
    if (whole === undefined) {
      at++;
      continue;
    }
    const [first, last] = [owners[at]!, owners[at + length - 1]!];
    if (group && first <= group.last) group = { ...group, last, whole: group.whole + whole };
    else close(), (group = { first, last, whole });
    at += length;
  }
  close();
}

/** How many bytes the character takes that begins here, 0 where none does. */
const characterLength = (bytes: readonly number[], at: number): number => {
  const lead = bytes[at]!;
  const length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  return at + length <= bytes.length ? length : 0;
};

function decoded(bytes: readonly number[]): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
  } catch {
    return undefined;
  }
}

/** " (part 1 of 2 of 'こ')", "" for a token that is no piece of a character. */
export function partNote(tokens: readonly string[], at: number): string {
  const piece = piecesOf(tokens)[at];
  return piece ? ` (part ${piece.part} of ${piece.of} of '${plain(piece.whole, 12)}')` : "";
}

/** A token of a text as a span; a piece of a character says of which. */
export function tokenSpanAt(tokens: readonly string[], at: number): HTMLSpanElement {
  const span = tokenSpan(tokens[at] ?? "");
  const note = partNote(tokens, at);
  if (note) span.append(h("i", { class: "sw-part" }, note));
  return span;
}

/** A token among others of a text: before the first piece of a character stands the character, once. */
export function tokenInText(tokens: readonly string[], at: number): HTMLSpanElement {
  const span = tokenSpan(tokens[at] ?? "");
  const piece = piecesOf(tokens)[at];
  if (piece?.part === 1) span.prepend(h("b", { class: "sw-whole" }, plain(piece.whole, 12)));
  if (piece) span.setAttribute("aria-label", plainAt(tokens, at));
  return span;
}

/** The same as one string, the token cut after `limit` characters. */
export const plainAt = (tokens: readonly string[], at: number, limit = Infinity): string =>
  plain(tokens[at] ?? "", limit) + partNote(tokens, at);

/** The token as one string, cut after `limit` characters. */
export const plain = (token: string, limit = Infinity): string =>
  cutAfter(
    parts(token)
      .map(({ text }) => text)
      .join(""),
    limit,
  );

const LONGEST_WORDS = 2000;

/** Words that are no token: what draws nothing, or turns the text around it, is made visible; spaces stay spaces. */
export const readable = (text: string, limit = LONGEST_WORDS): string =>
  text &&
  cutAfter(
    parts(text.slice(0, LONGEST_WORDS))
      .map(({ text: part, dim }) => (dim ? part.replaceAll("·", " ") : part))
      .join(""),
    limit,
  );

function cutAfter(text: string, limit: number): string {
  const chars = limit === Infinity ? [] : [...text];
  return chars.length > limit ? `${chars.slice(0, limit - 1).join("")}…` : text;
}

/** What stands for every word that a model has no token of: as an answer it says that such a word comes next. */
export const isUnknown = (token: string): boolean => /^\s*(<unk>|\[UNK\])\s*$/.test(token);
export const UNKNOWN = "any word outside the model's vocabulary";

/** The token as a span, its stand-ins dimmed. */
export function tokenSpan(token: string): HTMLSpanElement {
  const span = h("span", { class: "sw-token", dir: "ltr", title: isUnknown(token) ? UNKNOWN : undefined });
  span.append(...parts(token).map((part) => (part.dim ? h("i", {}, part.text) : part.text)));
  return span;
}

/** How many columns of a monospaced font the token takes, at most `limit`. */
export function columns(token: string, limit: number): number {
  let count = 0;
  for (const char of plain(token, limit)) count += char.codePointAt(0)! >= 0x1100 ? 2 : 1;
  return Math.min(count, limit);
}

/** The parts of a token that fit into `room` pixels, cut with an ellipsis; none where not even one character does. */
export function fitted(token: string, room: number, measure: (text: string) => number): Part[] {
  const whole = parts(token);
  const width = (some: Part[]): number => some.reduce((sum, part) => sum + measure(part.text), 0);
  if (width(whole) <= room) return whole;
  const chars = whole.flatMap(({ text, dim }) => [...text].map((char) => ({ text: char, dim })));
  let kept = 0;
  for (let left = room - measure("…"); kept < chars.length; kept++) {
    left -= measure(chars[kept]!.text);
    if (left < 0) break;
  }
  if (!kept) return [];
  const cut: Part[] = [];
  for (const part of [...chars.slice(0, kept), { text: "…", dim: true }]) {
    const last = cut.at(-1);
    if (last && last.dim === part.dim) last.text += part.text;
    else cut.push({ ...part });
  }
  return cut;
}

/** Draw a token at (`x`, `y`), cut after `limit` characters; gives its width. */
export function drawToken(
  pen: CanvasRenderingContext2D,
  token: string,
  x: number,
  y: number,
  ink: string,
  dim: string,
  limit: number,
): number {
  let [at, left] = [x, limit];
  for (const part of parts(token)) {
    const chars = [...part.text];
    const text = chars.length > left ? `${chars.slice(0, Math.max(0, left - 1)).join("")}…` : part.text;
    pen.fillStyle = part.dim ? dim : ink;
    pen.fillText(text, at, y);
    at += pen.measureText(text).width;
    left -= chars.length;
    if (left <= 0) break;
  }
  return at - x;
}
