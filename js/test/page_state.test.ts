// @vitest-environment happy-dom
import { beforeEach, expect, test, vi } from "vitest";
import type { Saved } from "../src/workbench/layout";
import { KEPT, PageState } from "../src/workbench/page_state";
import { FakeModel } from "./fake_model";

const saved: Saved = {
  v: 1,
  layout: { columns: [[{ id: "aaaa", kind: "lens", side: "a", options: {} }], []] },
  prompts: { a: "I think" },
  heads: [[2, 1]],
  tokens: [],
};

/** A page whose server answers every request at once; `laid` are the layouts that it was told. */
function opened(
  state: object = {},
  heads: unknown[] = [],
): { page: PageState; laid: Saved[]; bar: FakeModel; model: FakeModel } {
  const laid: Saved[] = [];
  const bar = new FakeModel({ selection_id: "s", selected_heads: heads, selected_tokens: [] });
  const model = new FakeModel({
    sides: { a: { bar: "bar", model: "demo", prompt: "I think", tokens: [] } },
    panels: [],
    kinds: [{ kind: "lens", title: "Lens", about: "", makes: "", options: [] }],
    layout: "",
    before: "",
    ...state,
  });
  model.send = (content: any) => {
    if (content.name === "layout") laid.push(JSON.parse(content.args.text));
    queueMicrotask(() => model.tell("msg:custom", { v: 1, id: content.id, kind: "res", data: {} }));
  };
  const page = new PageState({ models: new Map([["bar", bar]]) } as any, model as any, new AbortController().signal);
  return { page, laid, bar, model };
}

beforeEach(() => {
  vi.useFakeTimers();
  sessionStorage.clear();
});

test("a window that is only opened shows what was last laid out, and tells nobody how it stands", async () => {
  for (const state of [{}, { before: JSON.stringify(saved) }, { layout: JSON.stringify(saved) }]) {
    const { page, laid } = opened(state, "layout" in state ? saved.heads : []);
    await page.begin(undefined, undefined);
    await vi.advanceTimersByTimeAsync(10_000);
    if ("before" in state || "layout" in state) expect(page.saved()).toEqual(saved);
    expect(laid).toEqual([]);
    expect(JSON.parse(sessionStorage.getItem(KEPT)!)).toEqual(page.saved()); // a reload finds it
  }
});

test("a page that is reloaded before it told of another prompt stays with that", async () => {
  const { page, laid, bar } = opened({ panels: [{ ...saved.layout.columns[0]![0]!, view: "view", bundle: "lens" }] });
  await page.begin(undefined, { ...saved, prompts: { a: "the prompt before" } });
  expect(page.saved().layout).toEqual(saved.layout);
  expect([laid, bar.sent]).toEqual([[], []]);
});

test("each change is told once: panels, prompts and what is selected", async () => {
  const { page, laid, bar } = opened({ before: JSON.stringify(saved) });
  await page.begin(undefined, undefined);
  const id = page.add("lens");
  await vi.advanceTimersByTimeAsync(1000);
  expect(laid).toHaveLength(1);
  expect(laid[0]!.layout.columns[1]!.map((panel) => panel.id)).toEqual([id]);
  page.move(id, 0, 1); // to where it is
  await page.run(id, {});
  await vi.advanceTimersByTimeAsync(1000);
  expect(laid).toHaveLength(1);
  bar.arrive("selected_heads", [[3, 0]]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(laid[1]!.heads).toEqual([[3, 0]]);
});

test("a page that is reloaded before it told of a panel has it, and tells then", async () => {
  const before = opened();
  await before.page.begin(undefined, undefined);
  before.page.add("lens");
  const kept = JSON.parse(sessionStorage.getItem(KEPT)!); // the tab is reloaded now
  expect(before.laid).toEqual([]);
  const panels = kept.layout.columns.flat().map((panel: object) => ({ ...panel, view: "view", bundle: "lens" }));
  const after = opened({ panels, layout: JSON.stringify(saved) });
  await after.page.begin(undefined, kept);
  expect(after.page.saved()).toEqual(kept);
  await vi.advanceTimersByTimeAsync(1000);
  expect(after.laid).toEqual([kept]);
});

test("a panel that is closed and comes back before the server has closed it is made again", async () => {
  const panel = { ...saved.layout.columns[0]![0]!, view: "view", bundle: "lens" };
  const { page, model } = opened({ panels: [panel], layout: JSON.stringify(saved) });
  const asked: string[] = [];
  model.send = ({ id, name }: any) => {
    asked.push(name);
    setTimeout(() => {
      model.arrive("panels", name === "remove" ? [] : [panel]);
      model.tell("msg:custom", { v: 1, id, kind: "res", data: {} });
    }, 100);
  };
  await page.begin(undefined, undefined);
  page.close("aaaa");
  page.undo();
  expect(page.pending.peek().get("aaaa")?.state).toBe("running");
  await vi.advanceTimersByTimeAsync(350);
  expect(asked).toEqual(["remove", "add"]);
  expect(page.viewOf("aaaa")).toEqual(panel);
  expect(page.pending.peek().size).toBe(0);
});
