/** The pointer over the grid: what it points at, and the heads that it chooses. */
import type { GridParts } from "./grid_parts";

export function listenToPointer({ element, body, list, options, go }: GridParts): void {
  const at = (event: Event): { position: number; at: number } => {
    const cell = (event.target as Element).closest<HTMLElement>("[aria-colindex]");
    const line = (event.target as Element).closest<HTMLElement>(".sw-row");
    return {
      position: line ? list.positionOf(line) : -1,
      at: cell ? Number(cell.getAttribute("aria-colindex")) - 1 : 0,
    };
  };
  body.addEventListener("click", (event) => {
    const place = at(event);
    if (place.position < 0) return;
    const extend = event.shiftKey ? "range" : event.ctrlKey || event.metaKey ? "toggle" : "replace";
    options.choice.pick(place.position, extend);
    go(place.position, place.at);
  });
  body.addEventListener("mousedown", (event) => event.shiftKey && event.preventDefault()); // else shift selects text
  element.addEventListener("pointermove", (event) => {
    const place = at(event);
    options.onPoint(place.position, place.at, event);
  });
  element.addEventListener("pointerleave", () => options.onPoint(-1, 0));
}
