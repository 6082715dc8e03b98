/** The numbers of all latents that are listed, a row each, as Python packs them. */
import { bytes, float32, int32 } from "../core/bytes";
import type { FilterColumn } from "../core/filter/filter";
import type { Model } from "../core/widget_model";
import type { FeatureBrowserTraits } from "../generated/traits";

export interface Columns {
  n: number;
  /** The latent of each row. */
  latents: Int32Array;
  counts: Int32Array;
  rate: Float32Array;
  mean: Float32Array;
  max: Float32Array;
  /** NaN where a latent has no label; nothing where none has. */
  score: Float32Array | undefined;
  dead: Uint8Array;
  /** Largest cosine with a latent of another autoencoder, in steps of 1/127; nothing where none is compared. */
  other: Float32Array | undefined;
  rowOf(latent: number): number | undefined;
}

export function readColumns(model: Model<FeatureBrowserTraits>): Columns {
  const n = model.get("n_listed");
  const listed = int32(model.get("latents"));
  const latents = listed.length ? listed : Int32Array.from({ length: n }, (_, row) => row);
  const places = listed.length ? new Map(Array.from(listed, (latent, row) => [latent, row])) : undefined;
  const [counts, max] = [int32(model.get("counts")), float32(model.get("maxima"))];
  const tokens = Math.max(1, model.get("n_tokens"));
  const others = bytes(model.get("others"));
  const scores = halves(bytes(model.get("scores")));
  return {
    n,
    latents,
    counts,
    max,
    rate: Float32Array.from(counts, (count) => (count >>> 0) / tokens),
    mean: halves(bytes(model.get("means"))).map((share, row) => share * max[row]!),
    other: others.length ? Float32Array.from(others, (level) => level / 127.5 - 1) : undefined,
    score: scores.length ? scores : undefined,
    dead: Uint8Array.from(counts, (count) => Number(count === 0)),
    rowOf: (latent) => (places ? places.get(latent) : latent >= 0 && latent < n ? latent : undefined),
  };
}

/** What a filter asks about. */
export function filterColumns({ latents, rate, mean, max, score, other, dead }: Columns): FilterColumn[] {
  return [
    { name: "rate", kind: "number", values: rate },
    { name: "mean", kind: "number", values: mean },
    { name: "max", kind: "number", values: max },
    ...(score ? [{ name: "score", kind: "number" as const, values: score }] : []),
    ...(other ? [{ name: "other", kind: "number" as const, values: other }] : []),
    { name: "dead", kind: "integer", values: dead },
    { name: "latent", kind: "integer", values: latents },
  ];
}

/** Numbers of half precision, little-endian. */
export function halves(given: Uint8Array): Float32Array {
  const found = new Float32Array(given.byteLength >> 1);
  for (let at = 0; at < found.length; at++) found[at] = HALF[given[2 * at]! | (given[2 * at + 1]! << 8)]!;
  return found;
}

/** The number of each of the 65,536 patterns. */
const HALF = Float32Array.from({ length: 65_536 }, (_, bits) => {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
});
