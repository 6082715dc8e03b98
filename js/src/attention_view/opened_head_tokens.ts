/** The tokens of the opened head: what it writes at the selected token, and what its weights make of that token. */
import { h } from "../core/elements/dom";
import { count, signed, steady } from "../core/format";
import { batch, computed, type Signal, signal, untracked, watch } from "../core/reactive";
import type { Head } from "../core/selection";
import { tokenSpan, tokenSpanAt } from "../core/tokens";
import type { Side } from "./patterns/patterns";
import { PANEL_TITLES, type State } from "./state";

const LISTS = [
  ["writes", "Writes at", "up", "down", "Logits that the head adds directly at this position, less their mean"],
  ["ov", "OV of", "up", "down", "What the head would write of this token alone, by weights"],
  ["qk", "QK of", "highest keys", "lowest keys", "Scores of keys for this token as the query, by weights"],
] as const;
type What = (typeof LISTS)[number][0];
/** Lists that were asked for; those of many positions are small. */
const KEPT = 400;

interface Asked {
  what: What;
  layer: number;
  head: number;
  side: Side;
  position: number;
}

interface List {
  up: [text: string, value: number][];
  down: [text: string, value: number][];
  note: string;
}

/** What a list shows: the last that came, of what it is, and what is under way or went wrong. */
interface Shown {
  of?: Asked | undefined;
  list?: List | undefined;
  said: string;
  pending: boolean;
  failed: boolean;
}

export function tokensButton(state: State, until: AbortSignal): HTMLElement {
  const button = h(
    "button",
    {
      class: "sw-button",
      type: "button",
      title: "The tokens that the head writes and reads (t)",
      onclick: () => state.toggleTokens(),
    },
    "tokens",
  );
  watch(until, () => button.setAttribute("aria-pressed", String(state.tokensShown.value)));
  return button;
}

export function createTokens(state: State, until: AbortSignal): HTMLElement {
  const element = h("div", {
    class: "av-tokens",
    role: "region",
    "aria-label": "Tokens that the opened head writes and reads",
    tabindex: 0,
  });
  const shown = LISTS.map(() => signal<Shown>({ said: "", pending: false, failed: false }));
  const sections = LISTS.map((list, i) => section(state, list, shown[i]!, until));
  const why = h("p", { class: "av-why" });
  watch(until, () => {
    element.hidden = !state.tokensShown.value;
    why.textContent = state.noWeights.value;
    element.replaceChildren(...(state.noWeights.value ? [why] : sections));
  });
  listen(state, shown, until);
  return element;
}

/** Ask for the lists of the head, side and position on show, one after the other; what is asked of others is given up. */
function listen(state: State, shown: Signal<Shown>[], until: AbortSignal): void {
  const known = new Map<string, List>();
  const wanted = computed<{ head: Head; side: Side; position: number } | undefined>(() => {
    const head = state.open.value;
    if (!head || !state.tokensShown.value || state.noWeights.value) return undefined;
    const side = state.panel.value === "b" ? "b" : "a";
    const position = state.positionIn(side);
    return position === undefined || !state.has(head, side) ? undefined : { head, side, position };
  });
  let before = "";
  let asking = new AbortController();
  until.addEventListener("abort", () => asking.abort());
  watch(until, () => {
    const now = wanted.value;
    if (JSON.stringify(now) === before) return;
    before = JSON.stringify(now);
    asking.abort();
    asking = new AbortController();
    if (now) untracked(() => void ask(now, asking.signal));
  });

  async function ask(
    { head, side, position }: { head: Head; side: Side; position: number },
    signal: AbortSignal,
  ): Promise<void> {
    const all = LISTS.map(([what]): Asked => ({ what, layer: head[0], head: head[1], side, position }));
    batch(() => {
      for (const [i, of] of all.entries()) {
        const list = known.get(JSON.stringify(of));
        shown[i]!.value = list
          ? { of, list, said: "", pending: false, failed: false }
          : { ...shown[i]!.peek(), said: "waiting …", pending: true, failed: false };
      }
    });
    for (const [i, of] of all.entries()) {
      if (!shown[i]!.peek().pending) continue;
      const say = (said: string): void => void (shown[i]!.value = { ...shown[i]!.peek(), said });
      try {
        say("computing …");
        const onProgress = (done: number, total: number, text: string): void =>
          say(total ? `${text}: ${count(done)} of ${count(total)}` : text || "computing …");
        const { data } = await state.patterns.requests.ask("head_tokens", of, { signal, onProgress });
        known.set(JSON.stringify(of), data as List);
        if (known.size > KEPT) known.delete(known.keys().next().value!);
        if (!signal.aborted) shown[i]!.value = { of, list: data, said: "", pending: false, failed: false };
      } catch (error) {
        if (signal.aborted || (error as Error).name === "AbortError") return;
        shown[i]!.value = { of, list: undefined, said: (error as Error).message, pending: false, failed: true };
      }
    }
  }
}

function section(
  state: State,
  [what, title, up, down, explained]: (typeof LISTS)[number],
  shown: Signal<Shown>,
  until: AbortSignal,
): HTMLElement {
  const name = h("span");
  const said = h("span", { class: "sw-dim av-said", role: "status" });
  const caption = h("div", { class: "av-caption" }, name, said);
  const lists = h("div", { class: "av-up-down" });
  const element = h("section", { "data-list": what, "aria-label": title }, caption, lists);
  watch(until, () => {
    const { of, list, said: words, pending, failed } = shown.value;
    const tokens = state.tokensOf(of?.side ?? "a");
    const side = of && state.sides.length > 1 ? `${PANEL_TITLES[of.side]}: ` : "";
    const place = of && what === "writes" ? ` ${of.position}` : ", by weights";
    name.replaceChildren(
      `${side}${title} `,
      ...(of ? [tokenSpanAt(tokens, of.position), h("span", { class: "sw-dim" }, place)] : []),
    );
    caption.title = list?.note ?? explained;
    said.textContent = words && ` ${words}`;
    element.classList.toggle("av-pending", pending);
    element.classList.toggle("av-failed", failed);
    lists.replaceChildren(...(list ? [column(up, list.up), column(down, list.down)] : []));
  });
  return element;
}

function column(name: string, rows: List["up"]): HTMLElement {
  const body = h("tbody");
  for (const [text, value] of rows)
    body.append(
      h(
        "tr",
        {},
        h("td", { class: "av-word" }, tokenSpan(text)),
        h("td", { class: "av-number" }, signed(value, steady)),
      ),
    );
  return h("table", {}, h("caption", {}, name), body);
}
