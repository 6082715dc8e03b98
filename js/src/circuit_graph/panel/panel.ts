/** Beside the graph: what is open in detail, or the circuit as a whole. */

import { h } from "../../core/elements/dom";
import { count, counted, share } from "../../core/format";
import { untracked, watch } from "../../core/reactive";
import type { Requests } from "../../core/requests";
import type { Unit } from "../circuit/drawn_nodes";
import { edgeWords, scoreText, unitWords } from "../circuit/names";
import type { Measured, Scores } from "../circuit/scores";
import type { State } from "../state";
import { createAttention } from "./attention";
import { edgeList, edgeRow } from "./edge_list";
import { actionsOf, labelField, membersOf } from "./panel_items";
import { intervalOf, numberOr, randomWords } from "./readout";
import { isRemoved } from "./tooltip_text";

const LISTED = 16;

export function createPanel(
  state: State,
  scores: Scores,
  requests: Requests,
  note: HTMLElement,
  until: AbortSignal,
): HTMLElement {
  const content = h("div", { class: "cg-content" });
  const announcement = h("div", { class: "sw-hidden", role: "status", "aria-live": "polite" });
  const element = h(
    "div",
    { class: "sw-panel sw-rows cg-panel", role: "region", "aria-label": "Details" },
    content,
    announcement,
  );
  const attention = createAttention(state, requests, until);
  let before = "";
  watch(until, () => {
    const open = state.edge.value;
    const units = state.selected.value.map((key) => state.unitOf(key)).filter((unit) => unit !== undefined);
    const name =
      open !== undefined ? edgeWords(state.edges, open) : units.map((unit) => unitWords(state.graph, unit)).join(", ");
    // While the slider moves, lists that nobody can read would cost frames.
    if (state.sliding.value !== undefined || state.moving.value) return;
    void state.included.value;
    void state.edits.value;
    void state.table.value;
    const parts =
      open !== undefined
        ? edgeParts(state, open)
        : units.length > 1
          ? severalParts(state, units)
          : units.length
            ? unitParts(state, units[0]!, note, attention)
            : wholeParts(state, scores);
    untracked(() => keepFocus(content, name !== before, () => content.replaceChildren(...parts)));
    if (name !== before) {
      element.scrollTop = 0;
      announcement.textContent = name;
    }
    before = name;
  });
  return element;
}

/** Do what replaces the content; what had the focus has it then, as far as it is still there. */
function keepFocus(content: HTMLElement, anew: boolean, replace: () => void): void {
  const all = (): HTMLElement[] => [...content.querySelectorAll<HTMLElement>("button, input")];
  const focused = all().indexOf((content.getRootNode() as Document | ShadowRoot).activeElement as HTMLElement);
  replace();
  if (focused >= 0) all()[anew ? 0 : focused]?.focus({ preventScroll: true });
}

function heading(title: string, close?: () => void): HTMLElement {
  const parts: HTMLElement[] = [h("b", { class: "cg-name" }, title)];
  if (close)
    parts.push(
      h(
        "button",
        {
          class: "sw-button",
          type: "button",
          "aria-label": "Close the details",
          title: "Close (Escape)",
          onclick: close,
        },
        "×",
      ),
    );
  return h("div", { class: "cg-title" }, ...parts);
}

/** What was measured, on which pairs, beside what it is compared with. */
function measuredParts(state: State, { known, compared, current }: Scores): HTMLElement[] {
  const measured = known.value?.measured;
  if (!measured || !current.value) return [];
  const rows = (on: Measured): [string, string][] => [
    ["faithfulness", `${numberOr(on.faithfulness)}${intervalOf(on) && `${intervalOf(on)} (95 %)`}`],
    [
      state.metric,
      `${numberOr(on.metric)}; whole model ${numberOr(on.full)}, no edges ${numberOr(on.empty)}${on.n_pairs > 1 ? " (means)" : ""}`,
    ],
  ];
  const beside = compared.value;
  const random = beside ? randomWords(beside) : "";
  return [
    h("div", { class: "sw-dim cg-on" }, `On ${measured.pairs}`),
    factsTable([...rows(measured), ...(random ? [["random", random] as [string, string]] : [])]),
    ...(beside?.found_on
      ? [h("div", { class: "sw-dim cg-on" }, `On ${beside.found_on.pairs}`), factsTable(rows(beside.found_on))]
      : []),
  ];
}

function wholeParts(state: State, scores: Scores): HTMLElement[] {
  const facts = state.model.get("facts") as [string, string][];
  const included = state.included.value;
  const table = factsTable([...facts, ...comparison(state)]);
  const strongest: number[] = [];
  for (let rank = 0; rank < included.length && strongest.length < LISTED; rank++)
    if (included[rank]) strongest.push(rank);
  return [
    heading("Circuit"),
    table,
    ...measuredParts(state, scores),
    ...(strongest.length ? edgeList(state, "Strongest edges", strongest, "both") : []),
    h(
      "div",
      { class: "sw-dim cg-hint" },
      "Click a node or an edge for its details; shift-click or drag over the ground for several nodes.",
    ),
  ];
}

const factsTable = (facts: [string, string][]): HTMLElement =>
  h(
    "table",
    { class: "cg-facts" },
    h("tbody", {}, ...facts.map(([name, text]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, text)))),
  );

function comparison({ edges, included, model }: State): [string, string][] {
  if (!edges.other) return [];
  const names: string[] = model.get("names");
  const mine = included.value;
  const [both, either] = mine.reduce(
    ([and, or], one, rank) => [and + (one & edges.other!.included[rank]!), or + (one | edges.other!.included[rank]!)],
    [0, 0],
  );
  return [
    ["A (as given)", names[0]!],
    ["B", names[1]!],
    ["in both", `${count(both)} of ${counted(either, "edge")} (${share(both, either)})`],
  ];
}

function edgeParts(state: State, rank: number): HTMLElement[] {
  const { edges } = state;
  const scored = !Number.isNaN(edges.score[rank]);
  const facts: [string, string][] = [
    ["score", scoreText(edges.score[rank]!)],
    [
      "place",
      scored
        ? `number ${count(rank + 1)} of ${count(edges.scored)} (${share(rank + 1, edges.count)})`
        : "without a score",
    ],
    ["name in Python", edges.name(rank)],
  ];
  if (edges.other) facts.splice(1, 0, ["score in B", scoreText(edges.other.score[rank]!)]);
  const table = factsTable(facts);
  const body = h("tbody", {}, edgeRow(state, rank, "both", Math.abs(edges.score[rank]!)));
  return [
    heading("Edge", () => state.openEdge(undefined)),
    h("table", { class: "cg-list", "aria-label": "Edge" }, body),
    table,
  ];
}

function unitParts(
  state: State,
  unit: Unit,
  note: HTMLElement,
  attention: (unit: Unit) => HTMLElement[],
): HTMLElement[] {
  const { into, out } = state.edges.touching(new Set(unit.nodes));
  return [
    heading(unitWords(state.graph, unit), () => state.select([])),
    ...(unit.kind === "head" ? [note] : []),
    ...(isRemoved(state, unit) ? [h("div", { class: "cg-out" }, "Taken out: none of its edges is in.")] : []),
    ...membersOf(state, unit),
    labelField(state, unit),
    actionsOf(state, [unit]),
    ...attention(unit),
    ...sided(state, "In", into, "from"),
    ...sided(state, "Out", out, "to"),
  ];
}

const MOST = 40;
const WEAKER = 5;

/** Its edges that are in (or were taken out by hand), then the strongest that are not. */
function sided(state: State, title: string, ranks: number[], side: "from" | "to"): HTMLElement[] {
  if (!ranks.length) return [];
  const included = state.included.value;
  const removed = new Set(state.edits.value.removed);
  const inside = ranks.filter((rank) => included[rank] || removed.has(state.edges.name(rank)));
  const outside = ranks.filter((rank) => !included[rank] && !removed.has(state.edges.name(rank)));
  const shown = [...inside.slice(0, MOST), ...outside.slice(0, WEAKER)];
  const words = `${title}: ${counted(ranks.filter((rank) => included[rank]).length, "edge")} of ${count(ranks.length)}`;
  const more = inside.length - Math.min(MOST, inside.length);
  return [
    ...edgeList(state, words, shown, side),
    ...(more ? [h("div", { class: "sw-dim" }, `and ${counted(more, "weaker edge")}`)] : []),
  ];
}

function severalParts(state: State, units: Unit[]): HTMLElement[] {
  const names = units.map((unit) => unitWords(state.graph, unit));
  const field = h("input", {
    type: "text",
    class: "cg-field",
    placeholder: "name of the group",
    "aria-label": "Name of the group",
    maxlength: 60,
  });
  const note = h("div", { class: "cg-out", role: "alert" });
  const group = (): void => {
    const name = field.value.trim();
    const clash = state.graph.find(name) !== undefined;
    note.textContent = !name ? "A group needs a name." : clash ? "A node has this name." : "";
    if (!note.textContent) state.group(name);
  };
  field.addEventListener("keydown", (event) => {
    // The panel is drawn anew: without this the same key would press the button that has the focus then.
    if (event.key === "Enter") {
      event.preventDefault();
      group();
    }
    if (event.key === "Escape") field.blur();
  });
  const button = h("button", { class: "sw-button cg-boxed", type: "button", onclick: group }, "Group");
  const inside = insideCount(state, units);
  return [
    heading(counted(units.length, "node"), () => state.select([])),
    h("div", { class: "cg-names" }, names.join(", ")),
    h("div", { class: "sw-dim" }, `${counted(inside, "edge")} between them`),
    h("div", { class: "cg-line" }, field, button),
    note,
    actionsOf(state, units),
  ];
}

function insideCount(state: State, units: Unit[]): number {
  const nodes = new Set(units.flatMap((unit) => unit.nodes));
  const { out } = state.edges.touching(nodes);
  return out.filter(
    (rank) =>
      state.included.value[rank] &&
      state.graph.receivers[state.edges.receiver[rank]!]!.owners.some((owner) => nodes.has(owner)),
  ).length;
}
