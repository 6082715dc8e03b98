/** What comes next at the strengths that are set: from the kernel, a server, or in a saved page from what was computed. */

import { computed, type ReadonlySignal, signal, trait, watch } from "../../core/reactive";
import type { Requests } from "../../core/requests";
import type { Strength } from "../sliders/sliders";
import type { State } from "../state";
import { type Answer, type Shown, type Start, same, type Writable } from "./answer";
import { followOnRelease } from "./answers_on_release";
import { Grids } from "./precomputed_answers";
import { Queue, type Waiting } from "./queue";

export interface Answers {
  shown: ReadonlySignal<Shown | undefined>;
  waiting: ReadonlySignal<Waiting>;
  /** What is waited for, in words; "" where the kernel is. */
  news: ReadonlySignal<string>;
  /** What is shown is of other strengths, and has been for long enough to be marked, or will stay so. */
  old: ReadonlySignal<boolean>;
  /** Why there is no newer answer; "" where there is. */
  problem: ReadonlySignal<string>;
}

export function createAnswers(state: State, requests: Requests, root: HTMLElement, until: AbortSignal): Answers {
  const start = trait(state.model, "start", until) as ReadonlySignal<Start>;
  const shown = signal<Shown | undefined>({
    ...start.peek(),
    sequence: 0,
    input: state.input,
    how: state.saved ? "computed" : "",
  });
  const [waiting, problem] = [signal<Waiting>(""), signal("")];
  const news = signal("");
  const old = computed(
    () => (waiting.value || problem.value) !== "" && !same(shown.value?.strengths ?? [], state.effective.value),
  );
  const answers = { shown, waiting, news, old, problem };
  if (state.saved) followSaved(state, requests, start.peek(), answers, until);
  else if (!state.model.get("interactive")) followOnRelease(state, requests, start.peek(), answers, until);
  else followLive(state, requests, start, answers, root, until);
  return answers;
}

function followLive(
  state: State,
  requests: Requests,
  start: ReadonlySignal<Start>,
  { shown, waiting, problem }: Writable,
  root: HTMLElement,
  until: AbortSignal,
): void {
  const queue = new Queue<Strength[], Answer & { ms: number }>(
    {
      ask: async (strengths) => (await requests.ask("steer", { strengths })).data,
      took: ({ ms }) => ms,
      onSent: ({ sequence }) => (root.dataset.asked = String(sequence)),
      onAnswer({ sequence, question, input }, answer) {
        problem.value = "";
        shown.value = { ...answer, sequence, strengths: question, input, how: "" };
      },
      onProblem: ({ message }) => (problem.value = message),
      onWaiting: (now) => (waiting.value = now),
    },
    until,
  );
  let wanted = JSON.stringify(start.peek().strengths);
  watch(until, () => {
    const now = JSON.stringify(state.effective.value);
    if (now === wanted) return;
    wanted = now;
    queue.want(JSON.parse(now), state.input);
  });
}

function followSaved(
  state: State,
  requests: Requests,
  start: Start,
  { shown, problem }: Writable,
  until: AbortSignal,
): void {
  const grids = new Grids(requests);
  let sequence = 0;
  const paint = (answer: Answer, strengths: Strength[], how: string): void => {
    problem.value = "";
    shown.value = { ...answer, sequence: ++sequence, strengths, input: state.input, how };
  };
  const follow = async (): Promise<void> => {
    const now = state.effective.peek();
    const moved = now.map((_, at) => at).filter((at) => now[at] !== start.strengths[at]);
    if (!moved.length) return paint(start, now, "computed");
    const [at] = moved as [number];
    try {
      if (moved.length > 1) throw new Error();
      await grids.load(at, start.strengths);
      if (!same(now, state.effective.peek())) return; // meanwhile it went on
      const found = grids.find(at, now, start.difference0);
      if (!found) throw new Error();
      paint(found.answer, now, found.how);
    } catch (error) {
      problem.value = (error as Error).message || "These strengths were not computed for this saved page.";
    }
  };
  watch(until, () => {
    void state.effective.value;
    void follow();
  });
}
