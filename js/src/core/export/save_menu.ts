/** What the save button of every view does: each offers some of these, in an order of its own. */
import type { ViewTraits } from "../../generated/traits";
import { bytes } from "../bytes";
import { UNSTEERED } from "../elements/unsteered";
import { notesSaid } from "../note_text";
import type { View } from "../view";
import { captioned, type Figure } from "./figure";
import { download, fileName, pngOf } from "./files";
import { printAs } from "./print";

const TYPES = {
  csv: "text/csv",
  dot: "text/vnd.graphviz",
  html: "text/html",
  json: "application/json",
  png: "image/png",
  svg: "image/svg+xml",
};

export interface Saver {
  file(ending: keyof typeof TYPES, content: BlobPart): void;
  svg(): void;
  png(): Promise<void>;
  /** The view alone as a page, which Python writes. */
  html(): Promise<void>;
}

/**
 * `draw` draws the view for papers and printers, at `ratio` pixels a unit in a PNG, light from a dark theme too; files are named by
 * `name`, the page by the title. With `notes` the caption says those on heads.
 */
export function saverOf(
  {
    model,
    root,
    title,
    requests,
    onPaper,
    until,
  }: Pick<View<ViewTraits>, "model" | "root" | "title" | "requests" | "onPaper" | "until">,
  draw: () => Figure,
  {
    name = () => title.peek(),
    ratio = 3,
    notes = false,
  }: { name?: () => string; ratio?: number; notes?: boolean } = {},
): Saver {
  const figure = (): Figure => onPaper(() => captioned(draw(), captionOf(model, notes)));
  printAs(figure, root, until);
  const write = (ending: keyof typeof TYPES, content: BlobPart, stem: string): void =>
    download(`${fileName(stem)}.${ending}`, new Blob([content], { type: TYPES[ending] }));
  return {
    file: (ending, content) => write(ending, content, name()),
    svg: () => write("svg", figure().svg, name()),
    async png() {
      const { svg, width, height } = figure();
      write("png", await pngOf(svg, width, height, ratio), name());
    },
    async html() {
      const { buffers } = await requests.ask("html");
      write("html", bytes(buffers[0]!).slice(), title.peek());
    },
  };
}

/** Of which model and prompt it is, what was noted on heads, and whether something was steered that it does not show. */
const captionOf = (model: View<ViewTraits>["model"], notes: boolean): string =>
  [`${model.get("origin")}${notes ? notesOn(model) : ""}`, model.get("unsteered") ? UNSTEERED : ""].join(" ").trim();

const notesOn = (model: View<ViewTraits>["model"]): string =>
  notesSaid(model.get("head_notes") ?? [], model.get("n_layers"), model.get("n_heads"));
