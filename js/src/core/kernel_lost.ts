/** Whether the kernel that made a view is gone, as far as the host says so. */
import { type ReadonlySignal, signal } from "./reactive";
import type { Channel, Model } from "./widget_model";

const ENDS = ["restarting", "autorestarting", "terminating", "dead"];

interface HostSignal<T> {
  connect(hear: (sender: unknown, value: T) => void): void;
  disconnect(hear: (sender: unknown, value: T) => void): void;
}

/** What ipywidgets' manager knows of the kernel. */
interface Kernel {
  statusChanged?: HostSignal<string>;
  disposed?: HostSignal<unknown>;
}

/** True from the start where a saved notebook holds the view's state. */
export function kernelLost(model: Model<any>, until: AbortSignal): ReadonlySignal<boolean> {
  const layout = commOf(model);
  const lost = signal(layout?.comm_live === false);
  const end = (): void => void (lost.value = true);
  const look = (): void => void (layout?.comm_live === false && end());
  // ipywidgets hears of restarts that were asked for, but not of a kernel that died.
  const hear = (_: unknown, status: string): void => void (ENDS.includes(status) && end());
  const kernel: Kernel | undefined = (model as { widget_manager?: { kernel?: Kernel } }).widget_manager?.kernel;
  layout?.on("comm_live_update", look);
  kernel?.statusChanged?.connect(hear);
  kernel?.disposed?.connect(end);
  until.addEventListener("abort", () => {
    layout?.off("comm_live_update", look);
    kernel?.statusChanged?.disconnect(hear);
    kernel?.disposed?.disconnect(end);
  });
  return lost;
}

/** Whether the host is ipywidgets' own. */
export const isWidgetManager = (model: Model<any>): boolean => commOf(model) !== undefined;

/** The view's layout: ipywidgets gives it whole, and it lives as long as the view's own model, of which a part is given. */
function commOf(model: Model<any>): (Channel & { comm_live?: boolean }) | undefined {
  const layout = model.get("layout");
  return typeof layout?.on === "function" ? layout : undefined;
}
