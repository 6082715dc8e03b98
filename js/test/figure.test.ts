/** What all figures share: captions that are whole, and what a printer gets. */
// @vitest-environment happy-dom
import { expect, test } from "vitest";
import { captioned, lines } from "../src/core/export/figure";
import { printAs } from "../src/core/export/print";

const FIGURE = {
  svg: '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="100" fill="#112233"><rect width="100%" height="100%" fill="#ffffff"/></svg>',
  width: 200,
  height: 100,
};
const CAPTION = `Model a/b; prompt “${"When Mary and John went to the store, ".repeat(12)}<script>”.`;

test("a caption is broken into lines and whole", () => {
  expect(lines(CAPTION, 500).join(" ")).toBe(CAPTION.replace(/ +/g, " "));
  expect(Math.max(...lines(CAPTION, 500).map((line) => line.length))).toBeLessThan(80);
  expect(lines("x".repeat(300), 400).join("")).toBe("x".repeat(300));
  expect(lines("", 400)).toEqual([]);
});

test("a caption stands below the figure, as text", () => {
  const figure = captioned(FIGURE, CAPTION);
  expect(figure.height).toBeGreaterThan(FIGURE.height + 100);
  expect(figure.svg).toContain(FIGURE.svg);
  expect(figure.svg).not.toContain("<script");
  expect(captioned(FIGURE, "")).toBe(FIGURE);
});

test("while a page is printed the figure stands in the view's place", () => {
  const root = document.createElement("div");
  const life = new AbortController();
  let fails = false;
  printAs(
    () => {
      if (fails) throw new Error("still loading");
      return FIGURE;
    },
    root,
    life.signal,
  );
  window.dispatchEvent(new Event("beforeprint"));
  window.dispatchEvent(new Event("beforeprint"));
  expect(root.querySelectorAll(".sw-print")).toHaveLength(1);
  expect(root.querySelector(".sw-print")!.shadowRoot!.innerHTML).toContain("<svg");
  window.dispatchEvent(new Event("afterprint"));
  expect(root.children).toHaveLength(0);
  fails = true;
  window.dispatchEvent(new Event("beforeprint"));
  expect(root.children).toHaveLength(0);
  fails = false;
  life.abort();
  window.dispatchEvent(new Event("beforeprint"));
  expect(root.children).toHaveLength(0);
});
