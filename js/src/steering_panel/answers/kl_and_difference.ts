/** How far the next token is from the model as it is (KL), and the logit difference of the answers. */

import { niceCeiling } from "../../core/drawing/scale";
import { h } from "../../core/elements/dom";
import { signed, steady } from "../../core/format";
import { watch } from "../../core/reactive";
import { tokenSpan } from "../../core/tokens";
import type { State } from "../state";
import type { Sweeps } from "../sweeps/sweeps";
import type { Answers } from "./answers";

export function createDials(state: State, { shown, old }: Answers, sweeps: Sweeps, until: AbortSignal): HTMLElement {
  const answers: string[] = state.model.get("answers");
  const element = h("div", { class: "sp-dials" });
  watch(until, () => void element.classList.toggle("sp-old", old.value));
  klDial(element, shown, sweeps, until);
  if (answers.length) differenceDial(element, answers as [string, string], shown, until);
  return element;
}

/** [label, track, numbers] of one line; the label can hold tokens. */
function line(
  parent: HTMLElement,
  label: (Node | string)[],
  title: string,
): { track: HTMLElement; numbers: HTMLElement } {
  const track = h("div", { class: "sp-gauge" });
  const numbers = h("span", { class: "sp-numbers" });
  parent.append(h("span", { class: "sp-label", title }, ...label), track, numbers);
  return { track, numbers };
}

function klDial(parent: HTMLElement, shown: Answers["shown"], sweeps: Sweeps, until: AbortSignal): void {
  const { track, numbers } = line(
    parent,
    ["KL divergence"],
    "Of the steered next-token distribution from the unsteered one, in nats",
  );
  const [safe, bar] = [h("i", { class: "sp-safe" }), h("i", { class: "sp-bar" })];
  track.append(safe, bar);
  let most = 1;
  watch(until, () => {
    const { kl } = shown.value ?? { kl: 0 };
    const fluent = sweeps.fluentKl.value;
    // The scale grows when it must and never shrinks, so that the bar alone moves.
    most = Math.max(most, niceCeiling(Math.max(kl, fluent ?? 0)));
    bar.style.width = `${(100 * kl) / most}%`;
    bar.classList.toggle("sp-beyond", fluent !== undefined && kl > fluent);
    safe.hidden = fluent === undefined;
    safe.style.width = `${(100 * (fluent ?? 0)) / most}%`;
    safe.title = fluent === undefined ? "" : `Fluent in the sweep: up to ${steady(fluent)} nats`;
    numbers.replaceChildren(h("b", {}, `${steady(kl)} nats`), h("span", { class: "sw-dim" }, `on a scale to ${most}`));
  });
}

function differenceDial(
  parent: HTMLElement,
  [answer, versus]: [string, string],
  shown: Answers["shown"],
  until: AbortSignal,
): void {
  const { track, numbers } = line(
    parent,
    ["logit ", tokenSpan(answer), " − ", tokenSpan(versus)],
    "Logit of one token less that of the other",
  );
  track.classList.add("sp-centred");
  const [bar, before] = [h("i", { class: "sp-bar" }), h("i", { class: "sp-before", title: "unsteered" })];
  track.append(bar, before);
  let most = 1;
  watch(until, () => {
    const { difference, difference0 } = shown.value ?? { difference: null, difference0: null };
    if (difference === null || difference0 === null) return;
    most = Math.max(most, niceCeiling(Math.max(Math.abs(difference), Math.abs(difference0))));
    const half = (value: number): number => (50 * value) / most;
    Object.assign(bar.style, {
      left: `${50 + Math.min(0, half(difference))}%`,
      width: `${Math.abs(half(difference))}%`,
    });
    before.style.left = `${50 + half(difference0)}%`;
    numbers.replaceChildren(
      h("b", {}, signed(difference, steady)),
      h("span", { class: "sw-dim", title: "unsteered" }, `was ${signed(difference0, steady)}`),
    );
  });
}
