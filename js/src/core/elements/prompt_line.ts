/** The prompt of a view, to be read and changed: a line below the toolbar that opens into a field. */
import type { AttentionViewTraits, PatchingMapTraits, ViewTraits } from "../../generated/traits";
import { computed, type ReadonlySignal, signal, trait, untracked, watch } from "../reactive";
import { Requests } from "../requests";
import { parts } from "../tokens";
import { isSavedPage, type Model } from "../widget_model";
import { h, icon, isTextField } from "./dom";

/** What a view has whose prompt can be changed, see `Prompted` in Python. */
type Prompted = ViewTraits &
  Pick<AttentionViewTraits, "prompt_history" | "prompt_at" | "prompt_line" | "shown"> &
  Partial<Pick<PatchingMapTraits, "corrupted_history">>;

export interface PromptLine {
  /** Do something when the view is to show another prompt. */
  onOther(act: () => void): void;
  /** Add the line's keys to the list that `?` opens. */
  addKeys(): void;
}

const BACK = "M10 3 5 8l5 5";
const FORWARD = "M6 3l5 5-5 5";
/** More of a long prompt is in the field, and in the view itself. */
const LONGEST = 2000;
const KEYS = [
  ["e", "change the prompt"],
  ["[ and ]", "the prompt before, and after"],
] as const;

interface Prompt {
  /** Of the model's traits. */
  all: ReadonlySignal<string[]>;
  at: ReadonlySignal<number>;
  now: ReadonlySignal<string>;
  /** The corrupted prompt, where a pair is shown. */
  corrupted: ReadonlySignal<string> | undefined;
  /** All of them, to those in `all`. */
  others: ReadonlySignal<string[]> | undefined;
  open: { value: boolean; peek(): boolean };
  /** How far the model is with another prompt; "" where none is run. */
  running: { value: string; peek(): string };
  problem: { value: string };
  run(text: string, corrupted?: string, at?: number): void;
  stop(): void;
  close(): void;
}

/** Nothing where there is no prompt to change, or no kernel to run another one. */
export function addPromptLine(
  root: HTMLElement,
  given: Model<any>,
  lost: ReadonlySignal<boolean>,
  until: AbortSignal,
): PromptLine | undefined {
  const model: Model<Prompted> = given;
  if (isSavedPage(given) || !model.get("prompt_history")?.length) return undefined;
  const line = model.get("prompt_line") && createLine(root, model, lost, until);
  return {
    onOther(act) {
      // marimo sets one trait after the other, in any order, and says so after each: all are there when it is through
      const later = () => queueMicrotask(() => until.aborted || act());
      model.on("change:shown", later);
      until.addEventListener("abort", () => model.off("change:shown", later));
    },
    addKeys() {
      const list = root.querySelector(":scope > .sw-keys > dl");
      for (const [keys, does] of line ? [...KEYS].reverse() : [])
        list?.prepend(h("dt", {}, h("kbd", {}, keys)), h("dd", {}, does));
    },
  };
}

function createLine(
  root: HTMLElement,
  model: Model<Prompted>,
  lost: ReadonlySignal<boolean>,
  until: AbortSignal,
): HTMLElement {
  const prompt = promptOf(model, new Requests(model, until, lost), until);
  const line = h("div", { class: "sw-prompt", role: "group", "aria-label": "Prompt" });
  const fields = [createField(prompt, prompt.now, prompt.corrupted ? "Clean prompt" : "Prompt", until)];
  if (prompt.corrupted) fields.push(createField(prompt, prompt.corrupted, "Corrupted prompt", until));
  for (const one of fields) listenToField(prompt, one, fields);
  const closed = createClosed(prompt, until);
  const status = createStatus(prompt, until);
  // A long text, or a sentence below it, lies over the picture: squeezed, the picture would be another one.
  const sheet = h("div", { class: "sw-prompt-sheet" }, closed, ...fields, status);
  line.append(...createHistory(prompt, until), h("div", { class: "sw-prompt-place" }, sheet));
  root.append(line);
  watch(until, () => {
    const open = prompt.open.value;
    const had = line.contains((line.getRootNode() as Document | ShadowRoot).activeElement);
    closed.hidden = open;
    for (const one of fields) one.hidden = !open;
    if (open) fields[0]!.focus();
    else if (had) closed.focus();
  });
  watch(until, () => {
    if (!lost.value) return;
    untracked(() => prompt.stop());
    line.inert = true;
  });
  root.addEventListener("keydown", (event) => onKey(event, prompt), { signal: until });
  return line;
}

function promptOf(model: Model<Prompted>, requests: Requests, until: AbortSignal): Prompt {
  const all = trait(model, "prompt_history", until);
  const at = trait(model, "prompt_at", until);
  const [open, running, problem] = [signal(false), signal(""), signal("")];
  const close = (): void => {
    problem.value = "";
    open.value = false;
  };
  let asked: AbortController | undefined;
  const others = model.get("corrupted_history")?.length
    ? trait(model as Model<any>, "corrupted_history", until)
    : undefined;
  const run = async (text: string, corrupted?: string, place?: number): Promise<void> => {
    asked?.abort();
    const mine = new AbortController();
    asked = mine;
    problem.value = "";
    running.value = "running the model";
    try {
      const args = {
        text,
        ...(place === undefined ? {} : { at: place }),
        ...(corrupted === undefined ? {} : { corrupted }),
      };
      await requests.ask("prompt", args, {
        signal: mine.signal,
        onProgress: (_done, _total, text) => (running.value = text || running.peek()),
      });
      close();
    } catch (error) {
      // of one that was stopped, by Escape or because the kernel is gone, there is nothing to say
      if (!mine.signal.aborted) problem.value = (error as Error).message;
    } finally {
      if (asked === mine) running.value = "";
    }
  };
  const now = computed(() => all.value[at.value] ?? "");
  const corrupted = others && computed<string>(() => others.value[at.value] ?? "");
  watch(until, () => {
    void now.value;
    void corrupted?.value; // a text that was meant to replace another one is not left above this one's picture
    untracked(close);
  });
  return {
    all,
    at,
    now,
    corrupted,
    others,
    open,
    running,
    problem,
    run: (text, corrupted, place) => void run(text, corrupted, place),
    stop: () => asked?.abort(),
    close,
  };
}

/** What is on show, in one line; a click opens the field. */
function createClosed(prompt: Prompt, until: AbortSignal): HTMLElement {
  const text = h("span", { class: "sw-prompt-text", dir: "auto" });
  watch(until, () => {
    const other = prompt.corrupted?.value;
    const pair = other === undefined ? [] : [h("i", {}, "  corrupted  "), ...written(other)];
    text.replaceChildren(...(pair.length ? [h("i", {}, "clean  ")] : []), ...written(prompt.now.value), ...pair);
  });
  return h(
    "button",
    { class: "sw-prompt-closed", type: "button", title: "Change the prompt (e)", onclick: () => openField(prompt) },
    text,
    h("span", { class: "sw-prompt-edit", "aria-hidden": "true" }, "edit"),
  );
}

function openField(prompt: Prompt): void {
  prompt.problem.value = "";
  prompt.open.value = true;
}

function createField(
  prompt: Prompt,
  now: ReadonlySignal<string>,
  name: string,
  until: AbortSignal,
): HTMLTextAreaElement {
  const field = h("textarea", {
    class: "sw-prompt-field",
    rows: 1,
    dir: "auto",
    spellcheck: "false",
    autocomplete: "off",
    placeholder: name,
    "aria-label": `${name}: Enter runs it, Escape leaves it as it is`,
  });
  const grow = (): void => {
    field.style.height = "0";
    field.style.height = `${field.scrollHeight + 2}px`;
    field.classList.toggle("sw-prompt-long", field.scrollHeight > 24);
  };
  watch(until, () => {
    if (!prompt.open.value) return;
    field.value = untracked(() => now.value);
    requestAnimationFrame(() => {
      grow();
      if (field.matches(":focus")) field.select();
    });
  });
  watch(until, () => void (field.readOnly = !!prompt.running.value));
  field.addEventListener("input", grow);
  return field;
}

/** Enter runs what stands in the fields, the clean prompt first; Escape leaves them. */
function listenToField(prompt: Prompt, field: HTMLTextAreaElement, fields: readonly HTMLTextAreaElement[]): void {
  field.addEventListener("keydown", (event) => {
    const [text, corrupted] = fields.map(({ value }) => value);
    if (event.key === "Escape") leave(prompt);
    else if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    else if (text === prompt.now.value && corrupted === prompt.corrupted?.value) leave(prompt);
    else if (!prompt.running.peek()) prompt.run(text!, corrupted);
    event.preventDefault();
    event.stopPropagation();
  });
}

/** First what is run is stopped, then the field is left. */
function leave(prompt: Prompt): void {
  if (prompt.running.peek()) prompt.stop();
  else prompt.close();
}

/** What is done, or went wrong; and that the picture is still that of the prompt before. */
function createStatus(prompt: Prompt, until: AbortSignal): HTMLElement {
  const text = h("span", { role: "status", "aria-live": "polite" });
  const stop = h("button", { class: "sw-button", type: "button", onclick: () => prompt.stop() }, "Stop");
  const status = h("div", { class: "sw-prompt-status" }, text, stop);
  watch(until, () => {
    const [running, problem] = [prompt.running.value, prompt.problem.value];
    text.textContent = problem || (running ? `${running} …` : prompt.open.value ? "Enter runs, Escape leaves" : "");
    status.classList.toggle("sw-error", !!problem && !running);
    status.classList.toggle("sw-running", !!running);
    stop.hidden = !running;
    status.hidden = !text.textContent;
  });
  return status;
}

function createHistory(prompt: Prompt, until: AbortSignal): HTMLElement[] {
  const button = (label: string, path: string, by: number): HTMLButtonElement =>
    h(
      "button",
      { class: "sw-button", type: "button", "aria-label": label, title: label, onclick: () => go(prompt, by) },
      icon(path),
    );
  const back = button("The prompt before ([)", BACK, -1);
  const forward = button("The prompt after (])", FORWARD, 1);
  watch(until, () => {
    back.hidden = forward.hidden = prompt.all.value.length < 2;
    const focus = (back.getRootNode() as Document | ShadowRoot).activeElement;
    back.disabled = prompt.at.value === 0;
    forward.disabled = prompt.at.value + 1 >= prompt.all.value.length;
    // a button that is disabled would lose the focus to the page, and with it all keys of the view
    if (focus === back && back.disabled) forward.focus();
    else if (focus === forward && forward.disabled) back.focus();
  });
  return [back, forward];
}

function go(prompt: Prompt, by: number): void {
  const at = prompt.at.peek() + by;
  const text = prompt.all.peek()[at];
  if (text !== undefined) prompt.run(text, prompt.others?.peek()[at], at);
}

function onKey(event: KeyboardEvent, prompt: Prompt): void {
  if (isTextField(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "e") openField(prompt);
  else if (event.key === "[") go(prompt, -1);
  else if (event.key === "]") go(prompt, 1);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

/** Words as they are, line ends and what draws nothing as stand-ins. */
const written = (text: string): (Node | string)[] =>
  parts(text.slice(0, LONGEST)).map(({ text: part, dim }) =>
    dim && !/^·+$/.test(part) ? h("i", {}, part.replaceAll("·", " ")) : dim ? " ".repeat(part.length) : part,
  );
