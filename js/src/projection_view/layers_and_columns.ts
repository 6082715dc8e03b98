/** Layers and columns: those that the state holds, others when they are asked for. */
import { type Bytes, float32 } from "../core/bytes";
import { type ReadonlySignal, signal, watch } from "../core/reactive";
import type { Requests } from "../core/requests";
import type { Model } from "../core/widget_model";
import type { ProjectionViewTraits } from "../generated/traits";

type Kind = "layer" | "column";

export class LayersAndColumns {
  /** What is on its way, or why it did not come. */
  readonly status = signal("");
  readonly #held: Record<Kind, Map<number | string, Float32Array>>;
  readonly #asked = new Map<string, Promise<Float32Array>>();

  constructor(
    model: Model<ProjectionViewTraits>,
    readonly requests: Requests,
  ) {
    const n = model.get("n_points");
    const cut = <K>(names: readonly K[], value: Bytes, size: number): Map<K, Float32Array> => {
      const all = float32(value);
      return new Map(names.map((name, at) => [name, all.subarray(at * size, (at + 1) * size)]));
    };
    this.#held = {
      layer: cut<number | string>(model.get("held_layers"), model.get("places"), 2 * n),
      column: cut<number | string>(model.get("held_columns"), model.get("values"), n),
    };
  }

  async get(kind: Kind, name: number | string): Promise<Float32Array> {
    const held = this.#held[kind].get(name);
    if (held) return held;
    const key = `${kind} ${name}`;
    let asked = this.#asked.get(key);
    if (!asked) {
      asked = this.requests.ask(kind, kind === "layer" ? { layer: name } : { name }).then(({ buffers }) => {
        const found = float32(buffers[0]!);
        this.#held[kind].set(name, found);
        return found;
      });
      this.#asked.set(key, asked);
      asked.catch(() => {}).finally(() => this.#asked.delete(key));
    }
    return asked;
  }

  /** What is named by a signal; while it is on its way, what was there before. */
  following(
    kind: Kind,
    name: ReadonlySignal<number | string>,
    until: AbortSignal,
    first: Float32Array,
  ): ReadonlySignal<Float32Array> {
    const found = signal(this.#held[kind].get(name.peek()) ?? first);
    watch(until, () => {
      const wanted = name.value;
      const held = this.#held[kind].get(wanted);
      if (held || wanted === "") {
        found.value = held ?? first;
        return;
      }
      this.status.value = kind === "layer" ? `loading layer ${wanted} …` : "loading colours …";
      this.get(kind, wanted).then(
        (values) => {
          if (until.aborted || name.peek() !== wanted) return;
          found.value = values;
          this.status.value = "";
        },
        (error: Error) => {
          if (error.name !== "AbortError" && name.peek() === wanted) this.status.value = error.message;
        },
      );
    });
    return found;
  }
}
