/** A list of edges: each can be taken out and put in, and leads to the node at its other end. */
import { cssColour } from "../../core/drawing/colour";
import { entryOf } from "../../core/drawing/scale";
import { h } from "../../core/elements/dom";
import { nodeWords, type Site } from "../circuit/graph";
import { edgeWords, receiverWords, scoreText } from "../circuit/names";
import type { State } from "../state";

/** Which ends of its edges a list names. */
export type Side = "from" | "to" | "both";

export function edgeList(state: State, title: string, ranks: number[], side: Side): HTMLElement[] {
  const most = Math.max(...ranks.map((rank) => Math.abs(state.edges.score[rank]!) || 0), 1e-30);
  const rows = ranks.map((rank) => edgeRow(state, rank, side, most));
  const head = h("div", { class: "cg-caption" }, title);
  return ranks.length ? [head, h("table", { class: "cg-list", "aria-label": title }, h("tbody", {}, ...rows))] : [head];
}

export function edgeRow(state: State, rank: number, side: Side, most: number): HTMLElement {
  const { edges, graph } = state;
  const [sender, receiver] = [graph.nodes[edges.sender[rank]!]!, graph.receivers[edges.receiver[rank]!]!];
  const included = state.included.value[rank] === 1;
  const score = edges.score[rank]!;
  const words = edgeWords(edges, rank);
  const box = h("input", {
    type: "checkbox",
    "aria-label": words,
    title: included ? "Take this edge out" : "Put this edge in",
    checked: included,
  });
  box.addEventListener("change", () => state.toggleEdge(rank));
  // While a node at its end is out, nothing that is done to the edge alone would show.
  const removed = new Set(state.edits.value.removed);
  box.disabled =
    removed.has(sender.name) ||
    (receiver.owners.length > 0 && receiver.owners.every((owner) => removed.has(graph.nodes[owner]!.name)));
  const open = (): void => {
    if (side === "both") state.openEdge(rank);
    else
      state.select([
        state.units.peek().all[state.units.peek().of[side === "from" ? edges.sender[rank]! : receiver.owners[0]!]!]!
          .key,
      ]);
  };
  const name =
    side === "from"
      ? nodeWords(sender)
      : side === "to"
        ? receiverWords(graph, { ...receiver, site: "" })
        : `${brevity(nodeWords(sender))} → ${brevity(receiverWords(graph, { ...receiver, site: "" }))}`;
  const link = h("button", { type: "button", class: "sw-link cg-link", title: words, onclick: open }, name);
  const bar = h("i", {});
  bar.style.width = `${Number.isNaN(score) ? 0 : Math.max(2, (100 * Math.abs(score)) / most)}%`;
  bar.style.background = Number.isNaN(score)
    ? "none"
    : cssColour(state.table.value[entryOf(score || 1e-30, state.scale.value)]!);
  return h(
    "tr",
    { class: included ? "" : "cg-absent" },
    h("td", { class: "cg-check" }, box),
    // in a graph of latents nothing is read as query, key or value, and the names take its room
    ...(graph.receivers.some(({ site }) => site)
      ? [h("td", {}, link), h("td", { class: "cg-site" }, SITES[receiver.site])]
      : [h("td", { colspan: "2" }, link)]),
    h("td", { class: "cg-number" }, scoreText(score)),
    h("td", { class: "cg-bar", "aria-hidden": "true" }, bar),
  );
}

const SITES: Record<Site, string> = { q: "query", k: "key", v: "value", "": "" };

/** Short enough for two ends in a row: "3.1", "MLP 3". */
const brevity = (words: string): string =>
  words
    .replace(/^Heads? /, "")
    .replace(" of layer", "")
    .replace("Embeddings", "emb.")
    .replace("Logits", "logits")
    .replace("Latent ", "lat. ")
    .replace("Error of the SAE of ", "error ");
