/** The nodes and receivers of a model: the TypeScript of `scope_widgets/models/edges/graph.py`. */

export type Kind = "input" | "head" | "mlp" | "logits";
/** Which input of a head an edge enters; "" where there is one only. */
export type Site = "q" | "k" | "v" | "";

export interface Node {
  name: string;
  kind: Kind;
  layer: number;
  /** -1 where it is no head. */
  head: number;
}

export interface Receiver {
  name: string;
  site: Site;
  /** The nodes that it belongs to: several where heads share keys and values. */
  owners: number[];
}

export interface Shape {
  layers: number;
  heads: number;
  kvHeads: number;
  parallel: boolean;
}

export class Graph {
  /** All that writes, in the order of the forward, then the logits. */
  readonly nodes: Node[] = [];
  readonly receivers: Receiver[] = [];
  readonly #index: Map<string, number>;
  readonly #receiverIndex: Map<string, number>;
  /** Number of edges into the receivers before. */
  readonly #start: number[] = [0];

  constructor(readonly shape: Shape) {
    const { layers, heads, kvHeads } = shape;
    const node = (name: string, kind: Kind, layer: number, head = -1): void =>
      void this.nodes.push({ name, kind, layer, head });
    node("input", "input", -1);
    for (let layer = 0; layer < layers; layer++) {
      for (let head = 0; head < heads; head++) node(`a${layer}.h${head}`, "head", layer, head);
      node(`m${layer}`, "mlp", layer);
    }
    node("logits", "logits", layers);
    const group = heads / kvHeads;
    const kv = kvHeads < heads ? "kv" : "h";
    for (let layer = 0; layer < layers; layer++) {
      const first = 1 + layer * (heads + 1);
      for (let head = 0; head < heads; head++) this.#receive(`a${layer}.h${head}<q>`, "q", [first + head], first);
      for (const site of ["k", "v"] as const)
        for (let at = 0; at < kvHeads; at++)
          this.#receive(
            `a${layer}.${kv}${at}<${site}>`,
            site,
            Array.from({ length: group }, (_, i) => first + at * group + i),
            first,
          );
      this.#receive(`m${layer}`, "", [first + heads], first + (shape.parallel ? 0 : heads));
    }
    this.#receive("logits", "", [this.nodes.length - 1], this.nodes.length - 1);
    this.#index = new Map(this.nodes.map(({ name }, at) => [name, at]));
    this.#receiverIndex = new Map(this.receivers.map(({ name }, at) => [name, at]));
  }

  #receive(name: string, site: Site, owners: number[], seen: number): void {
    this.receivers.push({ name, site, owners });
    this.#start.push(this.#start.at(-1)! + seen);
  }

  get logits(): number {
    return this.nodes.length - 1;
  }

  get edgeCount(): number {
    return this.#start.at(-1)!;
  }

  /** Place of an edge in the order of the graph. */
  edge(sender: number, receiver: number): number {
    return this.#start[receiver]! + sender;
  }

  find(name: string): number | undefined {
    return this.#index.get(name);
  }

  findReceiver(name: string): number | undefined {
    return this.#receiverIndex.get(name);
  }

  edgeName(sender: number, receiver: number): string {
    return `${this.nodes[sender]!.name}->${this.receivers[receiver]!.name}`;
  }
}

/** "3.1", "MLP 3", "embeddings", "logits": for what has little room. */
export const shortName = ({ kind, layer, head }: Node): string =>
  ({ input: "embeddings", head: `${layer}.${head}`, mlp: `MLP ${layer}`, logits: "logits" })[kind];

/** "Head 3.1", "MLP of layer 3", "Embeddings", "Logits". */
export function nodeWords({ kind, layer, head }: Node): string {
  return { input: "Embeddings", head: `Head ${layer}.${head}`, mlp: `MLP of layer ${layer}`, logits: "Logits" }[kind];
}
