/** Which token each point is, and the text around it. */
import { type Bytes, int32, uint16 } from "../core/bytes";
import { plain } from "../core/tokens";
import type { Model } from "../core/widget_model";
import type { ProjectionViewTraits } from "../generated/traits";

export interface Context {
  before: string[];
  token: string;
  after: string[];
  /** There is more of the text on that side. */
  more: readonly [before: boolean, after: boolean];
}

/** `n` integers of two or of four bytes each. */
function integers(value: Bytes, n: number): Uint16Array | Int32Array {
  return n && value.byteLength === 4 * n ? int32(value) : uint16(value);
}

export class PointTexts {
  readonly samples: ArrayLike<number>;
  readonly positions: ArrayLike<number>;
  readonly hasTexts: boolean;
  readonly hasTokens: boolean;
  /** All points are of one sample. */
  readonly isOne: boolean;
  readonly #words: readonly string[];
  readonly #ids: ArrayLike<number>;
  readonly #starts: Int32Array;
  #rows: Map<number, number> | undefined;

  constructor(model: Model<ProjectionViewTraits>) {
    const n = model.get("n_points");
    this.samples = integers(model.get("samples"), n);
    this.positions = integers(model.get("positions"), n);
    this.#words = model.get("words");
    this.#starts = int32(model.get("text_starts"));
    this.isOne = Array.prototype.every.call(this.samples, (sample) => sample === this.samples[0]);
    this.hasTexts = this.#starts.length > 0;
    this.hasTokens = this.#words.length > 0;
    this.#ids = integers(model.get("word_ids"), this.hasTexts ? this.#starts.at(-1)! : n);
  }

  token(point: number): string | undefined {
    if (!this.hasTokens) return undefined;
    return this.#words[this.#ids[this.#at(point)]!];
  }

  /** The token with up to `reach` tokens on either side; undefined where no tokens are known. */
  context(point: number, reach: number): Context | undefined {
    const token = this.token(point);
    if (token === undefined) return undefined;
    if (!this.hasTexts) return { before: [], token, after: [], more: [false, false] };
    const [at, start, end] = [
      this.#at(point),
      this.#starts[this.samples[point]!]!,
      this.#starts[this.samples[point]! + 1]!,
    ];
    const words = (from: number, to: number): string[] =>
      Array.from({ length: Math.max(0, to - from) }, (_, i) => this.#words[this.#ids[from + i]!]!);
    const [first, last] = [Math.max(start, at - reach), Math.min(end, at + 1 + reach)];
    return { before: words(first, at), token, after: words(at + 1, last), more: [first > start, last < end] };
  }

  /** The point of a sample and position; undefined where there is none. */
  row(sample: number, position: number): number | undefined {
    this.#rows ??= new Map(Array.from(this.samples, (one, at) => [one * 2 ** 31 + this.positions[at]!, at]));
    return this.#rows.get(sample * 2 ** 31 + position);
  }

  /** "sample 3, position 12", or the position alone where all are of one sample. */
  place(point: number): string {
    const position = `position ${this.positions[point]}`;
    return this.isOne ? position : `sample ${this.samples[point]}, ${position}`;
  }

  /** In one line: the token, or the place where none is known. */
  name(point: number, limit = 24): string {
    const token = this.token(point);
    return token === undefined ? this.place(point) : plain(token, limit);
  }

  #at(point: number): number {
    return this.hasTexts ? this.#starts[this.samples[point]!]! + this.positions[point]! : point;
  }
}
