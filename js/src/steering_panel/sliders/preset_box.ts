/** Strengths under a name: save, apply, delete, load from a file. */
import { h } from "../../core/elements/dom";
import { computed, watch } from "../../core/reactive";
import type { State } from "../state";
import { applied, readPresets } from "./presets";

type Say = (text: string, isError?: boolean) => void;

export function createPresetBox(state: State, say: Say, until: AbortSignal): HTMLElement {
  const { field: name, save } = createNameField(state, say);
  const file = createFileField(state, say);
  const button = (text: string, title: string, onclick: () => void): HTMLElement =>
    h("button", { class: "sw-button sp-boxed", type: "button", title, "aria-label": title, onclick }, text);
  const element = h(
    "div",
    { class: "sp-presets", role: "group", "aria-label": "Presets" },
    h("span", { class: "sw-dim" }, "Presets"),
    createChips(state, until),
    h(
      "span",
      { class: "sp-new" },
      name,
      button("Save", "Save the present strengths under this name", save),
      button("Load …", "Load presets from a JSON file, as the save menu writes it", () => file.click()),
      file,
    ),
  );
  watch(until, () => void (element.hidden = !state.sliders.value.length));
  return element;
}

function createNameField(state: State, say: Say): { field: HTMLElement; save(): void } {
  const field = h("input", {
    type: "text",
    class: "sp-field sp-name-field",
    placeholder: "name",
    "aria-label": "Name of a preset",
    maxlength: 60,
  });
  const save = (): void => {
    const name = field.value.trim();
    if (!name) return void field.focus();
    state.savePreset(name);
    field.value = "";
    say(`Saved as the preset '${name}'.`);
  };
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") save();
    if (event.key === "Escape") field.blur();
  });
  return { field, save };
}

function createFileField(state: State, say: Say): HTMLElement {
  const field = h("input", {
    type: "file",
    accept: ".json,application/json",
    class: "sw-hidden",
    tabindex: -1,
    "aria-label": "File of presets",
  });
  field.addEventListener("change", async () => {
    const [given] = field.files ?? [];
    field.value = "";
    if (!given) return;
    try {
      const read = readPresets(await given.text(), state.sliders.peek(), state.model.get("model_name"));
      state.putPresets({ ...state.presets.peek(), ...read });
      say(`Loaded ${Object.keys(read).length === 1 ? "a preset" : `${Object.keys(read).length} presets`}.`);
    } catch (error) {
      say((error as Error).message, true);
    }
  });
  return field;
}

/** A chip for each preset: apply it, delete it. */
function createChips(state: State, until: AbortSignal): HTMLElement {
  const chips = h("span", { class: "sp-chips" });
  const now = computed(() => JSON.stringify(state.setting.value));
  watch(until, () => {
    const sliders = state.sliders.value;
    chips.replaceChildren(
      ...Object.entries(state.presets.value).map(([name, preset]) => {
        const { setting, missing } = applied(preset, sliders);
        return chipOf(state, name, !missing.length && JSON.stringify(setting) === now.value);
      }),
    );
  });
  return chips;
}

function chipOf(state: State, name: string, isNow: boolean): HTMLElement {
  return h(
    "span",
    { class: "sp-chip" },
    h(
      "button",
      {
        class: "sp-chip-name",
        type: "button",
        title: `Apply '${name}'`,
        "aria-pressed": String(isNow),
        onclick: () => state.applyPreset(name),
      },
      name,
    ),
    h(
      "button",
      {
        class: "sp-chip-clear",
        type: "button",
        "aria-label": `Delete the preset ${name}`,
        onclick: () => remove(state, name),
      },
      "×",
    ),
  );
}

function remove(state: State, name: string): void {
  const { [name]: _, ...rest } = state.presets.peek();
  state.putPresets(rest);
}
