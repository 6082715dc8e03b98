/** What was computed over the span of each slider, the others held: asked for once, and good while the others stand there. */
import type { AskOptions, Requests } from "../../core/requests";
import type { Strength } from "../sliders/sliders";
import type { Answer } from "./answer";
import { type Grid, gridOf, interpolated } from "./interpolation";

export interface Found {
  answer: Answer;
  computed: boolean;
  /** How the numbers came about, in words. */
  how: string;
}

const keyOf = (at: number, strengths: readonly Strength[]): string =>
  JSON.stringify([at, strengths.filter((_, i) => i !== at)]);

export class Grids {
  readonly #requests: Requests;
  #known = new Map<string, Grid>();
  #asked = new Map<string, Promise<void>>();

  constructor(requests: Requests) {
    this.#requests = requests;
  }

  has(at: number, strengths: readonly Strength[]): boolean {
    return this.#known.has(keyOf(at, strengths));
  }

  /** Resolves when the grid is there; rejects with Python's sentence. */
  async load(at: number, strengths: readonly Strength[], options?: AskOptions): Promise<void> {
    const key = keyOf(at, strengths);
    const [known, asked] = [this.#known, this.#asked]; // those of these sliders
    if (known.has(key)) return;
    if (!asked.has(key)) {
      const found = this.#requests
        .ask("grid", { which: at, strengths }, options)
        .then((reply) => void known.set(key, gridOf(reply)));
      asked.set(
        key,
        found.finally(() => asked.delete(key)),
      );
    }
    return asked.get(key);
  }

  /** What comes next at these strengths; undefined beyond what was computed. */
  find(at: number, strengths: readonly Strength[], difference0: number | null): Found | undefined {
    const grid = this.#known.get(keyOf(at, strengths));
    const found = grid && interpolated(grid, strengths[at]!, difference0);
    if (!found) return undefined;
    const points = grid.strengths.filter((one) => one !== null).length;
    return { ...found, how: found.computed ? "computed" : `interpolated between ${points} computed strengths` };
  }

  /** When the sliders are others. */
  forget(): void {
    this.#known = new Map();
    this.#asked = new Map();
  }
}
