/** What a person changes in a circuit: the TypeScript of `scope_widgets/widgets/circuit_graph/edits.py`. */
import type { Model } from "../../core/widget_model";
import type { CircuitGraphTraits } from "../../generated/traits";
import type { Edges } from "./edges";

export interface Edits {
  /** So many of the strongest edges are in; null: those of the circuit as given. */
  kept: number | null;
  /** Nodes and edges that are out all the same. */
  removed: string[];
  /** Edges that are in all the same. */
  added: string[];
  /** By name, as the next two: a Map, for a group may be called "constructor". */
  labels: ReadonlyMap<string, string>;
  groups: ReadonlyMap<string, string[]>;
  /** Where moved nodes and groups stand: [column, layer]. */
  pins: ReadonlyMap<string, [column: number, row: number]>;
}

export const EDITS = ["kept", "removed", "added", "labels", "groups", "pins"] as const;

export const readEdits = (model: Model<CircuitGraphTraits>): Edits => ({
  kept: model.get("kept"),
  removed: model.get("removed"),
  added: model.get("added"),
  labels: new Map(Object.entries(model.get("labels"))),
  groups: new Map(Object.entries(model.get("groups"))),
  pins: new Map(Object.entries(model.get("pins"))),
});

/** An edit as its trait holds it. */
export const plainEdit = (edits: Edits, name: (typeof EDITS)[number]): unknown =>
  edits[name] instanceof Map ? Object.fromEntries(edits[name]) : edits[name];

/** One text for each state of the edits. */
export const editsText = (edits: Edits): string => JSON.stringify(EDITS.map((name) => plainEdit(edits, name)));

/** A map without one of its entries, or with another. */
export function changed<T>(items: ReadonlyMap<string, T>, name: string, value?: T): Map<string, T> {
  const made = new Map(items);
  if (value === undefined) made.delete(name);
  else made.set(name, value);
  return made;
}

const isEdge = (name: string): boolean => name.includes("->");

/** Which edges are in, 1 or 0 by rank. */
export function includedBy(
  edges: Edges,
  { kept, removed, added }: Pick<Edits, "kept" | "removed" | "added">,
): Uint8Array {
  const mask =
    kept === null ? edges.given.slice() : new Uint8Array(edges.count).fill(1, 0, Math.min(kept, edges.scored));
  const set = (names: string[], value: number): void => {
    for (const name of names) {
      const rank = edges.find(name);
      if (rank !== undefined) mask[rank] = value;
    }
  };
  set(added, 1);
  set(removed.filter(isEdge), 0);
  const out = new Set(removed.filter((name) => !isEdge(name)).map((name) => edges.graph.find(name)));
  if (!out.size) return mask;
  // An input that heads share is closed only when all of them are out.
  const closed = edges.graph.receivers.map(({ owners }) => owners.every((owner) => out.has(owner)));
  for (let rank = 0; rank < edges.count; rank++)
    if (out.has(edges.sender[rank]!) || closed[edges.receiver[rank]!]) mask[rank] = 0;
  return mask;
}

/** Take an edge out or put it in. */
export function toggledEdge(edges: Edges, edits: Edits, rank: number): Pick<Edits, "removed" | "added"> {
  const name = edges.name(rank);
  const without = (names: string[]): string[] => names.filter((one) => one !== name);
  const base = edits.kept === null ? edges.given[rank] === 1 : rank < Math.min(edits.kept, edges.scored);
  const present = !edits.removed.includes(name) && (base || edits.added.includes(name));
  if (present)
    return { removed: base ? [...without(edits.removed), name] : without(edits.removed), added: without(edits.added) };
  return { removed: without(edits.removed), added: base ? without(edits.added) : [...without(edits.added), name] };
}

/** Take nodes out, or where all of them are out, put them in. */
export function toggledNodes({ removed }: Edits, nodes: string[]): Pick<Edits, "removed"> {
  const all = nodes.every((name) => removed.includes(name));
  const rest = removed.filter((name) => !nodes.includes(name));
  return { removed: all ? rest : [...rest, ...nodes] };
}

/** Put nodes into a group; they leave those in which they were. */
export function grouped({ groups }: Edits, name: string, nodes: string[]): Pick<Edits, "groups"> {
  const rest = [...groups].map(
    ([other, members]) => [other, other === name ? members : members.filter((node) => !nodes.includes(node))] as const,
  );
  const made = new Map(rest.filter(([, members]) => members.length));
  return { groups: changed(made, name, [...new Set([...(made.get(name) ?? []), ...nodes])]) };
}
