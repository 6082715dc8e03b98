/** The browser's end of the wire to Python: requests with ids, progress and cancel, over custom messages. */

/** What every host gives a view as its model (the "AFM" interface). */
export interface AnyModel {
  get(n: string): any;
  set(n: string, v: unknown): void;
  save_changes(): void;
  on(e: string, cb: (...a: any[]) => void): void;
  off(e: string, cb?: (...a: any[]) => void): void;
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]): void;
}

/** True of the models of a saved page, whose views do not offer what only the running notebook can do. */
export const SAVED_PAGE = "_saved_page";

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
  readonly #model: AnyModel;
  readonly #signal: AbortSignal;
  readonly #waiting = new Map<string, Waiting>();

  constructor(model: AnyModel, signal: AbortSignal) {
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
    else waiting.resolve({ data: message.data, buffers: buffers.map(asView) });
  }

  #cancel(id: string): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    this.#model.send({ v: 1, id, kind: "cancel" });
    waiting.reject(stopped());
  }
}

type Binary = DataView | ArrayBuffer | Uint8Array;

const asView = (value: unknown): DataView => {
  const b = bytes(value as Binary);
  return new DataView(b.buffer, b.byteOffset, b.byteLength);
};

/** The bytes of a binary trait or buffer, without a copy: hosts give a DataView, an ArrayBuffer or a Uint8Array. */
export function bytes(value: Binary): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return new Uint8Array(value);
}

/** As `bytes`, but at an address that a typed array of `size`-byte items accepts (copied when misaligned). */
function aligned(value: Binary, size: number): Uint8Array {
  const b = bytes(value);
  return b.byteOffset % size ? b.slice() : b;
}

export function int32(value: Binary): Int32Array {
  const b = aligned(value, 4);
  return new Int32Array(b.buffer, b.byteOffset, b.byteLength >> 2);
}

export function float32(value: Binary): Float32Array {
  const b = aligned(value, 4);
  return new Float32Array(b.buffer, b.byteOffset, b.byteLength >> 2);
}

export function float64(value: Binary): Float64Array {
  const b = aligned(value, 8);
  return new Float64Array(b.buffer, b.byteOffset, b.byteLength >> 3);
}
