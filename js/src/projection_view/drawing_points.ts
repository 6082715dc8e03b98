/** Points on a canvas: by WebGL in one call, or pixel by pixel where there is none. */

import type { Renderer } from "../core/webgl/canvas";
import { attributesOf, programOf, uniformsOf } from "../core/webgl/context";
import { isHollow } from "./colours";
import type { Frame } from "./screen_transform";

export interface Points {
  places: Float32Array;
  /** Where they come from, and how much of the way they have gone, from 0 to 1. */
  from: Float32Array;
  share: number;
  /** Packed as 0xAABBGGRR; hollow ones are rings. */
  colours: Uint32Array;
  /** In which they are drawn, the last on top; undefined: as they come. */
  order: Uint32Array | undefined;
  /** Diameter in pixels. */
  size: number;
  frame: Frame;
}

/** How thick a ring is: so much of the diameter, and at least a pixel. */
const RING = 0.18;

const VERTEX = `
in vec2 a_place;
in vec2 a_from;
in vec4 a_colour;
uniform vec4 u_frame;
uniform vec2 u_screen;
uniform float u_share;
uniform float u_size;
out vec4 v_colour;
void main() {
  vec2 at = mix(a_from, a_place, u_share) - u_frame.zw;
  gl_Position = vec4(vec2(at.x, at.y) * u_frame.xy / u_screen, 0.0, 1.0);
  gl_PointSize = u_size;
  v_colour = a_colour;
}`;
const FRAGMENT = `
in vec4 v_colour;
uniform float u_size;
out vec4 colour;
void main() {
  float edge = (0.5 - length(gl_PointCoord - 0.5)) * u_size;
  float alpha = clamp(edge + 0.5, 0.0, 1.0);
  if (v_colour.a < 0.9) alpha *= clamp(max(1.0, ${RING} * u_size) - edge + 0.5, 0.0, 1.0);
  if (alpha <= 0.0) discard;
  colour = vec4(v_colour.rgb * alpha, alpha);
}`;

export function webglPoints(gl: WebGL2RenderingContext): Renderer<Points> {
  const program = programOf(gl, VERTEX, FRAGMENT);
  const uniforms = uniformsOf(gl, program, ["u_frame", "u_screen", "u_share", "u_size"]);
  const attribute = attributesOf(gl, program);
  const ranks = gl.createBuffer();
  let sent: Uint32Array | undefined;
  return {
    draw({ places, from, share, colours, order, size, frame }, width, height, ratio) {
      gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.useProgram(program);
      gl.enable(gl.BLEND);
      gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
      attribute("a_place", places, { size: 2, type: gl.FLOAT });
      attribute("a_from", from, { size: 2, type: gl.FLOAT });
      attribute("a_colour", colours, { size: 4, type: gl.UNSIGNED_BYTE, isShare: true });
      const { scale, dx, dy } = frame;
      // what is in the middle of the screen is taken away first: far into a zoom float32 would not hold the rest
      gl.uniform4f(uniforms.u_frame, scale, scale, (width / 2 - dx) / scale, (dy - height / 2) / scale);
      gl.uniform2f(uniforms.u_screen, width / 2, height / 2);
      gl.uniform1f(uniforms.u_share, share);
      gl.uniform1f(uniforms.u_size, size * ratio);
      if (order) {
        gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, ranks);
        if (order !== sent) gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, order, gl.DYNAMIC_DRAW);
        sent = order;
        gl.drawElements(gl.POINTS, order.length, gl.UNSIGNED_INT, 0);
      } else gl.drawArrays(gl.POINTS, 0, places.length / 2);
    },
  };
}

export function canvasPoints(pen: CanvasRenderingContext2D): Renderer<Points> {
  return {
    draw({ places, from, share, colours, order, size, frame }, width, height, ratio) {
      const [wide, high] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
      const image = pen.createImageData(wide, high);
      const out = new Uint32Array(image.data.buffer);
      const radius = (size * ratio) / 2;
      const disc = discOf(radius);
      const inner = radius - Math.max(1, RING * size * ratio);
      const ring = disc.filter(([right, down]) => right * right + down * down > inner * inner);
      const { scale, dx, dy } = frame;
      for (let at = 0; at < places.length / 2; at++) {
        const point = order ? order[at]! : at;
        const px = from[2 * point]! + share * (places[2 * point]! - from[2 * point]!);
        const py = from[2 * point + 1]! + share * (places[2 * point + 1]! - from[2 * point + 1]!);
        const x = Math.round((px * scale + dx) * ratio - 0.5);
        const y = Math.round((dy - py * scale) * ratio - 0.5);
        if (x < -radius || y < -radius || x > wide + radius || y > high + radius) continue;
        for (const [right, down] of isHollow(colours[point]!) ? ring : disc) {
          const [column, row] = [x + right, y + down];
          if (column >= 0 && column < wide && row >= 0 && row < high)
            out[row * wide + column] = (colours[point]! | 0xff000000) >>> 0;
        }
      }
      pen.putImageData(image, 0, 0);
    },
  };
}

/** The pixels of a disc around its middle one. */
function discOf(radius: number): [number, number][] {
  const reach = Math.ceil(radius);
  const found: [number, number][] = [];
  for (let y = -reach; y <= reach; y++)
    for (let x = -reach; x <= reach; x++) if (x * x + y * y <= Math.max(0.5, radius * radius)) found.push([x, y]);
  return found;
}
