import { expect, test } from "vitest";
import { float32 } from "../src/core/bytes";
import { Requests } from "../src/core/requests";
import { decode, encode, type Head } from "../src/workbench/socket/socket_messages";
import { SocketModel, whole } from "../src/workbench/socket/socket_model";

test("a frame is read as it was written, its buffers where typed arrays read them", () => {
  const numbers = new Float32Array([1, 2.5, -3]);
  const { head, buffers } = decode(
    encode({ kind: "custom", id: "ä" }, [Uint8Array.of(7).buffer, numbers.buffer]).buffer,
  );
  expect(head).toMatchObject({ kind: "custom", id: "ä" });
  expect(buffers[0]!.getUint8(0)).toBe(7);
  expect(buffers[1]!.byteOffset % 8).toBe(0);
  expect([...float32(buffers[1]!)]).toEqual([...numbers]);
});

test("a frame of another version is refused", () => {
  const frame = encode({ kind: "x" });
  frame[0] = 9;
  expect(() => decode(frame.buffer)).toThrow("another version");
});

const model = (): { one: SocketModel; out: Head[] } => {
  const out: Head[] = [];
  return { one: new SocketModel("m", { a: 1, b: [1] }, (head) => out.push(head)), out };
};

test("traits that were set go together, and only those that changed", () => {
  const { one, out } = model();
  const heard: string[] = [];
  one.on("change:a", () => heard.push("a"));
  one.set("a", 2);
  one.set("b", [1]);
  one.save_changes();
  one.save_changes();
  expect(out).toEqual([{ kind: "update", id: "m", state: { a: 2 }, buffer_paths: [] }]);
  expect(heard).toEqual(["a"]);
});

test("what Python says is there before anybody hears of it, and is not sent back", () => {
  const { one, out } = model();
  const seen: unknown[] = [];
  one.on("change:a", () => seen.push([one.get("a"), one.get("b")]));
  one.take(whole({ a: 5, b: [2] }, [["c"]], [new DataView(new ArrayBuffer(4))]));
  one.take({ a: 5 });
  one.save_changes();
  expect(seen).toEqual([[5, [2]]]);
  expect(one.get("c").byteLength).toBe(4);
  expect(out).toEqual([]);
});

test("what was set here stays where Python spoke before it heard of it", () => {
  const { one } = model(); // its messages have numbers from 1
  one.set("a", 2);
  one.take({ a: 7, b: [3] }, 0); // on its way while it was being set
  expect([one.get("a"), one.get("b")]).toEqual([2, [3]]);
  one.save_changes();
  one.take({ a: 7 }, 0);
  expect(one.get("a")).toBe(2);
  one.take({ a: 7 }, 1); // Python has heard, and says otherwise
  expect(one.get("a")).toBe(7);
  one.take({ b: [4] });
  expect(one.get("b")).toEqual([4]);
});

test("requests are answered by their ids, and refused where nobody answers any more", async () => {
  const { one, out } = model();
  const requests = new Requests(one, new AbortController().signal);
  const first = requests.ask("rows");
  one.hear({ v: 1, id: out[0]!.content.id, kind: "res", data: { n: 3 } }, []);
  expect((await first).data).toEqual({ n: 3 });
  const second = requests.ask("rows");
  one.refuse();
  await expect(second).rejects.toThrow("connection was lost");
});
