/** What a head attends to on the first prompt, small, asked for when the head is opened. */

import { float32 } from "../../core/bytes";
import { cssColour, magnitudeTable } from "../../core/drawing/colour";
import { context, h } from "../../core/elements/dom";
import { exact } from "../../core/format";
import { signal } from "../../core/reactive";
import type { Requests } from "../../core/requests";
import { tokenSpanAt } from "../../core/tokens";
import type { Unit } from "../circuit/drawn_nodes";
import type { State } from "../state";

interface Pattern {
  tokens: string[];
  weights: Float32Array;
}

const SIDE = 148;

/** Gives the parts of the panel for a unit: none where it is no head, or there is nothing to ask. */
export function createAttention(state: State, requests: Requests, until: AbortSignal): (unit: Unit) => HTMLElement[] {
  const known = new Map<string, Pattern | string>();
  const asked = new Set<string>();
  const arrived = signal(0);
  const ask = (key: string, layer: number, head: number): void => {
    if (asked.has(key)) return;
    asked.add(key);
    requests
      .ask("attention", { layer, head })
      .then(
        ({ data, buffers }) => known.set(key, { tokens: data.tokens, weights: float32(buffers[0]!) }),
        (error: Error) => {
          known.set(key, state.saved ? "This page holds no attention of this head." : error.message);
          if (!state.saved) asked.delete(key);
        },
      )
      .finally(() => void (until.aborted || arrived.value++));
  };
  return (unit) => {
    const node = state.graph.nodes[unit.nodes[0]!]!;
    if (unit.kind !== "head" || !state.model.get("live")) return [];
    void arrived.value;
    const found = known.get(unit.key);
    if (!found) {
      ask(unit.key, node.layer, node.head);
      return [h("div", { class: "sw-dim cg-attention" }, "Loading its attention …")];
    }
    if (typeof found === "string") return [h("div", { class: "sw-dim" }, found)];
    return [thumbnail(state, found)];
  };
}

function thumbnail(state: State, { tokens, weights }: Pattern): HTMLElement {
  const n = tokens.length;
  const theme = state.theme.value;
  const table = magnitudeTable(theme.groundRgb, theme.dark);
  const canvas = h("canvas", { role: "img", "aria-label": "Attention on the first prompt, queries down, keys across" });
  const pen = context(canvas, SIDE, SIDE);
  const cell = SIDE / n;
  for (let query = 0; query < n; query++)
    for (let key = 0; key <= query; key++) {
      pen.fillStyle = cssColour(table[Math.max(0, Math.min(255, Math.round(weights[query * n + key]! * 255)))]!);
      pen.fillRect(key * cell, query * cell, Math.ceil(cell), Math.ceil(cell));
    }
  pen.strokeStyle = theme.line;
  pen.strokeRect(0.5, 0.5, SIDE - 1, SIDE - 1);
  const words = h("div", { class: "cg-pointed" });
  const last = (): void =>
    words.replaceChildren(h("span", { class: "sw-dim" }, "attention on the first prompt; queries down, keys across"));
  last();
  canvas.addEventListener("pointermove", (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    const [key, query] = [event.clientX - left, event.clientY - top].map((at) =>
      Math.min(n - 1, Math.max(0, Math.floor(at / cell))),
    ) as [number, number];
    if (key > query) return last();
    words.replaceChildren(
      tokenSpanAt(tokens, query),
      ` ${query} attends to `,
      tokenSpanAt(tokens, key),
      ` ${key}: `,
      h("b", {}, exact(weights[query * n + key]!)),
    );
  });
  canvas.addEventListener("pointerleave", last);
  return h("div", { class: "cg-attention" }, canvas, words);
}
