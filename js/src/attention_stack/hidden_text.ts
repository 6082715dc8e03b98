/** What the stack hides, in words. */
import { count, counted } from "../core/format";
import type { State } from "./state";

export function hiddenText(state: State): string {
  const all = state.shape.layers * state.shape.heads;
  const { hidden } = state;
  const { spread } = state.pose.value;
  if (spread >= 1 || all < 2) return hidden.value === 0 ? "The stack lies flat: no slice hides another." : "";
  if (hidden.value === undefined) return "Slices hide what is behind them.";
  if (hidden.value === 0)
    return `Slices hide cells behind them; of each of the ${counted(all, "head")} a cell or the edge is seen from here.`;
  return `Slices hide what is behind them: ${count(hidden.value)} of ${counted(all, "head")} cannot be seen from here. Turn or spread the stack, or point at a head.`;
}
