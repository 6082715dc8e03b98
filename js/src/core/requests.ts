/** The browser's end of the wire to Python: requests with ids, progress and cancel, over custom messages. */
import { asView, type Bytes } from "./bytes";
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

/** Asks the Python half and matches the answers; `signal` ends everything with the view. */
export class Requests {
  readonly #model: Channel;
  readonly #signal: AbortSignal;
  readonly #waiting = new Map<string, Waiting>();

  constructor(model: Channel, signal: AbortSignal) {
    this.#model = model;
    this.#signal = signal;
    const hear = (message: any, buffers?: unknown[]): void => this.#hear(message, buffers ?? []);
    model.on("msg:custom", hear);
    signal.addEventListener("abort", () => {
      model.off("msg:custom", hear);
      for (const id of [...this.#waiting.keys()]) this.#cancel(id);
    });
  }

  /** Ask Python for `answer_<name>(**args)`. Rejects with Python's own sentence, or an AbortError when stopped. */
  ask(name: string, args: object = {}, { onProgress, signal }: AskOptions = {}): Promise<Answer> {
    if (this.#signal.aborted || signal?.aborted) return Promise.reject(stopped());
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
      this.#model.send({ v: 1, id, kind: "req", name, args });
    });
  }

  #hear(message: any, buffers: unknown[]): void {
    const waiting = message?.v === 1 ? this.#waiting.get(message.id) : undefined;
    if (!waiting) return;
    if (message.kind === "progress") {
      waiting.onProgress?.(message.done, message.total, message.text ?? "");
      return;
    }
    if (message.kind !== "res" && message.kind !== "err") return;
    this.#waiting.delete(message.id);
    if (message.kind === "err") waiting.reject(new Error(message.message));
    else waiting.resolve({ data: message.data, buffers: buffers.map((buffer) => asView(buffer as Bytes)) });
  }

  #cancel(id: string): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    this.#model.send({ v: 1, id, kind: "cancel" });
    waiting.reject(stopped());
  }
}
