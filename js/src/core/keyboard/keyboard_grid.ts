/**
 * A canvas of cells as an accessible grid: one real cell element, which has the focus, moves over the canvas with the
 * arrow keys, so that there is never a DOM node a cell.
 */
import { h } from "../elements/dom";

export interface Cells {
  /** What the grid is, for screen readers. */
  name: string;
  rows(): number;
  columns(row: number): number;
  /** Where the cell stands, in pixels within the host element. */
  place(row: number, column: number): { left: number; top: number; width: number; height: number };
  describe(row: number, column: number): string;
  onMove(row: number, column: number): void;
  onEnter(row: number, column: number, extend: boolean): void;
  onLeave?(): void;
}

export interface Walker {
  element: HTMLElement;
  /** Stand on a cell without taking the focus. */
  stand(row: number, column: number): void;
  /** Place the cell again after a change of layout. */
  refresh(): void;
}

export function createWalker(cells: Cells): Walker {
  const cell = h("div", { class: "sw-cell", role: "gridcell", tabindex: 0 });
  const rowElement = h("div", { role: "row" }, cell);
  const element = h("div", { class: "sw-walker", role: "grid", "aria-label": cells.name }, rowElement);
  let [row, column] = [0, 0];

  const stand = (toRow: number, toColumn: number): void => {
    row = Math.max(0, Math.min(cells.rows() - 1, toRow));
    column = Math.max(0, Math.min(cells.columns(row) - 1, toColumn));
    const { left, top, width, height } = cells.place(row, column);
    Object.assign(cell.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
    element.setAttribute("aria-rowcount", String(cells.rows()));
    element.setAttribute("aria-colcount", String(cells.columns(cells.rows() - 1)));
    rowElement.setAttribute("aria-rowindex", String(row + 1));
    cell.setAttribute("aria-colindex", String(column + 1));
    cell.setAttribute("aria-label", cells.describe(row, column));
  };

  const moves: Record<string, (event: KeyboardEvent) => [number, number]> = {
    ArrowUp: () => [row - 1, column],
    ArrowDown: () => [row + 1, column],
    ArrowLeft: () => [row, column - 1],
    ArrowRight: () => [row, column + 1],
    Home: (event) => [event.ctrlKey ? 0 : row, 0],
    End: (event) => [event.ctrlKey ? cells.rows() - 1 : row, Infinity],
    PageUp: () => [row - 8, column],
    PageDown: () => [row + 8, column],
  };
  cell.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    if (move && !event.altKey && !event.metaKey) {
      stand(...move(event));
      cells.onMove(row, column);
    } else if (event.key === "Enter" || event.key === " ") {
      cells.onEnter(row, column, event.shiftKey);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  cell.addEventListener("focus", () => {
    stand(row, column);
    if (cell.matches(":focus-visible")) cells.onMove(row, column);
  });
  cell.addEventListener("blur", () => cells.onLeave?.());
  return { element, stand, refresh: () => stand(row, column) };
}
