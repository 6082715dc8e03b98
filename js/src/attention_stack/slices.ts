/** Slices on a canvas: by WebGL in one call, or one by one, from the back to the front, where there is none. */
import type { Table } from "../core/drawing/colour";
import { entryOf, LOG_FLOOR, type Scale } from "../core/drawing/scale";
import type { Renderer } from "../core/webgl/canvas";
import { attributesOf, programOf, uniformsOf, unit } from "../core/webgl/context";
import { onScreen, type Scene, seenByPicking } from "./scene";

export interface Slices {
  scene: Scene;
  /** uint8 [layer, head, row, column]. */
  cells: Uint8Array;
  /** Pixels of a slice along a side. */
  side: number;
  /** How many layers are there. */
  ready: number;
  scale: Scale;
  table: Table;
  /** 0, 1: selected, 2: pointed at; a slice. */
  marks: Uint8Array;
  /** Edges: of all slices, of those selected, of that pointed at; red, green, blue of 255. */
  edges: readonly (readonly number[])[];
}

export interface SlicesRenderer extends Renderer<Slices> {
  /** Of which slices at least one pixel is seen. */
  seen(slices: Slices, width: number, height: number): Set<number>;
}

/** Room for the edge of a slice, in pixels, and looks at cells a pixel, each way. */
const [EDGE, MOST_TAPS] = [2, 3];

/** Slices of a layer in one picture, in so many columns. */
export const columnsOf = (heads: number): number => Math.ceil(Math.sqrt(heads));

const VERTEX = `
uniform mat3 u_camera;
uniform vec4 u_screen;
uniform float u_scale;
uniform float u_depth;
uniform int u_heads;
uniform int u_columns;
uniform float u_side;
uniform float u_pad;
in vec3 a_place;
in float a_mark;
out vec2 v_at;
flat out vec2 v_tile;
flat out int v_layer;
flat out float v_mark;
flat out int v_slice;
void main() {
  // the corners of the triangle around the cells on the diagonal and below it, with room for an edge outside of them
  float over = 1.0 / u_side + 2.0 * u_pad;
  vec2 at = vec2(gl_VertexID == 2 ? 1.0 + over : -u_pad, gl_VertexID == 0 ? -over : 1.0 + u_pad);
  vec3 seen = u_camera * (a_place + vec3(at.x - 0.5, 0.5 - at.y, 0.0));
  vec2 pixel = seen.xy * u_scale + u_screen.zw;
  gl_Position = vec4(pixel.x / u_screen.x * 2.0 - 1.0, 1.0 - pixel.y / u_screen.y * 2.0, -seen.z / u_depth, 1.0);
  int head = gl_InstanceID % u_heads;
  v_at = at;
  v_layer = gl_InstanceID / u_heads;
  v_tile = vec2(head % u_columns, head / u_columns);
  v_mark = a_mark;
  v_slice = gl_InstanceID;
}`;

const FRAGMENT = `
precision highp sampler2DArray;
uniform sampler2DArray u_cells;
uniform sampler2D u_colours;
uniform float u_side;
uniform int u_columns;
uniform vec3 u_range;
uniform vec4 u_edges[3];
uniform float u_pad;
uniform int u_taps;
uniform bool u_ids;
in vec2 v_at;
flat in vec2 v_tile;
flat in int v_layer;
flat in float v_mark;
flat in int v_slice;
out vec4 colour;
void main() {
  vec2 pixel = fwidth(v_at);
  vec2 thick = min(pixel, vec2(u_pad)) * (v_mark > 0.5 ? 2.5 : 1.0);
  float diagonal = 1.0 / u_side + u_pad - (v_at.x - v_at.y);
  bool edge = v_at.x + u_pad < thick.x || 1.0 + u_pad - v_at.y < thick.y || diagonal < thick.x + thick.y;
  // where cells are smaller than pixels a pixel shows the largest of them: a mean would make thin stripes vanish
  float value = -1.0;
  for (int down = 0; down < u_taps; down++)
    for (int across = 0; across < u_taps; across++) {
      vec2 tap = v_at + pixel * ((vec2(float(across), float(down)) + 0.5) / float(u_taps) - 0.5);
      ivec2 cell = ivec2(floor(tap * u_side));
      if (cell.x < 0 || cell.y >= int(u_side) || cell.x > cell.y) continue;
      value = max(value, texelFetch(u_cells, ivec3(ivec2(v_tile) * int(u_side) + cell, v_layer), 0).r);
    }
  if (!edge && (value < 0.0 || value < u_range.z)) discard;
  if (u_ids) {
    int id = v_slice + 1;
    colour = vec4(float(id & 255), float((id >> 8) & 255), float(id >> 16), 255.0) / 255.0;
  } else if (edge) colour = u_edges[int(v_mark + 0.5)];
  else {
    float at = u_range.y > 0.0 ? value : log(max(value, 1e-6)); // a range below 0 is one of logarithms
    float share = (at - u_range.x) / abs(u_range.y);
    colour = texture(u_colours, vec2(clamp(share, 0.0, 0.9999) * 255.0 / 256.0 + 0.5 / 256.0, 0.5));
  }
}`;

/** Lower end, width (below 0: of logarithms), and the value below which cells are clear. */
function range({ kind, low, high, threshold }: Scale): [number, number, number] {
  // values are bytes: half a step below the threshold still counts as it
  const clear = threshold > 0 ? Math.max(threshold - 0.5 / 255, 0.25 / 255) : -1;
  if (kind === "linear") return [low, Math.max(1e-6, high - low), clear];
  const floor = Math.max(low, LOG_FLOOR);
  return [Math.log(floor), -Math.log(Math.max(high, floor * 1.001) / floor), clear];
}

/** The corners of the edge around the cells of a slice. */
export function edgeOf(scene: Scene, slice: number, side: number): (readonly [number, number])[] {
  const pad = EDGE / 2 / scene.scale;
  const over = 1 / side + 2 * pad;
  return [
    onScreen(scene, slice, -pad, -over),
    onScreen(scene, slice, -pad, 1 + pad),
    onScreen(scene, slice, 1 + over, 1 + pad),
  ];
}

export function webglSlices(gl: WebGL2RenderingContext): SlicesRenderer {
  const program = programOf(gl, VERTEX, FRAGMENT);
  const names = ["u_camera", "u_screen", "u_scale", "u_depth", "u_heads", "u_columns", "u_cells", "u_colours"] as const;
  const more = ["u_side", "u_range", "u_edges", "u_pad", "u_taps", "u_ids"] as const;
  const uniforms = uniformsOf(gl, program, [...names, ...more]);
  const attribute = attributesOf(gl, program);
  const [cells, colours] = [gl.createTexture(), gl.createTexture()];
  const sent: { cells?: Uint8Array; ready?: number; table?: Table } = {};
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);

  function putCells({ scene: { shape }, cells: values, side, ready }: Slices): void {
    if (sent.cells === values && sent.ready === ready) return;
    const columns = columnsOf(shape.heads);
    const wide = columns * side;
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, cells);
    gl.texImage3D(gl.TEXTURE_2D_ARRAY, 0, gl.R8, wide, wide, shape.layers, 0, gl.RED, gl.UNSIGNED_BYTE, null);
    for (let at = 0; at < ready * shape.heads; at++) {
      const head = at % shape.heads;
      const [x, y] = [(head % columns) * side, Math.floor(head / columns) * side];
      const picture = values.subarray(at * side * side, (at + 1) * side * side);
      const layer = Math.floor(at / shape.heads);
      gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, x, y, layer, side, side, 1, gl.RED, gl.UNSIGNED_BYTE, picture);
    }
    gl.texParameteri(gl.TEXTURE_2D_ARRAY, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D_ARRAY, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    Object.assign(sent, { cells: values, ready });
  }

  function putTable(table: Table): void {
    if (sent.table === table) return;
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, colours);
    const bytes = new Uint8Array(table.buffer, table.byteOffset, table.byteLength);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    sent.table = table;
  }

  function draw(slices: Slices, width: number, height: number, ratio: number, ids: boolean): void {
    const { scene, side, scale, table, edges } = slices;
    const { camera, shape } = scene;
    gl.viewport(0, 0, Math.round(width * ratio), Math.round(height * ratio));
    gl.clearColor(0, 0, 0, 0);
    gl.clearDepth(1);
    gl.enable(gl.DEPTH_TEST);
    gl.depthFunc(gl.LEQUAL);
    gl.disable(gl.BLEND);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.useProgram(program);
    putCells(slices);
    putTable(table);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, cells);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, colours);
    attribute("a_place", scene.places, { size: 3, type: gl.FLOAT, byInstance: true });
    attribute("a_mark", slices.marks, { size: 1, type: gl.UNSIGNED_BYTE, byInstance: true });
    const rows = [camera.right, camera.down, camera.front];
    gl.uniformMatrix3fv(
      uniforms.u_camera,
      false,
      [0, 1, 2].flatMap((axis) => rows.map((row) => row[axis]!)),
    );
    gl.uniform4f(uniforms.u_screen, width, height, scene.x, scene.y);
    gl.uniform1f(uniforms.u_scale, scene.scale);
    gl.uniform1f(uniforms.u_depth, shape.layers + shape.heads + 2 + 0.1 * shape.layers * shape.heads);
    gl.uniform1i(uniforms.u_heads, shape.heads);
    gl.uniform1i(uniforms.u_columns, columnsOf(shape.heads));
    gl.uniform1i(uniforms.u_cells, 0);
    gl.uniform1i(uniforms.u_colours, 1);
    gl.uniform1f(uniforms.u_side, side);
    gl.uniform3f(uniforms.u_range, ...range(scale));
    gl.uniform4fv(
      uniforms.u_edges,
      edges.flatMap((edge) => [...unit(edge), 1]),
    );
    gl.uniform1f(uniforms.u_pad, EDGE / scene.scale);
    gl.uniform1i(uniforms.u_taps, Math.max(1, Math.min(MOST_TAPS, Math.ceil(side / (Math.abs(scene.ux) * ratio)))));
    gl.uniform1i(uniforms.u_ids, Number(ids));
    gl.drawArraysInstanced(gl.TRIANGLES, 0, 3, shape.layers * shape.heads);
  }

  return {
    draw: (slices, width, height, ratio) => draw(slices, width, height, ratio, false),
    seen(slices, width, height) {
      const [wide, high] = [Math.max(1, Math.round(width)), Math.max(1, Math.round(height))];
      const [frame, picture, depth] = [gl.createFramebuffer(), gl.createRenderbuffer(), gl.createRenderbuffer()];
      gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
      for (const [buffer, format, place] of [
        [picture, gl.RGBA8, gl.COLOR_ATTACHMENT0],
        [depth, gl.DEPTH_COMPONENT24, gl.DEPTH_ATTACHMENT],
      ] as const) {
        gl.bindRenderbuffer(gl.RENDERBUFFER, buffer);
        gl.renderbufferStorage(gl.RENDERBUFFER, format, wide, high);
        gl.framebufferRenderbuffer(gl.FRAMEBUFFER, place, gl.RENDERBUFFER, buffer);
      }
      draw(slices, wide, high, 1, true);
      const pixels = new Uint8Array(4 * wide * high);
      gl.readPixels(0, 0, wide, high, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
      gl.bindFramebuffer(gl.FRAMEBUFFER, null);
      gl.deleteFramebuffer(frame);
      gl.deleteRenderbuffer(picture);
      gl.deleteRenderbuffer(depth);
      const found = new Set<number>();
      for (let i = 0; i < pixels.length; i += 4)
        if (pixels[i + 3]) found.add(pixels[i]! + 256 * pixels[i + 1]! + 65536 * pixels[i + 2]! - 1);
      return found;
    },
  };
}

/** Whether the cell of a slice at (u, v) is drawn: it is at least the threshold. */
export const isDrawn =
  ({ cells, side, scale, ready, scene }: Pick<Slices, "cells" | "side" | "scale" | "ready" | "scene">) =>
  (slice: number, u: number, v: number): boolean => {
    if (slice >= ready * scene.shape.heads) return false;
    const value = cells[(slice * side + Math.floor(v * side)) * side + Math.floor(u * side)]! / 255;
    return value >= range(scale)[2];
  };

export function canvasSlices(pen: CanvasRenderingContext2D): SlicesRenderer {
  const pictures = picturesOf();
  const pooled = pooling();
  return {
    draw(slices, width, height, ratio) {
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.clearRect(0, 0, width, height);
      const { scene } = slices;
      const { cells, side } = pooled(slices, Math.abs(scene.ux) * ratio);
      const picture = pictures({ ...slices, cells, side });
      const shown = slices.ready * scene.shape.heads;
      pen.imageSmoothingEnabled = false;
      for (let slice = scene.xs.length - 1; slice >= 0; slice--) {
        const [x, y] = [scene.xs[slice]!, scene.ys[slice]!];
        if (slice < shown) {
          pen.setTransform(
            (ratio * scene.ux) / side,
            (ratio * scene.uy) / side,
            0,
            (ratio * scene.vy) / side,
            ratio * x,
            ratio * y,
          );
          pen.drawImage(picture, 0, slice * side, side, side, 0, 0, side, side);
          pen.setTransform(ratio, 0, 0, ratio, 0, 0);
        }
        const mark = slices.marks[slice]!;
        const [r, g, b] = slices.edges[mark]!;
        pen.strokeStyle = `rgb(${r} ${g} ${b})`;
        pen.lineWidth = mark ? 2 : 1;
        pen.beginPath();
        for (const corner of edgeOf(scene, slice, side)) pen.lineTo(...corner);
        pen.closePath();
        pen.stroke();
      }
    },
    seen: (slices, width, height) => seenByPicking(slices.scene, width, height, 2, isDrawn(slices)),
  };
}

/** Makes all slices, coloured, below each other in one canvas, clear where nothing is drawn; again when they change. */
export function picturesOf(): (slices: Slices) => HTMLCanvasElement {
  let made: HTMLCanvasElement | undefined;
  let of: unknown[] = [];
  return ({ cells, side, ready, scene, scale, table }) => {
    const now = [cells, ready, scale, table];
    if (made && now.every((one, at) => one === of[at])) return made;
    of = now;
    made = document.createElement("canvas");
    const n = Math.max(1, ready * scene.shape.heads);
    [made.width, made.height] = [side, n * side];
    const pen = made.getContext("2d")!;
    const image = pen.createImageData(side, n * side);
    const out = new Uint32Array(image.data.buffer);
    const [, , clear] = range(scale);
    const colours = Uint32Array.from({ length: 256 }, (_, level) =>
      level / 255 < clear ? 0 : table[entryOf(level / 255, { ...scale, threshold: 0 })]!,
    );
    for (let row = 0; row < n * side; row++)
      for (let column = 0; column <= row % side; column++)
        out[row * side + column] = colours[cells[row * side + column]!]!;
    pen.putImageData(image, 0, 0);
    return made;
  };
}

/** Makes slices of fewer pixels, each the largest of its cells, where those would be smaller than pixels. */
function pooling(): (slices: Slices, pixels: number) => { cells: Uint8Array; side: number } {
  let made: { of: Uint8Array; factor: number; cells: Uint8Array; side: number } | undefined;
  return ({ cells, side }, pixels) => {
    const factor = 2 ** Math.max(0, Math.floor(Math.log2((1.4 * side) / Math.max(8, pixels))));
    if (factor === 1) return { cells, side };
    if (made?.of === cells && made.factor === factor) return made;
    const small = Math.ceil(side / factor);
    const out = new Uint8Array((cells.length / side ** 2) * small * small);
    for (let at = 0; at < cells.length; at++) {
      const [row, column] = [Math.floor(at / side), at % side];
      const slice = Math.floor(row / side);
      const to = (slice * small + Math.floor((row % side) / factor)) * small + Math.floor(column / factor);
      if (cells[at]! > out[to]!) out[to] = cells[at]!;
    }
    made = { of: cells, factor, cells: out, side: small };
    return made;
  };
}
