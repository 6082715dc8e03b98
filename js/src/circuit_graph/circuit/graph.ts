/**
 * The nodes and receivers of a model, or of a graph of latents: the TypeScript of `scope_widgets/models/edges/graph.py`
 * and `scope_widgets/experiments/circuit/latent_graph.py`.
 */

export type Kind = "input" | "head" | "mlp" | "logits" | "latent" | "error";
/** Which input of a head an edge enters; "" where there is one only. */
export type Site = "q" | "k" | "v" | "";

export interface Node {
  name: string;
  kind: Kind;
  layer: number;
  /** -1 where it is no head. */
  head: number;
  latent?: number;
  site?: string;
  /** Where it stands; of heads and MLPs of a model's own graph their layer says it. */
  place?: [column: number, row: number];
}

/** Nodes as Python sends them, where they are not those that every model of a shape has. */
export interface GivenNode {
  name: string;
  kind: Kind;
  layer: number;
  /** -1 where it is no head, or no latent. */
  head: number;
  latent: number;
  /** Of a latent or an error: the place of its SAE, such as "residual". */
  site: string;
  column: number;
  row: number;
}

export interface Given {
  nodes: GivenNode[];
  /** Sender and receiving node of each edge, ordered by receiver, then sender. */
  links: [sender: number, receiver: number][];
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
  /** Columns beside that of the MLPs, where they are not the heads. */
  columns?: number;
}

export class Graph {
  /** All that writes, in the order of the forward, then the logits. */
  readonly nodes: Node[] = [];
  readonly receivers: Receiver[] = [];
  readonly #index: Map<string, number>;
  readonly #receiverIndex: Map<string, number>;
  /** Number of edges into the receivers before. */
  readonly #start: number[] = [0];
  /** Of a graph of latents: place of each edge by `sender,receiver`. */
  readonly #links: Map<string, number> | undefined;

  constructor(
    readonly shape: Shape,
    given?: Given,
  ) {
    if (given) {
      const read = new Set(given.links.map(([, receiver]) => receiver));
      this.nodes = given.nodes.map(({ column, row, ...node }) => ({ ...node, place: [column, row] }));
      const readers = [...this.nodes.keys()].filter((at) => read.has(at) || at === this.logits);
      this.receivers = readers.map((at) => ({ name: this.nodes[at]!.name, site: "", owners: [at] }));
      const at = new Map(readers.map((node, receiver) => [node, receiver]));
      this.#links = new Map(given.links.map(([sender, receiver], edge) => [`${sender},${at.get(receiver)}`, edge]));
      [this.#index, this.#receiverIndex] = this.#indices();
      return;
    }
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
    [this.#index, this.#receiverIndex] = this.#indices();
  }

  #indices(): [Map<string, number>, Map<string, number>] {
    const of = (all: { name: string }[]): Map<string, number> => new Map(all.map(({ name }, at) => [name, at]));
    return [of(this.nodes), of(this.receivers)];
  }

  #receive(name: string, site: Site, owners: number[], seen: number): void {
    this.receivers.push({ name, site, owners });
    this.#start.push(this.#start.at(-1)! + seen);
  }

  get logits(): number {
    return this.nodes.length - 1;
  }

  get edgeCount(): number {
    return this.#links?.size ?? this.#start.at(-1)!;
  }

  /** Place of an edge in the order of the graph; -1 where a graph of latents has none. */
  edge(sender: number, receiver: number): number {
    if (this.#links) return this.#links.get(`${sender},${receiver}`) ?? -1;
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

/** "3.1", "MLP 3", "embeddings", "logits", "latent 3.17": for what has little room. */
export const shortName = ({ name, kind, layer, head }: Node): string =>
  ({
    input: "embeddings",
    head: `${layer}.${head}`,
    mlp: `MLP ${layer}`,
    logits: "logits",
    latent: `latent ${name}`,
    error: `error ${name.replace(/\.error$/, "")}`,
  })[kind];

/** "Head 3.1", "MLP of layer 3", "Embeddings", "Logits", "Latent 3.17". */
export function nodeWords({ name, kind, layer, head }: Node): string {
  return {
    input: "Embeddings",
    head: `Head ${layer}.${head}`,
    mlp: `MLP of layer ${layer}`,
    logits: "Logits",
    latent: `Latent ${name}`,
    error: `Error of the SAE of ${name.replace(/\.error$/, "")}`,
  }[kind];
}
