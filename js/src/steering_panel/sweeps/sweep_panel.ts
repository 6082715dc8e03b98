/** Below the sliders: what each strength of the current one does. */

import { h } from "../../core/elements/dom";
import type { Tooltip } from "../../core/elements/tooltip";
import { signed, steady } from "../../core/format";
import { computed, draw, sizeOf, watch } from "../../core/reactive";
import { snapped, strengthText } from "../sliders/sliders";
import type { State } from "../state";
import { type Chart, chartOf, chartWords, fluentWords } from "./sweep_chart";
import type { Sweep, Sweeps } from "./sweeps";

const SVG = "http://www.w3.org/2000/svg";

export function createSweepPanel(state: State, sweeps: Sweeps, tooltip: Tooltip, until: AbortSignal): HTMLElement {
  const plot = h("div", { class: "sp-plot", role: "img" });
  const here = h("i", { class: "sp-here" });
  const holder = h("div", { class: "sp-chart" }, plot, here);
  const size = sizeOf(holder, until);
  const chart = computed<Chart | undefined>(() => {
    const [width, height] = size.value;
    return sweeps.known.value && width ? chartOf(sweeps.known.value, state.theme.value, { width, height }) : undefined;
  });
  draw(until, () => {
    if (!chart.value) return plot.replaceChildren();
    const [width, height] = size.value;
    const { documentElement } = new DOMParser().parseFromString(
      `<svg xmlns="${SVG}" width="${width}" height="${height}">${chart.value.svg}</svg>`,
      "image/svg+xml",
    );
    plot.replaceChildren(document.importNode(documentElement, true));
    plot.setAttribute("aria-label", chartWords(sweeps.known.value!));
  });
  watch(until, () => {
    const strength = state.setting.value.strengths[state.current.value];
    here.hidden = !chart.value || strength === null || strength === undefined;
    if (!here.hidden) here.style.left = `${chart.value!.x(strength!)}px`;
  });
  watch(until, () => void holder.classList.toggle("sp-old", !!sweeps.known.value && !sweeps.holds.value));
  const strengthAt = (event: MouseEvent): number => {
    const slider = state.sliders.peek()[state.current.peek()]!;
    return snapped(slider, chart.peek()!.strengthAt(event.clientX - holder.getBoundingClientRect().left));
  };
  holder.addEventListener(
    "click",
    (event) => chart.peek() && state.set(state.current.peek(), strengthAt(event), event.timeStamp),
  );
  holder.addEventListener("pointermove", (event) => {
    if (chart.peek()) tooltip.show(event.clientX, event.clientY, noteOf(sweeps.known.peek()!, strengthAt(event)));
  });
  holder.addEventListener("pointerleave", () => tooltip.hide());

  const element = h(
    "section",
    { class: "sp-sweep", "aria-label": "Sweep of the current slider" },
    headOf(state, sweeps, until),
    holder,
  );
  watch(until, () => {
    element.hidden = !state.sliders.value.length || (state.saved && !sweeps.known.value);
    holder.hidden = !sweeps.known.value;
  });
  return element;
}

function noteOf({ strengths, kl, difference, loss }: Sweep, strength: number): HTMLElement[] {
  const far = strengths.map((one) => Math.abs(one - strength));
  const at = far.indexOf(Math.min(...far));
  const lines = [`strength ${strengthText(strengths[at]!)}`, `KL divergence ${steady(kl[at]!)} nats`];
  if (difference && difference[at] !== null) lines.push(`logit difference ${signed(difference[at]!, steady)}`);
  if (loss[at] !== null) lines.push(`loss on the unsteered text ${signed(loss[at]!, steady)} nats a token`);
  return lines.map((line) => h("div", {}, line));
}

function headOf(state: State, sweeps: Sweeps, until: AbortSignal): HTMLElement {
  const title = h("span", { class: "sp-title sp-sweep-name" });
  const said = h("span", { class: "sw-dim sp-said", role: "status" });
  const keys = h(
    "span",
    { class: "sp-keys" },
    h("span", { class: "sp-key" }, h("i", { class: "sp-line" }), "KL, nats"),
  );
  if (state.model.get("answers").length)
    keys.append(h("span", { class: "sp-key" }, h("i", { class: "sp-line sp-dashed" }), "logit difference"));
  const button = h("button", {
    class: "sw-button sp-boxed",
    type: "button",
    onclick: () => (sweeps.progress.peek() ? sweeps.stop() : void sweeps.run(state.current.peek())),
  });
  button.hidden = state.saved;
  watch(until, () => {
    const running = sweeps.progress.value;
    const at = running?.at ?? state.current.value;
    title.textContent = title.title = `Sweep of ${state.sliders.value[at]?.name ?? ""}`;
    button.textContent = running ? "Stop" : sweeps.known.value ? "Again" : "Sweep";
    const { fluent, limit } = sweeps.known.value ?? { fluent: null, limit: 0 };
    said.textContent = running
      ? running.text
      : !sweeps.known.value
        ? ""
        : sweeps.holds.value
          ? fluentWords(fluent, limit)
          : "other sliders have moved since";
    said.title = said.textContent;
    keys.hidden = !sweeps.known.value || !!running;
  });
  return h("div", {}, h("div", { class: "sp-sweep-head" }, title, said, button), keys);
}
