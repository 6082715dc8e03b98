/** Where each token of a text stands: lines that fit a width; a token with a line end closes its line. Plain arithmetic. */
import { fitted, type Part } from "../core/tokens";
import { type Directions, directionsOf, visualOrder } from "./text_direction";

export const LINE = 22;
/** Beside the text of a token, and between tokens. */
export const PAD = 2;
export const GAP = 1;

export interface Lines {
  /** The first token of each line, and after the last the number of tokens. */
  starts: number[];
  /** Left edge and width of each token, in pixels. */
  lefts: Float32Array;
  widths: Float32Array;
  /** Of each token: odd where it stands and reads from right to left. */
  levels: Uint8Array;
  /** What is written of each token, cut where it is wider than a line. */
  parts(token: number): Part[];
}

export function linesOf(tokens: readonly string[], width: number, measure: (text: string) => number): Lines {
  const known = new Map<string, { parts: Part[]; width: number }>();
  const room = Math.max(24, width);
  const shown = (token: string): { parts: Part[]; width: number } => {
    let found = known.get(token);
    if (!found) {
      const parts = fitted(token, room - 2 * PAD, measure);
      const wide = parts.reduce((sum, { text }) => sum + measure(text), 0);
      found = { parts, width: Math.min(room, Math.ceil(wide) + 2 * PAD) };
      known.set(token, found);
    }
    return found;
  };
  const starts = [0];
  const [lefts, widths] = [new Float32Array(tokens.length), new Float32Array(tokens.length)];
  let x = 0;
  tokens.forEach((token, at) => {
    const { width: wide } = shown(token);
    if (x && x + wide > room) {
      starts.push(at);
      x = 0;
    }
    [lefts[at], widths[at]] = [x, wide];
    x += wide + GAP;
    if (token.includes("\n") && at + 1 < tokens.length) {
      starts.push(at + 1);
      x = 0;
    }
  });
  starts.push(tokens.length);
  const directions = directionsOf(tokens);
  const { levels } = directions;
  if (levels.some(Boolean)) reorder(starts, lefts, widths, directions, room);
  return { starts, lefts, widths, levels, parts: (token) => shown(tokens[token]!).parts };
}

/** Lines with text from right to left in its own order; where that is the base, they end at the right edge. */
function reorder(
  starts: number[],
  lefts: Float32Array,
  widths: Float32Array,
  { levels, fromRight }: Directions,
  room: number,
): void {
  for (let line = 0; line + 1 < starts.length; line++) {
    const [from, end] = [starts[line]!, starts[line + 1]!];
    const order = visualOrder(levels, from, end);
    const whole = order.reduce((sum, at) => sum + widths[at]! + GAP, -GAP);
    let x = fromRight[from] ? Math.max(0, room - whole) : 0;
    for (const at of order) {
      lefts[at] = x;
      x += widths[at]! + GAP;
    }
  }
}

/** The line that a token stands in. */
export function lineOf({ starts }: Lines, token: number): number {
  let [low, high] = [0, starts.length - 2];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle]! <= token) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The token of another line that stands nearest above or below one. */
export function beside(lines: Lines, token: number, by: number): number {
  const line = Math.max(0, Math.min(lines.starts.length - 2, lineOf(lines, token) + by));
  const middle = lines.lefts[token]! + lines.widths[token]! / 2;
  let best = lines.starts[line]!;
  for (let at = best; at < lines.starts[line + 1]!; at++) {
    const off = (one: number): number => Math.abs(lines.lefts[one]! + lines.widths[one]! / 2 - middle);
    if (off(at) < off(best)) best = at;
  }
  return best;
}
