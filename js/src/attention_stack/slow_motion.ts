/** When a stack that moves is drawn with fewer pixels: its frames are slow. */
import { type ReadonlySignal, signal, watch } from "../core/reactive";

/** After so many frames that take longer each, one after the other, it is drawn with half as many pixels each way, while the stack moves. */
const [MANY, SLOW_MS] = [3, 40];
/** So long after the last move it stands still: it is drawn whole, and hidden heads are counted. */
export const REST_MS = 160;

/** Whether the stack moves and its frames are slow: while it moves, frames are counted, whether moves come or not. */
export function slowMotion(moves: ReadonlySignal<unknown>, until: AbortSignal): ReadonlySignal<boolean> {
  const coarse = signal(false);
  let [frame, last, slow, moved] = [0, 0, 0, 0];
  let first = true;
  const step = (now: number): void => {
    slow = last && now - last > SLOW_MS ? slow + 1 : 0;
    last = now;
    if (slow >= MANY) coarse.value = true;
    if (performance.now() - moved < REST_MS) frame = requestAnimationFrame(step);
    else {
      coarse.value = false;
      frame = last = slow = 0;
    }
  };
  watch(until, () => {
    moves.value;
    moved = performance.now();
    if (!first) frame ||= requestAnimationFrame(step);
    first = false;
  });
  until.addEventListener("abort", () => cancelAnimationFrame(frame));
  return coarse;
}
