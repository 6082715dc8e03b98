/** The uppermost line: the model, what can be added and done, and the prompts below it. */
import { bytes } from "../core/bytes";
import { copyText } from "../core/elements/clipboard";
import { h, icon } from "../core/elements/dom";
import { download } from "../core/export/files";
import { computed, watch } from "../core/reactive";
import type { Desk } from "./desk";
import { type Dialog, filesDialog, jobsDialog, settingsDialog, shortcutsDialog } from "./dialogs";
import { encoded } from "./layout";
import { type Choice, createMenu, type Menu } from "./menu";
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

export function createTopBar(desk: Desk, onAdded: (id: string) => void): TopBar {
  const dialogs = {
    jobs: jobsDialog(desk),
    files: filesDialog(desk),
    settings: settingsDialog(),
    keys: shortcutsDialog(),
  };
  const addMenu = createMenu("Add a panel", { text: "Panel", path: PLUS, className: "wp-framed" }, () =>
    (desk.comparing.peek() ? ["a", "b"] : ["a"]).flatMap((side) => [
      ...(desk.comparing.peek() ? [`Of prompt ${side.toUpperCase()}`] : []),
      ...desk.kinds.map(
        ({ kind, title, about }): Choice => ({ text: title, about, act: () => onAdded(desk.add(kind, side)) }),
      ),
    ]),
  );
  const [a, b] = [createPromptBar(desk, "a"), createPromptBar(desk, "b")];
  const compare = async (): Promise<void> => {
    if (desk.comparing.peek()) {
      await desk.single();
      return;
    }
    const suggested = (await desk.attempt("suggest"))?.data.corrupted;
    await desk.compare(suggested || desk.sides.peek().a!.prompt);
    b.focus();
  };
  const sides = h(
    "button",
    { class: "sw-button wp-framed", type: "button", onclick: () => void compare() },
    icon(SIDES),
    h("span", {}, "Compare"),
  );
  watch(desk.until, () => {
    sides.setAttribute("aria-pressed", String(desk.comparing.value));
    sides.title = desk.comparing.value
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
      modelMenus(desk),
      h("span", { class: "wp-spring" }),
      jobsButton(desk, dialogs.jobs),
      addMenu.element,
      sides,
      ...historyButtons(desk),
      moreMenu(desk, dialogs),
    ),
    a.element,
    b.element,
    selectedChips(desk),
    note(desk),
    ...Object.values(dialogs).map((dialog) => dialog.element),
  );
  return { element, addMenu, dialogs, focusPrompt: a.focus, compare: () => void compare() };
}

/** The model of each side; another one that is loaded, or can be. */
function modelMenus(desk: Desk): HTMLElement {
  const element = h("span", { class: "wp-models" });
  const shown = computed(() =>
    Object.entries(desk.sides.value)
      .map(([side, { model }]) => `${side} ${model}`)
      .join("\n"),
  );
  watch(desk.until, () => {
    const rows = shown.value.split("\n").map((row) => [row.slice(0, 1), row.slice(2)] as const);
    element.replaceChildren(
      ...rows.map(([side, model]) => {
        const label = rows.length > 1 ? `Model of prompt ${side.toUpperCase()}` : "Model";
        return createMenu(
          label,
          { text: rows.length > 1 ? `${side.toUpperCase()} ${model}` : model, className: "wp-model" },
          () => models(desk, side, model),
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

async function models(desk: Desk, side: string, now: string): Promise<(Choice | string)[]> {
  const found = (await desk.attempt("models"))?.data as Models | undefined;
  if (!found) return ["The server did not say which models there are."];
  const show = (model: string): void => void desk.model(side, model);
  const load = async (name: string): Promise<void> => {
    const onProgress = (_: number, __: number, text: string): void => desk.say(`${text} …`);
    const answer = await desk.attempt("load", { name }, { onProgress });
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
  if (found.note) desk.say(found.note, true);
  return ["Loaded", ...loaded, ...those("In the workspace", found.known), ...those("On the server", found.there)];
}

function jobsButton(desk: Desk, dialog: Dialog): HTMLElement {
  const button = h("button", { class: "sw-button", type: "button", title: "Jobs (j)", onclick: dialog.toggle });
  watch(desk.until, () => {
    const own = [...desk.pending.value.values()].filter(({ state }) => state === "running").length;
    const n = own + desk.connection.jobs.value.filter(({ state }) => state === "running" || state === "queued").length;
    button.classList.toggle("wp-idle", !n);
    button.replaceChildren(...(n ? [h("i", { class: "wp-spin" })] : []), n ? `${n} running` : "Jobs");
  });
  return button;
}

function historyButtons(desk: Desk): HTMLElement[] {
  const button = (label: string, path: string, can: { readonly value: boolean }, act: () => void): HTMLElement => {
    const one = h(
      "button",
      { class: "sw-button", type: "button", "aria-label": label, title: label, onclick: act },
      icon(path),
    );
    watch(desk.until, () => void (one.disabled = !can.value));
    return one;
  };
  return [
    button("Undo (Ctrl + Z)", UNDO, desk.canUndo, () => desk.undo()),
    button("Do it again (Ctrl + Shift + Z)", REDO, desk.canRedo, () => desk.redo()),
  ];
}

function moreMenu(desk: Desk, dialogs: TopBar["dialogs"]): HTMLElement {
  const fetched = async (name: string, file: string, type: string): Promise<void> => {
    const answer = await desk.attempt(name);
    if (answer) download(file, new Blob([bytes(answer.buffers[0]!).slice()], { type }));
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
    { text: "Copy a link", about: "to this layout, prompts and selection", act: () => void copyLink(desk) },
    { text: "Files", key: "f", act: dialogs.files.toggle },
    { text: "Jobs", key: "j", act: dialogs.jobs.toggle },
    { text: "Settings", key: ",", act: dialogs.settings.toggle },
    { text: "Keys", key: "?", act: dialogs.keys.toggle },
  ]).element;
}

async function copyLink(desk: Desk): Promise<void> {
  const address = new URL(location.href);
  address.hash = `layout=${encoded(desk.saved())}`;
  await copyText(address.href);
  desk.say("The link is copied. It has no token: it opens in a browser that has this server open.");
}

function note(desk: Desk): HTMLElement {
  const text = h("span", { role: "status", "aria-live": "polite" });
  const close = h(
    "button",
    { class: "sw-button", type: "button", "aria-label": "Close this note", onclick: () => desk.say("") },
    "×",
  );
  const element = h("div", { class: "wp-note" }, text, close);
  let timer: ReturnType<typeof setTimeout> | undefined;
  watch(desk.until, () => {
    const said = desk.said.value;
    text.textContent = said.text;
    element.hidden = !said.text;
    element.classList.toggle("wp-error", said.isError);
    clearTimeout(timer);
    if (said.text && !said.isError) timer = setTimeout(() => desk.say(""), 6000);
  });
  return element;
}
