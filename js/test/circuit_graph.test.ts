import { expect, test } from "vitest";
import { columnsOf, unitsOf } from "../src/circuit_graph/circuit/drawn_nodes";
import { Edges } from "../src/circuit_graph/circuit/edges";
import { type Edits, grouped, includedBy, toggledEdge, toggledNodes } from "../src/circuit_graph/circuit/edits";
import { Graph } from "../src/circuit_graph/circuit/graph";
import { receiverWords, scoreText } from "../src/circuit_graph/circuit/names";
import { distance, edgeTable, pathBetween } from "../src/circuit_graph/drawing/edge_lines";
import { classLetter, cut } from "../src/circuit_graph/drawing/labels";
import { frameOf } from "../src/circuit_graph/drawing/layout";
import { MOST_EDGES, MOST_NODES, sceneOf } from "../src/circuit_graph/drawing/scene";
import {
  edgesAt,
  endsOf,
  type Measurements,
  metricDiffers,
  nearest,
  positionOf,
  ticksOf,
} from "../src/circuit_graph/faithfulness_curve/measurements";
import { signedTable } from "../src/core/drawing/colour";
import { share } from "../src/core/format";
import { History } from "../src/core/history";
import { FakeModel } from "./fake_model";

const graph = (layers: number, heads: number, kvHeads = heads, parallel = false): Graph =>
  new Graph({ layers, heads, kvHeads, parallel });

/** All edges of a graph in its own order, with these scores. */
function edgesOf(of: Graph, score: (edge: number) => number, given: (edge: number) => boolean = () => true): Edges {
  const pairs: [number, number][] = [];
  of.receivers.forEach((_, receiver) => {
    for (let sender = 0; pairs.length < of.edge(0, receiver) + seen(of, receiver); sender++)
      pairs.push([sender, receiver]);
  });
  const scores = pairs.map((_, edge) => score(edge));
  const order = pairs
    .map((_, edge) => edge)
    .sort((one, other) => (Math.abs(scores[other]!) || 0) - (Math.abs(scores[one]!) || 0) || one - other);
  const view = (array: ArrayBufferView): DataView => new DataView(array.buffer);
  return new Edges(
    of,
    new FakeModel({
      senders: view(Uint16Array.from(order, (edge) => pairs[edge]![0])),
      receivers: view(Uint16Array.from(order, (edge) => pairs[edge]![1])),
      scores: view(Float32Array.from(order, (edge) => scores[edge]!)),
      given: view(Uint8Array.from(order, (edge) => Number(given(edge)))),
      other: view(new Uint8Array(0)),
      other_scores: view(new Uint8Array(0)),
    }),
  );
}

const seen = (of: Graph, receiver: number): number =>
  (receiver + 1 < of.receivers.length ? of.edge(0, receiver + 1) : of.edgeCount) - of.edge(0, receiver);

const mapOf = <T>(items: Record<string, T>): Map<string, T> => new Map(Object.entries(items));
const none: Edits = { kept: null, removed: [], added: [], labels: new Map(), groups: new Map(), pins: new Map() };

test("GPT-2 small has 158 nodes and 32,491 edges, SmolLM2-135M 70,651", () => {
  const small = graph(12, 12);
  expect([small.nodes.length, small.edgeCount]).toEqual([158, 32_491]);
  expect(graph(30, 9, 3).edgeCount).toBe(70_651);
  expect(graph(2, 2, 2, true).edgeCount).toBe(graph(2, 2).edgeCount - 4);
});

test("nodes and receivers are named as in Python", () => {
  const shared = graph(2, 4, 2);
  expect(shared.nodes.map(({ name }) => name)).toEqual([
    "input",
    "a0.h0",
    "a0.h1",
    "a0.h2",
    "a0.h3",
    "m0",
    "a1.h0",
    "a1.h1",
    "a1.h2",
    "a1.h3",
    "m1",
    "logits",
  ]);
  expect(shared.receivers.slice(0, 9).map(({ name }) => name)).toEqual([
    "a0.h0<q>",
    "a0.h1<q>",
    "a0.h2<q>",
    "a0.h3<q>",
    "a0.kv0<k>",
    "a0.kv1<k>",
    "a0.kv0<v>",
    "a0.kv1<v>",
    "m0",
  ]);
  expect(shared.receivers[5]!.owners).toEqual([3, 4]);
  expect(receiverWords(shared, shared.receivers[5]!)).toBe("Heads 0.2–0.3 k");
  expect(shared.edgeName(2, 8)).toBe("a0.h1->m0");
});

test("an edge is found by its name", () => {
  const edges = edgesOf(graph(2, 2), (edge) => edge);
  for (const rank of [0, 7, edges.count - 1]) expect(edges.find(edges.name(rank))).toBe(rank);
  expect(edges.find("a9.h0->m0")).toBeUndefined();
  expect(edges.inGraphOrder(edges.score)).toEqual(Array.from({ length: edges.count }, (_, edge) => edge));
});

test("edges are kept from the strongest down, those without a score never", () => {
  const edges = edgesOf(graph(2, 2), (edge) => (edge === 3 ? NaN : edge));
  expect(edges.scored).toBe(edges.count - 1);
  const total = (kept: number): number => includedBy(edges, { ...none, kept }).reduce((sum, one) => sum + one, 0);
  expect([total(0), total(5), total(edges.count)]).toEqual([0, 5, edges.count - 1]);
  expect(includedBy(edges, none).every((one) => one === 1)).toBe(true);
});

test("a node that is out closes its edges, and inputs only with all their heads", () => {
  const edges = edgesOf(graph(2, 2, 1), () => 1);
  const mask = (removed: string[], added: string[] = []): Uint8Array =>
    includedBy(edges, { kept: null, removed, added });
  const shared = edges.find("input->a1.kv0<k>")!;
  expect(mask(["a1.h0"])[edges.find("input->a1.h0<q>")!]).toBe(0);
  expect(mask(["a1.h0"])[shared]).toBe(1);
  expect(mask(["a1.h0", "a1.h1"])[shared]).toBe(0);
  expect(mask(["m0"], ["m0->m1"])[edges.find("m0->m1")!]).toBe(0);
});

test("toggling an edge twice leaves no trace", () => {
  const edges = edgesOf(
    graph(2, 2),
    (edge) => edge,
    (edge) => edge % 2 === 0,
  );
  for (const kept of [null, 10])
    for (const rank of [0, 9, 10, 11, edges.count - 1]) {
      const before = { ...none, kept };
      const once = { ...before, ...toggledEdge(edges, before, rank) };
      expect(includedBy(edges, once)[rank]).toBe(1 - includedBy(edges, before)[rank]!);
      expect({ ...once, ...toggledEdge(edges, once, rank) }).toEqual(before);
    }
});

test("nodes are taken out together and put in together", () => {
  expect(toggledNodes({ ...none, removed: ["m0"] }, ["m0", "m1"]).removed).toEqual(["m0", "m1"]);
  expect(toggledNodes({ ...none, removed: ["m0", "m1", "m2"] }, ["m0", "m1"]).removed).toEqual(["m2"]);
});

test("a node is in one group at most", () => {
  const { groups } = grouped({ ...none, groups: mapOf({ early: ["m0", "m1"], alone: ["a0.h0"] }) }, "late", [
    "m1",
    "a0.h0",
  ]);
  expect(groups).toEqual(mapOf({ early: ["m0"], late: ["m1", "a0.h0"] }));
  expect(grouped({ ...none, groups }, "early", ["m1"]).groups).toEqual(mapOf({ early: ["m0", "m1"], late: ["a0.h0"] }));
});

test("what was undone can be done again, until something else is done", () => {
  const history = new History<number>();
  history.leave(1);
  history.leave(2);
  expect(history.undo(3)).toBe(2);
  expect(history.undo(2)).toBe(1);
  expect(history.undo(1)).toBeUndefined();
  expect(history.redo(1)).toBe(2);
  history.leave(2);
  expect([history.canUndo.value, history.canRedo.value]).toEqual([true, false]);
});

test("few edges have room on the axis, and each number has a place", () => {
  for (const n of [0, 1, 2, 17, 324, 32_491]) expect(edgesAt(positionOf(n, 32_491), 32_491)).toBe(n);
  expect(positionOf(10, 32_491)).toBeGreaterThan(0.2);
  expect(edgesAt(-1, 100)).toBe(0);
  expect(edgesAt(2, 100)).toBe(100);
  expect(positionOf(0, 0)).toBe(0);
  expect(ticksOf(32_491)).toEqual([0, 1, 10, 100, 1000, 10_000, 32_491]);
  expect(ticksOf(110)).toEqual([0, 1, 10, 110]);
});

const curve: Measurements = {
  n_edges: [1, 10, 100],
  faithfulness: [0, 0.5, 1.1],
  low: [],
  high: [],
  metric: [1, 2, 3.2],
  random: [[0, -0.1, null]],
  full: 3,
  empty: 1,
  pairs: "",
};

test("the axis of faithfulness holds 0 and 1", () => {
  expect(endsOf({}, undefined)).toEqual([0, 1]);
  const [low, high] = endsOf(curve, null);
  expect(low).toBeCloseTo(-0.14);
  expect(high).toBeCloseTo(1.14);
  expect(endsOf({ faithfulness: [50] }, undefined)[1]).toBeLessThan(3);
});

test("the metric is drawn where it is not faithfulness on another axis", () => {
  expect(metricDiffers(curve)).toBe(false);
  expect(metricDiffers({ ...curve, metric: [1, 2.5, 3.2] })).toBe(true);
  expect(metricDiffers({ ...curve, metric: [1, null, 3.2] })).toBe(false);
  expect(nearest(curve, 12, 1000)).toBe(1);
});

test("layers go up, embeddings and logits keep clear, and a place has its inverse", () => {
  for (const [layers, height] of [
    [1, 200],
    [4, 240],
    [12, 300],
    [30, 300],
  ] as const) {
    const frame = frameOf({ width: 800, height }, 12.3, layers);
    const rows = [-1, ...Array.from({ length: layers }, (_, row) => row), layers - 0.6, layers].sort((a, b) => a - b);
    const ys = rows.map(frame.y);
    for (let i = 1; i < ys.length; i++) expect(ys[i]).toBeLessThan(ys[i - 1]!);
    expect(frame.y(-1) - frame.y(0)).toBeGreaterThanOrEqual(23);
    for (const row of [-1.5, ...rows, layers + 0.5])
      expect(frame.placeAt(frame.x(3.5), frame.y(row))).toEqual([expect.closeTo(3.5), expect.closeTo(row)]);
  }
});

test("groups stand beside the layers, apart from each other, until they are moved", () => {
  const of = graph(12, 4);
  const groups = mapOf({ a: ["a3.h0", "a5.h1"], b: ["a4.h0", "a4.h1"], c: ["m11"] });
  const { all, find } = unitsOf(of, { groups, pins: new Map([["c", [1, 2]]]) });
  const unit = (key: string) => all[find.get(key)!]!;
  expect(all.length).toBe(of.nodes.length - 5 + 3);
  expect(unit("a").column).toBeGreaterThan(columnsOf(of, 0));
  expect(Math.abs(unit("a").row - unit("b").row)).toBeGreaterThan(0.79);
  expect([unit("c").column, unit("c").row, unit("c").pinned]).toEqual([1, 2, true]);
});

const drawn = (edges: Edges, edits: Partial<Edits> = {}, comparing = false) => {
  const all = { ...none, ...edits };
  return sceneOf({
    edges,
    units: unitsOf(edges.graph, all),
    included: includedBy(edges, all),
    removed: all.removed.map((name) => edges.find(name)).filter((rank) => rank !== undefined),
    removedNodes: new Set(all.removed.map((name) => edges.graph.find(name)).filter((node) => node !== undefined)),
    comparing,
    frame: frameOf({ width: 800, height: 400 }, columnsOf(edges.graph, all.groups.size), edges.graph.shape.layers),
    textWidth: (text) => 6 * text.length,
  });
};

test("edges are drawn from the strongest down until the budget is spent", () => {
  const many = drawn(edgesOf(graph(12, 12), (edge) => ((edge * 7919) % 32_491) - 16_000));
  expect(many.counts.edges).toBe(32_491);
  expect([many.counts.drawn, many.curves.length]).toEqual([MOST_EDGES, MOST_EDGES]);
  expect(Math.min(...many.curves.map(({ score }) => Math.abs(score)))).toBeGreaterThan(15_000);
  const wide = drawn(
    edgesOf(graph(36, 16), (edge) => (edge * 7919) % 99_991),
    { kept: 1500 },
  );
  expect(wide.marks.filter(Boolean).length).toBeLessThanOrEqual(MOST_NODES);
  expect(wide.marks[0]).toBeDefined();
  expect(wide.marks.at(-1)).toBeDefined();
});

test("edges between groups are one curve, those within one none", () => {
  const edges = edgesOf(graph(2, 2), () => 0.5);
  const { counts, curves } = drawn(edges, {
    groups: mapOf({ heads: ["a0.h0", "a0.h1", "a1.h0", "a1.h1"], mlps: ["m0", "m1"] }),
  });
  expect(counts.inside).toBe(2 * 6 + 1);
  expect(counts.drawn + counts.inside).toBe(edges.count);
  expect(curves.length).toBe(7); // input to 3, heads and mlps both ways, both to logits
  expect(curves.reduce((sum, { ranks }) => sum + ranks.length, 0)).toBe(counts.drawn);
});

test("heads that share keys get one curve, to a bracket below them", () => {
  const edges = edgesOf(graph(2, 4, 2), (edge) => edge);
  const scene = drawn(edges, { kept: 0, added: ["input->a1.kv1<k>"] });
  expect(scene.curves.length).toBe(1);
  expect(scene.brackets.length).toBe(1);
  expect(scene.curves[0]!.path[6]).toBeGreaterThan(scene.marks[8]!.x);
  expect(scene.curves[0]!.path[6]).toBeLessThan(scene.marks[9]!.x);
});

test("an edge without a score is neither helping nor hurting", () => {
  const { curves } = drawn(edgesOf(graph(1, 1), (edge) => (edge ? 0 : NaN)));
  expect(curves.map(({ sort }) => sort).filter((sort) => sort === "unscored").length).toBe(1);
  expect(scoreText(NaN)).toBe("not scored");
  expect(scoreText(0)).toBe("0");
});

test("the distance to a curve is that of its nearest point", () => {
  const path = pathBetween(0, 100, 0, 0, 40, 1);
  expect(distance(path, 0, 100, 5)).toBeCloseTo(0);
  expect(distance(path, 300, 50, 5)).toBe(Infinity);
  const straight = pathBetween(0, 100, 200, 0, 100, 50);
  expect(distance(straight, 100, 50, 5)).toBeLessThan(0.5);
  expect(distance(straight, 100, 47, 5)).toBeLessThanOrEqual(3);
});

test("the weakest edge can be seen on its ground", () => {
  for (const dark of [false, true]) {
    const table = edgeTable(signedTable(dark ? [17, 19, 23] : [255, 255, 255], dark), dark);
    const away = (at: number): number =>
      [0, 8, 16].reduce((sum, shift) => sum + Math.abs(((table[at]! >> shift) & 255) - (dark ? 19 : 255)), 0);
    expect(Math.min(away(126), away(129))).toBeGreaterThan(60);
    const [red, , blue] = [0, 8, 16].map((shift) => (table[255]! >> shift) & 255);
    expect(red! - blue!).toBeGreaterThan(100); // the sign of the strongest can be told
  }
});

test("a label that names a class is its letter", () => {
  expect([
    classLetter("name mover"),
    classLetter("S"),
    classLetter("Previous token"),
    classLetter("mine"),
    classLetter(undefined),
  ]).toEqual(["N", "S", "P", undefined, undefined]);
  expect(cut("abcdefgh", 4)).toBe("abc…");
});

test("shares in words", () => {
  expect([share(0, 10), share(10, 10), share(1, 32_491), share(212, 32_491), share(8000, 32_491), share(1, 0)]).toEqual(
    ["0 %", "100 %", "< 0.01 %", "0.65 %", "25 %", "0 %"],
  );
});

test("a graph of latents has the nodes and edges that were looked at, where Python puts them", () => {
  const given = ["1.7", "2.3", "2.error", "3.5"].map((name, at) => ({
    name,
    kind: name.endsWith("error") ? ("error" as const) : ("latent" as const),
    layer: Number(name[0]),
    head: -1,
    latent: name.endsWith("error") ? -1 : Number(name.split(".")[1]),
    site: "residual",
    column: at,
    row: Number(name[0]) - 0.4,
  }));
  const shape = { layers: 4, heads: 4, kvHeads: 4, parallel: false, columns: 6 };
  const of = new Graph(shape, {
    nodes: given,
    links: [
      [0, 1],
      [1, 3],
      [2, 3],
    ],
  });
  expect(of.edgeCount).toBe(3);
  expect(of.receivers.map(({ name }) => name)).toEqual(["2.3", "3.5"]);
  expect(of.edge(2, 1)).toBe(2);
  expect(of.edge(0, 1)).toBe(-1);
  expect(receiverWords(of, of.receivers[1]!)).toBe("Latent 3.5");
  expect(columnsOf(of, 0)).toBeCloseTo(6.3);
  const { all } = unitsOf(of, none);
  expect(all.map(({ column, row }) => [column, row])).toEqual([
    [0, 0.6],
    [1, 1.6],
    [2, 1.6],
    [3, 2.6],
  ]);
  const edges = new Edges(
    of,
    new FakeModel({
      senders: new DataView(Uint16Array.from([1, 0, 2]).buffer),
      receivers: new DataView(Uint16Array.from([1, 0, 1]).buffer),
      scores: new DataView(Float32Array.from([3, 2, 1]).buffer),
      given: new DataView(Uint8Array.from([1, 1, 0]).buffer),
      other: new DataView(new ArrayBuffer(0)),
      other_scores: new DataView(new ArrayBuffer(0)),
    }),
  );
  expect(edges.find("2.3->3.5")).toBe(0);
  expect(edges.find("1.7->3.5")).toBeUndefined();
  expect(edges.inGraphOrder(edges.given)).toEqual([1, 1, 0]);
  expect([...includedBy(edges, { kept: null, removed: ["2.3"], added: [] })]).toEqual([0, 0, 0]);
});
