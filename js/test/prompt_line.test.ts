// @vitest-environment happy-dom
import { expect, test } from "vitest";
import { addPromptLine } from "../src/core/elements/prompt_line";
import { signal } from "../src/core/reactive";
import { FakeModel } from "./fake_model";

test("another prompt is shown when all that came with it is there, in whatever order a host says so", async () => {
  const model = new FakeModel({ prompt_history: ["a"], prompt_at: 0, prompt_line: false, shown: 0, token: 108 });
  const life = new AbortController();
  const seen: number[] = [];
  const line = addPromptLine(document.createElement("div"), model, signal(false), life.signal)!;
  line.onOther(() => seen.push(model.get("token")));
  model.arrive("shown", 1); // as marimo does: one after the other, in any order
  model.arrive("token", 28);
  await Promise.resolve();
  expect(seen).toEqual([28]);
  model.arrive("shown", 2);
  life.abort();
  await Promise.resolve();
  expect(seen).toEqual([28]); // the view is gone
});

test("of a kernel that is gone the line of the connection says it, and the field keeps its text", async () => {
  const model = new FakeModel({ prompt_history: ["a"], prompt_at: 0, prompt_line: true, shown: 0 });
  const lost = signal(false);
  const root = document.body.appendChild(document.createElement("div"));
  addPromptLine(root, model, lost, new AbortController().signal);
  root.querySelector<HTMLElement>(".sw-prompt-closed")!.click();
  const field = root.querySelector("textarea")!;
  field.value = "another";
  field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", cancelable: true }));
  expect(model.sent.at(-1)).toMatchObject({ name: "prompt", args: { text: "another" } });
  lost.value = true;
  await new Promise((done) => setTimeout(done));
  expect(root.querySelector(".sw-prompt-status")!.textContent).toBe("Enter runs, Escape leavesStop");
  expect(root.querySelector<HTMLElement>(".sw-prompt-status")!.className).toBe("sw-prompt-status");
  expect([field.hidden, field.value]).toEqual([false, "another"]);
});
