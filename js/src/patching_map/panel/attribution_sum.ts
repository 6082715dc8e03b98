/** An attribution as one sum: what stands in no layer, the layers' parts together, and the logit difference they make. */
import { h } from "../../core/elements/dom";
import { watch } from "../../core/reactive";
import { componentText } from "../cells/cell_names";
import type { State } from "../state";
import { effectText } from "./cell_note";

interface Entry {
  name: string;
  value: number;
  /** Its cell, where it is one. */
  cell?: number;
}

export function entriesOf(
  components: readonly (readonly [string, number, number])[],
  values: ArrayLike<number>,
): Entry[] {
  const entries = new Map<string, Entry>();
  components.forEach(([component, layer, head], cell) => {
    const name =
      head >= 0
        ? "heads"
        : layer < 0
          ? componentText(component)
          : component === "mlp"
            ? "MLPs"
            : `${componentText(component)}${component.endsWith("bias") ? "es" : ""}`;
    const known = entries.get(name);
    if (known) (known.value += values[cell]!), delete known.cell;
    else entries.set(name, { name, value: values[cell]!, cell });
  });
  return [...entries.values()];
}

export function createAttributionSum(state: State, until: AbortSignal): HTMLElement {
  const element = h("div", { class: "pm-ledger", role: "group", "aria-label": "The sum" });
  watch(until, () => {
    const parts = entriesOf(state.space.components, state.effects.value.values).map(({ name, value, cell }) => {
      const content = [h("span", { class: "sw-dim" }, name), " ", effectText(value)];
      if (cell === undefined) return h("span", {}, ...content);
      const single = state.space.components[cell]![1] < 0;
      if (!single) return h("span", {}, ...content);
      return h(
        "button",
        {
          type: "button",
          class: "sw-link pm-name",
          "aria-pressed": state.open.value === cell,
          onclick: () => state.choose(cell, false),
        },
        ...content,
      );
    });
    const { model } = state;
    const whole = h(
      "span",
      { class: "pm-whole" },
      `sum = ${model.get("metric")} `,
      h("b", {}, effectText(model.get("whole")!)),
      h("span", { class: "sw-dim" }, `, residue ${residue(model.get("residue"))}`),
    );
    element.replaceChildren(...parts, whole);
  });
  return element;
}

/** "1.2e−7", "0". */
export const residue = (value: number | null): string => (value ? value.toExponential(0).replace("-", "−") : "0");
