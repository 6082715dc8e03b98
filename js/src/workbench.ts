/** The workbench's page: its token, its connection, and what it is made of. */
import { h, isTextField } from "./core/elements/dom";
import { watch } from "./core/reactive";
import { answerTabs, keepToken, knownToken, pageId, takeFragment } from "./workbench/access_token";
import { createBoard } from "./workbench/board";
import { decoded, parsed } from "./workbench/layout";
import { KEPT, PageState } from "./workbench/page_state";
import { followSettings } from "./workbench/settings";
import { Connection, type Status } from "./workbench/socket/connection";
import { createTopBar, type TopBar } from "./workbench/top_bar";

/** A server that restarts is back by then. */
const PATIENT_TRIES = 4;
const GONE =
  "The server does not answer. Where it was ended, start microscope ui again with the same workspace, and open the address that it prints: the panels come back.";

const SAID: Partial<Record<Status, string>> = {
  lost: "The connection is lost. What is shown stays, and is tried again …",
  refused: "The server was started anew, with another token. Paste the address that it printed; the panels come back.",
  elsewhere: "This page is shown in another tab.",
};

async function begin(): Promise<void> {
  const { signal: until } = new AbortController();
  document.body.className = "sw wp";
  followSettings(until);
  const { token: given, layout } = takeFragment();
  if (given) keepToken(given);
  const token = given ?? (await knownToken());
  if (!token) {
    askForToken();
    return;
  }
  keepToken(token);
  answerTabs(token);
  const address = new URL("api/v1/socket", document.baseURI);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  const connection = new Connection(address, token, pageId());
  const status = connectionLine(connection, until);
  const waiting = h("p", { class: "wp-waiting", role: "status" }, "Opening the workbench …");
  document.body.append(status, waiting);
  let begun = false;
  watch(until, () => {
    const model = connection.page.value;
    if (!model || begun) return;
    begun = true;
    waiting.remove();
    queueMicrotask(() => {
      const page = new PageState(connection, model, until);
      show(page);
      void page.begin(layout ? decoded(layout) : undefined, parsed(sessionStorage.getItem(KEPT) ?? ""));
    });
  });
}

function show(page: PageState): void {
  const top = createTopBar(page, (id) => board.reveal(id));
  const board = createBoard(page, () => top.addMenu.open());
  document.body.append(top.element, board.element);
  // what is scrolled into sight, by keys or by a view, is not put beneath the lines that stay
  const covered = new ResizeObserver(() => {
    const stays = getComputedStyle(top.element).position === "sticky";
    document.documentElement.style.scrollPaddingTop = stays ? `${top.element.offsetHeight + 8}px` : "";
  });
  covered.observe(top.element);
  document.addEventListener("keydown", (event) => onKey(event, page, top, board));
  watch(page.until, () => {
    const { a, b } = page.sides.value;
    document.title = [a?.model, b?.model !== a?.model ? b?.model : undefined, "microscope"].filter(Boolean).join(" · ");
  });
}

function onKey(event: KeyboardEvent, page: PageState, top: TopBar, board: ReturnType<typeof createBoard>): void {
  if (document.querySelector("dialog[open]")) return;
  const panel = board.current();
  const action = event.altKey
    ? withAlt(event, page, board, panel)
    : event.ctrlKey || event.metaKey
      ? withCtrl(event, page)
      : isTextField(event.target)
        ? undefined
        : plain(event, top, panel);
  if (!action) return;
  event.preventDefault();
  action();
}

type Act = (() => void) | undefined;

function withAlt(event: KeyboardEvent, page: PageState, board: ReturnType<typeof createBoard>, panel?: string): Act {
  const digit = /^Digit([1-9])$/.exec(event.code)?.[1];
  if (digit) return () => board.focus(Number(digit) - 1);
  if (!panel) return undefined;
  const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (by)
    return () => {
      page.move(panel, by[0]!, by[1]!);
      board.focusPanel(panel);
    };
  return event.key === "Backspace" ? () => page.close(panel) : undefined;
}

function withCtrl(event: KeyboardEvent, page: PageState): Act {
  if (isTextField(event.target)) return undefined;
  const key = event.key.toLowerCase();
  if (key === "y" || (key === "z" && event.shiftKey)) return () => page.redo();
  return key === "z" ? () => page.undo() : undefined;
}

function plain(event: KeyboardEvent, top: TopBar, panel?: string): Act {
  if (event.key === "Escape") return panel ? () => (document.activeElement as HTMLElement).blur() : undefined;
  return {
    "/": top.focusPrompt,
    a: () => top.addMenu.open(),
    c: top.compare,
    j: top.dialogs.jobs.toggle,
    f: top.dialogs.files.toggle,
    ",": top.dialogs.settings.toggle,
    "?": top.dialogs.keys.toggle,
  }[event.key];
}

function connectionLine(connection: Connection, until: AbortSignal): HTMLElement {
  const text = h("span", { role: "status", "aria-live": "polite" });
  const now = h("button", { class: "sw-button wp-framed", type: "button", onclick: () => connection.retry() });
  const form = tokenForm().form;
  form.classList.add("wp-token-line");
  const line = h("div", { class: "wp-connection" }, text, now, form);
  watch(until, () => {
    const status = connection.status.value;
    const gone = status === "lost" && connection.tries.value > PATIENT_TRIES;
    text.textContent = gone ? GONE : (SAID[status] ?? (status === "failed" ? connection.reason.value : ""));
    form.hidden = status !== "refused";
    line.hidden = !text.textContent;
    now.hidden = status !== "lost" && status !== "elsewhere";
    now.textContent = status === "elsewhere" ? "Show it here" : "Try now";
    document.body.classList.toggle("wp-lost", status !== "open" && status !== "connecting");
  });
  return line;
}

/** The page was opened without its token, by a link or after the browser forgot it. */
function askForToken(): void {
  const { form, field } = tokenForm(
    h("h1", { class: "wp-name" }, "microscope"),
    h("p", {}, "Paste the address that `microscope ui` printed, or the token at its end: this tab does not know it."),
  );
  form.classList.add("wp-token");
  document.body.append(form);
  field.focus();
}

/** Takes an address with a token, or the token alone. */
function tokenForm(...above: HTMLElement[]): { form: HTMLFormElement; field: HTMLInputElement } {
  const field = h("input", {
    class: "wp-input",
    type: "password",
    autocomplete: "off",
    "aria-label": "Address or token",
  });
  const open = h("button", { class: "sw-button wp-primary", type: "submit" }, "Open");
  const form = h("form", {}, ...above, field, open);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const token = field.value
      .trim()
      .split("token=")
      .at(-1)!
      .replace(/[^\w-].*/s, "");
    if (!token) return;
    keepToken(token);
    location.reload();
  });
  return { form, field };
}

void begin();
