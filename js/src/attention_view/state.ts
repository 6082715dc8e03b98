/** What an attention view shows, as signals; everything else follows from them. */

import { magnitudeTable, signedTable, type Table } from "../core/drawing/colour";
import { niceCeiling, type Scale } from "../core/drawing/scale";
import type { Theme } from "../core/elements/theme";
import { batch, computed, type ReadonlySignal, type Signal, signal, trait, untracked, watch } from "../core/reactive";
import type { Head, Selection } from "../core/selection";
import { type Model, save } from "../core/widget_model";
import type { AttentionViewTraits } from "../generated/traits";
import { countBeyond, largestMagnitude } from "./patterns/pattern";
import type { Patterns, Quantity, Side } from "./patterns/patterns";
import type { Window } from "./patterns/raster";
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
export const headText = (head: Head): string => `Head ${head.join(".")}`;
export const same = (one: Head | undefined, other: Head | undefined): boolean =>
  !!one && !!other && one[0] === other[0] && one[1] === other[1];

export class State {
  readonly layers: number;
  readonly headsPerLayer: number;
  readonly tokens: Record<Side, string[]>;
  readonly panels: PanelName[];
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
  readonly window: Signal<Window>;
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
    this.panels = versus.length ? ["a", "b", "difference"] : ["a"];
    this.window = signal({ query: 0, key: 0, span: this.size });

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
      () => this.heads.value.find((head) => same(head, this.#chosen.value)) ?? this.heads.value.at(-1),
    );
    this.first = computed(() => this.#first());
    this.open = computed(() => chosen.value ?? (this.closed.value ? undefined : this.first.value?.head));
    this.shown = computed(() => chosen.value ?? (this.open.value && (this.pointed.value ?? this.open.value)));
    this.compared = computed(() => {
      const shown = this.shown.value;
      const others = this.pinned.value.filter((head) => !same(head, shown));
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
        for (const one of wanted) for (const side of this.sides) void patterns.load(one, side, wanted);
      });
    });
  }

  get size(): number {
    return this.tokens.a.length;
  }

  get sides(): Side[] {
    return this.panels.length > 1 ? ["a", "b"] : ["a"];
  }

  /** Whether the two prompts differ in their tokens, not only in their model. */
  get tokensDiffer(): boolean {
    return this.panels.length > 1 && this.tokens.b.some((token, i) => token !== this.tokens.a[i]);
  }

  tokensOf(panel: PanelName): string[] {
    return panel === "a" ? this.tokens.a : this.panels.length > 1 ? this.tokens.b : this.tokens.a;
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

  isSelected = (head: Head): boolean => this.heads.value.some((other) => same(head, other));

  openHead(head: Head, extend: boolean): void {
    const others = this.heads.peek().filter((other) => !same(other, head));
    const close = extend && others.length < this.heads.peek().length && same(head, this.open.peek());
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
  isLarge = (head: Head): boolean => same(head, this.open.value) || this.isPinned(head);

  isPinned = (head: Head): boolean => this.pinned.value.some((other) => same(head, other));

  togglePin(head: Head): void {
    const others = this.pinned.peek().filter((other) => !same(other, head));
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
    this.selection.setHeads(this.heads.peek().filter((other) => !same(other, head)));
  }

  selectTokens(positions: number[], extend: boolean): void {
    const before = this.selectedTokens.peek();
    const [only] = positions;
    if (positions.length === 1 && before.includes(only!) && (extend || before.length === 1))
      this.selection.setTokens(before.filter((token) => token !== only));
    else this.selection.setTokens(extend ? [...before, ...positions] : positions);
  }

  /** The query that details and sentence speak of: under the pointer, else selected, else the last. */
  readonly query = computed(() => this.hover.value?.query ?? this.position.value);

  /** The token that is selected last, else the last one. */
  readonly position = computed(() => this.selectedTokens.value.at(-1) ?? this.size - 1);

  resetWindow(): void {
    this.window.value = { query: 0, key: 0, span: this.size };
  }

  /** Escape: undo the last kind of choice. Returns what was done, for the live region; "" when nothing was left. */
  stepBack(): string {
    if (this.window.peek().span < this.size) return (this.resetWindow(), "Zoom reset.");
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
    return this.selection.tokens.filter((token) => token < this.size);
  }
}
