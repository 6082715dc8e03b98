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

/** Groups stand in a lane of their own to the right, until they are moved. */
const LANE = { at: 1.5, width: 2.1 };
/** Between two groups, in twelfths of the depth. */
const APART = 0.8;

export const columnsOf = ({ shape }: Graph, groups: number): number =>
  (shape.columns ?? shape.heads) + MLP_GAP + (groups ? LANE.width : 0);

export function unitsOf(graph: Graph, { groups, pins }: Pick<Edits, "groups" | "pins">): Units {
  const places = graph.nodes.map((_, node) => placeOf(graph, node));
  const groupOf = new Map([...groups].flatMap(([name, nodes]) => nodes.map((node) => [node, name] as const)));
  const all: Unit[] = [];
  const of: number[] = [];
  const find = new Map<string, number>();
  graph.nodes.forEach((node, at) => {
    const group = groupOf.get(node.name);
    const key = group ?? node.name;
    let unit = find.get(key);
    if (unit === undefined) {
      find.set(key, (unit = all.length));
      all.push({
        key,
        kind: group === undefined ? node.kind : "group",
        nodes: [],
        column: 0,
        row: 0,
        pinned: pins.has(key),
      });
    }
    all[unit]!.nodes.push(at);
    of.push(unit);
  });
  for (const unit of all) if (unit.kind !== "group") [unit.column, unit.row] = places[unit.nodes[0]!]!;
  standApart(
    all.filter(({ kind }) => kind === "group"),
    places,
    graph.shape,
  );
  for (const unit of all) [unit.column, unit.row] = pins.get(unit.key) ?? [unit.column, unit.row];
  return { all, of, find };
}

/** Groups at the mean layer of their nodes, moved up where they would cover each other. */
function standApart(groups: Unit[], places: [number, number][], { layers, heads, columns }: Graph["shape"]): void {
  for (const unit of groups) unit.row = unit.nodes.reduce((sum, node) => sum + places[node]![1], 0) / unit.nodes.length;
  let least = -Infinity;
  for (const unit of groups.sort((one, other) => one.row - other.row)) {
    unit.column = (columns ?? heads) + MLP_GAP + LANE.at;
    unit.row = Math.max(unit.row, least);
    least = unit.row + APART * Math.max(1, layers / 12);
  }
}

function placeOf({ nodes, shape }: Graph, at: number): [column: number, row: number] {
  const { kind, layer, head, place } = nodes[at]!;
  if (place) return place;
  if (kind === "head") return [head, layer];
  if (kind === "mlp") return [shape.heads + MLP_GAP, layer + (shape.parallel ? 0 : MLP_RISE)];
  return [(shape.heads - 1) / 2, layer];
}
