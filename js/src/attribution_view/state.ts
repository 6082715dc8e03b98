/** What an attribution view shows, as signals; everything else follows from them. */
import { signedTable, type Table } from "../core/drawing/colour";
import type { Scale } from "../core/drawing/scale";
import type { Theme } from "../core/elements/theme";
import { batch, computed, type ReadonlySignal, type Signal, settable, signal, trait, watch } from "../core/reactive";
import type { Requests } from "../core/requests";
import type { Head, Selection } from "../core/selection";
import { type Model, save } from "../core/widget_model";
import type { AttributionViewTraits } from "../generated/traits";
import { headOf, type Part, Parts } from "./components";
import { type Axis, axisOf } from "./layout";
import { NeuronSource } from "./neurons";

export interface Spot {
  row: number;
  /** One beyond the last: the running total. */
  column: number;
}

export class State {
  readonly parts: Parts;
  readonly neurons: NeuronSource;
  readonly axis: Axis;
  readonly heads: Signal<Head[]>;
  /** The layer of the MLP whose neurons are shown. */
  readonly mlp: ReadonlySignal<number | null>;
  /** Of that MLP, the one that is selected, with its activation. */
  readonly neuron = signal<{ layer: number; index: number; value: number } | undefined>(undefined);
  readonly pointed = signal<Spot | undefined>(undefined);
  readonly scale: Signal<Scale>;
  readonly table: ReadonlySignal<Table>;
  readonly clipped: ReadonlySignal<number>;
  readonly #dragged = signal<Scale | undefined>(undefined);

  constructor(
    readonly model: Model<AttributionViewTraits>,
    readonly selection: Selection,
    requests: Requests,
    readonly theme: ReadonlySignal<Theme>,
    until: AbortSignal,
  ) {
    const parts = (this.parts = new Parts(model));
    this.neurons = new NeuronSource(requests);
    this.axis = axisOf([parts.whole, ...parts.rows.flatMap(({ steps }) => steps.map(({ after }) => after))]);
    this.heads = signal(this.#own(selection.heads));
    selection.subscribe(() => (this.heads.value = this.#own(selection.heads)), until);
    this.mlp = trait(model, "mlp", until);
    watch(until, () => {
      void this.mlp.value;
      this.neuron.value = undefined;
    });
    this.table = computed(() => signedTable(theme.value.groundRgb, theme.value.dark));
    this.scale = this.#followScale(until);
    this.clipped = computed(() => {
      const { high } = this.scale.value;
      return parts.at.reduce(
        (count, at) => count + Number(at >= 0 && Math.abs(parts.all[at]!.value) > high * (1 + 1e-9)),
        0,
      );
    });
  }

  /** The scale of the traits; while it is dragged, ahead of them. */
  #followScale(until: AbortSignal): Signal<Scale> {
    const [limit, threshold] = [trait(this.model, "limit", until), trait(this.model, "threshold", until)];
    const dragged = this.#dragged;
    const scale = computed<Scale>(() => {
      const high = limit.value ?? this.fitted().high;
      return dragged.value ?? { kind: "linear", low: -high, high, threshold: threshold.value };
    });
    return settable<Scale>(scale, (next) => void (dragged.value = next));
  }

  /** The largest value in the map. */
  largest(): number {
    const { at, all } = this.parts;
    return at.reduce((most, i) => (i >= 0 && Math.abs(all[i]!.value) > most ? Math.abs(all[i]!.value) : most), 0);
  }

  fitted(): Scale {
    const high = this.largest() || 1;
    return { kind: "linear", low: -high, high, threshold: 0 };
  }

  commitScale(): void {
    const { high, threshold } = this.scale.peek();
    batch(() => {
      save(this.model, { limit: high === this.fitted().high ? null : high, threshold });
      this.#dragged.value = undefined;
    });
  }

  /** Select a head, or open an MLP. */
  choose(part: Part, extend: boolean): void {
    const head = headOf(part);
    if (head) this.selection.setHeads(toggled(this.heads.peek(), head, extend));
    else if (part.component === "mlp") this.openMlp(this.mlp.peek() === part.layer ? null : part.layer);
  }

  openMlp(layer: number | null): void {
    save(this.model, { mlp: layer });
  }

  /** Escape: undo the last kind of choice. Returns what was done; "" when nothing was left. */
  stepBack(): string {
    if (this.neuron.peek()) return ((this.neuron.value = undefined), "No neuron selected.");
    if (this.mlp.peek() !== null) return (this.openMlp(null), "Neurons closed.");
    if (this.heads.peek().length) return (this.selection.setHeads([]), "No head selected.");
    return "";
  }

  /** The MLP that writes most, or the next one after the one that is open. */
  nextMlp(): void {
    const mlps = this.parts.largest().filter(({ component }) => component === "mlp");
    if (!mlps.length) return;
    const at = mlps.findIndex(({ layer }) => layer === this.mlp.peek());
    this.openMlp(mlps[(at + 1) % mlps.length]!.layer);
  }

  #own(heads: Head[]): Head[] {
    return heads.filter(([layer, head]) => layer < this.parts.layers && head < this.parts.heads);
  }
}

/** `item` alone (or, where it was alone, none) or, to extend, added to the others or taken away from them. */
function toggled(items: Head[], item: Head, extend: boolean): Head[] {
  const others = items.filter((one) => String(one) !== String(item));
  if (!extend) return items.length === 1 && !others.length ? [] : [item];
  return others.length < items.length ? others : [...items, item];
}
