/**
 * Answers that take their time: while a slider moves the browser interpolates between strengths that one request
 * brought, when it is let go the exact distribution is asked for. A grid counts only while the other sliders stand where
 * they stood; without one the last answer stays, marked as waiting.
 */

import { untracked, watch } from "../../core/reactive";
import type { Requests } from "../../core/requests";
import type { Strength } from "../sliders/sliders";
import type { State } from "../state";
import { type Answer, type Start, same, type Writable } from "./answer";
import { Grids } from "./precomputed_answers";

/** Shorter waits are not worth a word. */
const PATIENCE = 300;

export function followOnRelease(
  state: State,
  requests: Requests,
  start: Start,
  answers: Writable,
  until: AbortSignal,
): void {
  const follower = new Follower(state, requests, start, answers);
  watch(until, () => {
    void state.sliders.value;
    untracked(() => follower.forget());
  });
  watch(until, () => {
    void state.effective.value;
    void state.moving.value;
    untracked(() => follower.follow());
  });
  // The slider that is touched, or at first would be, has its grid before it moves.
  watch(until, () => {
    const at = state.current.value;
    void state.sliders.value;
    untracked(() => follower.load(at));
  });
  until.addEventListener("abort", () => follower.end());
}

class Follower {
  readonly #state: State;
  readonly #requests: Requests;
  readonly #start: Start;
  readonly #answers: Writable;
  readonly #grids: Grids;
  #sequence = 0;
  /** The request for the exact distribution that is under way. */
  #exact: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(state: State, requests: Requests, start: Start, answers: Writable) {
    this.#state = state;
    this.#requests = requests;
    this.#start = start;
    this.#answers = answers;
    this.#grids = new Grids(requests);
  }

  /** The strengths are others, or a slider begins or ceases to move. */
  follow(): void {
    const moving = this.#state.moving.peek();
    this.#exact?.abort();
    this.#exact = undefined;
    if (moving) {
      this.#interpolate(moving.at);
      this.load(moving.at);
    } else if (!this.#isExact()) void this.#ask();
    this.#wait();
  }

  /** Ask for the grid of a slider, unless it is there. */
  load(at: number): void {
    const now = this.#state.effective.peek();
    if (at >= now.length || this.#grids.has(at, now)) return;
    this.#grids
      .load(at, now, { onProgress: this.#onProgress })
      .then(() => {
        if (this.#state.moving.peek()?.at === at) this.#interpolate(at);
      }, this.#fail)
      .finally(() => this.#wait());
  }

  /** The sliders are others. */
  forget(): void {
    this.#grids.forget();
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #isExact(): boolean {
    const shown = this.#answers.shown.peek()!;
    return same(shown.strengths, this.#state.effective.peek()) && !shown.how;
  }

  #interpolate(at: number): void {
    const now = this.#state.effective.peek();
    const found = this.#grids.find(at, now, this.#start.difference0);
    if (found) this.#paint(found.answer, now, found.computed ? "" : found.how);
  }

  async #ask(): Promise<void> {
    const now = this.#state.effective.peek();
    const mine = (this.#exact = new AbortController());
    this.#wait();
    try {
      const options = { signal: mine.signal, onProgress: this.#onProgress };
      const { data } = await this.#requests.ask("steer", { strengths: now }, options);
      if (mine === this.#exact) this.#paint(data, now, "");
    } catch (error) {
      if (mine === this.#exact) this.#fail(error as Error);
    }
    if (mine === this.#exact) this.#exact = undefined;
    this.#wait();
  }

  #paint(answer: Answer, strengths: Strength[], how: string): void {
    const { shown, problem } = this.#answers;
    problem.value = "";
    shown.value = { ...answer, sequence: ++this.#sequence, strengths, input: this.#state.input, how };
  }

  /** Say that something is waited for, or no longer. */
  #wait(): void {
    const { waiting, news } = this.#answers;
    const moving = this.#state.moving.peek();
    const lacking = moving ? !this.#grids.has(moving.at, this.#state.effective.peek()) : !!this.#exact;
    if (!lacking) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      waiting.value = news.value = "";
    } else this.#timer ??= setTimeout(() => (waiting.value = "short"), PATIENCE);
  }

  readonly #onProgress = (_done: number, _total: number, text: string): void => void (this.#answers.news.value = text);

  readonly #fail = (error: Error): void => {
    if (error.name !== "AbortError") this.#answers.problem.value = error.message;
  };
}
