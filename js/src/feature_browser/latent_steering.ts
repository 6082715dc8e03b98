/** The steering panel within the page: its own model, whose traits and messages travel with those of the browser. */

import { Listeners } from "../core/listeners";
import type { Model } from "../core/widget_model";
import type { ViewTraits } from "../generated/traits";
import steeringPanel from "../steering_panel";

/** What the panel's part of the page takes for its model. */
class InnerModel extends Listeners implements Model<any> {
  #changed: Record<string, unknown> = {};

  constructor(
    readonly outer: Model<ViewTraits>,
    readonly traits: Record<string, unknown>,
    until: AbortSignal,
  ) {
    super();
    const hear = (message: any, buffers?: unknown[]): void => {
      if (message?.v !== 1 || message.kind !== "panel") return;
      if (message.traits) this.#arrive(message.traits);
      else this.tell("msg:custom", message.message, buffers ?? []);
    };
    outer.on("msg:custom", hear);
    until.addEventListener("abort", () => outer.off("msg:custom", hear));
  }

  get(name: string): any {
    return this.traits[name];
  }

  set(name: string, value: unknown): void {
    this.#changed[name] = value;
    this.#arrive({ [name]: value });
  }

  save_changes(): void {
    const set = this.#changed;
    this.#changed = {};
    if (Object.keys(set).length) this.outer.send({ v: 1, kind: "panel", set });
  }

  send(message: unknown): void {
    this.outer.send({ v: 1, kind: "panel", message });
  }

  /** All of them before anybody hears of one: lists of sliders and of their strengths are of one length. */
  #arrive(traits: Record<string, unknown>): void {
    const names = Object.keys(traits).filter(
      (name) => JSON.stringify(traits[name]) !== JSON.stringify(this.traits[name]),
    );
    for (const name of names) this.traits[name] = traits[name];
    for (const name of names) this.tell(`change:${name}`);
  }
}

/** Show the panel with its present traits in `element`, until `until` aborts. */
export function showPanel(
  outer: Model<ViewTraits>,
  traits: Record<string, unknown>,
  element: HTMLElement,
  until: AbortSignal,
): void {
  const model = new InnerModel(outer, { ...traits, theme: outer.get("theme") }, until);
  const end = steeringPanel.render({ model, el: element });
  until.addEventListener("abort", end);
}
