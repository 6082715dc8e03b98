/** A host's model: traits and events; what is sent and saved is kept. */
import type { Model } from "../src/core/widget_model";

export class FakeModel implements Model<any> {
  readonly sent: any[] = [];
  readonly saved: Record<string, unknown>[] = [];
  #changed: Record<string, unknown> = {};
  readonly #listeners = new Map<string, Set<(...a: any[]) => void>>();

  constructor(readonly state: Record<string, any>) {}

  get(n: string): any {
    return this.state[n];
  }

  set(n: string, v: unknown): void {
    this.#changed[n] = v;
    this.arrive(n, v);
  }

  /** A value from Python. */
  arrive(n: string, v: unknown): void {
    if (JSON.stringify(this.state[n]) === JSON.stringify(v)) return;
    this.state[n] = v;
    this.tell(`change:${n}`);
  }

  save_changes(): void {
    this.saved.push(this.#changed);
    this.#changed = {};
  }

  on(e: string, cb: (...a: any[]) => void): void {
    if (!this.#listeners.has(e)) this.#listeners.set(e, new Set());
    this.#listeners.get(e)!.add(cb);
  }

  off(e: string, cb?: (...a: any[]) => void): void {
    if (cb) this.#listeners.get(e)?.delete(cb);
    else this.#listeners.delete(e);
  }

  send(content: unknown): void {
    this.sent.push(content);
  }

  tell(e: string, ...args: unknown[]): void {
    for (const cb of [...(this.#listeners.get(e) ?? [])]) cb(...args);
  }

  listening(): number {
    return [...this.#listeners.values()].reduce((n, set) => n + set.size, 0);
  }
}
