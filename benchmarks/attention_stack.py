"""How many frames a second AttentionStack draws, and how long ProjectionView's take, by software alone."""

from __future__ import annotations

import shutil
import statistics
from typing import Any

import numpy as np

from benchmarks.figure import Figure

#: turns the stack `n` times; milliseconds of each frame, from its beginning until its pixels can be read
TURN = """async (n) => {
  const gl = document.querySelector('.sw-canvas canvas').getContext('webgl2');
  const pixel = new Uint8Array(4);
  const times = [];
  for (let at = 0; at < n; at++) {
    await new Promise((done) => requestAnimationFrame(done));
    models[0].put('turn', -40 + 0.7 * at);
    await new Promise((done) => requestAnimationFrame((start) => {
      // the view has drawn in this frame, before this was called
      gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
      times.push(performance.now() - start);
      done();
    }));
  }
  return times;
}"""
#: the same of a projection that is zoomed
ZOOM = """async (n) => {
  const stage = document.querySelector('.pv-stage');
  const canvas = stage.querySelector('.sw-canvas canvas');
  const gl = canvas.getContext('webgl2');
  const pixel = new Uint8Array(4);
  const times = [];
  const { left, top, width, height } = stage.getBoundingClientRect();
  for (let at = 0; at < n; at++) {
    await new Promise((done) => requestAnimationFrame(done));
    stage.dispatchEvent(new WheelEvent('wheel', {
      ctrlKey: true, deltaY: at % 2 ? 40 : -40, clientX: left + width / 2, clientY: top + height / 2,
    }));
    await new Promise((done) => requestAnimationFrame((start) => {
      gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
      times.push(performance.now() - start);
      done();
    }));
  }
  return times;
}"""
#: points at one place after the other; milliseconds until the note is there
POINT = """async (n) => {
  const stage = document.querySelector('.pv-stage');
  const { left, top, width, height } = stage.getBoundingClientRect();
  const times = [];
  for (let at = 0; at < n; at++) {
    const [clientX, clientY] = [left + width * (0.4 + 0.002 * at), top + height * (0.4 + 0.002 * at)];
    const start = performance.now();
    stage.dispatchEvent(new PointerEvent('pointermove', { bubbles: true, clientX, clientY }));
    times.push(performance.now() - start);
    await new Promise((done) => requestAnimationFrame(done));
  }
  return times;
}"""
RENDERER = """() => {
  const gl = document.createElement('canvas').getContext('webgl2');
  const about = gl?.getExtension('WEBGL_debug_renderer_info');
  return gl ? gl.getParameter(about ? about.UNMASKED_RENDERER_WEBGL : gl.RENDERER) : '';
}"""


def projection(n: int) -> Any:
    """Return a view of random points with a class each and a token in a text."""
    from scope_widgets import widgets

    rng = np.random.default_rng(0)
    words = [f" word{at}" for at in range(2000)]
    texts = [[words[at] for at in row] for row in rng.integers(0, 2000, (n // 100, 100))]
    return widgets.ProjectionView(
        rng.normal(size=(n, 2)), texts=texts, colours={"group": rng.integers(0, 6, n), "norm": rng.normal(size=n)}
    )


def measure(quick: bool = False) -> list[Figure]:
    chromium = shutil.which("chromium")
    if chromium is None:
        print("No Chromium here: the stack of heads was not measured.")
        return []
    from playwright.sync_api import sync_playwright

    from benchmarks.views import first_message
    from scope_widgets import widgets
    from tests.support import view_page
    from tests.support.stack_examples import stacked_trace

    frames, n = (20, 10_000) if quick else (100, 100_000)
    stack, points = widgets.AttentionStack(stacked_trace(64, 12, 12)), projection(n)
    with view_page.served() as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=view_page.FLAGS)
        found: dict[str, list[float]] = {}
        renderer = ""
        for name, view, script in (("turn", stack, TURN), ("zoom", points, ZOOM), ("point", points, POINT)):
            page = browser.new_page(viewport={"width": 1240, "height": 800})
            view_page.mounted(page, address, view, width=1160)
            renderer = page.evaluate(RENDERER)
            if not renderer:
                print("This Chromium has no WebGL 2: frames were not measured.")
                browser.close()
                return []
            view_page.frame(page)
            page.wait_for_timeout(500)
            found[name] = page.evaluate(script, frames)
            page.close()
        browser.close()
    detail = {"renderer": renderer}
    turn, zoom, point = (statistics.median(found[name]) for name in ("turn", "zoom", "point"))
    return [
        Figure("AttentionStack frames, 12 x 12 heads, 64 tokens, software renderer", 1000 / turn, "frames/s", 30,
               "higher", detail | {"each_ms": found["turn"]}),
        Figure(f"ProjectionView frame while zooming, {n:,} points, software renderer", zoom, "ms",
               detail=detail | {"each_ms": found["zoom"]}),
        Figure(f"ProjectionView pointing, {n:,} points", point, "ms", 8, "lower", {"each_ms": found["point"]}),
        Figure(f"ProjectionView first message, {n:,} points in their texts, two columns",
               first_message(points) / 1e6, "MB", 2, "lower"),
    ]  # fmt: skip
