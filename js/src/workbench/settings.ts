/** What a reader prefers, kept by the browser. */
import { type Signal, signal, watch } from "../core/reactive";

export type ThemeChoice = "auto" | "dark" | "light";

const KEY = "scope-widgets.settings";

function stored(): { theme?: ThemeChoice; columns?: number } {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}") ?? {};
  } catch {
    return {};
  }
}

const known = stored();
export const theme: Signal<ThemeChoice> = signal(
  (["auto", "dark", "light"] as const).find((one) => one === known.theme) ?? "auto",
);
/** 0: as many as the window has room for. */
export const columnsWanted: Signal<number> = signal([1, 2, 3, 4].includes(known.columns ?? 0) ? known.columns! : 0);

/** Keep settings, and give the page its theme, which views follow. */
export function followSettings(until: AbortSignal): void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const paint = (): void => {
    const is = theme.peek() === "auto" ? (dark.matches ? "dark" : "light") : theme.peek();
    document.documentElement.dataset.theme = document.body.dataset.theme = is;
  };
  dark.addEventListener("change", paint, { signal: until });
  watch(until, () => {
    const values = { theme: theme.value, columns: columnsWanted.value };
    try {
      localStorage.setItem(KEY, JSON.stringify(values));
    } catch {
      // a browser that keeps nothing
    }
    paint();
  });
}
