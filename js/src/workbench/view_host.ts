/** Shows a view in an element: its bundle is loaded once, whatever number of panels show such a view. */
import type { Connection } from "./socket/connection";

const loaded = new Map<string, Promise<any>>();

async function load(connection: Connection, bundle: string): Promise<any> {
  const address = connection.bundles[bundle];
  if (!address) throw new Error(`The server has no view '${bundle}'.`);
  if (!loaded.has(address)) loaded.set(address, import(new URL(address, document.baseURI).href));
  return (await loaded.get(address)).default;
}

/** Returns what takes the view away. */
export function showView(connection: Connection, bundle: string, id: string, el: HTMLElement): () => void {
  const life = new AbortController();
  void (async () => {
    try {
      const widget = await load(connection, bundle);
      const model = connection.models.get(id);
      if (life.signal.aborted || !model) return;
      const end = await widget.render({ model, el });
      if (life.signal.aborted) end?.();
      else life.signal.addEventListener("abort", () => end?.());
    } catch (error) {
      if (!life.signal.aborted) el.textContent = `This view cannot be shown: ${(error as Error).message}`;
    }
  })();
  return () => {
    life.abort();
    el.replaceChildren();
  };
}
