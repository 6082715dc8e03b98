/** What a circuit's view writes: Python lines that make it again, its edges as CSV, and the circuit as JSON. */

import { csvLine } from "../core/export/files";
import { python, selectedHeads, viewCode } from "../core/export/python_code";
import type { Edits } from "./circuit/edits";
import type { State } from "./state";

/** `CircuitGraph(circuit, scope, ...)` for the present state; what is at its default is left out. */
export function pythonCode(state: State): string {
  const { kept, removed, added, labels, groups, pins } = state.edits.peek();
  const args = [
    "circuit",
    state.model.get("live") && "scope",
    state.edges.other && "compare=other",
    state.model.get("held_out") && "held_out=held_out",
    kept !== null && `kept=${kept}`,
    removed.length && `removed=${python(removed)}`,
    added.length && `added=${python(added)}`,
    labels.size > 0 && `labels=${python(labels)}`,
    groups.size > 0 && `groups=${python(groups)}`,
    pins.size > 0 && `pins=${python(pins)}`,
    selectedHeads(state.selection.heads),
  ];
  const { model } = state;
  return viewCode(
    model.get("made_by"),
    "CircuitGraph",
    args,
    model.get("head_notes"),
    (call) => `graph = ${call}\ngraph\n`,
  );
}

/** All edges, one line each, the strongest first; empty where there is no score. */
export function csv({ edges, graph, included }: State): string {
  const now = included.peek();
  const { other } = edges;
  const out = [
    csvLine(["sender", "receiver", "input", "score", "included", ...(other ? ["score_b", "included_b"] : [])]),
  ];
  const written = (value: number): string => (Number.isNaN(value) ? "" : String(value));
  for (let rank = 0; rank < edges.count; rank++) {
    const receiver = graph.receivers[edges.receiver[rank]!]!;
    const second = other ? [written(other.score[rank]!), other.included[rank]!] : [];
    out.push(
      csvLine([
        graph.nodes[edges.sender[rank]!]!.name,
        receiver.name,
        receiver.site,
        written(edges.score[rank]!),
        now[rank]!,
        ...second,
      ]),
    );
  }
  return out.join("");
}

/** Python's JSON of the circuit as given, with what was changed here: `Circuit.from_json` reads it. */
export function circuitJson({ edges, edits, included }: State, given: string): string {
  const circuit = JSON.parse(given);
  const { labels, groups }: Edits = edits.peek();
  circuit.included.values = edges.inGraphOrder(included.peek()).map((value) => value === 1);
  return JSON.stringify({ ...circuit, labels: Object.fromEntries(labels), groups: Object.fromEntries(groups) });
}
