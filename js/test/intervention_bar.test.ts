// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createInterventionBar, type Target } from "../src/core/elements/intervention_bar";
import { type Signal, signal } from "../src/core/reactive";
import { Requests } from "../src/core/requests";
import { SAVED_PAGE } from "../src/core/widget_model";
import { FakeModel } from "./fake_model";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const HEAD: Target = { site: "head", layer: 3, index: 1, name: "head 3.1" };
const ROW = {
  key: "head 3.1, layer 3, all positions",
  name: "head 3.1",
  kind: "scale",
  site: "z",
  layer: 3,
  index: 1,
  at: "all positions",
  strength: 0,
  neutral: 1,
  on: true,
};
const EFFECT = { kl: 0.5, difference: [2.5, -1], next: [" Mary", " John"], log_probability: [-0.1, -2] };
const TOLD = { rows: [ROW], effect: EFFECT, answers: [" Mary", " John"], can_undo: true };

function made(state: Record<string, unknown> = {}, selected: Target | undefined = HEAD) {
  const model = new FakeModel({ can_intervene: true, intervened: {}, ...state });
  const target: Signal<Target | undefined> = signal(selected);
  const lost = signal(false);
  const until = new AbortController();
  const root = document.createElement("div");
  const requests = new Requests(model, until.signal, lost);
  const bar = createInterventionBar({ model, root, requests, target }, until.signal);
  root.append(bar);
  document.body.replaceChildren(root);
  const one = (selector: string): HTMLElement => bar.querySelector<HTMLElement>(selector)!;
  const button = (text: string): HTMLElement =>
    [...bar.querySelectorAll("button")].find((found) => found.textContent === text)!;
  const answer = (at: number, kind = "res", more: object = { data: {} }): Promise<void> => {
    model.tell("msg:custom", { v: 1, id: model.sent[at].id, kind, ...more }, []);
    return vi.advanceTimersByTimeAsync(0).then(() => {});
  };
  return {
    model,
    target,
    lost,
    root,
    bar,
    one,
    button,
    answer,
    asked: () => model.sent.filter(({ kind }) => kind === "req"),
  };
}

test("what is pressed is asked for, and a second press takes it away", () => {
  const { model, button, asked } = made();
  expect(button("Ablate").getAttribute("aria-pressed")).toBe("false");
  button("Ablate").click();
  expect(asked()[0]).toMatchObject({
    name: "intervene",
    args: { site: "head", layer: 3, index: 1, how: "scale", strength: 0 },
  });
  model.arrive("intervened", TOLD);
  expect(button("Ablate").getAttribute("aria-pressed")).toBe("true");
  button("Ablate").click();
  expect(asked()[1]).toMatchObject({ name: "withdraw", args: { key: ROW.key } });
});

test("numbers are dim while they are not of what acts", async () => {
  const { model, one, button, answer } = made({ intervened: TOLD });
  const old = (): boolean => one(".sw-touch-numbers").classList.contains("sw-touch-old");
  expect(one(".sw-touch-numbers").textContent).toContain("+2.50 → −1.00");
  expect(old()).toBe(false);
  button("Freeze").click();
  expect(old()).toBe(true);
  await answer(0);
  expect(old()).toBe(false);
  model.arrive("intervened", { ...TOLD, rows: [{ ...ROW, strength: 0.5 }], effect: {} });
  expect(old()).toBe(true);
  expect(one(".sw-touch-numbers").textContent).toContain("−1.00");
  model.arrive("intervened", { ...TOLD, rows: [], effect: {} });
  expect(one(".sw-touch-numbers").textContent).toBe("");
});

test("what the numbers are is said beside them, and what an unknown word is", () => {
  const { model, one } = made({ intervened: TOLD });
  expect(one(".sw-touch-numbers").textContent).toMatch(/^run again:/);
  expect(one(".sw-touch-numbers > .sw-dim").title).toContain("ranks heads in another order");
  expect(one(".sw-touch-numbers").textContent).not.toContain("vocabulary");
  model.arrive("intervened", { ...TOLD, effect: { ...TOLD.effect, next: [" Mary", "<unk>"] } });
  expect(one(".sw-touch-numbers").textContent).toContain("<unk> (<unk>: any word outside the model's vocabulary)");
});

test("one request does not stop another; Stop stops all, and a refusal is said", async () => {
  const { model, one, button, answer } = made({ intervened: TOLD });
  one(".sw-chip-clear").click();
  button("Freeze").click();
  expect(model.sent.map(({ kind }) => kind)).toEqual(["req", "req"]);
  await vi.advanceTimersByTimeAsync(400);
  await answer(0, "progress", { done: 0, total: 1, text: "waiting for the server" });
  expect(one(".sw-touch-status").textContent).toBe("waiting for the server …");
  button("Stop").click();
  expect(model.sent.filter(({ kind }) => kind === "cancel")).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(0);
  expect(one(".sw-touch-status").textContent).toBe("");
  button("Ablate").click();
  await answer(model.sent.length - 1, "err", { message: "There is no head." });
  expect(one(".sw-touch-status").textContent).toBe("There is no head.");
});

test("a number is read, and what is none is refused", () => {
  const { one, asked } = made();
  const field = one("input") as HTMLInputElement;
  expect(field.value).toBe("1");
  field.value = "−0,5";
  field.dispatchEvent(new Event("change"));
  expect(asked()[0].args.strength).toBe(-0.5);
  field.value = "1e999";
  field.dispatchEvent(new Event("change"));
  expect(asked()).toHaveLength(1);
  expect(one(".sw-touch-status").textContent).toContain("no number");
});

test("a neuron is held at what it is, a cell at what it is on the other prompt", () => {
  const { one, button, target, asked } = made(
    {},
    { site: "neuron", layer: 1, index: 7, name: "neuron 1:7", value: 0.25 },
  );
  const field = one("input") as HTMLInputElement;
  expect(field.value).toBe("0.25");
  field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
  expect(asked()[0].args).toMatchObject({ site: "neuron", how: "clamp", index: 7, strength: 0.25 });
  target.value = { site: "residual", layer: 2, position: 4, name: "residual 2 at to (4)", patch: true };
  button("Corrupted").click();
  expect(asked()[1].args).toMatchObject({ site: "residual", how: "patch", layer: 2, position: 4 });
});

test("x ablates, not while a text is written; without a kernel nothing does", () => {
  const { root, one, asked, lost, bar } = made();
  const press = (at: HTMLElement): boolean =>
    at.dispatchEvent(new KeyboardEvent("keydown", { key: "x", bubbles: true }));
  press(one("input"));
  expect(asked()).toHaveLength(0);
  press(root);
  expect(asked()).toHaveLength(1);
  lost.value = true;
  expect(bar.inert).toBe(true);
  expect(made({ [SAVED_PAGE]: true }).bar.hidden).toBe(true);
  expect(made({ can_intervene: false }).bar.hidden).toBe(true);
});

test("of many interventions the last are shown; names are text", () => {
  const rows = Array.from({ length: 9 }, (_, at) => ({ ...ROW, key: String(at), name: `<img src=x> ${at}` }));
  const { bar } = made({ intervened: { ...TOLD, rows } });
  expect(bar.querySelectorAll(".sw-touch-chip")).toHaveLength(6);
  expect(bar.textContent).toContain("3 more and");
  expect(bar.querySelector("img")).toBeNull();
});
