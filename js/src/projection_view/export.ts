/** What a projection writes: Python lines that make it again, and its points as CSV. */
import { csvLine } from "../core/export/files";
import { python, viewCode } from "../core/export/python_code";
import type { State } from "./state";

/** So many selected points are written into code; more are better kept in Python. */
const MOST_IN_CODE = 50;

export function pythonCode(state: State): string {
  const { model, selected, columns, layers } = state;
  const [low, high] = model.get("limits") ?? [];
  const points = [...selected.peek()].map((row) => `(${state.point(row).join(", ")})`);
  const args = [
    ...model.get("arguments"),
    model.get("colour") !== (columns[0]?.name ?? "") && `colour=${python(model.get("colour"))}`,
    layers.length > 0 && model.get("layer") !== layers[0] && `layer=${model.get("layer")}`,
    model.get("scale") !== "linear" && `scale="${model.get("scale")}"`,
    low !== undefined && `limits=(${low}, ${high})`,
    points.length > 0 && points.length <= MOST_IN_CODE && `selected_points=[${points.join(", ")}]`,
  ];
  return viewCode(model.get("made_by"), "ProjectionView", args);
}

/** One line a point: where it is, its token, its place on the layer on show, all its colours. */
export async function csv(state: State): Promise<string> {
  const { texts, columns, loaded, layers, selected } = state;
  const values = await Promise.all(columns.map(({ name }) => loaded.get("column", name)));
  const layer = state.layer.peek();
  const places = layers.length ? await loaded.get("layer", layer) : state.places.peek();
  const out = [
    csvLine([
      "sample",
      "position",
      ...(texts.hasTokens ? ["token"] : []),
      ...(layers.length ? ["layer"] : []),
      "x",
      "y",
      ...columns.map(({ name }) => name),
      "selected",
    ]),
  ];
  for (let row = 0; row < state.n; row++) {
    const cells = columns.map(({ classes }, at) => {
      const value = values[at]![row]!;
      return Number.isNaN(value) ? "" : classes ? classes[value]! : value;
    });
    out.push(
      csvLine([
        texts.samples[row]!,
        texts.positions[row]!,
        ...(texts.hasTokens ? [texts.token(row)!] : []),
        ...(layers.length ? [layer] : []),
        places[2 * row]!,
        places[2 * row + 1]!,
        ...cells,
        Number(selected.peek().has(row)),
      ]),
    );
  }
  return out.join("");
}
