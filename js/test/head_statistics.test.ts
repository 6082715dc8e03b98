import { describe, expect, test } from "vitest";
import { readFilter, statisticsOf } from "../src/attention_view/statistics";
import { exampleConditions } from "../src/core/filter/example_filter";
import { compile, type FilterColumn } from "../src/core/filter/filter";

const values = Float32Array.from([0.1, 0.9, NaN, 0.5, 0.2, 0.3, 5, 4, 3, 2, 1, 0]);
const letters = new Map([
  ["0.1", "I"],
  ["2.0", "S"],
]);
const statistics = statisticsOf(["induction", "entropy"], values, 3, 2, letters);
const found = (text: string): string[] => {
  const passes = readFilter(text, statistics.table);
  return [0, 1, 2, 3, 4, 5].filter((row) => !passes || passes(row)).map((row) => `${Math.floor(row / 2)}.${row % 2}`);
};

test("a statistic is that of the head", () => {
  expect(statistics.of("induction", [0, 1])).toBeCloseTo(0.9);
  expect(statistics.of("entropy", [2, 1])).toBe(0);
  expect(statistics.of("induction", [1, 0])).toBeNaN();
  expect(statistics.of("layer", [1, 0])).toBeNaN();
});

describe("heads are found", () => {
  test.each([
    ["by their names", "0.1, 2.0", ["0.1", "2.0"]],
    ["by one name", " 1.1 ", ["1.1"]],
    ["by a layer", "1.", ["1.0", "1.1"]],
    ["by a statistic", "induction > .4", ["0.1", "1.1"]],
    ["by their class", "class = induction", ["0.1"]],
    ["by a class of two words", 'class = "S-inhibition"', ["2.0"]],
    ["all where nothing is asked", "", ["0.0", "0.1", "1.0", "1.1", "2.0", "2.1"]],
  ])("%s", (_, text, heads) => expect(found(text)).toEqual(heads));
});

describe("the example of a filter", () => {
  const column = (name: string, ...values: number[]): FilterColumn => ({ name, kind: "number", values });
  const layer: FilterColumn = { name: "layer", kind: "integer", values: [0, 1, 2, 3] };
  test.each([
    ["of shares", [layer, column("importance", 0.01, 0.02, 0.5, 0.02)], "importance > 0.02 and layer >= 2"],
    ["of numbers below 0", [layer, column("effect", -4, -3, -2, -1)], "effect > -2 and layer >= 2"],
    ["that names what is no word", [layer, column("my score", 0, 1, 2, 3)], "`my score` > 2 and layer >= 2"],
    ["not by p", [layer, column("p", 0.1, 0.2, 0.3, 0.4)], "layer < 2"],
    ["by text where there is some", [{ name: "label", kind: "text", values: ["", "induction"] }], "label = induction"],
  ] as [string, FilterColumn[], string][])("%s", (_, columns, text) => {
    expect(exampleConditions(columns).join(" and ")).toBe(text);
    const passes = compile(text, { columns, byName: new Map(columns.map((one) => [one.name, one])) })!;
    const rows = Array.from(columns[0]!.values as ArrayLike<unknown>, (_value, row) => passes(row));
    expect(new Set(rows)).toEqual(new Set([true, false]));
  });
});
