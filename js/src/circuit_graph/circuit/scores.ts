/** Faithfulness and metric of the circuit as it stands: asked for after each change, the latest wins. */

import { computed, type ReadonlySignal, signal, trait, watch } from "../../core/reactive";
import type { Requests } from "../../core/requests";
import type { State } from "../state";

export interface Measured {
  faithfulness: number | null;
  /** Ends of its 95 % interval, bootstrap over the pairs. */
  low: number | null;
  high: number | null;
  metric: number | null;
  full: number | null;
  empty: number | null;
  ablation: string;
  /** The pairs of prompts that they are means over, in words. */
  pairs: string;
  n_pairs: number;
}

/** What a measurement is compared with. */
export interface Compared {
  /** Faithfulness of random circuits of as many edges, on the same pairs. */
  random: (number | null)[];
  /** The same circuit on pairs that it was found on, where it was measured on others. */
  found_on: Measured | null;
}

export interface Scores {
  /** What was last measured, and of how many edges. */
  known: ReadonlySignal<{ measured: Measured; edges: number } | undefined>;
  /** Whether `known` is of the circuit as it stands. */
  current: ReadonlySignal<boolean>;
  /** What `known` is compared with; undefined until a change has settled. */
  compared: ReadonlySignal<Compared | undefined>;
  /** Whether an answer is waited for so long that it must be said. */
  slow: ReadonlySignal<boolean>;
  /** What a server does meanwhile; "" where there is none. */
  news: ReadonlySignal<string>;
  /** Why there is no answer; "" where there is. */
  problem: ReadonlySignal<string>;
}

const NO_MODEL = "Scores are not recomputed: no model was given (scope).";
/** Of a graph of latents: each edge was measured when it was found, and is not measured together with others. */
const LATENTS = "Scores are those of each edge by itself.";
const NO_KERNEL = "Scores are not recomputed in a saved page.";
/** Shorter waits are not worth a word. */
const PATIENCE = 300;
/** Nothing is compared before a change has settled for so long. */
const SETTLED = 500;
const MOST_KNOWN = 300;

export function createScores(state: State, requests: Requests, until: AbortSignal): Scores {
  const live = trait(state.model, "live", until);
  const answers = new Map<string, Measured>();
  const known = signal<{ key: string; measured: Measured; edges: number } | undefined>(undefined);
  const [slow, news, problem] = [signal(false), signal(""), signal("")];
  const key = computed(() => {
    const { kept, removed, added } = state.edits.value;
    return JSON.stringify({ kept, removed, added });
  });
  const comparisons = signal<ReadonlyMap<string, Compared>>(new Map());
  let asked: string | undefined;
  let timer = 0;

  const settle = (of: string, measured: Measured, edges: number): void => {
    known.value = { key: of, measured, edges };
    problem.value = "";
  };
  const ask = async (): Promise<void> => {
    const now = key.peek();
    const edges = state.size.peek();
    asked = now;
    timer ||= window.setTimeout(() => (slow.value = true), PATIENCE);
    try {
      const { data } = await requests.ask("measure", JSON.parse(now), {
        onProgress: (_done, _total, text) => (news.value = text),
      });
      if (answers.size >= MOST_KNOWN) answers.delete(answers.keys().next().value!);
      answers.set(now, data);
      settle(now, data, edges);
    } catch (error) {
      if ((error as Error).name !== "AbortError" && now === key.peek())
        problem.value = state.saved ? NO_KERNEL : (error as Error).message;
    }
    asked = undefined;
    news.value = "";
    // What was changed meanwhile is asked for now; all that lay between is skipped.
    if (now !== key.peek() && !until.aborted) return void follow();
    clearTimeout(timer);
    timer = 0;
    slow.value = false;
  };
  const follow = (): void => {
    const now = key.peek();
    const before = answers.get(now);
    if (before) settle(now, before, state.size.peek());
    if (before && asked === undefined) {
      clearTimeout(timer);
      timer = 0;
      slow.value = false;
    }
    if (!before && asked === undefined) void ask();
  };
  let settling = 0;
  let comparing: AbortController | undefined;
  const stopComparing = (): void => {
    clearTimeout(settling);
    comparing?.abort();
    comparing = undefined;
  };
  const compare = async (of: string): Promise<void> => {
    const { signal: end } = (comparing = new AbortController());
    try {
      const { data } = await requests.ask("compare", JSON.parse(of), { signal: end });
      comparisons.value = new Map([...comparisons.peek(), [of, data as Compared]]);
    } catch {
      // What was measured stands by itself; why it fails is said there.
    }
  };
  watch(until, () => {
    const of = known.value?.key;
    stopComparing();
    if (of !== undefined && of === key.value && !comparisons.peek().has(of))
      settling = window.setTimeout(() => void compare(of), state.saved ? 0 : SETTLED);
  });
  watch(until, () => {
    void key.value;
    if (live.value) follow();
    else problem.value = state.graph.shape.columns === undefined ? NO_MODEL : LATENTS;
  });
  until.addEventListener("abort", () => clearTimeout(timer));
  until.addEventListener("abort", stopComparing);
  const current = computed(() => known.value?.key === key.value);
  const compared = computed(() => (known.value ? comparisons.value.get(known.value.key) : undefined));
  return { known, compared, slow, news, problem, current };
}
