/** The toolbar on top of every view: title, what is selected, copy as code, save, enlarge, keys. */

import { createKeyList, type Key } from "../keyboard/shortcut_list";
import { computed, type ReadonlySignal, sizeOf, watch } from "../reactive";
import { copyText } from "./clipboard";
import { h, icon, isTextField } from "./dom";
import { createOverlay } from "./overlay";

export interface Chip {
  text: string;
  current?: boolean;
  open?(): void;
  clear(): void;
}

export interface ToolbarOptions {
  title: ReadonlySignal<string>;
  chips: ReadonlySignal<Chip[]>;
  /** Python lines that make this view again. */
  code(): string | Promise<string>;
  /** What can be saved: "SVG" -> how; it may take time and may throw. */
  saves: Record<string, () => void | Promise<void>>;
  keys: readonly Key[];
}

export interface Toolbar {
  /** Say a sentence, to the eye and to screen readers; errors stay until the next one. */
  say(text: string, isError?: boolean): void;
  /** Where the view's own controls go. */
  controls: HTMLElement;
}

const CODE = "M5 4 1.5 8 5 12M11 4l3.500 4L11 12M9 3 7 13";
const SAVE = "M8 2v8M4.500 7 8 10.500 11.500 7M2.500 13.500h11";
const ENLARGE = "M9.500 2.500h4v4M13.500 2.500 9 7M6.500 13.500h-4v-4M2.500 13.500 7 9";
/** Chips that are shown: so many at most, and as many as stand beside the rest of a narrow toolbar. */
const MANY = 6;
const [REST, CHIP] = [300, 60];

export function createToolbar(root: HTMLElement, options: ToolbarOptions, until: AbortSignal): Toolbar {
  const controls = h("span", { class: "sw-controls" });
  const keyList = createKeyList(root, options.keys);
  const { note, say } = createNote();
  const attempt = async (action: () => void | Promise<void>): Promise<void> => {
    try {
      await action();
    } catch (error) {
      say((error as Error).message, true);
    }
  };
  const copy = async (): Promise<void> => {
    await copyText(await options.code());
    say("Copied as Python code.");
  };
  const save = async (choice: string): Promise<void> => {
    say(`Saving ${choice} …`);
    await options.saves[choice]!();
    say(`Saved as ${choice}.`);
  };

  root.setAttribute("role", "group");
  root.prepend(
    h(
      "div",
      { class: "sw-bar", role: "toolbar", "aria-label": "View" },
      titleOf(root, options.title, until),
      chipsOf(root, options.chips, until),
      note,
      controls,
      button("Copy as code", icon(CODE), () => attempt(copy)),
      menu(
        button("Save", icon(SAVE), () => {}),
        Object.keys(options.saves),
        (choice) => attempt(() => save(choice)),
      ),
      button("Enlarge", icon(ENLARGE), () => attempt(() => enlarge(root))),
      button("Keys and definitions", "?", () => keyList.toggle()),
    ),
  );

  const hear = (event: KeyboardEvent): void => {
    if (event.key !== "?" || isTextField(event.target)) return;
    event.stopPropagation();
    keyList.toggle();
  };
  root.addEventListener("keydown", hear, { signal: until });
  return { say, controls };
}

const button = (label: string, content: Node | string, onclick: () => void): HTMLButtonElement =>
  h("button", { class: "sw-button", type: "button", "aria-label": label, title: label, onclick }, content);

/** Where sentences are said. */
function createNote(): { note: HTMLElement; say: Toolbar["say"] } {
  const note = h("span", { class: "sw-note", role: "status", "aria-live": "polite" });
  let fading = 0;
  const say = (text: string, isError = false): void => {
    clearTimeout(fading);
    note.textContent = text;
    note.title = text;
    note.classList.toggle("sw-error", isError);
    if (!isError) fading = window.setTimeout(() => (note.textContent = ""), 6000);
  };
  return { note, say };
}

/** The title, which is the name of the whole view too. */
function titleOf(root: HTMLElement, title: ReadonlySignal<string>, until: AbortSignal): HTMLElement {
  const element = h("span", { class: "sw-title" });
  watch(until, () => {
    element.textContent = element.title = title.value;
    root.setAttribute("aria-label", title.value);
  });
  return element;
}

function chipsOf(root: HTMLElement, chips: ReadonlySignal<Chip[]>, until: AbortSignal): HTMLElement {
  const element = h("span", { class: "sw-chips" });
  const size = sizeOf(root, until);
  const many = computed(() => {
    const [width] = size.value;
    return width ? Math.max(1, Math.min(MANY, Math.floor((width - REST) / CHIP))) : MANY;
  });
  watch(until, () => {
    const all = chips.value;
    const more = all.length - many.value;
    element.replaceChildren(...all.slice(0, many.value).map(chipElement));
    if (more > 0) element.append(h("span", { class: "sw-dim" }, `and ${more} more`));
    if (all.length > 1)
      element.append(button("Clear the selection", "clear", () => all.forEach((chip) => chip.clear())));
  });
  return element;
}

/** Fill the screen with the view, or no longer. */
async function enlarge(root: HTMLElement): Promise<void> {
  if (isFull(root)) await document.exitFullscreen();
  else await root.requestFullscreen();
}

const isFull = (root: HTMLElement): boolean => (root.getRootNode() as Document | ShadowRoot).fullscreenElement === root;

function chipElement(chip: Chip): HTMLElement {
  const name = h(
    "button",
    { class: "sw-chip-name", type: "button", "aria-pressed": chip.current ? "true" : undefined },
    chip.text,
  );
  if (chip.open) name.addEventListener("click", chip.open);
  else name.disabled = true;
  const clear = h(
    "button",
    { class: "sw-chip-clear", type: "button", "aria-label": `Clear ${chip.text}`, onclick: chip.clear },
    "×",
  );
  return h("span", { class: "sw-chip" }, name, clear);
}

/** A button with a list of choices beneath it. */
function menu(opener: HTMLButtonElement, choices: string[], onChoice: (choice: string) => void): HTMLElement {
  const list = h("span", { class: "sw-menu", role: "menu" });
  const box = h("span", { class: "sw-menu-box" }, opener, list);
  const overlay = createOverlay(list);
  const show = (open: boolean): void => {
    if (open)
      overlay.show((width) => {
        const { right, bottom } = opener.getBoundingClientRect();
        return [right - width, bottom + 2];
      });
    else overlay.hide();
    opener.setAttribute("aria-expanded", String(open));
    if (open) (list.firstElementChild as HTMLElement | null)?.focus();
  };
  opener.setAttribute("aria-haspopup", "menu");
  opener.addEventListener("click", () => show(list.hidden));
  for (const choice of choices)
    list.append(
      h(
        "button",
        {
          class: "sw-button",
          type: "button",
          role: "menuitem",
          onclick: () => (show(false), opener.focus(), onChoice(choice)),
        },
        choice,
      ),
    );
  box.addEventListener("focusout", (event) => {
    if (!box.contains(event.relatedTarget as Node | null)) show(false);
  });
  box.addEventListener("keydown", (event) => {
    const items = [...list.children] as HTMLElement[];
    const at = items.indexOf(event.target as HTMLElement);
    if (event.key === "Escape" && !list.hidden) {
      show(false);
      opener.focus();
    } else if (at >= 0 && (event.key === "ArrowDown" || event.key === "ArrowUp"))
      items[(at + (event.key === "ArrowDown" ? 1 : items.length - 1)) % items.length]!.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  show(false);
  return box;
}
