import { expect, test } from "vitest";
import { float32, float64 } from "../src/core/bytes";
import { Requests } from "../src/core/requests";
import { FakeModel } from "./fake_model";

const start = () => {
  const model = new FakeModel({});
  const life = new AbortController();
  return { model, life, requests: new Requests(model, life.signal) };
};

test("an answer reaches its question, with progress before it", async () => {
  const { model, requests } = start();
  const seen: unknown[] = [];
  const answer = requests.ask("rows", { from: 3 }, { onProgress: (...now) => seen.push(now) });
  const { id } = model.sent[0];
  expect(model.sent[0]).toEqual({ v: 1, id, kind: "req", name: "rows", args: { from: 3 } });
  model.tell("msg:custom", { v: 1, id: "another", kind: "res", data: 0 }, []);
  model.tell("msg:custom", { kind: "anywidget-command" }, []);
  model.tell("msg:custom", { v: 1, id, kind: "progress", done: 1, total: 2, text: "half" }, []);
  model.tell("msg:custom", { v: 1, id, kind: "res", data: { n: 1 } }, [Uint8Array.of(7)]);
  const { data, buffers } = await answer;
  expect(data).toEqual({ n: 1 });
  expect(buffers[0]!.getUint8(0)).toBe(7);
  expect(seen).toEqual([[1, 2, "half"]]);
});

test("an error is Python's own sentence", async () => {
  const { model, requests } = start();
  const answer = requests.ask("rows");
  model.tell("msg:custom", { v: 1, id: model.sent[0].id, kind: "err", message: "There is no layer 9." });
  await expect(answer).rejects.toThrow("There is no layer 9.");
});

test("stopping one tells Python, and a late answer is nobody's", async () => {
  const { model, requests } = start();
  const stop = new AbortController();
  const answer = requests.ask("rows", {}, { signal: stop.signal });
  stop.abort();
  await expect(answer).rejects.toMatchObject({ name: "AbortError" });
  expect(model.sent[1]).toEqual({ v: 1, id: model.sent[0].id, kind: "cancel" });
  model.tell("msg:custom", { v: 1, id: model.sent[0].id, kind: "res", data: {} }, []);
});

test("the end of the view stops all and stops listening", async () => {
  const { model, life, requests } = start();
  const answer = requests.ask("rows");
  life.abort();
  await expect(answer).rejects.toMatchObject({ name: "AbortError" });
  await expect(requests.ask("rows")).rejects.toMatchObject({ name: "AbortError" });
  expect(model.listening()).toBe(0);
});

test("misaligned bytes are copied, aligned ones are not", () => {
  const memory = new ArrayBuffer(17);
  new DataView(memory).setFloat64(1, 2.5, true);
  new DataView(memory).setFloat32(9, 1.5, true);
  expect(float64(new DataView(memory, 1, 8))[0]).toBe(2.5);
  expect(float32(new Uint8Array(memory, 9, 4))[0]).toBe(1.5);
  expect(float32(new DataView(memory, 8, 4)).buffer).toBe(memory);
  expect(float32(memory).length).toBe(4);
});
