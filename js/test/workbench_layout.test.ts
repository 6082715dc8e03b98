import { expect, test } from "vitest";
import {
  added,
  changed,
  decoded,
  EMPTY,
  encoded,
  type Layout,
  moved,
  newId,
  type PanelSpec,
  panelsOf,
  parsed,
  placed,
  visibleColumns,
  widened,
  without,
} from "../src/workbench/layout";

const panel = (id: string, more: Partial<PanelSpec> = {}): PanelSpec => ({
  id,
  kind: "lens",
  side: "a",
  options: {},
  ...more,
});
const ids = (layout: Layout): string[][] => layout.columns.map((column) => column.map(({ id }) => id));
const two: Layout = { columns: [[panel("aaaa"), panel("bbbb")], [panel("cccc")]] };

test("a panel goes to the shortest column, or where it is put", () => {
  expect(ids(added(EMPTY, panel("aaaa")))).toEqual([["aaaa"], []]);
  expect(ids(added(two, panel("dddd")))).toEqual([
    ["aaaa", "bbbb"],
    ["cccc", "dddd"],
  ]);
  expect(ids(placed(two, panel("aaaa"), 1, 0))).toEqual([["bbbb"], ["aaaa", "cccc"]]);
  expect(ids(placed(two, panel("aaaa"), 0, 9))).toEqual([["bbbb", "aaaa"], ["cccc"]]);
});

test("a wide window has columns for new panels", () => {
  expect([400, 1900, 2800, 3840].map((width) => widened(two, width).columns.length)).toEqual([2, 2, 3, 4]);
  expect(ids(added(widened(two, 3840), panel("dddd")))).toEqual([["aaaa", "bbbb"], ["cccc"], ["dddd"], []]);
});

test("arrows move within a column and across, and not out of the page", () => {
  expect(ids(moved(two, "aaaa", 0, 1))).toEqual([["bbbb", "aaaa"], ["cccc"]]);
  expect(ids(moved(two, "bbbb", 1, 0))).toEqual([["aaaa"], ["cccc", "bbbb"]]);
  expect(ids(moved(two, "cccc", 1, 0))).toEqual([["aaaa", "bbbb"], [], ["cccc"]]);
  for (const [id, across, down] of [
    ["aaaa", 0, -1],
    ["bbbb", 0, 1],
    ["aaaa", -1, 0],
    ["zzzz", 1, 0],
  ] as const)
    expect(moved(two, id, across, down)).toBe(two);
});

test("a narrow window shows fewer columns, and every panel once", () => {
  const wide: Layout = { columns: [...two.columns, [panel("dddd", { wide: true })], [panel("eeee")]] };
  expect(visibleColumns(wide, 400, 0).map((one) => one.length)).toEqual([4]);
  expect(visibleColumns(wide, 1200, 0).map((one) => one.length)).toEqual([2, 2]);
  expect(visibleColumns(wide, 4000, 0).map((one) => one.length)).toEqual([2, 1, 1]);
  expect(visibleColumns(wide, 4000, 1).map((one) => one.length)).toEqual([4]);
  expect(panelsOf(changed(without(wide, "aaaa"), "bbbb", { kind: "x" })).map(({ kind }) => kind)[0]).toBe("x");
});

test("a link brings a layout back, whatever the script of its prompt", () => {
  const saved = { v: 1, layout: two, prompts: { a: "ünïcode 😀 </script>" }, heads: [[2, 1]], tokens: [3] } as const;
  const text = encoded(saved as any);
  expect(text).toMatch(/^[\w-]+$/);
  expect(decoded(text)).toEqual(saved);
});

test("what is no layout is none, and what is damaged in one is left out", () => {
  for (const text of ["", "%%%", "bnVsbA", btoa("{}"), btoa('{"v":1}'), btoa('{"v":1,"layout":{"columns":3}}')])
    expect(decoded(text)).toBeUndefined();
  const hostile = {
    v: 1,
    layout: {
      columns: [
        [
          { id: "../../x", kind: "lens", side: "a", options: 3 },
          { kind: 1 },
          null,
          { id: "aaaa", kind: "k", side: "z" },
        ],
        [
          { id: "aaaa", kind: "lens", side: "b" },
          { id: "aaaa", kind: "lens", side: "b" },
        ],
      ],
    },
    prompts: { a: 1, c: "x" },
    heads: [[1], ["a", 2], [1, -1], [1, 2]],
    tokens: "x",
  };
  const found = parsed(JSON.stringify(hostile))!;
  expect(found.layout.columns.map((one) => one.length)).toEqual([1, 2]);
  expect(new Set(panelsOf(found.layout).map(({ id }) => id)).size).toBe(3);
  expect(found.layout.columns[0]![0]!.id).toMatch(/^[a-z0-9]{8}$/);
  expect([found.prompts, found.heads, found.tokens]).toEqual([{}, [[1, 2]], []]);
  expect(newId()).not.toBe(newId());
});
