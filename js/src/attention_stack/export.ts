/** What a stack writes: Python lines that make it again, and the exact values of the selected heads as CSV. */
import { forVisible } from "../core/attention/matrix_frame";
import { read } from "../core/attention/pattern";
import { csvLine } from "../core/export/files";
import { selectedHeads, viewCode } from "../core/export/python_code";
import { type State, USUAL } from "./state";

const MOST_LINES = 2_000_000;

export function pythonCode({ model, heads, scale }: State): string {
  const { kind, low, high, threshold } = scale.peek();
  const pose = (["spread", "turn", "tilt"] as const).map(
    (name) => model.get(name) !== USUAL[name] && `${name}=${model.get(name)}`,
  );
  const args = [
    "trace",
    selectedHeads(heads.peek()),
    ...pose,
    kind !== "linear" && `scale="${kind}"`,
    (low !== 0 || high !== 1) && `limits=(${low}, ${high})`,
    threshold !== 0.05 && `threshold=${threshold}`,
  ];
  return viewCode(model.get("made_by"), "AttentionStack", args, model.get("head_notes"));
}

/** One line a cell of each selected head. */
export async function csv(state: State): Promise<string> {
  const { tokens } = state;
  const heads = state.heads.peek();
  if (!heads.length) throw new Error("Select a head first: its values are what is saved.");
  const n = tokens.length;
  if ((heads.length * n * (n + 1)) / 2 > MOST_LINES)
    throw new Error(`These are more than ${MOST_LINES.toLocaleString("en")} cells: select fewer heads.`);
  const out = [csvLine(["layer", "head", "query", "key", "query_token", "key_token", "attention"])];
  for (const head of heads) {
    const pattern = await state.load(head);
    if (!pattern) throw new Error(state.status.peek() || "The values did not come.");
    forVisible({ query: 0, key: 0, span: n }, n, (query, key) =>
      out.push(csvLine([...head, query, key, tokens[query]!, tokens[key]!, read(pattern, query, key).value])),
    );
  }
  return out.join("");
}
