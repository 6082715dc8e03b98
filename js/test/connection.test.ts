import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { RESTARTED } from "../src/core/elements/connection_line";
import { kernelLost } from "../src/core/kernel_lost";
import { signal } from "../src/core/reactive";
import { Requests } from "../src/core/requests";
import { isSavedPage } from "../src/core/widget_model";
import { SAVED_PICTURE, withoutKernel } from "../src/core/without_kernel";
import { FakeModel } from "./fake_model";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const until = (): AbortSignal => new AbortController().signal;

test("what is asked for is refused when the kernel goes, and from then on", async () => {
  const [model, lost] = [new FakeModel({}), signal(false)];
  const requests = new Requests(model, until(), lost);
  const asked = requests.ask("rows");
  lost.value = true;
  await expect(asked).rejects.toThrow(RESTARTED);
  await expect(requests.ask("rows")).rejects.toThrow(RESTARTED);
  expect(model.sent).toHaveLength(1);
});

test("a silence is seen while something is waited for, and each word ends it", () => {
  const model = new FakeModel({});
  const requests = new Requests(model, until());
  vi.advanceTimersByTime(60_000);
  expect(requests.silent.value).toBe(false);
  void requests.ask("rows");
  vi.advanceTimersByTime(11_000);
  expect(requests.silent.value).toBe(true);
  const { id } = model.sent[0];
  model.tell("msg:custom", { v: 1, id, kind: "progress", done: 0, total: 1, text: "" }, []);
  expect(requests.silent.value).toBe(false);
  vi.advanceTimersByTime(11_000);
  expect(requests.silent.value).toBe(true);
  model.tell("msg:custom", { v: 1, id, kind: "res", data: {} }, []);
  vi.advanceTimersByTime(60_000);
  expect(requests.silent.value).toBe(false);
});

test("whoever turns to a view that has long heard nothing has Python asked whether it is there", () => {
  const model = new FakeModel({});
  const requests = new Requests(model, until());
  requests.ping();
  expect(model.sent).toHaveLength(0);
  vi.advanceTimersByTime(31_000);
  requests.ping();
  requests.ping();
  expect(model.sent.map(({ name }) => name)).toEqual(["ping"]);
});

/** A model as ipywidgets gives it: with its layout's own, and a manager that knows the kernel. */
function hosted(live: boolean) {
  const layout = Object.assign(new FakeModel({}), { comm_live: live });
  const slots: ((sender: unknown, status: string) => void)[] = [];
  const statusChanged = { connect: (hear: (typeof slots)[0]) => void slots.push(hear), disconnect: () => {} };
  const model = Object.assign(new FakeModel({ layout }), { widget_manager: { kernel: { statusChanged } } });
  return { model, layout, tell: (status: string) => slots.forEach((hear) => hear(null, status)) };
}

test("a restart is heard of the layout's comm, a death of the kernel's status", () => {
  const one = hosted(true);
  const lost = kernelLost(one.model, until());
  one.tell("busy");
  one.layout.tell("comm_live_update");
  expect(lost.value).toBe(false);
  one.layout.comm_live = false;
  one.layout.tell("comm_live_update");
  expect(lost.value).toBe(true);
  const other = hosted(true);
  const dead = kernelLost(other.model, until());
  other.tell("autorestarting");
  expect(dead.value).toBe(true);
  expect(kernelLost(hosted(false).model, until()).value).toBe(true);
  expect(kernelLost(new FakeModel({ layout: "IPY_MODEL_1" }), until()).value).toBe(false);
});

test("a model that no kernel knows is a saved page's", async () => {
  const given = new FakeModel({ title: "t" });
  const model = withoutKernel(given);
  expect([isSavedPage(model), model.get("title")]).toEqual([true, "t"]);
  await expect(new Requests(model, until()).ask("rows")).rejects.toThrow(SAVED_PICTURE);
  model.save_changes();
  expect([given.sent, given.saved]).toEqual([[], []]);
});
