/** The browser's end of the wire to Python: requests with ids, progress and cancel, over custom messages. */
import { asView, type Bytes } from "./bytes";
import { RESTARTED } from "./elements/connection_line";
import { type ReadonlySignal, signal, watch } from "./reactive";
import type { Channel } from "./widget_model";

export interface Answer {
  data: any;
  buffers: DataView[];
}

export interface AskOptions {
  onProgress?: (done: number, total: number, text: string) => void;
  signal?: AbortSignal;
}

interface Waiting {
  resolve(answer: Answer): void;
  reject(reason: Error): void;
  onProgress?: AskOptions["onProgress"];
}

// Two views of one model hear each other's answers, so ids must differ between them (and between page loads).
const newId = (): string => Math.random().toString(36).slice(2, 12) + Date.now().toString(36);

const stopped = (): Error => new DOMException("The request was stopped.", "AbortError");

/** An answer that takes longer than this without a word is missed. */
const PATIENCE = 10_000;
/** Unheard for as long as this, Python is asked whether it is there when somebody turns to the view. */
const REST = 30_000;

/** Asks the Python half and matches the answers; `signal` ends everything with the view. */
export class Requests {
  readonly #model: Channel;
  readonly #signal: AbortSignal;
  readonly #waiting = new Map<string, Waiting>();
  readonly #lost: ReadonlySignal<boolean>;
  readonly #silent = signal(false);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #heard = performance.now();

  /** While `lost`, all that is asked for is refused. */
  constructor(model: Channel, until: AbortSignal, lost: ReadonlySignal<boolean> = signal(false)) {
    this.#model = model;
    this.#signal = until;
    this.#lost = lost;
    const hear = (message: any, buffers?: unknown[]): void => this.#hear(message, buffers ?? []);
    model.on("msg:custom", hear);
    watch(until, () => {
      if (lost.value) this.#refuse();
    });
    until.addEventListener("abort", () => {
      model.off("msg:custom", hear);
      for (const id of [...this.#waiting.keys()]) this.#cancel(id);
      clearTimeout(this.#timer);
    });
  }

  /** Whether the kernel is gone that answered. */
  get lost(): ReadonlySignal<boolean> {
    return this.#lost;
  }

  /** Whether an answer is missed. */
  get silent(): ReadonlySignal<boolean> {
    return this.#silent;
  }

  /** Ask whether Python is there, where it has not been heard for long. */
  ping(): void {
    if (this.#waiting.size || performance.now() - this.#heard < REST) return;
    this.ask("ping").catch(() => {});
  }

  /** Ask Python for `answer_<name>(**args)`. Rejects with Python's own sentence, or an AbortError when stopped. */
  ask(name: string, args: object = {}, { onProgress, signal }: AskOptions = {}): Promise<Answer> {
    if (this.#signal.aborted || signal?.aborted) return Promise.reject(stopped());
    if (this.#lost.peek()) return Promise.reject(new Error(RESTARTED));
    const id = newId();
    return new Promise<Answer>((resolve, reject) => {
      const stop = (): void => this.#cancel(id);
      const settle = (): void => signal?.removeEventListener("abort", stop);
      this.#waiting.set(id, {
        resolve: (answer) => (settle(), resolve(answer)),
        reject: (reason) => (settle(), reject(reason)),
        onProgress,
      });
      signal?.addEventListener("abort", stop);
      this.#timer ??= setTimeout(() => (this.#silent.value = true), PATIENCE);
      this.#model.send({ v: 1, id, kind: "req", name, args });
    });
  }

  #refuse(): void {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#hush();
    for (const { reject } of all) reject(new Error(RESTARTED));
  }

  /** Nothing is missed now: begin to wait anew where something is waited for. */
  #hush(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#waiting.size ? setTimeout(() => (this.#silent.value = true), PATIENCE) : undefined;
    this.#silent.value = false;
  }

  #hear(message: any, buffers: unknown[]): void {
    const waiting = message?.v === 1 ? this.#waiting.get(message.id) : undefined;
    if (!waiting) return;
    this.#heard = performance.now();
    if (message.kind === "progress") {
      this.#hush();
      waiting.onProgress?.(message.done, message.total, message.text ?? "");
      return;
    }
    if (message.kind !== "res" && message.kind !== "err") return;
    this.#waiting.delete(message.id);
    this.#hush();
    if (message.kind === "err") waiting.reject(new Error(message.message));
    else waiting.resolve({ data: message.data, buffers: buffers.map((buffer) => asView(buffer as Bytes)) });
  }

  #cancel(id: string): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    if (!this.#waiting.size) this.#hush();
    this.#model.send({ v: 1, id, kind: "cancel" });
    waiting.reject(stopped());
  }
}
