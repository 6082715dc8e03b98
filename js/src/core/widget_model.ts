/** What every host gives a view as its model (anywidget's "AFM" interface), typed by the traits of its Python half. */
import type { ViewTraits } from "../generated/traits";

/** True of the models of a saved page, whose views do not offer what only the running notebook can do. */
export const SAVED_PAGE = "_saved_page";

export type Listener = (...args: any[]) => void;

/** Messages and events. */
export interface Channel {
  on(event: string, listener: Listener): void;
  off(event: string, listener?: Listener): void;
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]): void;
}

/** `T` is an interface of `generated/traits.ts`: a name that is no trait of the view does not compile. */
export interface Model<T extends ViewTraits = ViewTraits> extends Channel {
  get<N extends keyof T & string>(name: N): T[N];
  set<N extends keyof T & string>(name: N, value: T[N]): void;
  save_changes(): void;
}

export const isSavedPage = (model: Model): boolean => !!(model as Model<any>).get(SAVED_PAGE);

/** Write traits and send them to Python. */
export function save<T extends ViewTraits>(model: Model<T>, traits: Partial<T>): void {
  for (const name of Object.keys(traits) as (keyof T & string)[]) model.set(name, traits[name] as T[typeof name]);
  model.save_changes();
}
