import { expect, test } from "vitest";
import { makePattern, type Pattern } from "../src/core/attention/pattern";
import { PatternCache } from "../src/core/attention/pattern_cache";

const pattern = (): Pattern => makePattern(2, new Uint8Array(3), 1, false);

function asking() {
  const asked: { resolve: (pattern: Pattern) => void; until: AbortSignal }[] = [];
  const ask = (until: AbortSignal): Promise<Pattern> =>
    new Promise((resolve, reject) => {
      until.addEventListener("abort", () => reject(new DOMException("given up", "AbortError")));
      asked.push({ resolve, until });
    });
  return { asked, ask };
}

test("a pattern that is on its way is not asked for again", async () => {
  const { asked, ask } = asking();
  const kept = new PatternCache();
  const both = [kept.load("0,1", ask), kept.load("0,1", ask)];
  expect(asked).toHaveLength(1);
  const found = pattern();
  asked[0]!.resolve(found);
  expect(await Promise.all(both)).toEqual([found, found]);
  expect(kept.entry("0,1").value).toBe(found);
  expect(await kept.load("0,1", ask)).toBe(found);
  expect(asked).toHaveLength(1);
});

test("what is given up can be asked for anew at once", async () => {
  const { asked, ask } = asking();
  const kept = new PatternCache();
  const first = kept.load("0,1", ask);
  kept.giveUp("0,1");
  const second = kept.load("0,1", ask);
  await expect(first).rejects.toThrow("given up");
  expect([asked.length, asked[0]!.until.aborted, kept.isAsked("0,1")]).toEqual([2, true, true]);
  const found = pattern();
  asked[1]!.resolve(found);
  expect(await second).toBe(found);
  expect(kept.isAsked("0,1")).toBe(false);
});

test("those that were looked at last are kept, to so many bytes", async () => {
  const kept = new PatternCache(7); // two patterns of three bytes
  for (const name of ["a", "b", "a", "c"]) await kept.load(name, async () => pattern());
  expect(["a", "b", "c"].map((name) => !!kept.entry(name).peek())).toEqual([true, false, true]);
});
