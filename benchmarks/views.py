"""How heavy and how quick AttentionView is on 12 x 12 heads, beside circuitsvis."""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.figure import Figure

CELL = """
from benchmarks.views import random_trace
from scope_widgets import widgets
trace = random_trace({tokens})
view = widgets.AttentionView(trace)
"""
FIRST_CELL_DONE = "/\\d/.test(document.querySelector('.jp-InputPrompt').textContent)"
#: notes in the page when the cell has ended (its number is there) and when the thumbnails are first painted
WATCH = """() => {
  const seen = (window.seen = {});
  const look = () => {
    const cell = document.querySelectorAll('.jp-CodeCell')[1];
    const canvas = cell.querySelector('.av-thumbnails');
    if (!seen.end && /\\d/.test(cell.querySelector('.jp-InputPrompt').textContent)) seen.end = performance.now();
    if (!seen.paint && canvas && canvas.width) {
      const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      if (pixels.some((value) => value)) seen.paint = performance.now();
    }
    if (!seen.paint || !seen.end) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""


def random_trace(tokens: int):  # type: ignore[no-untyped-def]
    """Make a trace of 12 x 12 heads that attend at random."""
    from tests.support.planted_traces import planted_trace, random

    rng = np.random.default_rng(0)
    layer = np.stack([random(tokens, rng, 3.0) for _ in range(12)])
    return planted_trace(np.stack([np.roll(layer, shift, 0) for shift in range(12)]), np.arange(tokens))


def first_message(view: object) -> int:
    """Bytes of the state that opens a view, its bundle included."""
    state = view.get_state()  # type: ignore[attr-defined]
    buffers = sum(len(value) for value in state.values() if isinstance(value, bytes))
    return buffers + len(json.dumps({k: v for k, v in state.items() if not isinstance(v, bytes)}, default=str))


def measure(quick: bool = False) -> list[Figure]:
    from scope_widgets import widgets

    figures = []
    for tokens in (128,) if quick else (128, 512, 1024):
        trace = random_trace(tokens)
        start = time.perf_counter()
        view = widgets.AttentionView(trace)
        took = time.perf_counter() - start
        name = f"AttentionView first message, 12 x 12 heads, {tokens} tokens"
        figures.append(Figure(name, first_message(view) / 1e6, "MB", 2, "lower", {"made_in_s": took}))
        if tokens == 128:
            figures.append(_circuitsvis(trace, first_message(view), took))
    return figures + _first_paint((128,) if quick else (128, 512, 1024), rounds=1 if quick else 5)


def _circuitsvis(trace, ours: int, took: float) -> Figure:  # type: ignore[no-untyped-def]
    start = time.perf_counter()
    size = sum(len(str(trace.to_circuitsvis(layer))) for layer in range(trace.n_layers))
    detail = {"circuitsvis_MB": size / 1e6, "circuitsvis_s": time.perf_counter() - start, "ours_s": took}
    return Figure("circuitsvis / AttentionView, bytes sent, 12 x 12 heads, 128 tokens", size / ours, "x", detail=detail)


def _first_paint(sizes: tuple[int, ...], rounds: int) -> list[Figure]:
    """Measure in JupyterLab, from the end of the cell to the thumbnails on screen."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("No Chromium here: first paint was not measured.")
        return []
    from playwright.sync_api import sync_playwright

    from tests.support.jupyter_server import jupyter_server, open_notebook, run_cell, write_notebook

    figures = []
    flags = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=flags.split())
        with jupyter_server("jupyterlab", Path(folder)) as address:
            for tokens in sizes:
                times = []
                for turn in range(rounds):
                    name = f"paint-{tokens}-{turn}.ipynb"
                    write_notebook(Path(folder) / name, [CELL.format(tokens=tokens), "view", "done"])
                    page = browser.new_page(viewport={"width": 1300, "height": 1000})
                    cells = open_notebook(page, f"{address}/lab/tree/{name}?reset")
                    run_cell(page, cells.nth(0))
                    page.wait_for_function(
                        "/\\d/.test(document.querySelector('.jp-InputPrompt').textContent)", timeout=60_000
                    )
                    page.evaluate(WATCH)
                    run_cell(page, cells.nth(1))
                    page.wait_for_function("window.seen.paint && window.seen.end", timeout=30_000)
                    times.append(page.evaluate("window.seen.paint - window.seen.end"))
                    page.close()
                name = f"AttentionView first paint after the cell's end in JupyterLab, 12 x 12 heads, {tokens} tokens"
                figures.append(Figure(name, statistics.median(times), "ms", 500, "lower", {"each_ms": times}))
        browser.close()
    return figures
