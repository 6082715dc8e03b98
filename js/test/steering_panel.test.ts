import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { float32 } from "../src/core/bytes";
import { promptText } from "../src/core/prompt_text";
import { signal } from "../src/core/reactive";
import { Requests } from "../src/core/requests";
import { selectionOf } from "../src/core/selection";
import { mostProbable, type Token } from "../src/steering_panel/answers/answer";
import { createAnswers } from "../src/steering_panel/answers/answers";
import { layoutOf, moveOf } from "../src/steering_panel/answers/bars_layout";
import { type Grid, interpolated } from "../src/steering_panel/answers/interpolation";
import { type Asked, Queue } from "../src/steering_panel/answers/queue";
import { differing } from "../src/steering_panel/continuations/word_difference";
import { csv } from "../src/steering_panel/export";
import { applied, presetOf, presetsText, readPresets } from "../src/steering_panel/sliders/presets";
import {
  effectiveOf,
  placeOf,
  readStrength,
  type Slider,
  snapped,
  stepOf,
  strengthText,
} from "../src/steering_panel/sliders/sliders";
import { State } from "../src/steering_panel/state";
import { fluentKlOf } from "../src/steering_panel/sweeps/sweeps";
import { FakeModel } from "./fake_model";

// -- the queue

interface Sent {
  question: number;
  answer(): Promise<void>;
  fail(message: string): Promise<void>;
}

function queueing() {
  const life = new AbortController();
  const sent: Sent[] = [];
  const painted: number[] = [];
  const problems: string[] = [];
  const waiting: string[] = [];
  const kernel = { ms: 0 };
  const settled = async (action: () => void): Promise<void> => {
    action();
    for (let i = 0; i < 5; i++) await Promise.resolve();
  };
  const queue = new Queue<number, number>(
    {
      ask: (question) =>
        new Promise((resolve, reject) =>
          sent.push({
            question,
            answer: () => settled(() => resolve(question)),
            fail: (message) => settled(() => reject(new Error(message))),
          }),
        ),
      took: () => kernel.ms,
      onAnswer: (_: Asked<number>, answer) => painted.push(answer),
      onProblem: ({ message }) => problems.push(message),
      onWaiting: (now) => waiting.at(-1) !== now && waiting.push(now),
    },
    life.signal,
  );
  return { queue, kernel, sent, painted, problems, waiting, life, asked: () => sent.map(({ question }) => question) };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("two requests are under way at most, and of what was wanted meanwhile only the newest is asked for", async () => {
  const { queue, sent, painted, asked } = queueing();
  for (let value = 1; value <= 9; value++) queue.want(value, 0);
  expect(asked()).toEqual([1, 2]);
  await sent[0]!.answer();
  expect(asked()).toEqual([1, 2, 9]);
  await sent[1]!.answer();
  await sent[2]!.answer();
  expect(painted).toEqual([1, 2, 9]);
  expect(asked()).toEqual([1, 2, 9]);
});

test("a second request goes out only where the wire takes long beside the kernel", async () => {
  const { queue, kernel, sent, asked } = queueing();
  kernel.ms = 40;
  queue.want(1, 0);
  vi.advanceTimersByTime(50); // 10 ms of them on the wire
  await sent[0]!.answer();
  for (let value = 2; value <= 4; value++) queue.want(value, 0);
  expect(asked()).toEqual([1, 2]);
  vi.advanceTimersByTime(45);
  await sent[1]!.answer();
  expect(asked()).toEqual([1, 2, 4]);
  kernel.ms = 5;
  vi.advanceTimersByTime(50);
  await sent[2]!.answer();
  for (let value = 5; value <= 9; value++) queue.want(value, 0);
  expect(asked()).toEqual([1, 2, 4, 5, 6]);
});

test("an answer older than what is painted is never painted", async () => {
  const { queue, sent, painted } = queueing();
  queue.want(1, 0);
  queue.want(2, 0);
  await sent[1]!.answer();
  await sent[0]!.answer();
  expect(painted).toEqual([2]);
});

test("an error is said of what is wanted only, and the next value is asked for", async () => {
  const { queue, sent, painted, problems } = queueing();
  queue.want(1, 0);
  queue.want(2, 0);
  queue.want(3, 0);
  await sent[0]!.fail("old");
  expect(problems).toEqual([]);
  await sent[1]!.answer();
  await sent[2]!.fail("new");
  expect([painted, problems]).toEqual([[2], ["new"]]);
  queue.want(4, 0);
  await sent[3]!.answer();
  expect(painted).toEqual([2, 4]);
});

test("waiting is said after 0.3 s and after 5 s, and is over with the answer", async () => {
  const { queue, sent, waiting } = queueing();
  queue.want(1, 0);
  await vi.advanceTimersByTimeAsync(299);
  expect(waiting.at(-1) ?? "").toBe("");
  await vi.advanceTimersByTimeAsync(2);
  expect(waiting.at(-1)).toBe("short");
  await vi.advanceTimersByTimeAsync(4800);
  expect(waiting.at(-1)).toBe("long");
  await sent[0]!.answer();
  expect(waiting.at(-1)).toBe("");
});

test("what was set is asked again, ever more rarely, when messages are lost", async () => {
  const { queue, sent, painted, asked } = queueing();
  for (const value of [1, 2, 3]) queue.want(value, 0);
  await vi.advanceTimersByTimeAsync(5001);
  expect(asked()).toEqual([1, 2, 3]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(
    asked()
      .slice(3)
      .every((value) => value === 3),
  ).toBe(true);
  expect(asked().length).toBeLessThan(8);
  await sent.at(-1)!.answer();
  expect(painted).toEqual([3]);
  const before = sent.length;
  queue.want(4, 0);
  expect(sent.length).toBe(before + 1);
});

test("nothing is asked twice when a kernel was merely busy", async () => {
  const { queue, sent, painted } = queueing();
  queue.want(1, 0);
  queue.want(2, 0);
  await vi.advanceTimersByTimeAsync(4000);
  await sent[0]!.answer();
  await sent[1]!.answer();
  await vi.advanceTimersByTimeAsync(60_000);
  expect([sent.length, painted]).toEqual([2, [1, 2]]);
});

test("a queue whose view is gone has no timers", () => {
  const { queue, life } = queueing();
  queue.want(1, 0);
  life.abort();
  expect(vi.getTimerCount()).toBe(0);
});

// -- sliders

const slider = (changes: Partial<Slider> = {}): Slider => ({
  key: "head 3.1",
  kind: "scale",
  name: "head 3.1",
  layer: 3,
  site: "head",
  head: [3, 1],
  at: "all positions",
  neutral: 1,
  low: 0,
  high: 2,
  typical: null,
  order: 1,
  ...changes,
});
const neuron = slider({
  key: "neuron",
  kind: "clamp",
  name: "neuron 1:5",
  head: null,
  neutral: null,
  low: -2,
  high: 2,
});

test("a slider that is off is where it does nothing", () => {
  expect(effectiveOf([slider(), neuron], { strengths: [0.5, 2], enabled: [false, true] })).toEqual([1, 2]);
  expect(effectiveOf([slider(), neuron], { strengths: [0.5, 2], enabled: [true, false] })).toEqual([0.5, null]);
});

test("strengths are snapped to steps and kept within the ends", () => {
  expect(stepOf(slider())).toBe(0.01);
  expect(snapped(slider(), 0.4949)).toBe(0.49);
  expect(snapped(slider(), 7)).toBe(2);
  expect(placeOf(slider(), 5)).toBe(1);
});

test("a number that was written is read, and what is none is refused", () => {
  expect(["0.5", " −1,25", "1e-2", "+.5"].map((text) => readStrength(slider(), text))).toEqual([0.5, -1.25, 0.01, 0.5]);
  for (const text of ["", "free", "Infinity", "NaN", "1e999", "0x10", "1 2", "many"])
    expect(readStrength(slider(), text)).toBeUndefined();
  expect(["", "free", "2"].map((text) => readStrength(neuron, text))).toEqual([null, null, 2]);
  expect([null, -0.3, 0.1 + 0.2].map(strengthText)).toEqual(["free", "−0.3", "0.3"]);
});

// -- bars

const token = (id: number, p: number, p0: number, rank = id, rank0 = id): Token => ({
  id,
  text: `t${id}`,
  p,
  p0,
  rank,
  rank0,
});

test("rows stand by probability, and lines join the tokens that both columns have", () => {
  const tokens = Array.from({ length: 12 }, (_, id) => token(id, (id + 1) / 100, (12 - id) / 100, 11 - id, id));
  const layout = layoutOf({ tokens, kl: 0, difference: null, difference0: null }, 500);
  expect(layout.before.map((bar) => bar.token.id)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(layout.after.map((bar) => bar.token.id)).toEqual([11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
  expect(layout.links.map((link) => link.token.id)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
  expect(layout.links[0]).toMatchObject({ from: 50, to: 190, move: "down" });
  expect(layout.before.filter((bar) => bar.alone).map((bar) => bar.token.id)).toEqual([0, 1]);
  expect(layout.before[0]!.length / layout.before[5]!.length).toBeCloseTo(12 / 7);
});

test("up is nearer to the top", () => {
  expect([moveOf(token(1, 0, 0, 2, 5)), moveOf(token(1, 0, 0, 5, 2)), moveOf(token(1, 0, 0, 3, 3))]).toEqual([
    "up",
    "down",
    "none",
  ]);
});

test("a prompt is read as it was written", () => {
  expect(promptText(["The", " cat", ",", " sat"])).toBe("The cat, sat");
  expect(promptText(["The", "cat", "sat"])).toBe("The cat sat");
});

test("the table of tokens as CSV", () => {
  expect(
    csv({ tokens: [{ ...token(3, 0.5, 0.25), text: ' "a",\n' }], kl: 0, difference: null, difference0: null }),
  ).toBe('id,token,unsteered,steered,unsteered_rank,steered_rank\r\n3," ""a"",\n",0.25,0.5,3,3\r\n');
});

// -- a saved page

const grid: Grid = {
  strengths: [0, 1, 2, null],
  tokens: [
    { id: 7, text: " a" },
    { id: 8, text: " b" },
  ],
  kl: [0, 1, 3, 0.5],
  difference: [2, 0, -2, 1],
  p: float32(Float32Array.from([0.8, 0.1, 0.2, 0.4, 0.1, 0, 0.5, 0.3]).buffer),
  p0: float32(Float32Array.from([0.8, 0.1]).buffer),
};

test("at a strength that was computed the numbers are those", () => {
  const { answer, computed } = interpolated(grid, 1, 2)!;
  expect(computed).toBe(true);
  expect(answer.tokens.map(({ p }) => p)).toEqual([Math.fround(0.2), Math.fround(0.4)]);
  expect(answer.tokens.map(({ rank, rank0 }) => [rank, rank0])).toEqual([
    [1, 0],
    [0, 1],
  ]);
  expect([answer.kl, answer.difference, answer.difference0]).toEqual([1, 0, 2]);
  expect(interpolated(grid, null, 2)!.answer.kl).toBe(0.5);
});

test("between two strengths log-probabilities are interpolated", () => {
  const { answer, computed } = interpolated(grid, 0.25, 2)!;
  expect(computed).toBe(false);
  expect(answer.tokens[0]!.p).toBeCloseTo(Math.exp(0.75 * Math.log(0.8) + 0.25 * Math.log(0.2)));
  expect([answer.kl, answer.difference]).toEqual([0.25, 1.5]);
  expect(interpolated(grid, 1.5, 2)!.answer.tokens[1]!.p).toBeGreaterThan(0);
});

test("nothing is made up beyond what was computed", () => {
  for (const strength of [-0.1, 2.1]) expect(interpolated(grid, strength, 2)).toBeUndefined();
});

// -- presets

const sliders = [neuron, slider(), slider({ key: "add", kind: "add", name: "add mood", layer: 5, neutral: 0 })];

test("a preset sets what it has and leaves the rest where it does nothing", () => {
  const preset = presetOf(sliders, { strengths: [1, 0.5, 0.2], enabled: [true, false, true] });
  expect(applied(preset, sliders)).toEqual({
    setting: { strengths: [1, 0.5, 0.2], enabled: [true, false, true] },
    missing: [],
  });
  expect(applied(preset, [slider({ key: "other" }), sliders[2]!])).toEqual({
    setting: { strengths: [1, 0.2], enabled: [true, true] },
    missing: ["neuron", "head 3.1"],
  });
});

test("presets come back from their file", () => {
  const presets = { 'a "b"': presetOf(sliders, { strengths: [null, 0.5, 0.2], enabled: [true, false, true] }) };
  expect(readPresets(presetsText(presets, sliders, "demo"), sliders, "demo")).toEqual(presets);
});

test("a file that does not fit says why", () => {
  const text = presetsText(
    { a: presetOf(sliders, { strengths: [null, 0.5, 0.2], enabled: [true, true, true] }) },
    sliders,
    "demo",
  );
  expect(() => readPresets(text, sliders, "gpt2")).toThrow("These presets are of demo, and this panel steers gpt2.");
  expect(() => readPresets(text, sliders.slice(0, 2), "demo")).toThrow(
    "These presets need 'add mood' (layer 5, all positions), which this panel lacks",
  );
  for (const wrong of [
    "",
    "[]",
    "{}",
    "null",
    '{"format": "scope-widgets steering presets 1", "model": "demo", "presets": {"a": 3}}',
    text.replace("0.5", '"x"'),
  ])
    expect(() => readPresets(wrong, sliders, "demo")).toThrow("not JSON of presets");
});

// -- state

function stateOf(changes: Record<string, unknown> = {}) {
  const model = new FakeModel({
    interventions: sliders,
    strengths: [null, 1, 0],
    enabled: [true, true, true],
    fluent: {},
    presets: {},
    selected_heads: [],
    selected_tokens: [],
    n_layers: 4,
    n_heads: 4,
    ...changes,
  });
  const until = new AbortController().signal;
  return { model, state: new State(model, selectionOf(model, until), signal({} as any), until) };
}

test("a list of sliders that Python made before it heard of a move does not undo it", () => {
  const { model, state } = stateOf();
  state.set(1, 0.5);
  const more = [...state.sliders.peek(), slider({ key: "late" })];
  model.arrive("interventions", more);
  model.arrive("enabled", [true, true, true, true]);
  model.arrive("strengths", [null, 1, 0, 0]);
  expect(state.setting.value.strengths).toEqual([null, 0.5, 0, 0]);
  expect(model.saved.at(-1)).toMatchObject({ strengths: [null, 0.5, 0, 0] });
  model.arrive("strengths", [null, 0.9, 0, 0]); // Python says otherwise
  expect(state.setting.value.strengths).toEqual([null, 0.9, 0, 0]);
});

test("a slider that is held stays in hand where another one comes before it or goes", () => {
  const { model, state } = stateOf();
  state.slide(1, 0.5);
  const others = state.sliders.peek().slice(1);
  model.arrive("enabled", [true, true]);
  model.arrive("strengths", [1, 0]);
  model.arrive("interventions", others);
  expect(state.moving.value).toEqual({ at: 0, strength: 0.5 });
  state.release();
  expect(state.setting.value.strengths).toEqual([0.5, 0]);
  model.arrive("enabled", [true]);
  model.arrive("strengths", [0]);
  model.arrive("interventions", others.slice(1));
  model.arrive("enabled", [true, true]);
  model.arrive("strengths", [1, 0]);
  model.arrive("interventions", others); // it was taken away, and is another one now
  expect(state.setting.value.strengths).toEqual([1, 0]);
});

test("while a slider is dragged nothing is saved; on release once", () => {
  const { model, state } = stateOf();
  for (const strength of [0.9, 0.8, 0.7]) state.slide(1, strength);
  expect(state.effective.value).toEqual([null, 0.7, 0]);
  expect(model.saved).toEqual([]);
  state.release();
  expect(model.saved).toEqual([{ strengths: [null, 0.7, 0], enabled: [true, true, true] }]);
  expect(state.moving.value).toBeUndefined();
});

test("changes can be undone, those from Python too", () => {
  const { model, state } = stateOf();
  state.set(1, 0.5);
  model.arrive("strengths", [null, 0.5, 2]);
  expect(state.effective.value).toEqual([null, 0.5, 2]);
  state.undo();
  state.undo();
  expect(state.effective.value).toEqual([null, 1, 0]);
  state.redo();
  expect(state.effective.value).toEqual([null, 0.5, 0]);
  expect(model.get("strengths")).toEqual([null, 0.5, 0]);
});

test("a slider that goes is taken in when all three lists have come, and cannot be undone", () => {
  const { model, state } = stateOf();
  state.set(1, 0.5);
  model.arrive("interventions", sliders.slice(1));
  expect(state.sliders.value.length).toBe(3);
  model.arrive("strengths", [0.5, 0]);
  model.arrive("enabled", [true, true]);
  expect(state.effective.value).toEqual([0.5, 0]);
  expect(state.history.canUndo.value).toBe(false);
});

test("in a saved page the slider that was moved before goes back", () => {
  const { state } = stateOf({ _saved_page: true, strengths: [null, 0.8, 0] });
  state.set(1, 0.3);
  expect(state.note.value).toBe("");
  state.slide(2, 0.5);
  expect(state.effective.value).toEqual([null, 0.8, 0.5]);
  expect(state.note.value).toContain("one slider moves at a time");
});

test("heads that are selected and have no slider can be added", () => {
  const { state } = stateOf({
    selected_heads: [
      [3, 1],
      [2, 0],
      [9, 0],
    ],
    selection_id: "of this test",
  });
  expect(state.missingHeads()).toEqual([[2, 0]]);
});

// -- sweeps and continuations

test("the KL divergence that is fluent is the largest within the range", () => {
  const sweep = {
    name: "",
    strengths: [-1, 0, 1, 2],
    kl: [0.3, 0, 0.7, 4],
    difference: null,
    loss: [],
    fluent: [-1, 1] as [number, number],
    limit: 1,
    spearman: null,
  };
  expect(fluentKlOf(sweep)).toBe(0.7);
  expect(fluentKlOf({ ...sweep, fluent: null })).toBeUndefined();
});

test("words that differ are marked from the first difference on", () => {
  const [one, other] = differing("The cat sat on the mat.", "The cat lay down on the mat.");
  expect(one.filter(({ differs }) => differs).map(({ text }) => text)).toEqual([" sat"]);
  expect(other.filter(({ differs }) => differs).map(({ text }) => text)).toEqual([" lay", " down"]);
  expect(one.map(({ text }) => text).join("")).toBe("The cat sat on the mat.");
  expect(differing("", "a b")[1].every(({ differs }) => differs)).toBe(true);
});

test("the most probable tokens come first", () => {
  expect(mostProbable([token(1, 0.1, 0.5), token(2, 0.6, 0.2)], "p").map(({ id }) => id)).toEqual([2, 1]);
});

// -- of a model on a server

/** A panel whose answers take their time, its requests answered by hand. */
function slow() {
  const answer = (p: number) => ({
    tokens: [{ id: 7, text: " a", p, p0: 0.8, rank: 0, rank0: 0 }],
    kl: 9,
    difference: 0,
    difference0: 2,
  });
  const made = stateOf({ interactive: false, start: { strengths: [null, 1, 0], ...answer(0.8) } });
  const life = new AbortController();
  const answers = createAnswers(made.state, new Requests(made.model, life.signal), { dataset: {} } as any, life.signal);
  const settled = async (): Promise<void> => void (await vi.advanceTimersByTimeAsync(1));
  const asked = (name: string) =>
    made.model.sent.filter((one: any) => one.kind === "req" && one.name === name) as any[];
  const reply = async (name: string, data: unknown, buffers: ArrayBuffer[] = []): Promise<void> => {
    made.model.tell("msg:custom", { v: 1, id: asked(name).at(-1).id, kind: "res", data }, buffers);
    await settled();
  };
  const { p, p0, ...data } = grid;
  return {
    ...made,
    answers,
    life,
    asked,
    settled,
    steer: (p: number) => reply("steer", { ...answer(p), ms: 0 }),
    grid: () => reply("grid", { ...data, strengths: [-1, 0, 1, 2] }, [p.slice().buffer, p0.slice().buffer]),
    tell: (name: string, message: object) =>
      made.model.tell("msg:custom", { v: 1, id: asked(name).at(-1).id, ...message }, []),
  };
}

test("of a slow model one request brings what a slider does, and moving it asks nothing", async () => {
  const { state, answers, asked, grid, steer, life } = slow();
  expect(asked("grid").map(({ args }) => args)).toEqual([{ which: 2, strengths: [null, 1, 0] }]);
  await grid();
  for (let step = 1; step <= 20; step++) {
    state.slide(2, step / 16);
    expect(answers.shown.peek()!.strengths).toEqual([null, 1, step / 16]);
  }
  expect(answers.shown.peek()).toMatchObject({ how: "interpolated between 4 computed strengths", sequence: 20 });
  expect(asked("steer")).toEqual([]);
  expect(asked("grid").length).toBe(1);
  state.release();
  expect(asked("steer").map(({ args }) => args)).toEqual([{ strengths: [null, 1, 1.25] }]);
  expect(answers.shown.peek()!.how).not.toBe("");
  await steer(0.3);
  expect(answers.shown.peek()).toMatchObject({ how: "", strengths: [null, 1, 1.25] });
  expect(answers.shown.peek()!.tokens[0]!.p).toBe(0.3);
  life.abort();
});

test("a grid counts only while the other sliders stand where they stood", async () => {
  const { state, answers, asked, grid, steer, tell, settled, life } = slow();
  await grid();
  state.set(1, 0.5);
  await steer(0.6);
  state.slide(2, 1.5);
  expect(asked("grid").map(({ args }) => [args.which, args.strengths[1]])).toEqual([
    [2, 1],
    [1, 0.5],
    [2, 0.5],
  ]); // of slider 1 when it was touched, and of 2 again
  expect(answers.shown.peek()!.tokens[0]!.p).toBe(0.6);
  expect(answers.old.peek()).toBe(false);
  tell("grid", { kind: "progress", done: 0, total: 0, text: "queued, position 3" });
  vi.advanceTimersByTime(301);
  expect([answers.waiting.peek(), answers.news.peek(), answers.old.peek()]).toEqual([
    "short",
    "queued, position 3",
    true,
  ]);
  await grid();
  await settled();
  expect(answers.shown.peek()).toMatchObject({
    strengths: [null, 0.5, 1.5],
    how: "interpolated between 4 computed strengths",
  });
  expect([answers.waiting.peek(), answers.old.peek()]).toEqual(["", false]);
  life.abort();
});

test("an exact answer that comes late is not drawn, and an error is said", async () => {
  const { state, answers, asked, grid, steer, tell, settled, life } = slow();
  await grid();
  state.set(2, 0.5);
  state.slide(2, 1.5);
  await steer(0.1); // of 0.5, given up
  expect(answers.shown.peek()!.strengths).toEqual([null, 1, 1.5]);
  state.release();
  expect(asked("steer").length).toBe(2);
  tell("steer", { kind: "err", message: "The server is down." });
  await settled();
  expect(answers.problem.peek()).toBe("The server is down.");
  expect(answers.shown.peek()!.how).not.toBe(""); // what was drawn stays, and says what it is
  state.set(2, 2);
  await steer(0.2);
  expect([answers.problem.peek(), answers.shown.peek()!.how]).toEqual(["", ""]);
  life.abort();
});
