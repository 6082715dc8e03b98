/** The neurons of an MLP, asked for once. */
import { float64 } from "../core/bytes";
import type { Requests } from "../core/requests";

export interface Neurons {
  layer: number;
  contributions: Float64Array;
  activations: Float64Array;
  /** Standard errors of the contributions; empty for one prompt. */
  errors: Float64Array;
  bias: number;
  total: number;
  /** Neurons, the largest first. */
  order: number[];
}

export class NeuronSource {
  readonly #known = new Map<number, Promise<Neurons>>();

  constructor(readonly requests: Requests) {}

  of(layer: number): Promise<Neurons> {
    let found = this.#known.get(layer);
    if (!found) {
      found = this.#ask(layer);
      this.#known.set(layer, found);
      found.catch(() => this.#known.delete(layer)); // it may be there when asked for again
    }
    return found;
  }

  async #ask(layer: number): Promise<Neurons> {
    const { data, buffers } = await this.requests.ask("neurons", { layer });
    const [contributions, activations, errors] = buffers.map(float64) as [Float64Array, Float64Array, Float64Array];
    const order = Array.from(contributions.keys()).sort(
      (one, other) => Math.abs(contributions[other]!) - Math.abs(contributions[one]!),
    );
    return { layer, contributions, activations, errors, bias: data.bias, total: data.total, order };
  }
}
