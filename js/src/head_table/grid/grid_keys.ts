/** Keys in the grid: they walk its cells, sort by a column, and choose heads. */
import type { Extend } from "../row_selection";
import { HEADER_ROW } from "./active_cell";
import type { GridParts } from "./grid_parts";

export function listenToKeys(grid: GridParts): void {
  const { element, active, go } = grid;
  const { choice } = grid.options;
  element.addEventListener("focus", () => {
    if (element.matches(":focus-visible")) go(active.position, active.at);
  });
  element.addEventListener("keydown", (event) => {
    if (event.altKey) return;
    const { position } = active;
    const to = placeAfter(grid, event);
    if (to) {
      go(...to);
      if (event.shiftKey && active.position !== position && active.position >= 0) choice.pick(active.position, "range");
    } else if (event.key === "Enter" || event.key === " ") press(grid, event);
    else if (event.key === "Escape" && choice.heads.peek().length) choice.clear();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

/** Where a key leads; it may lie outside of the grid. */
function placeAfter(
  { active, layout, list, options }: GridParts,
  event: KeyboardEvent,
): [position: number, at: number] | undefined {
  const { position, at } = active;
  const last = options.rows.peek().length - 1;
  const far = isFar(event);
  const places: Record<string, [number, number]> = {
    ArrowUp: [position - 1, at],
    ArrowDown: [position + 1, at],
    ArrowLeft: [position, at - 1],
    ArrowRight: [position, at + 1],
    PageUp: [Math.max(0, position - list.page), at],
    PageDown: [position + list.page, at],
    Home: far ? [0, 0] : [0, at],
    End: far ? [last, layout.peek().placed.length] : [last, at],
  };
  return places[event.key];
}

/** Enter or the space bar: sort by a column name, choose a head. */
function press({ active, options, sort }: GridParts, event: KeyboardEvent): void {
  const extend: Extend = event.shiftKey ? "range" : event.key === " " || isFar(event) ? "toggle" : "replace";
  if (active.position === HEADER_ROW) sort(active.at, event.shiftKey);
  else options.choice.pick(active.position, extend);
}

const isFar = (event: KeyboardEvent): boolean => event.ctrlKey || event.metaKey;
