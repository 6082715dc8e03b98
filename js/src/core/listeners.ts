/** Who listens to the events of a model: the part of `Channel` that the models of no host have in common. */
import type { Listener } from "./widget_model";

export class Listeners {
  readonly #of = new Map<string, Set<Listener>>();

  on(event: string, listener: Listener): void {
    if (!this.#of.has(event)) this.#of.set(event, new Set());
    this.#of.get(event)!.add(listener);
  }

  /** Take a listener away, or all of an event. */
  off(event: string, listener?: Listener): void {
    if (listener) this.#of.get(event)?.delete(listener);
    else this.#of.delete(event);
  }

  /** Call those that listen now: who comes or goes meanwhile is of the next event. */
  tell(event: string, ...args: unknown[]): void {
    for (const listener of [...(this.#of.get(event) ?? [])]) listener(...args);
  }
}
