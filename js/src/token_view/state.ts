/** What a token view shows, as signals; everything else follows from them. */
import { float64 } from "../core/bytes";
import { magnitudeTable, signedTable, type Table } from "../core/drawing/colour";
import type { Scale } from "../core/drawing/scale";
import type { Theme } from "../core/elements/theme";
import { between, plainText } from "../core/prompt_text";
import { batch, computed, type ReadonlySignal, type Signal, settable, signal, trait } from "../core/reactive";
import type { Selection } from "../core/selection";
import { type Model, save } from "../core/widget_model";
import type { TokenViewTraits } from "../generated/traits";
import { type Column, colourOf, fitted, isBelow, isClipped } from "./token_colours";

export class State {
  readonly tokens: readonly string[];
  /** The likeliest token in the place of each; may be empty. */
  readonly expected: readonly string[];
  readonly columns: readonly Column[];
  readonly numbers: readonly Float64Array[];

  readonly column: ReadonlySignal<Column>;
  readonly values: ReadonlySignal<Float64Array>;
  readonly isSigned: ReadonlySignal<boolean>;
  readonly scale: Signal<Scale>;
  readonly table: ReadonlySignal<Table>;
  /** Packed; 0 where there is no number. */
  readonly colours: ReadonlySignal<Uint32Array>;
  readonly clipped: ReadonlySignal<number>;
  readonly selected: Signal<number[]>;
  /** The token that is pointed at, and the one that the keys have come to. */
  readonly pointed = signal<number | undefined>(undefined);
  readonly cursor = signal<number | undefined>(undefined);
  readonly smallest = signal(false);
  /** Tokens that have a number: those with the largest size first or, on demand, the smallest. */
  readonly order: ReadonlySignal<Int32Array>;
  readonly #scales = new Map<string, Pick<TokenViewTraits, "limits" | "scale" | "threshold">>();
  readonly #dragged = signal<Scale | undefined>(undefined);

  constructor(
    readonly model: Model<TokenViewTraits>,
    readonly selection: Selection,
    readonly theme: ReadonlySignal<Theme>,
    until: AbortSignal,
  ) {
    this.tokens = model.get("tokens");
    this.expected = model.get("expected");
    this.columns = model.get("columns") as unknown as Column[];
    const all = float64(model.get("values"));
    const n = this.tokens.length;
    this.numbers = this.columns.map((_, at) => all.subarray(at * n, (at + 1) * n));
    const name = trait(model, "column", until);
    const at = computed(() =>
      Math.max(
        0,
        this.columns.findIndex((one) => one.name === name.value),
      ),
    );
    this.column = computed(() => this.columns[at.value]!);
    this.values = computed(() => this.numbers[at.value]!);
    const signed = trait(model, "signed", until);
    this.isSigned = computed(() => signed.value ?? isBelow(this.values.value));
    this.scale = this.#followScale(until);
    this.table = computed(() => {
      const { groundRgb, dark } = theme.value;
      return this.isSigned.value ? signedTable(groundRgb, dark) : magnitudeTable(groundRgb, dark);
    });
    this.colours = computed(() => {
      const [scale, table] = [this.scale.value, this.table.value];
      return Uint32Array.from(this.values.value, (value) => colourOf(value, scale, table));
    });
    this.clipped = computed(() => {
      const scale = this.scale.value;
      return this.values.value.reduce((count, value) => count + Number(isClipped(value, scale)), 0);
    });
    this.order = computed(() => {
      const [values, sign, by] = [this.values.value, this.smallest.value ? 1 : -1, this.isSigned.value];
      const size = (token: number): number => (by ? Math.abs(values[token]!) : values[token]!);
      return Int32Array.from(values.keys())
        .filter((token) => !Number.isNaN(values[token]))
        .sort((one, other) => sign * (size(one) - size(other)) || one - other);
    });
    this.selected = signal(this.#own(selection.tokens));
    selection.subscribe(() => (this.selected.value = this.#own(selection.tokens)), until);
  }

  /** The scale of the traits; while it is dragged, ahead of them. */
  #followScale(until: AbortSignal): Signal<Scale> {
    const [kind, limits, threshold] = [
      trait(this.model, "scale", until),
      trait(this.model, "limits", until),
      trait(this.model, "threshold", until),
    ];
    const dragged = this.#dragged;
    const scale = computed<Scale>(() => {
      if (dragged.value) return dragged.value;
      const log = this.#isLog(kind.value);
      const [low, high] = limits.value ?? fitted(this.values.value, this.isSigned.value, log, this.column.value.fixed);
      const size = Math.max(Math.abs(low!), Math.abs(high!));
      return {
        kind: log ? "log" : "linear",
        low: this.isSigned.value ? -size : low!,
        high: this.isSigned.value ? size : high!,
        threshold: threshold.value,
      };
    });
    return settable<Scale>(scale, (next) => void (dragged.value = next));
  }

  #isLog(kind: string | null): boolean {
    return (kind ? kind === "log" : this.column.value.log) && !this.isSigned.value && !isBelow(this.values.value);
  }

  fitted(): Scale {
    const log = this.scale.peek().kind === "log";
    const [low, high] = fitted(this.values.peek(), this.isSigned.peek(), log, this.column.peek().fixed);
    return { kind: log ? "log" : "linear", low, high, threshold: 0 };
  }

  largest(): number {
    return this.values
      .peek()
      .reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0);
  }

  /** Write the colour scale to Python; what fits by itself stays "what fits". */
  commitScale(): void {
    const { kind, low, high, threshold } = this.scale.peek();
    const fits = fitted(this.values.peek(), this.isSigned.peek(), kind === "log", this.column.peek().fixed);
    const known = this.model.get("scale");
    const natural = this.column.peek().log ? "log" : "linear";
    batch(() => {
      save(this.model, {
        scale: kind === natural ? null : kind,
        // of another kind, other limits fit
        limits:
          (kind !== (known ?? natural) && !this.model.get("limits")) || (low === fits[0] && high === fits[1])
            ? null
            : [low, high],
        threshold,
      });
      this.#dragged.value = undefined;
    });
  }

  /** What fitted one column says nothing about another: each keeps the scale that was set for it. */
  setColumn(name: string): void {
    const before = this.column.peek().name;
    if (name === before) return;
    const { model } = this;
    const [limits, scale, threshold] = [model.get("limits"), model.get("scale"), model.get("threshold")];
    this.#scales.set(before, { limits, scale, threshold });
    save(model, { column: name, ...(this.#scales.get(name) ?? { limits: null, scale: null, threshold: 0 }) });
  }

  /** The column `by` places further, after the last the first. */
  stepColumn(by: number): void {
    const n = this.columns.length;
    const at = this.columns.indexOf(this.column.peek());
    this.setColumn(this.columns[(at + by + n) % n]!.name);
  }

  /** What is selected as text, or all; where tokens are left out, an ellipsis. */
  text(): string {
    const chosen = [...this.selected.peek()].sort((one, other) => one - other);
    if (!chosen.length) return plainText(this.tokens);
    const runs: number[][] = [];
    for (const at of chosen) {
      if (runs.at(-1)?.at(-1) === at - 1) runs.at(-1)!.push(at);
      else runs.push([at]);
    }
    const space = between(this.tokens);
    const texts = runs.map((run) => plainText(this.tokens.slice(run[0]!, run.at(-1)! + 1), space));
    return texts.length > 1 ? texts.map((text) => text.trim()).join(" … ") : texts[0]!;
  }

  select(token: number, extend: boolean): void {
    const now = this.selected.peek();
    const others = now.filter((one) => one !== token);
    if (!extend) this.selection.setTokens(now.length === 1 && !others.length ? [] : [token]);
    else this.selection.setTokens(others.length < now.length ? others : [...now, token]);
  }

  selectRange(from: number, to: number): void {
    const [first, last] = [Math.min(from, to), Math.max(from, to)];
    this.selection.setTokens(Array.from({ length: last - first + 1 }, (_, i) => first + i));
  }

  /** The token `by` places further in the order; from nowhere, the first of it. */
  next(by: number): number | undefined {
    const order = this.order.peek();
    const at = this.cursor.peek() === undefined ? -1 : order.indexOf(this.cursor.peek()!);
    return order[at < 0 ? 0 : Math.max(0, Math.min(order.length - 1, at + by))];
  }

  /** Escape: undo the last kind of choice. Returns what was done; "" when nothing was left. */
  stepBack(): string {
    if (!this.selected.peek().length) return "";
    this.selection.setTokens([]);
    return "No token selected.";
  }

  #own(tokens: number[]): number[] {
    return tokens.filter((token) => token < this.tokens.length);
  }
}
