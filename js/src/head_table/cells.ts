/** The elements of one row. They are made once and filled again as rows scroll by. */
import { classHue, className } from "../core/colour";
import { h } from "../core/dom";
import { headOf, place, reads, shown, type NumberColumn, type Table } from "./data";
import type { Layout, Placed } from "./layout";

export interface RowElement {
  element: HTMLElement;
  cells: HTMLElement[];
  fill(row: number): void;
}

export function createRow(table: Table, { placed }: Layout, dark: () => boolean): RowElement {
  const cells = [headCell(table, dark), ...placed.map((one) => (one.column.kind === "text" ? textCell(one) : numberCell(one)))];
  const element = h("div", { class: "sw-row", role: "row" }, ...cells.map(({ element }) => element));
  cells.forEach(({ element }, i) => element.setAttribute("aria-colindex", String(i + 1)));
  return {
    element,
    cells: cells.map(({ element }) => element),
    fill: (row) => cells.forEach((cell) => cell.fill(row)),
  };
}

interface Cell {
  element: HTMLElement;
  fill(row: number): void;
}

function headCell(table: Table, dark: () => boolean): Cell {
  const chip = h("span", { class: "sw-class" });
  const layer = h("span", { class: "sw-layer" });
  const head = h("span", { class: "sw-head" });
  const element = h("div", { class: "sw-cell-head", role: "rowheader" }, ...(table.letters.some(Boolean) ? [chip] : []), layer, ".", head);
  return {
    element,
    fill(row) {
      const [l, k] = headOf(table, row);
      layer.textContent = String(l);
      head.textContent = String(k);
      const letter = table.letters[row] ?? "";
      fillChip(chip, letter, dark());
      element.setAttribute("aria-label", `Layer ${l}, head ${k}${letter ? `, ${className(letter)}` : ""}`);
    },
  };
}

function fillChip(chip: HTMLElement, letter: string, dark: boolean): void {
  chip.textContent = letter === "-" ? "\u2212" : letter;
  chip.classList.toggle("sw-none", !letter);
  chip.style.setProperty("--hue", letter ? classHue(letter, dark) : "transparent");
}

function textCell({ column }: Placed): Cell {
  const element = h("div", { class: "sw-cell-text", role: "gridcell" });
  const values = column.values as string[];
  return {
    element,
    fill(row) {
      element.textContent = reads(column.name, values[row]!);
    },
  };
}

function numberCell({ column, numberWidth }: Placed): Cell {
  const { values, domain, digits, threshold, low, high } = column as NumberColumn;
  const number = h("span", { class: "sw-number", style: `width: ${numberWidth}px` });
  const bar = h("i");
  const whisker = h("b");
  const track = h("span", { class: "sw-track", "aria-hidden": "true" }, bar);
  if (low && high) track.append(whisker);
  if (threshold !== null) track.append(h("u", { style: `left: ${100 * place(threshold, domain)}%` }));
  if (domain[0] < 0) track.append(h("s", { style: `left: ${100 * place(0, domain)}%` }));
  const zero = place(0, domain);
  return {
    element: h("div", { class: "sw-cell-number", role: "gridcell" }, number, track),
    fill(row) {
      const value = values[row]!;
      number.textContent = shown(value, digits);
      number.classList.toggle("sw-missing", Number.isNaN(value));
      const at = Number.isNaN(value) ? zero : place(value, domain);
      span(bar, Math.min(zero, at), Math.max(zero, at));
      bar.className = value < 0 ? "sw-negative" : threshold === null ? "" : value >= threshold ? "sw-passes" : "sw-fails";
      if (low && high) {
        whisker.hidden = !(Number.isFinite(low[row]) && Number.isFinite(high[row]));
        if (!whisker.hidden) span(whisker, place(low[row]!, domain), place(high[row]!, domain));
      }
    },
  };
}

function span(element: HTMLElement, from: number, to: number): void {
  element.style.left = `${100 * from}%`;
  element.style.width = `${100 * (to - from)}%`;
}
