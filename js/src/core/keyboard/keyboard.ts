/** Keys that act on the whole view, wherever the focus is in it. */
import { isTextField } from "../elements/dom";

export interface Undoable {
  undo(): void;
  redo(): void;
}

/** `actions` by `KeyboardEvent.key` in small letters, without Ctrl, Alt or Meta; `undoable` takes Ctrl + Z and Y. */
export function listenForKeys(
  root: HTMLElement,
  actions: Record<string, () => void>,
  until: AbortSignal,
  undoable?: Undoable,
): void {
  const hear = (event: KeyboardEvent): void => {
    const action = isTextField(event.target) || event.altKey ? undefined : actionOf(event, actions, undoable);
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  };
  root.addEventListener("keydown", hear, { signal: until });
}

function actionOf(
  event: KeyboardEvent,
  actions: Record<string, () => void>,
  undoable: Undoable | undefined,
): (() => void) | undefined {
  const key = event.key.toLowerCase();
  if (!event.ctrlKey && !event.metaKey) return actions[key];
  if (key === "y" || (key === "z" && event.shiftKey)) return undoable && (() => undoable.redo());
  return key === "z" ? undoable && (() => undoable.undo()) : undefined;
}
