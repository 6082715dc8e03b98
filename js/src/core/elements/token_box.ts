/** A token on the colour of its number: of the text, and of the examples of a latent. */
import { cssColour, inkOn, pack } from "../drawing/colour";
import type { Part } from "../tokens";
import { h } from "./dom";

/** What is written of a token, its stand-ins dimmed; right-to-left text begins at its right edge. */
export function tokenBox(
  written: readonly Part[],
  fromRight: boolean,
  attributes: Record<string, unknown> = {},
): HTMLElement {
  const box = h("span", { class: "tv-token sw-token", dir: fromRight ? "rtl" : "ltr", ...attributes });
  box.append(...written.map(({ text, dim }) => (dim ? h("i", {}, text) : text)));
  return box;
}

/** Put a packed colour, 0 where there is no number, below a token; the ground itself is left out. */
export function colourToken(box: HTMLElement, colour: number, ground: readonly [number, number, number]): void {
  const packed = pack(ground);
  const look = colour === 0 ? "none" : String(colour);
  if (box.dataset.colour === look) return;
  box.dataset.colour = look;
  box.classList.toggle("tv-nan", colour === 0);
  box.style.background = colour && colour !== packed ? cssColour(colour) : "";
  box.style.color = colour && colour !== packed ? inkOn(colour) : "";
}
