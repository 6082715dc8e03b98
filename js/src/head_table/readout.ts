/** One row in words with exact values: the line below the table, and the note beside a class letter. */
import { className } from "../core/drawing/colour";
import { h } from "../core/elements/dom";
import type { Tooltip } from "../core/elements/tooltip";
import type { Head } from "../core/selection";
import { tokenSpanAt } from "../core/tokens";
import {
  headName,
  headOf,
  isClass,
  type ShownColumn,
  type StripColumn,
  spoken,
  type Table,
  thresholdAt,
} from "./columns";
import { levelAt, percent, stripWords, tokenAt } from "./grid/attention_strips";

export interface Readout {
  element: HTMLElement;
  /** `row` is undefined for none, `column` for the head's own. */
  show(row: number | undefined, column: ShownColumn | undefined, event?: PointerEvent): void;
}

const IDLE = "Point at a cell for its exact value, at a letter for what earned it.";

export function createReadout(table: Table, tooltip: Tooltip, noteOn: (head: Head) => string): Readout {
  const element = h("div", { class: "sw-readout sw-idle" }, IDLE);
  return {
    element,
    show(row, column, event) {
      const text = row === undefined ? IDLE : describe(table, row, column, noteOn(headOf(table, row)));
      if (element.textContent !== text) element.textContent = element.title = text;
      element.classList.toggle("sw-idle", row === undefined);
      const letter = event && (event.target as Element).closest(".sw-class");
      if (letter && row !== undefined && table.letters[row])
        tooltip.show(event.clientX, event.clientY, [evidenceOf(table, row)]);
      else if (event && column?.kind === "strip" && row !== undefined)
        tooltip.show(event.clientX, event.clientY, stripNote(column, row, event));
      else tooltip.hide();
    },
  };
}

/** The token under the pointer, what it gets, and from where. */
function stripNote(column: StripColumn, row: number, event: PointerEvent): HTMLElement[] {
  const canvas = (event.target as Element).closest(".sw-cell-strip")!.firstElementChild!.getBoundingClientRect();
  const [at, query] = [tokenAt(column, event.clientX - canvas.left, canvas.width), column.queries[row]!];
  const token = (position: number): (Node | string)[] => [
    tokenSpanAt(column.tokens, position),
    h("span", { class: "sw-dim" }, ` ${position}`),
  ];
  if (at > query)
    return [
      h("div", {}, ...token(at), h("span", { class: "sw-dim" }, ", after the query")),
      h("div", { class: "sw-dim" }, "from ", ...token(query)),
    ];
  return [
    h("div", {}, ...token(at), ` ${percent(levelAt(column, row, at))}`),
    h("div", {}, h("span", { class: "sw-dim" }, "from "), ...token(query)),
  ];
}

function evidenceOf(table: Table, row: number): string {
  const letter = table.letters[row];
  return table.evidence[row] || (letter ? capital(className(letter)) : "");
}

const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

export function describe(table: Table, row: number, column: ShownColumn | undefined, note = ""): string {
  const parts = [headName(headOf(table, row))];
  if (column && !isClass(column.name)) parts.push(valueText(column, row));
  const evidence = evidenceOf(table, row);
  if (evidence) parts.push(evidence);
  if (note) parts.push(`note: ${note}`);
  return parts.join(" \u2002 ");
}

function valueText(column: ShownColumn, row: number): string {
  if (column.kind === "strip") return stripWords(column, row);
  if (column.kind === "text") return `${column.title} ${column.values[row] || "\u2013"}`;
  const { values, low, high, title } = column;
  const threshold = thresholdAt(column, row);
  const interval = low && high && !Number.isNaN(low[row]) ? ` (${spoken(low[row]!)} to ${spoken(high[row]!)})` : "";
  const limit = threshold === null ? "" : `, threshold ${threshold}`;
  return `${title} ${spoken(values[row]!)}${interval}${limit}`;
}
