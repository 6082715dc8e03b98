import { expect, test } from "vitest";
import { pythonCode as attentionCode } from "../src/attention_view/export";
import { pythonCode as partsCode } from "../src/attribution_view/export";
import { signal } from "../src/core/reactive";
import { pythonCode as lensCode } from "../src/logit_lens_view/export";
import { pythonCode as mapCode } from "../src/patching_map/export";
import { pythonCode as tokensCode } from "../src/token_view/export";
import { FakeModel } from "./fake_model";

const MADE = "scope = Microscope.load('demo')\nresult = ...\n";

test("what Python says of how it was made comes first, then the view with labels and selection", () => {
  const state = {
    model: new FakeModel({ made_by: MADE, arguments: ["scores=scores"] }),
    panels: ["a"],
    sort: signal("induction"),
    filter: signal('class = "first token"'),
    pinned: signal([[4, 7]]),
    letters: signal(
      new Map([
        ["5.1", "N"],
        ["0.2", '"'],
      ]),
    ),
    heads: signal([[5, 1]]),
    selectedTokens: signal([3]),
    scale: signal({ kind: "log", low: 0, high: 0.5, threshold: 0.1 }),
  };
  expect(attentionCode(state as any)).toBe(
    `${MADE}AttentionView(trace, labels={(5, 1): "N", (0, 2): "\\""}, scores=scores, selected_heads=[(5, 1)], ` +
      'selected_tokens=[3], scale="log", limits=(0, 0.5), threshold=0.1, sort="induction", ' +
      'filter="class = \\"first token\\"", pinned_heads=[(4, 7)])\n',
  );
});

test("notes are on a selection that the view is given", () => {
  const notes = [
    [3, 1, 'moves "the" name'],
    [5, 0, "\\"],
  ];
  const state = {
    model: new FakeModel({
      made_by: "from scope_widgets.widgets import PatchingMap\n\nresult = ...\n",
      head_notes: notes,
      limit: null,
    }),
    space: { deep: false },
    heads: signal([]),
    tokens: signal([]),
    scale: signal({ kind: "signed", high: 1, threshold: 0 }),
  };
  expect(mapCode(state as any)).toBe(
    "from scope_widgets.widgets import PatchingMap, Selection\n\nresult = ...\n" +
      'selection = Selection(notes={\n    (3, 1): "moves \\"the\\" name",\n    (5, 0): "\\\\",\n})\n' +
      "PatchingMap(result, selection=selection)\n",
  );
});

test("two prompts without labels", () => {
  const state = {
    model: new FakeModel({ made_by: "", arguments: [] }),
    panels: ["a", "b", "difference"],
    sort: signal(""),
    filter: signal(""),
    pinned: signal([]),
    letters: signal(new Map()),
    heads: signal([]),
    selectedTokens: signal([]),
    scale: signal({ kind: "linear", low: 0, high: 1, threshold: 0 }),
  };
  expect(attentionCode(state as any)).toBe("AttentionView(trace, versus)\n");
});

test("a lens and a map take what was made", () => {
  const lens = {
    model: new FakeModel({ made_by: MADE, limits: null, scale: "linear", threshold: 0 }),
    lens: { watched: [7, 8] },
    selectedTokens: signal([2]),
    colour: signal("rank"),
    token: signal(8),
    chart: signal("probability"),
  };
  expect(lensCode(lens as any)).toBe(
    `${MADE}LogitLensView(result, selected_tokens=[2], colour="rank", token=8, chart="probability")\n`,
  );
  const map = {
    model: new FakeModel({ made_by: MADE, are_heads: true, are_tokens: true, limit: 0.5 }),
    space: { deep: true },
    shows: signal("positions"),
    heads: signal([[2, 1]]),
    tokens: signal([3]),
    scale: signal({ kind: "linear", low: -0.5, high: 0.5, threshold: 0 }),
  };
  expect(mapCode(map as any)).toBe(
    `${MADE}PatchingMap(result, shows="positions", selected_heads=[(2, 1)], selected_tokens=[3], limit=0.5)\n`,
  );
});

test("an attribution and a text", () => {
  const parts = {
    model: new FakeModel({ made_by: MADE, limit: 0.5 }),
    heads: signal([[3, 1]]),
    mlp: signal(0),
    scale: signal({ kind: "linear", low: -0.5, high: 0.5, threshold: 0.1 }),
  };
  expect(partsCode(parts as any)).toBe(
    `${MADE}AttributionView(result, selected_heads=[(3, 1)], mlp=0, limit=0.5, threshold=0.1)\n`,
  );
  const columns = [{ name: "loss" }, { name: 'a "b"' }];
  const text = {
    model: new FakeModel({
      made_by: "",
      arguments: ["trace", "values=values"],
      limits: [-1, 1],
      scale: "log",
      threshold: 0,
    }),
    columns,
    column: signal(columns[1]),
    selected: signal([7, 9]),
  };
  expect(tokensCode(text as any)).toBe(
    'TokenView(trace, values=values, column="a \\"b\\"", selected_tokens=[7, 9], scale="log", limits=(-1, 1))\n',
  );
});
