"""How long a view takes to follow the pointer, a new colour scale, a slider or the wheel, in Chromium."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from benchmarks.figure import Figure

#: milliseconds of scripts from an input to the end of the next frame
COST = """async (act) => {
  let begin, end;
  requestAnimationFrame(() => begin = performance.now()); // before the view's own frame
  const start = performance.now();
  act();
  const handler = performance.now() - start;
  await new Promise(done => requestAnimationFrame(() => { end = performance.now(); done(); }));
  return handler + end - begin;
}"""
MOVE = """
  const where = document.querySelector(PLACE), box = where.getBoundingClientRect();
  const move = (i) => where.dispatchEvent(new PointerEvent("pointermove", {
    clientX: box.x + box.width * (.25 + .01 * i), clientY: box.y + box.height * (.5 + .005 * i), bubbles: true }));
"""
RECOLOUR = """const act = () => document.querySelector(".sw-legend button").click();"""
LIMIT = """const act = (i) => models[0].put("limit", 0.5 + i / 100);"""
SCROLL = """
  const grid = document.querySelector(".sw-grid");
  const act = (i) => { grid.scrollTop = i * 3517; grid.dispatchEvent(new Event("scroll")); };
"""
SLIDE = """
  const slider = document.querySelector(".cg-slider"), box = slider.getBoundingClientRect();
  const at = (share) => ({ clientX: box.x + box.width * share, clientY: box.y + 10, bubbles: true, pointerId: 1 });
  slider.setPointerCapture = () => {};
  slider.dispatchEvent(new PointerEvent("pointerdown", at(.3)));
  const act = (i) => slider.dispatchEvent(new PointerEvent("pointermove", at(.3 + .65 * i / 60)));
"""


def measure(quick: bool = False) -> list[Figure]:
    from playwright.sync_api import sync_playwright

    from tests.support import view_page

    path = view_page.chromium()
    if path is None:
        print("No Chromium here: pointing was not measured.")
        return []
    rounds = 10 if quick else 60
    figures = []
    with view_page.served() as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=view_page.FLAGS)
        for name, make, script, target in _cases():
            page = browser.new_page(viewport={"width": 1200, "height": 700})
            page.add_init_script(path=view_page.TIMERS)
            view_page.mounted(page, address, make())
            view_page.rested(page)
            each = page.evaluate(
                f"async (rounds) => {{ {script}\n const cost = {COST}, each = [];"
                " for (let i = 0; i < rounds; i++) each.push(await cost(() => act(i))); return each; }",
                rounds,
            )
            page.close()
            figures.append(Figure(name, statistics.median(each), "ms", target, "lower", {"each_ms": each}))
        browser.close()
    return figures


def _cases() -> list[tuple[str, Callable[[], Any], str, float]]:
    from scope_widgets import widgets
    from tests.support.circuit_examples import circuit
    from tests.support.lens_examples import made_lens
    from tests.support.patching_examples import patching
    from tests.support.trace_examples import FakeTrace

    def heads() -> Any:
        import numpy as np
        import pandas as pd

        index = np.arange(10_000)
        scores = np.random.default_rng(0).gamma(3, 0.5, 10_000)
        return widgets.HeadTable(pd.DataFrame({"layer": index // 100, "head": index % 100, "entropy": scores}))

    def attention() -> Any:
        return widgets.AttentionView(FakeTrace(2, 12, 1024), selected_heads=[(0, 0)])

    def lens() -> Any:
        return widgets.LogitLensView(made_lens(30, 1024))

    def map_() -> Any:
        return widgets.PatchingMap(patching(30, 1024, over="residual"))

    def graph() -> Any:
        return widgets.CircuitGraph(circuit(12, 12, keep=200))

    def hover(place: str) -> str:
        return MOVE.replace("PLACE", repr(place)) + "const act = move;"

    return [
        ("AttentionView, pointing, 1024 tokens", attention, hover(".av-matrix"), 8),
        ("AttentionView, another scale, 1024 tokens", attention, RECOLOUR, 100),
        ("LogitLensView, pointing, 1024 positions", lens, hover(".ll-map"), 8),
        ("LogitLensView, another scale, 1024 positions", lens, RECOLOUR, 100),
        ("PatchingMap, pointing, 30 x 1024 cells", map_, hover(".pm-left > .pm-map"), 8),
        ("PatchingMap, another limit, 30 x 1024 cells", map_, LIMIT, 100),
        ("CircuitGraph, sliding over 32,491 edges", graph, SLIDE, 16.7),
        ("HeadTable, scrolling 10,000 rows", heads, SCROLL, 12),
    ]
