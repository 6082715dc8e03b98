/**
 * Heads, tokens, latents and points that are selected, and notes on heads, shared at once by all views of the page with the
 * same `selection_id`.
 */
import { type ReadonlySignal, signal } from "./reactive";
import type { Model } from "./widget_model";

export type Head = [layer: number, head: number];
export const headText = ([layer, head]: Head): string => `Head ${layer}.${head}`;
export const sameHead = (one: Head | undefined, other: Head | undefined): boolean =>
  !!one && !!other && one[0] === other[0] && one[1] === other[1];
export const sameHeads = (some: readonly Head[], others: readonly Head[]): boolean =>
  some.length === others.length && some.every((one, at) => sameHead(one, others[at]));
export const withoutHead = (heads: readonly Head[], head: Head): Head[] => heads.filter((one) => !sameHead(one, head));
/** A token of one of several texts. */
export type Point = [sample: number, position: number];
export type Note = [layer: number, head: number, text: string];

export interface Selection {
  readonly heads: Head[];
  readonly tokens: number[];
  /** Names as nodes of circuits have them: "3.27", "12.mlp_out.345". */
  readonly latents: string[];
  /** Each once; the trait holds them as a text, which travels a hundred times faster than lists. */
  readonly points: Point[];
  /** In the order of their heads. */
  readonly notes: Note[];
  setHeads(h: Head[]): void;
  setTokens(t: number[]): void;
  setLatents(l: string[]): void;
  setPoints(p: Point[]): void;
  /** An empty text takes the note away. */
  setNote(h: Head, text: string): void;
  subscribe(cb: () => void, signal: AbortSignal): void;
  /** Whether a view of the page that shares it has this value of a trait. */
  has(trait: string, value: string): boolean;
}

const TRAITS = ["selected_heads", "selected_tokens", "selected_latents", "selected_points", "head_notes"] as const;
type Trait = (typeof TRAITS)[number];
const OWN = Symbol("written by this view itself");

/**
 * Each view imports its own copy of this module, so only `globalThis` is common to them: members of one `Shared` may be
 * of different copies of the class, and must not touch each other's #private parts.
 */
const KEY = Symbol.for("scope-widgets.selections");
const registry: Map<string, Shared> = ((globalThis as any)[KEY] ??= new Map());

export function selectionOf(model: Model, signal: AbortSignal): Selection {
  const id = String(model.get("selection_id") ?? "");
  let shared = registry.get(id);
  if (!shared) registry.set(id, (shared = new Shared(model)));
  const member = new Member(model, shared);
  signal.addEventListener("abort", () => {
    member.leave();
    if (!shared.members.size) registry.delete(id);
  });
  return member;
}

/** The notes as a signal that follows them. */
export function notesOf(selection: Selection, until: AbortSignal): ReadonlySignal<readonly Note[]> {
  const notes = signal<readonly Note[]>(selection.notes);
  selection.subscribe(() => {
    if (JSON.stringify(selection.notes) !== JSON.stringify(notes.peek())) notes.value = selection.notes;
  }, until);
  return notes;
}

class Shared {
  readonly members = new Set<Member>();
  readonly listeners = new Set<() => void>();
  readonly values: Record<Trait, string>; // JSON: equal selections are equal strings

  constructor(model: Model) {
    this.values = {
      selected_heads: read(model, "selected_heads"),
      selected_tokens: read(model, "selected_tokens"),
      selected_latents: read(model, "selected_latents"),
      selected_points: read(model, "selected_points"),
      head_notes: read(model, "head_notes"),
    };
  }

  /** True when this was a change. */
  put(trait: Trait, value: string): boolean {
    if (this.values[trait] === value) return false;
    this.values[trait] = value;
    return true;
  }

  tell(): void {
    for (const listener of [...this.listeners]) listener();
  }
}

const read = (model: Model, trait: Trait): string => JSON.stringify(model.get(trait) ?? []);

/**
 * One view's part. It writes its own model when the change was made in it; Python's Selection then carries the value to
 * the other views' models. Those arrive here as late echoes: were they obeyed, two quick clicks would flip the
 * selection back and forth without end. So each member remembers what is still to come (`expected`).
 */
class Member implements Selection {
  #expected: Record<Trait, (string | typeof OWN)[]> = {
    selected_heads: [],
    selected_tokens: [],
    selected_latents: [],
    selected_points: [],
    head_notes: [],
  };
  #writing = false;
  #hear: Record<Trait, () => void>;

  constructor(
    readonly model: Model,
    readonly shared: Shared,
  ) {
    this.#hear = {
      selected_heads: () => this.#arrived("selected_heads"),
      selected_tokens: () => this.#arrived("selected_tokens"),
      selected_latents: () => this.#arrived("selected_latents"),
      selected_points: () => this.#arrived("selected_points"),
      head_notes: () => this.#arrived("head_notes"),
    };
    for (const trait of TRAITS) model.on(`change:${trait}`, this.#hear[trait]);
    shared.members.add(this);
  }

  get heads(): Head[] {
    return JSON.parse(this.shared.values.selected_heads);
  }

  get tokens(): number[] {
    return JSON.parse(this.shared.values.selected_tokens);
  }

  get latents(): string[] {
    return JSON.parse(this.shared.values.selected_latents);
  }

  get points(): Point[] {
    const numbers = String(JSON.parse(this.shared.values.selected_points)).split(" ").filter(Boolean).map(Number);
    return Array.from({ length: numbers.length >> 1 }, (_, i) => [numbers[2 * i]!, numbers[2 * i + 1]!]);
  }

  get notes(): Note[] {
    return JSON.parse(this.shared.values.head_notes);
  }

  setHeads(heads: Head[]): void {
    this.#set("selected_heads", heads);
  }

  setTokens(tokens: number[]): void {
    this.#set("selected_tokens", tokens);
  }

  setLatents(latents: string[]): void {
    this.#set("selected_latents", latents);
  }

  setPoints(points: Point[]): void {
    this.#write("selected_points", JSON.stringify(points.map((point) => point.join(" ")).join(" ")));
  }

  setNote([layer, head]: Head, text: string): void {
    const others = this.notes.filter((note) => note[0] !== layer || note[1] !== head);
    const notes: Note[] = text ? [...others, [layer, head, text]] : others;
    this.#set(
      "head_notes",
      notes.sort((one, other) => one[0] - other[0] || one[1] - other[1]),
    );
  }

  subscribe(cb: () => void, signal: AbortSignal): void {
    this.shared.listeners.add(cb);
    signal.addEventListener("abort", () => this.shared.listeners.delete(cb));
  }

  has(trait: string, value: string): boolean {
    return [...this.shared.members].some(({ model }) => (model as Model<any>).get(trait) === value);
  }

  leave(): void {
    for (const trait of TRAITS) this.model.off(`change:${trait}`, this.#hear[trait]);
    this.shared.members.delete(this);
  }

  #set(trait: Trait, items: unknown[]): void {
    const once = new Set(items.map((item) => JSON.stringify(item)));
    this.#write(trait, JSON.stringify([...once].map((item) => JSON.parse(item))));
  }

  /** `value` as JSON. */
  #write(trait: Trait, value: string): void {
    if (!this.shared.put(trait, value)) return;
    for (const member of this.shared.members) member.expect(trait, member === this ? OWN : value);
    this.#writing = true;
    this.model.set(trait, JSON.parse(value));
    this.#writing = false;
    this.model.save_changes();
    this.shared.tell();
  }

  expect(trait: Trait, what: string | typeof OWN): void {
    const list = this.#expected[trait];
    if (what === OWN && !list.length) return; // nothing older can still arrive
    list.push(what);
    if (list.length > 64) list.shift(); // a page without a kernel never echoes
  }

  #arrived(trait: Trait): void {
    if (this.#writing) return;
    const value = read(this.model, trait);
    const list = this.#expected[trait];
    const echo = list.indexOf(value);
    const newer = echo < 0 ? [] : list.slice(echo + 1);
    this.#expected[trait] = newer;
    if (newer.length) return; // an echo of something that a later choice has replaced
    if (this.shared.put(trait, value)) this.shared.tell();
  }
}
