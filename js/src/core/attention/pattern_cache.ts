/** Patterns by name: each is asked for once, can be given up, and those that were looked at last are kept. */
import { type Signal, signal } from "../reactive";
import type { Pattern } from "./pattern";

const KEPT_BYTES = 96_000_000;

interface Asked {
  controller: AbortController;
  answer: Promise<Pattern>;
}

export class PatternCache {
  readonly #found = new Map<string, Signal<Pattern | undefined>>();
  readonly #asked = new Map<string, Asked>();

  constructor(readonly most = KEPT_BYTES) {}

  /** The pattern, undefined until it is there. */
  entry(name: string): Signal<Pattern | undefined> {
    let entry = this.#found.get(name);
    if (!entry) this.#found.set(name, (entry = signal(undefined)));
    return entry;
  }

  /** What is on its way. */
  get asked(): IterableIterator<string> {
    return this.#asked.keys();
  }

  isAsked(name: string): boolean {
    return this.#asked.has(name);
  }

  /** The pattern, by `ask` unless it is there or on its way; an AbortError where it is given up. */
  load(name: string, ask: (until: AbortSignal) => Promise<Pattern>): Promise<Pattern> {
    const entry = this.entry(name);
    this.#found.delete(name);
    this.#found.set(name, entry);
    const known = entry.peek();
    if (known) return Promise.resolve(known);
    const before = this.#asked.get(name);
    if (before) return before.answer;
    const controller = new AbortController();
    const answer = ask(controller.signal)
      .then((pattern) => (this.entry(name).value = pattern))
      .finally(() => {
        // given up and asked for again, it is the later one that is on its way
        if (this.#asked.get(name)?.controller === controller) this.#asked.delete(name);
        this.#forgetOldest();
      });
    this.#asked.set(name, { controller, answer });
    return answer;
  }

  /** Give up what is on its way. */
  giveUp(name: string): void {
    const asked = this.#asked.get(name);
    this.#asked.delete(name);
    asked?.controller.abort();
  }

  #forgetOldest(): void {
    let total = 0;
    for (const [name, entry] of [...this.#found].reverse()) {
      total += entry.peek()?.values.byteLength ?? 0;
      if (total > this.most && !this.#asked.has(name)) this.#found.delete(name);
    }
  }
}
