/** What a stack of heads shows, as signals; everything else follows from them. */

import { makePattern, type Pattern } from "../core/attention/pattern";
import { PatternCache } from "../core/attention/pattern_cache";
import { bytes, float32 } from "../core/bytes";
import { magnitudeTable, type Table } from "../core/drawing/colour";
import { niceCeiling, type Scale } from "../core/drawing/scale";
import type { Theme } from "../core/elements/theme";
import { batch, computed, type ReadonlySignal, type Signal, settable, signal, trait, watch } from "../core/reactive";
import type { Requests } from "../core/requests";
import { type Head, type Selection, sameHeads, withoutHead } from "../core/selection";
import { type Model, save } from "../core/widget_model";
import type { AttentionStackTraits } from "../generated/traits";
import { type Pose, type Shape, STEEPEST } from "./scene";

/** How far one key turns, tilts, spreads. */
const [DEGREES, SHARE] = [6, 0.05];
export const USUAL: Pose = { turn: -32, tilt: 22, spread: 0.7, zoom: 1, x: 0, y: 0 };

/** A cell of a slice. */
export interface Cell {
  query: number;
  key: number;
}

export class State {
  readonly shape: Shape;
  readonly tokens: readonly string[];
  readonly side: number;
  readonly slices: Signal<{ cells: Uint8Array; ready: number }>;
  readonly pose: Signal<Pose>;
  readonly scale: Signal<Scale>;
  readonly table: ReadonlySignal<Table>;
  readonly heads: Signal<Head[]>;
  readonly pointed = signal<Head | undefined>(undefined);
  readonly cell = signal<Cell | undefined>(undefined);
  /** The head whose pattern is shown large: that under the pointer, else the last one selected. */
  readonly shown: ReadonlySignal<Head | undefined>;
  readonly pattern: ReadonlySignal<Pattern | undefined>;
  /** How many heads cannot be seen from where it stood still last; undefined before that. */
  readonly hidden = signal<number | undefined>(undefined);
  readonly status = signal("");
  readonly #kept = new PatternCache();
  readonly #dragged = signal<Scale | undefined>(undefined);

  constructor(
    readonly model: Model<AttentionStackTraits>,
    readonly selection: Selection,
    readonly requests: Requests,
    readonly theme: ReadonlySignal<Theme>,
    readonly until: AbortSignal,
  ) {
    this.shape = { layers: model.get("n_layers")!, heads: model.get("n_heads")! };
    this.tokens = model.get("tokens");
    this.side = model.get("thumbnail_size");
    this.slices = signal({ cells: bytes(model.get("thumbnails")).slice(), ready: model.get("thumbnail_layers") });
    const traits = (["turn", "tilt", "spread"] as const).map((name) => trait(model, name, until));
    this.pose = signal({ ...USUAL });
    watch(until, () => {
      const [turn, tilt, spread] = traits.map((one) => one.value) as [number, number, number];
      const { turn: a, tilt: b, spread: c } = this.pose.peek();
      if (turn !== a || tilt !== b || spread !== c) this.pose.value = { ...this.pose.peek(), turn, tilt, spread };
    });
    this.scale = this.#followScale();
    this.table = computed(() => magnitudeTable(theme.value.groundRgb, theme.value.dark));
    this.heads = signal(this.#own());
    selection.subscribe(() => {
      const heads = this.#own();
      if (!sameHeads(heads, this.heads.peek())) this.heads.value = heads; // else tokens have changed, or notes
    }, until);
    this.shown = computed(() => this.pointed.value ?? this.heads.value.at(-1));
    this.pattern = computed(() => this.shown.value && this.#kept.entry(String(this.shown.value)).value);
    watch(until, () => {
      const heads = this.heads.value;
      const selected = new Set(heads.map(String));
      for (const name of [...this.#kept.asked]) if (!selected.has(name)) this.#kept.giveUp(name);
      if (heads.length) void this.load(heads.at(-1)!);
    });
    void this.#drawRest();
  }

  #followScale(): Signal<Scale> {
    const { model, until } = this;
    const [kind, limits, threshold] = [
      trait(model, "scale", until),
      trait(model, "limits", until),
      trait(model, "threshold", until),
    ];
    const scale = computed<Scale>(
      () =>
        this.#dragged.value ?? {
          kind: kind.value,
          low: limits.value[0],
          high: limits.value[1],
          threshold: threshold.value,
        },
    );
    return settable<Scale>(scale, (next) => void (this.#dragged.value = next));
  }

  commitScale(): void {
    const { kind, low, high, threshold } = this.scale.peek();
    batch(() => {
      save(this.model, { scale: kind, limits: [low, high], threshold });
      this.#dragged.value = undefined;
    });
  }

  largest(): number {
    return niceCeiling(this.slices.peek().cells.reduce((most, value) => Math.max(most, value), 0) / 255);
  }

  // -- how it is looked at

  /** Look from elsewhere; `commit` tells Python. */
  look(change: Partial<Pose>, commit = true): void {
    const clamp = (value: number, low: number, high: number): number => Math.max(low, Math.min(high, value));
    const next = { ...this.pose.peek(), ...change };
    next.turn = clamp(next.turn, -STEEPEST, STEEPEST);
    next.tilt = clamp(next.tilt, -STEEPEST, STEEPEST);
    next.spread = clamp(Math.round(next.spread * 1000) / 1000, 0, 1);
    next.zoom = clamp(next.zoom, 1, 40);
    if (next.zoom === 1) next.x = next.y = 0;
    this.pose.value = next;
    if (commit) this.commitPose();
  }

  commitPose(): void {
    const { turn, tilt, spread } = this.pose.peek();
    const [a, b] = [Math.round(turn * 10) / 10, Math.round(tilt * 10) / 10];
    const { model } = this;
    if (model.get("turn") === a && model.get("tilt") === b && model.get("spread") === spread) return;
    batch(() => {
      this.pose.value = { ...this.pose.peek(), turn: a, tilt: b };
      save(model, { turn: a, tilt: b, spread });
    });
  }

  turnBy(turns: number, tilts: number): void {
    const { turn, tilt } = this.pose.peek();
    this.look({ turn: turn + turns * DEGREES, tilt: tilt + tilts * DEGREES });
  }

  spreadBy(steps: number): void {
    this.look({ spread: this.pose.peek().spread + steps * SHARE });
  }

  /** Zoom with what is at a point of the screen where it was. */
  zoomAt(by: number, x: number, y: number, width: number, height: number): void {
    const { zoom, x: dx, y: dy } = this.pose.peek();
    const next = Math.max(1, Math.min(40, zoom * by));
    const ratio = next / zoom;
    const [px, py] = [x - width / 2, y - height / 2];
    this.look({ zoom: next, x: px - (px - dx) * ratio, y: py - (py - dy) * ratio }, false);
  }

  // -- heads

  pointAt(cell: Cell | undefined): void {
    const now = this.cell.peek();
    if (now?.query !== cell?.query || now?.key !== cell?.key) this.cell.value = cell;
  }

  headOf(slice: number): Head {
    return [Math.floor(slice / this.shape.heads), slice % this.shape.heads];
  }

  sliceOf([layer, head]: Head): number {
    return layer * this.shape.heads + head;
  }

  select(head: Head, extend: boolean): void {
    const now = this.heads.peek();
    const others = withoutHead(now, head);
    if (!extend) this.selection.setHeads(now.length === 1 && !others.length ? [] : [head]);
    else this.selection.setHeads(others.length < now.length ? others : [...now, head]);
  }

  /** The value of a cell of a slice, as near as its picture has it. */
  levelOf([layer, head]: Head, { query, key }: Cell): number {
    const { side } = this;
    const n = this.tokens.length;
    const at = (position: number): number => Math.min(side - 1, Math.floor((position * side) / n));
    const { cells } = this.slices.peek();
    return cells[(this.sliceOf([layer, head]) * side + at(query)) * side + at(key)]! / 255;
  }

  isReady([layer]: Head): boolean {
    return layer < this.slices.value.ready;
  }

  /** The exact pattern of a head. */
  async load([layer, head]: Head): Promise<Pattern | undefined> {
    const { requests, tokens } = this;
    try {
      const pattern = await this.#kept.load(String([layer, head]), async (until) => {
        const { data, buffers } = await requests.ask("head", { layer, head }, { signal: until });
        const values = data.exact ? float32(buffers[0]!) : bytes(buffers[0]!);
        return makePattern(tokens.length, values, data.step, data.exact);
      });
      this.status.value = "";
      return pattern;
    } catch (error) {
      if ((error as Error).name !== "AbortError") this.status.value = (error as Error).message;
      return undefined;
    }
  }

  stepBack(): string {
    if (this.heads.peek().length) {
      this.selection.setHeads([]);
      return "No head selected.";
    }
    if (this.pose.peek().zoom > 1) {
      this.look({ zoom: 1 }, false);
      return "All of the stack in sight.";
    }
    return "";
  }

  #own(): Head[] {
    return this.selection.heads.filter(([layer, head]) => layer < this.shape.layers && head < this.shape.heads);
  }

  /** Ask for the layers that Python had no time for before the cell ended, or that a server is to draw. */
  async #drawRest(): Promise<void> {
    while (this.slices.peek().ready < this.shape.layers && !this.until.aborted) {
      const { cells, ready } = this.slices.peek();
      try {
        this.status.value = `drawing layer ${ready} of ${this.shape.layers} …`;
        const { buffers } = await this.requests.ask("thumbnails", { layer: ready });
        this.status.value = "";
        if (!buffers.length) {
          const { model } = this;
          this.slices.value = { cells: bytes(model.get("thumbnails")).slice(), ready: model.get("thumbnail_layers") };
          return;
        }
        cells.set(bytes(buffers[0]!), ready * this.shape.heads * this.side ** 2);
        this.slices.value = { cells, ready: ready + 1 };
      } catch (error) {
        if ((error as Error).name !== "AbortError") this.status.value = (error as Error).message;
        return;
      }
    }
  }
}
