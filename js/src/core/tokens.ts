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

/** The token as one string, cut after `limit` characters. */
export function plain(token: string, limit = Infinity): string {
  const chars = [
    ...parts(token)
      .map((part) => part.text)
      .join(""),
  ];
  return chars.length > limit ? `${chars.slice(0, limit - 1).join("")}…` : chars.join("");
}

/** The token as a span, its stand-ins dimmed. */
export function tokenSpan(token: string): HTMLSpanElement {
  const span = h("span", { class: "sw-token", dir: "ltr" });
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
