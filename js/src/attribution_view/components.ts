/** What an attribution is made of: parts with their values, and the rows and columns in which they stand. */
import { float64 } from "../core/bytes";
import type { Head } from "../core/selection";
import type { Model } from "../core/widget_model";
import type { AttributionViewTraits } from "../generated/traits";

export interface Part {
  component: string;
  /** -1 where there is none. */
  layer: number;
  head: number;
  /** In logits; NaN where it is not known. */
  value: number;
  /** Standard error of the mean; NaN for one prompt. */
  error: number;
}

/** A step of the running total. */
export interface Step {
  part: string;
  before: number;
  value: number;
  after: number;
}

export interface Row {
  /** Undefined: what stands in no layer. */
  layer?: number;
  label: string;
  /** The lowest first. */
  steps: Step[];
}

export interface Column {
  label: string;
  head?: number;
  component: string;
}

const SHORT: Record<string, string> = { attention_bias: "bias", mlp: "MLP", "cross-attention": "cross" };

export class Parts {
  readonly all: Part[];
  /** The uppermost first. */
  readonly rows: Row[];
  readonly columns: Column[];
  readonly heads: number;
  readonly layers: number;
  /** Part at [row, column], -1 where there is none. */
  readonly at: Int32Array;
  readonly whole: number;

  constructor(model: Model<AttributionViewTraits>) {
    const values = float64(model.get("contributions"));
    const errors = float64(model.get("errors"));
    this.layers = model.get("n_layers")!;
    this.heads = model.get("n_heads")!;
    this.whole = model.get("whole");
    this.all = (model.get("components") as [string, number, number][]).map(([component, layer, head], i) => ({
      component,
      layer,
      head,
      value: values[i]!,
      error: errors[i] ?? NaN,
    }));
    this.rows = rowsOf(model.get("steps") as [number, string, number, number][], this.layers);
    this.columns = columnsOf(this.all, this.heads);
    this.at = new Int32Array(this.rows.length * this.columns.length).fill(-1);
    const rowOf = new Map(this.rows.map(({ layer }, row) => [layer, row]));
    const columnOf = new Map(this.columns.map(({ head, component }, column) => [`${component} ${head ?? -1}`, column]));
    this.all.forEach(({ component, layer, head }, i) => {
      const [row, column] = [rowOf.get(layer), columnOf.get(`${component} ${head}`)];
      if (layer >= 0 && row !== undefined && column !== undefined) this.at[row * this.columns.length + column] = i;
    });
  }

  part(row: number, column: number): Part | undefined {
    if (row < 0 || column < 0 || row >= this.rows.length || column >= this.columns.length) return undefined;
    return this.all[this.at[row * this.columns.length + column]!];
  }

  rowOf(layer: number): number {
    return this.rows.findIndex((row) => row.layer === layer);
  }

  /** The largest first. */
  largest(): Part[] {
    return this.all
      .filter(({ value }) => value !== 0 && !Number.isNaN(value))
      .sort((one, other) => Math.abs(other.value) - Math.abs(one.value));
  }
}

function rowsOf(steps: readonly [number, string, number, number][], layers: number): Row[] {
  const rows: Row[] = Array.from({ length: layers }, (_, layer) => ({ layer, label: String(layer), steps: [] }));
  const first: Row = { label: "embedding", steps: [] };
  const last: Row = { label: "biases", steps: [] };
  let before = 0;
  for (const [layer, part, value, after] of steps) {
    const row = layer >= 0 ? rows[layer]! : part === "embedding" ? first : last;
    if (layer >= 0 || part === "embedding" || value) row.steps.push({ part, before, value, after });
    before = after;
  }
  return [...(last.steps.length ? [last] : []), ...rows.reverse(), first];
}

/** The heads, then what else some layer has. */
function columnsOf(parts: readonly Part[], heads: number): Column[] {
  const others = new Set(
    parts.filter(({ layer, head, value }) => layer >= 0 && head < 0 && value !== 0).map(({ component }) => component),
  );
  return [
    ...Array.from({ length: heads }, (_, head) => ({ label: String(head), head, component: "attention" })),
    ...[...others].map((component) => ({ label: SHORT[component] ?? componentText(component), component })),
  ];
}

/** "MLP", "attention bias". */
export const componentText = (component: string): string =>
  component === "mlp" ? "MLP" : component.replaceAll("_", " ");

/** "head 3.1", "MLP of layer 2", "embedding". */
export function partName({ component, layer, head }: Part): string {
  if (head >= 0) return `head ${layer}.${head}`;
  return layer < 0 ? componentText(component) : `${componentText(component)} of layer ${layer}`;
}

/** "3.1", "MLP 2". */
export const shortName = (part: Part): string =>
  part.head >= 0 ? `${part.layer}.${part.head}` : partName(part).replace(" of layer", "");

export const headOf = ({ layer, head }: Part): Head | undefined => (head >= 0 ? [layer, head] : undefined);
export const rowName = ({ layer, label }: Row): string => (layer === undefined ? label : `layer ${layer}`);
