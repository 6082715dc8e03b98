import { expect, test } from "vitest";
import type { StripColumn } from "../src/head_table/columns";
import { barKind, exact, type NumberColumn, readTable, shown, shownP } from "../src/head_table/columns";
import { csv, pythonCode } from "../src/head_table/export";
import { boxesOf, percent, queryBox, tokenAt } from "../src/head_table/grid/attention_strips";
import { layoutOf } from "../src/head_table/layout";
import { describe as describeRow } from "../src/head_table/readout";
import { tableModel } from "./head_table_model";

const measure = (text: string): number => 7 * text.length;
const columns = {
  layer: [0, 0, 10],
  head: [0, 1, 11],
  a: [0.5, NaN, -2],
  low: [0.25, NaN, -3],
  note: ['say "hi"', "", "x,y"],
};
const table = readTable(tableModel(columns, { a: { threshold: 0.75, low: "low" }, low: { shown: false } }));

test("a bar has the colour of its sign, and says whether the row reaches what it was compared with", () => {
  const table = readTable(
    tableModel(
      { layer: [0, 0], head: [0, 1], score: [0.5, 0.9], threshold: [0.6, 0.4], effect: [-1, 2] },
      { score: { marks: "threshold" }, threshold: { shown: false } },
    ),
  );
  const [score, , effect] = ["score", "threshold", "effect"].map((name) => table.byName.get(name) as NumberColumn);
  expect([0, 1].map((row) => barKind(score!, row))).toEqual([
    { sign: "amount", passes: false },
    { sign: "amount", passes: true },
  ]);
  expect([0, 1].map((row) => barKind(effect!, row))).toEqual([{ sign: "negative" }, { sign: "positive" }]);
  expect(describeRow(table, 0, score)).toContain("score 0.5, threshold 0.6");
});

test("a column's scale holds its values, intervals, threshold and zero", () => {
  expect((table.byName.get("a") as NumberColumn).domain).toEqual([-3, 0.75]);
  const flat = readTable(tableModel({ layer: [0], head: [0], a: [0] })).byName.get("a") as NumberColumn;
  expect(flat.domain).toEqual([0, 1]);
});

test.each([
  [0.5, 3, "0.500"],
  [-0.25, 2, "\u22120.25"],
  [-1e-9, 2, "0.00"],
  [NaN, 2, "\u2013"],
  [Infinity, 2, "\u221e"],
  [-Infinity, 2, "\u2212\u221e"],
  [3e-9, 9, "3.00e\u22129"],
  [0, 9, "0.000000"],
])("%d with %d decimals is shown as %s", (value, digits, text) => expect(shown(value, digits)).toBe(text));

test("exact text reads back as the same number of its own type", () => {
  const f32 = Float32Array.of(0.1, 1 / 3, 16777217, 1e-30);
  for (const value of f32) expect(Math.fround(Number(exact(value, f32)))).toBe(value);
  expect(exact(f32[0]!, f32)).toBe("0.1");
  expect(exact(0.1 + 0.2, Float64Array.of(0))).toBe("0.30000000000000004");
});

test("CSV has every column, exact, quoted where it must be", () => {
  expect(csv(table, [2, 0])).toBe('layer,head,a,low,note\r\n10,11,-2,-3,"x,y"\r\n0,0,0.5,0.25,"say ""hi"""\r\n');
  expect(csv(table, [1])).toBe("layer,head,a,low,note\r\n0,1,,,\r\n");
  const notes: [number, number, string][] = [[0, 1, "=1+1, copies"]];
  expect(csv(table, [0, 1], notes)).toBe(
    'layer,head,a,low,note,head_note\r\n0,0,0.5,0.25,"say ""hi""",\r\n0,1,,,,"\'=1+1, copies"\r\n',
  );
});

test("code names what was chosen only", () => {
  expect(pythonCode("", [], [], false, "scores = 1\n", ["columns=['a']"])).toBe(
    "scores = 1\nHeadTable(scores, columns=['a'])\n",
  );
  expect(pythonCode('a > 1 and note = "x"', [["a", "descending"]], [[1, 2]], true, "", [])).toContain(
    'HeadTable(scores, labels, filter="a > 1 and note = \\"x\\"", sort=[("a", "descending")], selected_heads=[(1, 2)])',
  );
});

test("a row in words", () => {
  const a = table.byName.get("a");
  expect(describeRow(table, 0, a)).toBe("0.0 \u2002 a 0.5, threshold 0.75");
  expect(describeRow(table, 1, a)).toContain("a not computed");
  expect(describeRow(table, 2, table.byName.get("note"))).toContain("note x,y");
});

test("bars share the room evenly, and nothing shrinks below its content", () => {
  const wide = readTable(tableModel({ layer: [0], head: [0], a: [1], a_column_with_a_name: [1], c: [1] }));
  const [narrow, room] = [layoutOf(wide, 100, measure), layoutOf(wide, 560, measure)];
  expect(narrow.total).toBeGreaterThan(100);
  expect(room.total).toBeLessThanOrEqual(560);
  expect(room.placed[0]!.width).toBe(room.placed[2]!.width);
  room.placed.forEach(({ width }, i) => expect(width).toBeGreaterThanOrEqual(narrow.placed[i]!.width));
  expect(layoutOf(wide, 5000, measure).placed.map(({ width }) => width)).toEqual([220, 220, 220]);
});

test("p values keep two digits that count", () => {
  expect([0.05, 0.01234, 2e-5, 0, 1, NaN].map(shownP)).toEqual(["0.05", "0.012", "2e\u22125", "0", "1", "\u2013"]);
});

test("a control is drawn on the scale of what it is held against", () => {
  const model = tableModel(
    { layer: [0], head: [0], attention: [0.8], elsewhere: [0.05] },
    { elsewhere: { like: "attention" } },
  );
  const { byName } = readTable(model);
  for (const name of ["attention", "elsewhere"]) expect((byName.get(name) as NumberColumn).domain).toEqual([0, 0.8]);
});

test("a strip's boxes end at its query; narrow ones hold the strongest of their tokens", () => {
  const column: StripColumn = {
    kind: "strip",
    name: "",
    title: "",
    help: "",
    shown: true,
    tokens: [..."abcd"],
    queries: [3, 1],
    levels: Uint8Array.of(9, 0, 255, 1, 4, 5, 0, 0),
  };
  expect(boxesOf(column, 0, 40)).toEqual([9, 0, 255, 1].map((level, i) => ({ x: 10 * i, width: 10, level })));
  expect(boxesOf(column, 1, 40).map(({ level }) => level)).toEqual([4, 5]);
  expect(boxesOf(column, 0, 2).map(({ level }) => level)).toEqual([9, 255]);
  expect(queryBox(column, 1, 40)).toEqual({ x: 10, width: 10 });
  expect([-3, 19, 21, 99].map((x) => tokenAt(column, x, 40))).toEqual([0, 1, 2, 3]);
  expect([0, 128, 255].map(percent)).toEqual(["0.0 %", "50.2 %", "100.0 %"]);
});
