/** The track of a slider: where its strength stands, moved by the pointer and by keys. */

import { h } from "../../core/elements/dom";
import { followPointer } from "../../core/elements/pointer";
import { watch } from "../../core/reactive";
import type { State } from "../state";
import { placeOf, type Slider, snapped, stepOf, strengthText } from "./sliders";

export interface Track {
  track: HTMLElement;
  thumb: HTMLElement;
}

export function createTrack(state: State, at: number, until: AbortSignal): Track {
  const slider = state.sliders.peek()[at]!;
  const { low, high, neutral } = slider;
  const filled = h("span", { class: "sp-filled" });
  const tick = h("span", { class: "sp-neutral" });
  tick.hidden = neutral === null;
  tick.style.left = percent(slider, neutral ?? 0);
  const thumb = h("span", {
    class: "sp-thumb",
    role: "slider",
    "aria-label": slider.name,
    "aria-valuemin": low,
    "aria-valuemax": high,
  });
  const track = h("div", { class: "sp-track" }, createRange(state, slider, until), filled, tick, thumb);
  watch(until, () => {
    const strength = state.setting.value.strengths[at] ?? null;
    const from = placeOf(slider, neutral ?? Math.max(low, Math.min(high, 0)));
    const to = strength === null ? from : placeOf(slider, strength);
    thumb.style.left = `${100 * to}%`;
    Object.assign(filled.style, { left: `${100 * Math.min(from, to)}%`, width: `${100 * Math.abs(to - from)}%` });
    thumb.setAttribute("aria-valuenow", String(strength ?? 0));
    thumb.setAttribute("aria-valuetext", strengthText(strength));
  });
  listenToPointer(state, at, { track, thumb });
  listenToKeys(state, at, { track, thumb });
  return { track, thumb };
}

const percent = (slider: Slider, strength: number): string => `${100 * placeOf(slider, strength)}%`;

/** Strengths at which the text stays fluent or, while that is not known, those that are typical. */
function createRange(state: State, slider: Slider, until: AbortSignal): HTMLElement {
  const range = h("span", { class: "sp-range" });
  watch(until, () => {
    const fluent = state.fluent.value[slider.key];
    const shaded = fluent ?? slider.typical;
    range.hidden = !shaded;
    range.classList.toggle("sp-typical", !fluent);
    if (!shaded) return;
    const right = `${100 - 100 * placeOf(slider, shaded[1])}%`;
    Object.assign(range.style, { left: percent(slider, shaded[0]), right });
    range.title = `${fluent ? "Fluent" : "Length that the direction was found with"}: ${strengthText(shaded[0])} to ${strengthText(shaded[1])}`;
  });
  return range;
}

function listenToPointer(state: State, at: number, { track, thumb }: Track): void {
  const slider = state.sliders.peek()[at]!;
  const { low, high, neutral } = slider;
  const strengthAt = (event: PointerEvent): number => {
    const { left, width } = track.getBoundingClientRect();
    return snapped(slider, low + ((event.clientX - left) / width) * (high - low));
  };
  track.addEventListener("pointerdown", (down) => {
    if (down.button) return;
    down.preventDefault();
    thumb.focus({ preventScroll: true });
    if (down.target !== thumb) state.slide(at, strengthAt(down), down.timeStamp);
    followPointer(
      track,
      down,
      (move) => state.slide(at, strengthAt(move), move.timeStamp),
      () => state.release(),
    );
  });
  track.addEventListener("dblclick", () => state.set(at, neutral));
}

/** A strength that a key moves is set when the key is let go, as with the pointer. */
function listenToKeys(state: State, at: number, { track, thumb }: Track): void {
  const slider = state.sliders.peek()[at]!;
  const { low, high, neutral } = slider;
  thumb.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const walk = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (walk) stand(track, walk);
    else {
      const now = state.setting.peek().strengths[at] ?? neutral ?? 0;
      const step = stepOf(slider) * (event.shiftKey ? 10 : 1);
      const to = {
        ArrowLeft: () => snapped(slider, now - step),
        ArrowRight: () => snapped(slider, now + step),
        Home: () => low,
        End: () => high,
        "0": () => neutral,
        Delete: () => neutral,
        Backspace: () => neutral,
      }[event.key];
      if (!to) return;
      state.slide(at, to(), event.timeStamp);
    }
    event.preventDefault();
    event.stopPropagation();
  });
  for (const end of ["keyup", "blur"]) thumb.addEventListener(end, () => track.onpointermove ?? state.release());
}

/** Go to the next or the previous slider. */
function stand(track: HTMLElement, step: number): void {
  const rows = [...track.closest(".sp-sliders")!.querySelectorAll<HTMLElement>(".sp-thumb")];
  rows[rows.indexOf(track.querySelector(".sp-thumb")!) + step]?.focus();
}
