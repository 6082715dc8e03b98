/** What an attribution view writes: Python lines that make it again, its parts and neurons as CSV. */
import { csvLine } from "../core/export/files";
import { selectedHeads, viewCode } from "../core/export/python_code";
import { noteOn } from "../core/note_text";
import type { Neurons } from "./neurons";
import type { State } from "./state";

/** `AttributionView(result, mlp=3)` for the present state; what is at its default is left out. */
export function pythonCode({ model, heads, mlp, scale }: State): string {
  const { high, threshold } = scale.peek();
  const args = [
    "result",
    selectedHeads(heads.peek()),
    mlp.peek() !== null && `mlp=${mlp.peek()}`,
    model.get("limit") !== null && `limit=${high}`,
    threshold && `threshold=${threshold}`,
  ];
  return viewCode(model.get("made_by"), "AttributionView", args, model.get("head_notes"));
}

const written = (value: number): string => (Number.isNaN(value) ? "" : String(value));

/** One line a part, with the columns of the result's own `to_dataframe()`, and the standard error of several prompts. */
export function csv({ parts, model }: State): string {
  const several = model.get("n_prompts") > 1;
  const notes = model.get("head_notes") ?? [];
  const noted = notes.length > 0;
  const lines = parts.all.map(({ component, layer, head, value, error }) =>
    csvLine([
      component,
      layer,
      head,
      written(value),
      ...(several ? [written(error)] : []),
      ...(noted ? [noteOn(notes, [layer, head])] : []),
    ]),
  );
  const columns = ["component", "layer", "head", "contribution"];
  return [csvLine([...columns, ...(several ? ["error"] : []), ...(noted ? ["head_note"] : [])]), ...lines].join("");
}

/** One line a neuron, in their order. */
export function neuronCsv({ layer, contributions, activations, errors }: Neurons): string {
  const several = errors.length > 0;
  const lines = Array.from(contributions, (value, at) =>
    csvLine([layer, at, activations[at]!, value, ...(several ? [errors[at]!] : [])]),
  );
  return [csvLine(["layer", "neuron", "activation", "contribution", ...(several ? ["error"] : [])]), ...lines].join("");
}
