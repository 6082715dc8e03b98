/** Which keys are the view's, and which the host's. */
import { isTextField } from "../elements/dom";

/** With Ctrl or Meta, what edits the text of a field. */
const EDITS = "acvxyz";
const SUPPRESS = "data-lm-suppress-shortcuts";

/**
 * Keep keys without Ctrl, Meta or Alt from the host, which would cut a cell at `x`; and in a text field those that edit. A host
 * that listens further out never hears them. Notebook 7 listens before the view does; its shortcuts (Lumino's) spare an
 * element that says so, and match what has the focus first, so that the root cannot say it.
 */
export function keepKeys(root: HTMLElement, until: AbortSignal): void {
  let marked: Element | undefined;
  const mark = (event: KeyboardEvent): void => {
    marked?.removeAttribute(SUPPRESS);
    marked = undefined;
    const [target] = event.composedPath();
    if (!(target instanceof Element) || !root.contains(target) || !isKept(event, target)) return;
    marked = target;
    marked.setAttribute(SUPPRESS, "true");
  };
  window.addEventListener("keydown", mark, { capture: true, signal: until });
  root.addEventListener("keydown", (event) => {
    if (isKept(event, event.target)) event.stopPropagation();
  });
}

function isKept({ ctrlKey, metaKey, altKey, key }: KeyboardEvent, target: EventTarget | null): boolean {
  return (!ctrlKey && !metaKey && !altKey) || (isTextField(target) && EDITS.includes(key.toLowerCase()));
}
