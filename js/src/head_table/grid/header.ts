/** The row of column names: a click sorts, shift adds a key; under each name the scale of its bars. */

import { type Table as Colours, cssColour } from "../../core/drawing/colour";
import { h } from "../../core/elements/dom";
import { type NumberColumn, place, type ShownColumn, short } from "../columns";
import type { Layout, Measure, Placed } from "../layout";
import type { Direction, SortKey } from "../order";

export interface Header {
  element: HTMLElement;
  cells: HTMLElement[];
  mark(keys: readonly SortKey[]): void;
}

/** What a click on each header sorts by: the first column stands for layer and head. */
export const namesAt = ({ placed }: Layout, at: number): string[] =>
  at === 0 ? ["layer", "head"] : [placed[at - 1]!.column.name];

/** Numbers are most often sought at their largest. */
export const firstDirection = ({ placed }: Layout, at: number): Direction =>
  at === 0 || placed[at - 1]!.column.kind === "text" ? "ascending" : "descending";

/** A picture has no order. */
export const canSort = ({ placed }: Layout, at: number): boolean => at === 0 || placed[at - 1]!.column.kind !== "strip";

export function createHeader(
  layout: Layout,
  measure: Measure,
  colours: Colours,
  onSort: (at: number, add: boolean) => void,
): Header {
  const arrows = Array.from({ length: layout.placed.length + 1 }, () =>
    h("span", { class: "sw-arrow", "aria-hidden": "true" }),
  );
  const name = (text: string, at: number): HTMLElement =>
    h("span", { class: "sw-name" }, h("span", {}, text), arrows[at]!);
  const cells = [
    h("div", { class: "sw-cell-head", role: "columnheader", title: "Layer and head. Click to sort." }, name("head", 0)),
    ...layout.placed.map((one, i) =>
      h(
        "div",
        {
          class: `sw-column-${one.column.kind === "text" ? "text" : "number"}`,
          role: "columnheader",
          title: explain(one.column),
        },
        name(one.column.title, i + 1),
        ...scaleOf(one, measure, colours),
      ),
    ),
  ];
  cells.forEach((cell, at) => {
    cell.setAttribute("aria-colindex", String(at + 1));
    cell.addEventListener("click", (event) => onSort(at, event.shiftKey));
    cell.addEventListener("mousedown", (event) => event.shiftKey && event.preventDefault()); // else shift selects text
  });
  return {
    element: h("div", { class: "sw-header", role: "row", "aria-rowindex": 1 }, ...cells),
    cells,
    mark(keys) {
      const sorted = keys.filter(([name], i) => !(name === "head" && keys[i - 1]?.[0] === "layer"));
      cells.forEach((cell, at) => {
        const rank = sorted.findIndex(([name]) => namesAt(layout, at).includes(name));
        const direction = sorted[rank]?.[1];
        if (canSort(layout, at)) cell.setAttribute("aria-sort", direction ?? "none");
        arrows[at]!.textContent = direction
          ? (direction === "ascending" ? "\u2191" : "\u2193") + (sorted.length > 1 ? rank + 1 : "")
          : "";
      });
    },
  };
}

function explain(column: ShownColumn): string {
  if (column.kind === "strip") return column.help;
  const threshold =
    column.kind !== "text" && column.threshold !== null
      ? `Threshold ${column.threshold}${column.bare ? "" : ", the line in the bars"}.`
      : "";
  return [column.help, threshold, "Click to sort, shift-click to add to the order."].filter(Boolean).join("\n");
}

function scaleOf(placed: Placed, measure: Measure, colours: Colours): HTMLElement[] {
  const { column } = placed;
  if (column.kind === "strip") return [ramp(colours)];
  return column.kind === "text" || column.bare ? [] : [scale(placed, measure)];
}

/** The colours of strips, with the numbers at both ends. */
function ramp(colours: Colours): HTMLElement {
  const stops = Array.from({ length: 9 }, (_, i) => cssColour(colours[Math.round((i * 255) / 8)]!));
  return h(
    "span",
    { class: "sw-scale sw-ramp", "aria-hidden": "true" },
    "0",
    h("i", { style: `background: linear-gradient(to right, ${stops.join(", ")})` }),
    "100 %",
  );
}

/** The numbers at both ends of the bars, and the threshold's where it does not touch them. */
function scale({ column, width, numberWidth }: Placed, measure: Measure): HTMLElement {
  const { domain, digits, threshold } = column as NumberColumn;
  const bar = width - numberWidth - 24;
  const ends = domain.map((end) => short(end, digits)) as [string, string];
  const marks: HTMLElement[] = ends.map((end) => h("span", {}, end));
  if (threshold !== null) {
    const at = place(threshold, domain);
    const text = short(threshold, digits);
    const half = measure(text) / 2 + 4;
    const clear = at * bar - half > measure(ends[0]) && (1 - at) * bar - half > measure(ends[1]);
    marks.push(h("u", { style: `left: ${100 * at}%` }, clear ? text : ""));
  }
  return h("span", { class: "sw-scale", style: `margin-left: ${numberWidth + 8}px`, "aria-hidden": "true" }, ...marks);
}
