/** What the model goes on to write, unsteered and steered side by side, a token at a time. */

import { h } from "../../core/elements/dom";
import { type ReadonlySignal, signal, trait, untracked, watch } from "../../core/reactive";
import type { Requests } from "../../core/requests";
import { save } from "../../core/widget_model";
import type { Strength } from "../sliders/sliders";
import type { State } from "../state";
import { differing, running, type Word } from "./word_difference";

export interface Texts {
  unsteered: string;
  steered: string;
  strengths: Strength[];
}

export interface Continuations {
  element: HTMLElement;
  texts: ReadonlySignal<Texts | undefined>;
  stop(): void;
}

const NOT_SAVED = "This saved page has the continuation at the strengths that it was saved with.";

export function createContinuations(
  state: State,
  requests: Requests,
  say: (text: string, isError?: boolean) => void,
  until: AbortSignal,
): Continuations {
  const onRelease = trait(state.model, "continue_on_release", until);
  const writer = createWriter(state, requests, say);
  // What is being written is out of date as soon as a slider moves, and the kernel has better things to do.
  watch(until, () => void (state.moving.value && !state.saved && writer.stop()));
  watch(until, () => {
    void state.releases.value;
    void state.sliders.value.length;
    if (state.saved || onRelease.value) untracked(() => void writer.run());
  });
  until.addEventListener("abort", writer.stop);

  const said = h("span", { class: "sw-dim", role: "status" });
  watch(until, () => void (said.textContent = writer.progress.value ?? writer.remark.value));
  const head = h(
    "div",
    { class: "sp-below-head" },
    h("span", { class: "sp-title" }, "Continuations"),
    said,
    ...(state.saved ? [] : controls(state, writer, onRelease, until)),
  );
  const element = h(
    "section",
    { class: "sp-below", "aria-label": "Continuations" },
    head,
    textColumns(state, writer, until),
  );
  return { element, texts: writer.texts, stop: writer.stop };
}

/** Asks the model to go on. */
interface Writer {
  texts: ReadonlySignal<Texts | undefined>;
  /** How far it is; undefined: nothing is being written. */
  progress: ReadonlySignal<string | undefined>;
  /** Why there is nothing to show, where that is no error. */
  remark: ReadonlySignal<string>;
  run(): Promise<void>;
  stop(): void;
}

function createWriter(state: State, requests: Requests, say: (text: string, isError?: boolean) => void): Writer {
  const texts = signal<Texts | undefined>(undefined);
  const progress = signal<string | undefined>(undefined);
  const remark = signal("");
  let stop: AbortController | undefined;
  const run = async (): Promise<void> => {
    stop?.abort();
    const mine = (stop = new AbortController());
    const strengths = state.effective.peek();
    const args = { strengths, ...optionsOf(state) };
    progress.value = "";
    remark.value = "";
    const put = ({ unsteered, steered }: Texts): void => void (texts.value = { unsteered, steered, strengths });
    try {
      const { data } = await requests.ask("continue", args, {
        signal: mine.signal,
        onProgress(done, total, text) {
          progress.value = total ? `${done} of ${total} tokens` : text;
          if (done) put(JSON.parse(text));
        },
      });
      put(data);
    } catch (error) {
      const { name, message } = error as Error;
      if (name !== "AbortError") {
        if (state.saved) remark.value = NOT_SAVED;
        else say(message, true);
      }
    }
    if (mine === stop) progress.value = stop = undefined;
  };
  return { texts, progress, remark, run, stop: () => stop?.abort() };
}

/** Both texts side by side, what differs marked. */
function textColumns(state: State, { texts, progress }: Writer, until: AbortSignal): HTMLElement {
  const [unsteered, steered] = [
    h("div", { class: "sp-text", dir: "auto" }),
    h("div", { class: "sp-text", dir: "auto" }),
  ];
  const column = (name: string, text: HTMLElement): HTMLElement =>
    h("div", { class: "sp-column" }, h("div", { class: "sp-caption" }, name), text);
  const dim = (words: string): HTMLElement => h("span", { class: "sw-dim" }, words);
  watch(until, () => {
    const now = texts.value;
    const [one, other] = differing(now?.unsteered ?? "", now?.steered ?? "");
    const none = now && progress.value === undefined ? "Nothing that can be shown." : "";
    unsteered.replaceChildren(...(one.length ? written(one) : [dim(now ? none : "Nothing is written yet.")]));
    steered.replaceChildren(...(other.length ? written(other) : [dim(none)]));
    const isOld = !!now && JSON.stringify(now.strengths) !== JSON.stringify(state.effective.value);
    for (const text of [unsteered, steered]) text.classList.toggle("sp-old", isOld);
  });
  return h("div", { class: "sp-texts" }, column("Unsteered", unsteered), column("Steered", steered));
}

const written = (words: Word[]): (Node | string)[] =>
  words.flatMap(({ text, differs }) => (differs ? [h("mark", {}, ...running(text))] : running(text)));

const optionsOf = ({ model }: State): { max_new_tokens: number; temperature: number; seed: number } => ({
  max_new_tokens: model.get("max_new_tokens"),
  temperature: model.get("temperature"),
  seed: model.get("seed"),
});

function controls(
  { model }: State,
  { progress, run, stop }: Writer,
  onRelease: ReadonlySignal<boolean>,
  until: AbortSignal,
): HTMLElement[] {
  const number = (
    name: "max_new_tokens" | "temperature" | "seed",
    label: string,
    title: string,
    [min, max, step]: [number, number, number],
  ): HTMLElement => {
    const value = trait(model, name, until);
    const field = h("input", { type: "number", class: "sp-small", min, max, step, title, "aria-label": title });
    watch(until, () => void (field.value = String(value.value)));
    field.addEventListener("change", () => {
      if (field.checkValidity() && field.value !== "") {
        save(model, { [name]: Number(field.value) });
        void run();
      } else field.value = String(value.peek());
    });
    return h("label", {}, label, field);
  };
  const follow = h("input", { type: "checkbox", onchange: () => save(model, { continue_on_release: follow.checked }) });
  watch(until, () => void (follow.checked = onRelease.value));
  const button = h("button", {
    class: "sw-button sp-boxed",
    type: "button",
    onclick: () => (progress.peek() === undefined ? void run() : stop()),
  });
  watch(until, () => void (button.textContent = progress.value === undefined ? "Continue" : "Stop"));
  return [
    h("label", { title: "Continue each time that a slider is let go" }, follow, "on release"),
    number("max_new_tokens", "tokens", "Tokens to write", [1, 200, 1]),
    number("temperature", "temperature", "Temperature; 0: always the most probable token", [0, 10, 0.1]),
    button,
  ];
}
