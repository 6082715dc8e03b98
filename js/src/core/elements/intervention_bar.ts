/** What is selected can be ablated, scaled or frozen: the controls, the list of what acts, and what it does. */
import type { AttentionViewTraits, ViewTraits } from "../../generated/traits";
import { signed, steady } from "../format";
import { computed, type ReadonlySignal, signal, trait, watch } from "../reactive";
import type { Requests } from "../requests";
import type { Head } from "../selection";
import { isUnknown, tokenSpan, UNKNOWN } from "../tokens";
import { isSavedPage, type Model } from "../widget_model";
import { copyText } from "./clipboard";
import { h, icon, isTextField } from "./dom";

type Intervening = ViewTraits & Pick<AttentionViewTraits, "can_intervene" | "intervened">;

/** What is selected. */
export interface Target {
  site: "head" | "mlp" | "neuron" | "residual";
  layer: number;
  /** Its head or neuron. */
  index?: number;
  /** The only position that is changed; all without. */
  position?: number;
  name: string;
  /** What a neuron is now. */
  value?: number;
  /** There is another prompt, whose values can be put in its place. */
  patch?: boolean;
}

/** The head that is selected, or whose output is at a position. */
export const headOf = (target: ReadonlySignal<Target | undefined>): ReadonlySignal<Head | undefined> =>
  computed(() => {
    const { site, layer, index } = target.value ?? {};
    return site === "head" ? [layer!, index!] : undefined;
  });

interface Row {
  key: string;
  name: string;
  kind: string;
  site: string;
  layer: number;
  index: number | null;
  at: string;
  strength: number | null;
  neutral: number | null;
  on: boolean;
}

interface Effect {
  kl: number;
  difference: [number, number] | null;
  next: [string, string];
  log_probability: [number, number];
}

interface Intervened {
  rows: Row[];
  effect: Effect | Record<string, never>;
  answers: [string, string] | [];
  can_undo: boolean;
}

const NOTHING: Intervened = { rows: [], effect: {}, answers: [], can_undo: false };
/** A request that is answered sooner is not spoken of. */
const SHORT = 300;
/** Chips that are shown; a panel has all of them. */
const MANY = 6;
const UNDO = "M5.500 3 2.500 6l3 3M3 6h6.500a3.500 3.500 0 0 1 0 7H6";
const CODE = "M5 4 1.5 8 5 12M11 4l3.500 4L11 12M9 3 7 13";
/** Of the numbers, for who has seen others of the same heads. */
const AGAIN =
  "The model was run again with what acts, and later parts have reacted: attribution, which counts what each part writes directly, ranks heads in another order.";
/** A divergence below it is that of rounding. */
const NOISE = 1e-9;
const HINT = "Select a head to ablate, scale or freeze it.";

interface Options<T extends ViewTraits> {
  model: Model<T>;
  root: HTMLElement;
  requests: Requests;
  target: ReadonlySignal<Target | undefined>;
  /** What is said while nothing is selected. */
  hint?: string;
  /** Ablates what is selected, where `x` does something else. */
  key?: string;
}

/** A bar below the picture; empty where there is no kernel, hidden where there is no model. */
export function createInterventionBar<T extends ViewTraits>(
  { model: given, root, requests, target, hint = HINT, key = "x" }: Options<T>,
  until: AbortSignal,
): HTMLElement {
  const bar = h("div", { class: "sw-touch", role: "group", "aria-label": "Interventions" });
  if (isSavedPage(given as unknown as Model)) {
    bar.hidden = true;
    return bar;
  }
  const model = given as unknown as Model<Intervening>;
  const can = trait(model, "can_intervene", until);
  const told = trait(model, "intervened", until) as ReadonlySignal<Partial<Intervened>>;
  const list = computed<Intervened>(() => ({ ...NOTHING, ...told.value }));
  const asking = createAsking(requests);
  const controls = h("span", { class: "sw-touch-controls" });
  const shown = computed(() => JSON.stringify(target.value ?? null));
  watch(until, () => {
    void shown.value;
    const now = target.peek();
    const had = controls.contains((controls.getRootNode() as Document | ShadowRoot).activeElement);
    controls.replaceChildren(
      ...(now ? controlsOf(now, key, list, asking, until) : [h("span", { class: "sw-dim" }, hint)]),
    );
    if (had) controls.querySelector<HTMLElement>("button")?.focus();
  });
  bar.append(controls, rowsOf(list, asking, until), effectOf(list, asking, until));
  watch(until, () => {
    bar.hidden = !can.value;
    bar.inert = requests.lost.value;
  });
  root.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== key || isTextField(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
      const button = controls.querySelector<HTMLElement>(".sw-touch-ablate");
      if (bar.hidden || bar.inert || !button) return;
      button.click();
      event.preventDefault();
      event.stopPropagation();
    },
    { signal: until },
  );
  const keys = root.querySelector(":scope > .sw-keys > dl");
  keys?.prepend(h("dt", {}, h("kbd", {}, key)), h("dd", {}, "ablate what is selected, or no longer"));
  return bar;
}

interface Asking {
  /** How far the model is; "" where nothing is asked, or not for long. */
  running: ReadonlySignal<string>;
  /** Whether an answer is still to come. */
  pending: ReadonlySignal<boolean>;
  problem: ReadonlySignal<string>;
  ask(name: string, args?: object): Promise<any>;
  stop(): void;
  fail(text: string): void;
}

/** What is asked while something else is, waits in Python: each change is made to what the list is then. */
function createAsking(requests: Requests): Asking {
  const [running, pending, problem] = [signal(""), signal(false), signal("")];
  const underWay = new Set<AbortController>();
  return {
    running,
    pending,
    problem,
    stop: () => underWay.forEach((one) => one.abort()),
    fail: (text) => void (problem.value = text),
    async ask(name, args = {}) {
      const mine = new AbortController();
      underWay.add(mine);
      problem.value = "";
      pending.value = true;
      let text = "running the model";
      const timer = setTimeout(() => (running.value = text), SHORT);
      try {
        const answer = await requests.ask(name, args, {
          signal: mine.signal,
          onProgress: (_done, _total, said) => {
            text = said || text;
            if (running.peek()) running.value = text;
          },
        });
        return answer.data;
      } catch (error) {
        if ((error as Error).name !== "AbortError") problem.value = (error as Error).message;
        return undefined;
      } finally {
        clearTimeout(timer);
        underWay.delete(mine);
        if (!underWay.size) {
          running.value = "";
          pending.value = false;
        }
      }
    },
  };
}

/** The name of what is selected, and what can be done with it. */
function controlsOf(
  target: Target,
  key: string,
  list: ReadonlySignal<Intervened>,
  asking: Asking,
  until: AbortSignal,
): HTMLElement[] {
  const { site, layer, index, position } = target;
  const intervene = (how: string, strength?: number): void =>
    void asking.ask("intervene", { site, layer, how, index, position, strength });
  const own = (kind: string, name?: string): Row | undefined =>
    list.value.rows.find((row) => row.kind === kind && isOf(row, target) && (!name || row.name.startsWith(name)));
  /** Pressed while it acts; then a click takes it away. */
  const toggle = (text: string, title: string, found: () => Row | undefined, act: () => void): HTMLButtonElement => {
    const button = h(
      "button",
      {
        class: "sw-button sw-touch-button",
        type: "button",
        title,
        onclick: () => {
          const row = found();
          if (row) void asking.ask("withdraw", { key: row.key });
          else act();
        },
      },
      text,
    );
    watch(until, () => button.setAttribute("aria-pressed", String(!!found())));
    return button;
  };
  const name = h("b", { class: "sw-touch-name" }, target.name);
  const isNeuron = site === "neuron";
  const number = (): Row | undefined => own(isNeuron ? "clamp" : "scale");
  const zeroed = (): Row | undefined => {
    const row = site === "residual" ? own("patch", "zero") : number();
    return row?.on && (site === "residual" || row.strength === 0) ? row : undefined;
  };
  const ablate = toggle("Ablate", `Set ${target.name} to zero (${key})`, zeroed, () =>
    site === "residual" ? intervene("zero") : intervene(isNeuron ? "clamp" : "scale", 0),
  );
  ablate.classList.add("sw-touch-ablate");
  const found: HTMLElement[] = [name, ablate];
  if (site !== "residual")
    found.push(
      field(target, number, (strength) => intervene(isNeuron ? "clamp" : "scale", strength), asking.fail, until),
    );
  const canHold = !isNeuron && site !== "mlp";
  if (canHold)
    found.push(
      toggle(
        "Freeze",
        `Hold ${target.name} at what it is now, whatever acts before it`,
        () => own("patch", "freeze"),
        () => intervene("freeze"),
      ),
    );
  if (target.patch && canHold)
    found.push(
      toggle(
        "Corrupted",
        `Hold ${target.name} at what it is on the corrupted prompt`,
        () => own("patch", "corrupted"),
        () => intervene("patch"),
      ),
    );
  return found;
}

const SITES: Record<string, string> = { head: "z", mlp: "mlp_out", neuron: "neurons", residual: "residual" };

function isOf({ site, layer, index, at }: Row, target: Target): boolean {
  const where = target.position === undefined ? "all positions" : `positions ${target.position} to ${target.position}`;
  return site === SITES[target.site] && layer === target.layer && index === (target.index ?? null) && at === where;
}

/** The factor of a head, or the value of a neuron. */
function field(
  { site, name, value }: Target,
  found: () => Row | undefined,
  put: (strength: number) => void,
  fail: (text: string) => void,
  until: AbortSignal,
): HTMLElement {
  const isNeuron = site === "neuron";
  const input = h("input", {
    class: "sw-touch-field",
    type: "text",
    inputmode: "decimal",
    autocomplete: "off",
    "aria-label": isNeuron ? `Value that ${name} is held at` : `Factor of ${name}`,
  });
  const show = (): void => void (input.value = plain(found()?.strength ?? (isNeuron ? (value ?? 0) : 1)));
  watch(until, show);
  const apply = (): void => {
    const strength = read(input.value);
    if (strength !== undefined) put(strength);
    else fail(`'${input.value}' is no number, and nothing was changed.`);
  };
  input.addEventListener("focus", () => input.select());
  input.addEventListener("change", apply);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      show();
      input.blur();
    } else if (event.key === "Enter" && isNeuron && !found()) apply();
    event.stopPropagation();
  });
  return h(
    "label",
    { class: "sw-touch-label", title: isNeuron ? "Hold it at a value: Enter" : "Scale what it puts out: Enter" },
    isNeuron ? "hold at" : "scale ×",
    input,
  );
}

/** All that acts, each to be taken away; then undo, and all of it as Python. */
function rowsOf(list: ReadonlySignal<Intervened>, asking: Asking, until: AbortSignal): HTMLElement {
  const element = h("span", { class: "sw-touch-rows" });
  const undo = button("Undo the last intervention", UNDO, () => asking.ask("undo_intervention"));
  const said = h("span", { class: "sw-dim", role: "status" });
  const copy = button("Copy the interventions as code", CODE, async () => {
    const data = await asking.ask("interventions_code");
    if (!data) return;
    try {
      await copyText(data.text);
      said.textContent = "copied";
      setTimeout(() => (said.textContent = ""), 2000);
    } catch (error) {
      asking.fail((error as Error).message);
    }
  });
  const chips = h("span", { class: "sw-touch-chips", role: "list", "aria-label": "What acts" });
  element.append(chips, undo, copy, said);
  watch(until, () => {
    const { rows, can_undo } = list.value;
    const shown = rows.slice(-MANY).map((row) => chip(row, () => asking.ask("withdraw", { key: row.key })));
    const more = rows.length - shown.length;
    chips.replaceChildren(...(more ? [h("span", { class: "sw-dim" }, `${more} more and`)] : []), ...shown);
    copy.hidden = !rows.length;
    undo.hidden = !can_undo;
    element.hidden = !rows.length && !can_undo;
  });
  return element;
}

function chip(row: Row, remove: () => void): HTMLElement {
  const at = row.at === "all positions" ? "" : `, ${row.at}`;
  const acts = row.on ? "" : " (off)";
  return h(
    "span",
    { class: `sw-chip sw-touch-chip${row.on ? "" : " sw-touch-off"}`, role: "listitem", title: `${row.key}${acts}` },
    h("span", { class: "sw-touch-row" }, `${row.name}${short(at)}${strengthOf(row)}`),
    h("button", { class: "sw-chip-clear", type: "button", "aria-label": `Remove ${row.name}`, onclick: remove }, "×"),
  );
}

/** ", positions 4 to 4" in few characters. */
const short = (at: string): string =>
  at.replace(/^, positions (\d+) to (\d+)$/, (_, from, to) => (from === to ? ` @${from}` : ` @${from}–${to}`));

function strengthOf({ kind, strength }: Row): string {
  if (kind === "patch" && strength === 1) return "";
  if (strength === null) return " free";
  return `${kind === "clamp" ? " = " : " × "}${plain(strength)}`;
}

/** Before → after, of all that acts together; dim where it is of what acted before. */
function effectOf(list: ReadonlySignal<Intervened>, asking: Asking, until: AbortSignal): HTMLElement {
  const numbers = h("span", { class: "sw-touch-numbers", role: "status", "aria-live": "polite" });
  const status = h("span", { class: "sw-touch-status" });
  const stop = h("button", { class: "sw-button", type: "button", onclick: () => asking.stop() }, "Stop");
  const element = h("span", { class: "sw-touch-effect" }, status, stop, numbers);
  watch(until, () => {
    const { rows, effect, answers } = list.value;
    const known = "kl" in effect;
    if (known) numbers.replaceChildren(...numbersOf(effect as Effect, answers));
    if (!rows.length) numbers.replaceChildren();
    numbers.classList.toggle("sw-touch-old", asking.pending.value || (rows.length > 0 && !known));
  });
  watch(until, () => {
    const problem = asking.problem.value;
    status.textContent = problem || (asking.running.value ? `${asking.running.value} …` : "");
    status.classList.toggle("sw-error", !!problem);
    stop.hidden = !asking.running.value;
  });
  return element;
}

function numbersOf({ kl, difference, next, log_probability }: Effect, answers: Intervened["answers"]): HTMLElement[] {
  const [before, after] = difference ?? log_probability;
  const what =
    difference && answers.length
      ? ["logit ", tokenSpan(answers[0]), " − ", tokenSpan(answers[1])]
      : ["log p ", tokenSpan(next[0])];
  const unknown = next.find(isUnknown);
  return [
    h("span", { class: "sw-dim", title: AGAIN }, "run again:"),
    h(
      "span",
      { title: "Of the model as it is → under all that acts" },
      h("span", { class: "sw-dim" }, ...what),
      ` ${signed(before, (size) => steady(Math.abs(size)))} → `,
      h(
        "b",
        {},
        signed(after, (size) => steady(Math.abs(size))),
      ),
    ),
    h(
      "span",
      { title: "Most probable next token of the model as it is → under all that acts" },
      h("span", { class: "sw-dim" }, "next "),
      tokenSpan(next[0]),
      " → ",
      h("b", {}, tokenSpan(next[1])),
      ...(unknown ? [h("span", { class: "sw-dim" }, ` (${unknown.trim()}: ${UNKNOWN})`)] : []),
    ),
    h(
      "span",
      { title: "Divergence of the next-token distribution from that of the model as it is, in nats" },
      h("span", { class: "sw-dim" }, "KL "),
      `${steady(kl < NOISE ? 0 : kl)} nats`,
    ),
  ];
}

const button = (label: string, path: string, onclick: () => void): HTMLButtonElement =>
  h("button", { class: "sw-button", type: "button", title: label, "aria-label": label, onclick }, icon(path));

const plain = (value: number): string => String(Number(value.toPrecision(3))).replace("-", "−");

function read(text: string): number | undefined {
  const tidy = text.trim().replace("−", "-").replace(",", ".");
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(tidy) && Number.isFinite(Number(tidy)) ? Number(tidy) : undefined;
}
