// @vitest-environment happy-dom
import { describe, expect, test } from "vitest";
import {
  columns,
  fitted,
  isUnknown,
  partNote,
  parts,
  plain,
  tokenInText,
  tokenSpan,
  tokenSpanAt,
  UNKNOWN,
} from "../src/core/tokens";

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

describe("characters that are spread over several tokens", () => {
  const notes = (tokens: string[]): string[] => tokens.map((_, at) => partNote(tokens, at));
  /** As `token_texts` in Python gives tokens that are cut between the bytes of a text. */
  const cut = (text: string, ...lengths: number[]): string[] => {
    const bytes = [...new TextEncoder().encode(text)].map(
      (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
    );
    return lengths.map((length) => bytes.splice(0, length).join(""));
  };

  test("are named at each of their pieces", () => {
    expect(notes(["a", ...cut("こ", 2, 1), " b"])).toEqual([
      "",
      " (part 1 of 2 of 'こ')",
      " (part 2 of 2 of 'こ')",
      "",
    ]);
    expect(notes(cut("🦊", 1, 2, 1))).toEqual([1, 2, 3].map((part) => ` (part ${part} of 3 of '🦊')`));
  });
  test("belong together where a token has bytes of two", () => {
    expect(notes(cut("こん", 2, 3, 1))).toEqual([1, 2, 3].map((part) => ` (part ${part} of 3 of 'こん')`));
  });
  test("do not take in their neighbours", () => {
    expect(notes(cut("éこ", 2, 2, 1))).toEqual(["", " (part 1 of 2 of 'こ')", " (part 2 of 2 of 'こ')"]);
    expect(notes(cut("ここ", 2, 1, 1, 2))).toEqual([1, 2, 1, 2].map((part) => ` (part ${part} of 2 of 'こ')`));
  });
  test("are not made of bytes that are none", () => {
    expect(notes(["<0xE3>", "<0x81>"])).toEqual(["", ""]);
    expect(notes(["<0xFF>", "<0x93>", "<0xE3>", "x"])).toEqual(["", "", "", ""]);
    expect(notes(["<0x0A>", "<0x0A>"])).toEqual(["", ""]);
  });
  test("are told without what would reorder the text", () => {
    expect(notes(cut("\u202e", 1, 2))[0]).toBe(" (part 1 of 2 of 'U+202E')");
  });
  test("stand once in a text, before their first piece", () => {
    const tokens = cut("こ", 2, 1);
    expect([0, 1].map((at) => tokenInText(tokens, at).textContent)).toEqual(["こ0xE3 0x81", "0x93"]);
    expect(tokenSpanAt(tokens, 1).textContent).toBe("0x93 (part 2 of 2 of 'こ')");
  });
});

test("the token of unknown words says what it is", () => {
  expect(["<unk>", " <unk>", "[UNK]", "unk", "<unk>s", ""].map(isUnknown)).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
  expect(tokenSpan("<unk>").title).toBe(UNKNOWN);
  expect(tokenSpan("Mary").hasAttribute("title")).toBe(false);
});
