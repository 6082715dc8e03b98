/** What each strength of a slider does, asked for by its button, and whether that still holds. */

import { computed, type ReadonlySignal, signal } from "../../core/reactive";
import type { Requests } from "../../core/requests";
import type { Strength } from "../sliders/sliders";
import type { State } from "../state";

export interface Sweep {
  name: string;
  strengths: number[];
  kl: number[];
  difference: (number | null)[] | null;
  /** By how many nats a token the loss on the unsteered continuation rises. */
  loss: (number | null)[];
  fluent: [number, number] | null;
  limit: number;
  spearman: number | null;
}

interface Known {
  sweep: Sweep;
  /** Strengths of the other sliders. */
  held: string;
}

export interface Sweeps {
  /** Of the current slider. */
  known: ReadonlySignal<Sweep | undefined>;
  /** Whether the others stand where they stood. */
  holds: ReadonlySignal<boolean>;
  /** The largest KL divergence at a fluent strength; undefined where that is not known. */
  fluentKl: ReadonlySignal<number | undefined>;
  /** What is under way: which slider, and how far; undefined: nothing. */
  progress: ReadonlySignal<{ at: number; text: string } | undefined>;
  run(at: number): Promise<void>;
  stop(): void;
}

const heldOf = (strengths: Strength[], at: number): string => JSON.stringify(strengths.filter((_, i) => i !== at));

export function createSweeps(
  state: State,
  requests: Requests,
  say: (text: string, isError?: boolean) => void,
  until: AbortSignal,
): Sweeps {
  const all = signal(new Map<string, Known>());
  const progress = signal<{ at: number; text: string } | undefined>(undefined);
  const current = computed(() => all.value.get(state.sliders.value[state.current.value]?.key ?? ""));
  const holds = computed(
    () => !!current.value && heldOf(state.effective.value, state.current.value) === current.value.held,
  );
  let stop: AbortController | undefined;

  const ask = async (at: number, signal?: AbortSignal): Promise<void> => {
    const { key } = state.sliders.peek()[at]!;
    const strengths = state.effective.peek();
    const { data } = await requests.ask(
      "sweep",
      { which: at, strengths },
      {
        signal,
        onProgress: (done, total, text) =>
          (progress.value = { at, text: total ? `${done} of ${total}: ${text}` : text }),
      },
    );
    all.value = new Map(all.peek()).set(key, { sweep: data, held: heldOf(strengths, at) });
  };
  const run = async (at: number): Promise<void> => {
    stop?.abort();
    const mine = (stop = new AbortController());
    progress.value = { at, text: "" };
    state.current.value = at;
    try {
      await ask(at, mine.signal);
    } catch (error) {
      if ((error as Error).name === "AbortError") say("The sweep was stopped.");
      else say((error as Error).message, true);
    }
    if (mine === stop) progress.value = stop = undefined;
  };
  // A saved page has the sweeps that were made; that there is none for a slider needs no word.
  if (state.saved) for (const at of state.sliders.peek().keys()) void ask(at).catch(() => {});
  until.addEventListener("abort", () => stop?.abort());
  return {
    known: computed(() => current.value?.sweep),
    holds,
    fluentKl: computed(() => (holds.value ? fluentKlOf(current.value!.sweep) : undefined)),
    progress,
    run,
    stop: () => stop?.abort(),
  };
}

export function fluentKlOf({ strengths, kl, fluent }: Sweep): number | undefined {
  if (!fluent) return undefined;
  return Math.max(...kl.filter((_, at) => strengths[at]! >= fluent[0] && strengths[at]! <= fluent[1]));
}
