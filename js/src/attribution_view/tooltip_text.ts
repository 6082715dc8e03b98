/** What is said of a part, a step, a neuron: exact numbers, for the pointer and for screen readers. */
import { exact, signed, steady } from "../core/format";
import { componentText, type Part, partName, type Row, rowName } from "./components";
import type { Spot, State } from "./state";

export const brief = (value: number): string => signed(value, steady);

/** "± 0.02" where the spread over prompts is known. */
export const spread = (error: number): string => (Number.isNaN(error) ? "" : ` ± ${steady(1.96 * error)}`);

/** Lines about a place of the map or of the running total; none where nothing stands. */
export function noteOf(state: State, { row, column }: Spot): string[] {
  const { parts } = state;
  if (column >= parts.columns.length) return rowNote(parts.rows[row]!);
  const part = parts.part(row, column);
  return part ? partNote(part, state) : [];
}

export function partNote(part: Part, { parts, model }: State): string[] {
  if (Number.isNaN(part.value)) return [partName(part), "not known: heads are mixed before they are written"];
  const prompts = model.get("n_prompts");
  const share = parts.whole
    ? `, ${((100 * part.value) / parts.whole).toFixed(1).replace("-", "−")} % of the whole`
    : "";
  const several = prompts > 1 ? [`mean of ${prompts} prompts, 95 %: ± ${exact(1.96 * part.error)}`] : [];
  const opens = part.component === "mlp" ? ["Enter or click: its neurons"] : [];
  return [partName(part), `${signed(part.value, exact)} logits${share}`, ...several, ...opens];
}

function rowNote(row: Row): string[] {
  if (!row.steps.length) return [];
  return [
    rowName(row),
    ...row.steps.map(
      ({ part, value, after }) =>
        `${part === "attention" ? "attention, all heads" : componentText(part)}: ${signed(value, exact)}, total ${signed(after, exact)}`,
    ),
  ];
}
