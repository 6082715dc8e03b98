/** What a map shows, where, and where the pointer is: what its drawing and its pointer share. */
import { computed, type ReadonlySignal, type Signal, signal, sizeOf } from "../../core/reactive";
import { type Grid, type Sum, sumsOf } from "../cells/grid";
import { COLUMN_BAR, ROW_BAR } from "../cells/margin_sums";
import type { State } from "../state";
import { columnRoom, measuresOf, rowRoom } from "./labels";
import { type Frame, frameOf, type Window } from "./layout";

export interface MapOptions {
  name: string;
  grid: ReadonlySignal<Grid>;
  window: Signal<Window>;
  /** The least room at the left, so that maps one above the other are in line. */
  gutter?: ReadonlySignal<number>;
  /** Whether row and column sums stand at the margins. */
  sums: boolean;
  onPoint(cell: number | undefined): void;
  onChoose(cell: number, extend: boolean): void;
}

/** Room for a margin of sums, its gaps included. */
export const ROW_SUMS = ROW_BAR + 20;
const COLUMN_SUMS = COLUMN_BAR + 20;

/** A row and a column of the grid; only one of them at a label or a sum. */
export interface Spot {
  row?: number;
  column?: number;
}

/** What is on show, where, and where the pointer is. */
export interface CellMap {
  state: State;
  options: MapOptions;
  element: HTMLElement;
  size: ReadonlySignal<readonly [width: number, height: number]>;
  room: ReadonlySignal<{ left: number; top: number; right: number; bottom: number }>;
  frame: ReadonlySignal<Frame>;
  sums: ReadonlySignal<{ rows: Sum[]; columns: Sum[] }>;
  pointed: Signal<Spot | undefined>;
  /** In client coordinates, so that the note there is told again when a value changes beneath it. */
  pointer: Signal<{ x: number; y: number } | undefined>;
}

export function cellMapOf(state: State, options: MapOptions, element: HTMLElement, until: AbortSignal): CellMap {
  const { grid, window: view } = options;
  const size = sizeOf(element, until);
  const measures = computed(() => measuresOf(state.theme.value));
  const room = computed(() => {
    const now = grid.value;
    const left = Math.max(rowRoom(now, measures.value), options.gutter?.value ?? 0);
    const bottom = options.sums ? (now.across === "positions" ? COLUMN_SUMS : 32) : 2;
    const guess = (size.value[0] - left - (options.sums ? ROW_SUMS : 4)) / view.value.span;
    const { height, tail } = columnRoom(now, Math.min(40, guess >= 4 ? Math.floor(guess) : guess), measures.value);
    return { left, top: height, right: Math.max(options.sums ? ROW_SUMS : 4, tail), bottom };
  });
  const frame = computed(() => {
    const [width, height] = size.value;
    const now = grid.value;
    return frameOf(width, height, room.value, now.rows.length, now.columns.length, view.value, now.gapBefore);
  });
  const sums = computed(() => sumsOf(grid.value, state.effects.value));
  const pointed = signal<Spot | undefined>(undefined);
  const pointer = signal<{ x: number; y: number } | undefined>(undefined);
  return { state, options, element, size, room, frame, sums, pointed, pointer };
}

export function cellOf(grid: Grid, at: Spot | undefined): number | undefined {
  if (at?.row === undefined || at.column === undefined) return undefined;
  const cell = grid.at[at.row * grid.columns.length + at.column] ?? -1;
  return cell < 0 ? undefined : cell;
}
