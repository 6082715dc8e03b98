/** The table as it arrives from Python: a description a column, numbers as bytes, text as lists. */
import { bytes, float32, float64 } from "../core/bytes";
import type { Head } from "../core/selection";
import type { Model } from "../core/widget_model";
import type { HeadTableTraits } from "../generated/traits";

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
  /** Of each row the threshold that it was compared with. */
  marks?: Numbers;
  low?: Numbers;
  high?: Numbers;
  /** What the bars start and end at: all finite values, their intervals, the threshold and zero. */
  domain: readonly [least: number, largest: number];
  digits: number;
  /** p values have no bar: a long one would look like much. */
  bare: boolean;
}

/** Of numbers and text: what can be sorted by, filtered by and saved as CSV. */
export type Column = TextColumn | NumberColumn;

/** Attention of each head over the tokens of one prompt: a picture, not a value. */
export interface StripColumn extends Described {
  kind: "strip";
  tokens: string[];
  /** Of each row, the position that attends. */
  queries: number[];
  /** uint8 [row, position], 255 is 1. */
  levels: Uint8Array;
}

export type ShownColumn = Column | StripColumn;

export interface Table {
  n: number;
  columns: Column[];
  /** What has a place in the table, in its order; layer and head stand together before all. */
  shown: ShownColumn[];
  byName: Map<string, Column>;
  layer: Numbers;
  head: Numbers;
  letters: string[];
  evidence: string[];
}

export function readTable(model: Model<HeadTableTraits>): Table {
  const packed = bytes(model.get("numbers"));
  const n: number = model.get("n_rows");
  const numbers = new Map<string, Numbers>();
  for (const { name, dtype, start } of model.get("columns")) {
    if (dtype === "float32") numbers.set(name, float32(packed.subarray(start, start + 4 * n)));
    if (dtype === "float64") numbers.set(name, float64(packed.subarray(start, start + 8 * n)));
  }
  const measuredOf = (spec: any): any => ({
    ...spec,
    values: numbers.get(spec.name)!,
    low: numbers.get(spec.low),
    high: numbers.get(spec.high),
    marks: numbers.get(spec.marks),
  });
  // A control is drawn on the scale of what it is held against, and the other way round.
  const sharing = (spec: any): any[] =>
    model
      .get("columns")
      .filter(
        (other: any) =>
          other === spec || (numbers.has(other.name) && (other.name === spec.like || other.like === spec.name)),
      );
  const all = model.get("columns").map((spec: any): ShownColumn => {
    if (spec.kind === "strip")
      return {
        ...spec,
        tokens: model.get("strip_tokens"),
        queries: model.get("strip_queries"),
        levels: bytes(model.get("strips")),
      };
    if (spec.kind === "text")
      return { ...spec, values: new Map(Object.entries(model.get("texts"))).get(spec.name) ?? [] };
    const column = measuredOf(spec);
    const domain = sharing(spec).map(measuredOf).map(domainOf).reduce(together);
    return { ...column, domain, digits: digitsOf(column.kind, domain), bare: /^p$|^p_|_p$/.test(spec.name) };
  });
  const columns = all.filter((column: ShownColumn) => column.kind !== "strip") as Column[];
  return {
    n,
    columns,
    shown: all.filter((column: ShownColumn) => column.shown && column.name !== "layer" && column.name !== "head"),
    byName: new Map(columns.map((column) => [column.name, column])),
    layer: numbers.get("layer")!,
    head: numbers.get("head")!,
    letters: model.get("letters"),
    evidence: model.get("evidence"),
  };
}

const together = (one: [number, number], other: [number, number]): [number, number] => [
  Math.min(one[0], other[0]),
  Math.max(one[1], other[1]),
];

type Measured = Pick<NumberColumn, "kind" | "values" | "low" | "high" | "marks" | "threshold">;

function domainOf({ values, low, high, marks, threshold }: Measured): [number, number] {
  let [least, largest] = [Math.min(0, threshold ?? 0), Math.max(0, threshold ?? 0)];
  for (const numbers of [values, low, high, marks])
    for (const value of numbers ?? [])
      if (Number.isFinite(value)) {
        if (value < least) least = value;
        if (value > largest) largest = value;
      }
  return [least, largest > least ? largest : least + 1];
}

/** Decimals that show three significant digits of the column's largest value. */
function digitsOf(kind: string, [least, largest]: readonly [number, number]): number {
  if (kind === "integer") return 0;
  return Math.max(0, 2 - Math.floor(Math.log10(Math.max(-least, largest))));
}

/** What the value of a row was compared with; null where with nothing. */
export function thresholdAt({ marks, threshold }: NumberColumn, row: number): number | null {
  const mark = marks?.[row];
  return mark === undefined || Number.isNaN(mark) ? threshold : mark;
}

/** How a bar is painted: by its sign where the column has both, and by whether it reaches its threshold. */
export function barKind(
  column: NumberColumn,
  row: number,
): { sign: "amount" | "positive" | "negative"; passes?: boolean } {
  const value = column.values[row]!;
  const threshold = thresholdAt(column, row);
  return {
    sign: column.domain[0] >= 0 ? "amount" : value < 0 ? "negative" : "positive",
    ...(threshold === null || value < 0 ? {} : { passes: value >= threshold }),
  };
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

/** A p value: two digits that count, whatever its size. */
export const shownP = (value: number): string =>
  Number.isNaN(value)
    ? MISSING
    : (value !== 0 && value < 1e-3 ? value.toExponential(0) : String(Number(value.toPrecision(2)))).replaceAll(
        "-",
        MINUS,
      );

/** A number as its column shows it. */
export const written = (column: NumberColumn, row: number): string =>
  column.bare ? shownP(column.values[row]!) : shown(column.values[row]!, column.digits);

/** The same for the ends of a scale, without noughts that say nothing. */
export const short = (value: number, digits: number): string =>
  shown(value, digits)
    .replace(/(\.\d*?)0+$/, "$1")
    .replace(/\.$/, "");

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
export const spoken = (value: number): string =>
  Number.isNaN(value) ? "not computed" : String(Number(value.toPrecision(6))).replaceAll("-", MINUS);

/** Names of classes are written with spaces; other text is shown as it is. */
export const isClass = (column: string): boolean => column === "label" || column === "class";
export const reads = (column: string, text: string): string =>
  isClass(column) ? text.replaceAll("_", " ").replace(/^s inhibition/, "S-inhibition") : text;
