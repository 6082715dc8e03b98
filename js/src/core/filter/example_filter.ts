/** An example of a filter that lets some rows of the very columns at hand through, and not all. */
import type { FilterColumn, Predicate } from "./filter";

interface Condition {
  text: string;
  holds: Predicate;
}

const NAME = /^[\p{L}_][\p{L}\p{N}_]*$/u;
const written = (name: string): string => (NAME.test(name) ? name : `\`${name}\``);

/**
 * What an example asks, of which the first lets some rows through by itself too: `induction > 0.3` and `layer < 15`; a
 * column of text gives `label = induction` in the place of the layer.
 */
export function exampleConditions(columns: readonly FilterColumn[]): string[] {
  const size = columns[0]?.values.length ?? 0;
  const rows = Array.from({ length: size }, (_, row) => row);
  const [first] = columns.flatMap((column) => (column.kind === "text" ? [] : large(column)));
  const [word] = columns.flatMap((column) => (column.kind === "text" ? wordOf(column) : []));
  const layers = columns.find(({ name }) => name === "layer");
  const others = [word, ...(layers && layers.kind !== "text" ? lower(layers.values) : [])].filter((one) => !!one);
  if (!first) return [others[0]?.text ?? "layer < 12"];
  const second = others.find(({ holds }) => rows.some((row) => first.holds(row) && holds(row)));
  return [first, ...(second ? [second] : [])].map(({ text }) => text);
}

/** What a quarter of its rows have; nothing of what is the same everywhere, of layers, heads, p and intervals. */
function large({ name, values }: FilterColumn & { values: ArrayLike<number> }): Condition[] {
  if (/^(layer|head)$|^p$|^p_|_p$|_(low|high)$/.test(name)) return [];
  const sorted = Float64Array.from(values).filter(Number.isFinite).sort();
  if (!sorted.length || sorted[0] === sorted.at(-1)) return [];
  const [most, near] = [sorted.at(-1)!, sorted[Math.floor(0.75 * (sorted.length - 1))]!];
  const limit = [1, 2, 3, 6].map((digits) => Number(near.toPrecision(digits))).find((rounded) => rounded < most);
  if (limit === undefined) return [];
  return [{ text: `${written(name)} > ${limit}`, holds: (row) => values[row]! > limit }];
}

/** Its first word that needs no quotes. */
function wordOf({ name, values }: FilterColumn & { values: ArrayLike<string> }): Condition[] {
  const all = Array.from(values);
  const word = all.find((one) => NAME.test(one) && one.length < 24);
  if (!word || new Set(all).size < 2) return [];
  return [{ text: `${written(name)} = ${word}`, holds: (row) => values[row] === word }];
}

/** The lower half of the layers, and the upper one. */
function lower(values: ArrayLike<number>): Condition[] {
  const most = Math.max(0, ...new Set(Array.from(values)));
  const half = Math.ceil((most + 1) / 2);
  if (!most) return [];
  return [
    { text: `layer < ${half}`, holds: (row) => values[row]! < half },
    { text: `layer >= ${half}`, holds: (row) => values[row]! >= half },
  ];
}
