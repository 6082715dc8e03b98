import { expect, test, vi } from "vitest";
import { selectionOf } from "../src/core/selection";
import { FakeModel } from "./fake_model";

let next = 0;
function views(count: number, heads: number[][] = []) {
  const selection_id = `s${next++}`;
  return Array.from({ length: count }, () => {
    const model = new FakeModel({ selection_id, selected_heads: heads, selected_tokens: [] });
    const life = new AbortController();
    return { model, life, selection: selectionOf(model, life.signal) };
  });
}

test("views with the same id share at once; the one that was used tells Python", () => {
  const [a, b] = views(2, [[0, 1]]);
  let told = 0;
  b!.selection.subscribe(() => told++, b!.life.signal);
  expect(b!.selection.heads).toEqual([[0, 1]]);
  a!.selection.setHeads([
    [5, 1],
    [5, 1],
    [2, 0],
  ]);
  expect(b!.selection.heads).toEqual([
    [5, 1],
    [2, 0],
  ]);
  a!.selection.setTokens([3]);
  expect(b!.selection.tokens).toEqual([3]);
  expect(told).toBe(2);
  expect(a!.model.saved).toEqual([
    {
      selected_heads: [
        [5, 1],
        [2, 0],
      ],
    },
    { selected_tokens: [3] },
  ]);
  expect(b!.model.saved).toEqual([]);
});

test("latents are shared by name, and a view says what it is of", () => {
  const [a, b] = views(2);
  a!.selection.setLatents(["3.27", "3.27", "1.5"]);
  expect(b!.selection.latents).toEqual(["3.27", "1.5"]);
  expect(a!.model.saved).toEqual([{ selected_latents: ["3.27", "1.5"] }]);
  b!.model.state.place = "3";
  expect([a!.selection.has("place", "3"), a!.selection.has("place", "1")]).toEqual([true, false]);
  b!.life.abort();
  expect(a!.selection.has("place", "3")).toBe(false);
});

test("what is already selected is neither told nor saved again", () => {
  const [a] = views(1, [[0, 1]]);
  a!.selection.setHeads([[0, 1]]);
  expect(a!.model.saved).toEqual([]);
});

test("a value set in Python reaches all views and is not sent back", () => {
  const [a, b] = views(2);
  for (const { model } of [a!, b!]) model.arrive("selected_heads", [[7, 7]]);
  expect(a!.selection.heads).toEqual([[7, 7]]);
  expect([...a!.model.saved, ...b!.model.saved]).toEqual([]);
});

test("late echoes of quick choices do not undo the last one", () => {
  const [a, b] = views(2);
  a!.selection.setHeads([[0, 0]]);
  a!.selection.setHeads([[1, 1]]);
  b!.selection.setHeads([[2, 2]]);
  b!.model.arrive("selected_heads", [[0, 0]]); // Python's Selection carries a's choices to b, late
  expect(a!.selection.heads).toEqual([[2, 2]]);
  b!.model.arrive("selected_heads", [[1, 1]]);
  expect(a!.selection.heads).toEqual([[2, 2]]);
  a!.model.arrive("selected_heads", [[2, 2]]);
  expect(b!.selection.heads).toEqual([[2, 2]]);
  b!.model.arrive("selected_heads", [[0, 0]]); // now it is Python's own wish
  expect(a!.selection.heads).toEqual([[0, 0]]);
});

test("a refusal of Python is obeyed", () => {
  const [a, b] = views(2, [[1, 1]]);
  a!.selection.setHeads([[0, 0]]);
  b!.model.arrive("selected_heads", [[0, 0]]);
  for (const { model } of [a!, b!]) model.arrive("selected_heads", [[1, 1]]);
  expect(b!.selection.heads).toEqual([[1, 1]]);
});

test("other ids are other selections, and a closed view hears nothing", () => {
  const [a, b] = views(2);
  const [other] = views(1);
  b!.life.abort();
  a!.selection.setHeads([[3, 3]]);
  expect(other!.selection.heads).toEqual([]);
  expect(b!.model.listening()).toBe(0);
});

test("views share though each has its own copy of the code", async () => {
  const [a] = views(1);
  vi.resetModules();
  const other = await import("../src/core/selection");
  const model = new FakeModel({ selection_id: a!.model.state.selection_id, selected_heads: [], selected_tokens: [] });
  const b = other.selectionOf(model, new AbortController().signal);
  a!.selection.setHeads([[1, 2]]);
  expect(b.heads).toEqual([[1, 2]]);
  b.setHeads([[3, 4]]);
  expect(a!.selection.heads).toEqual([[3, 4]]);
});
