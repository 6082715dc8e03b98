/** What a patching map shows, as signals; everything else follows from them. */

import { bytes } from "../core/bytes";
import { signedTable, type Table } from "../core/drawing/colour";
import { niceEnd, type Scale } from "../core/drawing/scale";
import type { Theme } from "../core/elements/theme";
import { batch, computed, type ReadonlySignal, type Signal, settable, signal, trait, watch } from "../core/reactive";
import type { Head, Selection } from "../core/selection";
import { isSavedPage, type Model, save } from "../core/widget_model";
import type { PatchingMapTraits } from "../generated/traits";
import { Space } from "./cells/cell_names";
import { countsOf, type Effects, largest, numbers, shownOf } from "./cells/cells";
import { componentGrid, flatGrid, type Grid, headGrid, positionGrid, positionStrip, selectedGrid } from "./cells/grid";
import type { Window } from "./drawing/layout";

export const SHOWS = ["heads", "positions", "selected heads"] as const;
export type Shows = (typeof SHOWS)[number];

export class State {
  readonly space: Space;
  readonly quantity: string;
  readonly effects: ReadonlySignal<Effects>;
  readonly counts: ReadonlySignal<ReturnType<typeof countsOf>>;
  readonly saved: boolean;

  readonly heads: Signal<Head[]>;
  readonly tokens: Signal<number[]>;
  readonly shows: ReadonlySignal<Shows>;
  /** Where a map of heads looks; undefined: where each head's effect is largest. */
  readonly position: ReadonlySignal<number | undefined>;
  /** The cell whose prompts are shown. */
  readonly open = signal<number | undefined>(undefined);
  readonly hover = signal<number | undefined>(undefined);
  readonly grid: ReadonlySignal<Grid>;
  readonly strip: ReadonlySignal<Grid> | undefined;
  readonly window: Signal<Window>;

  readonly scale: Signal<Scale>;
  readonly #dragged = signal<Scale | undefined>(undefined);
  readonly table: ReadonlySignal<Table>;
  readonly clipped: ReadonlySignal<number>;

  constructor(
    readonly model: Model<PatchingMapTraits>,
    readonly selection: Selection,
    readonly theme: ReadonlySignal<Theme>,
    until: AbortSignal,
  ) {
    const space = (this.space = new Space(model));
    this.quantity = model.get("quantity");
    this.saved = isSavedPage(model);
    const [values, estimates] = [trait(model, "values", until), trait(model, "estimates", until)];
    const zero = bytes(model.get("by_construction"));
    this.effects = computed(() => ({
      values: numbers(values.value, space.size)!,
      estimates: numbers(estimates.value, space.size),
      ...(zero.length && { zero }),
    }));
    this.counts = computed(() => countsOf(this.effects.value));

    // Heads and tokens that mean something else in other views (key-value heads, roles) are selected here only.
    this.heads = signal(this.#ownHeads(model.get("are_heads") ? selection.heads : []));
    this.tokens = signal(this.#ownTokens(model.get("are_tokens") ? selection.tokens : []));
    selection.subscribe(
      () =>
        batch(() => {
          if (model.get("are_heads")) this.heads.value = this.#ownHeads(selection.heads);
          if (model.get("are_tokens")) this.tokens.value = this.#ownTokens(selection.tokens);
        }),
      until,
    );

    this.shows = trait(model, "shows", until);
    this.position = computed(() => this.tokens.value.at(-1));
    this.grid = computed(() => this.#gridNow());
    if (space.deep) this.strip = computed(() => positionStrip(space, this.effects.value, this.stripHead.value));
    this.window = signal({ first: 0, span: this.grid.peek().columns.length });
    const columns = computed(() => this.grid.value.columns.length);
    watch(until, () => void (this.window.value = { first: 0, span: columns.value }));

    this.scale = this.#followScale(until);
    this.table = computed(() => signedTable(theme.value.groundRgb, theme.value.dark));
    this.clipped = computed(() => {
      const { high } = this.scale.value;
      return this.grid.value.at.reduce(
        (count, cell) => count + Number(cell >= 0 && Math.abs(shownOf(this.effects.value, cell)) > high),
        0,
      );
    });
  }

  /** The head whose positions the strip shows: the one pointed at, else the last one selected. */
  readonly stripHead = computed<Head | undefined>(() => {
    const pointed = this.hover.value === undefined ? undefined : this.space.placeOf(this.hover.value);
    return pointed?.head === undefined ? this.heads.value.at(-1) : [pointed.layer!, pointed.head];
  });

  #gridNow(): Grid {
    const { space } = this;
    if (space.components.length) return componentGrid(space);
    if (!space.deep) return flatGrid(space);
    if (this.shows.value === "heads") return headGrid(space, this.effects.value, this.position.value);
    if (this.shows.value === "positions" || !this.heads.value.length) return positionGrid(space, this.effects.value);
    return selectedGrid(space, this.heads.value);
  }

  /** The scale of the traits; while it is dragged, ahead of them. */
  #followScale(until: AbortSignal): Signal<Scale> {
    const [limit, threshold] = [trait(this.model, "limit", until), trait(this.model, "threshold", until)];
    const dragged = this.#dragged;
    const fitted = computed(() => niceEnd(largest(this.effects.value)));
    const scale = computed<Scale>(() => {
      const high = limit.value ?? fitted.value;
      return dragged.value ?? { kind: "linear", low: -high, high, threshold: threshold.value };
    });
    return settable<Scale>(scale, (next) => void (dragged.value = next));
  }

  /** Symmetric limits around all that is known. */
  fitted(): Scale {
    const high = niceEnd(largest(this.effects.peek()));
    return { kind: "linear", low: -high, high, threshold: 0 };
  }

  /** Write the colour scale to Python; what fits by itself stays "what fits". */
  commitScale(): void {
    const { high, threshold } = this.scale.peek();
    batch(() => {
      save(this.model, { limit: high === this.fitted().high ? null : high, threshold });
      this.#dragged.value = undefined;
    });
  }

  setShows(shows: Shows): void {
    batch(() => {
      this.hover.value = undefined;
      save(this.model, { shows });
    });
  }

  setHeads(heads: Head[]): void {
    if (this.model.get("are_heads")) this.selection.setHeads(heads);
    else this.heads.value = heads;
  }

  setTokens(tokens: number[]): void {
    if (this.model.get("are_tokens")) this.selection.setTokens(tokens);
    else this.tokens.value = tokens;
  }

  /** Open a cell and select what it stands for, as far as that does not change which cells are on show. */
  choose(cell: number, extend: boolean): void {
    const { head, layer, position } = this.space.placeOf(cell);
    const choosing = this.space.deep ? this.shows.peek() : undefined;
    batch(() => {
      this.open.value = cell;
      if (head !== undefined && choosing !== "selected heads")
        this.setHeads(toggled(this.heads.peek(), [layer!, head], extend));
      if (position !== undefined && choosing !== "heads") this.setTokens(toggled(this.tokens.peek(), position, extend));
    });
  }

  /** Select a position, or the one selected no longer. */
  chooseToken(position: number, extend: boolean): void {
    const now = this.tokens.peek();
    this.setTokens(!extend && now.length === 1 && now[0] === position ? [] : toggled(now, position, extend));
  }

  resetWindow(): void {
    this.window.value = { first: 0, span: this.grid.peek().columns.length };
  }

  /** Escape: undo the last kind of choice. Returns what was done; "" when nothing was left. */
  stepBack(): string {
    if (this.open.peek() !== undefined) return ((this.open.value = undefined), "Closed.");
    if (this.window.peek().span < this.grid.peek().columns.length) return (this.resetWindow(), "Zoom reset.");
    if (this.tokens.peek().length) return (this.setTokens([]), "No token selected.");
    if (this.heads.peek().length) return (this.setHeads([]), "No head selected.");
    return "";
  }

  #ownHeads(heads: Head[]): Head[] {
    return heads.filter(([layer, head]) => layer < this.space.layers && head < this.space.headsPerLayer);
  }

  #ownTokens(tokens: number[]): number[] {
    return tokens.filter((token) => token < this.space.positions.length);
  }
}

/** `item` alone or, to extend, added to the others or taken away from them. */
function toggled<T>(items: T[], item: T, extend: boolean): T[] {
  if (!extend) return [item];
  const others = items.filter((one) => String(one) !== String(item));
  return others.length < items.length ? others : [...items, item];
}
