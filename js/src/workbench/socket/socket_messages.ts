/** Messages of `scope.v1` as bytes, see frames.py: u32 version, u32 n, JSON head, buffers; each padded to 8 bytes. */

export const PROTOCOL = "scope.v1";
const VERSION = 1;

/** A head says in `kind` what it is, and in `id` of which view. */
export type Head = { kind: string; id?: string; [name: string]: any };

const padded = (n: number): number => (n + 7) & ~7;

export function encode(head: Head, buffers: readonly ArrayBuffer[] = []): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(JSON.stringify({ ...head, buffers: buffers.map((one) => one.byteLength) }));
  let at = padded(8 + text.length);
  const frame = new Uint8Array(buffers.reduce((sum, one) => sum + padded(one.byteLength), at));
  const numbers = new DataView(frame.buffer);
  numbers.setUint32(0, VERSION, true);
  numbers.setUint32(4, text.length, true);
  frame.set(text, 8);
  for (const one of buffers) {
    frame.set(new Uint8Array(one), at);
    at += padded(one.byteLength);
  }
  return frame;
}

/** The buffers are views of the frame: typed arrays read them without a copy. */
export function decode(frame: ArrayBuffer): { head: Head; buffers: DataView[] } {
  const numbers = new DataView(frame);
  if (numbers.getUint32(0, true) !== VERSION) throw new Error("The server speaks another version: reload the page.");
  const n = numbers.getUint32(4, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(frame, 8, n)));
  let at = padded(8 + n);
  const buffers = ((head.buffers ?? []) as number[]).map((length) => {
    const one = new DataView(frame, at, length);
    at += padded(length);
    return one;
  });
  return { head, buffers };
}
