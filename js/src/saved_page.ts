/**
 * A saved page without a kernel: each view gets a stand-in model that holds its state and answers its requests from
 * what was saved. Linked views need nothing more, for they share their selection in the browser.
 */
import { Listeners } from "./core/listeners";
import { type Model, SAVED_PAGE } from "./core/widget_model";

interface Answered {
  name: string;
  args: unknown;
  data: unknown;
  /** Numbers of the page's buffers. */
  buffers: number[];
}

interface Saved {
  bundle: string;
  state: Record<string, unknown>;
  /** Traits that are bytes -> numbers of the page's buffers. */
  binary: Record<string, number>;
  answers: Answered[];
}

const NEEDS_KERNEL = "This is a saved page: what you ask for needs the running notebook.";

export class StandInModel extends Listeners implements Model<any> {
  readonly #state: Record<string, unknown>;
  readonly #answers: Map<string, Answered>;

  constructor(
    { state, binary, answers }: Saved,
    readonly buffer: (at: number) => DataView,
  ) {
    super();
    const bytes = Object.entries(binary).map(([name, at]) => [name, buffer(at)]);
    this.#state = { ...state, ...Object.fromEntries(bytes), [SAVED_PAGE]: true };
    this.#answers = new Map(answers.map((answer) => [question(answer.name, answer.args), answer]));
  }

  get(name: string): any {
    return this.#state[name];
  }

  set(name: string, value: unknown): void {
    const changed = JSON.stringify(this.#state[name]) !== JSON.stringify(value);
    this.#state[name] = value;
    if (changed) this.tell(`change:${name}`);
  }

  save_changes(): void {}

  /** Answers come later, as they would from a kernel. */
  send(message: any): void {
    if (message?.v !== 1 || message.kind !== "req") return;
    const { id } = message;
    const answer = this.#answers.get(question(message.name, message.args));
    queueMicrotask(() => {
      if (answer)
        this.tell("msg:custom", { v: 1, id, kind: "res", data: answer.data }, answer.buffers.map(this.buffer));
      else this.tell("msg:custom", { v: 1, id, kind: "err", message: NEEDS_KERNEL }, []);
    });
  }
}

/** One text for each question, whatever the order of its arguments. */
function question(name: string, args: unknown): string {
  return JSON.stringify([name, args], (_, value) =>
    value && typeof value === "object" && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

const content = (id: string): string => document.getElementById(id)!.textContent!;

/** Decoded when first used: a page may hold much that is never looked at. */
function reader(): (at: number) => DataView {
  const known = new Map<number, DataView>();
  return (at) => {
    if (!known.has(at)) {
      const bytes = Uint8Array.from(atob(content(`buffer-${at}`)), (char) => char.charCodeAt(0));
      known.set(at, new DataView(bytes.buffer));
    }
    return known.get(at)!;
  };
}

const loaded = new Map<string, Promise<any>>();

async function load(bundle: string): Promise<any> {
  if (!loaded.has(bundle)) {
    const url = URL.createObjectURL(new Blob([JSON.parse(content(`bundle-${bundle}`))], { type: "text/javascript" }));
    loaded.set(bundle, import(url));
  }
  return (await loaded.get(bundle)).default;
}

async function show(): Promise<void> {
  const views: Saved[] = JSON.parse(content("views"));
  const buffer = reader();
  for (const [at, saved] of views.entries()) {
    const el = document.getElementById(`view-${at}`)!;
    try {
      const widget = await load(saved.bundle);
      const model = new StandInModel(saved, buffer);
      const { signal } = new AbortController();
      await widget.initialize?.({ model, signal });
      await widget.render({ model, el, signal });
    } catch (error) {
      el.textContent = `This view cannot be shown: ${(error as Error).message}`;
    }
  }
}

if (typeof document !== "undefined" && document.getElementById("views")) void show();
