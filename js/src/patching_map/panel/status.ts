/** How far a sweep is, with the button that runs or stops it, and how well its estimates did so far. */

import { h } from "../../core/elements/dom";
import { count } from "../../core/format";
import { computed, trait, watch } from "../../core/reactive";
import type { Requests } from "../../core/requests";
import { agreement } from "../cells/cells";
import type { State } from "../state";

export interface StatusLine {
  element: HTMLElement;
  /** Run what is left, or stop; nothing where there is nothing to run. */
  toggle(): void;
}

export function createStatus(
  state: State,
  requests: Requests,
  say: (text: string, isError?: boolean) => void,
  until: AbortSignal,
): StatusLine {
  const { model } = state;
  const live = model.get("live") && !state.saved;
  const [done, total] = [trait(model, "done", until), trait(model, "total", until)];
  const seconds = trait(model, "seconds_left", until);
  const runs = trait(model, "running", until);
  const [waiting, problem] = [trait(model, "waiting", until), trait(model, "problem", until)];
  const running = computed(() => live && runs.value);
  const canRun = computed(() => live && (state.counts.value.none > 0 || state.counts.value.estimate > 0));

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

  const button = h("button", { class: "sw-button pm-run", type: "button", onclick: toggle });
  const progress = h("span", { class: "pm-progress" });
  const server = h("span", { class: "pm-server", role: "status" });
  const quality = h("span", { class: "sw-dim pm-agreement" });
  const bar = h("div", {
    class: "pm-done",
    role: "progressbar",
    "aria-label": "Cells that were run",
    "aria-valuemin": 0,
    "aria-valuemax": 100,
  });
  const element = h("div", { class: "pm-status" }, button, progress, server, quality, bar);

  watch(until, () => {
    button.hidden = !running.value && !canRun.value;
    button.textContent = running.value ? "Stop" : problem.value ? "Go on" : "Run";
    button.classList.toggle("pm-stop", running.value);
    button.title = running.value
      ? "Stop; what is done stays (r)"
      : `Run the ${count(total.value - done.value)} cells that are left (r)`;
  });
  watch(until, () => {
    const { estimate, none } = state.counts.value;
    const whole = estimate + none === 0;
    const time = running.value && seconds.value !== null ? `, about ${duration(seconds.value)} left` : "";
    if (!done.value && !live)
      progress.textContent = estimate ? "All cells are the gradient's estimate, none was run." : "No cell was run.";
    else
      progress.textContent = whole
        ? `All ${count(total.value)} cells are exact`
        : `${count(done.value)} of ${count(total.value)} cells${running.value ? time : " were run"}`;
    const share = total.value ? done.value / total.value : 1;
    bar.style.width = `${100 * share}%`;
    bar.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    bar.hidden = whole || !live;
  });
  watch(until, () => {
    server.textContent = running.value ? waiting.value : live ? problem.value : "";
    server.classList.toggle("pm-problem", !running.value);
    server.hidden = !server.textContent;
  });
  const found = computed(() => agreement(state.effects.value));
  watch(until, () => {
    quality.textContent = found.value
      ? `estimate vs exact: r = ${found.value.r.toFixed(2).replace("-", "−")} over ${count(found.value.n)} cells`
      : "";
  });
  watch(until, () => {
    const { estimate, none, undefined: broken } = state.counts.value;
    // A complete result without estimates needs no line of its own, nor does one where nothing is defined.
    element.hidden =
      !running.value &&
      !found.value &&
      !problem.value &&
      (broken === state.space.size || (!live && !estimate && !none) || state.space.components.length > 0);
  });
  if (live && model.get("start") && canRun.peek() && !runs.peek()) void run();
  return { element, toggle };
}

/** "20 s", "3 min", "2.5 h". */
export function duration(seconds: number): string {
  if (seconds < 1) return "1 s";
  if (seconds < 90) return `${Math.round(seconds < 20 ? seconds : Math.round(seconds / 5) * 5)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
