/** What comes next at the strengths that are set: from the kernel, or in a saved page from what was computed. */
import type { Requests } from "../core/bridge";
import { signal, trait, watch, type ReadonlySignal } from "../core/reactive";
import type { Answer, Shown } from "./answer";
import { gridOf, interpolated, type Grid } from "./interpolation";
import { Queue, type Waiting } from "./queue";
import type { Strength } from "./sliders";
import type { State } from "./state";

export interface Answers {
  shown: ReadonlySignal<Shown | undefined>;
  waiting: ReadonlySignal<Waiting>;
  /** Why there is no newer answer; "" where there is. */
  problem: ReadonlySignal<string>;
}

type Start = Answer & { strengths: Strength[] };

const same = (one: Strength[], other: Strength[]): boolean => JSON.stringify(one) === JSON.stringify(other);

export function createAnswers(state: State, requests: Requests, root: HTMLElement, until: AbortSignal): Answers {
  const start = trait<Start>(state.model, "start", until);
  const shown = signal<Shown | undefined>({ ...start.peek(), sequence: 0, input: state.input, how: state.saved ? "computed" : "" });
  const [waiting, problem] = [signal<Waiting>(""), signal("")];
  const answers = { shown, waiting, problem };
  if (state.saved) followSaved(state, requests, answers, until);
  else followLive(state, requests, start, answers, root, until);
  return answers;
}

type Own = { shown: { value: Shown | undefined; peek(): Shown | undefined }; waiting: { value: Waiting }; problem: { value: string } };

function followLive(state: State, requests: Requests, start: ReadonlySignal<Start>, { shown, waiting, problem }: Own, root: HTMLElement, until: AbortSignal): void {
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

function followSaved(state: State, requests: Requests, { shown, problem }: Own, until: AbortSignal): void {
  const start: Start = state.model.get("start");
  const grids = new Map<number, Grid>();
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
      if (!grids.has(at)) grids.set(at, gridOf(await requests.ask("grid", { which: at, strengths: start.strengths })));
      if (!same(now, state.effective.peek())) return; // meanwhile it went on
      const grid = grids.get(at)!;
      const found = interpolated(grid, now[at]!, start.difference0);
      if (!found) throw new Error();
      const points = grid.strengths.filter((one) => one !== null).length;
      paint(found.answer, now, found.computed ? "computed" : `interpolated between ${points} computed strengths`);
    } catch (error) {
      problem.value = (error as Error).message || "These strengths were not computed for this saved page.";
    }
  };
  watch(until, () => {
    void state.effective.value;
    void follow();
  });
}
