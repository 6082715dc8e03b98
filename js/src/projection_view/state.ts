/** What a projection shows, as signals; everything else follows from them. */
import type { Table } from "../core/drawing/colour";
import type { Scale } from "../core/drawing/scale";
import type { Theme } from "../core/elements/theme";
import { batch, computed, type ReadonlySignal, type Signal, settable, signal, trait } from "../core/reactive";
import type { Requests } from "../core/requests";
import type { Point, Selection } from "../core/selection";
import { type Model, save } from "../core/widget_model";
import type { ProjectionViewTraits } from "../generated/traits";
import { type Column, coloursOf, dimmed, tableOf } from "./colours";
import { inside, type Outline } from "./lasso";
import { LayersAndColumns } from "./layers_and_columns";
import { Nearest } from "./nearest";
import { PointTexts } from "./point_texts";
import { type Box, middleOf, type Zoom } from "./screen_transform";

/** What is not chosen is mixed into the ground. */
const PALE = 0.22;

export class State {
  readonly n: number;
  readonly texts: PointTexts;
  readonly layers: readonly number[];
  readonly columns: readonly Column[];
  readonly axes: readonly string[];
  readonly box: Box;
  readonly loaded: LayersAndColumns;

  readonly layer: ReadonlySignal<number>;
  readonly column: ReadonlySignal<Column | undefined>;
  /** Of the layer on show; while it is on its way, of the one before. */
  readonly places: ReadonlySignal<Float32Array>;
  readonly nearest: ReadonlySignal<Nearest>;
  readonly values: ReadonlySignal<Float32Array | undefined>;
  readonly scale: Signal<Scale>;
  readonly table: ReadonlySignal<Table>;
  readonly clipped: ReadonlySignal<number>;
  /** Of all points, before any is dimmed, and as they are drawn. */
  readonly ownColours: ReadonlySignal<Uint32Array>;
  readonly colours: ReadonlySignal<Uint32Array>;
  /** The one class that is shown; undefined: all. */
  readonly only = signal<number | undefined>(undefined);
  readonly zoom: Signal<Zoom>;
  readonly tool = signal<"lasso" | "rectangle">("lasso");
  readonly selected: Signal<ReadonlySet<number>>;
  readonly pointed = signal<number | undefined>(undefined);
  /** Where the keys have come to, and the corner that they have marked. */
  readonly cursor = signal<number | undefined>(undefined);
  readonly corner = signal<number | undefined>(undefined);
  readonly size: ReadonlySignal<number>;
  readonly #dragged = signal<Scale | undefined>(undefined);

  constructor(
    readonly model: Model<ProjectionViewTraits>,
    readonly selection: Selection,
    requests: Requests,
    readonly theme: ReadonlySignal<Theme>,
    until: AbortSignal,
  ) {
    this.n = model.get("n_points");
    this.texts = new PointTexts(model);
    this.layers = model.get("layers");
    this.columns = model.get("columns") as unknown as Column[];
    this.axes = model.get("axes");
    const [left, bottom, right, top] = model.get("frame") as [number, number, number, number];
    this.box = { left, bottom, right, top };
    this.zoom = signal(middleOf(this.box));
    this.loaded = new LayersAndColumns(model, requests);
    this.layer = trait(model, "layer", until);
    const name = trait(model, "colour", until);
    this.column = computed(() => this.columns.find((one) => one.name === name.value));
    this.places = this.loaded.following("layer", this.layer, until, new Float32Array(2 * this.n));
    this.nearest = computed(() => new Nearest(this.places.value));
    const values = this.loaded.following("column", name, until, new Float32Array(0));
    this.values = computed(() => (values.value.length ? values.value : undefined));
    this.scale = this.#followScale(until);
    this.table = computed(() => tableOf(!!this.column.value?.signed, theme.value));
    this.clipped = computed(() => {
      const [scale, values] = [this.scale.value, this.values.value];
      if (this.column.value?.classes !== null || !values) return 0;
      return values.reduce((n, value) => n + Number(value > scale.high || value < scale.low), 0);
    });
    this.ownColours = computed(() =>
      coloursOf(this.n, this.column.value, this.values.value, this.scale.value, this.table.value, theme.value.dark),
    );
    this.selected = signal(this.#own());
    selection.subscribe(() => {
      const [now, before] = [this.#own(), this.selected.peek()];
      // else heads have changed, or tokens
      if (now.size !== before.size || [...now].some((row) => !before.has(row))) this.selected.value = now;
    }, until);
    this.colours = computed(() => {
      const [own, selected, only] = [this.ownColours.value, this.selected.value, this.only.value];
      if (!selected.size && only === undefined) return own;
      const counts = (point: number): boolean => this.isShown(point) && (!selected.size || selected.has(point));
      return dimmed(own, counts, theme.value.groundRgb, PALE);
    });
    this.size = computed(() => {
      const least = this.n <= 200 ? 9 : this.n <= 2000 ? 6 : this.n <= 20_000 ? 4 : 3;
      return least * Math.min(2.5, this.zoom.value.factor ** 0.3);
    });
  }

  #followScale(until: AbortSignal): Signal<Scale> {
    const [kind, limits] = [trait(this.model, "scale", until), trait(this.model, "limits", until)];
    const scale = computed<Scale>(() => {
      if (this.#dragged.value) return this.#dragged.value;
      const column = this.column.value;
      const [low, high] = limits.value ?? [column?.low ?? 0, column?.high ?? 1];
      const size = Math.max(Math.abs(low), Math.abs(high));
      return column?.signed
        ? { kind: "linear", low: -size, high: size, threshold: 0 }
        : { kind: kind.value, low, high, threshold: 0 };
    });
    return settable<Scale>(scale, (next) => void (this.#dragged.value = { ...next, threshold: 0 }));
  }

  fitted(): Scale {
    const { low, high } = this.column.peek()!;
    return { kind: this.scale.peek().kind, low, high, threshold: 0 };
  }

  largest(): number {
    return (this.values.peek() ?? new Float32Array()).reduce(
      (most: number, value: number) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most),
      0,
    );
  }

  commitScale(): void {
    const { kind, low, high } = this.scale.peek();
    const fits = this.fitted();
    batch(() => {
      save(this.model, { scale: kind, limits: low === fits.low && high === fits.high ? null : [low, high] });
      this.#dragged.value = undefined;
    });
  }

  setColumn(name: string): void {
    if (name === this.model.get("colour")) return;
    batch(() => {
      this.only.value = undefined;
      save(this.model, { colour: name, limits: null, scale: "linear" });
    });
  }

  stepColumn(by: number): void {
    const n = this.columns.length;
    const at = this.columns.indexOf(this.column.peek()!);
    if (n > 1) this.setColumn(this.columns[(at + by + n) % n]!.name);
  }

  setLayer(layer: number): void {
    if (layer !== this.layer.peek()) save(this.model, { layer });
  }

  stepLayer(by: number): void {
    const next = this.layers[this.layers.indexOf(this.layer.peek()) + by];
    if (next !== undefined) this.setLayer(next);
  }

  /** It is of the one class that is shown. */
  readonly isShown = (point: number): boolean =>
    this.only.peek() === undefined || this.values.peek()?.[point] === this.only.peek();

  /** The class of a point, or its number. */
  valueOf(point: number): string | number | undefined {
    const [column, values] = [this.column.peek(), this.values.peek()];
    if (!column || !values) return undefined;
    const value = values[point]!;
    return Number.isNaN(value) ? undefined : column.classes ? column.classes[value] : value;
  }

  // -- what is selected

  point(row: number): Point {
    return [this.texts.samples[row]!, this.texts.positions[row]!];
  }

  select(rows: readonly number[], extend: boolean): void {
    const before = extend ? [...this.selected.peek()] : [];
    this.selection.setPoints([...new Set([...before, ...rows])].map((row) => this.point(row)));
  }

  toggle(row: number, extend: boolean): void {
    const now = this.selected.peek();
    if (extend && now.has(row))
      this.select(
        [...now].filter((one) => one !== row),
        false,
      );
    else if (!extend && now.size === 1 && now.has(row)) this.select([], false);
    else this.select([row], extend);
  }

  enclose(outline: Outline, extend: boolean): number {
    const rows = inside(outline, this.places.peek(), this.isShown);
    this.select(rows, extend);
    return rows.length;
  }

  /** Escape: undo the last kind of choice. Returns what was done; "" when nothing was left. */
  stepBack(): string {
    if (this.corner.peek() !== undefined) {
      this.corner.value = undefined;
      return "No corner marked.";
    }
    if (this.selected.peek().size) {
      this.selection.setPoints([]);
      return "No point selected.";
    }
    if (this.only.peek() !== undefined) {
      this.only.value = undefined;
      return "All classes shown.";
    }
    if (this.zoom.peek().factor > 1) {
      this.zoom.value = middleOf(this.box);
      return "All points in sight.";
    }
    return "";
  }

  #own(): ReadonlySet<number> {
    const rows = this.selection.points.map(([sample, position]) => this.texts.row(sample, position));
    return new Set(rows.filter((row) => row !== undefined));
  }
}
