/** Bulk data: bytes of traits and of answers as typed arrays. */

/** Bytes as hosts pass them. */
export type Bytes = DataView | ArrayBuffer | Uint8Array;

export const asView = (value: Bytes): DataView => {
  const b = bytes(value);
  return new DataView(b.buffer, b.byteOffset, b.byteLength);
};

/** The bytes of a binary trait or buffer, without a copy, whatever the host passes. */
export function bytes(value: Bytes): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return new Uint8Array(value);
}

/** As `bytes`, but at an address that a typed array of `size`-byte items accepts (copied when misaligned). */
function aligned(value: Bytes, size: number): Uint8Array {
  const b = bytes(value);
  return b.byteOffset % size ? b.slice() : b;
}

export function uint16(value: Bytes): Uint16Array {
  const b = aligned(value, 2);
  return new Uint16Array(b.buffer, b.byteOffset, b.byteLength >> 1);
}

export function int32(value: Bytes): Int32Array {
  const b = aligned(value, 4);
  return new Int32Array(b.buffer, b.byteOffset, b.byteLength >> 2);
}

export function float32(value: Bytes): Float32Array {
  const b = aligned(value, 4);
  return new Float32Array(b.buffer, b.byteOffset, b.byteLength >> 2);
}

export function float64(value: Bytes): Float64Array {
  const b = aligned(value, 8);
  return new Float64Array(b.buffer, b.byteOffset, b.byteLength >> 3);
}
