import { expect, test } from "vitest";
import { Requests } from "../src/core/requests";
import { StandInModel } from "../src/saved_page";

const model = (): StandInModel =>
  new StandInModel(
    {
      bundle: "x",
      state: { title: "t", heads: [] },
      binary: { numbers: 1 },
      answers: [{ name: "rows", args: { b: 2, a: [1, { d: 1, c: 2 }] }, data: { n: 3 }, buffers: [1] }],
    },
    (at) => new DataView(Uint8Array.of(at, at).buffer),
  );

test("holds the state, and says when it changes", () => {
  const one = model();
  const heard: unknown[] = [];
  const hear = (): void => void heard.push(one.get("heads"));
  one.on("change:heads", hear);
  one.set("heads", [[1, 2]]);
  one.set("heads", [[1, 2]]);
  one.off("change:heads", hear);
  one.set("heads", []);
  expect(heard).toEqual([[[1, 2]]]);
  expect(one.get("numbers").getUint8(0)).toBe(1);
});

test("answers what was saved, whatever the order of the arguments", async () => {
  const { data, buffers } = await new Requests(model(), new AbortController().signal).ask("rows", {
    a: [1, { c: 2, d: 1 }],
    b: 2,
  });
  expect(data).toEqual({ n: 3 });
  expect(buffers[0]!.getUint8(0)).toBe(1);
});

test("says that anything else needs the notebook", async () => {
  const requests = new Requests(model(), new AbortController().signal);
  await expect(requests.ask("rows", { b: 3 })).rejects.toThrow("needs the running notebook");
  await expect(requests.ask("html")).rejects.toThrow("needs the running notebook");
});
