/** A model whose state a notebook was saved with, and that no kernel knows any more. */
import { type Listener, type Model, SAVED_PAGE } from "./widget_model";

export const SAVED_PICTURE = "Saved picture: run this cell to go on.";

/** The same model, which says that it is saved and answers every request at once with that sentence. */
export function withoutKernel(model: Model<any>): Model<any> {
  const hearing = new Set<Listener>();
  return {
    get: (name) => (name === SAVED_PAGE ? true : model.get(name)),
    set: (name, value) => model.set(name, value),
    save_changes() {},
    on(event, listener) {
      if (event === "msg:custom") hearing.add(listener);
      else model.on(event, listener);
    },
    off(event, listener) {
      if (event !== "msg:custom") model.off(event, listener);
      else if (listener) hearing.delete(listener);
      else hearing.clear();
    },
    send(message: any) {
      if (message?.kind !== "req") return;
      queueMicrotask(() => {
        for (const hear of [...hearing]) hear({ v: 1, id: message.id, kind: "err", message: SAVED_PICTURE }, []);
      });
    },
  };
}
