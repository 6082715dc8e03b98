/** The table as it arrives from Python: a description a column, numbers as bytes, text as lists. */
import { bytes, float32, float64, type AnyModel } from "../core/bridge";
import type { Head } from "../core/selection";

export type Numbers = Float64Array | Float32Array;

interface Described {
  name: string;
  title: string;
  /** What the column means, for its tooltip. */
  help: string;
  shown: boolean;
}

export interface TextColumn extends Described {
  kind: "text";
  values: string[];
}

export interface NumberColumn extends Described {
  kind: "integer" | "number";
  values: Numbers;
  threshold: number | null;
  low?: Numbers;
  high?: Numbers;
  /** What the bars start and end at: all finite values, their intervals, the threshold and zero. */
  domain: readonly [least: number, largest: number];
  digits: number;
}

export type Column = TextColumn | NumberColumn;

export interface Table {
  n: number;
  columns: Column[];
  byName: Map<string, Column>;
  layer: Numbers;
  head: Numbers;
  letters: string[];
  evidence: string[];
}

export function readTable(model: AnyModel): Table {
  const all = bytes(model.get("numbers"));
  const n: number = model.get("n_rows");
  const numbers = new Map<string, Numbers>();
  for (const { name, dtype, start } of model.get("columns")) {
    if (dtype === "float32") numbers.set(name, float32(all.subarray(start, start + 4 * n)));
    if (dtype === "float64") numbers.set(name, float64(all.subarray(start, start + 8 * n)));
  }
  const columns: Column[] = model.get("columns").map((spec: any) => {
    if (spec.kind === "text") return { ...spec, values: model.get("texts")[spec.name] };
    const column = { ...spec, values: numbers.get(spec.name)!, low: numbers.get(spec.low), high: numbers.get(spec.high) };
    return { ...column, domain: domainOf(column), digits: digitsOf(column) };
  });
  return {
    n,
    columns,
    byName: new Map(columns.map((column) => [column.name, column])),
    layer: numbers.get("layer")!,
    head: numbers.get("head")!,
    letters: model.get("letters"),
    evidence: model.get("evidence"),
  };
}

type Measured = Pick<NumberColumn, "kind" | "values" | "low" | "high" | "threshold">;

function domainOf({ values, low, high, threshold }: Measured): [number, number] {
  let [least, largest] = [Math.min(0, threshold ?? 0), Math.max(0, threshold ?? 0)];
  for (const numbers of [values, low, high])
    for (const value of numbers ?? [])
      if (Number.isFinite(value)) {
        if (value < least) least = value;
        if (value > largest) largest = value;
      }
  return [least, largest > least ? largest : least + 1];
}

/** Decimals that show three significant digits of the column's largest value. */
function digitsOf(column: Measured): number {
  if (column.kind === "integer") return 0;
  const [least, largest] = domainOf(column);
  return Math.max(0, 2 - Math.floor(Math.log10(Math.max(-least, largest))));
}

export const headOf = (table: Table, row: number): Head => [table.layer[row]!, table.head[row]!];
export const headName = ([layer, head]: Head): string => `${layer}.${head}`;

/** Where a value stands in the column's bar, 0 to 1. */
export function place(value: number, [least, largest]: readonly [number, number]): number {
  return Math.max(0, Math.min(1, (value - least) / (largest - least)));
}

const MINUS = "\u2212";
const MISSING = "\u2013";

/** A number as the column shows it: fixed decimals, so that the digits stand under each other. */
export function shown(value: number, digits: number): string {
  if (Number.isNaN(value)) return MISSING;
  if (!Number.isFinite(value)) return value > 0 ? "\u221e" : `${MINUS}\u221e`;
  const text = digits > 6 && value !== 0 ? value.toExponential(2) : value.toFixed(Math.min(digits, 6));
  return /^-[0.]+$/.test(text) ? text.slice(1) : text.replaceAll("-", MINUS);
}

/** The same for the ends of a scale, without noughts that say nothing. */
export const short = (value: number, digits: number): string => shown(value, digits).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");

/** The shortest text that reads back as the same number of the column's type. */
export function exact(value: number, numbers: Numbers): string {
  if (numbers instanceof Float64Array || !Number.isFinite(value)) return String(value);
  for (let digits = 1; digits < 9; digits++) {
    const text = Number(value.toPrecision(digits));
    if (Math.fround(text) === value) return String(text);
  }
  return String(Number(value.toPrecision(9)));
}

/** A value to six significant digits. */
export const spoken = (value: number): string => (Number.isNaN(value) ? "not computed" : String(Number(value.toPrecision(6))).replaceAll("-", MINUS));

/** Names of classes are written with spaces; other text is shown as it is. */
export const isClass = (column: string): boolean => column === "label" || column === "class";
export const reads = (column: string, text: string): string => (isClass(column) ? text.replaceAll("_", " ").replace(/^s inhibition/, "S-inhibition") : text);
