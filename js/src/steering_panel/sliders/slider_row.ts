/** One slider: its place among those that act, whether it is on, its name, its track, its number, what can be done with it. */
import { h, icon } from "../../core/elements/dom";
import { watch } from "../../core/reactive";
import type { State } from "../state";
import { createTrack } from "./slider_track";
import { readStrength, type Slider, strengthText } from "./sliders";

export interface RowActions {
  sweep(at: number): void;
  remove(slider: Slider): void;
  say(text: string, isError?: boolean): void;
}

const SWEEP = "M1.500 12C5 12 5 4 8 4s3 8 6.500 8";
const REMOVE = "M4 4l8 8M12 4l-8 8";

export function createRow(state: State, at: number, actions: RowActions, until: AbortSignal): HTMLElement {
  const slider = state.sliders.peek()[at]!;
  const toggle = h("input", {
    type: "checkbox",
    role: "switch",
    class: "sp-toggle",
    "aria-label": `${slider.name}: on`,
    title: "On or off",
    onchange: () => state.toggle(at),
  });
  const { track, thumb } = createTrack(state, at, until);
  const field = createField(state, at, actions, until);
  const sweep = actButton(slider, "Sweep: what each strength does", SWEEP, () => actions.sweep(at));
  const remove = actButton(slider, "Remove", REMOVE, () => actions.remove(slider));
  sweep.hidden = remove.hidden = state.saved;
  const row = h(
    "div",
    { class: "sp-slider", role: "group", "aria-label": `${slider.order}: ${slider.name}` },
    h("span", { class: "sp-order", title: "Place in the order in which they act" }, String(slider.order)),
    toggle,
    nameOf(slider),
    track,
    field,
    sweep,
    remove,
  );
  row.dataset.key = slider.key;
  row.addEventListener("focusin", () => (state.current.value = at));
  row.addEventListener("pointerdown", () => (state.current.value = at));
  watch(until, () => {
    const { strengths, enabled } = state.setting.value;
    const isOn = enabled[at] ?? true;
    toggle.checked = isOn;
    row.classList.toggle("sp-off", !isOn);
    row.classList.toggle("sp-free", (strengths[at] ?? null) === null);
    const mine = state.current.value === at;
    row.classList.toggle("sp-current", mine);
    // One row is in the order of tabs; the arrows lead to the others.
    for (const one of [toggle, thumb, field, sweep, remove]) one.tabIndex = mine ? 0 : -1;
  });
  return row;
}

/** Its name, and where in the model it acts. */
function nameOf({ name, kind, site, layer, at }: Slider): HTMLElement {
  const acts = kind === "swap" ? "attention of a head" : site;
  const about = `layer ${layer}, ${acts}${at === "all positions" ? "" : `, ${at}`}`;
  return h(
    "span",
    { class: "sp-name", title: `${name}, ${about}` },
    h("span", { class: "sp-what" }, name),
    h("span", { class: "sp-where" }, about),
  );
}

function actButton({ name }: Slider, label: string, path: string, onclick: () => void): HTMLButtonElement {
  return h(
    "button",
    { class: "sw-button sp-act", type: "button", title: label, "aria-label": `${label}: ${name}`, onclick },
    icon(path),
  );
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
