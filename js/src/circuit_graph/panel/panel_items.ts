/** Parts of the panel: a node's label, what can be done with nodes, and the members of a group. */
import { h } from "../../core/elements/dom";
import type { Unit } from "../circuit/drawn_nodes";
import { nodeWords } from "../circuit/graph";
import type { State } from "../state";

/** The name that a person gives to a node; of a group, it is drawn beside its own. */
export function labelField(state: State, unit: Unit): HTMLElement {
  if (unit.kind === "group") return h("div", {});
  const field = h("input", {
    type: "text",
    class: "cg-field cg-label",
    placeholder: "label",
    "aria-label": "Label",
    maxlength: 80,
  });
  field.value = state.edits.value.labels.get(unit.key) ?? "";
  const put = (): void => state.label(unit.key, field.value);
  field.addEventListener("change", put);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      put();
    }
    if (event.key === "Escape") field.blur();
  });
  return h("div", { class: "cg-line" }, field);
}

export function actionsOf(state: State, units: Unit[]): HTMLElement {
  const names = units
    .flatMap((unit) => unit.nodes.map((node) => state.graph.nodes[node]!.name))
    .filter((name) => name !== state.graph.nodes[state.graph.logits]!.name);
  const out = names.length > 0 && names.every((name) => state.edits.value.removed.includes(name));
  const button = (text: string, title: string, onclick: () => void): HTMLElement =>
    h("button", { class: "sw-button cg-boxed", type: "button", title, onclick }, text);
  const parts: HTMLElement[] = [];
  if (names.length)
    parts.push(
      button(out ? "Put in" : "Take out", `${out ? "Put its edges in again" : "Take all its edges out"} (x)`, () =>
        state.toggleNodes(names),
      ),
    );
  for (const { kind, key } of units)
    if (kind === "group")
      parts.push(
        button(units.length > 1 ? `Ungroup ${key}` : "Ungroup", "Show its nodes again", () => state.ungroup(key)),
      );
  const pinned = units.filter((unit) => unit.pinned).map(({ key }) => key);
  if (pinned.length) parts.push(button("Reset its place", "Move it back to its layer", () => state.unpin(pinned)));
  return h("div", { class: "cg-line cg-actions" }, ...parts);
}

export function membersOf(state: State, unit: Unit): HTMLElement[] {
  if (unit.kind !== "group") return [];
  return [h("div", { class: "cg-names" }, unit.nodes.map((node) => nodeWords(state.graph.nodes[node]!)).join(", "))];
}
