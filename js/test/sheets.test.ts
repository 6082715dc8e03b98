/** The sheets of views stand in one document, each with what all views share, and a later one wins over an earlier. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const SOURCE = `${import.meta.dirname}/../src`;
/** Not among views: the page around them. */
const PAGE = "workbench/workbench.css";

const read = (path: string): string => readFileSync(`${SOURCE}/${path}`, "utf8").replace(/\/\*.*?\*\//gs, "");
const classes = (css: string): string[] => [...css.matchAll(/\.([a-z][\w-]*)/g)].map(([, name]) => name!);
const selectors = (css: string): string[] =>
  [...css.matchAll(/([^{}]+)\{/g)].flatMap(([, all]) => all!.split(/,(?![^(]*\))/)).map((one) => one.trim());

const shared = new Set(
  classes(read("core/elements/elements.css") + read("core/elements/theme.css")).filter((name) => name.startsWith("sw")),
);
const sheets = readdirSync(SOURCE, { recursive: true, encoding: "utf8" })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => path.endsWith(".css") && !path.startsWith("core/") && path !== PAGE);

test.each(sheets)("%s changes what all views share in its own view alone", (path) => {
  const leaking = selectors(read(path)).filter((selector) => {
    const names = classes(selector);
    return names.length > 0 && names.every((name) => shared.has(name));
  });
  expect(leaking).toEqual([]);
});

test("there are sheets, and something is shared", () => {
  expect(sheets.length).toBeGreaterThan(10);
  expect(shared).toContain("sw-prompt-sheet");
});
