import { describe, expect, test } from "vitest";
import { magnitudeTable } from "../src/core/drawing/colour";
import { plainText } from "../src/core/prompt_text";
import { strongest } from "../src/token_view/overview";
import { directionsOf, visualOrder } from "../src/token_view/text_direction";
import { beside, GAP, lineOf, linesOf, PAD } from "../src/token_view/text_layout";
import { colourOf, fitted, isBelow } from "../src/token_view/token_colours";
import { written } from "../src/token_view/tooltip_text";

const measure = (text: string): number => 7 * [...text].length;

describe("lines", () => {
  test("tokens fill a width, and a line end closes its line", () => {
    const lines = linesOf(["aa", "bb", "cc\n", "d", "e"], 2 * (14 + 2 * PAD) + GAP, measure);
    expect(lines.starts).toEqual([0, 2, 3, 5]);
    expect([...lines.lefts]).toEqual([0, 14 + 2 * PAD + GAP, 0, 0, 7 + 2 * PAD + GAP]);
    expect([0, 1, 2, 3, 4].map((token) => lineOf(lines, token))).toEqual([0, 0, 1, 2, 2]);
  });
  test("a line end at the very end makes no empty line", () => {
    expect(linesOf(["a", "b\n"], 400, measure).starts).toEqual([0, 2]);
    expect(linesOf([], 400, measure).starts).toEqual([0, 0]);
  });
  test("a token that is wider than a line is cut", () => {
    const lines = linesOf(["x".repeat(500), "y"], 100, measure);
    expect(lines.widths[0]).toBeLessThanOrEqual(100);
    expect(
      lines
        .parts(0)
        .map(({ text }) => text)
        .join(""),
    ).toMatch(/^x+…$/);
    expect(lines.starts).toEqual([0, 1, 2]);
  });
  test("above and below stands what is nearest", () => {
    const lines = linesOf(["aaaa\n", "b", "c", "d", "e"], 400, measure);
    expect(beside(lines, 3, -1)).toBe(0);
    expect(beside(lines, 0, 1)).toBe(2);
    expect(beside(lines, 0, -1)).toBe(0);
  });
});

describe("right-to-left text", () => {
  const order = (...tokens: string[]): number[] => visualOrder(directionsOf(tokens).levels, 0, tokens.length);
  test("a word of it, and a sentence, stand in their own order", () => {
    expect(order("the", " dog")).toEqual([0, 1]);
    expect(order("say", " שלום", " עולם", ",", " then")).toEqual([0, 2, 1, 3, 4]);
    expect(order("<bos>", " שלום", " the", " dog", " עולם", ".")).toEqual([5, 4, 2, 3, 1, 0]);
  });
  test("digits of a number keep their order", () => {
    expect(order(" שנת", " 19", "84", " היא")).toEqual([3, 1, 2, 0]);
    expect(order("in", " 19", "84")).toEqual([0, 1, 2]);
  });
  test("its lines end at the right edge, others begin at the left", () => {
    const lines = linesOf(["שלום\n", "ab"], 400, measure);
    expect(lines.lefts[0]! + lines.widths[0]!).toBe(400);
    expect(lines.lefts[1]).toBe(0);
    expect([...lines.levels]).toEqual([1, 0]);
  });
  test("a letter that is spread over bytes counts", () => {
    expect(order("<0xD7>", "<0xA9>", " a")).toEqual([2, 1, 0]);
  });
});

describe("text", () => {
  test("tokens become the text that they were", () => {
    expect(plainText(["the", " dog", "\n", "<0xE3><0x81>", "<0x93>", "<U+200D>"])).toBe("the dog\nこ\u200d");
    expect(plainText(["the", "dog"])).toBe("the dog");
    expect(plainText(["<0xE3>", " a"])).toBe("<0xE3> a");
  });
});

describe("colours", () => {
  const values = (...all: number[]): Float64Array => Float64Array.from(all);
  test("scales fit as they do in Python", () => {
    expect(fitted(values(0, 1, 5.05), false, false, null)).toEqual([0, 6]);
    expect(fitted(values(-1, 0, 2), true, false, null)).toEqual([-2, 2]);
    expect(fitted(values(100, 101), false, false, null)).toEqual([100, 101]);
    expect(fitted(values(1, 30000), false, true, null)).toEqual([1, 30000]);
    expect(fitted(values(0.2), false, false, [0, 1])).toEqual([0, 1]);
    expect(fitted(values(NaN), false, false, null)).toEqual([0, 1]);
    const outlier = Float64Array.from({ length: 100 }, (_, i) => (i === 7 ? 40 : 1));
    expect(fitted(outlier, false, false, null)).toEqual([0, 1]);
    expect(isBelow(values(1, -Infinity, NaN))).toBe(false);
  });
  test("what has no number has no colour", () => {
    const table = magnitudeTable([255, 255, 255], false);
    const scale = { kind: "linear", low: 0, high: 1, threshold: 0 } as const;
    expect(colourOf(NaN, scale, table)).toBe(0);
    expect(colourOf(Infinity, scale, table)).toBe(table[255]);
    expect(colourOf(0, scale, table)).toBe(0xffffffff);
  });
});

test("a pixel of the overview is the largest of its tokens", () => {
  const lines = linesOf(["a\n", "b\n", "c\n", "d"], 100, measure);
  const pixels = strongest(lines, Float64Array.from([1, -5, NaN, 2]), 11, 2);
  expect([pixels[0], pixels[40]]).toEqual([1, 3]);
});

test("numbers of a token", () => {
  expect([NaN, Infinity, -Infinity, 1234, 0.5, -0.5].map(written)).toEqual([
    "none",
    "∞",
    "−∞",
    "1,234",
    "0.500000",
    "−0.500000",
  ]);
});
