/** One row in words with exact values: the line below the table, and the note beside a class letter. */
import { className } from "../core/colour";
import { h } from "../core/dom";
import type { Tooltip } from "../core/tooltip";
import { headName, headOf, isClass, spoken, type Column, type Table } from "./data";

export interface Readout {
  element: HTMLElement;
  /** `row` is undefined for none, `column` for the head's own. */
  show(row: number | undefined, column: Column | undefined, event?: PointerEvent): void;
}

const IDLE = "Point at a cell for its exact value, at a letter for what earned it.";

export function createReadout(table: Table, tooltip: Tooltip): Readout {
  const element = h("div", { class: "sw-readout sw-idle" }, IDLE);
  return {
    element,
    show(row, column, event) {
      const text = row === undefined ? IDLE : describe(table, row, column);
      if (element.textContent !== text) element.textContent = element.title = text;
      element.classList.toggle("sw-idle", row === undefined);
      const letter = event && (event.target as Element).closest(".sw-class");
      if (letter && row !== undefined && table.letters[row])
        tooltip.show(event.clientX, event.clientY, [evidenceOf(table, row)]);
      else tooltip.hide();
    },
  };
}

function evidenceOf(table: Table, row: number): string {
  const letter = table.letters[row];
  return table.evidence[row] || (letter ? capital(className(letter)) : "");
}

const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

export function describe(table: Table, row: number, column: Column | undefined): string {
  const parts = [headName(headOf(table, row))];
  if (column && !isClass(column.name)) parts.push(valueOf(column, row));
  const evidence = evidenceOf(table, row);
  if (evidence) parts.push(evidence);
  return parts.join(" \u2002 ");
}

function valueOf(column: Column, row: number): string {
  if (column.kind === "text") return `${column.title} ${column.values[row] || "\u2013"}`;
  const { values, low, high, threshold, title } = column;
  const interval = low && high && !Number.isNaN(low[row]) ? ` (${spoken(low[row]!)} to ${spoken(high[row]!)})` : "";
  const limit = threshold === null ? "" : `, threshold ${threshold}`;
  return `${title} ${spoken(values[row]!)}${interval}${limit}`;
}
