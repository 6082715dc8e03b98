/**
 * The page's one socket. It comes back by itself: messages have numbers, so that what was on its way is sent again and
 * nothing is done twice; where the server has forgotten them, the state of all views comes anew.
 */
import { type ReadonlySignal, signal } from "../../core/reactive";
import { decode, encode, type Head, PROTOCOL } from "./socket_messages";
import { SocketModel, whole } from "./socket_model";

export type Status =
  | "connecting"
  | "open"
  /** It was there, and is tried again. */
  | "lost"
  /** The server does not take the token: it was started anew. */
  | "refused"
  /** Another tab shows this page. */
  | "elsewhere"
  /** The server said why. */
  | "failed";

export interface Job {
  id: string;
  name: string;
  state: string;
  text: string;
  done: number;
  total: number;
  error: string;
}

const FIRST_WAIT = 250;
const LONGEST_WAIT = 5000;
/** The server's close codes, see socket.py. */
const TAKEN_OVER = 4001;
const FINAL = [4002, 4003];
/** Messages and bytes after which the server is told that they have come. */
const ACKNOWLEDGE_AFTER = 32;
const ACKNOWLEDGE_BYTES = 1_000_000;
const ACKNOWLEDGE_WITHIN = 1000;

export class Connection {
  readonly models = new Map<string, SocketModel>();
  readonly bundles: Record<string, string> = {};
  readonly #status = signal<Status>("connecting");
  readonly #jobs = signal<readonly Job[]>([]);
  readonly #page = signal<SocketModel | undefined>(undefined);
  readonly #reason = signal("");
  readonly #tries = signal(0);
  #socket: WebSocket | undefined;
  #session = "";
  /** Of the last message to the server, and of the last from it. */
  #sent = 0;
  #got = 0;
  #told = { number: 0, bytes: 0 };
  #unheard: { number: number; head: Head; buffers: ArrayBuffer[] }[] = [];
  #wait = FIRST_WAIT;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #telling: ReturnType<typeof setTimeout> | undefined;
  workspace = "";

  constructor(
    readonly address: URL,
    readonly token: string,
    readonly id: string,
  ) {
    this.#connect();
    addEventListener("online", () => this.retry());
    document.addEventListener("visibilitychange", () => document.hidden || this.retry());
  }

  get status(): ReadonlySignal<Status> {
    return this.#status;
  }

  /** Why it failed, in the server's words. */
  get reason(): ReadonlySignal<string> {
    return this.#reason;
  }

  /** How often it was tried since it was lost. */
  get tries(): ReadonlySignal<number> {
    return this.#tries;
  }

  /** Jobs of the server that this page has heard of, the latest first. */
  get jobs(): ReadonlySignal<readonly Job[]> {
    return this.#jobs;
  }

  /** The page's own model, when it is there. */
  get page(): ReadonlySignal<SocketModel | undefined> {
    return this.#page;
  }

  /** Try now, where it is waited for another try; or take the page back from another tab. */
  retry(): void {
    if (this.#status.peek() === "elsewhere" || (this.#status.peek() === "lost" && !this.#socket)) {
      clearTimeout(this.#retry);
      this.#connect();
    }
  }

  #connect(): void {
    const socket = new WebSocket(this.address, [PROTOCOL, `token.${this.token}`]);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    let opened = false;
    socket.onopen = () => {
      opened = true;
      const known = [...this.models.keys()];
      socket.send(encode({ kind: "hello", page: this.id, session: this.#session, known, n: this.#got }));
    };
    socket.onmessage = ({ data }) => this.#socket === socket && this.#hear(data);
    socket.onclose = (event) => void (this.#socket === socket && this.#closed(event, opened));
  }

  async #closed({ code, reason }: CloseEvent, opened: boolean): Promise<void> {
    this.#socket = undefined;
    this.#reason.value = reason;
    if (code === TAKEN_OVER) this.#status.value = "elsewhere";
    else if (FINAL.includes(code)) this.#status.value = "failed";
    else {
      this.#status.value = "lost";
      if (!opened && (await this.#isRefused())) {
        this.#status.value = "refused";
        return;
      }
      this.#tries.value++;
      this.#retry = setTimeout(() => this.#connect(), this.#wait);
      this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT);
    }
  }

  /** A browser does not say why a socket was refused; a request does. */
  async #isRefused(): Promise<boolean> {
    try {
      const address = new URL("whoami", this.address);
      address.protocol = location.protocol;
      const { status } = await fetch(address, { headers: { Authorization: `Bearer ${this.token}` } });
      return status === 401;
    } catch {
      return false;
    }
  }

  #hear(frame: ArrayBuffer): void {
    const { head, buffers } = decode(frame);
    if (head.kind === "hello") {
      this.#greeted(head);
      return;
    }
    if (typeof head.n === "number") {
      if (head.n <= this.#got) return;
      this.#got = head.n;
      this.#acknowledge(frame.byteLength);
    }
    if (typeof head.got === "number") this.#heard(head.got);
    this.#act(head, buffers);
  }

  #act(head: Head, buffers: DataView[]): void {
    const id = head.id ?? "";
    const model = this.models.get(id);
    if (head.kind === "open") {
      const state = whole(head.state, head.buffer_paths, buffers);
      if (model) model.take(state, head.heard);
      else {
        const made = new SocketModel(id, state, (out, parts) => this.#send(out, parts ?? []));
        this.models.set(id, made);
        if (id === "page") this.#page.value = made;
      }
    } else if (head.kind === "update") model?.take(whole(head.state, head.buffer_paths, buffers), head.heard);
    else if (head.kind === "custom") model?.hear(head.content, buffers);
    else if (head.kind === "close") this.models.delete(id);
    else if (head.kind === "job") {
      const job = head.job as Job;
      const jobs = this.#jobs.peek();
      // in its place: jobs that run at once would change places at each word of progress
      const isKnown = jobs.some((one) => one.id === job.id);
      this.#jobs.value = isKnown ? jobs.map((one) => (one.id === job.id ? job : one)) : [job, ...jobs].slice(0, 50);
    }
  }

  #greeted(hello: Head): void {
    Object.assign(this.bundles, hello.bundles);
    this.workspace = hello.workspace;
    if (hello.session !== this.#session) {
      // The server knows nothing of this page: what was asked for is not answered any more.
      this.#session = hello.session;
      this.#sent = 0;
      this.#unheard = [];
      for (const id of [...this.models.keys()]) if (id !== "page") this.models.delete(id);
    }
    if (!hello.resumed) {
      this.#got = 0;
      for (const model of this.models.values()) model.refuse();
    }
    this.#heard(hello.got);
    this.#told = { number: this.#got, bytes: 0 };
    this.#wait = FIRST_WAIT;
    this.#tries.value = 0;
    this.#status.value = "open";
    for (const one of this.#unheard) this.#write(one);
  }

  #send(head: Head, buffers: ArrayBuffer[]): number {
    const one = { number: ++this.#sent, head, buffers };
    this.#unheard.push(one);
    if (this.#status.peek() === "open") this.#write(one);
    return one.number;
  }

  #write({ number, head, buffers }: { number: number; head: Head; buffers: ArrayBuffer[] }): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return; // it goes when the connection is back
    this.#socket.send(encode({ ...head, n: number, got: this.#got }, buffers));
    this.#told = { number: this.#got, bytes: 0 };
  }

  /** The server has all up to this number. */
  #heard(number: number): void {
    while (this.#unheard.length && this.#unheard[0]!.number <= number) this.#unheard.shift();
  }

  #acknowledge(bytes: number): void {
    this.#told.bytes += bytes;
    const late = this.#got - this.#told.number >= ACKNOWLEDGE_AFTER || this.#told.bytes >= ACKNOWLEDGE_BYTES;
    const tell = (): void => {
      this.#telling = undefined;
      if (this.#status.peek() !== "open" || this.#got === this.#told.number) return;
      if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(encode({ kind: "ack", got: this.#got }));
      this.#told = { number: this.#got, bytes: 0 };
    };
    if (late) tell();
    else this.#telling ??= setTimeout(tell, ACKNOWLEDGE_WITHIN);
  }
}
