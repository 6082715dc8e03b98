/** The circuit as a drawing for Graphviz: the TypeScript of `scope_widgets/experiments/circuit/graphviz.py`. */
import type { Node } from "./circuit/graph";
import type { State } from "./state";

/** Colours of what helps and what hurts. */
const [HELPS, HURTS] = ["#b2182b", "#2166ac"];

const quoted = (text: string): string =>
  `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;

/** The edges that are in, layers from below; groups as one box. */
export function dotOf(
  { edges, graph, ...state }: Pick<State, "edges" | "graph" | "included" | "units" | "edits">,
  title: string,
): string {
  const [included, { all, of }, { labels }] = [state.included.peek(), state.units.peek(), state.edits.peek()];
  const ranks = [...included.keys()].filter((rank) => included[rank]);
  const shown = new Set<number>([of[graph.logits]!]);
  const lines: string[] = [];
  const most = Math.max(...ranks.slice(0, 1).map((rank) => Math.abs(edges.score[rank]!) || 0)) || 1;
  for (const rank of ranks) {
    const receiver = graph.receivers[edges.receiver[rank]!]!;
    const from = of[edges.sender[rank]!]!;
    const score = edges.score[rank]!;
    const size = Math.min(1, (Math.abs(score) || 0) / most);
    for (const to of new Set(receiver.owners.map((owner) => of[owner]!))) {
      if (from === to) continue;
      shown.add(from).add(to);
      lines.push(
        `  ${quoted(all[from]!.key)} -> ${quoted(all[to]!.key)} [penwidth=${(0.4 + 3.6 * size).toFixed(2)}, color="${score < 0 ? HURTS : HELPS}", label="${receiver.site}"];`,
      );
    }
  }
  const rows = new Map<number, number[]>();
  for (const unit of [...shown].sort((one, other) => one - other)) {
    const nodes = all[unit]!.nodes.map((node) => graph.nodes[node]!);
    const rowOf = ({ kind, layer, place }: Node): number => place?.[1] ?? layer + (kind === "mlp" ? 0.5 : 0);
    const height = nodes.reduce((sum, node) => sum + rowOf(node), 0) / nodes.length;
    rows.set(height, [...(rows.get(height) ?? []), unit]);
  }
  const sorted = [...rows.entries()].sort(([one], [other]) => one - other).map(([, units]) => units);
  return [
    "digraph circuit {",
    `  graph [rankdir=BT, ranksep=0.5, nodesep=0.15, fontname="Helvetica", labelloc=t, label=${quoted(title)}];`,
    '  node [shape=box, style="filled,rounded", fillcolor="#f4f5f7", fontname="Helvetica", fontsize=11];',
    '  edge [arrowsize=0.5, fontname="Helvetica", fontsize=8];',
    ...sorted.map(
      (units) =>
        `  { rank=same; ${units.map((unit) => `${quoted(all[unit]!.key)} [label=${quoted(labels.get(all[unit]!.key) ?? all[unit]!.key)}];`).join(" ")} }`,
    ),
    // Rows keep the order of the layers also where no edge says so.
    ...sorted
      .slice(1)
      .map((units, at) => `  ${quoted(all[sorted[at]![0]!]!.key)} -> ${quoted(all[units[0]!]!.key)} [style=invis];`),
    ...lines,
    "}",
    "",
  ].join("\n");
}
