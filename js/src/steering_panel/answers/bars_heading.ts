/** What the bars are of, and whether they are of the strengths that are set. */
import { h } from "../../core/elements/dom";
import { between, promptText } from "../../core/prompt_text";
import { watch } from "../../core/reactive";
import { tokenInText } from "../../core/tokens";
import { type Strength, strengthText } from "../sliders/sliders";
import type { State } from "../state";
import type { Answers } from "./answers";

const WORDS = {
  "": "",
  short: "waiting for the kernel …",
  long: "the kernel does not answer yet",
};
/** Tokens at the end of the prompt that are shown; all stand in the title. */
const LAST = 24;

export function createHeading(
  state: State,
  { shown, waiting, news, problem, old }: Answers,
  until: AbortSignal,
): HTMLElement {
  const tokens: string[] = state.model.get("prompt_tokens");
  const end = h("span", { class: "sp-prompt", title: promptText(tokens) });
  end.append(
    h(
      "bdi",
      {},
      tokens.length > LAST ? "… " : "",
      ...tokens
        .map((_, at) => at)
        .slice(-LAST)
        .flatMap((at, i) => [i ? between(tokens) : "", tokenInText(tokens, at)]),
    ),
  );
  const status = h("span", { class: "sp-status", role: "status" });
  watch(until, () => {
    const wait = waiting.value && news.value ? `waiting: ${news.value}` : WORDS[waiting.value];
    const of = old.value ? strengthsText(state, shown.value!.strengths) : shown.value?.how;
    status.textContent = [of, problem.value || wait].filter(Boolean).join("; ");
    status.classList.toggle("sw-error", !!problem.value);
  });
  return h("div", { class: "sp-heading" }, h("span", { class: "sp-title" }, "Next token after"), end, status);
}

/** The strengths that the bars are of, where they are others than those that are set. */
function strengthsText(state: State, shown: Strength[]): string {
  const set = state.effective.value;
  const others = state.sliders.value.flatMap(({ name }, at) =>
    shown[at] === undefined || shown[at] === set[at] ? [] : [`${name} ${strengthText(shown[at])}`],
  );
  return others.length ? `still at ${others.join(", ")}` : "still of other strengths";
}
