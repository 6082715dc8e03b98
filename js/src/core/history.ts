/** What can be undone and done again. */
import { computed, type ReadonlySignal, signal } from "./reactive";

const MOST = 200;

export class History<T> {
  readonly #past = signal<T[]>([]);
  readonly #future = signal<T[]>([]);
  readonly canUndo: ReadonlySignal<boolean> = computed(() => this.#past.value.length > 0);
  readonly canRedo: ReadonlySignal<boolean> = computed(() => this.#future.value.length > 0);

  /** Remember the state that is about to be left. */
  leave(state: T): void {
    this.#past.value = [...this.#past.peek(), state].slice(-MOST);
    this.#future.value = [];
  }

  /** Forget all: what was is no state any more. */
  clear(): void {
    this.#past.value = this.#future.value = [];
  }

  /** The state before `now`, which can then be done again. */
  undo(now: T): T | undefined {
    return move(this.#past, this.#future, now);
  }

  redo(now: T): T | undefined {
    return move(this.#future, this.#past, now);
  }
}

function move<T>(from: { value: T[] }, to: { value: T[] }, now: T): T | undefined {
  const state = from.value.at(-1);
  if (state === undefined) return undefined;
  from.value = from.value.slice(0, -1);
  to.value = [...to.value, now];
  return state;
}
