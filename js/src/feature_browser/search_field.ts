/** What is searched: a kind, and the words for it; a text is run while it is typed. */
import { h } from "../core/elements/dom";
import { watch } from "../core/reactive";
import type { FeatureBrowserTraits } from "../generated/traits";
import type { State } from "./state";

type Kind = FeatureBrowserTraits["search_by"];

const KINDS: readonly (readonly [Kind, string, string])[] = [
  ["fires_on", "fires on", "Type a text: which latents fire on it"],
  ["token", "token", "A token that it fires on, e.g. Mary"],
  ["text", "in examples", "Words in its strongest examples"],
  ["label", "label", "A word of its label"],
  ["promotes", "promotes", "A token that it promotes"],
  ["latent", "number", "Number of a latent, then Enter"],
];

export interface SearchField {
  element: HTMLElement;
  focus(kind?: Kind): void;
}

export function createSearch(state: State, leave: () => void, until: AbortSignal): SearchField {
  const select = h("select", { class: "sw-select", "aria-label": "Search by" });
  select.append(...KINDS.map(([kind, name]) => h("option", { value: kind }, name)));
  const input = h("input", {
    class: "sw-filter fb-search",
    type: "text",
    spellcheck: "false",
    autocomplete: "off",
    "aria-label": "Search the latents",
  });
  const wipe = h(
    "button",
    { class: "sw-button", type: "button", "aria-label": "Clear the search", title: "Clear the search" },
    "×",
  );
  const note = h("div", { class: "sw-problem", role: "alert" });
  const doing = h("span");
  const stop = h(
    "button",
    { class: "sw-button", type: "button", title: "Stop this search", onclick: () => state.stopSearch() },
    "Stop",
  );
  const status = h("div", { class: "sw-dim", role: "status" }, doing, " ", stop);
  const put = (): void => {
    const kind = select.value as Kind;
    state.setSearch(kind, input.value);
  };
  wipe.addEventListener("click", () => {
    input.value = "";
    put();
    input.focus();
  });
  input.addEventListener("input", put);
  input.addEventListener("focus", () => select.value === "fires_on" && state.warmUp());
  select.addEventListener("change", () => {
    put();
    input.focus();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      if (input.value) {
        input.value = "";
        put();
      } else leave();
    } else if (event.key === "ArrowDown") leave();
    else if (event.key === "Enter") {
      if (state.searchBy.peek() === "latent") openNumber(state, input.value, note);
      else leave();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  watch(until, () => {
    const kind = state.searchBy.value;
    select.value = kind;
    input.placeholder = KINDS.find(([one]) => one === kind)![2];
  });
  watch(until, () => {
    const text = state.search.value;
    if (input.value !== text && input !== (input.getRootNode() as Document).activeElement) input.value = text;
    wipe.hidden = !text;
  });
  watch(until, () => {
    note.textContent = state.problem.value;
    note.hidden = !note.textContent;
    input.setAttribute("aria-invalid", String(!note.hidden));
  });
  watch(until, () => {
    doing.textContent = state.searchStatus.value;
    status.hidden = !state.searchStatus.value;
  });
  watch(until, () => input.setAttribute("aria-busy", String(state.searching.value)));
  return {
    element: h("div", { class: "fb-find" }, select, h("span", { class: "sw-field" }, input, wipe), status, note),
    focus(kind) {
      if (kind && kind !== state.searchBy.peek()) {
        select.value = kind;
        put();
      }
      input.focus();
      input.select();
    },
  };
}

function openNumber(state: State, text: string, note: HTMLElement): void {
  const latent = /^\s*\d{1,9}\s*$/.test(text) ? Number(text) : -1;
  const is = state.columns.rowOf(latent) !== undefined;
  note.hidden = is;
  if (is) state.open(latent);
  else note.textContent = `There is no latent ${text.trim().slice(0, 20) || "without a number"} in this list.`;
}
