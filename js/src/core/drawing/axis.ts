/** Labels along an axis: which ones fit, and how the slanted ones above it stand. */

/** Room a label needs along its axis. */
export const LABEL_PITCH = 12.5;
export const LABEL_CHARACTERS = 16;
/** Of the labels above an axis. */
export const KEY_LABEL_ANGLE = -Math.PI / 2.8;

/** Show every nth label: 1, 2, 5, 10, 20, ... so that neighbours do not touch. */
export function labelStep(cell: number, pitch = LABEL_PITCH): number {
  const least = pitch / cell;
  for (let power = 1; ; power *= 10) for (const step of [1, 2, 5]) if (step * power >= least) return step * power;
}

/** Positions of the labels that a window of an axis shows. */
export function labelPositions(first: number, span: number, size: number, step: number): number[] {
  const positions: number[] = [];
  for (
    let at = Math.max(0, Math.ceil(Math.ceil(first - 0.5) / step) * step);
    at < Math.min(size, first + span - 0.25);
    at += step
  )
    positions.push(at);
  return positions;
}
