/** One way to draw on the screen and in files: rectangles, paths and lines of text. */
import { hatching } from "../core/drawing/hatching";
import type { Theme } from "../core/elements/theme";
import { hex, round, SANS } from "../core/export/figure";
import { xml } from "../core/export/files";

export interface Stroke {
  stroke: string;
  width?: number;
  dashed?: boolean;
}

export interface Label {
  anchor?: "start" | "middle" | "end";
  ink: string;
  /** In radians. */
  turned?: number;
  strong?: boolean;
}

export interface Pen {
  rect(x: number, y: number, width: number, height: number, fill: string, alpha?: number): void;
  /** A rectangle that stands for NaN. */
  hatch(x: number, y: number, width: number, height: number): void;
  /** In the language of SVG. */
  line(path: string, look: Stroke): void;
  text(x: number, y: number, text: string, label: Label): void;
}

export const SIZE = 11;

export function canvasPen(pen: CanvasRenderingContext2D, theme: Theme): Pen {
  pen.textBaseline = "middle";
  const pattern = hatching(pen, theme);
  return {
    rect(x, y, width, height, fill, alpha = 1) {
      pen.globalAlpha = alpha;
      pen.fillStyle = fill;
      pen.fillRect(x, y, width, height);
      pen.globalAlpha = 1;
    },
    hatch(x, y, width, height) {
      pen.fillStyle = pattern;
      pen.fillRect(x, y, width, height);
    },
    line(path, { stroke, width = 1, dashed }) {
      pen.strokeStyle = stroke;
      pen.lineWidth = width;
      pen.setLineDash(dashed ? [3, 3] : []);
      pen.stroke(new Path2D(path));
      pen.setLineDash([]);
    },
    text(x, y, text, { anchor = "start", ink, turned = 0, strong }) {
      pen.save();
      pen.font = `${strong ? "600 " : ""}${SIZE}px ${theme.font}`;
      pen.textAlign = anchor === "middle" ? "center" : anchor;
      pen.fillStyle = ink;
      pen.translate(x, y);
      if (turned) pen.rotate(turned);
      pen.fillText(text, 0, 0);
      pen.restore();
    },
  };
}

/** `parts` gets the elements. */
export function svgPen(parts: string[], theme: Theme): Pen {
  let hatched = false;
  return {
    rect: (x, y, width, height, fill, alpha = 1) =>
      void parts.push(
        `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" fill="${hex(fill)}"${alpha < 1 ? ` fill-opacity="${alpha}"` : ""}/>`,
      ),
    hatch(x, y, width, height) {
      if (!hatched)
        parts.push(
          `<pattern id="at-nan" width="6" height="6" patternUnits="userSpaceOnUse"><path d="M0 6 6 0" stroke="${hex(theme.warn)}"/></pattern>`,
        );
      hatched = true;
      parts.push(
        `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" fill="url(#at-nan)"/>`,
      );
    },
    line(path, { stroke, width = 1, dashed }) {
      // Hairlines are the ink, seen through; few programs know colours with an opacity of their own.
      const colour = stroke === theme.line ? `${hex(theme.ink)}" stroke-opacity=".12` : hex(stroke);
      const dashes = dashed ? ' stroke-dasharray="3 3"' : "";
      parts.push(`<path d="${path}" fill="none" stroke="${colour}" stroke-width="${width}"${dashes}/>`);
    },
    text: (x, y, text, { anchor = "start", ink, turned = 0, strong }) =>
      void parts.push(
        `<text ${turned ? `transform="translate(${round(x)} ${round(y)}) rotate(${round((turned * 180) / Math.PI)}) translate(0 4)"` : `x="${round(x)}" y="${round(y + 4)}"`} ${SANS} text-anchor="${anchor}" fill="${hex(ink)}"${strong ? ' font-weight="600"' : ""}>${xml(text)}</text>`,
      ),
  };
}
