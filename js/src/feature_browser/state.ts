/** What the browser of features shows: order, search, the open latent, and what it has asked Python for. */

import { float32, int32 } from "../core/bytes";
import { magnitudeTable, type Table } from "../core/drawing/colour";
import type { Theme } from "../core/elements/theme";
import type { Predicate } from "../core/filter/filter";
import { batch, computed, type ReadonlySignal, type Signal, signal, trait, watch } from "../core/reactive";
import type { AskOptions } from "../core/requests";
import { readable } from "../core/tokens";
import type { View } from "../core/view";
import { isSavedPage, type Model, save } from "../core/widget_model";
import type { FeatureBrowserTraits } from "../generated/traits";
import { type Columns, readColumns } from "./columns";
import { type Fires, firesOf } from "./fires";
import { type Found, orderOf, type SortColumn } from "./order";
import type { LatentPage, Own, Why } from "./page_data";

/** What a row says beside its numbers. */
export interface Words {
  tokens: string;
  label: string;
}

type Kind = FeatureBrowserTraits["search_by"];
/** Rows that are asked for at once, and pages that are kept. */
const [ROWS, PAGES] = [120, 60];
/** A search waits for a pause in the typing; a text that is run does not. */
/** Milliseconds after which a search says what it is doing, and gives way to the next. */
const LONG = 700;
const PAUSE = 200;
const SAVED_AFTER = 400;

export class State {
  readonly model: Model<FeatureBrowserTraits>;
  readonly columns: Columns;
  readonly isSaved: boolean;
  readonly theme: ReadonlySignal<Theme>;
  readonly table: ReadonlySignal<Table>;
  readonly latent: ReadonlySignal<number | null>;
  readonly sort: ReadonlySignal<[SortColumn, string]>;
  /** As the traits of these names, which follow what is typed after a pause. */
  readonly searchBy: Signal<Kind> = signal("fires_on");
  readonly search = signal("");
  readonly passes: Signal<Predicate | undefined> = signal(undefined);
  readonly rows: ReadonlySignal<Int32Array>;
  /** What was searched is what is found; undefined where nothing is searched. */
  readonly found: ReadonlySignal<Found | undefined>;
  readonly fires: Signal<Fires | undefined> = signal(undefined);
  /** Positions of tokens of the text, in all linked views. */
  readonly token: Signal<number | undefined> = signal(undefined);
  /** Counts up when rows have arrived. */
  readonly arrived = signal(0);
  readonly searching = signal(false);
  /** What went wrong with a search; "" where nothing did. */
  readonly problem = signal("");
  /** The latents on which a panel stands open in the place of the page. */
  readonly touching = signal(false);
  /** Why this latent fires stands on its page. */
  readonly explaining = signal<number | null>(null);
  /** Where there is no room beside it, the list and not the page. */
  readonly showsList = signal(false);
  /** The pages that were open before, and that were gone back from. */
  readonly back: Signal<(number | null)[]> = signal([]);
  readonly forward: Signal<(number | null)[]> = signal([]);

  readonly #view: View<FeatureBrowserTraits>;
  readonly #searched: Signal<Found | undefined> = signal(undefined);
  readonly #words = new Map<number, Words>();
  readonly #wanted = new Set<number>();
  readonly #pages = new Map<number, LatentPage>();
  #asking = false;

  constructor(view: View<FeatureBrowserTraits>) {
    const { model, until, selection } = view;
    this.#view = view;
    this.model = model;
    this.columns = readColumns(model);
    this.isSaved = isSavedPage(model);
    this.theme = view.theme;
    this.table = computed(() => magnitudeTable(this.theme.value.groundRgb, this.theme.value.dark));
    this.latent = trait(model, "latent", until);
    this.sort = trait(model, "sort", until) as unknown as ReadonlySignal<[SortColumn, string]>;
    for (const name of ["search_by", "search"] as const) {
      const follow = (): void => this.#follow();
      model.on(`change:${name}`, follow);
      until.addEventListener("abort", () => model.off(`change:${name}`, follow));
    }
    this.#follow();
    until.addEventListener("abort", () => clearTimeout(this.#saving));
    const follow = (): void => {
      this.token.value = selection.tokens.at(-1);
      this.#openSelected(selection.latents);
    };
    selection.subscribe(follow, until);
    follow();
    this.found = computed(() => {
      const fires = this.fires.value;
      if (!fires) return this.#searched.value;
      const { latents, values } = fires.ranked(this.#tokenOf(fires));
      return this.#found(latents, values);
    });
    this.rows = computed(() => orderOf(this.columns, this.sort.value, this.passes.value, this.found.value));
    this.#searchOn(until);
  }

  /** The selected token, where the text has it. */
  get chosen(): number | undefined {
    const fires = this.fires.value;
    return fires && this.#tokenOf(fires);
  }

  #tokenOf({ tokens }: Fires): number | undefined {
    const token = this.token.value;
    return token !== undefined && token < tokens.length ? token : undefined;
  }

  // -- the page

  open(latent: number | null): void {
    const now = this.latent.peek();
    this.showsList.value = false;
    if (latent === now) return;
    this.back.value = [...this.back.peek(), now].slice(-200);
    this.forward.value = [];
    this.#put(latent);
  }

  /** Open a page, here and in views that follow which latents are selected. */
  #put(latent: number | null): void {
    const { selection } = this.#view;
    save(this.model, { latent });
    if (latent !== null) selection.setLatents([this.nameOf(latent)]);
    else if (selection.latents.some((name) => this.#numberOf(name) !== undefined)) selection.setLatents([]);
  }

  /** As nodes of circuits are called. */
  nameOf = (latent: number): string => `${this.model.get("place")}.${latent}`;

  #numberOf(name: string): number | undefined {
    const at = name.lastIndexOf(".");
    const latent = Number(name.slice(at + 1));
    return name.slice(0, at) === this.model.get("place") && this.columns.rowOf(latent) !== undefined
      ? latent
      : undefined;
  }

  #shared = "";

  /** The page of the last latent that was selected elsewhere. */
  #openSelected(names: string[]): void {
    const text = JSON.stringify(names);
    if (text === this.#shared) return;
    this.#shared = text;
    const latent = names
      .map((name) => this.#numberOf(name))
      .filter((one) => one !== undefined)
      .at(-1);
    if (latent !== undefined) this.open(latent);
  }

  step(by: -1 | 1): void {
    const [from, to] = by < 0 ? [this.back, this.forward] : [this.forward, this.back];
    const latent = from.peek().at(-1);
    if (latent === undefined) return;
    from.value = from.peek().slice(0, -1);
    to.value = [...to.peek(), this.latent.peek()];
    this.#put(latent);
  }

  /** A hash of the weights of the autoencoder, asked once a page is open. */
  readonly identity = signal("");
  #identified = false;

  #identify(): void {
    if (this.#identified) return;
    this.#identified = true;
    this.#view.requests.ask("identity").then(
      ({ data }) => void (this.identity.value = data.sae),
      () => {},
    );
  }

  async page(latent: number): Promise<LatentPage> {
    const known = this.#pages.get(latent);
    if (known) return known;
    const { data } = await this.#view.requests.ask("latent", { latent });
    const { label, others } = data as LatentPage;
    if (label) data.label = { ...label, text: readable(label.text), evidence: readable(label.evidence) };
    data.others = others.map(([one, cosine, words, mutual]) => [one, cosine, readable(words), mutual]);
    this.#pages.set(latent, data);
    this.#identify();
    if (this.#pages.size > PAGES) this.#pages.delete(this.#pages.keys().next().value!);
    return data;
  }

  /** Write a label and a note on a latent, in Python's file. */
  async annotate(latent: number, own: Own): Promise<void> {
    await this.#view.requests.ask("annotate", { latent, ...own });
    const page = this.#pages.get(latent);
    if (page) this.#pages.set(latent, { ...page, own });
    this.#words.delete(latent);
    this.arrived.value++;
  }

  /** The traits of the steering panel, with sliders for a latent on the typed text. */
  async touch(latent: number): Promise<Record<string, unknown>> {
    const text = this.searchBy.peek() === "fires_on" ? this.search.peek() : "";
    const { data } = await this.#view.requests.ask("touch", { latent, text });
    return data.traits;
  }

  // -- why it fires

  readonly #why = new Map<string, Why>();

  /** The text on which it is asked why a latent fires; "" for its own examples. */
  get explainedText(): string {
    return this.searchBy.value === "fires_on" ? this.search.value.trim() : "";
  }

  knownWhy = (latent: number, text: string): Why | undefined => this.#why.get(JSON.stringify([latent, text]));

  async why(latent: number, text: string, options: AskOptions): Promise<Why> {
    const { data } = await this.#view.requests.ask("why", { latent, text }, options);
    const why: Why = {
      ...data,
      rows: data.rows.map((row: Why["rows"][0]) => ({ ...row, words: readable(row.words) })),
    };
    this.#why.set(JSON.stringify([latent, text]), why);
    return why;
  }

  knownPage = (latent: number): LatentPage | undefined => this.#pages.get(latent);

  // -- what rows say

  /** Undefined until it has arrived, see `arrived`. */
  words(latent: number): Words | undefined {
    const known = this.#words.get(latent);
    if (!known && !this.#wanted.has(latent)) {
      this.#wanted.add(latent);
      if (!this.#asking) queueMicrotask(() => this.#ask());
      this.#asking = true;
    }
    return known;
  }

  async #ask(): Promise<void> {
    // The last that came into sight first; those that have left it are not asked for any more.
    const all = [...this.#wanted].reverse();
    this.#wanted.clear();
    const some = all.slice(0, ROWS);
    // a saved page answers what it was saved with: each row alone
    const parts = this.isSaved ? some.map((one) => [one]) : [some];
    const ask = async (latents: number[]): Promise<void> => {
      const { data } = await this.#view.requests.ask("words", { latents });
      latents.forEach((one, at) => this.#words.set(one, { tokens: data.tokens[at], label: readable(data.labels[at]) }));
    };
    await Promise.allSettled(parts.map(ask));
    for (const one of some) if (!this.#words.has(one)) this.#words.set(one, { tokens: "", label: "" });
    this.#asking = this.#wanted.size > 0;
    this.arrived.value++;
    if (this.#asking) void this.#ask();
  }

  // -- search

  setSearch(by: Kind, text: string): void {
    this.showsList.value = false;
    if (by === this.searchBy.peek() && text === this.search.peek()) return;
    batch(() => {
      this.searchBy.value = by;
      this.search.value = text;
    });
    clearTimeout(this.#saving);
    // first the request for it: hosts send one message after another, and wait between two
    this.#saving = setTimeout(() => {
      this.#writing = true;
      save(this.model, { search_by: by, search: text });
      this.#writing = false;
    }, SAVED_AFTER);
  }

  #follow(): void {
    if (this.#writing) return;
    clearTimeout(this.#saving);
    batch(() => {
      this.searchBy.value = this.model.get("search_by");
      this.search.value = this.model.get("search");
    });
  }

  /** What a search that takes long is doing, "" where none is. */
  readonly searchStatus = signal("");
  #search = new AbortController();

  stopSearch(): void {
    this.#search.abort();
  }

  #saving: ReturnType<typeof setTimeout> | undefined;
  #writing = false;
  #warm = false;

  /** What the first text needs is made while it is typed. */
  warmUp(): void {
    if (this.#warm || this.isSaved || this.model.get("cannot_run")) return;
    this.#warm = true;
    this.#view.requests.ask("warm_up").catch(() => {});
  }

  #found(latents: Int32Array, match: Float32Array): Found {
    const places = Array.from(latents, (latent) => this.columns.rowOf(latent));
    const here = places.map((_, at) => at).filter((at) => places[at] !== undefined);
    return { rows: Int32Array.from(here, (at) => places[at]!), match: Float32Array.from(here, (at) => match[at]!) };
  }

  /** Ask what is searched for; of what is typed meanwhile the latest is asked next. */
  #searchOn(until: AbortSignal): void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let running = false;
    let again = false;
    let since = 0;
    const run = async (): Promise<void> => {
      if (running) {
        again = true;
        if (performance.now() - since > LONG) this.stopSearch(); // it waits at a server, say
        return;
      }
      running = true;
      this.searching.value = true;
      do {
        again = false;
        since = performance.now();
        await this.#searchOnce(this.searchBy.peek(), this.search.peek());
      } while (again && !until.aborted);
      running = this.searching.value = false;
    };
    watch(until, () => {
      const [by, text] = [this.searchBy.value, this.search.value.trim()];
      clearTimeout(timer);
      if (!text || by === "latent") {
        again = false;
        this.stopSearch();
        this.#searched.value = this.fires.value = undefined;
        this.problem.value = "";
        if (running) again = true; // what is under way is not to be shown
      } else if (by === "fires_on") void run();
      else timer = setTimeout(run, PAUSE);
    });
    until.addEventListener("abort", () => {
      clearTimeout(timer);
      this.stopSearch();
    });
  }

  async #searchOnce(by: Kind, text: string): Promise<void> {
    if (!text.trim() || by === "latent") return;
    const reason = this.model.get("cannot_run");
    if (by === "fires_on" && reason && !this.isSaved) {
      this.#searched.value = this.fires.value = undefined;
      this.problem.value = reason;
      return;
    }
    this.#search = new AbortController();
    const { signal } = this.#search;
    let [said, isLong] = ["searching", false];
    const timer = setTimeout(() => {
      isLong = true;
      this.searchStatus.value = said;
    }, LONG);
    const onProgress = (_done: number, _total: number, text: string): void => {
      said = text || said;
      if (isLong && !signal.aborted) this.searchStatus.value = said;
    };
    try {
      const answer = await (by === "fires_on"
        ? this.#view.requests.ask("fires", { text }, { signal, onProgress })
        : this.#view.requests.ask("find", { by, what: text }));
      this.showsList.value = false;
      if (by !== this.searchBy.peek() || !this.search.peek().trim()) return;
      if (by === "fires_on") {
        this.fires.value = firesOf(text, answer);
        this.#searched.value = undefined;
      } else {
        this.#searched.value = this.#found(int32(answer.buffers[0]!), float32(answer.buffers[1]!));
        this.fires.value = undefined;
      }
      this.problem.value = "";
    } catch (error) {
      if ((error as Error).name !== "AbortError") this.problem.value = (error as Error).message;
    } finally {
      clearTimeout(timer);
      this.searchStatus.value = "";
    }
  }
}
