/** What is selected: how many, of which classes, and the tokens in their texts. */

import { cssColour } from "../core/drawing/colour";
import { h } from "../core/elements/dom";
import { count, counted } from "../core/format";
import { watch } from "../core/reactive";
import { hueOf, otherColour, seenName, shownClasses } from "./colours";
import type { State } from "./state";
import { contextSpan } from "./tooltip_text";

const [MOST, MOST_CLASSES, REACH] = [100, 8, 3];

export function createPanel(state: State, goTo: (point: number) => void, until: AbortSignal): HTMLElement {
  const title = h("b");
  const clear = h(
    "button",
    { class: "sw-button", type: "button", onclick: () => state.selection.setPoints([]) },
    "clear",
  );
  const classes = h("div", { class: "pv-shares" });
  const list = h("ol", { class: "pv-list" });
  const rest = h("p", { class: "sw-dim" });
  const element = h(
    "div",
    { class: "sw-panel pv-panel", role: "region", "aria-label": "Selected points", tabindex: 0 },
    h("div", { class: "sw-panel-title" }, title, clear),
    classes,
    list,
    rest,
  );
  watch(until, () => {
    const rows = [...state.selected.value].sort((one, other) => one - other);
    title.textContent = rows.length ? `${counted(rows.length, "point")} selected` : "Nothing selected";
    clear.hidden = !rows.length;
    list.replaceChildren(
      ...rows
        .slice(0, MOST)
        .map((row) =>
          h(
            "li",
            {},
            h(
              "button",
              { class: "sw-link", type: "button", title: state.texts.place(row), onclick: () => goTo(row) },
              contextSpan(state, row, REACH),
            ),
          ),
        ),
    );
    rest.textContent = !rows.length
      ? "Draw around points to select them, or click one; Shift adds."
      : rows.length > MOST
        ? `and ${count(rows.length - MOST)} more; the CSV has all of them`
        : "";
    rest.hidden = !rest.textContent;
  });
  watch(until, () => {
    const [column, values, rows] = [state.column.value, state.values.value, state.selected.value];
    const dark = state.theme.value.dark;
    classes.replaceChildren();
    if (!column?.classes || !values || !rows.size) return;
    const counts = new Map<number, number>();
    for (const row of rows)
      if (!Number.isNaN(values[row]!)) counts.set(values[row]!, (counts.get(values[row]!) ?? 0) + 1);
    const order = [...counts].sort((one, other) => other[1] - one[1]).slice(0, MOST_CLASSES);
    const shown = shownClasses(column.classes);
    for (const [at, n] of order) {
      const colour = at < shown ? hueOf(at, dark) : otherColour();
      const share = (100 * n) / column.counts[at]!;
      classes.append(
        h("i", { class: "pv-swatch", style: `background: ${cssColour(colour)}` }),
        h("span", { class: "pv-class" }, seenName(column.classes[at]!, 30)),
        h("span", { class: "pv-number" }, count(n)),
        h("span", { class: "pv-number sw-dim" }, `${share.toFixed(0)} %`),
      );
    }
    classes.title = "How many of the selection are of each class, and which share of the class that is";
  });
  return element;
}
