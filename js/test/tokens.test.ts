import { expect, test } from "vitest";
import { columns, fitted, parts, plain } from "../src/core/tokens";

test("spaces, line ends, bytes and controls have stand-ins", () => {
  expect(parts(" the")).toEqual([
    { text: "·", dim: true },
    { text: "the", dim: false },
  ]);
  expect(plain("\n\n")).toBe("↵↵");
  expect(plain("<0xE2><0x80>")).toBe("0xE2 0x80");
  expect(plain("\t")).toBe("⇥");
  expect(plain("")).toBe("∅");
  expect(plain("\u202eevil")).toBe("U+202Eevil");
});

test("what draws nothing is given by its number, except where it shapes its neighbours", () => {
  const shown = ["\u200d", "\u200c", "\ufeff", "\u00ad", "\u3164", "\ufe0f", "\u2800", "\u2003", "\ud800", "\u{e0067}"];
  for (const char of shown) {
    const number = `U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}`;
    expect(parts(char)).toEqual([{ text: number, dim: true }]);
    expect(plain(`a${char}`), number).toBe(char === "\ufe0f" ? `a${char}` : `a${number}`);
  }
  for (const whole of ["👩‍🚀", "❤️‍🔥", "می‌خواهم", "क्‍ष", "❤️", "e\u0301"]) expect(plain(whole)).toBe(whole);
  expect(plain("\u0301")).toBe("◌\u0301");
  expect(plain(" \u0301")).toBe("·◌\u0301");
  expect(parts("<U+200D>")).toEqual([{ text: "U+200D", dim: true }]);
  expect(plain(" <U+200D><U+FE0F>")).toBe("· U+200D U+FE0F");
  expect(plain("<U+200D")).toBe("<U+200D");
});

test("markup stays text and long tokens are cut by characters, not by halves of them", () => {
  expect(plain("<img src=x onerror=alert(1)>")).toBe("<img·src=x·onerror=alert(1)>");
  expect(plain("👩🚀👩🚀", 3)).toBe("👩🚀…");
});

test("columns", () => {
  expect(columns(" the", 16)).toBe(4);
  expect(columns("日本", 16)).toBe(4);
  expect(columns("a".repeat(50), 16)).toBe(16);
});

test("a token is cut to a width in pixels", () => {
  const measure = (text: string): number => 6 * [...text].length;
  const text = (room: number): string =>
    fitted(" store", room, measure)
      .map((part) => part.text)
      .join("");
  expect([36, 35, 18, 12, 11].map(text)).toEqual(["·store", "·sto…", "·s…", "·…", ""]);
  expect(fitted(" store", 24, measure)).toEqual([
    { text: "·", dim: true },
    { text: "st", dim: false },
    { text: "…", dim: true },
  ]);
});
