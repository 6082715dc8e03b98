/** All sliders, in the order in which they act, and buttons for heads that could be added. */
import { h } from "../../core/elements/dom";
import { computed, watch } from "../../core/reactive";
import type { State } from "../state";
import { createRow, type RowActions } from "./slider_row";

const EMPTY =
  "There is nothing to steer yet. Add a direction between two words or texts, a head or a neuron below, or select a head in another view that shares the selection.";
/** Of a page that was saved without a slider. */
const NOTHING = "There was nothing to steer when this page was saved.";

export function createSliderList(
  state: State,
  actions: RowActions & { addHead(layer: number, head: number): void },
  until: AbortSignal,
): HTMLElement[] {
  const list = h("div", {
    class: "sp-sliders",
    role: "group",
    "aria-label": "Sliders, in the order in which they act",
  });
  const keys = computed(() => JSON.stringify(state.sliders.value.map(({ key, low, high }) => [key, low, high])));
  let rows = new AbortController();
  until.addEventListener("abort", () => rows.abort());
  watch(until, () => {
    void keys.value;
    rows.abort();
    rows = new AbortController();
    const focused = list.contains((list.getRootNode() as Document | ShadowRoot).activeElement);
    const sliders = state.sliders.peek();
    list.replaceChildren(
      ...(sliders.length
        ? sliders.map((_, at) => createRow(state, at, actions, rows.signal))
        : [h("p", { class: "sp-empty" }, state.saved ? NOTHING : EMPTY)]),
    );
    if (focused) list.querySelectorAll<HTMLElement>(".sp-thumb")[state.current.peek()]?.focus();
  });
  const adds = h("div", { class: "sp-adds" });
  watch(until, () => {
    const heads = state.saved ? [] : state.missingHeads().slice(0, 6);
    adds.replaceChildren(
      ...heads.map(([layer, head]) =>
        h(
          "button",
          { class: "sw-button sp-boxed", type: "button", onclick: () => actions.addHead(layer, head) },
          `Add head ${layer}.${head}`,
        ),
      ),
    );
  });
  return [list, adds];
}
