/** A model as Python would make it, from plain columns. */
import type { Model } from "../src/core/widget_model";
import type { HeadTableTraits } from "../src/generated/traits";
import { FakeModel } from "./fake_model";

type Columns = Record<string, number[] | string[]>;

export function tableModel(
  columns: Columns,
  specs: Record<string, object> = {},
  traits: object = {},
): Model<HeadTableTraits> {
  let start = 0;
  const parts: number[] = [];
  const described = Object.entries(columns).map(([name, values]) => {
    const spec = { name, title: name, help: "", shown: true, threshold: null, low: null, high: null, ...specs[name] };
    if (typeof values[0] === "string") return { ...spec, kind: "text" };
    const at = start;
    start += 8 * values.length;
    parts.push(...(values as number[]));
    return { ...spec, kind: name === "layer" || name === "head" ? "integer" : "number", dtype: "float64", start: at };
  });
  const texts = Object.entries(columns).filter(([, values]) => typeof values[0] === "string");
  return new FakeModel({
    n_rows: columns.layer!.length,
    columns: described,
    numbers: new DataView(Float64Array.from(parts).buffer),
    texts: Object.fromEntries(texts),
    letters: [],
    evidence: [],
    filter: "",
    sort: [],
    ...traits,
  });
}
