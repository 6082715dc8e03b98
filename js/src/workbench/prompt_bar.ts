/** A prompt of the page: its field with those before, its tokens to be selected, and what does not follow it. */
import { h, icon } from "../core/elements/dom";
import { computed, signal, trait, untracked, watch } from "../core/reactive";
import { Requests } from "../core/requests";
import { selectionOf } from "../core/selection";
import { plainAt, tokenSpanAt } from "../core/tokens";
import type { PageState } from "./page_state";
import type { SocketModel } from "./socket/socket_model";

const BACK = "M10 3 5 8l5 5";
const FORWARD = "M6 3l5 5-5 5";
/** Chips of longer prompts would be all that there is on the page: the views show their tokens. */
const MOST_CHIPS = 400;

export interface PromptBar {
  element: HTMLElement;
  focus(): void;
}

/** The prompt of one side, whichever model and bar it has. */
export function createPromptBar(page: PageState, side: string): PromptBar {
  const element = h("div", { class: "wp-prompt", role: "group" });
  const bar = computed(() => page.sides.value[side]?.bar);
  let focus = (): void => {};
  let life = new AbortController();
  watch(page.until, () => {
    const id = bar.value;
    life.abort();
    element.replaceChildren();
    element.hidden = !id;
    life = new AbortController();
    const model = page.connection.models.get(id ?? "");
    if (model) focus = untracked(() => fill(page, side, element, model, life.signal));
  });
  return { element, focus: () => focus() };
}

function fill(page: PageState, side: string, element: HTMLElement, model: SocketModel, until: AbortSignal): () => void {
  const requests = new Requests(model, until);
  const history = trait<any, string>(model, "prompt_history", until);
  const at = trait<any, string>(model, "prompt_at", until);
  const note = trait<any, string>(model, "note", until);
  const now = computed<string>(() => history.value[at.value] ?? "");
  const [running, problem] = [signal(""), signal("")];
  let asked: AbortController | undefined;
  const run = async (text: string, place?: number): Promise<void> => {
    asked?.abort();
    const mine = new AbortController();
    asked = mine;
    problem.value = "";
    running.value = "running the model";
    try {
      const args = place === undefined ? { text } : { text, at: place };
      const onProgress = (_done: number, _total: number, said: string): void =>
        void (running.value = said || "running");
      await requests.ask("prompt", args, { signal: mine.signal, onProgress });
    } catch (error) {
      if ((error as Error).name !== "AbortError" && asked === mine) problem.value = (error as Error).message;
    } finally {
      if (asked === mine) running.value = "";
    }
  };
  const field = promptField(side, now, running, run, () => asked?.abort(), until);
  const go = (by: number): void => {
    const text = history.peek()[at.peek() + by];
    if (text !== undefined) void run(text, at.peek() + by);
  };
  const button = (label: string, path: string, by: number): HTMLButtonElement => {
    const one = h(
      "button",
      { class: "sw-button", type: "button", "aria-label": label, title: label, onclick: () => go(by) },
      icon(path),
    );
    watch(until, () => void (one.disabled = history.value[at.value + by] === undefined));
    return one;
  };
  const letter = h("span", { class: "wp-side" }, side.toUpperCase());
  const status = h("div", { class: "wp-prompt-status", role: "status", "aria-live": "polite" });
  watch(until, () => {
    const text = problem.value || (running.value && `${running.value} …`) || note.value;
    status.textContent = text;
    status.hidden = !text;
    status.classList.toggle("wp-error", !!problem.value || (!running.value && !!note.value));
    letter.hidden = !page.comparing.value;
    element.setAttribute("aria-label", page.comparing.value ? `Prompt ${side.toUpperCase()}` : "Prompt");
    element.dataset.side = page.comparing.value ? side : "";
  });
  element.append(
    h(
      "div",
      { class: "wp-prompt-line" },
      letter,
      button("The prompt before", BACK, -1),
      button("The prompt after", FORWARD, 1),
      field,
    ),
    chips(page, side, model, until),
    status,
  );
  return () => {
    field.focus();
    field.select();
  };
}

function promptField(
  side: string,
  now: { readonly value: string },
  running: { readonly value: string },
  run: (text: string) => Promise<void>,
  stop: () => void,
  until: AbortSignal,
): HTMLTextAreaElement {
  const field = h("textarea", {
    class: "wp-field",
    rows: 1,
    dir: "auto",
    spellcheck: "false",
    autocomplete: "off",
    title: "Enter runs it, Shift and Enter begins a line, Escape leaves it as it was",
    "aria-label": `Prompt ${side === "a" ? "" : "B "}: Enter runs it, Escape leaves it as it was`,
  });
  const grow = (): void => {
    field.style.height = "0";
    field.style.height = `${Math.min(field.scrollHeight + 2, 160)}px`;
  };
  watch(until, () => {
    field.value = now.value;
    requestAnimationFrame(grow);
  });
  watch(until, () => void field.classList.toggle("wp-busy", !!running.value));
  new ResizeObserver(grow).observe(field);
  field.addEventListener("input", grow);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      stop();
      field.value = now.value;
      grow();
      field.blur();
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      if (field.value !== now.value) void run(field.value);
    }
  });
  return field;
}

/** The tokens: a click selects one in all views, with shift those in between too, with Ctrl one more. */
function chips(page: PageState, side: string, model: SocketModel, until: AbortSignal): HTMLElement {
  const selection = selectionOf(model, until);
  const element = h("div", {
    class: "wp-chips",
    role: "listbox",
    "aria-multiselectable": "true",
    "aria-label": "Tokens",
  });
  const tokens = computed(() => page.sides.value[side]?.tokens ?? []);
  let anchor = 0;
  const select = (at: number, event: MouseEvent | KeyboardEvent): void => {
    const held = selection.tokens;
    if (event.shiftKey) {
      const [from, to] = [Math.min(anchor, at), Math.max(anchor, at)];
      selection.setTokens(Array.from({ length: to - from + 1 }, (_, i) => from + i));
      return;
    }
    anchor = at;
    if (event.ctrlKey || event.metaKey)
      selection.setTokens(held.includes(at) ? held.filter((one) => one !== at) : [...held, at]);
    else selection.setTokens(held.length === 1 && held[0] === at ? [] : [at]);
  };
  const mark = (): void => {
    const held = new Set(selection.tokens);
    for (const [at, chip] of [...element.children].entries()) chip.setAttribute("aria-selected", String(held.has(at)));
  };
  watch(until, () => {
    const texts = tokens.value;
    element.replaceChildren(
      ...texts.slice(0, MOST_CHIPS).map((_, at) => {
        const label = `token ${at}, ${plainAt(texts, at)}`;
        const chip = h(
          "span",
          { class: "wp-chip", role: "option", tabindex: at ? -1 : 0, "aria-label": label, title: label },
          tokenSpanAt(texts, at),
        );
        chip.addEventListener("click", (event) => select(at, event));
        return chip;
      }),
      ...(texts.length > MOST_CHIPS ? [h("span", { class: "sw-dim" }, `and ${texts.length - MOST_CHIPS} more`)] : []),
    );
    mark();
  });
  selection.subscribe(mark, until);
  element.addEventListener("keydown", (event) => {
    const all = [...element.querySelectorAll<HTMLElement>(".wp-chip")];
    const at = all.indexOf(event.target as HTMLElement);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: all.length - 1 }[event.key];
    if (event.key === "Enter" || event.key === " ") select(at, event);
    else if (event.key === "Escape") selection.setTokens([]);
    else if (to === undefined) return;
    else if (all[to]) {
      all[at]!.tabIndex = -1;
      all[to]!.tabIndex = 0;
      all[to]!.focus();
    }
    event.preventDefault();
    event.stopPropagation();
  });
  return element;
}

/** Heads and latents that are selected, each with a cross. */
export function selectedChips(page: PageState): HTMLElement {
  const element = h("div", { class: "wp-selected", role: "group", "aria-label": "Selected" });
  const bar = computed(() => page.sides.value.a?.bar);
  let life = new AbortController();
  watch(page.until, () => {
    const model = page.connection.models.get(bar.value ?? "");
    life.abort();
    life = new AbortController();
    if (!model) return;
    const selection = selectionOf(model, life.signal);
    const show = (): void => {
      const one = (text: string, clear: () => void): HTMLElement =>
        h(
          "span",
          { class: "wp-held" },
          text,
          h("button", { class: "sw-chip-clear", type: "button", "aria-label": `Clear ${text}`, onclick: clear }, "×"),
        );
      element.replaceChildren(
        ...selection.heads.map((head) =>
          one(`head ${head.join(".")}`, () =>
            selection.setHeads(selection.heads.filter((other) => `${other}` !== `${head}`)),
          ),
        ),
        ...selection.latents.map((latent) =>
          one(`latent ${latent}`, () => selection.setLatents(selection.latents.filter((other) => other !== latent))),
        ),
      );
    };
    show();
    selection.subscribe(show, life.signal);
  });
  return element;
}
