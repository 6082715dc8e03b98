// @vitest-environment happy-dom
import { expect, test } from "vitest";
import { createHeadNote } from "../src/core/elements/head_note";
import { notesSaid, tidied } from "../src/core/note_text";
import { signal } from "../src/core/reactive";
import { type Head, type Note, selectionOf } from "../src/core/selection";
import { FakeModel } from "./fake_model";

let next = 0;

function shown(notes: Note[], state: Record<string, unknown> = {}) {
  const model = new FakeModel({ selection_id: `n${next++}`, head_notes: notes, ...state });
  const { signal: until } = new AbortController();
  const head = signal<Head | undefined>([3, 1]);
  const lost = signal(false);
  const root = document.body.appendChild(document.createElement("div"));
  const element = createHeadNote(
    { model, root, selection: selectionOf(model, until), requests: { lost } as any, head },
    until,
  );
  root.append(element);
  const button = element.querySelector<HTMLButtonElement>("button")!;
  const field = element.querySelector<HTMLInputElement>("input")!;
  const key = (name: string, on: HTMLElement = field): void =>
    void on.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
  return { model, head, lost, root, element, button, field, key };
}

test("a note is written, kept in the order of heads, and taken away by an empty text", () => {
  const { model, button, field, key } = shown([[5, 0, "later"]]);
  expect(button.textContent).toBe("3.1note");
  button.click();
  field.value = "  moves \t the name ";
  key("Enter");
  expect(model.saved.at(-1)).toEqual({
    head_notes: [
      [3, 1, "moves the name"],
      [5, 0, "later"],
    ],
  });
  expect(button.textContent).toBe("3.1note:moves the name");
  button.click();
  expect(field.value).toBe("moves the name");
  field.value = "";
  key("Enter");
  expect(model.saved.at(-1)).toEqual({ head_notes: [[5, 0, "later"]] });
});

test("Escape keeps the old, a text that cannot be a note stays in the field with why", () => {
  const { model, root, field, element, key } = shown([[3, 1, "old"]]);
  key("a", root);
  field.value = "new";
  key("Escape");
  expect(field.hidden).toBe(true);
  key("a", root);
  field.value = "turned \u202e round";
  key("Enter");
  expect(field.hidden).toBe(false);
  expect(element.textContent).toContain("U+202E");
  expect(model.saved).toEqual([]);
});

test("where nothing can be kept notes are read only", () => {
  const { element, button, head, lost } = shown([[3, 1, "old"]]);
  lost.value = true;
  expect([button.disabled, element.hidden]).toEqual([true, false]);
  head.value = [2, 0];
  expect(element.hidden).toBe(true);
  const page = shown([[3, 1, "<b>old"]], { _saved_page: true });
  expect([page.button.disabled, page.button.textContent, page.element.querySelector("b")]).toEqual([
    true,
    "3.1note:<b>old",
    null,
  ]);
  page.key("a", page.root);
  expect(page.field.hidden).toBe(true);
});

test("what a note may be, and what a caption says, as in Python", () => {
  expect(tidied("x".repeat(300)).problem).toBe("");
  expect(tidied("x".repeat(301)).problem).toContain("this one has 301");
  expect(tidied("😀".repeat(300)).problem).toBe("");
  expect(tidied("a\u0000b").problem).toContain("U+0000");
  const notes: Note[] = [
    [3, 1, "moves the name."],
    [9, 0, "of another model"],
  ];
  expect(notesSaid(notes, 4, 4)).toBe(" Notes: 3.1, moves the name.");
  expect(notesSaid([], null, null)).toBe("");
  const many = Array.from({ length: 14 }, (_, i): Note => [i, 0, "n"]);
  expect(notesSaid(many, null, null)).toMatch(/; 11\.0, n; and 2 more\.$/);
});
