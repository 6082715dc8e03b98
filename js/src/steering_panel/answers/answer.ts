/** What the kernel says comes next. */
import type { Signal } from "../../core/reactive";
import type { Strength } from "../sliders/sliders";
import type { Waiting } from "./queue";

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

/** The first answer, which the state brings. */
export type Start = Answer & { strengths: Strength[] };

/** An answer as it is to be drawn. */
export interface Shown extends Answer {
  sequence: number;
  strengths: Strength[];
  input: number;
  /** In a saved page and of a model on a server: how the numbers came about; "" where they were asked for. */
  how: string;
}

/** What those write who follow the sliders. */
export interface Writable {
  shown: Signal<Shown | undefined>;
  waiting: Signal<Waiting>;
  /** What is waited for, in words; "" where the kernel is. */
  news: Signal<string>;
  /** Why there is no newer answer; "" where there is. */
  problem: Signal<string>;
}

export const same = (one: Strength[], other: Strength[]): boolean => JSON.stringify(one) === JSON.stringify(other);

const MOST = 10;

/** The most probable tokens, falling. */
export const mostProbable = (tokens: readonly Token[], by: "p" | "p0"): Token[] =>
  [...tokens].sort((one, other) => other[by] - one[by]).slice(0, MOST);
