/** Strengths under a name: save, apply, delete, load from a file. */
import { h } from "../../core/elements/dom";
import { computed, watch } from "../../core/reactive";
import type { State } from "../state";
import { applied, readPresets } from "./presets";

export function createPresetBox(
  state: State,
  say: (text: string, isError?: boolean) => void,
  until: AbortSignal,
): HTMLElement {
  const list = h("span", { class: "sp-chips" });
  const name = h("input", {
    type: "text",
    class: "sp-field sp-name-field",
    placeholder: "name",
    "aria-label": "Name of a preset",
    maxlength: 60,
  });
  const save = (): void => {
    const text = name.value.trim();
    if (!text) return void name.focus();
    state.savePreset(text);
    name.value = "";
    say(`Saved as the preset '${text}'.`);
  };
  name.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") save();
    if (event.key === "Escape") name.blur();
  });
  const file = h("input", {
    type: "file",
    accept: ".json,application/json",
    class: "sw-hidden",
    tabindex: -1,
    "aria-label": "File of presets",
  });
  file.addEventListener("change", async () => {
    const [given] = file.files ?? [];
    file.value = "";
    if (!given) return;
    try {
      const read = readPresets(await given.text(), state.sliders.peek(), state.model.get("model_name"));
      state.putPresets({ ...state.presets.peek(), ...read });
      say(`Loaded ${Object.keys(read).length === 1 ? "a preset" : `${Object.keys(read).length} presets`}.`);
    } catch (error) {
      say((error as Error).message, true);
    }
  });
  const now = computed(() => JSON.stringify(state.setting.value));
  watch(until, () => {
    const sliders = state.sliders.value;
    list.replaceChildren(
      ...Object.entries(state.presets.value).map(([text, preset]) => {
        const { setting, missing } = applied(preset, sliders);
        const isNow = !missing.length && JSON.stringify(setting) === now.value;
        return h(
          "span",
          { class: "sp-chip" },
          h(
            "button",
            {
              class: "sp-chip-name",
              type: "button",
              title: `Apply '${text}'`,
              "aria-pressed": String(isNow),
              onclick: () => state.applyPreset(text),
            },
            text,
          ),
          h(
            "button",
            {
              class: "sp-chip-clear",
              type: "button",
              "aria-label": `Delete the preset ${text}`,
              onclick: () => remove(state, text),
            },
            "×",
          ),
        );
      }),
    );
  });
  const button = (text: string, title: string, onclick: () => void): HTMLElement =>
    h("button", { class: "sw-button sp-boxed", type: "button", title, "aria-label": title, onclick }, text);
  const element = h(
    "div",
    { class: "sp-presets", role: "group", "aria-label": "Presets" },
    h("span", { class: "sw-dim" }, "Presets"),
    list,
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

function remove(state: State, name: string): void {
  const { [name]: _, ...rest } = state.presets.peek();
  state.putPresets(rest);
}
