/** What is saved and copied: CSV with exact values, and the Python line that makes the view again. */

import { csvLine } from "../core/export/files";
import { python, selectedHeads, viewCode } from "../core/export/python_code";
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

/** `HeadTable(scores, filter="layer > 2")` for the present state; what is at its default is left out. */
export const pythonCode = (
  filter: string,
  keys: readonly SortKey[],
  heads: readonly Head[],
  labelled: boolean,
  madeBy: string,
  given: readonly string[],
): string =>
  viewCode(madeBy, "HeadTable", [
    "scores",
    labelled && "labels",
    ...given,
    filter && `filter=${python(filter)}`,
    keys.length && `sort=[${keys.map((key) => `(${key.map(python).join(", ")})`).join(", ")}]`,
    selectedHeads(heads),
  ]);
