/** Why the open latent fires: the earlier latents, heads and MLPs that were ablated, those that it needs first. */
import { h } from "../core/elements/dom";
import { counted, significant, steady } from "../core/format";
import { draw, signal } from "../core/reactive";
import type { Selection } from "../core/selection";
import type { Parent, Why } from "./page_data";
import type { State } from "./state";

export interface WhyPart {
  element: HTMLElement;
  toggle(): void;
}

interface Running {
  text: string;
  error?: boolean;
}

export function createWhy(state: State, selection: Selection, copy: () => Promise<void>, until: AbortSignal): WhyPart {
  const element = h("section", { class: "fb-why", "aria-label": "Why it fires" });
  const running = signal<Running | undefined>(undefined);
  let life = new AbortController();
  let asked = "";
  const stop = (): void => life.abort();
  until.addEventListener("abort", stop);
  const ask = async (latent: number, text: string): Promise<void> => {
    life.abort();
    life = new AbortController();
    const { signal } = life;
    running.value = { text: "running the prompts" };
    const onProgress = (done: number, total: number, said: string): void => {
      if (!signal.aborted) running.value = { text: total ? `${done} of ${total} ablations: ${said}` : said };
    };
    try {
      await state.why(latent, text, { signal, onProgress });
      if (!signal.aborted) running.value = undefined;
    } catch (error) {
      const was = signal.aborted && signal !== life.signal;
      if (was) return;
      running.value = signal.aborted ? { text: "Stopped." } : { text: (error as Error).message, error: true };
    }
  };
  draw(until, () => {
    const latent = state.latent.value;
    const text = state.explainedText;
    const open = latent !== null && state.explaining.value === latent;
    element.hidden = !open;
    const key = JSON.stringify([latent, text]);
    if (!open) {
      stop();
      asked = "";
      return;
    }
    const known = state.knownWhy(latent, text);
    // A text that is being typed is not run letter by letter: a button asks again.
    const isFirst = asked === "";
    if (isFirst) asked = key;
    if (isFirst && !known) queueMicrotask(() => void ask(latent, text));
    const now = running.value;
    const busy = now && !now.error && now.text !== "Stopped.";
    const again = asked !== key || now?.text === "Stopped.";
    const heading = h(
      "h4",
      {},
      "why it fires ",
      h("span", { class: "sw-dim" }, text ? "on your text" : "on its strongest examples"),
    );
    const retry = button("Ask", "Ask on the text as it is now", () => {
      asked = key;
      void ask(latent, text);
    });
    element.replaceChildren(
      heading,
      ...(now && asked === key && !known
        ? [
            h(
              "p",
              { class: now.error ? "fb-error" : "sw-dim", role: now.error ? "alert" : "status" },
              now.text,
              ...(busy ? [" ", button("Stop", "Stop asking", stop)] : []),
            ),
          ]
        : []),
      ...(known ? table(known, state, selection, copy) : again ? [retry] : []),
    );
  });
  return {
    element,
    toggle() {
      const latent = state.latent.peek();
      state.explaining.value = latent === state.explaining.peek() ? null : latent;
      requestAnimationFrame(() => element.scrollIntoView?.({ block: "nearest" }));
    },
  };
}

const button = (text: string, title: string, onclick: () => void): HTMLButtonElement =>
  h("button", { class: "sw-button", type: "button", title, onclick }, text);

const HEADS = [
  ["parent", "Earlier latent, head or MLP. 0.error is what an SAE lacks of its place, input the embeddings."],
  ["fall", "Exact: how far the latent's activation falls when this is ablated, mean over prompts."],
  ["95 %", "Interval of the mean, bootstrap over prompts."],
  ["p", "That a random direction of the same norm does as much; corrected for all that were tried."],
  ["null", "What such directions do, on average."],
  ["estimate", "Activation times gradient, which chose what was ablated: not exact."],
] as const;

function table(why: Why, state: State, selection: Selection, copy: () => Promise<void>): HTMLElement[] {
  const confirmed = why.rows.filter((row) => row.confirmed);
  const others = why.rows.filter((row) => !row.confirmed);
  const cells = h("div", { class: "fb-parents", role: "table", "aria-label": "Parents" });
  const line = (row: string, items: (HTMLElement | string)[]): HTMLElement =>
    h("div", { class: row, role: "row" }, ...items.map((one) => h("span", { role: "cell" }, one)));
  cells.append(
    h(
      "div",
      { class: "fb-parent sw-dim", role: "row" },
      ...HEADS.map(([name, title]) => h("span", { role: "columnheader", title }, name)),
    ),
    ...confirmed.map((one) => line("fb-parent", parentCells(one, state, selection))),
  );
  const box = h("details", { class: "fb-tried" }, h("summary", { class: "sw-dim" }, triedText(others)));
  box.append(...others.map((one) => line("fb-parent fb-weak", parentCells(one, state, selection))));
  const none = h("p", {}, "No parent is confirmed.");
  const single = why.n === 1 ? " Of one prompt there is no interval." : "";
  return [
    ...(confirmed.length ? [] : [none]),
    cells,
    ...(others.length ? [box] : []),
    h(
      "p",
      { class: "sw-dim fb-said" },
      `${why.said}.${single} `,
      h(
        "button",
        {
          class: "sw-link",
          type: "button",
          title: "Copy the lines of Python that make it",
          onclick: () => void copy(),
        },
        "open as circuit",
      ),
    ),
  ];
}

const triedText = (others: Parent[]): string =>
  `${counted(others.length, "other")} tried: ${others.length === 1 ? "it does" : "they do"} too little, or no more than the null`;

function parentCells(row: Parent, state: State, selection: Selection): (HTMLElement | string)[] {
  const number = (value: number | null): string => (value === null ? "–" : steady(value));
  const interval = row.low === null || row.high === null ? "–" : `${steady(row.low)} to ${steady(row.high)}`;
  const p = row.p_null === null ? "–" : row.p_null < 0.001 ? "< 0.001" : significant(row.p_null);
  return [nameOf(row, state, selection), number(row.effect), interval, p, number(row.null), number(row.estimate)];
}

/** A latent opens its page where a linked browser has it; a head is selected in linked views. */
function nameOf(row: Parent, state: State, selection: Selection): HTMLElement {
  const own = row.kind === "latent" && row.place === state.model.get("place");
  const name = spoken(row);
  const link = h("button", { class: "sw-link", type: "button" }, name);
  link.addEventListener("click", () => {
    if (row.kind === "head") selection.setHeads([[row.layer, row.head]]);
    else if (own) state.open(Number(row.name.split(".").at(-1)));
    else selection.setLatents([row.name]);
  });
  if (row.kind === "head") link.title = "Select the head in linked views.";
  else if (row.kind !== "latent") link.disabled = true;
  else if (!selection.has("place", row.place)) {
    link.disabled = true;
    link.title = "A FeatureBrowser of that SAE's index with the same selection opens its page.";
  }
  return h("span", { class: "fb-other" }, link, h("span", { class: "sw-dim" }, row.words));
}

function spoken({ kind, name, layer, head, place }: Parent): string {
  if (kind === "head") return `head ${layer}.${head}`;
  if (kind === "mlp") return `MLP ${layer}`;
  if (kind === "error") return `error ${place || name.replace(".error", "")}`;
  return kind === "latent" ? `latent ${name}` : "embeddings";
}
