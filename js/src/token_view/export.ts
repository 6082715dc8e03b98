/** What a token view writes: Python lines that make it again, and its numbers as CSV. */
import { csvLine } from "../core/export/files";
import { python, selectedTokens, viewCode } from "../core/export/python_code";
import type { State } from "./state";

/** `TokenView(losses, column="entropy")` for the present state; what is at its default is left out. */
export function pythonCode({ model, columns, column, selected }: State): string {
  const [low, high] = model.get("limits") ?? [];
  const args = [
    ...model.get("arguments"),
    column.peek() !== columns[0] && `column=${python(column.peek().name)}`,
    selectedTokens(selected.peek()),
    model.get("scale") !== null && `scale="${model.get("scale")}"`,
    low !== undefined && `limits=(${low}, ${high})`,
    model.get("threshold") && `threshold=${model.get("threshold")}`,
  ];
  return viewCode(model.get("made_by"), "TokenView", args);
}

/** One line a token. */
export function csv({ tokens, columns, numbers, expected }: State): string {
  const has = expected.length > 0;
  const lines = [csvLine(["position", "token", ...columns.map(({ name }) => name), ...(has ? ["expected"] : [])])];
  tokens.forEach((token, at) => {
    const values = numbers.map((column) => (Number.isNaN(column[at]!) ? "" : column[at]!));
    lines.push(csvLine([at, token, ...values, ...(has ? [expected[at]!] : [])]));
  });
  return lines.join("");
}
