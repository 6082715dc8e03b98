/** Names of nodes and edges, and scores, as text. */
import { fourDigits, signed } from "../../core/format";
import type { Unit } from "./drawn_nodes";
import type { Edges } from "./edges";
import { type Graph, nodeWords, type Receiver } from "./graph";

/** Four digits and the sign: "+0.0132", "−3.2e−5"; a score that is missing is not 0. */
export const scoreText = (value: number): string => (Number.isNaN(value) ? "not scored" : signed(value, fourDigits));

/** The node that an edge enters, with the input: "Head 3.1 q", "Heads 3.0–3.2 k" where they share it. */
export function receiverWords({ nodes }: Graph, { owners, site }: Receiver): string {
  const [first] = owners.map((owner) => nodes[owner]!);
  const who =
    owners.length === 1
      ? nodeWords(first!)
      : `Heads ${first!.layer}.${first!.head}–${first!.layer}.${nodes[owners.at(-1)!]!.head}`;
  return site ? `${who} ${site}` : who;
}

export const edgeWords = (edges: Edges, rank: number): string =>
  `${nodeWords(edges.graph.nodes[edges.sender[rank]!]!)} → ${receiverWords(edges.graph, edges.graph.receivers[edges.receiver[rank]!]!)}`;

export const unitWords = (graph: Graph, unit: Unit): string =>
  unit.kind === "group" ? `Group ${unit.key}` : nodeWords(graph.nodes[unit.nodes[0]!]!);
