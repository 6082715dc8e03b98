/** The line above the graph: how many edges and nodes are in, what they do, and what is not drawn. */

import { createLegend } from "../../core/drawing/legend";
import { h } from "../../core/elements/dom";
import { count, counted, share, significant } from "../../core/format";
import { watch } from "../../core/reactive";
import { unitWords } from "../circuit/names";
import type { Compared, Measured, Scores } from "../circuit/scores";
import { COMPARISON, lineKey } from "../drawing/line_legend";
import { MOST_EDGES, MOST_NODES } from "../drawing/scene";
import type { State } from "../state";

const DEFINITION =
  "Faithfulness: (metric of the circuit − metric of no edges) / (metric of the whole model − metric of no edges); Wang et al. 2022, Mueller et al. 2025 (MIB). In brackets the 95 % interval, bootstrap over the pairs. All are means over the pairs.";

/** " [0.71, 0.9]"; "" where there is none, as of a single pair. */
export const intervalOf = ({ low, high }: Pick<Measured, "low" | "high">): string =>
  typeof low === "number" && typeof high === "number" ? ` [${significant(low)}, ${significant(high)}]` : "";

/** "random edges 0.02, 0.01 and 0.04", of as many; "" where they were not measured. */
export function randomWords({ random }: Compared): string {
  const numbers = random.filter((value) => value !== null).map(significant);
  return numbers.length ? `random circuits of as many edges: ${numbers.join(", ")}` : "";
}

export const numberOr = (value: number | null): string => (value === null ? "not defined" : significant(value));

export function createReadout(state: State, scores: Scores, until: AbortSignal): HTMLElement {
  const size = h("span", { class: "cg-size" });
  const measured = h("span", { class: "cg-measured", role: "status" });
  const whole = h("span", { class: "sw-dim cg-whole" });
  watch(until, () => {
    const { counts } = state.scene.value;
    const edges = state.size.value;
    const { removed, added } = state.edits.value;
    const hand = [removed.length && `${removed.length} taken out`, added.length && `${added.length} put in`]
      .filter(Boolean)
      .join(", ");
    size.replaceChildren(
      h("b", {}, count(edges)),
      ` of ${counted(state.edges.count, "edge")} (${share(edges, state.edges.count)}), ${count(counts.nodes)} of ${counted(state.graph.nodes.length, "node")}${hand ? `; by hand ${hand}` : ""}`,
    );
  });
  watch(until, () => {
    const known = scores.known.value;
    const problem = scores.problem.value;
    measured.classList.toggle("cg-old", !!known && !scores.current.value && !problem);
    measured.classList.toggle("cg-problem", !!problem && state.model.get("live") && !state.saved);
    if (problem) measured.replaceChildren(problem);
    else if (known) {
      const { faithfulness, metric } = known.measured;
      measured.replaceChildren(
        "faithfulness ",
        h("b", { class: "cg-faithfulness" }, numberOr(faithfulness)),
        `${intervalOf(known.measured)}, ${state.metric} `,
        h("b", {}, numberOr(metric)),
      );
    } else measured.replaceChildren();
    const { full, empty, ablation, pairs } = known?.measured ?? { full: null, empty: null, ablation: "", pairs: "" };
    const range =
      full === null || empty === null || problem
        ? ""
        : `(whole model ${significant(full)}, no edges ${significant(empty)}; on ${pairs})`;
    whole.textContent = scores.slow.value ? scores.news.value || "computing …" : range;
    measured.title = whole.title = `${DEFINITION} ${ablation}`;
  });
  return h(
    "div",
    { class: "cg-readout" },
    h("span", { class: "cg-numbers" }, size, h("span", {}, measured, " ", whole)),
    coloursOf(state, until),
  );
}

/** The legend: scores, or which circuit an edge is in. */
function coloursOf(state: State, until: AbortSignal): HTMLElement {
  const legend = createLegend(
    {
      name: "score",
      scale: state.scale,
      initial: () => state.fitted(),
      largest: () => Math.abs(state.edges.score[0] ?? 1) || 1,
      clipped: state.clipped,
      clippedTitle: "Edges whose score is above the upper limit, or below the lower one; fit brings them in",
      table: state.table,
      theme: state.theme,
      onCommit: () => {},
      fixedKind: true,
    },
    until,
  );
  const keys = h("span", { class: "cg-keys" });
  const holder = h("span", { class: "cg-colours" }, keys, legend);
  if (state.edges.other) {
    const button = h(
      "button",
      { class: "sw-button", type: "button", onclick: () => (state.comparing.value = !state.comparing.peek()) },
      "compare",
    );
    watch(until, () => button.setAttribute("aria-pressed", String(state.comparing.value)));
    holder.prepend(button);
  }
  const names: string[] = state.model.get("names");
  watch(until, () => {
    legend.hidden = state.comparing.value;
    const all = state.comparing.value ? COMPARISON : [];
    keys.replaceChildren(
      ...all.map((sort) =>
        lineKey(
          state,
          sort,
          `${sort === "both" ? "in both" : `only ${sort.toUpperCase()}`} ${count(comparedCount(state, sort))}`,
          sort === "both" ? names.join("; ") : (names[sort === "a" ? 0 : 1] ?? ""),
        ),
      ),
    );
  });
  return holder;
}

function comparedCount(state: State, sort: "both" | "a" | "b"): number {
  const [included, other] = [state.included.value, state.edges.other!.included];
  return included.reduce(
    (sum, mine, rank) =>
      sum + Number(sort === "both" ? mine && other[rank] : sort === "a" ? mine && !other[rank] : !mine && other[rank]),
    0,
  );
}

/** Below the graph: what is not drawn, and the lines that are no scores. */
export function createFootnote(state: State, until: AbortSignal): HTMLElement {
  const words = h("span", {});
  const keys = h("span", { class: "cg-keys" });
  watch(until, () => {
    words.textContent = [outsideWords(state), undrawnWords(state)].filter(Boolean).join(" ");
    const there = new Set(state.scene.value.curves.map(({ sort }) => sort));
    keys.replaceChildren(
      ...(there.has("unscored") ? [lineKey(state, "unscored", "not scored", "These edges have no score (NaN).")] : []),
      ...(there.has("removed") ? [lineKey(state, "removed", "taken out", "Edges that were taken out by hand.")] : []),
    );
  });
  return h("div", { class: "cg-undrawn" }, words, keys);
}

/** Of selected heads and MLPs that the circuit is without: nothing would stand out, and no one knew why. */
function outsideWords(state: State): string {
  const included = state.included.value;
  const outside = state.selected.value.flatMap((key) => {
    const unit = state.unitOf(key);
    if (unit?.kind !== "head" && unit?.kind !== "mlp") return [];
    const { into, out } = state.edges.touching(new Set(unit.nodes));
    return [...into, ...out].some((rank) => included[rank]) ? [] : [unitWords(state.graph, unit)];
  });
  const [first, ...others] = outside;
  if (!first) return "";
  const verb = others.length
    ? "are selected and not in the circuit: none of their"
    : "is selected and not in the circuit: none of its";
  const last = others.pop();
  return `${[first, ...others].join(", ")}${last ? ` and ${last}` : ""} ${verb} edges is in.`;
}

/** What is in and yet not drawn, in words; "" where all is. */
export function undrawnWords(state: State): string {
  const { edges, drawn, inside } = state.scene.value.counts;
  const weaker = edges - drawn - inside;
  const parts = [
    weaker
      ? `Drawn: ${count(drawn)} edges, from the strongest down; ${count(weaker)} more are in (at most ${count(MOST_EDGES)} edges and ${MOST_NODES} nodes are drawn).`
      : "",
    inside ? `${counted(inside, "edge")} within groups.` : "",
  ];
  return parts.filter(Boolean).join(" ");
}
