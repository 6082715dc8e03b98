/** What stands for NaN: slanted lines. */
import type { Theme } from "../elements/theme";

/** The hatching as a fill for `pen`. */
export function hatching(pen: CanvasRenderingContext2D, theme: Theme): CanvasPattern {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const draw = tile.getContext("2d")!;
  draw.strokeStyle = theme.warn;
  for (const shift of [-6, 0, 6]) {
    draw.moveTo(shift, 6);
    draw.lineTo(shift + 6, 0);
  }
  draw.stroke();
  return pen.createPattern(tile, "repeat")!;
}
