/** The model of a view whose Python half is at the other end of a socket, beside the saved page's `StandInModel`. */
import { Listeners } from "../../core/listeners";
import type { Model } from "../../core/widget_model";
import type { Head } from "./socket_messages";

export type State = Record<string, any>;
type Path = (string | number)[];

const LOST = "The connection was lost while this was asked: ask again.";

export class SocketModel extends Listeners implements Model<any> {
  #state: State;
  readonly #changed = new Set<string>();
  /** Number of the message by which a trait was set here last. */
  readonly #set = new Map<string, number>();
  /** Ids of requests without an answer. */
  readonly #waiting = new Set<string>();

  constructor(
    readonly id: string,
    state: State,
    /** Returns the number of the message. */
    readonly out: (head: Head, buffers?: ArrayBuffer[]) => number,
  ) {
    super();
    this.#state = state;
  }

  get(name: string): any {
    return this.#state[name];
  }

  set(name: string, value: unknown): void {
    const same = equal(this.#state[name], value);
    this.#state[name] = value;
    if (same) return;
    this.#changed.add(name);
    this.tell(`change:${name}`);
  }

  save_changes(): void {
    if (!this.#changed.size) return;
    const state = Object.fromEntries([...this.#changed].map((name) => [name, this.#state[name]]));
    this.#changed.clear();
    const number = this.out({ kind: "update", id: this.id, state, buffer_paths: [] });
    for (const name of Object.keys(state)) this.#set.set(name, number);
  }

  send(content: any, _callbacks?: unknown, buffers?: ArrayBuffer[]): void {
    if (content?.kind === "req") this.#waiting.add(content.id);
    if (content?.kind === "cancel") this.#waiting.delete(content.id);
    this.out({ kind: "custom", id: this.id, content }, buffers);
  }

  /**
   * Take what Python says: first all of it, then whoever listens hears of each change. `heard` is the last message from
   * here that it knew of: what was set here since is newer, and stays.
   */
  take(state: State, heard = Number.POSITIVE_INFINITY): void {
    const names = Object.keys(state).filter(
      (name) =>
        !this.#changed.has(name) && (this.#set.get(name) ?? 0) <= heard && !equal(this.#state[name], state[name]),
    );
    for (const name of names) this.#state[name] = state[name];
    for (const name of names) this.tell(`change:${name}`);
  }

  hear(content: any, buffers: DataView[]): void {
    if (content?.kind === "res" || content?.kind === "err") this.#waiting.delete(content.id);
    this.tell("msg:custom", content, buffers);
  }

  /** Answer what nobody will answer any more. */
  refuse(): void {
    for (const id of [...this.#waiting]) this.hear({ v: 1, id, kind: "err", message: LOST }, []);
  }
}

/** Put buffers where they belong in a state. */
export function whole(state: State, paths: Path[], buffers: DataView[]): State {
  paths.forEach((path, at) => {
    let place: any = state;
    for (const key of path.slice(0, -1)) place = place[key] ??= {};
    place[path.at(-1)!] = buffers[at];
  });
  return state;
}

function equal(one: unknown, other: unknown): boolean {
  if (one === other) return typeof one !== "object" || one === null;
  if (ArrayBuffer.isView(one) || ArrayBuffer.isView(other)) return false;
  return JSON.stringify(one) === JSON.stringify(other);
}
