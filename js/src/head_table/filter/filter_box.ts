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
  const input = h("input", {
    class: "sw-filter",
    type: "text",
    spellcheck: "false",
    autocomplete: "off",
    autocapitalize: "off",
    "aria-label": "Filter the rows",
    placeholder: `Filter, e.g. ${example(table)}`,
  });
  const { passes, problem, read } = createReader(table, input, onChange, until);
  const write = (text: string): void => {
    input.value = text;
    put(text);
  };
  const clear = (): void => {
    write("");
    input.focus();
  };
  const wipe = h(
    "button",
    { class: "sw-button", type: "button", "aria-label": "Clear the filter", title: "Clear the filter", onclick: clear },
    "\u00d7",
  );
  const put = (text: string): void => {
    wipe.hidden = !text;
    read(text);
  };
  wipe.hidden = true;
  input.addEventListener("input", () => put(input.value));
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !input.value) return;
    event.stopPropagation();
    write("");
  });
  watch(until, () => {
    if (given.value !== input.value.trim()) write(given.value);
  });
  const said = h("span", { class: "sw-count" });
  return {
    element: h(
      "div",
      { class: "sw-filters" },
      h("span", { class: "sw-field" }, input, wipe),
      said,
      problemNote(input, problem, until),
    ),
    passes,
    clear,
    say: (text) => void (said.textContent = text),
  };
}

interface Reader {
  passes: ReadonlySignal<Predicate | undefined>;
  /** What is wrong with the text; "" where it can be understood. */
  problem: ReadonlySignal<string>;
  read(text: string): void;
}

function createReader(
  table: Table,
  input: HTMLInputElement,
  onChange: (text: string) => void,
  until: AbortSignal,
): Reader {
  const passes = signal<Predicate | undefined>(undefined);
  const problem = signal("");
  let waiting = 0;
  until.addEventListener("abort", () => clearTimeout(waiting));
  return {
    passes,
    problem,
    read(text) {
      clearTimeout(waiting);
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
    },
  };
}

function problemNote(input: HTMLElement, problem: ReadonlySignal<string>, until: AbortSignal): HTMLElement {
  const note = h("div", { class: "sw-problem", role: "alert" });
  watch(until, () => {
    note.textContent = problem.value && `${problem.value} The rows are as before.`;
    note.hidden = !problem.value;
    input.setAttribute("aria-invalid", String(!!problem.value));
  });
  return note;
}

function example(table: Table): string {
  const names = table.shown.filter(({ kind }) => kind === "number" || kind === "integer").map(({ name }) => name);
  const name = names.find((one) => one === "induction") ?? names[0];
  if (!name) return "layer < 12";
  return `${/^[\p{L}_][\p{L}\p{N}_]*$/u.test(name) ? name : `\`${name}\``} > .4 and layer < 12`;
}
