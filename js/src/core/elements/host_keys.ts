/** Which keys are the view's, and which the host's. */
import { isTextField } from "./dom";

/** With Ctrl or Meta, what edits the text of a field. */
const EDITS = "acvxyz";

/**
 * Keep from the host, which listens further out, keys without Ctrl, Meta or Alt: it would cut a cell at `x`; and in a text
 * field those that edit. An attribute on the root does not: JupyterLab's shortcuts match what has the focus before they
 * come to the root.
 */
export function keepKeys(root: HTMLElement): void {
  root.addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (plain || (isTextField(event.target) && EDITS.includes(event.key.toLowerCase()))) event.stopPropagation();
  });
}
