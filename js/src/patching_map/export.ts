/** What a patching map writes: Python lines that make it again, and all its cells as CSV. */

import { csvLine } from "../core/export/files";
import { selectedHeads, selectedTokens, viewCode } from "../core/export/python_code";
import { noteOn } from "../core/note_text";
import { type Status, statusOf } from "./cells/cells";
import type { State } from "./state";

/** `PatchingMap(result, ...)` for the present state; what is at its default is left out. */
export function pythonCode(state: State): string {
  const { model } = state;
  const { high, threshold } = state.scale.peek();
  const args = [
    "result",
    state.space.deep && state.shows.peek() !== "heads" && `shows="${state.shows.peek()}"`,
    model.get("are_heads") && selectedHeads(state.heads.peek()),
    model.get("are_tokens") && selectedTokens(state.tokens.peek()),
    model.get("limit") !== null && `limit=${high}`,
    threshold && `threshold=${threshold}`,
  ];
  return viewCode(model.get("made_by"), "PatchingMap", args, model.get("head_notes"));
}

const STATUS_WORDS: Partial<Record<Status, string>> = { none: "not run", zero: "by construction" };

/** All cells, one line each, with every digit; empty where there is no value. */
export function csv({ space, effects, quantity, model }: State): string {
  const now = effects.peek();
  const axes = space.components.length ? ["component", "layer", "head"] : space.axes;
  const notes = model.get("are_heads") && axes.includes("head") ? (model.get("head_notes") ?? []) : [];
  const out = [
    csvLine([
      ...axes,
      ...(space.positions.length ? ["token"] : []),
      quantity,
      ...(now.estimates ? ["estimate"] : []),
      "status",
      ...(notes.length ? ["head_note"] : []),
    ]),
  ];
  const written = (value: number): string => (Number.isFinite(value) ? String(value) : "");
  for (let cell = 0; cell < space.size; cell++) {
    const place = space.placeOf(cell) as Record<string, number | string | undefined>;
    const status = statusOf(now, cell);
    out.push(
      csvLine([
        ...axes.map((axis) => place[axis] ?? -1),
        ...(space.positions.length ? [space.positions[place.position as number]!] : []),
        written(now.values[cell]!),
        ...(now.estimates ? [written(now.estimates[cell]!)] : []),
        STATUS_WORDS[status] ?? status,
        ...(notes.length ? [noteOn(notes, [Number(place.layer), Number(place.head)])] : []),
      ]),
    );
  }
  return out.join("");
}
