/** What opens over the page: jobs, files, settings, the sheet of shortcuts. */
import { bytes } from "../core/bytes";
import { h } from "../core/elements/dom";
import { download } from "../core/export/files";
import { signal, watch } from "../core/reactive";
import { find, parsed } from "./layout";
import type { PageState } from "./page_state";
import { progressBar } from "./progress_bar";
import { columnsWanted, type ThemeChoice, theme } from "./settings";

export interface Dialog {
  element: HTMLDialogElement;
  toggle(): void;
}

function createDialog(title: string, fill: (body: HTMLElement, close: () => void) => void): Dialog {
  const body = h("div", { class: "wp-dialog-body" });
  const element = h(
    "dialog",
    { class: "wp-dialog", "aria-label": title },
    h(
      "header",
      { class: "wp-dialog-head" },
      h("b", {}, title),
      h("button", { class: "sw-button", type: "button", onclick: () => element.close() }, "Close"),
    ),
    body,
  );
  element.addEventListener("click", (event) => event.target === element && element.close());
  return {
    element,
    toggle() {
      if (element.open) {
        element.close();
        return;
      }
      fill(body, () => element.close());
      element.showModal();
    },
  };
}

export const KEYS: readonly (readonly [keys: string, does: string])[] = [
  ["/", "change the prompt"],
  ["a", "add a panel"],
  ["c", "put another prompt beside this one"],
  ["Alt + 1 … 9", "go to a panel"],
  ["Alt + arrows", "move the panel that has the focus"],
  ["Alt + Backspace", "close it"],
  ["Ctrl + Z", "undo: panels that were closed, moved or added"],
  ["Ctrl + Shift + Z", "do it again"],
  ["j", "jobs"],
  ["f", "files"],
  [",", "settings"],
  ["?", "this sheet; within a view, its own keys and what its words mean"],
  ["Escape", "leave a view, a field or a menu"],
];

export const shortcutsDialog = (): Dialog =>
  createDialog("Keys", (body) => {
    const list = h("dl", { class: "wp-keys" });
    for (const [keys, does] of KEYS) list.append(h("dt", {}, h("kbd", {}, keys)), h("dd", {}, does));
    body.replaceChildren(
      h("p", { class: "sw-dim" }, "Letters act where no view or field has the focus: Escape leaves one."),
      list,
    );
  });

export const settingsDialog = (): Dialog =>
  createDialog("Settings", (body) => {
    const choice = <T extends string | number>(
      label: string,
      setting: { value: T; peek(): T },
      choices: [T, string][],
    ): HTMLElement =>
      h(
        "fieldset",
        { class: "wp-choice" },
        h("legend", {}, label),
        ...choices.map(([value, text]) => {
          const input = h("input", { type: "radio", name: label, onchange: () => (setting.value = value) });
          input.checked = setting.peek() === value;
          return h("label", {}, input, text);
        }),
      );
    const themes: [ThemeChoice, string][] = [
      ["auto", "As the system"],
      ["light", "Light"],
      ["dark", "Dark"],
    ];
    const columns: [number, string][] = [
      [0, "As many as fit"],
      [1, "1"],
      [2, "2"],
      [3, "3"],
      [4, "4"],
    ];
    body.replaceChildren(choice("Theme", theme, themes), choice("Columns", columnsWanted, columns));
  });

/** What runs: panels of this page that are being made, and jobs of the server. */
export const jobsDialog = (page: PageState): Dialog => {
  const list = h("div", { class: "wp-jobs", role: "list" });
  const nothing = h("p", { class: "sw-dim" }, "Nothing runs. What takes long is listed here, and can be stopped.");
  const open = signal(false);
  const dialog = createDialog("Jobs", (body) => {
    body.replaceChildren(list);
    open.value = true;
  });
  dialog.element.addEventListener("close", () => (open.value = false));
  // a row stays the element that it is, whatever arrives: its button would lose the focus, and clicks
  const rows = new Map<string, JobRow>();
  watch(page.until, () => {
    if (!open.value) return;
    const listed = jobsOf(page);
    const wanted = new Set(listed.map(({ id }) => id));
    for (const [id, { element }] of rows)
      if (!wanted.has(id)) {
        element.remove();
        rows.delete(id);
      }
    nothing.remove();
    for (const [at, job] of listed.entries()) {
      let row = rows.get(job.id);
      if (!row) rows.set(job.id, (row = createRow()));
      row.put(job);
      if (list.children[at] !== row.element) list.insertBefore(row.element, list.children[at] ?? null);
    }
    if (!listed.length) list.append(nothing);
  });
  return dialog;
};

interface ListedJob {
  id: string;
  name: string;
  text: string;
  state: string;
  done: number;
  total: number;
  /** undefined: there is nothing left to stop. */
  stop: (() => void) | undefined;
}

/** In the order in which they are listed. */
function jobsOf(page: PageState): ListedJob[] {
  const own = [...page.pending.value]
    .filter(([, { state }]) => state === "running")
    .map(([id, { text, done, total, stop }]): ListedJob => {
      const name = page.kindOf(find(page.layout.value, id)?.kind ?? "")?.title ?? "Panel";
      return { id: `panel ${id}`, name, text, state: "running", done, total, stop: () => stop?.abort() };
    });
  const jobs = page.connection.jobs.value.map(({ id, name, error, text, state, done, total }): ListedJob => {
    const goesOn = state === "running" || state === "queued";
    const stop = goesOn ? (): void => void page.attempt("cancel", { job: id }) : undefined;
    return { id: `job ${id}`, name, text: error || text, state, done, total, stop };
  });
  return [...own, ...jobs];
}

interface JobRow {
  element: HTMLElement;
  put(job: ListedJob): void;
}

function createRow(): JobRow {
  let stop: (() => void) | undefined;
  const [title, said, bar] = [h("b"), h("span", { class: "sw-dim" }), progressBar()];
  const end = h("button", { class: "sw-button wp-framed", type: "button", onclick: () => stop?.() }, "Stop");
  const element = h("div", { class: "wp-job", role: "listitem" }, h("div", {}, title, said, bar.element), end);
  return {
    element,
    put({ name, text, state, done, total, stop: act }) {
      title.textContent = name;
      said.textContent = [state, text].filter(Boolean).join(": ");
      bar.put(done, total);
      stop = act;
      bar.element.hidden = end.hidden = !act;
    },
  };
}

const SIZES = ["bytes", "kB", "MB", "GB"];

export function sizeText(size: number): string {
  let at = 0;
  let left = size;
  while (left >= 1000 && at < SIZES.length - 1) {
    left /= 1000;
    at++;
  }
  return `${at ? left.toFixed(left < 10 ? 1 : 0) : left} ${SIZES[at]}`;
}

/** The files of the workspace: what the session is written to, and layouts to go back to. */
export const filesDialog = (page: PageState): Dialog =>
  createDialog("Files", (body, close) => {
    const listed = h("div", { class: "wp-files", role: "list" });
    const name = h("input", { class: "wp-input", type: "text", value: "session", "aria-label": "Name" });
    const save = async (what: string, end: string): Promise<void> => {
      if (what === "layout") await page.keep();
      const stem = name.value.trim() || "session";
      const answer = await page.attempt("save", { name: `${stem}${end}`, what });
      if (answer) page.say(`${answer.data.name} is in the workspace, ${sizeText(answer.data.size)}.`);
      await show();
    };
    const button = (text: string, what: string, end: string): HTMLElement =>
      h("button", { class: "sw-button wp-framed", type: "button", onclick: () => void save(what, end) }, text);
    const fetched = async (file: string): Promise<Uint8Array<ArrayBuffer> | undefined> => {
      const answer = await page.attempt("read", { name: file });
      return answer && bytes(answer.buffers[0]!).slice();
    };
    const show = async (): Promise<void> => {
      const answer = await page.attempt("files");
      const files = (answer?.data.files ?? []) as { name: string; size: number; changed: number }[];
      listed.replaceChildren(
        ...files.map((file) => {
          const get = h("button", { class: "sw-button wp-framed", type: "button" }, "Download");
          get.addEventListener("click", async () => {
            const data = await fetched(file.name);
            if (data) download(file.name, new Blob([data]));
          });
          const row = h(
            "div",
            { class: "wp-file", role: "listitem" },
            h("span", { class: "wp-file-name", dir: "auto" }, file.name),
            h("span", { class: "sw-dim" }, `${sizeText(file.size)}, ${new Date(1000 * file.changed).toLocaleString()}`),
            get,
          );
          if (file.name.endsWith(".layout.json")) {
            const open = h("button", { class: "sw-button wp-framed", type: "button" }, "Open");
            open.addEventListener("click", async () => {
              const data = await fetched(file.name);
              const saved = data && parsed(new TextDecoder().decode(data));
              if (saved) {
                close();
                await page.restore(saved);
              } else if (data) page.say(`${file.name} holds no layout.`, true);
            });
            row.append(open);
          }
          return row;
        }),
        ...(files.length ? [] : [h("p", { class: "sw-dim" }, "There are no files yet.")]),
      );
    };
    body.replaceChildren(
      h("p", { class: "sw-dim" }, `The folder "${page.connection.workspace}" beside the server.`),
      h(
        "div",
        { class: "wp-save" },
        h("span", {}, "Save this session as"),
        name,
        button("Notebook", "notebook", ".ipynb"),
        button("Page", "html", ".html"),
        button("Layout", "layout", ".layout.json"),
      ),
      listed,
    );
    void show();
  });
