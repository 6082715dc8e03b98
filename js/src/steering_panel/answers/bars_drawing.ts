/** The bars on a canvas, and the same as SVG. */

import type { Theme } from "../../core/elements/theme";
import { xml } from "../../core/export/files";
import { probability, shortRank } from "../../core/format";
import { fitted, type Part } from "../../core/tokens";
import type { Token } from "./answer";
import { type Bar, type Layout, MARGIN, type Move } from "./bars_layout";

const INSET = 6;
const BAR = 16;

/** Up is red and down blue, as everywhere where a sign has a colour. */
const moveColour = (move: Move, theme: Theme): string =>
  move === "none"
    ? theme.dim
    : { up: theme.dark ? "#ff8f70" : "#b2182b", down: theme.dark ? "#7dbcff" : "#2166ac" }[move];

/** What both drawings are made of. */
export interface Pen {
  rect(x: number, y: number, width: number, height: number, fill: string, opacity: number): void;
  curve(
    path: [x0: number, y0: number, x1: number, y1: number, x2: number, y2: number, x3: number, y3: number],
    stroke: string,
    width: number,
  ): void;
  /** From `x` on, or up to it. */
  text(parts: Part[], x: number, y: number, end: boolean, mono: boolean, ink: string, halo: boolean): void;
  measure(text: string, mono: boolean): number;
}

export function drawBars(pen: Pen, layout: Layout, theme: Theme, pointed: number | undefined): void {
  const { left, right, links, before, after } = layout;
  const strong = (token: Token): boolean => pointed === undefined || token.id === pointed;
  for (const { token, from, to, move } of links) {
    const third = (right - left) / 3;
    pen.curve(
      [left, from, left + third, from, right - third, to, right, to],
      moveColour(move, theme),
      strong(token) ? (token.id === pointed ? 2.5 : move === "none" ? 1 : 1.5) : 0.5,
    );
  }
  for (const bar of before) side(pen, layout, theme, bar, "p0", strong(bar.token));
  for (const bar of after) side(pen, layout, theme, bar, "p", strong(bar.token));
}

function side(
  pen: Pen,
  { width, left, right }: Layout,
  theme: Theme,
  { token, y, length, move, alone }: Bar,
  by: "p" | "p0",
  strong: boolean,
): void {
  const isLeft = by === "p0";
  const colour = isLeft && !alone ? theme.dim : moveColour(move, theme);
  const edge = isLeft ? left : right;
  const out = isLeft ? -1 : 1;
  pen.rect(isLeft ? left - length : right, y - BAR / 2, length, BAR, colour, strong ? 0.32 : 0.14);
  pen.rect(isLeft ? left - 2 : right, y - BAR / 2, 2, BAR, colour, strong ? 1 : 0.4);
  const room = Math.max(0, left - MARGIN - 2 * INSET);
  const ink = strong ? theme.ink : theme.dim;
  pen.text(
    fitted(token.text, room, (text) => pen.measure(text, true)),
    edge + out * INSET,
    y,
    isLeft,
    true,
    ink,
    false,
  );
  pen.text([{ text: probability(token[by]), dim: false }], isLeft ? MARGIN - 8 : width, y, true, false, ink, false);
  if (!alone) return;
  // Where a token comes from, or goes to, that the other column does not show.
  const place = (token.atLeast ? "≥" : "") + shortRank(isLeft ? token.rank : token.rank0);
  pen.text(
    [{ text: isLeft ? `↓ ${place}` : `${place} ↑`, dim: false }],
    edge - out * INSET,
    y,
    !isLeft,
    false,
    moveColour(move, theme),
    true,
  );
}

/** The font that a text is measured and drawn in. */
const font = (theme: Theme, mono: boolean): string => (mono ? `12px ${theme.mono}` : `11px ${theme.font}`);

export function canvasPen(pen: CanvasRenderingContext2D, theme: Theme): Pen {
  const [mono, plain] = [font(theme, true), font(theme, false)];
  const use = (wanted: string): void => void (pen.font !== wanted && (pen.font = wanted));
  return {
    rect(x, y, width, height, fill, opacity) {
      pen.globalAlpha = opacity;
      pen.fillStyle = fill;
      pen.fillRect(x, y, width, height);
      pen.globalAlpha = 1;
    },
    curve([x0, y0, ...rest], stroke, width) {
      pen.strokeStyle = stroke;
      pen.lineWidth = width;
      pen.beginPath();
      pen.moveTo(x0, y0);
      pen.bezierCurveTo(...rest);
      pen.stroke();
    },
    text(parts, x, y, end, isMono, ink, halo) {
      use(isMono ? mono : plain);
      pen.textBaseline = "middle";
      pen.textAlign = "left";
      const widths = parts.map(({ text }) => pen.measureText(text).width);
      let at = end ? x - widths.reduce((sum, width) => sum + width, 0) : x;
      parts.forEach(({ text, dim }, i) => {
        if (halo) {
          pen.strokeStyle = theme.ground;
          pen.lineWidth = 4;
          pen.lineJoin = "round";
          pen.strokeText(text, at, y + 0.5);
        }
        pen.fillStyle = dim ? theme.dim : ink;
        pen.fillText(text, at, y + 0.5);
        at += widths[i]!;
      });
    },
    measure(text, isMono) {
      use(isMono ? mono : plain);
      return pen.measureText(text).width;
    },
  };
}

const round = (value: number): number => Math.round(value * 10) / 10;

/** Writes SVG into `out`; `hex` makes colours that every program reads. */
export function svgPen(out: string[], theme: Theme, hex: (colour: string) => string): Pen {
  const measuring = document.createElement("canvas").getContext("2d")!;
  return {
    rect: (x, y, width, height, fill, opacity) =>
      void out.push(
        `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${height}" fill="${hex(fill)}" fill-opacity="${opacity}"/>`,
      ),
    curve: ([x0, y0, x1, y1, x2, y2, x3, y3], stroke, width) =>
      void out.push(
        `<path d="M${round(x0)} ${round(y0)}C${round(x1)} ${round(y1)} ${round(x2)} ${round(y2)} ${round(x3)} ${round(y3)}" fill="none" stroke="${hex(stroke)}" stroke-width="${width}"/>`,
      ),
    text(parts, x, y, end, mono, ink, halo) {
      const spans = parts
        .map(({ text, dim }) => `<tspan fill="${hex(dim ? theme.dim : ink)}">${xml(text)}</tspan>`)
        .join("");
      const style = `${mono ? ' font-family="monospace" font-size="12"' : ""}${halo ? ` stroke="${hex(theme.ground)}" stroke-width="3" paint-order="stroke"` : ""}`;
      out.push(
        `<text x="${round(x)}" y="${round(y + 4)}" text-anchor="${end ? "end" : "start"}" xml:space="preserve"${style}>${spans}</text>`,
      );
    },
    measure(text, mono) {
      measuring.font = mono ? "12px monospace" : "11px sans-serif";
      return measuring.measureText(text).width;
    },
  };
}
