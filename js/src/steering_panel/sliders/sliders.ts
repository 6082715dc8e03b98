/** What each slider is, and where it stands. */

/** null: a neuron that is free. */
export type Strength = number | null;

export interface Slider {
  key: string;
  kind: string;
  name: string;
  layer: number;
  /** "residual", "head", "neuron", "attention". */
  site: string;
  head: [layer: number, head: number] | null;
  /** Positions, in words. */
  at: string;
  neutral: Strength;
  low: number;
  high: number;
  typical: [low: number, high: number] | null;
  order: number;
}

export interface Setting {
  strengths: Strength[];
  enabled: boolean[];
}

/** What acts: a slider that is off does nothing. */
export const effectiveOf = (sliders: readonly Slider[], { strengths, enabled }: Setting): Strength[] =>
  sliders.map(({ neutral }, at) => (enabled[at] ? strengths[at]! : neutral));

/** The least that a key moves it by: a two-hundredth of what it goes over. */
export const stepOf = ({ low, high }: Slider): number => Number(((high - low) / 200).toPrecision(1));

/** Onto the steps, counted from 0, and between the ends. */
export function snapped(slider: Slider, strength: number): number {
  const step = stepOf(slider);
  const on = Number((Math.round(strength / step) * step).toPrecision(6));
  return Math.max(slider.low, Math.min(slider.high, on));
}

/** 0 at the lower end, 1 at the upper one; what lies beyond stands at the end. */
export const placeOf = ({ low, high }: Slider, strength: number): number =>
  Math.max(0, Math.min(1, (strength - low) / (high - low)));

/** "−0.35", "free". */
export const strengthText = (strength: Strength): string =>
  strength === null ? "free" : String(Number(strength.toPrecision(4))).replace("-", "−");

/** What a person wrote; undefined where it is no strength of this slider. */
export function readStrength(slider: Slider, text: string): Strength | undefined {
  const tidy = text.trim().replace("−", "-").replace(",", ".");
  if (slider.neutral === null && (tidy === "" || tidy.toLowerCase() === "free")) return null;
  const value = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(tidy) ? Number(tidy) : NaN;
  return Number.isFinite(value) ? value : undefined;
}
