/** From the plane of the points to the screen and back: one scale on both axes, zoomed and moved. */

export interface Box {
  left: number;
  bottom: number;
  right: number;
  top: number;
}

/** What is in the middle of the screen, and how much larger than what fits. */
export interface Zoom {
  x: number;
  y: number;
  factor: number;
}

/** On the screen x is `x * scale + dx`, y is `dy - y * scale`. */
export interface Frame {
  scale: number;
  dx: number;
  dy: number;
}

const PAD = 14;
const MOST_ZOOM = 500;

export const middleOf = (box: Box): Zoom => ({
  x: (box.left + box.right) / 2,
  y: (box.bottom + box.top) / 2,
  factor: 1,
});

export function frameOf(box: Box, zoom: Zoom, width: number, height: number): Frame {
  const fit = Math.min(
    Math.max(1, width - 2 * PAD) / Math.max(box.right - box.left, 1e-12),
    Math.max(1, height - 2 * PAD) / Math.max(box.top - box.bottom, 1e-12),
  );
  const scale = fit * zoom.factor;
  return { scale, dx: width / 2 - zoom.x * scale, dy: height / 2 + zoom.y * scale };
}

export const toPlane = ({ scale, dx, dy }: Frame, x: number, y: number): readonly [number, number] => [
  (x - dx) / scale,
  (dy - y) / scale,
];

/** The zoom after a change by `by`, with what is at (`x`, `y`) of the screen where it was. */
export function zoomedAt(box: Box, zoom: Zoom, by: number, x: number, y: number, width: number, height: number): Zoom {
  const factor = Math.max(1, Math.min(MOST_ZOOM, zoom.factor * by));
  if (factor === 1) return middleOf(box);
  const [px, py] = toPlane(frameOf(box, zoom, width, height), x, y);
  const { scale } = frameOf(box, { ...zoom, factor }, width, height);
  return { x: px - (x - width / 2) / scale, y: py + (y - height / 2) / scale, factor };
}
