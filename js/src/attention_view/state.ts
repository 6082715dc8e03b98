/** What an attention view shows, as signals; everything else follows from them. */

import { inside } from "../core/attention/matrix_frame";
import { countBeyond, largestMagnitude, type Reading } from "../core/attention/pattern";
import type { Window } from "../core/attention/raster";
import { magnitudeTable, signedTable, type Table } from "../core/drawing/colour";
import { niceCeiling, type Scale } from "../core/drawing/scale";
import type { Theme } from "../core/elements/theme";
import { exact } from "../core/format";
import { batch, computed, type ReadonlySignal, type Signal, signal, trait, untracked, watch } from "../core/reactive";
import { type Head, type Selection, sameHead, withoutHead } from "../core/selection";
import { type Model, save } from "../core/widget_model";
import type { AttentionViewTraits } from "../generated/traits";
import type { Patterns, Quantity, Side } from "./patterns/patterns";
import { SideBySide } from "./side_by_side";
import { readStatistics, type Statistics } from "./statistics";

/** A panel of the right part. */
export type PanelName = Side | "difference";

export interface Hover {
  query: number;
  /** undefined: the whole row, as from the sentence. */
  key?: number;
  panel: PanelName;
  /** Whose cell it is where several heads are beside each other. */
  head?: Head | undefined;
}

export const PANEL_TITLES: Record<PanelName, string> = { a: "A", b: "B", difference: "B − A" };

export class State {
  readonly layers: number;
  readonly headsPerLayer: number;
  readonly tokens: Record<Side, string[]>;
  readonly panels: PanelName[];
  /** Which positions and heads of A and B are each other's. */
  readonly beside: SideBySide;
  /** What could not be done, in words. */
  readonly notice = signal("");
  readonly letters: ReadonlySignal<Map<string, string>>;

  readonly heads: Signal<Head[]>;
  readonly selectedTokens: Signal<number[]>;
  readonly open: ReadonlySignal<Head | undefined>;
  /** The selected head or, while none is, the one under the pointer, else the one that is opened at first. */
  readonly shown: ReadonlySignal<Head | undefined>;
  /** What is shown until a head is selected: the first of the order, else the head that stands out; and by which statistic. */
  readonly first: ReadonlySignal<{ head: Head; statistic: string } | undefined>;
  /** It was closed. */
  readonly closed = signal(false);
  /** Heads that stay beside the opened one, and these with it. */
  readonly pinned: ReadonlySignal<Head[]>;
  readonly compared: ReadonlySignal<Head[]>;

  readonly statistics: ReadonlySignal<Statistics | undefined>;
  readonly sort: ReadonlySignal<string>;
  readonly filter: ReadonlySignal<string>;
  /** What the filter asks of a row of the statistics. */
  readonly passes = signal<((row: number) => boolean) | undefined>(undefined);
  readonly passing: ReadonlySignal<Head[]>;
  /** The heads in the order of a statistic; undefined: layers down, heads across. */
  readonly order: ReadonlySignal<Head[] | undefined>;
  /** [layer, head, statistic], or nothing. */
  readonly #strongest: ReadonlySignal<any[]>;
  readonly #chosen = signal<Head | undefined>(undefined);
  readonly pointed = signal<Head | undefined>(undefined);
  readonly hover = signal<Hover | undefined>(undefined);
  /** What is shown of a prompt: of A, which is that of B too where positions are of one number, and of B. */
  readonly #windows: Record<Side, Signal<Window>>;
  /** Which panel the grid and the sentence speak of, and which is shown where there is room for only one. */
  readonly panel = signal<PanelName>("a");
  /** The opened head stands below the grid, not beside it. */
  readonly narrow = signal(false);
  /** There is room for one panel only. */
  readonly alone = signal(false);
  /** Whether exact values are wanted; undefined: when there is room for them. */
  readonly detailsWanted = signal<boolean | undefined>(undefined);
  readonly detailsShown = signal(false);
  /** Whether the tokens that the opened head writes and reads are shown. */
  readonly tokensShown: ReadonlySignal<boolean>;
  /** Why there is nothing that needs weights; "" where there is. */
  readonly noWeights: ReadonlySignal<string>;

  readonly scale: Signal<Scale>;
  readonly signedLimit = signal<Scale | undefined>(undefined);
  /** Of value-weighted attention, which has no natural end; undefined: as far as what is shown goes. */
  readonly weightedLimit = signal<Scale | undefined>(undefined);
  readonly table: ReadonlySignal<Table>;
  readonly signedTable: ReadonlySignal<Table>;

  constructor(
    readonly model: Model<AttentionViewTraits>,
    readonly selection: Selection,
    readonly patterns: Patterns,
    readonly theme: ReadonlySignal<Theme>,
    until: AbortSignal,
  ) {
    this.layers = model.get("n_layers")!;
    this.headsPerLayer = model.get("n_heads")!;
    const versus: string[] = model.get("versus_tokens") ?? [];
    this.tokens = { a: model.get("tokens"), b: versus };
    this.panels = versus.length ? (model.get("differs") === false ? ["a", "b"] : ["a", "b", "difference"]) : ["a"];
    this.beside = new SideBySide(model);
    const whole = (side: Side): Signal<Window> => signal({ query: 0, key: 0, span: this.tokens[side].length });
    const a = whole("a");
    this.#windows = { a, b: this.aligned ? whole("b") : a };

    const letters = trait(model, "letters", until);
    this.letters = computed(() => new Map(letters.value.map(([layer, head, letter]) => [`${layer}.${head}`, letter])));

    this.heads = signal(this.#ownHeads());
    this.selectedTokens = signal(this.#ownTokens());
    selection.subscribe(
      () =>
        batch(() => {
          this.heads.value = this.#ownHeads();
          this.selectedTokens.value = this.#ownTokens();
        }),
      until,
    );
    this.#strongest = trait(model, "strongest", until);
    this.tokensShown = trait(model, "head_tokens", until);
    this.noWeights = trait(model, "no_weights", until);
    const pinned = trait(model, "pinned_heads", until);
    this.pinned = computed(() =>
      (pinned.value as Head[]).filter(([layer, head]) => layer < this.layers && head < this.headsPerLayer),
    );
    const chosen = computed(
      () => this.heads.value.find((head) => sameHead(head, this.#chosen.value)) ?? this.heads.value.at(-1),
    );
    this.first = computed(() => this.#first());
    this.open = computed(() => chosen.value ?? (this.closed.value ? undefined : this.first.value?.head));
    this.shown = computed(() => chosen.value ?? (this.open.value && (this.pointed.value ?? this.open.value)));
    this.compared = computed(() => {
      const shown = this.shown.value;
      const others = this.pinned.value.filter((head) => !sameHead(head, shown));
      return shown ? [...others, shown] : others;
    });

    const names = trait(model, "statistics", until);
    const values = trait(model, "statistic_values", until);
    this.statistics = computed(() => (names.value, values.value, readStatistics(model, this.letters.value)));
    this.sort = trait(model, "sort", until);
    this.filter = trait(model, "filter", until);
    const every = Array.from(
      { length: this.layers * this.headsPerLayer },
      (_, row): Head => [Math.floor(row / this.headsPerLayer), row % this.headsPerLayer],
    );
    this.passing = computed(() => {
      const passes = this.passes.value;
      return passes ? every.filter((_, row) => passes(row)) : every;
    });
    this.order = computed(() => {
      const [statistics, name] = [this.statistics.value, this.sort.value];
      if (!statistics?.names.includes(name)) return undefined;
      const size = (head: Head): number => {
        const value = statistics.of(name, head);
        return Number.isNaN(value) ? -Infinity : value;
      };
      return [...this.passing.value].sort((one, other) => size(other) - size(one) || 0);
    });

    this.scale = signal(this.#scaleOfModel());
    for (const name of ["scale", "limits", "threshold"]) {
      const follow = (): void => void (this.scale.value = this.#scaleOfModel());
      model.on(`change:${name}`, follow);
      until.addEventListener("abort", () => model.off(`change:${name}`, follow));
    }
    this.table = computed(() => magnitudeTable(theme.value.groundRgb, theme.value.dark));
    this.signedTable = computed(() => signedTable(theme.value.groundRgb, theme.value.dark));
    watch(until, () => {
      const head = this.open.value;
      const wanted = [...(head ? [head] : []), ...this.pinned.value];
      void patterns.quantity.value;
      untracked(() => {
        for (const one of wanted) for (const side of this.sidesOf(one)) void patterns.load(one, side, wanted);
      });
    });
  }

  /** How many tokens a panel has. */
  sizeOf(panel: PanelName): number {
    return this.tokensOf(panel).length;
  }

  /** Whether B's positions are not those of the same number in A. */
  get aligned(): boolean {
    return !!this.beside.partners;
  }

  /** Whether a pixel of a thumbnail is a token or less, so that those of aligned tokens can be taken from each other. */
  get exactThumbnails(): boolean {
    return !this.aligned || this.patterns.thumbnailSize >= Math.max(this.sizeOf("a"), this.sizeOf("b"));
  }

  windowOf(panel: PanelName): ReadonlySignal<Window> {
    return this.#windows[panel === "b" ? "b" : "a"];
  }

  /** Show a part of a panel's prompt, and of the other one what is aligned with its middle. */
  setWindow(panel: PanelName, window: Window): void {
    const [side, other] = panel === "b" ? (["b", "a"] as const) : (["a", "b"] as const);
    batch(() => {
      this.#windows[side].value = window;
      if (!this.aligned) return;
      const [size, more] = [this.sizeOf(side), this.sizeOf(other)];
      const span = window.span >= size ? more : Math.min(window.span, more);
      const start = (at: number): number =>
        this.beside.place(at + window.span / 2 - 0.5, side, other, size, more) - span / 2 + 0.5;
      this.#windows[other].value = inside({ query: start(window.query), key: start(window.key), span }, more);
    });
  }

  /** The sides that have a head of this name, or one beside it. */
  sidesOf(head: Head): Side[] {
    return this.sides.filter((side) => side === "a" || this.beside.head(head));
  }

  /** Whether a panel has a head to show in this one's place. */
  has = (head: Head, panel: PanelName): boolean => panel === "a" || !!this.beside.head(head);

  /** Of which head of B a panel shows what stands beside this one of A, where it is of another name; "" where not. */
  besideText(head: Head, panel: PanelName): string {
    if (panel !== "b") return "";
    const own = this.beside.head(head);
    return !own ? "none in B" : sameHead(own, head) ? "" : `B: ${own.join(".")}`;
  }

  /** A number of a panel in words: whether it is exact, and whether it is one at all. */
  valueText(panel: PanelName, { value, exact: isExact }: Reading): string {
    if (Number.isNaN(value) && panel === "difference" && this.aligned) return "not aligned";
    return `${isExact ? "" : "≈ "}${exact(value)}`;
  }

  /** The exact values of a query of a panel are wanted, of both sides. */
  wantRow(head: Head, panel: PanelName, query: number): void {
    for (const side of this.sidesOf(head)) {
      const at = this.beside.position(query, panel, side);
      if (at !== undefined) this.patterns.wantRow(head, side, at);
    }
  }

  /** What is pointed at, as positions of a panel. */
  hoverIn(panel: PanelName): { query: number | undefined; key: number | undefined } | undefined {
    const hover = this.hover.value;
    const at = (one: number | undefined): number | undefined => hover && this.beside.position(one, hover.panel, panel);
    return hover && { query: at(hover.query), key: at(hover.key) };
  }

  /** The selected tokens of a panel. */
  selectedIn(panel: PanelName): number[] {
    return this.selectedTokens.value.flatMap((token) => this.beside.position(token, "a", panel) ?? []);
  }

  get sides(): Side[] {
    return this.panels.length > 1 ? ["a", "b"] : ["a"];
  }

  /** Whether the two prompts differ in their tokens, not only in their model. */
  get tokensDiffer(): boolean {
    if (this.panels.length < 2) return false;
    return this.aligned || this.tokens.b.some((token, i) => token !== this.tokens.a[i]);
  }

  tokensOf(panel: PanelName): string[] {
    const ofB = panel === "b" || (panel === "difference" && !this.aligned);
    return ofB && this.panels.length > 1 ? this.tokens.b : this.tokens.a;
  }

  scaleOf(panel: PanelName): Scale {
    return panel === "difference" ? (this.signedLimit.value ?? this.fittedSigned()) : this.scale.value;
  }

  /** Whether the opened head shows value-weighted attention. */
  get weighted(): boolean {
    return this.patterns.quantity.value === "value_weighted";
  }

  /** The scale of the opened head, where that of the grid is one of attention. */
  openedScaleOf(panel: PanelName): Scale {
    if (panel === "difference" || !this.weighted) return this.scaleOf(panel);
    return this.weightedLimit.value ?? this.fittedWeighted();
  }

  /** From 0 to what the shown heads hold. */
  fittedWeighted(): Scale {
    const sizes = this.compared.value.flatMap((head) =>
      this.sides
        .map((side) => this.patterns.get(head, side).value)
        .map((pattern) => pattern && largestMagnitude(pattern)),
    );
    const high = niceCeiling(Math.max(0, ...sizes.map((size) => size ?? 0))) || 1;
    return { kind: "linear", low: 0, high, threshold: 0 };
  }

  tableOf(panel: PanelName): Table {
    return panel === "difference" ? this.signedTable.value : this.table.value;
  }

  /** How many cells of these heads lie beyond the limits. */
  clippedOf(heads: Head[], panels: PanelName[]): number {
    const patterns = heads.flatMap((head) =>
      panels.map((panel) => [this.patterns.get(head, panel).value, this.openedScaleOf(panel).high] as const),
    );
    return patterns.reduce((sum, [pattern, high]) => sum + (pattern ? countBeyond(pattern, high) : 0), 0);
  }

  /** Symmetric limits around what the open head's difference holds. */
  fittedSigned(): Scale {
    const head = this.shown.value;
    const pattern = head && this.patterns.get(head, "difference").value;
    const high = pattern ? niceCeiling(largestMagnitude(pattern)) : 1;
    return { kind: "linear", low: -high, high, threshold: 0 };
  }

  isSelected = (head: Head): boolean => this.heads.value.some((other) => sameHead(head, other));

  openHead(head: Head, extend: boolean): void {
    const others = withoutHead(this.heads.peek(), head);
    const close = extend && others.length < this.heads.peek().length && sameHead(head, this.open.peek());
    this.#chosen.value = close ? undefined : head;
    this.selection.setHeads(extend ? (close ? others : [...others, head]) : [head]);
  }

  /** Show a head that is selected already. */
  choose(head: Head): void {
    this.#chosen.value = head;
  }

  /** The head that details and sentence speak of: that of the cell under the pointer, else the shown one. */
  readonly spoken = computed(() => this.hover.value?.head ?? this.shown.value);

  /** Whether its pattern is asked for: it is not only pointed at. */
  isLarge = (head: Head): boolean => sameHead(head, this.open.value) || this.isPinned(head);

  isPinned = (head: Head): boolean => this.pinned.value.some((other) => sameHead(head, other));

  togglePin(head: Head): void {
    const others = withoutHead(this.pinned.peek(), head);
    save(this.model, { pinned_heads: others.length < this.pinned.peek().length ? others : [...others, head] });
  }

  setQuantity(quantity: Quantity): void {
    if (this.noWeights.peek() || quantity === this.model.get("quantity")) return;
    this.signedLimit.value = this.weightedLimit.value = undefined;
    save(this.model, { quantity });
  }

  toggleTokens(): void {
    save(this.model, { head_tokens: !this.model.get("head_tokens") });
  }

  setSort(sort: string): void {
    if (sort !== this.sort.peek()) save(this.model, { sort });
  }

  setFilter(filter: string): void {
    if (filter !== this.filter.peek()) save(this.model, { filter });
  }

  /** Close what is open: no head is selected, and none is shown in its place. */
  close(): void {
    this.closed.value = true;
    this.selection.setHeads([]);
  }

  dropHead(head: Head): void {
    this.selection.setHeads(withoutHead(this.heads.peek(), head));
  }

  /** Select tokens of a panel: those of B by their partners in A. */
  selectTokens(chosen: number[], extend: boolean, panel: PanelName = "a"): void {
    const positions = chosen.flatMap((at) => this.beside.position(at, panel, "a") ?? []);
    this.notice.value = "";
    if (chosen.length && !positions.length) {
      this.notice.value = "A token of B is selected with its partner in A, and this one has none.";
      return;
    }
    const before = this.selectedTokens.peek();
    const [only] = positions;
    if (positions.length === 1 && before.includes(only!) && (extend || before.length === 1))
      this.selection.setTokens(before.filter((token) => token !== only));
    else this.selection.setTokens(extend ? [...before, ...positions] : positions);
  }

  /** The query of a panel that details speak of: under the pointer, else selected, else the last. */
  queryIn(panel: PanelName): number | undefined {
    return this.hover.value ? this.hoverIn(panel)!.query : this.positionIn(panel);
  }

  /** The token of a panel that is selected last, else the last one; undefined where that has no partner. */
  positionIn(panel: PanelName): number | undefined {
    const last = this.selectedTokens.value.at(-1);
    return last === undefined ? this.sizeOf(panel) - 1 : this.beside.position(last, "a", panel);
  }

  resetWindow(): void {
    this.setWindow("a", { query: 0, key: 0, span: this.sizeOf("a") });
  }

  /** Escape: undo the last kind of choice. Returns what was done, for the live region; "" when nothing was left. */
  stepBack(): string {
    if ((["a", "b"] as const).some((side) => this.windowOf(side).peek().span < this.sizeOf(side)))
      return (this.resetWindow(), "Zoom reset.");
    if (this.selectedTokens.peek().length) return (this.selection.setTokens([]), "No token selected.");
    if (this.heads.peek().length) return (this.close(), "No head selected.");
    if (this.open.peek()) return (this.close(), "No head is open.");
    return "";
  }

  /** Write the colour scale to Python. */
  commitScale(): void {
    const { kind, low, high, threshold } = this.scale.peek();
    save(this.model, { scale: kind, limits: [low, high], threshold });
  }

  #first(): { head: Head; statistic: string } | undefined {
    const [layer, index, statistic] = this.#strongest.value;
    const [best] = this.order.value ?? [];
    if (best && !Number.isNaN(this.statistics.value!.of(this.sort.value, best)))
      return { head: best, statistic: this.sort.value };
    return layer === undefined ? undefined : { head: [layer, index], statistic };
  }

  #scaleOfModel(): Scale {
    const [low, high] = this.model.get("limits");
    return { kind: this.model.get("scale"), low, high, threshold: this.model.get("threshold") };
  }

  #ownHeads(): Head[] {
    return this.selection.heads.filter(([layer, head]) => layer < this.layers && head < this.headsPerLayer);
  }

  #ownTokens(): number[] {
    return this.selection.tokens.filter((token) => token < this.sizeOf("a"));
  }
}
