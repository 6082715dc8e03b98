import { describe, expect, test } from "vitest";
import { compile } from "../src/core/filter/filter";
import { readTable } from "../src/head_table/columns";
import { clicked, orderOf } from "../src/head_table/order";
import { tableModel } from "./head_table_model";

const table = readTable(
  tableModel({
    layer: [0, 0, 1, 12],
    head: [0, 1, 0, 3],
    induction: [0.1, 0.9, NaN, 0.5],
    "my score": [1, -2, 3, 4],
    label: ["", "induction", "previous_token", "induction, duplicate"],
  }),
);
const rows = (text: string): number[] => [...orderOf(table, [], compile(text, table))];
const fault = (text: string): string => {
  try {
    compile(text, table);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error(`${text} is not refused`);
};

describe("what a filter lets through", () => {
  test.each([
    ["", [0, 1, 2, 3]],
    ["  ", [0, 1, 2, 3]],
    ["induction > .4 and layer < 12", [1]],
    ["induction>.4", [1, 3]],
    ["Induction >= 9e-1", [1]],
    ["0.2 < induction < 0.8", [3]],
    ["not induction > .4", [0, 2]],
    ["induction = nan", [2]],
    ["induction != nan and layer = 0", [0, 1]],
    ["induction != 0.1", [1, 3]],
    ["label = induction", [1]],
    ["label != induction", [0, 2, 3]],
    ['label = "INDUCTION"', [1]],
    ["label contains duplicate", [3]],
    ["label ~ 'tok'", [2]],
    ["label = ''", [0]],
    ["`my score` < 0", [1]],
    ["`my score` > -2 and `my score` ≤ 3", [0, 2]],
    ["layer = head or head == 3", [0, 3]],
    ["-`my score` > 1", [1]],
    ["(layer = 0 or layer = 1) and not (head = 1)", [0, 2]],
    ["layer = 0 or layer = 1 and head = 0", [0, 1, 2]],
    ["not not layer = 0", [0, 1]],
  ])("%s", (text, expected) => expect(rows(text)).toEqual(expected));
});

describe("what is wrong with a filter is said in a sentence", () => {
  test.each([
    ["inductoin > .4", "There is no column inductoin. Do you mean induction?"],
    ["zzzzzzzz > 1", "There is no column zzzzzzzz. The columns are layer, head, induction, my score, label."],
    ["induction", "Say how induction compares, as in induction > 0.4."],
    ["label", "Say what label must be, as in label = induction."],
    ["induction >", "The filter ends too early: a column or a number is missing."],
    ["induction > > 1", "> stands where a column or a number belongs."],
    ["(layer = 1", "A ( is never closed."],
    ["layer = 1)", "There is a ) without its (."],
    ["layer = 1 head = 2", "Join conditions with and, or: what does head belong to?"],
    ["label = 'x", "The ' before x is never closed."],
    ["layer = 1; alert(1)", "The filter cannot contain ;."],
    ["label > induction", "Text is compared with =, != or contains, not with >."],
    ["label = 3", "label is text and cannot be compared with a number."],
    ["layer contains 3", "Only text can contain something; compare numbers with <, <=, =, !=, >=, >."],
    ["induction > nan", "What is missing can only be asked for with = nan or != nan."],
    ["constructor > 1", "There is no column constructor. The columns are layer, head, induction, my score, label."],
  ])("%s", (text, expected) => expect(fault(text)).toBe(expected));
});

describe("order", () => {
  test("what is missing stands last both ways; ties keep their order", () => {
    expect([...orderOf(table, [["induction", "descending"]], undefined)]).toEqual([1, 3, 0, 2]);
    expect([...orderOf(table, [["induction", "ascending"]], undefined)]).toEqual([0, 3, 1, 2]);
    expect([...orderOf(table, [["label", "ascending"]], undefined)]).toEqual([1, 3, 2, 0]);
  });

  test("the first key counts most", () => {
    expect([
      ...orderOf(
        table,
        [
          ["layer", "ascending"],
          ["my score", "ascending"],
        ],
        undefined,
      ),
    ]).toEqual([1, 0, 2, 3]);
    expect([...orderOf(table, [["nothing", "ascending"]], undefined)]).toEqual([0, 1, 2, 3]);
  });

  test("a click turns the direction, then takes it away; shift adds", () => {
    expect(clicked([], ["a"], "descending", false)).toEqual([["a", "descending"]]);
    expect(clicked([["a", "descending"]], ["a"], "descending", false)).toEqual([["a", "ascending"]]);
    expect(clicked([["a", "ascending"]], ["a"], "descending", false)).toEqual([]);
    expect(clicked([["b", "descending"]], ["a"], "descending", false)).toEqual([["a", "descending"]]);
    expect(clicked([["b", "descending"]], ["a"], "descending", true)).toEqual([
      ["b", "descending"],
      ["a", "descending"],
    ]);
    expect(
      clicked(
        [
          ["a", "descending"],
          ["b", "ascending"],
        ],
        ["a"],
        "descending",
        true,
      ),
    ).toEqual([
      ["a", "ascending"],
      ["b", "ascending"],
    ]);
  });
});
