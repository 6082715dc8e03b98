/** The sheet that `?` opens: keys, and below them what words mean (definitions.ts). */
import { h } from "../elements/dom";
import { createOverlay } from "../elements/overlay";

/** Of the sheet's upper edge, below that of the view: the toolbar stays in sight. */
const BELOW = 33;

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
  const overlay = createOverlay(panel);
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" && event.key !== "?") return;
    event.stopPropagation();
    toggle();
  });
  root.append(panel);
  let before: HTMLElement | null = null;

  function toggle(): void {
    if (panel.hidden) {
      before = (root.getRootNode() as Document | ShadowRoot).activeElement as HTMLElement | null;
      overlay.show((width) => {
        const { right, top } = root.getBoundingClientRect();
        return [right - width, top + BELOW];
      });
      close.focus();
    } else {
      overlay.hide();
      before?.focus();
    }
  }
  return {
    toggle,
    get open() {
      return !panel.hidden;
    },
  };
}
