/** What is saved and copied: CSV with exact values, and the Python line that makes the view again. */

import { csvLine } from "../core/export/files";
import { python, selectedHeads, viewCode } from "../core/export/python_code";
import { noteOn } from "../core/note_text";
import type { Head, Note } from "../core/selection";
import { exact, headOf, type Table } from "./columns";
import type { SortKey } from "./order";

/** With notes on heads there is a column of them, the last one. */
export function csv(table: Table, rows: Iterable<number>, notes: readonly Note[] = []): string {
  const last = [...(table.evidence.length ? ["evidence"] : []), ...(notes.length ? ["head_note"] : [])];
  const lines = [csvLine([...table.columns.map(({ name }) => name), ...last])];
  for (const row of rows) {
    const cells = table.columns.map((column) => {
      if (column.kind === "text") return column.values[row]!;
      const value = column.values[row]!;
      return Number.isNaN(value) ? "" : exact(value, column.values);
    });
    if (table.evidence.length) cells.push(table.evidence[row]!);
    if (notes.length) cells.push(noteOn(notes, headOf(table, row)));
    lines.push(csvLine(cells));
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
  notes: readonly Note[] = [],
): string =>
  viewCode(
    madeBy,
    "HeadTable",
    [
      "scores",
      labelled && "labels",
      ...given,
      filter && `filter=${python(filter)}`,
      keys.length && `sort=[${keys.map((key) => `(${key.map(python).join(", ")})`).join(", ")}]`,
      selectedHeads(heads),
    ],
    notes,
  );
