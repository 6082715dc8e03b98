/** How a token is shown: spaces as middle dots, line ends as arrows, byte tokens as hex; never as markup. */
import { h } from "./elements/dom";

export interface Part {
  text: string;
  /** A stand-in for something unprintable, drawn dimmed. */
  dim: boolean;
}

const STAND_INS: Record<string, string> = { " ": "·", "\u00a0": "⍽", "\n": "↵", "\r": "␍", "\t": "⇥", "\u200b": "␣" };
const BYTES = /^(<0x[0-9A-Fa-f]{2}>)+$/;

/** Split a token into plain parts and dimmed stand-ins. */
export function parts(token: string): Part[] {
  if (BYTES.test(token))
    return [
      {
        text: token
          .replace(/<0x(..)>/g, "0x$1 ")
          .trim()
          .toUpperCase()
          .replaceAll("0X", "0x"),
        dim: true,
      },
    ];
  if (token === "") return [{ text: "∅", dim: true }];
  const found: Part[] = [];
  for (const char of token) {
    const code = char.codePointAt(0)!;
    // Controls and bidirectional overrides could reorder or hide the text around them.
    const control =
      code < 32 ||
      (code >= 0x7f && code < 0xa0) ||
      (code >= 0x202a && code <= 0x202e) ||
      (code >= 0x2066 && code <= 0x2069);
    const standIn = STAND_INS[char] ?? (control ? `U+${code.toString(16).toUpperCase().padStart(4, "0")}` : undefined);
    const last = found.at(-1);
    const part = { text: standIn ?? char, dim: standIn !== undefined };
    if (last && last.dim === part.dim) last.text += part.text;
    else found.push(part);
  }
  return found;
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
