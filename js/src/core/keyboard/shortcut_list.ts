/** The sheet that `?` opens: keys, and below them what words mean (definitions.ts). */
import { h } from "../elements/dom";

export type Key = readonly [keys: string, does: string];

/** A panel over the view; `toggle` opens and closes it and gives the focus back. */
export function createKeyList(root: HTMLElement, keys: readonly Key[]): { toggle(): void; readonly open: boolean } {
  const close = h("button", { class: "sw-button", type: "button", onclick: toggle }, "Close");
  const list = h("dl", {});
  for (const [key, does] of keys) list.append(h("dt", {}, h("kbd", {}, key)), h("dd", {}, does));
  const panel = h(
    "div",
    { class: "sw-keys", role: "dialog", "aria-label": "Keys and definitions", tabindex: 0 },
    h("div", {}, h("b", {}, "Keys"), close),
    list,
  );
  panel.hidden = true;
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" && event.key !== "?") return;
    event.stopPropagation();
    toggle();
  });
  root.append(panel);
  let before: HTMLElement | null = null;

  function toggle(): void {
    panel.hidden = !panel.hidden;
    if (panel.hidden) before?.focus();
    else {
      before = (root.getRootNode() as Document | ShadowRoot).activeElement as HTMLElement | null;
      close.focus();
    }
  }
  return {
    toggle,
    get open() {
      return !panel.hidden;
    },
  };
}
