/** What can be steered is added here: directions between words or texts, heads, neurons, latents. */
import { h } from "../../core/elements/dom";
import { signal, watch } from "../../core/reactive";
import type { State } from "../state";

interface Field {
  name: string;
  label: string;
  hint: string;
  /** A number from 0; `to` it is at most. */
  to?: number | undefined;
  /** Several lines. */
  tall?: boolean;
  value?: number;
}

interface Choice {
  /** What Python is asked for. */
  ask: string;
  text: string;
  fields: Field[];
}

function choicesOf(state: State): Choice[] {
  const layers = state.model.get("n_layers") ?? 0;
  const heads = state.model.get("n_heads") ?? 0;
  const layer = (value: number): Field => ({ name: "layer", label: "layer", hint: "", to: layers, value });
  return [
    {
      ask: "add_words",
      text: "Two words",
      fields: [
        { name: "word", label: "more", hint: "good" },
        { name: "versus", label: "less", hint: "bad" },
        // what enters the final norm: there the words are moved and nothing else comes between
        layer(layers),
      ],
    },
    {
      ask: "add_texts",
      text: "Two kinds of texts",
      fields: [
        { name: "positive", label: "more like", hint: "texts, a line each", tall: true },
        { name: "negative", label: "less like", hint: "texts, a line each", tall: true },
        layer(Math.floor(layers / 2)),
      ],
    },
    {
      ask: "add_head",
      text: "A head",
      fields: [
        { name: "layer", label: "layer", hint: "", to: layers - 1, value: 0 },
        { name: "head", label: "head", hint: "", to: heads - 1, value: 0 },
      ],
    },
    {
      ask: "add_neuron",
      text: "A neuron",
      fields: [
        { name: "layer", label: "layer", hint: "", to: layers - 1, value: 0 },
        { name: "neuron", label: "neuron", hint: "", to: undefined, value: 0 },
      ],
    },
    ...(state.model.get("has_latents")
      ? [{ ask: "add_latent", text: "A latent", fields: [{ name: "latent", label: "number", hint: "", value: 0 }] }]
      : []),
  ];
}

export function createAddBox(
  state: State,
  add: (name: string, args: Record<string, string | number>) => Promise<boolean>,
  until: AbortSignal,
): HTMLElement {
  const choices = choicesOf(state);
  const [at, busy] = [signal(0), signal(false)];
  const select = h(
    "select",
    {
      class: "sw-select sp-add-kind",
      "aria-label": "What to steer",
      onchange: () => (at.value = select.selectedIndex),
    },
    ...choices.map(({ text }) => h("option", {}, text)),
  );
  const place = h("span", { class: "sp-add-fields" });
  let inputs: (HTMLInputElement | HTMLTextAreaElement)[] = [];
  const submit = h("button", { class: "sw-button sp-boxed", type: "submit" }, "Add");
  const element = h(
    "form",
    { class: "sp-add", "aria-label": "Add a slider" },
    h("span", { class: "sw-dim" }, "Steer"),
    select,
    place,
    submit,
  );
  watch(until, () => {
    const { fields } = choices[at.value]!;
    inputs = fields.map(createInput);
    place.replaceChildren(
      ...fields.map(({ label }, i) => h("label", {}, h("span", { class: "sw-dim" }, label), inputs[i]!)),
    );
  });
  watch(until, () => void (submit.disabled = busy.value));
  element.hidden = state.saved;
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { ask, fields } = choices[at.peek()]!;
    const given = fields.map(({ name, value }, i) => {
      const text = inputs[i]!.value;
      return [name, value === undefined ? text : Number(text)];
    });
    busy.value = true;
    const added = await add(ask, Object.fromEntries(given));
    busy.value = false;
    if (added) for (const [i, { value }] of fields.entries()) if (value === undefined) inputs[i]!.value = "";
  });
  element.addEventListener("keydown", (event) => {
    // keys of the view and of the notebook are not for who writes
    event.stopPropagation();
    if (event.key === "Escape") (event.target as HTMLElement).blur();
    else if (event.key === "Enter" && event.ctrlKey) element.requestSubmit();
  });
  return element;
}

function createInput({ label, hint, to, tall, value }: Field): HTMLInputElement | HTMLTextAreaElement {
  if (tall)
    return h("textarea", {
      class: "sp-field sp-add-text",
      rows: 2,
      dir: "auto",
      spellcheck: "false",
      placeholder: hint,
      "aria-label": label,
    });
  const field = h("input", {
    class: `sp-field ${value === undefined ? "sp-add-word" : "sp-add-number"}`,
    type: value === undefined ? "text" : "number",
    placeholder: hint,
    autocomplete: "off",
    dir: "auto",
    "aria-label": label,
  });
  if (value !== undefined) {
    Object.assign(field, { min: "0", step: "1", required: true, value: String(value) });
    if (to !== undefined) field.max = String(to);
  }
  return field;
}
