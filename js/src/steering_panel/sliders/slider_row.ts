/** One slider: its place among those that act, whether it is on, its name, its track, its number, what can be done with it. */
import { h, icon } from "../../core/elements/dom";
import { watch } from "../../core/reactive";
import type { State } from "../state";
import { placeOf, readStrength, type Slider, type Strength, snapped, stepOf, strengthText } from "./sliders";

export interface RowActions {
  sweep(at: number): void;
  remove(slider: Slider): void;
  say(text: string, isError?: boolean): void;
}

const SWEEP = "M1.500 12C5 12 5 4 8 4s3 8 6.500 8";
const REMOVE = "M4 4l8 8M12 4l-8 8";

export function createRow(state: State, at: number, actions: RowActions, until: AbortSignal): HTMLElement {
  const slider = state.sliders.peek()[at]!;
  const strength = (): Strength => state.setting.value.strengths[at] ?? null;
  const isOn = (): boolean => state.setting.value.enabled[at] ?? true;

  const toggle = h("input", {
    type: "checkbox",
    role: "switch",
    class: "sp-toggle",
    "aria-label": `${slider.name}: on`,
    title: "On or off",
    onchange: () => state.toggle(at),
  });
  const acts = slider.kind === "swap" ? "attention of a head" : slider.site;
  const about = `layer ${slider.layer}, ${acts}${slider.at === "all positions" ? "" : `, ${slider.at}`}`;
  const name = h(
    "span",
    { class: "sp-name", title: `${slider.name}, ${about}` },
    h("span", { class: "sp-what" }, slider.name),
    h("span", { class: "sp-where" }, about),
  );
  const { track, thumb } = createTrack(state, at, until);
  const field = createField(state, at, actions, until);
  const button = (label: string, path: string, action: () => void): HTMLButtonElement =>
    h(
      "button",
      {
        class: "sw-button sp-act",
        type: "button",
        title: label,
        "aria-label": `${label}: ${slider.name}`,
        onclick: action,
      },
      icon(path),
    );
  const sweep = button("Sweep: what each strength does", SWEEP, () => actions.sweep(at));
  const remove = button("Remove", REMOVE, () => actions.remove(slider));
  sweep.hidden = remove.hidden = state.saved;
  const row = h(
    "div",
    { class: "sp-slider", role: "group", "aria-label": `${slider.order}: ${slider.name}` },
    h("span", { class: "sp-order", title: "Place in the order in which they act" }, String(slider.order)),
    toggle,
    name,
    track,
    field,
    sweep,
    remove,
  );
  row.dataset.key = slider.key;
  row.addEventListener("focusin", () => (state.current.value = at));
  row.addEventListener("pointerdown", () => (state.current.value = at));
  watch(until, () => {
    toggle.checked = isOn();
    row.classList.toggle("sp-off", !isOn());
    row.classList.toggle("sp-free", strength() === null);
    const mine = state.current.value === at;
    row.classList.toggle("sp-current", mine);
    // One row is in the order of tabs; the arrows lead to the others.
    for (const one of [toggle, thumb, field, sweep, remove]) one.tabIndex = mine ? 0 : -1;
  });
  return row;
}

function createTrack(state: State, at: number, until: AbortSignal): { track: HTMLElement; thumb: HTMLElement } {
  const slider = state.sliders.peek()[at]!;
  const { low, high, neutral } = slider;
  const percent = (value: number): string => `${100 * placeOf(slider, value)}%`;
  const range = h("span", { class: "sp-range" });
  const filled = h("span", { class: "sp-filled" });
  const tick = h("span", { class: "sp-neutral" });
  const thumb = h("span", {
    class: "sp-thumb",
    role: "slider",
    "aria-label": slider.name,
    "aria-valuemin": low,
    "aria-valuemax": high,
  });
  const track = h("div", { class: "sp-track" }, range, filled, tick, thumb);
  tick.hidden = neutral === null;
  tick.style.left = percent(neutral ?? 0);
  watch(until, () => {
    const fluent = state.fluent.value[slider.key];
    const shaded = fluent ?? slider.typical;
    range.hidden = !shaded;
    range.classList.toggle("sp-typical", !fluent);
    if (!shaded) return;
    Object.assign(range.style, { left: percent(shaded[0]), right: `${100 - 100 * placeOf(slider, shaded[1])}%` });
    range.title = `${fluent ? "Fluent" : "Length that the direction was found with"}: ${strengthText(shaded[0])} to ${strengthText(shaded[1])}`;
  });
  watch(until, () => {
    const strength = state.setting.value.strengths[at] ?? null;
    const from = placeOf(slider, neutral ?? Math.max(low, Math.min(high, 0)));
    const to = strength === null ? from : placeOf(slider, strength);
    thumb.style.left = `${100 * to}%`;
    Object.assign(filled.style, { left: `${100 * Math.min(from, to)}%`, width: `${100 * Math.abs(to - from)}%` });
    thumb.setAttribute("aria-valuenow", String(strength ?? 0));
    thumb.setAttribute("aria-valuetext", strengthText(strength));
  });

  const strengthAt = (event: PointerEvent): number => {
    const { left, width } = track.getBoundingClientRect();
    return snapped(slider, low + ((event.clientX - left) / width) * (high - low));
  };
  track.addEventListener("pointerdown", (down) => {
    if (down.button) return;
    down.preventDefault();
    thumb.focus({ preventScroll: true });
    track.setPointerCapture(down.pointerId);
    if (down.target !== thumb) state.slide(at, strengthAt(down), down.timeStamp);
    track.onpointermove = (move) => state.slide(at, strengthAt(move), move.timeStamp);
    track.onlostpointercapture = () => {
      track.onpointermove = track.onlostpointercapture = null;
      state.release();
    };
  });
  track.addEventListener("dblclick", () => state.set(at, neutral));
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
  return { track, thumb };
}

/** Go to the next or the previous slider. */
function stand(track: HTMLElement, step: number): void {
  const rows = [...track.closest(".sp-sliders")!.querySelectorAll<HTMLElement>(".sp-thumb")];
  rows[rows.indexOf(track.querySelector(".sp-thumb")!) + step]?.focus();
}

function createField(state: State, at: number, { say }: RowActions, until: AbortSignal): HTMLInputElement {
  const slider = state.sliders.peek()[at]!;
  const field = h("input", {
    type: "text",
    class: "sp-field",
    inputmode: "decimal",
    autocomplete: "off",
    "aria-label": `Strength of ${slider.name}`,
  });
  const show = (): void => void (field.value = strengthText(state.setting.peek().strengths[at] ?? null));
  const put = (): void => {
    const value = readStrength(slider, field.value);
    if (value === undefined)
      say(
        `A strength is a finite number${slider.neutral === null ? ", or free" : ""}; '${field.value}' is none. Nothing was changed.`,
        true,
      );
    else state.set(at, value);
    show();
  };
  watch(until, () => {
    void state.setting.value;
    show();
  });
  field.addEventListener("focus", () => field.select());
  field.addEventListener("change", put);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      show();
      field.blur();
    } else if (event.key === "Enter") {
      put();
      field.select();
    } else if (event.ctrlKey || event.metaKey) return;
    event.stopPropagation();
  });
  return field;
}
