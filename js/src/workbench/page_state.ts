/** What the page knows and can do: its layout with undo, its panels, and what it asks the server for. */
import { History } from "../core/history";
import { computed, type ReadonlySignal, signal, watch } from "../core/reactive";
import { type Answer, type AskOptions, Requests } from "../core/requests";
import { selectionOf } from "../core/selection";
import type { Layout, PanelSpec, Saved } from "./layout";
import * as layouts from "./layout";
import type { Connection } from "./socket/connection";
import type { SocketModel } from "./socket/socket_model";

export interface Option {
  name: string;
  label: string;
  value: string | number;
  choices: string[];
}

export interface Kind {
  kind: string;
  title: string;
  about: string;
  /** What the button says that has made what is shown; empty where there is none. */
  makes: string;
  options: Option[];
}

export interface Side {
  bar: string;
  model: string;
  prompt: string;
  tokens: string[];
}

interface ServerPanel {
  id: string;
  kind: string;
  side: string;
  options: Record<string, unknown>;
  view: string;
  bundle: string;
}

/** How a panel that has no view yet is doing. */
export interface Pending {
  state: "asking" | "running" | "failed";
  text: string;
  done: number;
  total: number;
  stop?: AbortController;
}

const SAVE_AFTER = 400;
/** What a page begins with. */
const FIRST = ["attention", "steering", "lens", "attribution"];
/** Panels of one prompt that stand beside their twins of another without being asked for anything. */
const TWINS = ["attention", "heads", "lens", "attribution", "tokens", "steering"];

export class PageState {
  readonly #history = new History<Layout>();
  readonly #layout = signal<Layout>(layouts.EMPTY);
  readonly #pending = signal<ReadonlyMap<string, Pending>>(new Map());
  readonly #sides = signal<Record<string, Side>>({});
  readonly #panels = signal<ReadonlyMap<string, ServerPanel>>(new Map());
  readonly #said = signal<{ text: string; isError: boolean }>({ text: "", isError: false });
  readonly #requests: Requests;
  /** Panels whose views are still there, though their removal is asked for. */
  readonly #removals = new Map<string, Promise<unknown>>();
  #model: SocketModel;
  #saving: ReturnType<typeof setTimeout> | undefined;
  #before: Layout | undefined;
  /** As the page was opened, or was last told: a window in which nothing was changed tells nobody how it stands. */
  #told = "";
  readonly kinds: readonly Kind[];

  constructor(
    readonly connection: Connection,
    model: SocketModel,
    readonly until: AbortSignal,
  ) {
    this.#model = model;
    this.#requests = new Requests(model, until);
    this.kinds = model.get("kinds");
    const follow = (): void => {
      this.#sides.value = model.get("sides");
      this.#panels.value = new Map((model.get("panels") as ServerPanel[]).map((panel) => [panel.id, panel]));
    };
    follow();
    model.on("change:sides", follow);
    model.on("change:panels", follow);
  }

  get layout(): ReadonlySignal<Layout> {
    return this.#layout;
  }

  get sides(): ReadonlySignal<Record<string, Side>> {
    return this.#sides;
  }

  get pending(): ReadonlySignal<ReadonlyMap<string, Pending>> {
    return this.#pending;
  }

  get said(): ReadonlySignal<{ text: string; isError: boolean }> {
    return this.#said;
  }

  get canUndo(): ReadonlySignal<boolean> {
    return this.#history.canUndo;
  }

  get canRedo(): ReadonlySignal<boolean> {
    return this.#history.canRedo;
  }

  readonly comparing = computed(() => "b" in this.#sides.value);

  say(text: string, isError = false): void {
    this.#said.value = { text, isError };
  }

  /** Whether the server has a view of a panel, and which. */
  viewOf(id: string): ServerPanel | undefined {
    return this.#panels.value.get(id);
  }

  kindOf(kind: string): Kind | undefined {
    return this.kinds.find((one) => one.kind === kind);
  }

  ask(name: string, args: object = {}, options: AskOptions = {}): Promise<Answer> {
    return this.#requests.ask(name, args, options);
  }

  /** As `ask`, and say what went wrong; undefined then. */
  async attempt(name: string, args: object = {}, options: AskOptions = {}): Promise<Answer | undefined> {
    try {
      return await this.ask(name, args, options);
    } catch (error) {
      if ((error as Error).name !== "AbortError") this.say((error as Error).message, true);
      return undefined;
    }
  }

  // -- panels

  /** Add a panel; one that has options asks for them first. */
  add(kind: string, side = "a", column?: number): string {
    const spec: PanelSpec = { id: layouts.newId(), kind, side, options: {} };
    this.#change(layouts.added(layouts.widened(this.#layout.peek(), innerWidth), spec, column));
    return spec.id;
  }

  /** Have the view of a panel made, or made again with other options; `make`: and first what it shows. */
  async run(id: string, options: Record<string, unknown>, make = false): Promise<void> {
    const spec = layouts.find(this.#layout.peek(), id);
    if (!spec) return;
    this.#layout.value = layouts.changed(this.#layout.peek(), id, { options });
    const stop = new AbortController();
    this.#put(id, { state: "running", text: "", done: 0, total: 0, stop });
    try {
      if (this.#panels.peek().has(id)) await this.#remove(id);
      await this.ask(
        "add",
        { panel: id, kind: spec.kind, side: spec.side, options: make ? { ...options, make } : options },
        {
          signal: stop.signal,
          onProgress: (done, total, text) => this.#put(id, { state: "running", text, done, total, stop }),
        },
      );
      this.#settle(id);
    } catch (error) {
      if (!layouts.find(this.#layout.peek(), id)) return;
      const text = (error as Error).name === "AbortError" ? "Stopped." : (error as Error).message;
      this.#put(id, { state: "failed", text, done: 0, total: 0 });
    }
    this.#save();
  }

  /** Let the options of a panel be changed. */
  reopen(id: string): void {
    this.#put(id, { state: "asking", text: "", done: 0, total: 0 });
  }

  /** Leave the options as they are, where there is a view already. */
  leaveOptions(id: string): void {
    if (this.#hasView(id)) this.#settle(id);
    else this.close(id);
  }

  close(id: string): void {
    this.#change(layouts.without(this.#layout.peek(), id));
  }

  move(id: string, across: number, down: number): void {
    this.#change(layouts.moved(this.#layout.peek(), id, across, down));
  }

  place(id: string, column: number, at: number): void {
    const panel = layouts.find(this.#layout.peek(), id);
    if (panel) this.#change(layouts.placed(this.#layout.peek(), panel, column, at));
  }

  widen(id: string): void {
    const panel = layouts.find(this.#layout.peek(), id);
    if (panel) this.#change(layouts.changed(this.#layout.peek(), id, { wide: !panel.wide }));
  }

  undo(): void {
    const before = this.#history.undo(this.#layout.peek());
    if (before) this.#go(before);
    this.say(before ? "Undone." : "There is nothing to undo.");
  }

  redo(): void {
    const after = this.#history.redo(this.#layout.peek());
    if (after) this.#go(after);
  }

  #change(layout: Layout): void {
    if (layout === this.#layout.peek()) return;
    this.#history.leave(this.#layout.peek());
    this.#go(layout);
  }

  /** Show a layout: what is not in it is closed, what is not there is made. */
  #go(layout: Layout): void {
    const wanted = new Map(layouts.panelsOf(layout).map((panel) => [panel.id, panel]));
    this.#layout.value = layout;
    for (const [id, pending] of this.#pending.peek())
      if (!wanted.has(id)) {
        pending.stop?.abort();
        this.#settle(id);
      }
    for (const id of this.#panels.peek().keys()) if (!wanted.has(id)) void this.#remove(id);
    for (const panel of wanted.values())
      if (!this.#hasView(panel.id) && !this.#pending.peek().has(panel.id) && this.#isThere(panel))
        if (this.#isAsking(panel)) this.#put(panel.id, { state: "asking", text: "", done: 0, total: 0 });
        else void this.run(panel.id, { ...panel.options });
    this.#save();
  }

  #hasView(id: string): boolean {
    return this.#panels.peek().has(id) && !this.#removals.has(id);
  }

  #remove(id: string): Promise<unknown> {
    let removal = this.#removals.get(id);
    if (!removal) {
      removal = this.attempt("remove", { panel: id }).finally(() => this.#removals.delete(id));
      this.#removals.set(id, removal);
    }
    return removal;
  }

  #isThere(panel: PanelSpec): boolean {
    return panel.side in this.#sides.peek() && this.kindOf(panel.kind) !== undefined;
  }

  #isAsking({ kind, options }: PanelSpec): boolean {
    return !!this.kindOf(kind)?.options.length && !Object.keys(options).length;
  }

  #put(id: string, pending: Pending): void {
    this.#pending.value = new Map([...this.#pending.peek(), [id, pending]]);
  }

  #settle(id: string): void {
    this.#pending.value = new Map([...this.#pending.peek()].filter(([other]) => other !== id));
  }

  // -- prompts side by side

  async compare(text: string, model?: string): Promise<void> {
    const first = !this.comparing.peek();
    if (!(await this.attempt("compare", { text, ...(model ? { model } : {}) })) || !first) return;
    this.#before = this.#layout.peek();
    const own = layouts.panelsOf(this.#before);
    const twins = own.filter(({ kind }) => TWINS.includes(kind));
    const rest = own.filter((panel) => !twins.includes(panel));
    const others = twins.map(({ kind }): PanelSpec => ({ id: layouts.newId(), kind, side: "b", options: {} }));
    this.#change({ columns: [[...twins, ...rest], others] });
  }

  async single(): Promise<void> {
    const now = this.#layout.peek();
    const before = this.#before && layouts.panelsOf(this.#before).every(({ id }) => layouts.find(now, id));
    const left: Layout = before
      ? this.#before!
      : { columns: now.columns.map((column) => column.filter(({ side }) => side !== "b")) };
    this.#history.clear(); // panels of a prompt that is gone do not come back
    this.#go(left);
    await this.attempt("single");
  }

  /** Show a side on another model. */
  async model(side: string, model: string): Promise<void> {
    if (await this.attempt("model", { model, side }, { onProgress: (_, __, text) => this.say(text) }))
      this.say(`${model} is shown.`);
  }

  // -- what is kept

  /** Begin: as the server has it, as a link or the tab says, as it was last laid out, or as a page begins. */
  async begin(linked: Saved | undefined, kept: Saved | undefined): Promise<void> {
    await this.#open(linked, kept);
    this.#told = this.#model.get("layout") || JSON.stringify(this.saved());
    this.#followPrompts();
  }

  async #open(linked: Saved | undefined, kept: Saved | undefined): Promise<void> {
    const told = layouts.parsed(this.#model.get("layout"));
    // a page that is reloaded has maybe not told of its last change
    const server = told || this.#panels.peek().size ? (kept ?? told) : undefined;
    if (server && !linked) {
      this.#layout.value = server.layout;
      this.#go(server.layout);
      return;
    }
    // of another window, or of a server that was ended
    const before = layouts.parsed(this.#model.get("before") ?? "");
    const saved = linked ?? kept ?? before;
    if (saved && saved === before) this.say("The panels are as they were last laid out.");
    if (!saved) {
      const columns = layouts.widened({ columns: [] }, innerWidth).columns.map((): PanelSpec[] => []);
      for (const [at, kind] of FIRST.entries())
        columns[Math.floor((at * columns.length) / FIRST.length)]!.push({
          id: layouts.newId(),
          kind,
          side: "a",
          options: {},
        });
      this.#go({ columns });
      return;
    }
    await this.restore(saved);
  }

  async restore(saved: Saved): Promise<void> {
    const { a, b } = saved.prompts;
    const bar = this.connection.models.get(this.#sides.peek().a?.bar ?? "");
    if (bar && a && a !== this.#sides.peek().a?.prompt) {
      const requests = new Requests(bar, this.until);
      await requests.ask("prompt", { text: a }).catch((error: Error) => this.say(error.message, true));
    }
    if (b) await this.attempt("compare", { text: b });
    this.#go(saved.layout);
    if (bar && (saved.heads.length || saved.tokens.length)) {
      bar.set("selected_heads", saved.heads);
      bar.set("selected_tokens", saved.tokens);
      bar.save_changes();
    }
  }

  /** What would restore the page. */
  saved(): Saved {
    const sides = this.#sides.peek();
    const bar = this.connection.models.get(sides.a?.bar ?? "");
    return {
      v: 1,
      layout: this.#layout.peek(),
      prompts: Object.fromEntries(Object.entries(sides).map(([side, { prompt }]) => [side, prompt])),
      heads: bar?.get("selected_heads") ?? [],
      tokens: bar?.get("selected_tokens") ?? [],
    };
  }

  /** Tell the tab how the page stands, and a moment after the last change the server, where it is not as before. */
  #save(): void {
    if (!this.#told) return;
    sessionStorage.setItem(KEPT, JSON.stringify(this.saved()));
    clearTimeout(this.#saving);
    this.#saving = setTimeout(() => {
      if (JSON.stringify(this.saved()) !== this.#told) void this.keep();
    }, SAVE_AFTER);
  }

  async keep(): Promise<void> {
    this.#told = JSON.stringify(this.saved());
    await this.attempt("layout", { text: this.#told });
  }

  /** Prompts and the selection are kept as the panels are. */
  #followPrompts(): void {
    let life = new AbortController();
    watch(this.until, () => {
      const bar = this.connection.models.get(this.#sides.value.a?.bar ?? "");
      life.abort();
      life = new AbortController();
      if (bar) selectionOf(bar, life.signal).subscribe(() => this.#save(), life.signal);
      this.#save();
    });
  }
}

export const KEPT = "scope-widgets.layout";
