/** Above the grid: its order, the filter, and the key to the classes of heads. */
import { classHue, className } from "../core/drawing/colour";
import { h } from "../core/elements/dom";
import { createFilterBox } from "../core/filter/filter_box";
import { count } from "../core/format";
import { untracked, watch } from "../core/reactive";
import { MOST_ORDERED } from "./head_places";
import type { State } from "./state";
import { readFilter } from "./statistics";

export function createGridControls(state: State, until: AbortSignal): HTMLElement {
  const tools = h("div", { class: "av-tools" });
  const element = h("div", { class: "av-controls" }, tools, classKey(state, until));
  let made = false;
  watch(until, () => {
    if (made) return;
    const { unscored } = state.patterns;
    tools.textContent = unscored.value && `Heads cannot be sorted: ${unscored.value}`;
    if (!state.statistics.value) return;
    made = true;
    untracked(() => tools.replaceChildren(orderChoice(state, until), filterBox(state, until)));
  });
  return element;
}

function orderChoice(state: State, until: AbortSignal): HTMLElement {
  const names = state.statistics.peek()!.names;
  const choice = h(
    "select",
    {
      class: "av-order",
      "aria-label": "Order of the heads",
      title: "Order of the heads: the largest first",
      onchange: () => state.setSort(choice.value),
    },
    h("option", { value: "" }, "by layer and head"),
    ...names.map((name) => h("option", { value: name }, `by ${name.replaceAll("_", " ")}`)),
  );
  watch(until, () => {
    choice.value = names.includes(state.sort.value) ? state.sort.value : "";
  });
  return choice;
}

function filterBox(state: State, until: AbortSignal): HTMLElement {
  const table = {
    get columns() {
      return state.statistics.peek()!.table.columns;
    },
    get byName() {
      return state.statistics.peek()!.table.byName;
    },
  };
  const box = createFilterBox(table, state.filter, (text) => state.setFilter(text), until, readFilter, "Find");
  const input = box.element.querySelector("input")!;
  input.setAttribute("aria-label", "Find heads");
  input.title = "A condition on layer, head, class and the statistics, or heads by their names: 3.1, 5.0";
  watch(until, () => {
    state.passes.value = box.passes.value;
    const all = state.layers * state.headsPerLayer;
    const found = state.passing.value.length;
    const heads = `${count(all)} head${all === 1 ? "" : "s"}`;
    const shown = state.order.value && found > MOST_ORDERED ? `, the first ${MOST_ORDERED} shown` : "";
    box.say(found === all ? `${heads}${shown}` : `${count(found)} of ${heads}${shown}`);
  });
  return box.element;
}

/** "I induction 4": what the letters and colours mean, and how many heads have each; a click filters by it. */
function classKey(state: State, until: AbortSignal): HTMLElement {
  const element = h("div", { class: "av-key", role: "group", "aria-label": "Classes of heads" });
  watch(until, () => {
    const { dark } = state.theme.value;
    const counts = new Map<string, number>();
    for (const letter of state.letters.value.values()) counts.set(letter, (counts.get(letter) ?? 0) + 1);
    const filter = state.filter.value;
    element.replaceChildren(
      ...[...counts]
        .sort((one, other) => other[1] - one[1])
        .map(([letter, heads]) => {
          const mark = h("i", { class: "av-mark", "aria-hidden": "true" }, letter === "-" ? "−" : letter);
          mark.style.background = classHue(letter, dark);
          const own = `class = "${className(letter)}"`;
          return h(
            "button",
            {
              class: "sw-button",
              type: "button",
              title: `Show these heads alone: ${own}`,
              "aria-pressed": String(filter === own),
              onclick: () => state.setFilter(filter === own ? "" : own),
            },
            mark,
            className(letter),
            h("span", { class: "sw-dim" }, count(heads)),
          );
        }),
    );
    element.hidden = !counts.size;
  });
  return element;
}
