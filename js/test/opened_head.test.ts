// @vitest-environment happy-dom
import { describe, expect, test } from "vitest";
import { pythonCode } from "../src/attention_view/export";
import { createTokens } from "../src/attention_view/opened_head_tokens";
import { Patterns } from "../src/attention_view/patterns/patterns";
import { State } from "../src/attention_view/state";
import { read } from "../src/core/attention/pattern";
import { signal } from "../src/core/reactive";
import { Requests } from "../src/core/requests";
import { selectionOf } from "../src/core/selection";
import { FakeModel } from "./fake_model";

const EVIL = "<img src=x onerror=window.evil=1>";

function made(traits: Record<string, unknown> = {}) {
  const model = new FakeModel({
    n_layers: 1,
    n_heads: 2,
    tokens: ["a", "b"],
    versus_tokens: [],
    thumbnails: new DataView(new ArrayBuffer(2)),
    thumbnail_size: 1,
    thumbnail_layers: 1,
    statistics: ["x"],
    statistic_values: new DataView(new ArrayBuffer(8)),
    strongest: [],
    letters: [],
    pinned_heads: [],
    arguments: [],
    sort: "",
    filter: "",
    scale: "linear",
    limits: [0, 1],
    threshold: 0,
    quantity: "attention",
    head_tokens: false,
    no_weights: "",
    made_by: "",
    selected_heads: [[0, 1]],
    selected_tokens: [],
    selection_id: `${Math.random()}`,
    ...traits,
  });
  const until = new AbortController().signal;
  const patterns = new Patterns(model as any, new Requests(model, until), until);
  const theme = signal({ groundRgb: [0, 0, 0], dark: true } as any);
  const state = new State(model as any, selectionOf(model as any, until), patterns, theme, until);
  const asked = (name: string): any[] => model.sent.filter((one) => one.kind === "req" && one.name === name);
  const answer = async (id: string, data: unknown, ...values: number[][]): Promise<void> => {
    const buffers = values.map((one) => new DataView(Float32Array.from(one).buffer));
    model.tell("msg:custom", { v: 1, id, kind: "res", data }, buffers);
    await Promise.resolve().then(() => {});
    await new Promise((done) => setTimeout(done));
  };
  return { model, state, patterns, asked, answer, until };
}

describe("value-weighted attention", () => {
  test("is asked for when it is chosen, and both are kept", async () => {
    const { model, state, asked, answer } = made();
    const exact = { exact: true, step: 1 };
    await answer(asked("head")[0].id, exact, [1, 0.25, 0.75]);
    const at = (): number => read(state.patterns.get([0, 1], "a").value!, 1, 1).value;
    expect(at()).toBe(0.75);
    expect(state.openedScaleOf("a").high).toBe(1);
    state.setQuantity("value_weighted");
    expect(model.saved).toEqual([{ quantity: "value_weighted" }]);
    expect(asked("weighted").map((one) => one.args)).toEqual([{ layer: 0, head: 1, side: "a" }]);
    expect(state.patterns.get([0, 1], "a").value).toBeUndefined();
    await answer(asked("weighted")[0].id, exact, [3, 1, 0.5]);
    expect(at()).toBe(0.5);
    expect(state.openedScaleOf("a")).toEqual({ kind: "linear", low: 0, high: 5, threshold: 0 });
    expect(state.scaleOf("a").high).toBe(1);
    state.setQuantity("attention");
    expect(at()).toBe(0.75);
    expect([asked("head").length, asked("weighted").length]).toEqual([1, 1]);
  });
  test("is attention where there are no weights", () => {
    const { state, asked } = made({ quantity: "value_weighted", no_weights: "from a file" });
    expect(state.weighted).toBe(false);
    expect([asked("head").length, asked("weighted").length]).toEqual([1, 0]);
  });
});

describe("tokens", () => {
  const list = (word: string) => ({ up: [[word, 2.5]], down: [["c", -1]], note: "" });
  test("are asked for one list after the other, kept, and dimmed while others come", async () => {
    const { model, state, asked, answer, until } = made({ head_tokens: true });
    const element = createTokens(state, until);
    const pending = (): boolean[] =>
      [...element.querySelectorAll("section")].map((one) => one.classList.contains("av-pending"));
    expect(asked("head_tokens").map((one) => one.args)).toEqual([
      { what: "writes", layer: 0, head: 1, side: "a", position: 1 },
    ]);
    expect(pending()).toEqual([true, true, true]);
    for (const [i, word] of [EVIL, "x", "y"].entries()) await answer(asked("head_tokens")[i].id, list(word));
    expect(asked("head_tokens").map((one) => one.args.what)).toEqual(["writes", "ov", "qk"]);
    expect(pending()).toEqual([false, false, false]);
    expect(element.querySelector("img")).toBeNull();
    expect(element.querySelector("td")!.textContent).toBe(EVIL.replaceAll(" ", "·"));
    expect(element.querySelector(".av-number")!.textContent).toBe("+2.50");
    model.arrive("selected_tokens", [0]);
    expect(asked("head_tokens").at(-1).args.position).toBe(0);
    expect(pending()).toEqual([true, true, true]);
    expect(element.querySelector(".av-number")!.textContent).toBe("+2.50");
    model.arrive("selected_tokens", [1]); // given up, and known
    expect(model.sent.at(-1).kind).toBe("cancel");
    expect(pending()).toEqual([false, false, false]);
    expect(asked("head_tokens").length).toBe(4);
  });
  test("that cannot be had say why, the others come", async () => {
    const { model, state, asked, answer, until } = made({ head_tokens: true });
    const element = createTokens(state, until);
    model.tell("msg:custom", { v: 1, id: asked("head_tokens")[0].id, kind: "err", message: "No sum here." }, []);
    await new Promise((done) => setTimeout(done));
    await answer(asked("head_tokens")[1].id, list("x"));
    const [writes, ov] = element.querySelectorAll("section");
    expect(writes!.querySelector(".av-said")!.textContent).toContain("No sum here.");
    expect(writes!.querySelectorAll("td").length).toBe(0);
    expect(ov!.querySelectorAll("td").length).toBe(4);
  });
  test("are not there without weights", () => {
    const { state, asked, until } = made({ head_tokens: true, no_weights: "from a file" });
    expect(createTokens(state, until).textContent).toBe("from a file");
    expect(asked("head_tokens")).toEqual([]);
  });
});

test("the code says what is shown", () => {
  expect(pythonCode(made({ quantity: "value_weighted", head_tokens: true }).state)).toBe(
    'AttentionView(trace, selected_heads=[(0, 1)], quantity="value_weighted", head_tokens=True)\n',
  );
});
