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
import { Grids } from "./grids";

/** Shorter waits are not worth a word. */
const PATIENCE = 300;

export function followOnRelease(
  state: State,
  requests: Requests,
  start: Start,
  { shown, waiting, news, problem }: Writable,
  until: AbortSignal,
): void {
  const grids = new Grids(requests);
  let sequence = 0;
  let exact: AbortController | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const paint = (answer: Answer, strengths: Strength[], how: string): void => {
    problem.value = "";
    shown.value = { ...answer, sequence: ++sequence, strengths, input: state.input, how };
  };
  const isExact = (): boolean => same(shown.peek()!.strengths, state.effective.peek()) && !shown.peek()!.how;
  /** Say that something is waited for, or no longer. */
  const wait = (): void => {
    const moving = state.moving.peek();
    const lacking = moving ? !grids.has(moving.at, state.effective.peek()) : !!exact;
    if (!lacking) {
      clearTimeout(timer);
      timer = undefined;
      waiting.value = news.value = "";
    } else timer ??= setTimeout(() => (waiting.value = "short"), PATIENCE);
  };
  const onProgress = (_done: number, _total: number, text: string): void => void (news.value = text);
  const fail = (error: Error): void => {
    if (error.name !== "AbortError") problem.value = error.message;
  };

  const interpolate = (): void => {
    const now = state.effective.peek();
    const found = grids.find(state.moving.peek()!.at, now, start.difference0);
    if (found) paint(found.answer, now, found.computed ? "" : found.how);
  };
  const load = (at: number): void => {
    const now = state.effective.peek();
    if (at >= now.length || grids.has(at, now)) return;
    grids
      .load(at, now, { onProgress })
      .then(() => {
        if (state.moving.peek()?.at === at) interpolate();
      }, fail)
      .finally(wait);
  };
  const ask = async (): Promise<void> => {
    const now = state.effective.peek();
    const mine = (exact = new AbortController());
    wait();
    try {
      const { data } = await requests.ask("steer", { strengths: now }, { signal: mine.signal, onProgress });
      if (mine === exact) paint(data, now, "");
    } catch (error) {
      if (mine === exact) fail(error as Error);
    }
    if (mine === exact) exact = undefined;
    wait();
  };

  const follow = (): void => {
    const moving = state.moving.peek();
    exact?.abort();
    exact = undefined;
    if (moving) {
      interpolate();
      load(moving.at);
    } else if (!isExact()) void ask();
    wait();
  };
  watch(until, () => {
    void state.sliders.value;
    untracked(() => grids.forget());
  });
  watch(until, () => {
    void state.effective.value;
    void state.moving.value;
    untracked(follow);
  });
  // The slider that is touched, or at first would be, has its grid before it moves.
  watch(until, () => {
    const at = state.current.value;
    void state.sliders.value;
    untracked(() => load(at));
  });
  until.addEventListener("abort", () => clearTimeout(timer));
}
