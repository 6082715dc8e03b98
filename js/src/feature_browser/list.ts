/** The list of latents: only the rows in sight exist; what they say beside their numbers is asked for as they come. */
import { h } from "../core/elements/dom";
import { VirtualRows } from "../core/elements/virtual_rows";
import { steady } from "../core/format";
import { computed, draw, signal, sizeOf, watch } from "../core/reactive";
import { save } from "../core/widget_model";
import type { SortColumn } from "./order";
import { percent } from "./page_text";
import type { State } from "./state";

const ROW = 24;
const GAP = 8;
/** What a row says in words has so much room at least, before columns of numbers. */
const LEAST_WORDS = 140;

interface Shown {
  name: SortColumn;
  title: string;
  width: number;
  help: string;
  /** "" where there is no number. */
  text(row: number, position: number): string;
  /** Of 0 to 1, a bar below the number. */
  bar?(row: number, position: number): number;
}

export interface LatentList {
  element: HTMLElement;
  focus(): void;
}

interface RowElement {
  element: HTMLElement;
  fill(position: number): void;
}

export function createList(state: State, until: AbortSignal): LatentList {
  const id = `fb${Math.random().toString(36).slice(2, 8)}`;
  const body = h("div", { class: "fb-rows", role: "presentation" });
  const box = h("div", { class: "fb-box", role: "listbox", tabindex: 0, "aria-label": "Latents" }, body);
  const header = h("div", { class: "fb-header", role: "group", "aria-label": "Sort by" });
  const empty = h("div", { class: "fb-empty sw-dim" });
  const element = h("div", { class: "fb-list" }, header, box, empty);
  const size = sizeOf(box, until);
  const columns = computed(() => shownColumns(state, size.value[0]));
  const active = signal(0);
  const list: VirtualRows<RowElement> = new VirtualRows<RowElement>(
    box,
    body,
    () => createRow(state, columns.peek(), id),
    ({ fill }, position) => fill(position),
    { row: ROW, header: 0 },
  );
  watch(until, () => {
    element.style.setProperty("--columns", [...columns.value.map(({ width }) => `${width}px`), "1fr"].join(" "));
    header.replaceChildren(
      ...columns.value.map((column) => headerCell(state, column)),
      h("span", { class: "fb-words" }, "label, top tokens"),
    );
    list.rebuild();
  });
  watch(until, () => {
    const { length } = state.rows.value;
    active.value = Math.max(0, Math.min(active.peek(), length - 1));
    list.reset(length);
    empty.hidden = length > 0;
    empty.textContent = state.passes.peek() ? "No latent passes the filter." : "No latent was found.";
  });
  draw(until, () => {
    void state.arrived.value;
    void state.latent.value;
    void state.theme.value;
    list.refresh();
    mark(box, list, active.value, id);
  });
  // The page that was opened elsewhere comes into sight here.
  watch(until, () => {
    const latent = state.latent.value;
    const rows = state.rows.value;
    if (latent === null || !size.value[1]) return;
    const row = state.columns.rowOf(latent);
    const position = row === undefined ? -1 : rows.indexOf(row);
    if (position < 0) return;
    active.value = position;
    if (!list.isVisible(position)) list.scrollTo(position);
  });
  watch(until, () => {
    void size.value;
    list.update();
  });
  box.addEventListener("scroll", () => {
    list.update();
    mark(box, list, active.peek(), id);
  });
  const open = (position: number): void => {
    const row = state.rows.peek()[position];
    if (row === undefined) return;
    active.value = position;
    state.open(state.columns.latents[row]!);
  };
  body.addEventListener("click", (event) => {
    const line = (event.target as Element).closest<HTMLElement>(".fb-row");
    if (line) open(list.positionOf(line));
  });
  listenToKeys(box, list, active, () => state.rows.peek().length, open);
  return { element, focus: () => box.focus() };
}

function mark(box: HTMLElement, list: VirtualRows<RowElement>, position: number, id: string): void {
  for (const one of box.querySelectorAll(".fb-active")) one.classList.remove("fb-active");
  const line = list.at(position)?.element;
  line?.classList.add("fb-active");
  if (line) box.setAttribute("aria-activedescendant", `${id}-${position}`);
  else box.removeAttribute("aria-activedescendant");
}

function listenToKeys(
  box: HTMLElement,
  list: VirtualRows<RowElement>,
  active: { value: number; peek(): number },
  count: () => number,
  open: (position: number) => void,
): void {
  const steps: Record<string, (at: number) => number> = {
    ArrowDown: (at) => at + 1,
    ArrowUp: (at) => at - 1,
    PageDown: (at) => at + list.page,
    PageUp: (at) => at - list.page,
    Home: () => 0,
    End: () => count() - 1,
  };
  box.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const step = steps[event.key];
    if (step) {
      active.value = Math.max(0, Math.min(count() - 1, step(active.peek())));
      list.scrollTo(active.peek());
    } else if (event.key === "Enter" || event.key === " ") open(active.peek());
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

function createRow(state: State, columns: readonly Shown[], id: string): RowElement {
  const numbers = columns.map(({ bar }) => h("span", { class: bar ? "fb-number fb-barred" : "fb-number" }));
  const label = h("b", { class: "fb-label" });
  const tokens = h("span", { class: "fb-tokens" });
  const words = h("span", { class: "fb-words" }, label, tokens);
  const element = h("div", { class: "fb-row", role: "option" }, ...numbers, words);
  return {
    element,
    fill(position) {
      const row = state.rows.peek()[position]!;
      const latent = state.columns.latents[row]!;
      const said = state.words(latent);
      const dead = state.columns.dead[row] === 1;
      columns.forEach((column, at) => {
        numbers[at]!.textContent = column.text(row, position);
        if (column.bar) numbers[at]!.style.setProperty("--share", `${100 * column.bar(row, position)}%`);
      });
      label.textContent = said?.label ?? "";
      tokens.textContent = dead ? "never fired" : (said?.tokens ?? "…");
      element.classList.toggle("fb-dead", dead);
      element.id = `${id}-${position}`;
      element.setAttribute("aria-selected", String(latent === state.latent.peek()));
      element.setAttribute("aria-posinset", String(position + 1));
      element.setAttribute("aria-setsize", String(state.rows.peek().length));
      element.setAttribute("aria-label", describe(state, row, position, columns));
    },
  };
}

function describe(state: State, row: number, position: number, columns: readonly Shown[]): string {
  const latent = state.columns.latents[row]!;
  const said = state.words(latent);
  const dead = state.columns.dead[row] === 1;
  const numbers = columns.flatMap((column) => {
    const text = column.name === "latent" ? "" : column.text(row, position);
    return text ? [`${column.title} ${text}`] : [];
  });
  return [`latent ${latent}`, said?.label, ...(dead ? ["never fired"] : numbers), said?.tokens]
    .filter(Boolean)
    .join(", ");
}

function headerCell(state: State, { name, title, help }: Shown): HTMLElement {
  const [sorted, direction] = state.sort.peek();
  const found = state.found.peek() !== undefined;
  const is = sorted === name || (sorted === "match" && !found && name === "rate");
  const first = name === "latent" ? "ascending" : "descending";
  const turned = first === "ascending" ? "descending" : "ascending";
  const down = is && sorted === name ? direction === "descending" : is;
  const next = sorted !== name ? first : direction === first ? turned : first;
  const cell = h(
    "button",
    {
      class: "fb-head",
      type: "button",
      title: `${help} Click to sort.`,
      "aria-pressed": String(is),
      "aria-label": `${title}${is ? `, ${down ? "descending" : "ascending"}` : ""}`,
      onclick: () => save(state.model, { sort: [name, next] }),
    },
    title,
  );
  if (is) cell.append(h("i", { "aria-hidden": "true" }, down ? "↓" : "↑"));
  return cell;
}

/** The columns that fit. */
function shownColumns(state: State, width: number): Shown[] {
  void state.sort.value; // the header says it
  const { latents, rate, mean, max, score, other, dead } = state.columns;
  const found = state.found.value;
  const text = (values: ArrayLike<number>) => (row: number) => (dead[row] ? "" : steady(values[row]!));
  const matched = new Map(found ? Array.from(found.rows, (row, at) => [row, found.match[at]!]) : []);
  const largest = found?.match.reduce((most, one) => Math.max(most, one), 0) || 1;
  const isFires = state.fires.value !== undefined;
  const isNumber = found?.match.some((one) => one !== 1);
  const all: Shown[] = [
    { name: "latent", title: "latent", width: 58, help: "Number of the latent.", text: (row) => String(latents[row]) },
  ];
  if (found && isNumber)
    all.push({
      name: "match",
      title: isFires ? (state.chosen === undefined ? "on text" : "on token") : "match",
      width: 64,
      help: isFires
        ? "Its largest activation on the text, or that on the selected token."
        : "What the search sorts by.",
      text: (row) => steady(matched.get(row) ?? 0),
      bar: (row) => (matched.get(row) ?? 0) / largest,
    });
  all.push(
    {
      name: "rate",
      title: "rate",
      width: 64,
      help: "Share of the tokens on which it fires; the bar is logarithmic.",
      text: (row) => (dead[row] ? "0" : percent(rate[row]!)),
      bar: (row) => logShare(rate[row]!),
    },
    { name: "max", title: "max", width: 48, help: "Its largest activation.", text: text(max) },
  );
  if (score)
    all.push({
      name: "score",
      title: "score",
      width: 48,
      help: "Detection of its label: 0.5 is chance.",
      text: (row) => (Number.isNaN(score[row]!) ? "" : score[row]!.toFixed(2)),
    });
  if (other)
    all.push({
      name: "other",
      title: "other",
      width: 48,
      help: "Largest cosine with a latent of the other SAE.",
      text: (row) => other[row]!.toFixed(2).replace("-", "−"),
    });
  all.splice(all.findIndex(({ name }) => name === "max") + 1, 0, {
    name: "mean",
    title: "mean",
    width: 48,
    help: "Its mean activation where it fires.",
    text: text(mean),
  });
  const left = (): number => width - all.reduce((sum, column) => sum + column.width + GAP, 0);
  for (const name of ["mean", "max", "score"]) {
    const at = all.findIndex((column) => column.name === name);
    if (width && left() < LEAST_WORDS && at >= 0) all.splice(at, 1);
  }
  return all;
}

/** From a millionth to 1. */
const logShare = (rate: number): number => (rate > 0 ? Math.max(0.02, 1 + Math.log10(rate) / 6) : 0);
