/** Numbers, nodes and edges in words. */
import type { Edges } from "./edges";
import { type Graph, nodeWords, type Receiver } from "./graph";
import type { Unit } from "./units";

export const count = (n: number): string => n.toLocaleString("en");

/** "1 edge", "2 edges". */
export const some = (n: number, what: string): string => `${count(n)} ${what}${n === 1 ? "" : "s"}`;

/** In four digits, with its sign: "+0.0132", "−3.2e−5"; a score that is missing is not 0. */
export function brief(value: number): string {
  if (Number.isNaN(value)) return "not scored";
  const size = Math.abs(value);
  const text =
    size === 0 ? "0" : size < 1e-3 ? size.toExponential(1) : size < 10 ? size.toFixed(4) : size.toPrecision(4);
  return (value < 0 ? "−" : value > 0 ? "+" : "") + text.replace("e-", "e−").replace("e+", "e");
}

/** In three digits: "0.83", "−1.2". */
export const plainly = (value: number): string =>
  (Math.abs(value) >= 100 ? value.toFixed(0) : Number(value.toPrecision(3)).toString()).replace("-", "−");

/** "0.65 %". */
export function share(part: number, whole: number): string {
  const percent = whole ? (100 * part) / whole : 0;
  return `${percent === 0 || percent === 100 ? percent : percent < 0.01 ? "< 0.01" : percent < 10 ? Number(percent.toPrecision(2)) : percent.toFixed(0)} %`;
}

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
