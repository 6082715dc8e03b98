"""How soon a node that is taken out of a circuit shows in the scores, in JupyterLab with a kernel of its own."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from pathlib import Path

from benchmarks.figure import Figure

CELL = """
from scope_widgets import Microscope, circuits, ioi, widgets
scope = Microscope.load("demo")
circuit = circuits.discover(scope, ioi.prompts(scope, n=20, seed=0).task()).keep(48)
widgets.CircuitGraph(circuit, scope)
"""
#: keys that walk to another node: up along the strongest edge, along its layer
WALK = ("ArrowUp", "Home", *["ArrowRight"] * 4) * 4
#: from the press of a key to the frame in which the new score stands
WATCH = """() => {
  const shown = () => document.querySelector('.cg-faithfulness').textContent;
  const before = shown();
  window.took = new Promise((done) => addEventListener('keydown', () => {
    const start = performance.now();
    const look = () => {
      const waited = performance.now() - start, old = document.querySelector('.cg-measured.cg-old');
      if (old || (shown() === before && waited < 1000)) requestAnimationFrame(look);
      else requestAnimationFrame(() => done(shown() === before ? null : waited));
    };
    requestAnimationFrame(look);
  }, { capture: true, once: true }));
}"""


def measure(quick: bool = False) -> list[Figure]:
    chromium = shutil.which("chromium")
    if chromium is None:
        print("No Chromium here: touches were not measured.")
        return []
    from playwright.sync_api import sync_playwright

    from tests.support.jupyter_server import jupyter_server, open_notebook, run_cell, write_notebook

    flags = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=flags.split())
        with jupyter_server("jupyterlab", Path(folder)) as address:
            for turn in range(1 if quick else 3):
                write_notebook(Path(folder) / f"touch-{turn}.ipynb", [CELL])
                page = browser.new_page(viewport={"width": 1300, "height": 1000})
                cells = open_notebook(page, f"{address}/lab/tree/touch-{turn}.ipynb?reset")
                run_cell(page, cells.nth(0))
                page.locator(".cg-faithfulness").wait_for(timeout=60_000)
                page.wait_for_timeout(2000)
                page.locator(".cg-cell").focus()
                seen = set()
                for key in WALK:
                    page.keyboard.press(key)
                    node = page.locator(".cg-cell").get_attribute("aria-label").split(",")[0]
                    if node in seen:  # a circuit that was measured is not asked for again
                        continue
                    seen.add(node)
                    page.evaluate(WATCH)
                    page.keyboard.press("x")
                    took = page.evaluate("window.took")
                    if took is not None:  # None: the score did not change
                        times.append(took)
                    page.keyboard.press("Control+z")
                    page.wait_for_timeout(100)
                page.close()
        browser.close()
    name = "CircuitGraph, a node toggled on the demo model: new scores on screen in JupyterLab"
    return [Figure(name, statistics.median(times), "ms", 150, "lower", {"each_ms": times})]
