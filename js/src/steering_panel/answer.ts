/** What the kernel says comes next. */
import type { Strength } from "./sliders";

export interface Token {
  id: number;
  text: string;
  /** Probability, steered and unsteered. */
  p: number;
  p0: number;
  /** How many tokens are more probable. */
  rank: number;
  rank0: number;
  /** There may be more than that: what was saved does not tell. */
  atLeast?: boolean;
}

export interface Answer {
  tokens: Token[];
  /** Divergence from the model as it is, in nats. */
  kl: number;
  /** Logit of one answer less that of the other. */
  difference: number | null;
  difference0: number | null;
}

/** An answer as it is to be drawn. */
export interface Shown extends Answer {
  sequence: number;
  strengths: Strength[];
  input: number;
  /** In a saved page: how the numbers came about. */
  how: string;
}

const MOST = 10;

/** The most probable tokens, falling. */
export const mostProbable = (tokens: readonly Token[], by: "p" | "p0"): Token[] => [...tokens].sort((one, other) => other[by] - one[by]).slice(0, MOST);
