/** One floating note beside the pointer. */
import { h } from "./dom";
import { createOverlay } from "./overlay";

export interface Tooltip {
  show(x: number, y: number, content: (Node | string)[]): void;
  hide(): void;
}

/** `x`, `y` of `show` are client coordinates. */
export function createTooltip(root: HTMLElement): Tooltip {
  const note = h("div", { class: "sw-tooltip", role: "tooltip" });
  const overlay = createOverlay(note);
  root.append(note);
  return {
    show(x, y, content) {
      note.replaceChildren(...content);
      const before = root.getBoundingClientRect();
      overlay.show((width, height) => {
        const { left, top, right, bottom } = root.getBoundingClientRect();
        const [px, py] = [x + left - before.left, y + top - before.top];
        const above = py + 16 + height > Math.min(bottom, document.documentElement.clientHeight) && py - 8 >= height;
        return [px + 14 + width > right ? px - 10 - width : px + 14, above ? py - 8 - height : py + 16];
      });
    },
    hide: overlay.hide,
  };
}
