/** What a matrix shows and where: what its drawing and its pointer share. */

import { type Frame, matrixFrame } from "../../core/attention/matrix_frame";
import { LABEL_FONT_SIZE, labelRoom } from "../../core/attention/matrix_labels";
import type { Pattern } from "../../core/attention/pattern";
import { type Raster, rasterise } from "../../core/attention/raster";
import { computed, type ReadonlySignal, type Signal, signal, sizeOf } from "../../core/reactive";
import type { Head } from "../../core/selection";
import { thumbnail } from "../patterns/thumbnails";
import type { PanelName, State } from "../state";

export interface Brush {
  from: [query: number, key: number];
  to: [query: number, key: number];
}

/** One panel: what it shows and where. */
export interface Matrix {
  state: State;
  panel: PanelName;
  head: ReadonlySignal<Head | undefined>;
  element: HTMLElement;
  size: ReadonlySignal<readonly [width: number, height: number]>;
  /** Whether the queries have labels: panels side by side over the same tokens share those of the first. */
  labelled: ReadonlySignal<boolean>;
  room: ReadonlySignal<ReturnType<typeof labelRoom>>;
  frame: ReadonlySignal<Frame>;
  pattern: ReadonlySignal<Pattern | undefined>;
  raster: ReadonlySignal<Raster | undefined>;
  /** The rectangle that is being drawn to select its tokens. */
  brush: Signal<Brush | undefined>;
}

export interface MatrixOptions {
  panel: PanelName;
  head: ReadonlySignal<Head | undefined>;
  /** Whether the queries have labels: panels side by side over the same tokens share those of the first. */
  labelled: ReadonlySignal<boolean>;
  /** What stands above it, where it is not alone. */
  title: Node;
}

export function matrixOf(
  state: State,
  { panel, head, labelled }: MatrixOptions,
  element: HTMLElement,
  until: AbortSignal,
): Matrix {
  const size = sizeOf(element, until);
  const room = computed(() => labelRoom(state.tokensOf(panel), characterWidth(state.theme.value.mono), labelled.value));
  const frame = computed(() => {
    const [width, height] = size.value;
    const { queryWidth, keyHeight, tailWidth } = room.value;
    return matrixFrame(width, height, queryWidth, keyHeight, tailWidth, state.windowOf(panel).value.span);
  });
  const pattern = computed(() => (head.value ? state.patterns.get(head.value, panel).value : undefined));
  const raster = computed(() => {
    if (!head.value) return undefined;
    // what is weighted has no thumbnail: what was there stays, dimmed, until it comes
    if (!pattern.value)
      return state.weighted && state.isLarge(head.value) ? undefined : thumbnail(state, head.value, panel);
    return rasterise(
      pattern.value,
      state.windowOf(panel).value,
      Math.round(frame.value.side * (window.devicePixelRatio || 1)),
    );
  });
  const brush = signal<Brush | undefined>(undefined);
  return { state, panel, head, element, size, labelled, room, frame, pattern, raster, brush };
}

let measured: [string, number] = ["", 0];
/** The width of a label's character in the host's monospaced font. */
function characterWidth(mono: string): number {
  if (measured[0] !== mono) {
    const pen = document.createElement("canvas").getContext("2d")!;
    pen.font = `${LABEL_FONT_SIZE}px ${mono}`;
    measured = [mono, pen.measureText("0").width];
  }
  return measured[1];
}
