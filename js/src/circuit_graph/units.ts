/** What is drawn as one: a node, or a group of nodes as one box. */
import type { Edits } from "./edits";
import type { Graph, Kind } from "./graph";

export interface Unit {
  /** Name of the node or of the group. */
  key: string;
  kind: Kind | "group";
  nodes: number[];
  column: number;
  row: number;
  pinned: boolean;
}

export interface Units {
  all: Unit[];
  /** Unit of each node. */
  of: number[];
  find: Map<string, number>;
}

/** An MLP stands to the right of its layer's heads, and above them where it reads them. */
const MLP_GAP = 0.3;
const MLP_RISE = 0.4;

export const columnsOf = ({ shape }: Graph): number => shape.heads + MLP_GAP;

export function unitsOf(graph: Graph, { groups, pins }: Pick<Edits, "groups" | "pins">): Units {
  const places = graph.nodes.map((_, node) => placeOf(graph, node));
  const groupOf = new Map(Object.entries(groups).flatMap(([name, nodes]) => nodes.map((node) => [node, name] as const)));
  const all: Unit[] = [];
  const of: number[] = [];
  const find = new Map<string, number>();
  graph.nodes.forEach((node, at) => {
    const group = groupOf.get(node.name);
    const key = group ?? node.name;
    let unit = find.get(key);
    if (unit === undefined) {
      find.set(key, (unit = all.length));
      all.push({ key, kind: group === undefined ? node.kind : "group", nodes: [], column: 0, row: 0, pinned: key in pins });
    }
    all[unit]!.nodes.push(at);
    of.push(unit);
  });
  for (const unit of all) {
    const mean = (axis: 0 | 1): number => unit.nodes.reduce((sum, node) => sum + places[node]![axis], 0) / unit.nodes.length;
    [unit.column, unit.row] = pins[unit.key] ?? [mean(0), mean(1)];
  }
  return { all, of, find };
}

function placeOf({ nodes, shape }: Graph, at: number): [column: number, row: number] {
  const { kind, layer, head } = nodes[at]!;
  if (kind === "head") return [head, layer];
  if (kind === "mlp") return [shape.heads + MLP_GAP, layer + (shape.parallel ? 0 : MLP_RISE)];
  return [(shape.heads - 1) / 2, layer];
}
