/** What is saved and copied: CSV with exact values, and the Python line that makes the view again. */
import { csvLine } from "../core/export";
import type { Head } from "../core/selection";
import { exact, type Table } from "./columns";
import type { SortKey } from "./order";

export function csv(table: Table, rows: Iterable<number>): string {
  const lines = [csvLine([...table.columns.map(({ name }) => name), ...(table.evidence.length ? ["evidence"] : [])])];
  for (const row of rows) {
    const cells = table.columns.map((column) => {
      if (column.kind === "text") return column.values[row]!;
      const value = column.values[row]!;
      return Number.isNaN(value) ? "" : exact(value, column.values);
    });
    lines.push(csvLine(table.evidence.length ? [...cells, table.evidence[row]!] : cells));
  }
  return lines.join("");
}

export function code(filter: string, keys: readonly SortKey[], heads: readonly Head[], labelled: boolean): string {
  const options = [
    filter && `filter=${text(filter)}`,
    keys.length && `sort=[${keys.map((key) => `(${key.map(text).join(", ")})`).join(", ")}]`,
    heads.length && `selected_heads=[${heads.map((head) => `(${head.join(", ")})`).join(", ")}]`,
  ].filter(Boolean);
  const data = labelled ? ["scores", "labels"] : ["scores"];
  return `from scope_widgets.widgets import HeadTable\n\nHeadTable(${[...data, ...options].join(", ")})\n`;
}

/** JSON's strings are Python's too. */
const text = (value: string): string => JSON.stringify(value);
