/** What a lens view shows, as signals; everything else follows from them. */

import { magnitudeTable, type Table } from "../core/drawing/colour";
import { LOG_FLOOR, niceCeiling, type Scale } from "../core/drawing/scale";
import type { Theme } from "../core/elements/theme";
import { computed, type ReadonlySignal, type Signal, signal, trait } from "../core/reactive";
import type { Selection } from "../core/selection";
import { type Model, save } from "../core/widget_model";
import type { LogitLensViewTraits } from "../generated/traits";
import { type Counts, type Room, type View, viewOf } from "./layout";
import type { Colour, Lens } from "./lens";
import { settledFrom } from "./position/summary";

export interface Cell {
  /** Index of the layer, 0 for the lowest. */
  layer: number;
  position: number;
}

interface Limits {
  kind: "linear" | "log";
  /** null: what fits. */
  ends: [number, number] | null;
  threshold: number;
}

export class State {
  readonly counts: Counts;
  readonly selectedTokens: Signal<number[]>;
  /** The position whose layers stand beside the map: the last selected one, else the last of the prompt. */
  readonly position: ReadonlySignal<number>;
  readonly hover = signal<Cell | undefined>(undefined);
  /** A token whose cells are outlined. */
  readonly traced = signal<number | undefined>(undefined);
  readonly colour: ReadonlySignal<Colour>;
  readonly token: ReadonlySignal<number | null>;
  readonly chart: ReadonlySignal<"rank" | "probability">;
  readonly values: ReadonlySignal<Float32Array | undefined>;
  readonly scale: ReadonlySignal<Scale>;
  readonly clipped: ReadonlySignal<number>;
  readonly table: ReadonlySignal<Table>;
  readonly settled: Int32Array;

  readonly room = signal<Room>({ width: 0, height: 0 });
  readonly zoom = signal(1);
  readonly origin: Signal<[x: number, y: number]>;
  readonly view: ReadonlySignal<View>;
  readonly #limits: Signal<Limits>;

  constructor(
    readonly model: Model<LogitLensViewTraits>,
    readonly lens: Lens,
    readonly selection: Selection,
    readonly theme: ReadonlySignal<Theme>,
    until: AbortSignal,
  ) {
    this.counts = { columns: lens.positions, rows: lens.layers.length };
    const own = (): number[] => selection.tokens.filter((token) => token < lens.positions);
    this.selectedTokens = signal(own());
    selection.subscribe(() => void (this.selectedTokens.value = own()), until);
    this.position = computed(() => this.selectedTokens.value.at(-1) ?? lens.positions - 1);

    this.colour = trait(model, "colour", until);
    this.token = trait(model, "token", until);
    this.chart = trait(model, "chart", until);
    this.values = computed(() => lens.values(this.colour.value, this.token.value));
    this.#limits = signal(this.#limitsOfModel());
    for (const name of ["scale", "limits", "threshold"]) {
      const follow = (): void => void (this.#limits.value = this.#limitsOfModel());
      model.on(`change:${name}`, follow);
      until.addEventListener("abort", () => model.off(`change:${name}`, follow));
    }
    this.scale = computed(() => {
      const { kind, ends, threshold } = this.#limits.value;
      const [low, high] = ends ?? this.fitted();
      return { kind: this.colour.value === "rank" ? "log" : kind, low, high, threshold };
    });
    this.clipped = computed(() => {
      const { high } = this.scale.value;
      return this.#cells().reduce((sum, value) => sum + Number(value > high), 0);
    });
    this.table = computed(() => magnitudeTable(theme.value.groundRgb, theme.value.dark));
    this.settled = settledFrom(lens);

    // Predictions are read at the end, so a long prompt is first seen there.
    this.origin = signal([this.position.peek() + 1 === lens.positions ? Infinity : this.position.peek() - 2, 0]);
    this.view = computed(() => viewOf(this.room.value, this.counts, this.zoom.value, ...this.origin.value));
  }

  /** Ends of the colours: probabilities 0 to 1, ranks from the last that occurs to 1, the others so that most of them can be told apart. */
  fitted(): [number, number] {
    const values = this.#cells();
    if (this.colour.value === "rank") {
      const least = values.reduce((least, value) => Math.min(least, value), 0.1);
      return [Math.max(LOG_FLOOR, 1 / niceCeiling(1 / least)), 1];
    }
    if (this.colour.value === "probability" || this.colour.value === "token_probability") return [0, 1];
    // The first layer's KL is often ten times all others': then it lies above the limit.
    const sorted = values.filter(Number.isFinite).sort();
    const [most, largest] = [sorted[Math.floor(0.95 * sorted.length)] ?? 1, sorted.at(-1) ?? 1].map(niceCeiling) as [
      number,
      number,
    ];
    return [0, largest > 2.5 * most ? most : largest];
  }

  largest(): number {
    return this.#cells().reduce((most, value) => (value > most && value < Infinity ? value : most), 0);
  }

  #cells(): Float32Array {
    return this.values.value ?? new Float32Array();
  }

  rowOf(layer: number): number {
    return this.counts.rows - 1 - layer;
  }

  setScale({ kind, low, high, threshold }: Scale): void {
    const fitted = this.fitted();
    const ends: Limits["ends"] = low === fitted[0] && high === fitted[1] ? null : [low, high];
    this.#limits.value = { kind: this.colour.peek() === "rank" ? this.#limits.peek().kind : kind, ends, threshold };
  }

  /** Write the colour scale to Python. */
  commitScale(): void {
    const { kind, ends, threshold } = this.#limits.peek();
    save(this.model, { scale: kind, limits: ends, threshold });
  }

  /** Colour by something else; limits of one quantity say nothing about another. */
  setColour(colour: Colour, token: number | null): void {
    this.model.set("colour", colour);
    this.model.set("token", token);
    this.#limits.value = { ...this.#limits.peek(), ends: null, threshold: 0 };
    this.commitScale();
  }

  setChart(chart: "rank" | "probability"): void {
    save(this.model, { chart });
  }

  /** Select positions, or with `extend` add them; a single one that is selected already is taken away. */
  select(positions: number[], extend: boolean): void {
    const before = this.selectedTokens.peek();
    const [only] = positions;
    if (positions.length === 1 && before.includes(only!) && (extend || before.length === 1))
      this.selection.setTokens(before.filter((token) => token !== only));
    else this.selection.setTokens(extend ? [...before, ...positions] : positions);
  }

  /** Escape: undo the last kind of choice. Returns what was done, for the live region; "" when nothing was left. */
  stepBack(): string {
    if (this.zoom.peek() !== 1) return ((this.zoom.value = 1), "Zoom reset.");
    if (this.selectedTokens.peek().length) return (this.selection.setTokens([]), "No position selected.");
    return "";
  }

  #limitsOfModel(): Limits {
    return { kind: this.model.get("scale"), ends: this.model.get("limits"), threshold: this.model.get("threshold") };
  }
}
