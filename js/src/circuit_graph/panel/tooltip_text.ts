/** What the pointer's note says of a node and of an edge. */

import { h } from "../../core/elements/dom";
import { count, counted } from "../../core/format";
import type { Unit } from "../circuit/drawn_nodes";
import { shortName } from "../circuit/graph";
import { edgeWords, scoreText, unitWords } from "../circuit/names";
import type { Curve } from "../drawing/edge_lines";
import type { State } from "../state";

const dim = (text: string): HTMLElement => h("div", { class: "sw-dim" }, text);

export function unitNote(state: State, unit: Unit): HTMLElement[] {
  const included = state.included.peek();
  const { into, out } = state.edges.touching(new Set(unit.nodes));
  const [ins, outs] = [into, out].map((ranks) => ranks.filter((rank) => included[rank]));
  const sum = outs!.reduce((total, rank) => total + (state.edges.score[rank]! || 0), 0);
  const label = state.edits.peek().labels.get(unit.key);
  const lines: HTMLElement[] = [
    h("div", {}, h("b", {}, unitWords(state.graph, unit)), ...(label ? [` ${label}`] : [])),
  ];
  if (unit.kind === "group") lines.push(dim(unit.nodes.map((node) => shortName(state.graph.nodes[node]!)).join(", ")));
  lines.push(dim(`${counted(ins!.length, "edge")} in, ${count(outs!.length)} out`));
  if (outs!.length) lines.push(dim(`scores out sum to ${scoreText(sum)}`));
  if (isRemoved(state, unit)) lines.push(dim("taken out"));
  return lines;
}

export const isRemoved = (state: State, unit: Unit): boolean =>
  unit.nodes.every((node) => state.edits.value.removed.includes(state.graph.nodes[node]!.name));

export function curveNote(state: State, { ranks, score, sort }: Curve): HTMLElement[] {
  const { edges } = state;
  if (ranks.length > 1)
    return [h("div", {}, h("b", {}, counted(ranks.length, "edge"))), dim(`scores sum to ${scoreText(score)}`)];
  const [rank] = ranks as [number];
  const names: string[] = state.model.get("names");
  const lines: HTMLElement[] = [
    h("div", {}, h("b", {}, edgeWords(edges, rank))),
    h("div", {}, scoreText(score)),
    dim(Number.isNaN(score) ? "without a score" : `number ${count(rank + 1)} of ${count(edges.scored)}`),
  ];
  if (sort === "removed") lines.push(dim("taken out"));
  if (sort === "a" || sort === "b") lines.push(dim(`only in ${sort.toUpperCase()}: ${names[sort === "a" ? 0 : 1]}`));
  if (sort === "both") lines.push(dim(`in both; in B ${scoreText(edges.other!.score[rank]!)}`));
  return lines;
}
