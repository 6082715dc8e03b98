/** Numbers of every head, by which heads are sorted, filtered and found. A row is layer times heads plus head. */
import { float32 } from "../core/bytes";
import { className } from "../core/drawing/colour";
import { compile, type Filterable, type FilterColumn, type Predicate } from "../core/filter/filter";
import type { Head } from "../core/selection";
import type { Model } from "../core/widget_model";
import type { AttentionViewTraits } from "../generated/traits";

export interface Statistics {
  names: readonly string[];
  of(name: string, head: Head): number;
  /** Layer, head, class and all statistics as columns. */
  table: Filterable;
}

export function readStatistics(
  model: Model<AttentionViewTraits>,
  letters: ReadonlyMap<string, string>,
): Statistics | undefined {
  const [layers, heads] = [model.get("n_layers")!, model.get("n_heads")!];
  const names: string[] = model.get("statistics");
  const values = float32(model.get("statistic_values"));
  // Names and numbers may arrive one after the other.
  if (!names.length || values.length !== names.length * layers * heads) return undefined;
  return statisticsOf(names, values, layers, heads, letters);
}

export function statisticsOf(
  names: readonly string[],
  values: Float32Array,
  layers: number,
  heads: number,
  letters: ReadonlyMap<string, string>,
): Statistics {
  const size = layers * heads;
  const rows = Array.from({ length: size }, (_, row) => row);
  const classes = rows.map((row) => letters.get(`${Math.floor(row / heads)}.${row % heads}`) ?? "");
  const columns: FilterColumn[] = [
    { name: "layer", kind: "integer", values: rows.map((row) => Math.floor(row / heads)) },
    { name: "head", kind: "integer", values: rows.map((row) => row % heads) },
    { name: "class", kind: "text", values: classes.map((letter) => letter && className(letter)) },
    ...names.map(
      (name, i): FilterColumn => ({ name, kind: "number", values: values.subarray(i * size, (i + 1) * size) }),
    ),
  ];
  const byName = new Map(columns.map((column) => [column.name, column]));
  return {
    names,
    of: (name, [layer, head]) => {
      const column = names.includes(name) ? byName.get(name) : undefined;
      return column ? (column.values[layer * heads + head] as number) : NaN;
    },
    table: { columns, byName },
  };
}

const NAMES = /^\d+\.\d*(\s*[,;\s]\s*\d+\.\d*)*$/;

/** What a text asks of a row: "3.1, 5.0" names heads and "3." a layer, all else is the language of filters. */
export function readFilter(text: string, table: Filterable): Predicate | undefined {
  const asked = text.trim();
  if (!NAMES.test(asked)) return compile(text, table);
  const names = asked.split(/[,;\s]+/);
  const [layer, head] = ["layer", "head"].map((name) => table.byName.get(name)!.values);
  return (row) => names.includes(`${layer![row]}.${head![row]}`) || names.includes(`${layer![row]}.`);
}
