/** The tokens with the largest numbers, or the smallest: a click goes there. */
import { h } from "../core/elements/dom";
import { count, signed, steady } from "../core/format";
import { watch } from "../core/reactive";
import { tokenSpan } from "../core/tokens";
import type { State } from "./state";

const MOST = 100;
const LONGEST = 24;

export function createLargest(state: State, goTo: (token: number) => void, until: AbortSignal): HTMLElement {
  const body = h("tbody");
  const title = h("b");
  const turn = h("button", {
    class: "sw-button",
    type: "button",
    onclick: () => (state.smallest.value = !state.smallest.peek()),
  });
  const rest = h("p", { class: "sw-dim" });
  const element = h(
    "div",
    { class: "sw-panel sw-rows tv-panel", role: "region", tabindex: 0 },
    h("div", { class: "sw-panel-title" }, title, turn),
    h("table", {}, body),
    rest,
  );
  watch(until, () => {
    const [order, values, column] = [state.order.value, state.values.value, state.column.value];
    const name = state.smallest.value ? "Smallest" : "Largest";
    title.textContent = state.isSigned.value ? `${name}, either sign` : name;
    element.setAttribute("aria-label", `${name} ${column.label}`);
    turn.textContent = state.smallest.value ? "largest" : "smallest";
    turn.title = `Show the ${turn.textContent} first`;
    const shown = [...order.slice(0, MOST)];
    const finite = shown.map((at) => Math.abs(values[at]!)).filter(Number.isFinite);
    const most = Math.max(1e-300, ...finite);
    const anySign = state.isSigned.value;
    body.replaceChildren(
      ...shown.map((at) => {
        const value = values[at]!;
        const share = Math.min(1, Math.abs(value) / most) * (anySign ? 50 : 100);
        const side = !anySign ? "left: 0" : value < 0 ? "right: 50%" : "left: 50%";
        const kind = !anySign ? "tv-amount" : value < 0 ? "tv-minus" : "tv-plus";
        const text = state.tokens[at]!;
        return h(
          "tr",
          {},
          h("td", { class: "tv-number sw-dim" }, String(at)),
          h(
            "td",
            { class: "tv-word" },
            h(
              "button",
              { class: "sw-link tv-name", type: "button", onclick: () => goTo(at) },
              tokenSpan([...text].slice(0, LONGEST).join("")),
            ),
          ),
          h(
            "td",
            { class: "tv-bar", "aria-hidden": "true" },
            ...(share ? [h("i", { class: kind, style: `${side}; width: ${share}%` })] : []),
          ),
          h(
            "td",
            { class: "tv-number" },
            Number.isInteger(value) ? count(value).replace("-", "−") : anySign ? signed(value, steady) : steady(value),
          ),
        );
      }),
    );
    rest.textContent = order.length > MOST ? `and ${count(order.length - MOST)} more; n and p walk all of them` : "";
    rest.hidden = !rest.textContent;
  });
  watch(until, () => {
    const chosen = new Set(state.selected.value);
    const order = state.order.value;
    [...body.children].forEach((row, i) => row.classList.toggle("tv-chosen", chosen.has(order[i]!)));
  });
  return element;
}
