/** Which positions and heads of A and B are each other's. */
import type { Head } from "../core/selection";
import type { Model } from "../core/widget_model";
import type { AttentionViewTraits } from "../generated/traits";

type Panel = "a" | "b" | "difference";

export class SideBySide {
  /** Of each position of A that of B, or -1; undefined: positions of one number are partners. */
  readonly partners: readonly number[] | undefined;
  readonly #inverse: readonly number[];
  readonly #shape: readonly number[];
  readonly #pairs: ReadonlyMap<string, Head>;

  constructor(model: Model<AttentionViewTraits>) {
    const partners: number[] = model.get("partners") ?? [];
    this.partners = partners.length ? partners : undefined;
    const inverse = new Array<number>((model.get("versus_tokens") ?? []).length).fill(-1);
    partners.forEach((to, at) => to >= 0 && to < inverse.length && (inverse[to] = at));
    this.#inverse = inverse;
    this.#shape = model.get("versus_shape") ?? [];
    this.#pairs = new Map(
      ((model.get("head_pairs") ?? []) as number[][]).map(([a, b, c, d]) => [`${a}.${b}`, [c!, d!] as Head]),
    );
  }

  /** The position of a panel's prompt that is the partner of one of another panel's; undefined where it has none. */
  position(at: number | undefined, from: Panel, to: Panel): number | undefined {
    if (at === undefined || !this.partners || (from === "b") === (to === "b")) return at;
    const found = (to === "b" ? this.partners : this.#inverse)[at] ?? -1;
    return found < 0 ? undefined : found;
  }

  /** Where a fraction of a prompt is in the other: between the partners around it. */
  place(at: number, from: Panel, to: Panel, size: number, other: number): number {
    if (!this.partners || (from === "b") === (to === "b")) return at;
    const [low, high] = [Math.floor(at), Math.ceil(at)];
    let [before, after] = [low, high];
    while (before >= 0 && this.position(before, from, to) === undefined) before--;
    while (after < size && this.position(after, from, to) === undefined) after++;
    const start = before < 0 ? [-1, -1] : [before, this.position(before, from, to)!];
    const end = after >= size ? [size, other] : [after, this.position(after, from, to)!];
    if (end[0] === start[0]) return start[1]!;
    return start[1]! + ((at - start[0]!) / (end[0]! - start[0]!)) * (end[1]! - start[1]!);
  }

  /** The head of B beside a head of A; undefined where there is none. */
  head([layer, head]: Head): Head | undefined {
    const [layers, heads] = this.#shape;
    if (layers === undefined || heads === undefined) return [layer, head];
    return this.#pairs.get(`${layer}.${head}`) ?? (layer < layers && head < heads ? [layer, head] : undefined);
  }
}
