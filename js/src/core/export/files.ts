/** What is put into a file: its name, CSV, XML, PNG. */

export function download(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A name of a file from a title: "Attention, SmolLM2-135M" -> "attention-smollm2-135m". */
export const fileName = (title: string): string =>
  title
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, "-")
    .replace(/^-+|-+$/g, "") || "view";

/** Texts that spreadsheets run, and the numbers among them, as in scope_widgets/_files.py. */
const FORMULA = /^[=+\-@\t\r]./s;
const NUMBER = /^[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|inf(inity)?)$/i;

/**
 * One line of CSV. Before a text that a spreadsheet would take for a formula stands an apostrophe, and it is quoted: it
 * begins with one of = + - @, a tab or a carriage return, is longer than one character and no number, so that the tokens
 * "-" and "-1" stay as they are.
 */
export const csvLine = (cells: readonly (string | number)[]): string => `${cells.map(csvCell).join(",")}\r\n`;

function csvCell(cell: string | number): string | number {
  if (typeof cell === "number") return cell;
  const text = FORMULA.test(cell) && !NUMBER.test(cell) ? `'${cell}` : cell;
  return text !== cell || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Text as it may stand in SVG; characters that XML cannot hold at all are replaced. */
export const xml = (text: string): string =>
  text
    .replace(
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what XML cannot hold.
      /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
      "\ufffd",
    )
    .replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);

/** Draw an SVG at `ratio` pixels a unit. */
export async function pngOf(svg: string, width: number, height: number, ratio = 3): Promise<Blob> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) =>
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error("The picture is too large for this browser."))),
      "image/png",
    ),
  );
}
