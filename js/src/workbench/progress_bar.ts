/** How far something is; a bar that only moves where nobody knows. */
import { h } from "../core/elements/dom";

export function progressBar(): { element: HTMLElement; put(done: number, total: number): void } {
  const fill = h("i", {});
  const element = h("span", { class: "wp-bar", role: "progressbar", "aria-label": "Progress" }, fill);
  return {
    element,
    put(done, total) {
      element.classList.toggle("wp-unknown", total <= 0);
      if (total > 0) {
        const share = Math.min(1, done / total);
        fill.style.width = `${100 * share}%`;
        element.setAttribute("aria-valuenow", String(Math.round(100 * share)));
      } else {
        fill.style.width = "";
        element.removeAttribute("aria-valuenow");
      }
    },
  };
}
