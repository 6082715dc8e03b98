/** Where the bars of the next tokens stand: unsteered at the left, steered at the right, joined where a token is in both. */
import { type Answer, mostProbable, type Token } from "./answer";

export type Move = "up" | "down" | "none";

export interface Bar {
  token: Token;
  /** Middle of the row. */
  y: number;
  /** From the gap outwards. */
  length: number;
  move: Move;
  /** Only on this side: it has left, or is new. */
  alone: boolean;
}

export interface Layout {
  width: number;
  height: number;
  /** Edges of the gap, from which bars grow outwards. */
  left: number;
  right: number;
  before: Bar[];
  after: Bar[];
  /** Rows of a token in both columns. */
  links: { token: Token; from: number; to: number; move: Move }[];
}

export const ROW = 20;
/** Room for the numbers at both ends. */
export const MARGIN = 52;

/** Up: it has come nearer to the top. */
export const moveOf = ({ rank, rank0 }: Token): Move => (rank < rank0 ? "up" : rank > rank0 ? "down" : "none");

export function layoutOf({ tokens }: Answer, width: number): Layout {
  const gap = Math.round(Math.max(96, Math.min(144, width * 0.24)));
  const [left, right] = [(width - gap) / 2, (width + gap) / 2];
  const [before, after] = [mostProbable(tokens, "p0"), mostProbable(tokens, "p")];
  const ids = [before, after].map((side) => new Map(side.map(({ id }, at) => [id, at])));
  const y = (at: number): number => (at + 0.5) * ROW;
  const room = Math.max(0, left - MARGIN);
  const bars = (side: Token[], by: "p" | "p0", other: Map<number, number>): Bar[] =>
    side.map((token, at) => ({
      token,
      y: y(at),
      length: room * token[by],
      move: moveOf(token),
      alone: !other.has(token.id),
    }));
  return {
    width,
    height: ROW * Math.max(before.length, after.length),
    left,
    right,
    before: bars(before, "p0", ids[1]!),
    after: bars(after, "p", ids[0]!),
    links: before.flatMap((token, from) => {
      const to = ids[1]!.get(token.id);
      return to === undefined ? [] : [{ token, from: y(from), to: y(to), move: moveOf(token) }];
    }),
  };
}
