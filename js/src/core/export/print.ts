/** What a printer gets of a view: its figure, whole and light, in the place of what can be scrolled and is cut at the page. */
import { h } from "../elements/dom";
import type { Figure } from "./figure";

/** While the page is printed, `draw`'s figure stands in `root`; where none can be drawn yet, the view is printed as it is. */
export function printAs(draw: () => Figure, root: HTMLElement, until: AbortSignal): void {
  const before = (): void => {
    after();
    try {
      const figure = new DOMParser().parseFromString(draw().svg, "image/svg+xml").documentElement;
      figure.setAttribute("style", "display: block; max-width: 100%; height: auto");
      const print = h("div", { class: "sw-print" });
      // Figures of several views have ids of one name; in a shadow tree each finds its own.
      print.attachShadow({ mode: "open" }).append(document.importNode(figure, true));
      root.append(print);
    } catch {
      return;
    }
  };
  const after = (): void => root.querySelector(":scope > .sw-print")?.remove();
  window.addEventListener("beforeprint", before, { signal: until });
  window.addEventListener("afterprint", after, { signal: until });
}
