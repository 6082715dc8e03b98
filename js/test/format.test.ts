import { expect, test } from "vitest";
import {
  count,
  counted,
  exact,
  ordinal,
  probability,
  share,
  short,
  shortRank,
  signed,
  significant,
  steady,
} from "../src/core/format";

test("legends have two digits, tooltips six decimals", () => {
  expect([0, 0.05, 1, 0.00012, -0.5, -2e-5, NaN].map(short)).toEqual([
    "0",
    "0.05",
    "1",
    "1.2e−4",
    "−0.5",
    "−2e−5",
    "NaN",
  ]);
  expect([0.3698781, 0, -0.25, 0.0000123, NaN].map(exact)).toEqual([
    "0.369878",
    "0.000000",
    "−0.250000",
    "1.230e−5",
    "NaN",
  ]);
});

test("three digits: with noughts where they change under the eye, without where they stand still", () => {
  expect([0.8, 12.44, 0.00123, -4.1e-5, 1234.5].map(steady)).toEqual(["0.80", "12.4", "0.0012", "−4.1e−5", "1235"]);
  expect([0.8, 12.44, -1.2345, 1234.5].map(significant)).toEqual(["0.8", "12.4", "−1.23", "1235"]);
});

test("a sign stands before all but 0", () => {
  const steadily = [2.534, -0.00123, 0, -12.34, 4.1e-5].map((value) => signed(value, steady));
  expect(steadily).toEqual(["+2.53", "−0.0012", "0.00", "−12.3", "+4.1e−5"]);
  expect([0.25, -0.25, 0].map((value) => signed(value, exact))).toEqual(["+0.250000", "−0.250000", "0.000000"]);
});

test("probabilities, shares, ranks and counts", () => {
  expect([0.91924, 0.0009, 0.0000412, 0].map(probability)).toEqual(["0.919", "0.001", "4.1e−5", "0.000"]);
  expect([share(1, 3), share(0, 3), share(1, 1e6), share(2, 300), share(1, 0)]).toEqual([
    "33 %",
    "0 %",
    "< 0.01 %",
    "0.67 %",
    "0 %",
  ]);
  expect([0, 11, 4309, 43_210].map(shortRank)).toEqual(["1", "12", "4,310", "43k"]);
  expect([0, 1, 2, 10, 4309].map(ordinal)).toEqual(["1st", "2nd", "3rd", "11th", "4,310th"]);
  expect([count(32_491), counted(1, "edge"), counted(2, "edge")]).toEqual(["32,491", "1 edge", "2 edges"]);
});
