/** A button with a list of choices beneath it. */
import { h, icon } from "../core/elements/dom";

export interface Choice {
  text: string;
  about?: string;
  /** Its key, for the eye. */
  key?: string;
  checked?: boolean;
  disabled?: boolean;
  act(): void;
}

export interface Menu {
  element: HTMLElement;
  open(): void;
}

/** `choices` are asked for each time that it opens; a text among them is a heading. */
export function createMenu(
  label: string,
  content: { text?: string; path?: string; className?: string },
  choices: () => (Choice | string)[] | Promise<(Choice | string)[]>,
): Menu {
  const opener = h(
    "button",
    {
      class: `sw-button ${content.className ?? ""}`,
      type: "button",
      "aria-haspopup": "menu",
      "aria-expanded": "false",
      title: label,
      "aria-label": content.text ? `${label}: ${content.text}` : label,
    },
    ...(content.path ? [icon(content.path)] : []),
    ...(content.text ? [h("span", {}, content.text)] : []),
  );
  const list = h("div", { class: "wp-menu", role: "menu", "aria-label": label });
  const element = h("span", { class: "wp-menu-box" }, opener, list);
  list.hidden = true;
  const items = (): HTMLButtonElement[] => [...list.querySelectorAll<HTMLButtonElement>("button:not(:disabled)")];
  const close = (): void => {
    list.hidden = true;
    opener.setAttribute("aria-expanded", "false");
  };
  const open = async (): Promise<void> => {
    const given = await choices();
    list.replaceChildren(
      ...given.map((one) =>
        typeof one === "string" ? h("div", { class: "wp-menu-head", role: "presentation" }, one) : item(one),
      ),
    );
    list.hidden = false;
    opener.setAttribute("aria-expanded", "true");
    list.classList.remove("wp-menu-left");
    if (list.getBoundingClientRect().right > document.documentElement.clientWidth - 8)
      list.classList.add("wp-menu-left");
    items()[0]?.focus();
  };
  const item = (choice: Choice): HTMLButtonElement => {
    const button = h(
      "button",
      {
        class: "wp-menu-item",
        type: "button",
        role: choice.checked === undefined ? "menuitem" : "menuitemradio",
        "aria-checked": choice.checked === undefined ? undefined : String(choice.checked),
        disabled: choice.disabled,
        onclick: () => (close(), opener.focus(), choice.act()),
      },
      h("span", { class: "wp-menu-text" }, choice.text),
    );
    if (choice.about) button.append(h("span", { class: "wp-menu-about" }, choice.about));
    if (choice.key) button.append(h("kbd", { "aria-hidden": "true" }, choice.key));
    return button;
  };
  opener.addEventListener("click", () => (list.hidden ? void open() : close()));
  element.addEventListener("focusout", (event) => {
    if (!element.contains(event.relatedTarget as Node | null)) close();
  });
  element.addEventListener("keydown", (event) => {
    const all = items();
    const at = all.indexOf(event.target as HTMLButtonElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (event.key === "Escape" && !list.hidden) {
      close();
      opener.focus();
    } else if (to !== undefined && !list.hidden) all[(to + all.length) % all.length]?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return { element, open: () => void open() };
}
