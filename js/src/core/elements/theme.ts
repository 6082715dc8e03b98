/** The view's root element and its colours, which follow the host's theme while it is shown. */

import { batch, type ReadonlySignal, signal, trait, watch } from "../reactive";
import type { Model } from "../widget_model";
import { h } from "./dom";
import partsCss from "./elements.css";
import themeCss from "./theme.css";

/** Colours as CSS text (canvas takes it as it is) and the ground in numbers, for the colour tables. */
export interface Theme {
  dark: boolean;
  ground: string;
  ink: string;
  dim: string;
  line: string;
  accent: string;
  warn: string;
  positive: string;
  negative: string;
  amount: string;
  select: string;
  font: string;
  mono: string;
  groundRgb: Rgb;
}

export type Rgb = readonly [red: number, green: number, blue: number];

export interface Root {
  root: HTMLElement;
  theme: ReadonlySignal<Theme>;
  /** What `draw` makes with the colours of a light ground, whatever the host's are: paper is white. */
  onPaper<T>(draw: () => T): T;
}

/** Put the view's root with its style into `el`; `css` is the widget's own sheet. */
export function createRoot(el: HTMLElement, model: Model, css: string, until: AbortSignal): Root {
  const root = h("div", { class: "sw" });
  // Inside the root, because a sheet in the document does not reach into a host's shadow DOM.
  root.append(h("style", {}, themeCss + partsCss + css));
  el.append(root);
  until.addEventListener("abort", () => root.remove());
  const forced = trait(model, "theme", until);
  const theme = signal(readTheme(root, forced.peek()));
  const refresh = (): void => {
    const next = readTheme(root, forced.value);
    if (JSON.stringify(next) !== JSON.stringify(theme.peek())) theme.value = next;
  };
  watch(until, refresh);
  onHostChange(refresh, until);
  onFirstLayout(root, refresh, until);
  // In one batch: what is on the screen is drawn again when the colours are the host's once more.
  const onPaper = <T>(draw: () => T): T =>
    batch(() => {
      theme.value = readTheme(root, "light", false);
      try {
        return draw();
      } finally {
        theme.value = readTheme(root, forced.peek());
      }
    });
  return { root, theme, onPaper };
}

/** The colours as they are now, the host's own where it has this scheme; without `hosts` none of those. */
function readTheme(root: HTMLElement, forced: string | undefined, hosts = true): Theme {
  const host = hostScheme(root);
  const dark = forced === "dark" || (forced !== "light" && host.dark);
  root.dataset.theme = dark ? "dark" : "light";
  const own = hosts && dark === host.dark;
  if (host.name && own) root.dataset.host = host.name;
  else delete root.dataset.host;
  if (host.ground && own) root.style.setProperty("--sw-ground", host.ground);
  else root.style.removeProperty("--sw-ground");
  const style = getComputedStyle(root);
  const colour = (name: string): string => resolve(root, `var(--sw-${name})`);
  const ground = colour("ground");
  return {
    dark,
    ground,
    ink: colour("ink"),
    dim: colour("dim"),
    line: colour("line"),
    accent: colour("accent"),
    warn: colour("warn"),
    positive: colour("positive"),
    negative: colour("negative"),
    amount: colour("amount"),
    select: colour("select"),
    font: style.getPropertyValue("font-family"),
    mono: style.getPropertyValue("--sw-mono").trim() || "monospace",
    groundRgb: rgbOf(ground) ?? (dark ? [17, 19, 23] : [255, 255, 255]),
  };
}

/** What a page has: a host whose colours have names, or else the colour behind the view. */
interface Host {
  name?: "vscode" | "jupyter";
  ground?: string;
  dark: boolean;
}

function hostScheme(root: HTMLElement): Host {
  const style = getComputedStyle(root);
  // VS Code first: Microsoft's widget manager brings a sheet of JupyterLab's light colours into its dark pages.
  for (const [name, variable] of [
    ["vscode", "--vscode-editor-background"],
    ["jupyter", "--jp-layout-color0"],
  ] as const) {
    if (!style.getPropertyValue(variable).trim()) continue;
    const rgb = rgbOf(resolve(root, `var(${variable})`));
    if (rgb) return { name, dark: isDark(rgb) };
  }
  const marks = [document.documentElement, document.body];
  const says = (scheme: string): boolean =>
    marks.some((mark) => mark.classList.contains(scheme) || mark.dataset.theme === scheme);
  const said = says("dark") || (says("light") ? false : undefined);
  const ground = matchMedia("print").matches ? undefined : groundBehind(root); // paper is white behind a dark view
  const rgb = ground === undefined ? undefined : rgbOf(ground);
  // a page that says one and shows the other is between two themes
  if (rgb && (said ?? isDark(rgb)) === isDark(rgb)) return { ground, dark: isDark(rgb) };
  return { dark: said ?? matchMedia("(prefers-color-scheme: dark)").matches };
}

/** The first colour behind the view that nothing shines through. */
function groundBehind(root: HTMLElement): string | undefined {
  for (let at = parentOf(root); at; at = parentOf(at)) {
    const colour = getComputedStyle(at).backgroundColor;
    const alpha = /(?:rgba\(.*,|\/)\s*([\d.]+)\s*\)$/.exec(colour);
    if (rgbOf(colour) && (!alpha || Number(alpha[1]) === 1)) return colour;
  }
  return undefined;
}

const parentOf = (element: Element): Element | null =>
  element.parentElement ?? (element.getRootNode() as Partial<ShadowRoot>).host ?? null;

/** What the browser makes of a CSS colour, as `rgb(...)` text. */
function resolve(root: HTMLElement, colour: string): string {
  const probe = h("i", { style: `color: ${colour}; display: none` });
  root.append(probe);
  const text = getComputedStyle(probe).color;
  probe.remove();
  return text;
}

/** `rgb(1, 2, 3)` or `color(srgb .1 .2 .3)` in numbers of 0-255. */
export function rgbOf(colour: string): Rgb | undefined {
  const unit = colour.startsWith("color(") ? 255 : 1;
  const numbers = colour.replace(/^color\(\w+/, "").match(/[\d.]+(e-?\d+)?/g);
  return numbers && numbers.length >= 3
    ? ([0, 1, 2].map((i) => Number(numbers[i]) * unit) as unknown as Rgb)
    : undefined;
}

const isDark = ([r, g, b]: Rgb): boolean => 0.2126 * r + 0.7152 * g + 0.0722 * b < 128;

/** JupyterLab renders a view before it puts it into the page, where no colour of the host can be read yet. */
function onFirstLayout(root: HTMLElement, refresh: () => void, until: AbortSignal): void {
  const observer = new ResizeObserver(() => {
    if (!root.isConnected) return;
    observer.disconnect();
    refresh();
  });
  observer.observe(root);
  until.addEventListener("abort", () => observer.disconnect());
}

function onHostChange(refresh: () => void, until: AbortSignal): void {
  // Twice: hosts set the attribute before, or after, the new sheet has arrived.
  const soon = (): void => {
    refresh();
    setTimeout(() => until.aborted || refresh(), 300);
  };
  const observer = new MutationObserver(soon);
  for (const mark of [document.documentElement, document.body])
    observer.observe(mark, {
      attributes: true,
      attributeFilter: ["class", "style", "data-theme", "data-jp-theme-name", "data-vscode-theme-kind"],
    });
  until.addEventListener("abort", () => observer.disconnect());
  document.head.addEventListener("load", soon, { capture: true, signal: until });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", soon, { signal: until });
  addEventListener("afterprint", soon, { signal: until });
}
