/** The field for the filter, with the count of what it leaves or the sentence on what is wrong with it. */
import { h } from "../../core/elements/dom";
import { type ReadonlySignal, signal, watch } from "../../core/reactive";
import type { Table } from "../columns";
import { compile, type Predicate } from "./filter";

export interface FilterBox {
  element: HTMLElement;
  passes: ReadonlySignal<Predicate | undefined>;
  /** What the filter leaves, in words. */
  say(text: string): void;
  clear(): void;
}

const PATIENCE = 600;

/** `onChange` gets each text that can be understood; one that cannot leaves the rows as they are. */
export function createFilterBox(
  table: Table,
  given: ReadonlySignal<string>,
  onChange: (text: string) => void,
  until: AbortSignal,
): FilterBox {
  const passes = signal<Predicate | undefined>(undefined);
  const problem = signal("");
  const input = h("input", {
    class: "sw-filter",
    type: "text",
    spellcheck: "false",
    autocomplete: "off",
    autocapitalize: "off",
    "aria-label": "Filter the rows",
    placeholder: `Filter, e.g. ${example(table)}`,
  });
  const wipe = h(
    "button",
    { class: "sw-button", type: "button", "aria-label": "Clear the filter", title: "Clear the filter" },
    "\u00d7",
  );
  const said = h("span", { class: "sw-count" });
  const alert = h("div", { class: "sw-problem", role: "alert" });
  let waiting = 0;

  const read = (text: string): void => {
    clearTimeout(waiting);
    wipe.hidden = !text;
    try {
      passes.value = compile(text, table);
      problem.value = "";
      onChange(text.trim());
    } catch (error) {
      const { message } = error as Error;
      // Every filter is wrong while it is being typed; only a pause is a mistake. An old complaint is renewed at once.
      if (problem.peek() || input !== (input.getRootNode() as Document).activeElement) problem.value = message;
      else waiting = window.setTimeout(() => (problem.value = message), PATIENCE);
    }
  };
  const write = (text: string): void => {
    input.value = text;
    read(text);
  };
  input.addEventListener("input", () => read(input.value));
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !input.value) return;
    event.stopPropagation();
    write("");
  });
  const clear = (): void => {
    write("");
    input.focus();
  };
  wipe.addEventListener("click", clear);
  watch(until, () => {
    if (given.value !== input.value.trim()) write(given.value);
  });
  watch(until, () => {
    alert.textContent = problem.value && `${problem.value} The rows are as before.`;
    alert.hidden = !problem.value;
    input.setAttribute("aria-invalid", String(!!problem.value));
  });
  until.addEventListener("abort", () => clearTimeout(waiting));
  wipe.hidden = !input.value;
  return {
    element: h("div", { class: "sw-filters" }, h("span", { class: "sw-field" }, input, wipe), said, alert),
    passes,
    clear,
    say: (text) => void (said.textContent = text),
  };
}

function example(table: Table): string {
  const names = table.shown.filter(({ kind }) => kind === "number" || kind === "integer").map(({ name }) => name);
  const name = names.find((one) => one === "induction") ?? names[0];
  if (!name) return "layer < 12";
  return `${/^[\p{L}_][\p{L}\p{N}_]*$/u.test(name) ? name : `\`${name}\``} > .4 and layer < 12`;
}
