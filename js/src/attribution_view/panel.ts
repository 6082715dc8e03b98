/** Beside the map: the largest parts or, of an MLP that is open, its neurons. */
import { h } from "../core/elements/dom";
import { count, counted, exact, signed } from "../core/format";
import { watch } from "../core/reactive";
import { isSavedPage } from "../core/widget_model";
import { headOf, shortName } from "./components";
import type { Neurons } from "./neurons";
import type { State } from "./state";
import { brief, partNote, spread } from "./tooltip_text";

/** Beside the numbers, for who has seen others of the same heads. */
const WHY =
  "What each writes to the logits itself. Ablation and patching rank heads otherwise: there, later parts react.";
const MOST_PARTS = 40;
const MOST_NEURONS = 60;

export function createPanel(state: State, until: AbortSignal): HTMLElement {
  const element = h("div", { class: "sw-panel sw-rows at-panel", tabindex: 0, role: "region" });
  const parts = partsOf(state, until);
  let request = 0;
  watch(until, () => {
    const layer = state.mlp.value;
    const mine = ++request;
    if (layer === null) return show(element, "Largest parts", [h("p", { class: "sw-dim" }, WHY), ...parts]);
    const name = `Neurons of MLP ${layer}`;
    const close = closeButton(state);
    const refused: string = state.model.get("no_neurons");
    const refuse = (): void => show(element, name, [h("p", { class: "sw-dim" }, refused)], close);
    if (refused && !isSavedPage(state.model)) return refuse(); // a saved page may hold some of them
    show(element, name, [h("p", { class: "sw-dim" }, "Running the prompt again, as far as this layer …")], close);
    state.neurons.of(layer).then(
      (found) => mine === request && show(element, name, neuronsOf(found, state, until), close),
      (problem: Error) => {
        if (mine !== request || problem.name === "AbortError") return;
        if (refused) refuse();
        else show(element, name, [h("p", { class: "at-problem" }, problem.message)], close);
      },
    );
  });
  return element;
}

function show(element: HTMLElement, title: string, content: HTMLElement[], ...beside: HTMLElement[]): void {
  element.setAttribute("aria-label", title);
  element.replaceChildren(h("div", { class: "sw-panel-title" }, h("b", {}, title), ...beside), ...content);
}

const closeButton = (state: State): HTMLElement =>
  h(
    "button",
    {
      class: "sw-button",
      type: "button",
      "aria-label": "Back to the largest parts",
      onclick: () => state.openMlp(null),
    },
    "×",
  );

interface Bar {
  name: string;
  value: number;
  error: number;
  beside?: string;
  title: string;
  choose?: (extend: boolean) => void;
}

/** Bars from a common zero, all on one scale. */
function barTable(bars: readonly Bar[], largest: number, columns: readonly string[]): HTMLTableElement {
  const body = h("tbody");
  for (const { name, value, error, beside, title, choose } of bars) {
    const share = Math.min(50, (50 * Math.abs(value)) / (largest || 1));
    const place = value < 0 ? `right: 50%; width: ${share}%` : `left: 50%; width: ${share}%`;
    const named = choose
      ? h(
          "button",
          { class: "sw-link at-name", type: "button", onclick: (event: MouseEvent) => choose(event.shiftKey) },
          name,
        )
      : name;
    const row = h(
      "tr",
      { title },
      h("td", {}, named),
      ...(beside === undefined ? [] : [h("td", { class: "at-number sw-dim" }, beside)]),
      h(
        "td",
        { class: "at-bar", "aria-hidden": "true" },
        h("i", { class: value < 0 ? "at-minus" : "at-plus", style: place }),
      ),
      h("td", { class: "at-number" }, brief(value) + spread(error)),
    );
    body.append(row);
  }
  const heads = columns.map((name) => h("th", { scope: "col" }, name));
  return h("table", {}, h("thead", {}, h("tr", {}, ...heads)), body);
}

function partsOf(state: State, until: AbortSignal): HTMLElement[] {
  const all = state.parts.largest();
  const shown = all.slice(0, MOST_PARTS);
  const table = barTable(
    shown.map((part) => ({
      name: shortName(part),
      value: part.value,
      error: part.error,
      title: partNote(part, state).join("\n"),
      ...(part.head >= 0 || part.component === "mlp"
        ? { choose: (extend: boolean) => state.choose(part, extend) }
        : {}),
    })),
    Math.abs(shown[0]?.value ?? 0),
    ["head or part", "", "logits"],
  );
  const rows = table.querySelectorAll("tbody > tr");
  watch(until, () => {
    const chosen = new Set(state.heads.value.map(String));
    rows.forEach((row, i) => row.classList.toggle("at-chosen", chosen.has(String(headOf(shown[i]!)))));
  });
  if (all.length <= shown.length) return [table];
  const rest = all.slice(shown.length).reduce((sum, { value }) => sum + value, 0);
  return [table, h("p", { class: "sw-dim" }, `${counted(all.length - shown.length, "smaller part")}: ${brief(rest)}.`)];
}

function neuronsOf(found: Neurons, state: State, until: AbortSignal): HTMLElement[] {
  const { contributions, activations, errors, order, bias, total } = found;
  const shown = order.slice(0, MOST_NEURONS);
  const rest = order.slice(MOST_NEURONS).reduce((sum, at) => sum + contributions[at]!, 0);
  const sum = contributions.reduce((all, value) => all + value, 0);
  const facts = [
    `${counted(contributions.length, "neuron")} ${brief(sum)}`,
    ...(bias ? [`biases ${brief(bias)}`] : []),
  ].join(", ");
  const choose = (index: number): void => {
    const { layer } = found;
    const again = state.neuron.peek()?.index === index;
    state.neuron.value = again ? undefined : { layer, index, value: activations[index]! };
  };
  const able = state.model.get("can_intervene") && !isSavedPage(state.model);
  const table = barTable(
    shown.map((at) => ({
      name: `${found.layer}:${at}`,
      value: contributions[at]!,
      error: errors[at] ?? NaN,
      beside: signed(activations[at]!, (size) => size.toFixed(2)),
      title: `neuron ${found.layer}:${at}\n${signed(contributions[at]!, exact)} logits\nactivation ${signed(activations[at]!, exact)}`,
      ...(able ? { choose: () => choose(at) } : {}),
    })),
    Math.abs(contributions[order[0]!] ?? 0),
    ["neuron", "activation", "", "logits"],
  );
  const rows = table.querySelectorAll("tbody > tr");
  watch(until, () => {
    const chosen = state.neuron.value?.index;
    rows.forEach((row, i) => row.classList.toggle("at-chosen", shown[i] === chosen));
  });
  return [
    h("p", { class: "sw-dim" }, `${facts}; together the MLP’s ${brief(total)}.`),
    table,
    ...(order.length > MOST_NEURONS
      ? [h("p", { class: "sw-dim" }, `${count(order.length - MOST_NEURONS)} smaller: ${brief(rest)}.`)]
      : []),
  ];
}
