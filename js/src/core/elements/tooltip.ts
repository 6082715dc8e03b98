/** One floating note beside the pointer, kept inside the view. */
import { h } from "./dom";

export interface Tooltip {
  show(x: number, y: number, content: (Node | string)[]): void;
  hide(): void;
}

/** `x`, `y` of `show` are client coordinates. */
export function createTooltip(root: HTMLElement): Tooltip {
  const note = h("div", { class: "sw-tooltip", role: "tooltip" });
  note.hidden = true;
  root.append(note);
  return {
    show(x, y, content) {
      note.replaceChildren(...content);
      note.hidden = false;
      const frame = root.getBoundingClientRect();
      const { offsetWidth: width, offsetHeight: height } = note;
      const left = x - frame.left + 14 + width > frame.width ? x - frame.left - 10 - width : x - frame.left + 14;
      const top = y - frame.top + 16 + height > frame.height ? y - frame.top - 8 - height : y - frame.top + 16;
      note.style.transform = `translate(${Math.max(0, left)}px, ${Math.max(0, top)}px)`;
    },
    hide() {
      note.hidden = true;
    },
  };
}
