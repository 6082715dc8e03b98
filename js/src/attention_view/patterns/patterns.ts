/** Fetches patterns and thumbnails from Python, and keeps those that were looked at last. */

import { difference, isExact, makePattern, type Pattern } from "../../core/attention/pattern";
import { PatternCache } from "../../core/attention/pattern_cache";
import { bytes, float32 } from "../../core/bytes";
import { computed, type ReadonlySignal, type Signal, signal, trait } from "../../core/reactive";
import type { Requests } from "../../core/requests";
import type { Head } from "../../core/selection";
import type { Model } from "../../core/widget_model";
import type { AttentionViewTraits } from "../../generated/traits";

export type Side = "a" | "b";
/** What the patterns hold: attention, or that times the size of what is written of the key. */
export type Quantity = AttentionViewTraits["quantity"];

/** The requests for a whole pattern and for exact rows of it. */
const REQUESTS = { attention: ["head", "rows"], value_weighted: ["weighted", "weighted_rows"] } as const;

/** Exact rows come in blocks: hovering goes to neighbours next. */
const BLOCK = 32;

export class Patterns {
  readonly #kept = new PatternCache();
  readonly #rowsAsked = new Set<string>();
  readonly #sizes: Record<Side, number>;
  readonly #partners: readonly number[] | undefined;
  readonly #until: AbortSignal;
  /** Thumbnails, uint8 [side, layer, head, row, column]; the signal changes as layers arrive. */
  readonly thumbnails: Signal<{ values: Uint8Array; layers: number }>;
  readonly thumbnailSize: number;
  readonly quantity: ReadonlySignal<Quantity>;
  /** What is under way, in words. */
  readonly loading = signal("");
  /** How far the server is that makes the thumbnails, or why it made none; "" where they come from the kernel. */
  readonly drawing = signal("");
  readonly failed = signal(false);
  readonly problem = signal("");
  /** Why heads have no statistics; "" where they have, or will. */
  readonly unscored = signal("");

  constructor(
    readonly model: Model<AttentionViewTraits>,
    readonly requests: Requests,
    until: AbortSignal,
  ) {
    this.#sizes = { a: model.get("tokens").length, b: (model.get("versus_tokens") ?? []).length };
    const partners: number[] = model.get("partners") ?? [];
    this.#partners = partners.length ? partners : undefined;
    this.thumbnailSize = model.get("thumbnail_size");
    this.thumbnails = signal({ values: bytes(model.get("thumbnails")).slice(), layers: model.get("thumbnail_layers") });
    this.#until = until;
    const [wanted, why] = [trait(model, "quantity", until), trait(model, "no_weights", until)];
    this.quantity = computed(() => (why.value ? "attention" : wanted.value));
    void this.drawRest().then(() => this.#score());
  }

  /** Ask for the statistics of heads where Python had no time for them; the state holds them then. */
  async #score(): Promise<void> {
    if (this.model.get("statistics").length || this.failed.peek() || this.#until.aborted) return;
    try {
      await this.requests.ask("statistics", {});
    } catch (error) {
      if ((error as Error).name !== "AbortError") this.unscored.value = (error as Error).message;
    }
  }

  /** The pattern, undefined until it is there. "difference" is B - A. */
  get(head: Head, panel: Side | "difference"): ReadonlySignal<Pattern | undefined> {
    return this.#kept.entry(`${head} ${panel} ${this.quantity.value}`);
  }

  /** Ask for a pattern unless it is there; those that are asked for and not of a wanted head are given up. */
  async load(head: Head, side: Side, wanted: readonly Head[]): Promise<void> {
    const quantity = this.quantity.peek();
    const name = `${head} ${side} ${quantity}`;
    const own = new Set(wanted.map(String));
    const isNew = !this.#kept.entry(name).peek() && !this.#kept.isAsked(name);
    if (isNew) for (const other of [...this.#kept.asked]) if (!own.has(other.split(" ")[0]!)) this.#kept.giveUp(other);
    try {
      await this.#kept.load(name, (until) => this.#ask(head, side, quantity, until));
      if (!isNew) return;
      this.problem.value = "";
      this.#combine(head, quantity);
    } catch (error) {
      if ((error as Error).name !== "AbortError") this.problem.value = (error as Error).message;
    } finally {
      if (this.#kept.asked.next().done) this.loading.value = "";
    }
  }

  async #ask(head: Head, side: Side, quantity: Quantity, until: AbortSignal): Promise<Pattern> {
    this.loading.value = "loading exact values …";
    const { data, buffers } = await this.requests.ask(
      REQUESTS[quantity][0],
      { layer: head[0], head: head[1], side },
      { signal: until, onProgress: (_done, _total, text) => (this.loading.value = text) },
    );
    const values = data.exact ? float32(buffers[0]!) : bytes(buffers[0]!);
    return makePattern(this.#sizes[side], values, data.step, data.exact);
  }

  /** Make rows `first` to `last` - 1 of some sides exact; resolves when they are. Rejects without a kernel. */
  async loadRows(head: Head, sides: readonly Side[], first: number, last: number): Promise<void> {
    const quantity = this.quantity.peek();
    for (const side of sides) {
      const entry = this.#kept.entry(`${head} ${side} ${quantity}`);
      const pattern = entry.peek();
      if (!pattern || pattern.exact) continue;
      const { buffers } = await this.requests.ask(REQUESTS[quantity][1], {
        layer: head[0],
        head: head[1],
        side,
        first,
        last,
      });
      const values = float32(buffers[0]!);
      let at = 0;
      for (let query = first; query < Math.min(last, this.#sizes[side]); query++) {
        pattern.rows.set(query, values.subarray(at, at + query + 1));
        at += query + 1;
      }
      entry.value = { ...pattern };
    }
    this.#combine(head, quantity);
  }

  /** Ask for the exact block around a row, once. */
  wantRow(head: Head, side: Side, query: number): void {
    const quantity = this.quantity.peek();
    const pattern = this.#kept.entry(`${head} ${side} ${quantity}`).peek();
    const first = Math.floor(query / BLOCK) * BLOCK;
    const key = `${head} ${side} ${first} ${quantity}`;
    if (!pattern || isExact(pattern, query) || this.#rowsAsked.has(key)) return;
    this.#rowsAsked.add(key);
    // Refused (a saved page has no kernel): the key stays, so that it is not asked again and again.
    this.loadRows(head, [side], first, first + BLOCK).then(
      () => this.#rowsAsked.delete(key),
      () => {},
    );
  }

  #combine(head: Head, quantity: Quantity): void {
    const entry = (panel: Side | "difference"): Signal<Pattern | undefined> =>
      this.#kept.entry(`${head} ${panel} ${quantity}`);
    const [a, b] = [entry("a").peek(), entry("b").peek()];
    if (a && b) entry("difference").value = difference(a, b, this.#partners);
  }

  /** Ask for the layers that Python had no time for before the cell ended, or that a server is to draw. */
  async drawRest(): Promise<void> {
    const layers = this.model.get("n_layers")!;
    this.failed.value = false;
    while (this.thumbnails.peek().layers < layers && !this.#until.aborted) {
      try {
        const { buffers } = await this.requests.ask(
          "thumbnails",
          { layer: this.thumbnails.peek().layers },
          { onProgress: (_done, _total, text) => (this.drawing.value = text) },
        );
        this.drawing.value = "";
        this.#take(buffers[0]);
      } catch (error) {
        if ((error as Error).name === "AbortError") return;
        this.failed.value = !!this.drawing.peek() || !this.thumbnails.peek().layers;
        if (this.failed.peek()) this.drawing.value = (error as Error).message;
        else this.problem.value = (error as Error).message;
        return;
      }
    }
  }

  /** Take the next layer; without bytes of its own, all that the state holds by now. */
  #take(layer?: DataView): void {
    const { values, layers: ready } = this.thumbnails.peek();
    if (!layer) {
      this.thumbnails.value = {
        values: bytes(this.model.get("thumbnails")).slice(),
        layers: this.model.get("thumbnail_layers"),
      };
      return;
    }
    const layers = this.model.get("n_layers")!;
    const layerBytes = this.model.get("n_heads")! * this.thumbnailSize ** 2;
    const fresh = bytes(layer);
    for (let side = 0; side * layerBytes < fresh.length; side++)
      values.set(fresh.subarray(side * layerBytes, (side + 1) * layerBytes), (side * layers + ready) * layerBytes);
    this.thumbnails.value = { values, layers: ready + 1 };
  }
}
