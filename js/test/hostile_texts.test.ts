// @vitest-environment happy-dom
/** Every view with texts that nobody means well: none is executed, none ends a view. */
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import attentionStack from "../src/attention_stack";
import attentionView from "../src/attention_view";
import attributionView from "../src/attribution_view";
import circuitGraph from "../src/circuit_graph";
import headTable from "../src/head_table";
import logitLensView from "../src/logit_lens_view";
import patchingMap from "../src/patching_map";
import projectionView from "../src/projection_view";
import steeringPanel from "../src/steering_panel";
import tokenView from "../src/token_view";
import { FakeModel } from "./fake_model";

const VIEWS: Record<string, { render(host: { model: any; el: HTMLElement }): () => void }> = {
  attention_stack: attentionStack,
  attention_view: attentionView,
  attribution_view: attributionView,
  circuit_graph: circuitGraph,
  head_table: headTable,
  logit_lens_view: logitLensView,
  patching_map: patchingMap,
  projection_view: projectionView,
  steering_panel: steeringPanel,
  token_view: tokenView,
};

const TEXTS = [
  "<img src=x onerror=window.executed=1>",
  "</script><script>window.executed=1</script>",
  '"><svg onload=window.executed=1>',
  "javascript:window.executed=1",
  "\u202egnp.exe\u2066",
  "__proto__",
  "constructor",
  "toString",
  "a\u0000b",
  "\ud800",
  "=cmd|' /C calc'!A0",
  "",
  "\n\r\t",
  "x".repeat(20_000),
];

/** Traits of every view that hold free texts. */
const FREE = new Set(
  `title tokens versus_tokens comparison message strip_tokens evidence positions prompts problem waiting metric quantity meaning code
  model_name prompt_tokens answers names facts statistics filter sort answer versus expected no_neurons
  words axes fidelity`.split(/\s+/),
);

const states = JSON.parse(readFileSync(`${import.meta.dirname}/../../tests/fixtures/view_states.json`, "utf8"));

const replaced = (value: any, text: string): any =>
  typeof value === "string" ? text : Array.isArray(value) ? value.map((one) => replaced(one, text)) : value;

const bytes = (base64: string): DataView => new DataView(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer);

function hostile(state: Record<string, any>, text: string): Record<string, any> {
  const made: Record<string, any> = {};
  for (const [name, value] of Object.entries(state)) {
    if (value?.base64 !== undefined) made[name] = bytes(value.base64);
    else made[name] = FREE.has(name) ? replaced(value, text) : structuredClone(value);
  }
  const named = text.trim() || "g";
  if (made.texts)
    made.texts = Object.fromEntries(Object.entries(made.texts).map(([key, one]) => [key, replaced(one, text)]));
  if (made.columns) {
    const column = made.columns.find((one: any) => one.kind === "text");
    if (column) {
      made.texts = { ...made.texts, [named]: made.texts[column.name] };
      column.name = named;
    }
  }
  if (made.places)
    made.columns = made.columns.map((one: any) => ({ ...one, classes: one.classes && replaced(one.classes, text) }));
  if (made.components) made.components = made.components.map(([, ...rest]: any[]) => [text, ...rest]);
  if (made.labels) made.labels = Object.fromEntries(Object.keys(made.labels).map((key) => [key, text]));
  if (made.groups) made.groups = Object.fromEntries([[named, ["m0", "m1"]]]);
  if (made.interventions) for (const one of made.interventions) one.name = text;
  if (made.presets) made.presets = Object.fromEntries([[named, { strengths: {}, enabled: {} }]]);
  if (made.question?.pairs)
    made.question = { ...made.question, answer: [text], pairs: made.question.pairs.map(() => [text, `${text}!`]) };
  made.selected_heads = [[0, 0]];
  made.head_notes = [[0, 0, text]];
  if (made.start?.tokens) for (const one of made.start.tokens) one.text = text;
  return made;
}

/** A pen that draws nowhere. */
const pen: any = new Proxy(
  {},
  {
    get: (target: any, name) => {
      if (name in target) return target[name];
      if (name === "measureText") return (text: string) => ({ width: 6 * text.length, actualBoundingBoxAscent: 8 });
      if (name === "createImageData" || name === "getImageData")
        return (width: number, height: number) => new ImageData(width, height);
      return () => ({ addColorStop: () => {} });
    },
    set: (target, name, value) => {
      target[name] = value;
      return true;
    },
  },
);

const problems: unknown[] = [];
const note = (event: any): void => void problems.push(event.error ?? event.reason ?? event);

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation((kind) => (kind === "2d" ? pen : null));
  vi.stubGlobal("requestAnimationFrame", (run: () => void) => setTimeout(run, 0));
  window.addEventListener("error", note);
  problems.length = 0;
});

afterEach(() => {
  window.removeEventListener("error", note);
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

for (const [name, view] of Object.entries(VIEWS))
  test.each(TEXTS.map((text) => [JSON.stringify(text).slice(0, 40), text]))(`${name} shows %s`, (_, text) => {
    const model = new FakeModel(hostile(states[name], text));
    const el = document.body.appendChild(document.createElement("div"));
    const end = view.render({ model, el });
    vi.advanceTimersByTime(1000);
    const all = [
      ...el.querySelectorAll("*"),
      ...[...el.querySelectorAll("*")].flatMap((one) => [...(one.shadowRoot?.querySelectorAll("*") ?? [])]),
    ];
    expect(all.length).toBeGreaterThan(10);
    for (const one of all) {
      expect(["SCRIPT", "IMG", "IFRAME", "OBJECT"]).not.toContain(one.tagName);
      for (const { name: attribute, value } of one.attributes) {
        expect(attribute.startsWith("on")).toBe(false);
        if (["href", "src"].includes(attribute)) expect(value).not.toMatch(/^\s*javascript:/i);
      }
    }
    expect((window as any).executed).toBeUndefined();
    expect(({} as any).strengths).toBeUndefined();
    expect(problems).toEqual([]);
    end();
    el.remove();
  });
