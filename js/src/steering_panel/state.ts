/** What a panel shows, as signals; everything else follows from them. */

import type { Theme } from "../core/elements/theme";
import { History } from "../core/history";
import { batch, computed, type ReadonlySignal, type Signal, signal, trait } from "../core/reactive";
import type { Head, Selection } from "../core/selection";
import { isSavedPage, type Model, save } from "../core/widget_model";
import type { SteeringPanelTraits } from "../generated/traits";
import { applied, type Presets, presetOf } from "./sliders/presets";
import { effectiveOf, type Setting, type Slider, type Strength } from "./sliders/sliders";

const TRAITS = ["interventions", "strengths", "enabled"] as const;

const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

/** One slider: where it stands, and whether it is on. */
type One = readonly [strength: Strength | undefined, on: boolean | undefined];

const oneOf = ({ strengths, enabled }: Setting, at: number): One => [strengths[at], enabled[at]];

export class State {
  readonly saved: boolean;
  readonly history = new History<Setting>();
  readonly sliders: ReadonlySignal<Slider[]>;
  /** As it is drawn: while a slider is dragged, ahead of what Python knows. */
  readonly setting: ReadonlySignal<Setting>;
  readonly effective: ReadonlySignal<Strength[]>;
  readonly moving = signal<{ at: number; strength: Strength } | undefined>(undefined);
  /** When the last input was made, in `performance.now()`. */
  input = performance.now();
  /** The slider that was touched last. */
  readonly current: Signal<number>;
  readonly fluent: ReadonlySignal<Record<string, [number, number]>>;
  readonly presets: ReadonlySignal<Presets>;
  readonly selectedHeads: ReadonlySignal<Head[]>;
  /** Counts the changes that are complete: released, typed, undone. */
  readonly releases = signal(0);
  readonly canUndo: ReadonlySignal<boolean>;
  /** Takes back that a slider came or went, here or in another view. */
  undoInPython = (): void => {};
  /** A sentence that a change calls for. */
  readonly note = signal("");

  #frozen = false;
  readonly #known: Signal<{ sliders: Slider[]; setting: Setting }>;
  /** As the page was saved. */
  readonly #start: Setting;
  #writing = false;
  /** What a person did last to a slider, and what it stood at before, by its key: until Python says otherwise. */
  readonly #done = new Map<string, { before: One; now: One }>();

  constructor(
    readonly model: Model<SteeringPanelTraits>,
    readonly selection: Selection,
    readonly theme: ReadonlySignal<Theme>,
    until: AbortSignal,
  ) {
    this.saved = isSavedPage(model);
    this.#start = this.#read().setting;
    this.#known = signal(this.#read());
    for (const name of TRAITS) {
      const hear = (): void => this.#heard();
      model.on(`change:${name}`, hear);
      until.addEventListener("abort", () => model.off(`change:${name}`, hear));
    }
    this.sliders = computed(() => this.#known.value.sliders);
    this.setting = computed(() => {
      const { setting } = this.#known.value;
      const moving = this.moving.value;
      return moving ? this.#with(setting, moving.at, moving.strength) : setting;
    });
    this.effective = computed(() => effectiveOf(this.sliders.value, this.setting.value));
    const first = this.#known.peek().sliders.findIndex(({ kind }) => kind === "add");
    this.current = signal(Math.max(0, first));
    const inPython = trait(model, "can_undo", until);
    this.canUndo = computed(() => this.history.canUndo.value || (!this.saved && inPython.value));
    this.fluent = trait(model, "fluent", until);
    this.presets = trait(model, "presets", until);
    const heads = signal(selection.heads);
    selection.subscribe(() => (heads.value = selection.heads), until);
    this.selectedHeads = heads;
  }

  /** Heads that are selected and have no slider. */
  missingHeads(): Head[] {
    const [layers, heads] = [this.model.get("n_layers")!, this.model.get("n_heads")!];
    return this.selectedHeads.value.filter(
      ([layer, head]) =>
        layer < layers && head < heads && !this.sliders.value.some((slider) => same(slider.head, [layer, head])),
    );
  }

  // -- changing

  /** While it is dragged. */
  slide(at: number, strength: Strength, input = performance.now()): void {
    this.input = input;
    batch(() => {
      this.current.value = at;
      this.moving.value = { at, strength };
    });
  }

  release(): void {
    const moving = this.moving.peek();
    if (moving) this.set(moving.at, moving.strength, this.input);
  }

  set(at: number, strength: Strength, input = performance.now()): void {
    this.input = input;
    batch(() => {
      this.current.value = at;
      const setting = this.#with(this.#known.peek().setting, at, strength);
      this.moving.value = undefined;
      this.change(setting, input);
    });
  }

  toggle(at: number): void {
    const { strengths, enabled } = this.#alone(this.#known.peek().setting, at);
    this.current.value = at;
    this.change({ strengths, enabled: enabled.map((on, i) => (i === at ? !on : on)) });
  }

  /** Every slider where it does nothing. */
  reset(): void {
    const sliders = this.sliders.peek();
    this.change({ strengths: sliders.map(({ neutral }) => neutral), enabled: sliders.map(() => true) });
  }

  change(setting: Setting, input = performance.now()): void {
    const before = this.#known.peek().setting;
    if (same(setting, before)) return;
    this.history.leave(before);
    this.#put(setting, input);
  }

  undo(): void {
    const setting = this.history.undo(this.#known.peek().setting);
    if (setting) this.#put(setting);
    else if (this.canUndo.peek()) this.undoInPython();
  }

  redo(): void {
    const setting = this.history.redo(this.#known.peek().setting);
    if (setting) this.#put(setting);
  }

  /** Stand from now on where the numbers that are shown belong to, as there will be no others. */
  freezeAt(shown: Strength[]): void {
    const { strengths, enabled } = this.#known.peek().setting;
    const now = this.effective.peek();
    batch(() => {
      this.moving.value = undefined;
      this.change({
        strengths: strengths.map((one, at) => (now[at] === shown[at] ? one : (shown[at] ?? null))),
        enabled: enabled.map((on, at) => on || now[at] !== shown[at]),
      });
    });
    this.#frozen = true;
  }

  // -- presets

  savePreset(name: string): void {
    this.putPresets({ ...this.presets.peek(), [name]: presetOf(this.sliders.peek(), this.#known.peek().setting) });
  }

  applyPreset(name: string): void {
    const preset = new Map(Object.entries(this.presets.peek())).get(name);
    if (!preset) return;
    const { setting, missing } = applied(preset, this.sliders.peek());
    if (missing.length) this.note.value = `The preset also has ${missing.join("; ")}, which this panel lacks.`;
    this.change(setting);
  }

  putPresets(presets: Presets): void {
    save(this.model, { presets });
  }

  // -- inside

  /** One slider elsewhere. */
  #with(setting: Setting, at: number, strength: Strength): Setting {
    const { strengths, enabled } = this.#alone(setting, at);
    return { strengths: strengths.map((one, i) => (i === at ? strength : one)), enabled };
  }

  /** In a saved page one slider moves at a time: the others stand as they were saved. */
  #alone(setting: Setting, at: number): Setting {
    if (!this.saved) return setting;
    const { strengths, enabled } = this.#start;
    const alone = {
      strengths: strengths.map((one, i) => (i === at ? setting.strengths[i]! : one)),
      enabled: enabled.map((one, i) => (i === at ? setting.enabled[i]! : one)),
    };
    if (!same(alone, setting))
      this.note.value = "In a saved page one slider moves at a time; the other is back where it was saved.";
    return alone;
  }

  #put(setting: Setting, input = performance.now()): void {
    if (this.#frozen) return;
    this.input = input;
    const before = this.#known.peek().setting;
    for (const [at, { key }] of this.sliders.peek().entries())
      if (!same(oneOf(before, at), oneOf(setting, at)))
        this.#done.set(key, { before: oneOf(before, at), now: oneOf(setting, at) });
    this.#set(setting);
    batch(() => {
      this.#known.value = { ...this.#known.peek(), setting };
      this.releases.value++;
    });
    this.model.save_changes();
  }

  #set(setting: Setting): void {
    this.#writing = true;
    this.model.set("strengths", setting.strengths);
    this.model.set("enabled", setting.enabled);
    this.#writing = false;
  }

  #read(): { sliders: Slider[]; setting: Setting } {
    const { model } = this;
    const sliders = model.get("interventions") as Slider[];
    return { sliders, setting: { strengths: model.get("strengths"), enabled: model.get("enabled") } };
  }

  /** A change that was made in Python can be undone here; sliders that came or went cannot. */
  #heard(): void {
    const before = this.#known.peek();
    const next = this.#read();
    const { length } = next.sliders;
    // The three lists may arrive one after the other.
    if (
      this.#writing ||
      same(next, before) ||
      next.setting.strengths.length !== length ||
      next.setting.enabled.length !== length
    )
      return;
    const others = !same(
      next.sliders.map(({ key }) => key),
      before.sliders.map(({ key }) => key),
    );
    const moving = this.moving.peek();
    const held = moving && before.sliders[moving.at]?.key;
    const redone = others && this.#redo(next);
    if (others) this.history.clear();
    else this.history.leave(before.setting);
    // a slider that is gone, and comes back, is another one
    for (const key of this.#done.keys())
      if (!others || !next.sliders.some((slider) => slider.key === key)) this.#done.delete(key);
    this.input = performance.now();
    batch(() => {
      if (others && moving) {
        const at = next.sliders.findIndex(({ key }) => key === held);
        this.moving.value = at < 0 ? undefined : { at, strength: moving.strength };
      }
      this.#known.value = redone || next;
      this.current.value = Math.min(this.current.peek(), Math.max(0, length - 1));
      this.releases.value++;
    });
    if (redone) {
      this.#set(redone.setting);
      this.model.save_changes();
    }
  }

  /**
   * A list of other sliders that Python made before it heard what was done here has them where they stood before:
   * they are put there again. Undefined where nothing was undone.
   */
  #redo({
    sliders,
    setting,
  }: {
    sliders: Slider[];
    setting: Setting;
  }): { sliders: Slider[]; setting: Setting } | undefined {
    const [strengths, enabled] = [[...setting.strengths], [...setting.enabled]];
    for (const [at, { key }] of sliders.entries()) {
      const done = this.#done.get(key);
      if (done && same(oneOf(setting, at), done.before))
        [strengths[at], enabled[at]] = [done.now[0] ?? null, done.now[1] ?? true];
    }
    const redone = { strengths, enabled };
    return same(redone, setting) ? undefined : { sliders, setting: redone };
  }
}
