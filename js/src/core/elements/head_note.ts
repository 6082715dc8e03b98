/** The note on the head that is open or selected: a line that opens into a field, a small button where there is none. */
import type { ViewTraits } from "../../generated/traits";
import { noteOn, tidied } from "../note_text";
import { computed, type ReadonlySignal, signal, untracked, watch } from "../reactive";
import type { Requests } from "../requests";
import { type Head, notesOf, type Selection } from "../selection";
import { isSavedPage, type Model } from "../widget_model";
import { h, isTextField } from "./dom";

interface Options<T extends ViewTraits> {
  model: Model<T>;
  root: HTMLElement;
  selection: Selection;
  requests: Requests;
  head: ReadonlySignal<Head | undefined>;
}

/** In a saved page, or without a kernel, notes are read only. */
export function createHeadNote<T extends ViewTraits>(
  { model, root, selection, requests, head }: Options<T>,
  until: AbortSignal,
): HTMLElement {
  const notes = notesOf(selection, until);
  const saved = isSavedPage(model as unknown as Model);
  /** The head that the field is open for; it may be left while another one is chosen. */
  const open = signal<Head | undefined>(undefined);
  const problem = signal("");
  const own = computed(() => noteOn(notes.value, head.value));
  const nameOf = (one: Head | undefined): string => one?.join(".") ?? "";

  const text = h("span", { class: "sw-headnote-text", dir: "auto" });
  const closed = h(
    "button",
    { class: "sw-button sw-headnote-closed", type: "button", onclick: () => edit() },
    h("span", { class: "sw-headnote-name" }),
    h("span", {}),
    text,
  );
  const field = h("input", { class: "sw-headnote-field", type: "text", dir: "auto", autocomplete: "off" });
  const said = h("span", { class: "sw-error", role: "alert" });
  const element = h("div", { class: "sw-headnote", role: "group", "aria-label": "Note" }, closed, field, said);

  const edit = (): void => {
    if (!head.peek() || element.hidden || closed.disabled) return;
    problem.value = "";
    open.value = head.peek();
    field.value = own.peek();
    field.focus();
    field.select();
  };
  const close = (): void => {
    const had = (element.getRootNode() as Document | ShadowRoot).activeElement === field;
    open.value = undefined;
    problem.value = "";
    if (had) closed.focus();
  };
  /** Where it cannot be a note the field stays, with what was typed and why. */
  const put = (): void => {
    const on = open.peek();
    if (!on) return;
    const { text, problem: why } = tidied(field.value);
    problem.value = why;
    if (why) return;
    close();
    if (text !== noteOn(notes.peek(), on)) selection.setNote(on, text);
  };
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && !event.isComposing) put();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  field.addEventListener("blur", put);
  field.addEventListener("input", () => void (problem.value = ""));

  watch(until, () => {
    const [name, label] = closed.children;
    const [on, note] = [nameOf(head.value), own.value];
    const fixed = saved || requests.lost.value;
    text.textContent = note;
    closed.title = note || `Write a note on ${on} (a)`;
    name!.textContent = on;
    label!.textContent = note ? "note:" : "note";
    closed.setAttribute("aria-label", note ? `Note on ${on}: ${note}` : `Write a note on ${on} (a)`);
    closed.disabled = fixed;
    closed.hidden = !!open.value;
    field.hidden = !open.value;
    field.setAttribute("aria-label", `Note on ${nameOf(open.value)}: Enter keeps it, Escape leaves it as it was`);
    said.textContent = problem.value;
    said.hidden = !problem.value;
    element.classList.toggle("sw-headnote-line", !!note || !!open.value);
    element.hidden = !open.value && (!on || (fixed && !note));
  });
  watch(until, () => {
    const now = nameOf(head.value);
    untracked(() => {
      if (open.peek() && nameOf(open.peek()) !== now) put();
    });
  });
  if (!saved) addKey(root, edit, until);
  return element;
}

/** A row for what stands below a picture: the bar, and beside it, or below where it is long, the note. */
export function withNote(bar: HTMLElement, note: HTMLElement): HTMLElement {
  return h("div", { class: "sw-below" }, bar, note);
}

function addKey(root: HTMLElement, edit: () => void, until: AbortSignal): void {
  root.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "a" || isTextField(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
      edit();
      event.preventDefault();
      event.stopPropagation();
    },
    { signal: until },
  );
  const keys = root.querySelector(":scope > .sw-keys > dl");
  keys?.prepend(h("dt", {}, h("kbd", {}, "a")), h("dd", {}, "annotate: write a note on the head"));
}
