/** Strengths under a name, and files of them, which another panel on the same model can read. */
import type { Setting, Slider, Strength } from "./sliders";

export interface Preset {
  strengths: Record<string, Strength>;
  enabled: Record<string, boolean>;
}

export type Presets = Record<string, Preset>;

type Entry = Pick<Slider, "kind" | "name" | "layer" | "at"> & { strength: Strength; enabled: boolean };

const FORMAT = "scope-widgets steering presets 1";
const IDENTITY = ["kind", "name", "layer", "at"] as const;

export function presetOf(sliders: readonly Slider[], { strengths, enabled }: Setting): Preset {
  return {
    strengths: Object.fromEntries(sliders.map(({ key }, at) => [key, strengths[at]!])),
    enabled: Object.fromEntries(sliders.map(({ key }, at) => [key, enabled[at]!])),
  };
}

/** Sliders that the preset does not have do nothing; what it has and is not here is `missing`. */
export function applied(
  { strengths, enabled }: Preset,
  sliders: readonly Slider[],
): { setting: Setting; missing: string[] } {
  const [given, on] = [new Map(Object.entries(strengths)), new Map(Object.entries(enabled))];
  return {
    setting: {
      strengths: sliders.map(({ key, neutral }) => given.get(key) ?? neutral),
      enabled: sliders.map(({ key }) => on.get(key) ?? true),
    },
    missing: Object.keys(strengths).filter((key) => !sliders.some((slider) => slider.key === key)),
  };
}

/** The text that `SteeringPanel.presets_json` writes of them, to the letter. */
export function presetsText(presets: Presets, sliders: readonly Slider[], model: string): string {
  const known = new Map(sliders.map((slider) => [slider.key, slider]));
  const entries = ({ strengths, enabled }: Preset): Entry[] => {
    const on = new Map(Object.entries(enabled));
    return Object.entries(strengths).flatMap(([key, strength]) => {
      const { kind, name, layer, at } = known.get(key) ?? {};
      return name === undefined ? [] : [{ kind, name, layer, at, strength, enabled: on.get(key) ?? true } as Entry];
    });
  };
  const written = Object.fromEntries(Object.entries(presets).map(([name, preset]) => [name, entries(preset)]));
  return asPython(JSON.stringify({ format: FORMAT, model, presets: written }, null, 1));
}

/** JSON as Python's `json` writes it: only ASCII, and a strength is a float also where it is whole. */
const asPython = (json: string): string =>
  json
    .replace(/^( *"strength": -?\d+)(,?)$/gm, "$1.0$2")
    .replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** Read such a text; throws a sentence where it is something else, of another model, or of sliders that are not here. */
export function readPresets(text: string, sliders: readonly Slider[], model: string): Presets {
  const given = parsed(text);
  if (given.model !== model) throw new Error(`These presets are of ${given.model}, and this panel steers ${model}.`);
  const missing = new Set<string>();
  const read = Object.entries(given.presets).map(([name, entries]): [string, Preset] => {
    const left = [...sliders];
    const preset: Preset = { strengths: {}, enabled: {} };
    for (const entry of entries) {
      const at = left.findIndex((slider) => IDENTITY.every((part) => slider[part] === entry[part]));
      if (at < 0) missing.add(`'${entry.name}' (layer ${entry.layer}, ${entry.at})`);
      else {
        const [{ key }] = left.splice(at, 1) as [Slider];
        preset.strengths[key] = entry.strength;
        preset.enabled[key] = entry.enabled;
      }
    }
    return [name, preset];
  });
  if (missing.size)
    throw new Error(
      `These presets need ${[...missing].join(", ")}, which this panel lacks: give it what they move, and load again.`,
    );
  return Object.fromEntries(read);
}

function parsed(text: string): { model: string; presets: Record<string, Entry[]> } {
  const isEntry = (entry: any): boolean =>
    (entry.strength === null || Number.isFinite(entry.strength)) &&
    typeof entry.enabled === "boolean" &&
    typeof entry.name === "string";
  try {
    const given = JSON.parse(text);
    if (
      given.format === FORMAT &&
      typeof given.model === "string" &&
      Object.values<Entry[]>(given.presets).every((entries) => entries.every(isEntry))
    )
      return given;
  } catch {
    // said below
  }
  throw new Error(`This is not JSON of presets that a SteeringPanel wrote: it begins '${text.slice(0, 40)}'.`);
}
