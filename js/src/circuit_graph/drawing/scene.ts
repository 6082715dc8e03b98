/** What is drawn of a circuit: the strongest edges until the budget is spent, and the nodes at their ends. */

import type { Unit, Units } from "../circuit/drawn_nodes";
import type { Edges } from "../circuit/edges";
import type { Site } from "../circuit/graph";
import { type Curve, pathBetween, type Sort } from "./edge_lines";
import type { Frame } from "./layout";

export const MOST_NODES = 400;
export const MOST_EDGES = 2000;

export interface Mark {
  unit: Unit;
  x: number;
  y: number;
  /** Half its width and half its height. */
  w: number;
  h: number;
  /** "in": with edges; "out": without; "removed" by hand. */
  state: "in" | "out" | "removed";
  /** Sum of the absolute scores of its edges. */
  strength: number;
}

/** Where an edge into keys or values arrives that several heads share. */
export interface Bracket {
  x: number;
  y: number;
  half: number;
}

export interface Scene {
  frame: Frame;
  marks: (Mark | undefined)[];
  curves: Curve[];
  brackets: Bracket[];
  counts: {
    /** Edges that are in (in either circuit), those drawn, and those within a group. */
    edges: number;
    drawn: number;
    inside: number;
    nodes: number;
    drawnNodes: number;
  };
}

export interface Drawn {
  edges: Edges;
  units: Units;
  included: Uint8Array;
  /** Edges that were taken out by hand. */
  removed: number[];
  /** Nodes that were. */
  removedNodes: ReadonlySet<number>;
  comparing: boolean;
  frame: Frame;
  /** How wide a text is in a node's box. */
  textWidth(text: string): number;
}

const PORTS: Record<Site, number> = { q: -0.6, k: 0, v: 0.6, "": 0 };

export function sceneOf(drawn: Drawn): Scene {
  const { edges, included, frame, removedNodes } = drawn;
  const other = otherOf(drawn);
  const { ranks, shown, touched, strength, ...counts } = chosenOf(drawn);
  const marks = marksOf(drawn, strength, touched, shown);
  const brackets = new Map<string, Bracket>();
  const curves = curvesOf(drawn, ranks, marks, brackets, (rank) => {
    if (other) return included[rank] ? (other[rank] ? "both" : "a") : "b";
    return Number.isNaN(edges.score[rank]) ? "unscored" : "scored";
  });
  const ghosts = drawn.removed.filter((rank) => !removedNodes.has(edges.sender[rank]!));
  curves.push(...curvesOf(drawn, ghosts, marks, brackets, () => "removed"));
  return {
    frame,
    marks,
    curves,
    brackets: [...brackets.values()],
    counts: {
      ...counts,
      drawn: ranks.length,
      nodes: touched.reduce((sum, one) => sum + one, 0),
      drawnNodes: marks.filter((mark) => mark?.state === "in").length,
    },
  };
}

/** What the other circuit includes, while the two are compared. */
const otherOf = ({ edges, comparing }: Drawn): Uint8Array | undefined =>
  comparing ? edges.other?.included : undefined;

interface Chosen {
  /** Edges that are drawn. */
  ranks: number[];
  /** Of each unit: whether it is drawn, whether edges end at it, and the sum of their absolute scores. */
  shown: Uint8Array;
  touched: Uint8Array;
  strength: Float64Array;
  /** How many edges are in, and how many of them within a group. */
  edges: number;
  inside: number;
}

/** The strongest edges that the budgets of edges and nodes have room for; what is said of nodes counts all that are in. */
function chosenOf(drawn: Drawn): Chosen {
  const { edges, units, included } = drawn;
  const { graph } = edges;
  const other = otherOf(drawn);
  const budget = nodeBudget(units, [0, graph.logits]);
  const endsOf = graph.receivers.map(({ owners }) => [...new Set(owners.map((owner) => units.of[owner]!))]);
  const strength = new Float64Array(units.all.length);
  const touched = new Uint8Array(units.all.length);
  const ranks: number[] = [];
  const counts = { edges: 0, inside: 0 };
  for (let rank = 0; rank < edges.count; rank++) {
    const inA = included[rank];
    if (!inA && !other?.[rank]) continue;
    counts.edges++;
    const from = units.of[edges.sender[rank]!]!;
    const ends = endsOf[edges.receiver[rank]!]!;
    const size = Math.abs(inA ? edges.score[rank]! : edges.other!.score[rank]!) || 0;
    if (ends.length === 1 && ends[0] === from) {
      counts.inside++;
      continue;
    }
    touched[from] = 1;
    strength[from]! += size;
    for (const to of ends) {
      touched[to] = 1;
      strength[to]! += size;
    }
    if (ranks.length >= MOST_EDGES || !budget.hasRoom(from) || !ends.every(budget.hasRoom)) continue;
    [from, ...ends].forEach(budget.show);
    ranks.push(rank);
  }
  return { ranks, shown: budget.shown, touched, strength, ...counts };
}

/** Which units are shown, in the order in which they are asked for; `first` always are. */
function nodeBudget({ all, of }: Units, first: number[]) {
  const shown = new Uint8Array(all.length);
  let left = MOST_NODES;
  const show = (unit: number): void => {
    if (shown[unit]) return;
    shown[unit] = 1;
    left--;
  };
  // With few enough nodes all are shown, those without edges as dots.
  if (all.length <= MOST_NODES) shown.fill(1);
  else for (const node of first) show(of[node]!);
  return { shown, show, hasRoom: (unit: number): boolean => !!shown[unit] || left > 0 };
}

function marksOf(
  { units, frame, removedNodes, textWidth }: Drawn,
  strength: Float64Array,
  touched: Uint8Array,
  shown: Uint8Array,
): Scene["marks"] {
  const most =
    Math.max(...units.all.map((unit, at) => (unit.kind === "head" || unit.kind === "mlp" ? strength[at]! : 0))) || 1;
  const { least, most: largest } = frame.radius;
  return units.all.map((unit, at) => {
    if (!shown[at] && !unit.pinned && unit.kind !== "group") return undefined;
    const removed = unit.nodes.every((node) => removedNodes.has(node));
    const state = removed ? "removed" : touched[at] ? "in" : "out";
    const [x, y] = [frame.x(unit.column), frame.y(unit.row)];
    const r =
      state === "in"
        ? least + (largest - least) * Math.sqrt(Math.min(1, strength[at]! / most))
        : state === "removed"
          ? Math.max(4, least)
          : 1.5;
    const boxed = unit.kind !== "head" && unit.kind !== "mlp";
    const [w, h] = boxed
      ? [textWidth(boxText(unit)) / 2 + 6, Math.min(9, Math.max(7, frame.rise * 0.45))]
      : unit.kind === "mlp"
        ? [r * 0.9, r * 0.9]
        : [r, r];
    return { unit, x, y, w, h, state, strength: strength[at]! };
  });
}

/** What stands in a box: of a group its name and size. */
export function boxText({ kind, key, nodes }: Unit): string {
  if (kind === "latent" || kind === "error") return key;
  if (kind !== "group") return kind === "input" ? "embeddings" : kind;
  return `${key.length > 24 ? `${key.slice(0, 23)}…` : key} (${nodes.length})`;
}

function curvesOf(
  { edges, units, frame }: Drawn,
  ranks: number[],
  marks: Scene["marks"],
  brackets: Map<string, Bracket>,
  sortOf: (rank: number) => Sort,
): Curve[] {
  const made: Curve[] = [];
  const merged = new Map<string, Curve>();
  for (const rank of ranks) {
    const from = units.of[edges.sender[rank]!]!;
    const receiver = edges.graph.receivers[edges.receiver[rank]!]!;
    const sort = sortOf(rank);
    const score = sort === "b" ? edges.other!.score[rank]! : edges.score[rank]!;
    const ends = [...new Set(receiver.owners.map((owner) => units.of[owner]!))];
    // Heads that share an input: one curve, to a bracket below them, while they stand where they belong.
    const together = ends.length > 1 && ends.every((end) => units.all[end]!.kind === "head" && !units.all[end]!.pinned);
    for (const to of together ? ends.slice(0, 1) : ends) {
      const [start, end] = [marks[from], marks[to]];
      if (!start || !end || from === to) continue;
      const inGroup = start.unit.kind === "group" || end.unit.kind === "group";
      const key = `${from} ${to} ${sort}`;
      const known = inGroup ? merged.get(key) : undefined;
      if (known) {
        known.ranks.push(rank);
        known.score += score;
        continue;
      }
      const [x, y] = together
        ? bracketAt(ends, receiver.site, marks, frame.radius.most, brackets)
        : portOf(end, receiver.site);
      const path = pathBetween(start.x, start.y - start.h, x, y, frame.rise, frame.pitch);
      const curve = { from, to, ranks: [rank], score, sort, path };
      made.push(curve);
      if (inGroup) merged.set(key, curve);
    }
  }
  return made;
}

/** Queries arrive at the left of a head, values at the right. */
function portOf({ unit, x, y, w, h }: Mark, site: Site): [number, number] {
  const at = PORTS[site];
  return unit.kind === "head" ? [x + at * w, y + Math.sqrt(1 - at * at) * h] : [x, y + h];
}

function bracketAt(
  ends: number[],
  site: Site,
  marks: Scene["marks"],
  radius: number,
  brackets: Map<string, Bracket>,
): [number, number] {
  const spots = ends.map((end) => marks[end]!);
  const xs = spots.map(({ x }) => x);
  const [low, high] = [Math.min(...xs), Math.max(...xs)];
  const bracket = { x: (low + high) / 2, y: spots[0]!.y + radius + 2, half: (high - low) / 2 };
  brackets.set(ends.join(), bracket);
  return [bracket.x + (site === "k" ? -0.25 : 0.25) * Math.min(bracket.half, 16), bracket.y];
}
