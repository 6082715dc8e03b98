/**
 * Asks for what is wanted now: the latest value wins and nothing queues up. While a request is under way only the newest wanted
 * value is kept; a second one goes out only where the wire takes long beside the kernel, whose idle time it fills.
 */

export interface Asked<Q> {
  sequence: number;
  question: Q;
  /** When the input was made that asked, in `performance.now()`. */
  input: number;
}

export interface QueueOptions<Q, A> {
  ask(question: Q): Promise<A>;
  /** Milliseconds that the kernel took for an answer. */
  took(answer: A): number;
  onSent?(asked: Asked<Q>): void;
  /** An answer newer than any before. */
  onAnswer(asked: Asked<Q>, answer: A): void;
  /** What was last asked for was refused. */
  onProblem(problem: Error): void;
  /** For how long what is wanted has not been there: "", "short", "long". */
  onWaiting(waiting: Waiting): void;
}

export type Waiting = "" | "short" | "long";

const SHORT = 300;
/** Answers from which the wire is judged: the quickest says most. */
const RECENT = 8;
const LONG = 5000;

export class Queue<Q, A> {
  readonly #options: QueueOptions<Q, A>;
  readonly #underWay = new Set<number>();
  #next: { question: Q; input: number } | undefined;
  #newest: Asked<Q> | undefined;
  #last = 0;
  #painted = 0;
  #timers: ReturnType<typeof setTimeout>[] = [];
  /** Milliseconds that answers spent elsewhere than in the kernel, and in it. */
  #times: [wire: number, kernel: number][] = [];

  constructor(options: QueueOptions<Q, A>, until: AbortSignal) {
    this.#options = options;
    until.addEventListener("abort", () => this.#patience(false));
  }

  want(question: Q, input: number): void {
    this.#next = { question, input };
    this.#pump();
  }

  /** A request that waits for the kernel behind another one would be answered with an old value. */
  #most(): number {
    const wire = Math.min(...this.#times.map(([time]) => time));
    return wire >= (this.#times.at(-1)?.[1] ?? 0) / 2 ? 2 : 1;
  }

  #pump(most = this.#most()): void {
    if (!this.#next || this.#underWay.size >= most) return;
    const asked = { sequence: ++this.#last, ...this.#next };
    const sent = performance.now();
    this.#next = undefined;
    this.#newest = asked;
    this.#underWay.add(asked.sequence);
    if (!this.#timers.length) this.#patience(true);
    this.#options.onSent?.(asked);
    this.#options.ask(asked.question).then(
      (answer) =>
        this.#arrived(asked, () => {
          const took = this.#options.took(answer);
          this.#times = [...this.#times.slice(1 - RECENT), [Math.max(0, performance.now() - sent - took), took]];
          if (asked.sequence <= this.#painted) return;
          this.#painted = asked.sequence;
          this.#options.onAnswer(asked, answer);
        }),
      (problem: Error) =>
        this.#arrived(asked, () => {
          if (asked === this.#newest && !this.#next && problem.name !== "AbortError") this.#options.onProblem(problem);
        }),
    );
  }

  #arrived({ sequence }: Asked<Q>, take: () => void): void {
    // The kernel answers in order: what was asked before this one and has no answer will have none.
    for (const other of this.#underWay) if (other <= sequence) this.#underWay.delete(other);
    this.#patience(false);
    take();
    this.#pump();
    if (this.#underWay.size && !this.#timers.length) this.#patience(true);
  }

  /** Watch the clock, or stop to. */
  #patience(on: boolean): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
    if (!on) {
      this.#options.onWaiting("");
      return;
    }
    this.#timers = [
      setTimeout(() => this.#options.onWaiting("short"), SHORT),
      setTimeout(() => this.#silent(LONG), LONG),
    ];
  }

  /** Nothing came for long: messages may be lost, so ask once more, ever more rarely. */
  #silent(pause: number): void {
    this.#options.onWaiting("long");
    this.#next ??= this.#newest && { question: this.#newest.question, input: this.#newest.input };
    this.#underWay.clear();
    this.#pump(1);
    this.#timers.push(setTimeout(() => this.#silent(Math.min(60_000, 2 * pause)), Math.min(60_000, 2 * pause)));
  }
}
