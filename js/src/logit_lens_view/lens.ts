/** The lens as it arrives from Python: first the top token of each cell, then everything else. */

import { float32, int32 } from "../core/bytes";
import { type Signal, signal } from "../core/reactive";
import type { Requests } from "../core/requests";
import type { Model } from "../core/widget_model";
import type { LogitLensViewTraits } from "../generated/traits";

export type Colour = "probability" | "entropy" | "kl" | "rank" | "token_probability";

/** The best tokens of each cell, k a cell. */
export interface Candidates {
  k: number;
  ids: Int32Array;
  probabilities: Float32Array;
}

/** A watched token in each cell; rank 0 is the top. */
export interface Watched {
  ranks: Int32Array;
  probabilities: Float32Array;
}

export interface Candidate {
  id: number;
  text: string;
  probability: number;
}

/** Cells are numbered layer by layer, the lowest first: `cell = layer index * positions + position`. */
export class Lens {
  readonly tokens: string[];
  readonly layers: number[];
  readonly topIds: Int32Array;
  readonly topProbabilities: Float32Array;
  readonly watched: number[];
  readonly entropy = signal<Float32Array | undefined>(undefined);
  readonly kl = signal<Float32Array | undefined>(undefined);
  readonly candidates = signal<Candidates | undefined>(undefined);
  readonly ofWatched: Map<number, Signal<Watched | undefined>>;
  readonly #texts: Map<string, string>;
  readonly #requests: Requests;

  constructor(model: Model<LogitLensViewTraits>, requests: Requests) {
    this.tokens = model.get("tokens");
    this.layers = model.get("layers");
    this.topIds = int32(model.get("top_ids"));
    this.topProbabilities = float32(model.get("top_probabilities"));
    this.watched = model.get("watched");
    this.ofWatched = new Map(this.watched.map((token) => [token, signal<Watched | undefined>(undefined)]));
    this.#texts = new Map(Object.entries(model.get("texts")));
    this.#requests = requests;
  }

  get positions(): number {
    return this.tokens.length;
  }

  /** Ask for all that the first message left out. */
  async load(): Promise<void> {
    for (const [token, arrived] of this.ofWatched) {
      const { buffers } = await this.#requests.ask("watched", { token });
      arrived.value = { ranks: int32(buffers[0]!), probabilities: float32(buffers[1]!) };
    }
    this.entropy.value = float32((await this.#requests.ask("entropy")).buffers[0]!);
    this.kl.value = float32((await this.#requests.ask("kl")).buffers[0]!);
    const { data, buffers } = await this.#requests.ask("candidates");
    for (const [id, text] of Object.entries<string>(data.texts)) this.#texts.set(id, text);
    this.candidates.value = { k: data.k, ids: int32(buffers[0]!), probabilities: float32(buffers[1]!) };
  }

  cell(layer: number, position: number): number {
    return layer * this.positions + position;
  }

  text(id: number): string {
    return this.#texts.get(String(id)) ?? `#${id}`;
  }

  /** As the axis says it: the last one is what the model puts out. */
  layerName(layer: number): string {
    return layer === this.layers.length - 1 ? "output" : String(this.layers[layer]);
  }

  /** The best tokens of a cell; only the first one until the others have arrived. */
  best(cell: number): Candidate[] {
    const { k, ids, probabilities } = this.candidates.value ?? {
      k: 1,
      ids: this.topIds,
      probabilities: this.topProbabilities,
    };
    return Array.from({ length: k }, (_, i) => {
      const id = ids[cell * k + i]!;
      return { id, text: this.text(id), probability: probabilities[cell * k + i]! };
    });
  }

  /** What the colours stand for; a rank r as 1 / r, so that more is better there too. Undefined until it has arrived. */
  values(colour: Colour, token: number | null): Float32Array | undefined {
    if (colour === "probability") return this.topProbabilities;
    if (colour === "entropy") return this.entropy.value;
    if (colour === "kl") return this.kl.value;
    const watched = this.ofWatched.get(token ?? NaN)?.value;
    return colour === "rank"
      ? watched && Float32Array.from(watched.ranks, (rank) => 1 / (rank + 1))
      : watched?.probabilities;
  }
}
