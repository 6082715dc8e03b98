/** The page of a latent: what it fires on, how strongly and how often, what it writes, its label and where all that is from. */
import { cssColour } from "../core/drawing/colour";
import { h } from "../core/elements/dom";
import type { Tooltip } from "../core/elements/tooltip";
import { count, counted, significant, steady } from "../core/format";
import { plain } from "../core/tokens";
import { type Colouring, createLine } from "./example_line";
import type { Label, LatentPage, Line } from "./page_data";
import { percent } from "./page_text";
import type { State } from "./state";

/** Of the strongest examples so many are shown at first. */
const FIRST = 8;
const QUARTERS = ["strongest quarter", "second quarter", "third quarter", "weakest quarter"];

export interface PageOptions {
  state: State;
  tooltip: Tooltip;
  page: LatentPage;
  /** Why it fires. */
  why: HTMLElement;
}

export function latentElements({ state, page, why }: PageOptions): HTMLElement[] {
  const dead = page.count === 0;
  const colouring: Colouring = { table: state.table.peek(), high: page.max };
  return [
    labelElement(page),
    h("div", { class: "fb-facts" }, factsOf(state, page), ...(dead ? [] : [histogram(page)])),
    why,
    ...typedLine(state, page, colouring),
    ...(dead ? [] : [examples(page, colouring)]),
    tables(state, page),
    ...(dead ? [] : [quarters(page, colouring)]),
    ...(page.label ? [evidence(page.label)] : []),
    h("div", { class: "fb-source sw-dim" }, ...sourceOf(state).map((line) => h("div", {}, line))),
  ];
}

/** Where all that is from. */
const sourceOf = (state: State): string[] => [
  ...(state.identity.value ? [`SAE ${state.identity.value}`] : []),
  ...state.model.get("source"),
];

function labelElement({ label, count: fires }: LatentPage): HTMLElement {
  if (fires === 0)
    return h(
      "div",
      { class: "fb-title" },
      h("span", { class: "fb-flag" }, "dead"),
      "It fired on no token of this index.",
    );
  if (!label || label.text === "unlabelled")
    return h(
      "div",
      { class: "fb-title sw-dim" },
      label ? "unlabelled: no label is better than those of others" : "no label",
    );
  return h("div", { class: "fb-title" }, label.text);
}

function factsOf(state: State, { count: fires, mean, max, label }: LatentPage): HTMLElement {
  const tokens = state.model.get("n_tokens");
  const fact = (name: string, value: string, more = ""): HTMLElement[] => [
    h("dt", {}, name),
    h("dd", {}, value, ...(more ? [h("span", { class: "sw-dim" }, ` ${more}`)] : [])),
  ];
  const scores =
    label && label.text !== "unlabelled"
      ? [
          ...scoreFact("detection", label.detection, label.null_detection),
          ...scoreFact("fuzzing", label.fuzzing, label.null_fuzzing),
        ]
      : [];
  return h(
    "dl",
    { class: "fb-numbers" },
    ...fact("rate", percent(fires / Math.max(1, tokens)), `${count(fires)} of ${counted(tokens, "token")}`),
    ...(fires ? [...fact("mean", steady(mean), "where it fires"), ...fact("max", steady(max))] : []),
    ...scores,
  );
}

/** A score of a label on a scale of 0 to 1, beside what other latents' labels get. */
function scoreFact(name: string, value: number | null, without: number | null): HTMLElement[] {
  if (value === null) return [];
  const track = h("span", { class: "fb-score", "aria-hidden": "true" }, h("i", { style: `width: ${100 * value}%` }));
  if (without !== null) track.append(h("u", { style: `left: ${100 * without}%` }));
  const beside = without === null ? "" : `null ${without.toFixed(2)}`;
  return [
    h("dt", {}, name),
    h(
      "dd",
      { title: "The mark is what labels of other latents get." },
      value.toFixed(2),
      track,
      h("span", { class: "sw-dim" }, beside),
    ),
  ];
}

function histogram({ histogram: bins, max }: LatentPage): HTMLElement {
  const most = Math.log1p(bins.reduce((most, [, , n]) => Math.max(most, n), 0)) || 1;
  const bars = bins.map(([low, high, n]) =>
    h("i", {
      style: `height: ${n ? Math.max(3, (100 * Math.log1p(n)) / most) : 0}%`,
      title: `${counted(n, "token")} from ${significant(low)} to ${significant(high)}`,
    }),
  );
  return h(
    "figure",
    { class: "fb-histogram", role: "img", "aria-label": spokenHistogram(bins) },
    h("div", { class: "fb-bars" }, ...bars.map((bar) => h("span", { title: bar.title }, bar))),
    h(
      "figcaption",
      {},
      h("span", {}, `≤ ${significant(max / 100)}`),
      h("span", {}, "how often, log"),
      h("span", {}, steady(max)),
    ),
  );
}

const spokenHistogram = (bins: LatentPage["histogram"]): string =>
  `How often it fires how strongly: ${bins.flatMap(([, high, n]) => (n ? [`${count(n)} up to ${significant(high)}`] : [])).join(", ")}`;

/** Its activation on the text that is typed. */
function typedLine(state: State, { latent, max }: LatentPage, { table }: Colouring): HTMLElement[] {
  const fires = state.fires.value;
  if (!fires) return [];
  const values = fires.line(latent);
  const chosen = state.chosen;
  const at = chosen ?? values.reduce((best, value, place) => (value > values[best]! ? place : best), 0);
  const strongest = values.reduce((most, value) => Math.max(most, value), 0);
  const line = { tokens: fires.tokens, values, at, where: (place: number) => `position ${place} of your text` };
  return [
    h("h4", {}, "your text", h("span", { class: "sw-dim" }, strongest ? "" : " it does not fire on it")),
    h("div", { class: "fb-lines" }, row(strongest, createLine(line, { table, high: Math.max(max, strongest) }))),
  ];
}

const row = (value: number, line: HTMLElement): HTMLElement =>
  h("div", { class: "fb-line" }, h("span", { class: "fb-value" }, steady(value)), line);

const lineElement = (line: Line, colouring: Colouring): HTMLElement =>
  row(
    line.value,
    createLine(
      { ...line, where: (at) => `position ${line.position + at - line.at} of text ${line.sample}` },
      colouring,
    ),
  );

function examples({ lines }: LatentPage, colouring: Colouring): HTMLElement {
  const all = lines.filter(({ quarter }) => quarter === null);
  const box = h("div", { class: "fb-lines" }, ...all.slice(0, FIRST).map((one) => lineElement(one, colouring)));
  const more = h("button", { class: "sw-button fb-more", type: "button" }, `${all.length - FIRST} more`);
  more.addEventListener("click", () => {
    box.append(...all.slice(FIRST).map((one) => lineElement(one, colouring)));
    more.remove();
  });
  const unknown = all.some(({ values }) => values.includes(null));
  const note = unknown ? "dotted: it fires, how strongly is not known" : "";
  return h(
    "section",
    {},
    h(
      "h4",
      {
        class: "fb-scaled",
        title: unknown ? "Activations of other tokens need the SAE, and the recording where it was." : "",
      },
      "strongest examples",
      h("span", { class: "sw-dim" }, note),
      ramp(colouring),
    ),
    box,
    ...(all.length > FIRST ? [more] : []),
  );
}

/** What the colours mean, from nothing to the largest activation. */
function ramp({ table, high }: Colouring): HTMLElement {
  const stops = Array.from({ length: 9 }, (_, i) => cssColour(table[Math.round((i * 255) / 8)]!));
  const bar = h("i", { style: `background: linear-gradient(90deg, ${stops.join(", ")})` });
  return h("span", { class: "fb-ramp sw-dim", title: "activation, linear" }, "0", bar, steady(high));
}

function quarters({ lines }: LatentPage, colouring: Colouring): HTMLElement {
  const parts = QUARTERS.flatMap((name, quarter) => {
    const some = lines.filter((line) => line.quarter === quarter);
    return some.length
      ? [h("h4", {}, name), h("div", { class: "fb-lines" }, ...some.map((one) => lineElement(one, colouring)))]
      : [];
  });
  return h("section", {}, ...parts);
}

function tables(state: State, page: LatentPage): HTMLElement {
  const open =
    (latent: number): (() => void) =>
    () =>
      state.open(latent);
  const tokenRows = (rows: [string, string][]): HTMLElement[] =>
    rows.map(([token, value]) => entry(h("span", { class: "fb-mono" }, plain(token, 24)), value));
  const latentRows = (rows: [number, string][]): HTMLElement[] =>
    rows.map(([latent, value]) => {
      const words = state.words(latent);
      const name = words && (words.label || words.tokens);
      const here = state.columns.rowOf(latent) !== undefined;
      const button = h("button", { class: "sw-link", type: "button", onclick: open(latent) }, String(latent));
      button.disabled = !here;
      return entry(h("span", { class: "fb-other" }, button, h("span", { class: "sw-dim" }, name ?? "…")), value);
    });
  const table = (name: string, rows: HTMLElement[], unit: string): HTMLElement[] =>
    rows.length ? [h("section", {}, h("h4", {}, name, h("span", { class: "sw-dim" }, ` ${unit}`)), ...rows)] : [];
  return h(
    "div",
    { class: "fb-tables" },
    ...table(
      "fires on",
      tokenRows(page.tokens.map(([token, , share]) => [token, percent(share)])),
      "share of its firings",
    ),
    ...table(
      "promotes",
      tokenRows(page.promotes.map(([token, logit]) => [token, `+${steady(logit)}`.replace("+−", "−")])),
      "logit",
    ),
    ...table("suppresses", tokenRows(page.suppresses.map(([token, logit]) => [token, steady(logit)])), "logit"),
    ...table(
      "nearest decoder rows",
      latentRows(page.neighbours.map(([one, cosine]) => [one, cosine.toFixed(2).replace("-", "−")])),
      "cosine",
    ),
    ...table("in the other SAE", otherRows(page), "cosine"),
    ...table("fires with", latentRows(page.partners.map(([one, share]) => [one, percent(share)])), "of its tokens"),
  );
}

/** Of another autoencoder: ⇄ where each is the other's nearest. */
const otherRows = ({ others }: LatentPage): HTMLElement[] =>
  others.map(([latent, cosine, words, mutual]) => {
    const title = mutual ? "Each is the other's nearest." : "That one has a nearer one here.";
    const name = h("span", { class: "fb-other", title }, String(latent), mutual ? " ⇄ " : " ");
    name.append(h("span", { class: "sw-dim" }, words));
    return entry(name, cosine.toFixed(2).replace("-", "−"));
  });

const entry = (name: HTMLElement, value: string): HTMLElement =>
  h("div", { class: "fb-entry" }, name, h("span", { class: "fb-amount" }, value));

function evidence(label: Label): HTMLElement {
  const said = [
    label.evidence,
    label.low !== null && label.high !== null
      ? `fuzzing between ${label.low.toFixed(2)} and ${label.high.toFixed(2)} (95 %)`
      : "",
    label.q !== null ? `q ${significant(label.q)}` : "",
    `it fires in ${label.firing} of ${counted(label.n, "passage")} that were scored`,
  ].filter(Boolean);
  return h("section", {}, h("h4", {}, "evidence of the label"), h("p", { class: "sw-dim" }, said.join("; ")));
}
