import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { unitsOf } from "../src/circuit_graph/circuit/drawn_nodes";
import { Edges } from "../src/circuit_graph/circuit/edges";
import { Graph } from "../src/circuit_graph/circuit/graph";
import { dotOf } from "../src/circuit_graph/graphviz";
import { signal } from "../src/core/reactive";
import { presetsText } from "../src/steering_panel/sliders/presets";
import { FakeModel } from "./fake_model";

/** What tests/fixtures/<name> holds; tests/widgets/test_browser_text.py reads the same. */
const fixture = (name: string): string =>
  readFileSync(new URL(`../../tests/fixtures/${name}`, import.meta.url), "utf8");

test("a circuit's DOT is Python's", () => {
  const { shape, title, labels, edges: listed } = JSON.parse(fixture("circuit_dot.json"));
  const { n_layers: layers, n_heads: heads, n_kv_heads: kvHeads, parallel } = shape;
  const graph = new Graph({ layers, heads, kvHeads, parallel });
  const column = (read: (edge: [string, string, number | null]) => number) => listed.map(read);
  const edges = new Edges(
    graph,
    new FakeModel({
      senders: Uint16Array.from(column(([sender]) => graph.find(sender)!)).buffer,
      receivers: Uint16Array.from(column(([, receiver]) => graph.findReceiver(receiver)!)).buffer,
      scores: Float32Array.from(column(([, , score]) => score ?? NaN)).buffer,
      given: new Uint8Array(listed.length).fill(1),
      other: new Uint8Array(0),
      other_scores: new Uint8Array(0),
    }),
  );
  const edits = {
    kept: null,
    removed: [],
    added: [],
    labels: new Map(Object.entries<string>(labels)),
    groups: new Map(),
    pins: new Map(),
  };
  const state = {
    edges,
    graph,
    included: signal(edges.given),
    units: signal(unitsOf(graph, edits)),
    edits: signal(edits),
  };
  expect(dotOf(state, title)).toBe(fixture("circuit.dot"));
});

test("a file of presets is Python's", () => {
  const { model, sliders, presets } = JSON.parse(fixture("steering_presets.json"));
  expect(presetsText(presets, sliders, model)).toBe(fixture("steering_presets_text.json"));
});
