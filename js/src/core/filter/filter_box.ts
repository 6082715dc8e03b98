/** The field for the filter, with the count of what it leaves or the sentence on what is wrong with it. */
import { h } from "../elements/dom";
import { type ReadonlySignal, signal, sizeOf, watch } from "../reactive";
import { exampleConditions } from "./example_filter";
import { compile, type Filterable, type Predicate } from "./filter";

export interface FilterBox {
  element: HTMLElement;
  passes: ReadonlySignal<Predicate | undefined>;
  /** What the filter leaves, in words. */
  say(text: string): void;
  clear(): void;
}

const PATIENCE = 600;

/** `read` makes the question of a text, where it is not `compile`; `onChange` gets each text that can be understood; one that cannot leaves the rows as they are. */
export function createFilterBox(
  table: Filterable,
  given: ReadonlySignal<string>,
  onChange: (text: string) => void,
  until: AbortSignal,
  read: (text: string, table: Filterable) => Predicate | undefined = compile,
  verb = "Filter",
): FilterBox {
  const input = h("input", {
    class: "sw-filter",
    type: "text",
    spellcheck: "false",
    autocomplete: "off",
    autocapitalize: "off",
    "aria-label": "Filter the rows",
  });
  showExample(input, examplesOf(verb, table), until);
  const { passes, problem, take } = createReader((text) => read(text, table), input, onChange, until);
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
    take(text);
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

/** From the longest to the shortest. */
function examplesOf(verb: string, { columns }: Filterable): string[] {
  const conditions = exampleConditions(columns);
  const shortest = conditions[0]!;
  return [`${verb}, e.g. ${conditions.join(" and ")}`, `${verb}, e.g. ${shortest}`, `e.g. ${shortest}`, verb];
}

/** The longest that is not cut in the field as wide as it is. */
function showExample(input: HTMLInputElement, examples: readonly string[], until: AbortSignal): void {
  const pen = document.createElement("canvas").getContext("2d");
  const room = sizeOf(input, until);
  watch(until, () => {
    const [width] = room.value;
    if (pen && width) pen.font = getComputedStyle(input).font;
    const fits = (text: string): boolean => !pen || !width || pen.measureText(text).width <= width;
    input.placeholder = examples.find(fits) ?? examples.at(-1)!;
  });
}

interface Reader {
  passes: ReadonlySignal<Predicate | undefined>;
  /** What is wrong with the text; "" where it can be understood. */
  problem: ReadonlySignal<string>;
  take(text: string): void;
}

function createReader(
  read: (text: string) => Predicate | undefined,
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
    take(text) {
      clearTimeout(waiting);
      try {
        passes.value = read(text);
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
