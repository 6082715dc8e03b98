/** WebGL 2 where the browser has it, and what becomes of a view from which it is taken: browsers keep few at a time. */

/**
 * The context of a canvas; undefined where there is none, then a 2D context can still be had. `onLost` is called when the
 * browser takes it away. It is given back when `until` aborts, so that a page of many views does not run out of them.
 */
export function webgl(
  canvas: HTMLCanvasElement,
  onLost: () => void,
  until: AbortSignal,
): WebGL2RenderingContext | undefined {
  const gl = canvas.getContext("webgl2", { alpha: true, antialias: false, depth: true, premultipliedAlpha: true });
  if (!gl) return undefined;
  canvas.addEventListener("webglcontextlost", (event) => (event.preventDefault(), onLost()), { signal: until });
  until.addEventListener("abort", () => gl.getExtension("WEBGL_lose_context")?.loseContext());
  return gl;
}

/** A program of two shaders; throws what the compiler says. */
export function programOf(gl: WebGL2RenderingContext, vertex: string, fragment: string): WebGLProgram {
  const program = gl.createProgram()!;
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, vertex],
    [gl.FRAGMENT_SHADER, fragment],
  ] as const) {
    const shader = gl.createShader(kind)!;
    gl.shaderSource(shader, `#version 300 es\nprecision highp float;\nprecision highp int;\n${source}`);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost())
      throw new Error(`A shader does not compile: ${gl.getShaderInfoLog(shader)}`);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost())
    throw new Error(`Shaders do not link: ${gl.getProgramInfoLog(program)}`);
  return program;
}

/** Where the uniforms of a program are, by name. */
export const uniformsOf = <N extends string>(
  gl: WebGL2RenderingContext,
  program: WebGLProgram,
  names: readonly N[],
): Record<N, WebGLUniformLocation | null> =>
  Object.fromEntries(names.map((name) => [name, gl.getUniformLocation(program, name)])) as any;

/** How an array becomes an attribute: so many numbers of a type each, bytes as shares of 255, one a vertex or an instance. */
export interface AttributeOptions {
  size: number;
  type: number;
  isShare?: boolean;
  byInstance?: boolean;
}

/** Puts arrays into the attributes of a program; each is sent again only when it is another array. */
export function attributesOf(
  gl: WebGL2RenderingContext,
  program: WebGLProgram,
): (name: string, values: ArrayBufferView, options: AttributeOptions) => void {
  const sent = new Map<string, { buffer: WebGLBuffer; values?: ArrayBufferView }>();
  return (name, values, { size, type, isShare = false, byInstance = false }) => {
    const held = sent.get(name) ?? { buffer: gl.createBuffer()! };
    gl.bindBuffer(gl.ARRAY_BUFFER, held.buffer);
    if (held.values !== values) gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
    sent.set(name, { ...held, values });
    const at = gl.getAttribLocation(program, name);
    if (at < 0) return;
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, size, type, isShare, 0, 0);
    gl.vertexAttribDivisor(at, Number(byInstance));
  };
}

/** Numbers of a colour of CSS from 0 to 1, red, green, blue. */
export const unit = (rgb: readonly number[]): [number, number, number] =>
  rgb.slice(0, 3).map((part) => part / 255) as [number, number, number];
