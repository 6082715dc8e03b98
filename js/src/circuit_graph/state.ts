/** What a circuit's view shows, as signals; everything else follows from them. */

import { uint16 } from "../core/bytes";
import { signedTable, type Table } from "../core/drawing/colour";
import { niceCeiling, type Scale } from "../core/drawing/scale";
import type { Theme } from "../core/elements/theme";
import { History } from "../core/history";
import { batch, computed, type ReadonlySignal, type Signal, settable, signal } from "../core/reactive";
import type { Head, Selection } from "../core/selection";
import { isSavedPage, type Model } from "../core/widget_model";
import type { CircuitGraphTraits } from "../generated/traits";
import { columnsOf, type Unit, type Units, unitsOf } from "./circuit/drawn_nodes";
import { Edges } from "./circuit/edges";
import {
  changed,
  EDITS,
  type Edits,
  editsText,
  grouped,
  includedBy,
  plainEdit,
  readEdits,
  toggledEdge,
  toggledNodes,
} from "./circuit/edits";
import { type GivenNode, Graph, type Node as GraphNode } from "./circuit/graph";
import { type Curve, edgeTable } from "./drawing/edge_lines";
import { frameOf, type Room } from "./drawing/layout";
import { type Scene, sceneOf } from "./drawing/scene";

export type Place = [column: number, row: number];

export interface Pointed {
  unit?: string;
  curve?: Curve;
}

export class State {
  readonly graph: Graph;
  readonly edges: Edges;
  readonly saved: boolean;
  readonly metric: string;
  /** Edges in the circuit as given. */
  readonly givenCount: number;
  readonly history = new History<Edits>();

  /** As they were last put down; while something is dragged, `edits` is ahead of them. */
  readonly #settled: Signal<Edits>;
  readonly sliding = signal<number | undefined>(undefined);
  readonly moving = signal<{ key: string; place: Place } | undefined>(undefined);
  readonly edits: ReadonlySignal<Edits>;
  #writing = false;

  readonly included: ReadonlySignal<Uint8Array>;
  readonly size: ReadonlySignal<number>;
  readonly units: ReadonlySignal<Units>;
  readonly room = signal<Room>({ width: 0, height: 0 });
  readonly scene: ReadonlySignal<Scene>;

  /** Keys of selected units, the last one current. */
  readonly selected = signal<string[]>([]);
  readonly current: ReadonlySignal<Unit | undefined>;
  /** The edge whose details are open. */
  readonly edge = signal<number | undefined>(undefined);
  readonly hover = signal<Pointed>({});
  readonly comparing: Signal<boolean>;

  readonly scale: Signal<Scale>;
  readonly table: ReadonlySignal<Table>;
  /** Drawn edges whose score is beyond the limits. */
  readonly clipped: ReadonlySignal<number>;

  constructor(
    readonly model: Model<CircuitGraphTraits>,
    readonly selection: Selection,
    readonly theme: ReadonlySignal<Theme>,
    until: AbortSignal,
  ) {
    // Notebooks that were saved before there were graphs of latents have none.
    const nodes: GivenNode[] = model.get("nodes") ?? [];
    const shape = {
      layers: model.get("n_layers")!,
      heads: model.get("n_heads")!,
      kvHeads: model.get("n_kv_heads"),
      parallel: model.get("parallel"),
    };
    const graph = (this.graph = nodes.length
      ? new Graph({ ...shape, columns: model.get("columns") }, { nodes, links: linksOf(model) })
      : new Graph(shape));
    const edges = (this.edges = new Edges(graph, model));
    this.saved = isSavedPage(model);
    this.metric = model.get("metric");
    this.givenCount = edges.given.reduce((sum, value) => sum + value, 0);

    this.#settled = signal(readEdits(model));
    for (const name of EDITS) {
      const hear = (): void => this.#heard();
      model.on(`change:${name}`, hear);
      until.addEventListener("abort", () => model.off(`change:${name}`, hear));
    }
    this.edits = computed(() => {
      const settled = this.#settled.value;
      const moving = this.moving.value;
      const pins = moving ? changed(settled.pins, moving.key, moving.place) : settled.pins;
      return { ...settled, kept: this.sliding.value ?? settled.kept, pins };
    });
    const inOut = computed(() =>
      JSON.stringify([this.edits.value.kept, this.edits.value.removed, this.edits.value.added]),
    );
    this.included = computed(() => {
      void inOut.value;
      return includedBy(edges, this.edits.peek());
    });
    this.size = computed(() => this.included.value.reduce((sum, value) => sum + value, 0));

    const places = computed(() => JSON.stringify([[...this.edits.value.groups], [...this.edits.value.pins]]));
    this.units = computed(() => {
      void places.value;
      return unitsOf(graph, this.edits.peek());
    });
    this.current = computed(() => this.unitOf(this.selected.value.at(-1)));
    this.comparing = signal(!!edges.other);
    this.scene = this.#followScene(inOut);
    this.scale = symmetricScale(this.fitted().high);
    this.clipped = computed(() => {
      const { high } = this.scale.value;
      return this.scene.value.curves.reduce(
        (sum, { sort, score }) => sum + Number(sort === "scored" && Math.abs(score) > high),
        0,
      );
    });
    this.table = computed(() => edgeTable(signedTable(theme.value.groundRgb, theme.value.dark), theme.value.dark));

    const follow = (): void => this.#selectShared(selection.heads, selection.latents);
    follow();
    selection.subscribe(follow, until);
  }

  /** What is drawn; `inOut` changes with what is in and out. */
  #followScene(inOut: ReadonlySignal<string>): ReadonlySignal<Scene> {
    const { graph, edges, theme } = this;
    const groups = computed(() => this.edits.value.groups.size);
    const frame = computed(() => frameOf(this.room.value, columnsOf(graph, groups.value), graph.shape.layers));
    const pen = document.createElement("canvas").getContext("2d")!;
    const removed = computed(() => {
      void inOut.value;
      return this.edits.peek().removed;
    });
    return computed(() => {
      pen.font = `11px ${theme.value.font}`;
      const names = removed.value;
      return sceneOf({
        edges,
        units: this.units.value,
        included: this.included.value,
        removed: names.map((name) => edges.find(name)).filter((rank) => rank !== undefined),
        removedNodes: new Set(names.map((name) => graph.find(name)).filter((node) => node !== undefined)),
        comparing: this.comparing.value,
        frame: frame.value,
        textWidth: (text) => pen.measureText(text).width,
      });
    });
  }

  /** Scores fall off steeply: the colours end where a few edges lie above, so that the others can be told apart. */
  fitted(): Scale {
    const { score, scored } = this.edges;
    const high = niceCeiling(Math.abs(score[Math.min(11, Math.floor(scored / 20), scored - 1)] ?? 1));
    return { kind: "linear", low: -high, high, threshold: 0 };
  }

  unitOf(key: string | undefined): Unit | undefined {
    const { all, find } = this.units.value;
    return key === undefined ? undefined : all[find.get(key) ?? -1];
  }

  /** Names of the nodes of the selected units. */
  selectedNodes(): string[] {
    return this.selected.value.flatMap((key) =>
      (this.unitOf(key)?.nodes ?? []).map((node) => this.graph.nodes[node]!.name),
    );
  }

  // -- choosing

  select(keys: string[], extend = false): void {
    const before = this.selected.peek();
    const [only] = keys;
    const next = !extend
      ? keys
      : keys.length === 1 && before.includes(only!)
        ? before.filter((key) => key !== only)
        : [...before.filter((key) => !keys.includes(key)), ...keys];
    batch(() => {
      this.edge.value = undefined;
      this.selected.value = next;
    });
    this.#sharing = true; // heads are told before latents
    this.selection.setHeads(this.#headsOf(next));
    this.selection.setLatents(this.#latentsOf(next));
    this.#sharing = false;
  }

  openEdge(rank: number | undefined): void {
    this.edge.value = rank;
  }

  /** Escape: undo the last kind of choice. Returns what was done; "" when nothing was left. */
  stepBack(): string {
    if (this.edge.peek() !== undefined) return (this.openEdge(undefined), "Closed.");
    if (this.selected.peek().length) return (this.select([]), "No node selected.");
    return "";
  }

  #sharing = false;

  /** Heads and latents selected elsewhere replace what is selected here, unless they are the same. */
  #selectShared(heads: Head[], latents: string[]): void {
    if (this.#sharing) return;
    const before = this.selected.peek();
    const mine = [this.#headsOf(before), this.#latentsOf(before)];
    const own = heads.filter(([layer, head]) => layer < this.graph.shape.layers && head < this.graph.shape.heads);
    const here = latents.filter((name) => this.graph.find(name) !== undefined);
    if (JSON.stringify([own, here]) === JSON.stringify(mine)) return;
    const { all, of } = this.units.peek();
    const names = [...own.map(([layer, head]) => `a${layer}.h${head}`), ...here];
    const keys = names.flatMap((name) => {
      const node = this.graph.find(name);
      return node === undefined ? [] : [all[of[node]!]!.key];
    });
    batch(() => {
      this.edge.value = undefined;
      this.selected.value = [...new Set(keys)];
    });
  }

  #nodesOf(keys: string[]): GraphNode[] {
    const { all, find } = this.units.peek();
    return keys.flatMap((key) => all[find.get(key) ?? -1]?.nodes ?? []).map((node) => this.graph.nodes[node]!);
  }

  #headsOf(keys: string[]): Head[] {
    const heads = this.#nodesOf(keys).filter(({ kind }) => kind === "head");
    return heads.map(({ layer, head }) => [layer, head]);
  }

  #latentsOf = (keys: string[]): string[] =>
    this.#nodesOf(keys)
      .filter(({ kind }) => kind === "latent")
      .map(({ name }) => name);

  // -- changing

  change(changes: Partial<Edits>): void {
    const before = this.#settled.peek();
    const next = { ...before, ...changes };
    if (editsText(next) === editsText(before)) return;
    this.history.leave(before);
    this.#put(next);
  }

  toggleEdge(rank: number): void {
    this.change(toggledEdge(this.edges, this.#settled.peek(), rank));
  }

  toggleNodes(names: string[]): void {
    const own = names.filter((name) => name !== this.graph.nodes[this.graph.logits]!.name);
    if (own.length) this.change(toggledNodes(this.#settled.peek(), own));
  }

  /** Take out, or put in again, what is open: the edge, or the selected nodes. */
  toggle(): void {
    if (this.edge.peek() !== undefined) this.toggleEdge(this.edge.peek()!);
    else this.toggleNodes(this.selectedNodes());
  }

  group(name: string): void {
    const nodes = this.selectedNodes().filter((node) => node !== this.graph.nodes[this.graph.logits]!.name);
    if (!nodes.length) return;
    this.change(grouped(this.#settled.peek(), name, nodes));
    this.select([name]);
  }

  ungroup(name: string): void {
    const { groups, pins } = this.#settled.peek();
    const nodes = groups.get(name) ?? [];
    this.change({ groups: changed(groups, name), pins: changed(pins, name) });
    this.select(nodes);
  }

  label(key: string, text: string): void {
    const { labels } = this.#settled.peek();
    this.change({ labels: changed(labels, key, text.trim() || undefined) });
  }

  pin(key: string, place: Place): void {
    const rounded = place.map((at) => Math.round(at * 1000) / 1000) as Place;
    this.change({ pins: changed(this.#settled.peek().pins, key, rounded) });
  }

  unpin(keys: string[]): void {
    const pins = new Map(this.#settled.peek().pins);
    for (const key of keys) pins.delete(key);
    this.change({ pins });
  }

  /** Keep so many of the strongest edges; what was taken out or put in by hand stays so. */
  keep(kept: number): void {
    batch(() => {
      this.sliding.value = undefined;
      this.change({ kept });
    });
  }

  reset(): void {
    this.change({ kept: null, removed: [], added: [] });
  }

  undo(): void {
    const state = this.history.undo(this.#settled.peek());
    if (state) this.#put(state);
  }

  redo(): void {
    const state = this.history.redo(this.#settled.peek());
    if (state) this.#put(state);
  }

  #put(next: Edits): void {
    this.#writing = true;
    // Groups go before pins, which Python checks against them.
    for (const name of EDITS) {
      const value = plainEdit(next, name);
      if (JSON.stringify(this.model.get(name)) !== JSON.stringify(value)) this.model.set(name, value as never);
    }
    this.#writing = false;
    this.#settled.value = next;
    this.model.save_changes();
  }

  /** A change that was made in Python can be undone here. */
  #heard(): void {
    const next = readEdits(this.model);
    const before = this.#settled.peek();
    if (this.#writing || editsText(next) === editsText(before)) return;
    this.history.leave(before);
    this.#settled.value = next;
  }
}

/** Sender and receiving node of the edges of a graph of latents, in its own order. */
function linksOf(model: Model<CircuitGraphTraits>): [number, number][] {
  const [senders, receivers] = [uint16(model.get("senders")), uint16(model.get("receivers"))];
  const nodes = model.get("receiving");
  const links = Array.from(senders, (sender, rank): [number, number] => [sender, nodes[receivers[rank]!]!]);
  return links.sort(([s1, r1], [s2, r2]) => r1 - r2 || s1 - s2);
}

/** A scale whose lower end is the negative of its upper one. */
function symmetricScale(high: number): Signal<Scale> {
  const limit = signal(high);
  const scale = computed<Scale>(() => ({ kind: "linear", low: -limit.value, high: limit.value, threshold: 0 }));
  return settable<Scale>(scale, (next) => void (limit.value = next.high));
}
