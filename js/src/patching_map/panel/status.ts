/** How far a sweep is, with the button that runs or stops it, and how well its estimates did so far. */

import { h } from "../../core/elements/dom";
import { count } from "../../core/format";
import { computed, type ReadonlySignal, trait, watch } from "../../core/reactive";
import type { Requests } from "../../core/requests";
import { agreement } from "../cells/cells";
import type { State } from "../state";

export interface StatusLine {
  element: HTMLElement;
  /** Run what is left, or stop; nothing where there is nothing to run. */
  toggle(): void;
}

/** How the sweep stands. */
interface Sweep {
  /** Whether it can go on here at all. */
  live: boolean;
  running: ReadonlySignal<boolean>;
  canRun: ReadonlySignal<boolean>;
  done: ReadonlySignal<number>;
  total: ReadonlySignal<number>;
  secondsLeft: ReadonlySignal<number | null>;
  /** What is waited for; "" where nothing is. */
  waiting: ReadonlySignal<string>;
  /** Why the last run ended before all was done; "" where it did not. */
  problem: ReadonlySignal<string>;
}

export function createStatus(
  state: State,
  requests: Requests,
  say: (text: string, isError?: boolean) => void,
  until: AbortSignal,
): StatusLine {
  const sweep = sweepOf(state, requests.lost, until);
  const { live, running, canRun, problem } = sweep;
  const run = async (): Promise<void> => {
    try {
      await requests.ask("run");
    } catch (error) {
      if ((error as Error).name !== "AbortError") say((error as Error).message, true);
    }
  };
  const toggle = (): void => {
    if (running.peek())
      requests.ask("stop").catch((error: Error) => error.name === "AbortError" || say(error.message, true));
    else if (canRun.peek()) void run();
  };
  const found = computed(() => agreement(state.effects.value));
  const element = h(
    "div",
    { class: "pm-status" },
    runButton(sweep, toggle, until),
    progressText(state, sweep, until),
    serverText(sweep, until),
    agreementText(found, until),
    progressBar(state, sweep, until),
  );
  watch(until, () => {
    const { estimate, none, undefined: broken } = state.counts.value;
    // A complete result without estimates needs no line of its own, nor does one where nothing is defined.
    element.hidden =
      !running.value &&
      !found.value &&
      !problem.value &&
      (broken === state.space.size || (!live && !estimate && !none) || state.space.components.length > 0);
  });
  if (state.model.get("start") && canRun.peek() && !running.peek()) void run();
  return { element, toggle };
}

function sweepOf({ model, saved, counts }: State, lost: ReadonlySignal<boolean>, until: AbortSignal): Sweep {
  const live = model.get("live") && !saved;
  const runs = trait(model, "running", until);
  return {
    live,
    running: computed(() => live && !lost.value && runs.value),
    canRun: computed(() => live && !lost.value && (counts.value.none > 0 || counts.value.estimate > 0)),
    done: trait(model, "done", until),
    total: trait(model, "total", until),
    secondsLeft: trait(model, "seconds_left", until),
    waiting: trait(model, "waiting", until),
    problem: trait(model, "problem", until),
  };
}

function runButton(
  { running, canRun, done, total, problem }: Sweep,
  toggle: () => void,
  until: AbortSignal,
): HTMLElement {
  const button = h("button", { class: "sw-button pm-run", type: "button", onclick: toggle });
  watch(until, () => {
    button.hidden = !running.value && !canRun.value;
    button.textContent = running.value ? "Stop" : problem.value ? "Go on" : "Run";
    button.classList.toggle("pm-stop", running.value);
    button.title = running.value
      ? "Stop; what is done stays (r)"
      : `Run the ${count(total.value - done.value)} cells that are left (r)`;
  });
  return button;
}

function progressText({ counts }: State, sweep: Sweep, until: AbortSignal): HTMLElement {
  const { live, running, done, total, secondsLeft } = sweep;
  const text = h("span", { class: "pm-progress" });
  watch(until, () => {
    const { estimate, none, zero } = counts.value;
    const time = running.value && secondsLeft.value !== null ? `, about ${duration(secondsLeft.value)} left` : "";
    const beside = zero ? `; ${count(zero)} more are 0 by construction` : "";
    if (!done.value && !live)
      text.textContent = estimate ? "All cells are the gradient's estimate, none was run." : "No cell was run.";
    else if (estimate + none === 0) text.textContent = `All ${count(total.value)} cells were run${beside}`;
    else if (running.value) text.textContent = `${count(done.value)} of ${count(total.value)} cells${time}`;
    else text.textContent = `${count(done.value)} of ${count(total.value)} cells were run${beside}`;
    text.title = zero ? "0 by construction: nothing that differs between the prompts reaches these cells." : "";
  });
  return text;
}

function progressBar({ counts }: State, { live, done, total }: Sweep, until: AbortSignal): HTMLElement {
  const bar = h("div", {
    class: "pm-done",
    role: "progressbar",
    "aria-label": "Cells that were run",
    "aria-valuemin": 0,
    "aria-valuemax": 100,
  });
  watch(until, () => {
    const { estimate, none } = counts.value;
    const share = total.value ? done.value / total.value : 1;
    bar.style.width = `${100 * share}%`;
    bar.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    bar.hidden = estimate + none === 0 || !live;
  });
  return bar;
}

function serverText({ live, running, waiting, problem }: Sweep, until: AbortSignal): HTMLElement {
  const text = h("span", { class: "pm-server", role: "status" });
  watch(until, () => {
    text.textContent = running.value ? waiting.value : live ? problem.value : "";
    text.classList.toggle("pm-problem", !running.value);
    text.hidden = !text.textContent;
  });
  return text;
}

function agreementText(found: ReadonlySignal<ReturnType<typeof agreement>>, until: AbortSignal): HTMLElement {
  const text = h("span", { class: "sw-dim pm-agreement" });
  watch(until, () => {
    text.textContent = found.value
      ? `estimate vs exact: r = ${found.value.r.toFixed(2).replace("-", "−")} over the ${count(found.value.n)} cells that were run`
      : "";
  });
  return text;
}

/** "20 s", "3 min", "2.5 h". */
export function duration(seconds: number): string {
  if (seconds < 1) return "1 s";
  if (seconds < 90) return `${Math.round(seconds < 20 ? seconds : Math.round(seconds / 5) * 5)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
