/** All edges of a model, the strongest first; an edge is its rank everywhere. */
import { bytes, float32, uint16 } from "../../core/bytes";
import type { Model } from "../../core/widget_model";
import type { CircuitGraphTraits } from "../../generated/traits";
import type { Graph } from "./graph";

export class Edges {
  readonly count: number;
  /** Those with a score come first. */
  readonly scored: number;
  readonly sender: Uint16Array;
  readonly receiver: Uint16Array;
  /** NaN where there is none. */
  readonly score: Float32Array;
  readonly given: Uint8Array;
  /** Of the circuit that is compared. */
  readonly other: { included: Uint8Array; score: Float32Array } | undefined;
  readonly #rank: Int32Array;

  constructor(
    readonly graph: Graph,
    model: Model<CircuitGraphTraits>,
  ) {
    this.sender = uint16(model.get("senders"));
    this.receiver = uint16(model.get("receivers"));
    this.score = float32(model.get("scores"));
    this.given = bytes(model.get("given"));
    const other = bytes(model.get("other"));
    this.other = other.length ? { included: other, score: float32(model.get("other_scores")) } : undefined;
    this.count = this.score.length;
    let scored = this.count;
    while (scored && Number.isNaN(this.score[scored - 1])) scored--;
    this.scored = scored;
    this.#rank = new Int32Array(graph.edgeCount);
    for (let rank = 0; rank < this.count; rank++)
      this.#rank[graph.edge(this.sender[rank]!, this.receiver[rank]!)] = rank;
  }

  name(rank: number): string {
    return this.graph.edgeName(this.sender[rank]!, this.receiver[rank]!);
  }

  /** The edge of this name. */
  find(name: string): number | undefined {
    const [from, to] = name.split("->");
    const sender = this.graph.find(from ?? "");
    const receiver = this.graph.findReceiver(to ?? "");
    return sender === undefined || receiver === undefined ? undefined : this.rankOf(sender, receiver);
  }

  /** Undefined where a graph of latents has no such edge. */
  rankOf(sender: number, receiver: number): number | undefined {
    return this.#rank[this.graph.edge(sender, receiver)];
  }

  /** Values by rank in the order of the graph. */
  inGraphOrder<T>(values: ArrayLike<T>): T[] {
    return Array.from(this.#rank, (rank) => values[rank]!);
  }

  /** Ranks of the edges into (or out of) counted nodes, the strongest first. */
  touching(nodes: ReadonlySet<number>): { into: number[]; out: number[] } {
    const [into, out]: [number[], number[]] = [[], []];
    const reads = this.graph.receivers.map(({ owners }) => owners.some((owner) => nodes.has(owner)));
    for (let rank = 0; rank < this.count; rank++) {
      if (reads[this.receiver[rank]!]) into.push(rank);
      if (nodes.has(this.sender[rank]!)) out.push(rank);
    }
    return { into, out };
  }
}
