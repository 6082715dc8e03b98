/** The elements of one row. They are made once and filled again as rows scroll by. */
import { type Table as Colours, classHue, className } from "../../core/drawing/colour";
import { h } from "../../core/elements/dom";
import type { Theme } from "../../core/elements/theme";
import {
  barKind,
  headOf,
  type NumberColumn,
  place,
  reads,
  type StripColumn,
  type Table,
  type TextColumn,
  thresholdAt,
  written,
} from "../columns";
import { type Layout, PAD, type Placed } from "../layout";
import { drawStrip, stripWords } from "./attention_strips";

export interface RowElement {
  element: HTMLElement;
  cells: HTMLElement[];
  fill(row: number): void;
}

/** What cells are drawn with; reading it makes a watcher run again when it changes. */
export interface Look {
  theme(): Theme;
  colours(): Colours;
}

export function createRow(table: Table, { placed }: Layout, look: Look): RowElement {
  const cells = [headCell(table, look), ...placed.map((one) => cellOf(one, look))];
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

function cellOf(placed: Placed, look: Look): Cell {
  const { column } = placed;
  if (column.kind === "strip") return stripCell(column, placed.width, look);
  return column.kind === "text" ? textCell(column) : numberCell(column, placed.numberWidth);
}

function headCell(table: Table, look: Look): Cell {
  const chip = h("span", { class: "sw-class" });
  const layer = h("span", { class: "sw-layer" });
  const head = h("span", { class: "sw-head" });
  const element = h(
    "div",
    { class: "sw-cell-head", role: "rowheader" },
    ...(table.letters.some(Boolean) ? [chip] : []),
    layer,
    ".",
    head,
  );
  return {
    element,
    fill(row) {
      const [l, k] = headOf(table, row);
      layer.textContent = String(l);
      head.textContent = String(k);
      const letter = table.letters[row] ?? "";
      fillChip(chip, letter, look.theme().dark);
      element.setAttribute("aria-label", `Head ${l}.${k}${letter ? `, ${className(letter)}` : ""}`);
    },
  };
}

function fillChip(chip: HTMLElement, letter: string, dark: boolean): void {
  chip.textContent = letter === "-" ? "\u2212" : letter;
  chip.classList.toggle("sw-none", !letter);
  chip.style.setProperty("--hue", letter ? classHue(letter, dark) : "transparent");
}

function textCell(column: TextColumn): Cell {
  const element = h("div", { class: "sw-cell-text", role: "gridcell" });
  const { values } = column;
  return {
    element,
    fill(row) {
      element.textContent = reads(column.name, values[row]!);
    },
  };
}

function stripCell(column: StripColumn, width: number, look: Look): Cell {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const element = h("div", { class: "sw-cell-strip", role: "gridcell" }, canvas);
  return {
    element,
    fill(row) {
      drawStrip(canvas, column, row, width - 2 * PAD, look.theme(), look.colours());
      element.setAttribute("aria-label", stripWords(column, row));
    },
  };
}

function numberCell(column: NumberColumn, numberWidth: number): Cell {
  const { values, domain, threshold, marks, low, high } = column;
  const number = h("span", { class: "sw-number", style: `width: ${numberWidth}px` });
  const bar = h("i");
  const whisker = h("b");
  const track = h("span", { class: "sw-track", "aria-hidden": "true" }, bar);
  if (low && high) track.append(whisker);
  const mark = h("u");
  if (threshold !== null || marks) track.append(mark);
  if (domain[0] < 0) track.append(h("s", { style: `left: ${100 * place(0, domain)}%` }));
  const zero = place(0, domain);
  return {
    element: h("div", { class: "sw-cell-number", role: "gridcell" }, number, ...(column.bare ? [] : [track])),
    fill(row) {
      const value = values[row]!;
      number.textContent = written(column, row);
      number.classList.toggle("sw-missing", Number.isNaN(value));
      const at = Number.isNaN(value) ? zero : place(value, domain);
      span(bar, Math.min(zero, at), Math.max(zero, at));
      const { sign, passes } = barKind(column, row);
      bar.className = [`sw-${sign}`, ...(passes === undefined ? [] : [passes ? "sw-passes" : "sw-fails"])].join(" ");
      mark.style.left = `${100 * place(thresholdAt(column, row) ?? 0, domain)}%`;
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
