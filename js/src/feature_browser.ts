/** FeatureBrowser: all latents of a sparse autoencoder, the page of one, and what fires on a text. */

import { bytes } from "./core/bytes";
import { copyText } from "./core/elements/clipboard";
import { h, icon } from "./core/elements/dom";
import { bindHeight } from "./core/elements/resize";
import { createToolbar, type Toolbar } from "./core/elements/toolbar";
import { saverOf } from "./core/export/save_menu";
import type { Filterable } from "./core/filter/filter";
import { compile } from "./core/filter/filter";
import { createFilterBox } from "./core/filter/filter_box";
import { count, counted } from "./core/format";
import { listenForKeys } from "./core/keyboard/keyboard";
import type { Key } from "./core/keyboard/shortcut_list";
import { computed, draw, sizeOf, trait, watch } from "./core/reactive";
import { type View, widget } from "./core/view";
import { save } from "./core/widget_model";
import { filterColumns } from "./feature_browser/columns";
import { tellTokens } from "./feature_browser/example_line";
import { latentCsv, listCsv, pythonCode } from "./feature_browser/export";
import css from "./feature_browser/feature_browser.css";
import { figure } from "./feature_browser/figure";
import { createOwnNote } from "./feature_browser/label_and_note";
import { showPanel } from "./feature_browser/latent_steering";
import { latentElements } from "./feature_browser/latent_view";
import { createList } from "./feature_browser/list";
import { createSearch } from "./feature_browser/search_field";
import { State } from "./feature_browser/state";
import { textElements } from "./feature_browser/text_view";
import { createWhy, type WhyPart } from "./feature_browser/why_it_fires";
import type { FeatureBrowserTraits } from "./generated/traits";

const KEYS: Key[] = [
  ["↑ ↓, Home, End, Page ↑ ↓", "walk the list"],
  ["Enter, click", "open the page of the latent"],
  ["/", "search"],
  ["t", "type a text: which latents fire on it"],
  ["f", "filter by numbers"],
  ["y", "why it fires: what is ablated, and what that does"],
  ["x", "touch the latent: clamp, scale or ablate it"],
  ["[ and ]", "the page before, and after"],
  ["Escape", "step back: clear a field, close the page"],
  ["?", "this list"],
];
/** Narrower than this the page lies over the list. */
const BESIDE = 760;
const HEIGHT = 520;
/** Of the columns an example of a filter is looked for in so many rows. */
const SAMPLE = 2000;

export default widget(css, build);

function build(view: View<FeatureBrowserTraits>): void {
  const { model, root, title, until } = view;
  root.classList.add("fb");
  const state = new State(view);
  const list = createList(state, until);
  const search = createSearch(state, () => list.focus(), until);
  const copy = async (): Promise<void> => {
    try {
      await copyText(pythonCode(state));
      toolbar.say("Copied as Python code: circuit.widget() draws it.");
    } catch (error) {
      toolbar.say((error as Error).message, true);
    }
  };
  const why = createWhy(state, view.selection, copy, until);
  const page = createPage(view, state, why, (text, isError) => toolbar.say(text, isError));
  const announcement = h("div", { class: "sw-hidden", role: "status", "aria-live": "polite" });
  const filters = createFilter(state, until);
  const saver = saverOf(view, () => figure(state, title.peek()), {
    name: () => (state.latent.peek() === null ? title.peek() : `latent ${state.latent.peek()}`),
  });
  const toolbar = createToolbar(
    root,
    {
      title,
      chips: computed(() => {
        const latent = state.latent.value;
        return latent === null ? [] : [{ text: `latent ${latent}`, clear: () => state.open(null) }];
      }),
      keys: KEYS,
      code: () => pythonCode(state),
      saves: {
        SVG: saver.svg,
        PNG: saver.png,
        "CSV, the list": () => saver.file("csv", listCsv(state)),
        "CSV, the latent": () => saver.file("csv", latentCsv(state)),
        "JSON, the latent": async () => {
          const latent = state.latent.peek();
          if (latent === null) throw new Error("Open the page of a latent first.");
          const { buffers } = await view.requests.ask("json", { latents: [latent] });
          saver.file("json", bytes(buffers[0]!).slice());
        },
        HTML: saver.html,
      },
    },
    until,
  );
  const notice = h("div", { class: "sw-message fb-notice" }, model.get("notice"));
  notice.hidden = !notice.textContent;
  const body = h("div", { class: "fb-body" }, list.element, page);
  root.append(h("div", { class: "fb-asks" }, search.element, filters.element), notice, body, announcement);
  const size = sizeOf(root, until);
  watch(until, () => {
    const narrow = size.value[0] > 0 && size.value[0] < BESIDE;
    body.classList.toggle("fb-narrow", narrow);
    root.classList.toggle("fb-slim", narrow);
    const opened = state.latent.value !== null || state.fires.value !== undefined;
    body.classList.toggle("fb-opened", opened && !state.showsList.value);
  });
  watch(until, () => {
    const said = countText(state);
    filters.say(said);
    announcement.textContent = said;
  });
  bindHeight(view, () => HEIGHT);
  const filterField = filters.element.querySelector("input")!;
  listenForKeys(
    root,
    {
      "/": () => search.focus(),
      t: () => search.focus("fires_on"),
      f: () => filterField.focus(),
      y: () => canExplain(state) && why.toggle(),
      x: () => void (state.touching.value = !state.isSaved && state.latent.peek() !== null && !state.touching.peek()),
      "[": () => state.step(-1),
      "]": () => state.step(1),
      escape: () => {
        if (state.latent.peek() !== null && state.touching.peek()) state.touching.value = false;
        else if (state.latent.peek() !== null) state.open(null);
        else if (state.token.peek() !== undefined && state.fires.peek()) view.selection.setTokens([]);
        else if (state.search.peek()) state.setSearch(state.searchBy.peek(), "");
        list.focus();
      },
    },
    until,
  );
}

function createFilter(state: State, until: AbortSignal): ReturnType<typeof createFilterBox> {
  const all = tableOf(filterColumns(state.columns));
  const step = Math.max(1, Math.floor(state.columns.n / SAMPLE));
  const sample = tableOf(
    all.columns.map((column) => {
      const values = Array.from(column.values as ArrayLike<number>).filter((_, at) => at % step === 0);
      return { name: column.name, kind: "number" as const, values };
    }),
  );
  const filter = trait(state.model, "filter", until);
  const box = createFilterBox(
    sample,
    filter,
    (text) => text !== state.model.get("filter") && save(state.model, { filter: text }),
    until,
    (text) => compile(text, all),
  );
  watch(until, () => void (state.passes.value = box.passes.value));
  return box;
}

const tableOf = (columns: Filterable["columns"]): Filterable => ({
  columns,
  byName: new Map(columns.map((column) => [column.name, column])),
});

function countText(state: State): string {
  const { n } = state.columns;
  const shown = state.rows.value.length;
  return shown === n ? counted(n, "latent") : `${count(shown)} of ${counted(n, "latent")}`;
}

const BACK = "M10 3 5 8l5 5";
const FORWARD = "M6 3l5 5-5 5";

/** The page of the open latent; without one what fires on the text, or what to do. */
function createPage(
  { model, tooltip, selection, until }: View<FeatureBrowserTraits>,
  state: State,
  why: WhyPart,
  say: Toolbar["say"],
): HTMLElement {
  const step = (label: string, path: string, by: -1 | 1): HTMLButtonElement =>
    h(
      "button",
      { class: "sw-button", type: "button", "aria-label": label, title: label, onclick: () => state.step(by) },
      icon(path),
    );
  const [back, forward] = [step("The page before ([)", BACK, -1), step("The page after (])", FORWARD, 1)];
  const name = h("b", { class: "fb-page-name" });
  const close = h(
    "button",
    { class: "sw-button", type: "button", "aria-label": "Close the page", onclick: () => state.open(null) },
    "×",
  );
  const content = h("div", { class: "fb-content", tabindex: 0, role: "region" });
  watch(until, () => void (back.disabled = state.back.value.length === 0));
  watch(until, () => void (forward.disabled = state.forward.value.length === 0));
  let shown: string | undefined;
  const put = (key: string, elements: HTMLElement[]): void => {
    const top = key === shown ? content.scrollTop : 0;
    content.replaceChildren(...elements);
    content.scrollTop = top;
    shown = key;
  };
  draw(until, () => {
    const latent = state.latent.value;
    const fires = state.fires.value;
    void [state.arrived.value, state.table.value, state.token.value];
    name.textContent = latent !== null ? `Latent ${latent}` : fires ? "What fires on the text" : "";
    content.setAttribute("aria-label", name.textContent || "Page of a latent");
    close.hidden = latent === null;
    if (latent === null)
      return put("", fires ? textElements(state, fires, selection) : hints(state, model.get("cannot_run")));
    const known = state.knownPage(latent);
    if (known) return put(String(latent), latentElements({ state, page: known, tooltip, why: why.element }));
    const still = (): boolean => state.latent.peek() === latent;
    state.page(latent).then(
      () => still() && state.arrived.value++,
      (error: Error) => still() && put("", [h("p", { class: "fb-error" }, error.message)]),
    );
  });
  tellTokens(content, tooltip, until);
  const toList = h(
    "button",
    { class: "sw-button fb-list-button", type: "button", onclick: () => void (state.showsList.value = true) },
    "List",
  );
  const touch = h(
    "button",
    {
      class: "sw-button",
      type: "button",
      title: "Clamp, scale or ablate the latent, and see what comes next (x)",
      onclick: () => void (state.touching.value = !state.touching.peek()),
    },
    "Touch",
  );
  const explain = h(
    "button",
    {
      class: "sw-button",
      type: "button",
      title: "Which earlier latents, heads and MLPs make it fire (y)",
      onclick: () => {
        state.touching.value = false;
        why.toggle();
      },
    },
    "Why",
  );
  watch(until, () => {
    const latent = state.latent.value;
    explain.hidden = latent === null || !canExplain(state);
    explain.setAttribute("aria-pressed", String(latent !== null && state.explaining.value === latent));
  });
  const panel = createTouch(model, state, until);
  watch(until, () => {
    const open = state.touching.value && state.latent.value !== null;
    touch.hidden = state.latent.value === null || state.isSaved;
    touch.setAttribute("aria-pressed", String(open));
    panel.hidden = !open;
    content.hidden = open;
  });
  const bar = h("div", { class: "fb-page-bar" }, back, forward, name, explain, touch, toList, close);
  return h("div", { class: "fb-page" }, bar, createOwnNote(state, say, until), content, panel);
}

/** A saved page has the answer that was asked for last. */
function canExplain(state: State): boolean {
  const latent = state.latent.value;
  return latent !== null && (!state.isSaved || (state.model.get("explained") ?? [])[0] === latent);
}

/** The steering panel on the open latent; on another one it gets sliders of that too. */
function createTouch(model: View<FeatureBrowserTraits>["model"], state: State, until: AbortSignal): HTMLElement {
  const place = h("div", { class: "fb-panel" });
  let life = new AbortController();
  until.addEventListener("abort", () => life.abort());
  const put = async (latent: number): Promise<void> => {
    life.abort();
    life = new AbortController();
    const { signal } = life;
    try {
      const traits = await state.touch(latent);
      if (signal.aborted) return;
      place.replaceChildren();
      showPanel(model, traits, place, signal);
    } catch (error) {
      if (!signal.aborted) place.replaceChildren(h("p", { class: "fb-error" }, (error as Error).message));
    }
  };
  watch(until, () => {
    const latent = state.latent.value;
    if (state.touching.value && latent !== null) void put(latent);
  });
  return place;
}

function hints(state: State, reason: string): HTMLElement[] {
  const dead = state.columns.dead.reduce((sum, one) => sum + one, 0);
  const typed = reason
    ? [h("p", { class: "sw-dim" }, reason)]
    : [h("p", {}, "Type a text above: the latents that fire on it are there at once, token by token.")];
  return [
    h("p", {}, "Choose a latent to see what it fires on."),
    ...typed,
    h(
      "p",
      { class: "sw-dim" },
      dead
        ? `${count(dead)} of ${counted(state.columns.n, "latent")} are dead: they fired on no token of this index.`
        : "",
    ),
    h("div", { class: "fb-source sw-dim" }, ...state.model.get("source").map((line) => h("div", {}, line))),
  ];
}
