/** What the save button offers. */
import { bytes, type Requests } from "../core/bridge";
import { download, fileName, pngOf } from "../core/export";
import type { Table } from "./data";
import type { Figure } from "./figure";
import { csv } from "./files";

export interface Saving {
  table: Table;
  title(): string;
  rows(): Int32Array;
  figure(): Figure;
  requests: Requests;
}

export function savesOf({ table, title, rows, figure, requests }: Saving): Record<string, () => void | Promise<void>> {
  const file = (ending: string, type: string, content: BlobPart): void =>
    download(`${fileName(title())}.${ending}`, new Blob([content], { type }));
  return {
    "CSV, rows shown": () => file("csv", "text/csv", csv(table, rows())),
    "CSV, all rows": () => file("csv", "text/csv", csv(table, Array(table.n).keys())),
    SVG: () => file("svg", "image/svg+xml", figure().svg),
    async PNG() {
      const { svg, width, height } = figure();
      download(`${fileName(title())}.png`, await pngOf(svg, width, height, 2));
    },
    async HTML() {
      const { buffers } = await requests.ask("html");
      file("html", "text/html", bytes(buffers[0]!) as Uint8Array<ArrayBuffer>);
    },
  };
}
