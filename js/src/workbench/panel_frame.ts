/** A panel: a thin line on top to move and close it by, and below it a view, what is being computed, or its options. */
import { h, icon } from "../core/elements/dom";
import { computed, watch } from "../core/reactive";
import { find } from "./layout";
import type { Kind, PageState, Pending } from "./page_state";
import { progressBar } from "./progress_bar";
import { showView } from "./view_host";

const GRIP = "M6 3v.01M10 3v.01M6 8v.01M10 8v.01M6 13v.01M10 13v.01";
const CLOSE = "M4 4l8 8M12 4l-8 8";
const WIDE = "M1.500 8h13M4 5.500 1.500 8 4 10.500M12 5.500 14.500 8 12 10.500";
const OPTIONS = "M2 5h7M13 5h1M2 11h1M7 11h7M11 3v4M5 9v4";

export interface Frame {
  element: HTMLElement;
  /** Where it is taken hold of. */
  grip: HTMLElement;
  end(): void;
}

export function createFrame(page: PageState, id: string): Frame {
  const life = new AbortController();
  const until = life.signal;
  const spec = computed(() => find(page.layout.value, id));
  const kind = page.kindOf(spec.peek()?.kind ?? "");
  const name = h("span", { class: "wp-panel-name" });
  const about = h("span", { class: "wp-panel-about" });
  const button = (label: string, path: string, onclick: () => void): HTMLButtonElement =>
    h("button", { class: "sw-button", type: "button", "aria-label": label, title: label, onclick }, icon(path));
  const grip = h(
    "span",
    { class: "wp-grip", title: "Drag to move; Alt and arrows move it too", draggable: "true" },
    icon(GRIP),
    name,
    about,
  );
  const wide = button("Over all columns", WIDE, () => page.widen(id));
  const options = button("Options", OPTIONS, () => page.reopen(id));
  const close = button("Close this panel (Alt and Backspace)", CLOSE, () => page.close(id));
  options.hidden = !kind?.options.length;
  const body = h("div", { class: "wp-panel-body" });
  const element = h(
    "section",
    { class: "wp-panel", tabindex: -1, "data-panel": id },
    h("header", { class: "wp-panel-head" }, grip, h("span", { class: "wp-panel-tools" }, options, wide, close)),
    body,
  );
  watch(until, () => {
    const now = spec.value;
    const comparing = page.comparing.value;
    name.textContent = kind?.title ?? now?.kind ?? "";
    element.dataset.side = comparing ? (now?.side ?? "") : "";
    about.textContent = described(kind, now?.options ?? {});
    element.setAttribute("aria-label", `${name.textContent}${comparing ? `, prompt ${now?.side.toUpperCase()}` : ""}`);
    wide.setAttribute("aria-pressed", String(!!now?.wide));
  });
  const shown = computed(() => page.viewOf(id)?.view);
  const pending = computed(() => page.pending.value.get(id));
  const place = h("div", { class: "wp-view" });
  const over = h("div", { class: "wp-over" });
  body.append(over, place);
  watch(until, () => {
    const view = shown.value;
    if (!view) return;
    endOf.get(element)?.();
    endOf.set(element, showView(page.connection, page.viewOf(id)!.bundle, view, place));
  });
  showPending(page, id, kind, pending, over, until);
  watch(until, () => {
    place.hidden = !shown.value || pending.value?.state === "running";
    // the view has a title of its own
    name.classList.toggle("wp-said", !place.hidden);
  });
  return {
    element,
    grip,
    end() {
      life.abort();
      endOf.get(element)?.();
      endOf.delete(element);
      element.remove();
    },
  };
}

const endOf = new WeakMap<HTMLElement, () => void>();

/** What a panel was made with, where it says more than its title. */
function described(kind: Kind | undefined, options: Readonly<Record<string, unknown>>): string {
  const said = (kind?.options ?? []).map(({ name }) => options[name]).filter((one) => one !== undefined && one !== "");
  return said.map((one) => (typeof one === "string" ? `${one}`.replaceAll("_", " ") : `n = ${one}`)).join(", ");
}

function showPending(
  page: PageState,
  id: string,
  kind: Kind | undefined,
  pending: { readonly value: Pending | undefined },
  over: HTMLElement,
  until: AbortSignal,
): void {
  const bar = progressBar();
  const text = h("span", { class: "wp-running-text", role: "status" });
  const stop = h("button", { class: "sw-button wp-framed", type: "button" }, "Stop");
  stop.addEventListener("click", () => page.pending.peek().get(id)?.stop?.abort());
  const running = h("div", { class: "wp-running" }, text, bar.element, stop);
  let state = "";
  watch(until, () => {
    const now = pending.value;
    over.hidden = !now;
    if (now?.state === "running") {
      const title = kind?.title ?? "Panel";
      text.textContent = now.text.startsWith(title) ? `${now.text} …` : `${title}: ${now.text || "beginning"} …`;
      bar.put(now.done, now.total);
    }
    if (now?.state === state) return;
    state = now?.state ?? "";
    if (state === "running") over.replaceChildren(running);
    else if (state === "asking") over.replaceChildren(form(page, id, kind!));
    else if (state === "failed") over.replaceChildren(failed(page, id, kind, now!.text));
    else over.replaceChildren();
  });
}

function failed(page: PageState, id: string, kind: Kind | undefined, text: string): HTMLElement {
  const run = (make = false): void => void page.run(id, { ...find(page.layout.peek(), id)?.options }, make);
  const again = (): void => {
    if (kind?.options.length) page.reopen(id);
    else run();
  };
  return h(
    "div",
    { class: "wp-failed" },
    h("p", { role: "alert" }, text),
    h(
      "div",
      { class: "wp-buttons" },
      ...(kind?.makes ? [makeButton(kind, () => run(true))] : []),
      h(
        "button",
        { class: "sw-button wp-framed", type: "button", onclick: again },
        kind?.options.length ? "Options" : "Again",
      ),
    ),
  );
}

const makeButton = (kind: Kind, onclick: () => void): HTMLElement =>
  h("button", { class: "sw-button wp-framed", type: "button", onclick }, kind.makes);

/** The options of a panel that needs some. */
function form(page: PageState, id: string, kind: Kind): HTMLElement {
  const given = find(page.layout.peek(), id)?.options ?? {};
  const fields = kind.options.map(({ name, label, value, choices }) => {
    const now = given[name] ?? value;
    const field = choices.length
      ? h(
          "select",
          { class: "sw-select" },
          ...choices.map((one) => h("option", { value: one }, one.replaceAll("_", " "))),
        )
      : typeof value === "number"
        ? h("input", { class: "wp-input wp-number", type: "number", min: 1, max: 200, step: 1 })
        : h("textarea", { class: "wp-input", rows: 1, spellcheck: "false", dir: "auto" });
    field.value = String(now);
    return { name, label, field, isNumber: typeof value === "number" };
  });
  const corrupted = fields.find(({ name }) => name === "corrupted");
  if (corrupted && !corrupted.field.value)
    void page.attempt("suggest", { side: find(page.layout.peek(), id)?.side ?? "a" }).then((answer) => {
      if (answer && !corrupted.field.value) corrupted.field.value = answer.data.corrupted;
    });
  const run = h("button", { class: "sw-button wp-primary", type: "submit" }, "Run");
  const leave = h(
    "button",
    { class: "sw-button wp-framed", type: "button", onclick: () => page.leaveOptions(id) },
    "Cancel",
  );
  const begin = (make = false): void => {
    const options = fields.map(({ name, field, isNumber }) => [name, isNumber ? Number(field.value) : field.value]);
    void page.run(id, Object.fromEntries(options), make);
  };
  const element = h(
    "form",
    { class: "wp-form" },
    h("p", { class: "sw-dim" }, `${kind.title}: ${kind.about}.`),
    ...fields.map(({ label, field }) => h("label", {}, h("span", {}, label), field)),
    h("div", { class: "wp-form-end" }, run, ...(kind.makes ? [makeButton(kind, () => begin(true))] : []), leave),
  );
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    begin();
  });
  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape") page.leaveOptions(id);
    else if (event.key === "Enter" && event.target instanceof HTMLTextAreaElement && !event.shiftKey) {
      event.preventDefault();
      element.requestSubmit();
    }
  });
  queueMicrotask(() => (fields[0]?.field ?? run).focus({ preventScroll: true }));
  return element;
}
