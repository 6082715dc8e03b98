/** The uppermost line: the model, what can be added and done, and the prompts below it. */
import { bytes } from "../core/bytes";
import { copyText } from "../core/elements/clipboard";
import { h, icon } from "../core/elements/dom";
import { download } from "../core/export/files";
import { computed, watch } from "../core/reactive";
import { type Dialog, filesDialog, jobsDialog, settingsDialog, shortcutsDialog, sizeText } from "./dialogs";
import { encoded } from "./layout";
import { type Choice, createMenu, type Menu } from "./menu";
import type { PageState } from "./page_state";
import { createPromptBar, selectedChips } from "./prompt_bar";

const PLUS = "M8 3v10M3 8h10";
const UNDO = "M6 4 2.500 7.500 6 11M3 7.500h6.500a3.500 3.500 0 0 1 0 7H7";
const REDO = "M10 4l3.500 3.500L10 11M13 7.500H6.500a3.500 3.500 0 0 0 0 7H9";
const MORE = "M3 8v.01M8 8v.01M13 8v.01";
const SIDES = "M2 3h12v10H2zM8 3v10";

export interface TopBar {
  element: HTMLElement;
  addMenu: Menu;
  dialogs: Record<"jobs" | "files" | "settings" | "keys", Dialog>;
  focusPrompt(): void;
  compare(): void;
}

export function createTopBar(page: PageState, onAdded: (id: string) => void): TopBar {
  const dialogs = {
    jobs: jobsDialog(page),
    files: filesDialog(page),
    settings: settingsDialog(),
    keys: shortcutsDialog(),
  };
  const addMenu = createMenu("Add a panel", { text: "Panel", path: PLUS, className: "wp-framed" }, () =>
    (page.comparing.peek() ? ["a", "b"] : ["a"]).flatMap((side) => [
      ...(page.comparing.peek() ? [`Of prompt ${side.toUpperCase()}`] : []),
      ...page.kinds.map(
        ({ kind, title, about }): Choice => ({ text: title, about, act: () => onAdded(page.add(kind, side)) }),
      ),
    ]),
  );
  const [a, b] = [createPromptBar(page, "a"), createPromptBar(page, "b")];
  const compare = async (): Promise<void> => {
    if (page.comparing.peek()) {
      await page.single();
      return;
    }
    const suggested = (await page.attempt("suggest"))?.data.corrupted;
    await page.compare(suggested || page.sides.peek().a!.prompt);
    b.focus();
  };
  const sides = h(
    "button",
    { class: "sw-button wp-framed", type: "button", onclick: () => void compare() },
    icon(SIDES),
    h("span", {}, "Compare"),
  );
  watch(page.until, () => {
    sides.setAttribute("aria-pressed", String(page.comparing.value));
    sides.title = page.comparing.value
      ? "Close prompt B and its panels"
      : "Put another prompt, or model, beside this one";
  });
  const element = h(
    "header",
    { class: "wp-top" },
    h(
      "div",
      { class: "wp-line" },
      h("h1", { class: "wp-name" }, "microscope"),
      modelMenus(page),
      h("span", { class: "wp-spring" }),
      jobsButton(page, dialogs.jobs),
      addMenu.element,
      sides,
      ...historyButtons(page),
      moreMenu(page, dialogs),
    ),
    a.element,
    b.element,
    selectedChips(page),
    note(page),
    ...Object.values(dialogs).map((dialog) => dialog.element),
  );
  return { element, addMenu, dialogs, focusPrompt: a.focus, compare: () => void compare() };
}

/** The model of each side; another one that is loaded, or can be. */
function modelMenus(page: PageState): HTMLElement {
  const element = h("span", { class: "wp-models" });
  const shown = computed(() =>
    Object.entries(page.sides.value)
      .map(([side, { model }]) => `${side} ${model}`)
      .join("\n"),
  );
  watch(page.until, () => {
    const rows = shown.value.split("\n").map((row) => [row.slice(0, 1), row.slice(2)] as const);
    element.replaceChildren(
      ...rows.map(([side, model]) => {
        const label = rows.length > 1 ? `Model of prompt ${side.toUpperCase()}` : "Model";
        return createMenu(
          label,
          { text: rows.length > 1 ? `${side.toUpperCase()} ${model}` : model, className: "wp-model" },
          () => models(page, side, model),
        ).element;
      }),
    );
  });
  return element;
}

/** What can be shown; `servers` says where each that is loaded runs, empty: here. */
interface Models {
  loaded: string[];
  servers: Record<string, string>;
  known: string[];
  there: string[];
  note: string;
}

async function models(page: PageState, side: string, now: string): Promise<(Choice | string)[]> {
  const found = (await page.attempt("models"))?.data as Models | undefined;
  if (!found) return ["The server did not say which models there are."];
  const show = (model: string): void => void page.model(side, model);
  const load = async (name: string): Promise<void> => {
    const onProgress = (_: number, __: number, text: string): void => page.say(`${text} …`);
    const answer = await page.attempt("load", { name }, { onProgress });
    if (answer) show(answer.data.model);
  };
  const loaded = found.loaded.map(
    (model): Choice => ({
      text: [model, found.servers[model]].filter(Boolean).join(", on "),
      checked: model === now,
      act: () => model !== now && show(model),
    }),
  );
  const those = (title: string, names: string[]): (Choice | string)[] =>
    names.length ? [title, ...names.map((name): Choice => ({ text: name, act: () => void load(name) }))] : [];
  if (found.note) page.say(found.note, true);
  return ["Loaded", ...loaded, ...those("In the workspace", found.known), ...those("On the server", found.there)];
}

function jobsButton(page: PageState, dialog: Dialog): HTMLElement {
  // the wheel stays the element that it is: put in anew it would turn from its beginning at each word of progress
  const [wheel, text] = [h("i", { class: "wp-spin" }), h("span")];
  const props = { class: "sw-button", type: "button", title: "Jobs (j)", onclick: dialog.toggle };
  const button = h("button", props, wheel, text);
  watch(page.until, () => {
    const own = [...page.pending.value.values()].filter(({ state }) => state === "running").length;
    const n = own + page.connection.jobs.value.filter(({ state }) => state === "running" || state === "queued").length;
    button.classList.toggle("wp-idle", !n);
    wheel.hidden = !n;
    text.textContent = n ? `${n} running` : "Jobs";
  });
  return button;
}

function historyButtons(page: PageState): HTMLElement[] {
  const button = (label: string, path: string, can: { readonly value: boolean }, act: () => void): HTMLElement => {
    const one = h(
      "button",
      { class: "sw-button", type: "button", "aria-label": label, title: label, onclick: act },
      icon(path),
    );
    watch(page.until, () => void (one.disabled = !can.value));
    return one;
  };
  return [
    button("Undo (Ctrl + Z)", UNDO, page.canUndo, () => page.undo()),
    button("Do it again (Ctrl + Shift + Z)", REDO, page.canRedo, () => page.redo()),
  ];
}

function moreMenu(page: PageState, dialogs: TopBar["dialogs"]): HTMLElement {
  const fetched = async (name: string, file: string, type: string): Promise<void> => {
    page.say(`Writing ${file} …`);
    const answer = await page.attempt(name);
    if (!answer) return;
    const content = bytes(answer.buffers[0]!).slice();
    download(file, new Blob([content], { type }));
    page.say(`${file}, ${sizeText(content.length)}, is in the downloads of this browser.`);
  };
  return createMenu("More", { path: MORE }, () => [
    {
      text: "To notebook",
      about: "the same calls, cell by cell",
      act: () => void fetched("notebook", "session.ipynb", "application/x-ipynb+json"),
    },
    {
      text: "Save as a page",
      about: "works from disk, without a server",
      act: () => void fetched("html", "session.html", "text/html"),
    },
    { text: "Copy a link", about: "to this layout, prompts and selection", act: () => void copyLink(page) },
    { text: "Files", key: "f", act: dialogs.files.toggle },
    { text: "Jobs", key: "j", act: dialogs.jobs.toggle },
    { text: "Settings", key: ",", act: dialogs.settings.toggle },
    { text: "Keys", key: "?", act: dialogs.keys.toggle },
  ]).element;
}

async function copyLink(page: PageState): Promise<void> {
  const address = new URL(location.href);
  address.hash = `layout=${encoded(page.saved())}`;
  await copyText(address.href);
  page.say("The link is copied. It has no token: it opens in a browser that has this server open.");
}

function note(page: PageState): HTMLElement {
  const text = h("span", { role: "status", "aria-live": "polite" });
  const close = h(
    "button",
    { class: "sw-button", type: "button", "aria-label": "Close this note", onclick: () => page.say("") },
    "×",
  );
  // never hidden itself: a screen reader speaks what changes in what is there
  const element = h("div", { class: "wp-note" }, text, close);
  let timer: ReturnType<typeof setTimeout> | undefined;
  watch(page.until, () => {
    const said = page.said.value;
    text.textContent = said.text;
    close.hidden = !said.text;
    element.classList.toggle("wp-error", said.isError);
    clearTimeout(timer);
    if (said.text && !said.isError) timer = setTimeout(() => page.say(""), 6000);
  });
  return element;
}
