/** The label and the note that somebody writes on the open latent. */
import { h } from "../core/elements/dom";
import { watch } from "../core/reactive";
import type { State } from "./state";

const [LABEL, NOTE] = [300, 10_000];

/** Empty where nothing can be written and nothing was. */
export function createOwnNote(
  state: State,
  say: (text: string, isError?: boolean) => void,
  until: AbortSignal,
): HTMLElement {
  const writes = state.model.get("can_write") && !state.isSaved;
  const field = (name: string, most: number): HTMLInputElement =>
    h("input", {
      class: "fb-own-field",
      type: "text",
      maxlength: most,
      "aria-label": name,
      placeholder: name,
      readonly: !writes,
    });
  const label = field("your label", LABEL);
  const note = field("your note", NOTE);
  const element = h("div", { class: "fb-own" }, label, note);
  const put = async (): Promise<void> => {
    const latent = state.latent.peek();
    if (latent === null || !writes) return;
    try {
      await state.annotate(latent, { label: label.value.trim(), note: note.value.trim() });
      say("Saved beside the index.");
    } catch (error) {
      say((error as Error).message, true);
    }
  };
  for (const one of [label, note]) {
    one.addEventListener("change", put);
    one.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === "Escape") {
        if (event.key === "Escape") show();
        one.blur();
      }
      event.stopPropagation();
    });
  }
  let shown: number | null = null;
  const show = (): void => {
    const latent = state.latent.peek();
    const own = latent === null ? undefined : state.knownPage(latent)?.own;
    label.value = own?.label ?? "";
    note.value = own?.note ?? "";
    element.hidden = !own || (!writes && !own.label && !own.note);
  };
  watch(until, () => {
    void state.arrived.value;
    const latent = state.latent.value;
    const { activeElement } = element.getRootNode() as Document;
    if (latent === shown && element.contains(activeElement)) return; // it is being written
    shown = latent;
    show();
  });
  return element;
}
