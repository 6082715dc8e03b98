/** Where a cell belongs: its layer, head and position, or which part of the model it is; and its name in words. */
import { plainAt } from "../../core/tokens";
import type { Model } from "../../core/widget_model";
import type { PatchingMapTraits } from "../../generated/traits";

export interface Place {
  layer?: number;
  head?: number;
  position?: number;
  /** Of an attribution. */
  component?: string;
}

export class Space {
  readonly axes: string[];
  readonly shape: number[];
  readonly positions: string[];
  readonly over: string;
  readonly size: number;
  readonly layers: number;
  readonly headsPerLayer: number;
  /** [name, layer, head] a cell of an attribution. */
  readonly components: [string, number, number][];

  constructor(model: Model<PatchingMapTraits>) {
    this.axes = model.get("axes");
    this.shape = model.get("shape");
    this.positions = model.get("positions");
    this.components = model.get("components") as [string, number, number][];
    this.over = model.get("over");
    this.size = this.shape.reduce((product, count) => product * count, 1);
    this.layers = this.components.length
      ? Math.max(0, ...this.components.map(([, layer]) => layer + 1))
      : this.shape[0]!;
    this.headsPerLayer = this.components.length
      ? Math.max(0, ...this.components.map(([, , head]) => head + 1))
      : (this.count("head") ?? 0);
  }

  /** Whether each head has a value a position, so that only two of three axes can be seen at once. */
  get deep(): boolean {
    return this.axes.length === 3;
  }

  count(axis: string): number | undefined {
    const at = this.axes.indexOf(axis);
    return at < 0 ? undefined : this.shape[at];
  }

  placeOf(cell: number): Place {
    const part = this.components[cell];
    if (part) {
      const [component, layer, head] = part;
      return { component, ...(layer >= 0 && { layer }), ...(head >= 0 && { head }) };
    }
    const place: Record<string, number> = {};
    for (let axis = this.axes.length - 1, rest = cell; axis >= 0; axis--) {
      place[this.axes[axis]!] = rest % this.shape[axis]!;
      rest = Math.floor(rest / this.shape[axis]!);
    }
    return place;
  }

  /** The cell at a layer, head and position; those that are no axis do not matter. */
  cellAt(layer: number, head: number, position: number): number {
    const index: Record<string, number> = { layer, head, position };
    return this.axes.reduce((cell, axis, at) => cell * this.shape[at]! + index[axis]!, 0);
  }

  /** The residual stream has one row more than the model has layers: what enters the final norm. */
  isFinalNorm(layer: number): boolean {
    return this.over === "residual" && layer === this.layers - 1;
  }

  layerText(layer: number): string {
    return this.isFinalNorm(layer) ? "final norm" : String(layer);
  }

  /** "Head 9.6", "Layer 5", "MLP of layer 3", "Embedding". */
  siteText({ layer, head, component }: Place): string {
    if (head !== undefined) return `Head ${layer}.${head}`;
    if (component !== undefined) {
      const name = componentText(component);
      return layer === undefined
        ? name[0]!.toUpperCase() + name.slice(1)
        : `${name[0]!.toUpperCase()}${name.slice(1)} of layer ${layer}`;
    }
    return this.isFinalNorm(layer!) ? "Final norm" : `Layer ${layer}`;
  }

  /** As `siteText`, with " at ·to (14)" where there are positions. */
  nameOf(cell: number): string {
    const place = this.placeOf(cell);
    return this.siteText(place) + (place.position === undefined ? "" : ` at ${this.positionText(place.position)}`);
  }

  positionText(position: number): string {
    return `${plainAt(this.positions, position, 24)} (${position})`;
  }
}

export const componentText = (name: string): string => (name === "mlp" ? "MLP" : name.replaceAll("_", " "));
