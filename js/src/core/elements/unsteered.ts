/** Words beside the title of a view whose numbers are of the model as it is, while something beside it steers. */
import type { ViewTraits } from "../../generated/traits";
import { trait, watch } from "../reactive";
import type { Model } from "../widget_model";
import { h } from "./dom";

export const UNSTEERED = "Without steering.";

export function showUnsteered(root: HTMLElement, model: Model<ViewTraits>, until: AbortSignal): void {
  const unsteered = trait(model, "unsteered", until);
  const title = "What is steered beside it changes nothing here: these are numbers of the model as it is.";
  // there before there is something to say: then it is spoken
  const words = h("span", { class: "sw-unsteered", role: "status", title });
  root.querySelector(".sw-bar > .sw-title")?.after(words);
  watch(until, () => void (words.textContent = unsteered.value ? UNSTEERED : ""));
}
