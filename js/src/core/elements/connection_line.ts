/** A line below the toolbar that says when there is no kernel behind the view, or none that answers. */
import { type ReadonlySignal, watch } from "../reactive";
import { h } from "./dom";

export const RESTARTED = "The kernel was restarted: run this cell again.";
const SILENT = "The kernel does not answer: it is busy, or it was restarted (then run this cell again).";

export interface Connection {
  /** What there is to say from the start of a view that never had a kernel; "" of others. */
  saved: string;
  lost: ReadonlySignal<boolean>;
  silent: ReadonlySignal<boolean>;
}

export function showConnection(root: HTMLElement, { saved, lost, silent }: Connection, until: AbortSignal): void {
  const line = h("div", { class: "sw-connection", role: "status" });
  root.querySelector(".sw-bar")!.after(line);
  watch(until, () => {
    line.textContent = saved || (lost.value ? RESTARTED : silent.value ? SILENT : "");
    line.hidden = !line.textContent;
    root.classList.toggle("sw-lost", lost.value);
  });
}
