"""The workbench: from its start to the first view, a message there and back, a slider, and /health under load."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figure import Figure
from benchmarks.sliders import PACE, WATCH, _read

MESSAGES = 200
MOVES = 100
ASKED = 100
BUSY_S = 5.0
#: the last move is on the screen
PAINTED = """() => window.moves.length && window.paints.length
    && Math.abs(window.paints.at(-1)[1] - window.moves.at(-1)[1]) < 1e-9"""
FLAGS = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"


def measure(quick: bool = False) -> list[Figure]:
    chromium = shutil.which("chromium")
    if chromium is None:
        print("No Chromium here: the workbench was not measured.")
        return []
    return [*_of_the_demo(chromium, quick), *_slider(chromium, quick)]


def _of_the_demo(chromium: str, quick: bool) -> list[Figure]:
    from playwright.sync_api import sync_playwright

    starts: list[float] = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS.split())
        for _ in range(1 if quick else 3):
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            begin = time.perf_counter()
            process, address = _started(Path(folder))
            page.goto(address)
            page.locator(".wp-panel canvas").first.wait_for(timeout=120_000)
            starts.append(time.perf_counter() - begin)
            page.close()
            process.terminate()
            process.wait(30)
        browser.close()
    messages = _messages(20 if quick else MESSAGES)
    health = _health(10 if quick else ASKED)
    return [
        Figure("Workbench: `microscope ui` to the first view, demo model", statistics.median(starts), "s", 5, "lower"),
        Figure(f"Workbench: a view's message there and back, p95 of {MESSAGES}", messages, "ms", 10, "lower"),
        Figure(f"Workbench: /health while the models' thread is busy, slowest of {ASKED}", health, "ms", 50, "lower"),
    ]


def _started(folder: Path) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "scope_widgets.cli", "ui", "--model", "demo", "--no-open", "--port", "0"]
    process = subprocess.Popen([*command, "--workspace", str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def _messages(n: int) -> float:
    """Return the p95, in ms, of pings of a view from a program at the socket, the server in this process."""
    from tests.support.workbench_server import Page, served

    times = []
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as server:
        page = Page(server, "page-of-a-benchmark").opened()
        view = page.add("attention")
        for _ in range(n):
            begin = time.perf_counter()
            page.ask("ping", of=view)
            times.append(1e3 * (time.perf_counter() - begin))
        page.close()
    return float(np.quantile(times, 0.95))


def _health(n: int) -> float:
    """Return the slowest of answers, in ms, while the models' thread runs forwards without a pause."""
    import httpx

    from tests.support.workbench_server import served

    times = []
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as server:
        scope = server.workspace.scope("demo")

        def work() -> None:
            until = time.monotonic() + BUSY_S
            while time.monotonic() < until:
                scope.trace("When Mary and John went to the store, John gave a drink to " * 12)

        server.workspace.kernel.soon(work)
        with httpx.Client(base_url=f"http://{server.host}") as client:
            client.get("/health")
            for _ in range(n):
                begin = time.perf_counter()
                client.get("/health")
                times.append(1e3 * (time.perf_counter() - begin))
                time.sleep(0.02)
    return max(times)


def _slider(chromium: str, quick: bool) -> list[Figure]:
    """Drag the slider of a head in a steering panel of a model of GPT-2-small size."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        subprocess.run([sys.executable, "-c", _MODEL, str(model)], check=True)
        wait, rate, detail = _dragged(chromium, Path(folder) / "workspace", model, 20 if quick else MOVES)
    name = "Workbench, GPT-2-small size, 32 tokens, layer 8, the last position"
    return [
        Figure(f"{name}: slider to repainted bars, p95 of {MOVES} moves", wait, "ms", 100, "lower", detail),
        Figure(f"{name}: updates while dragging", rate, "/s", 15, "higher"),
    ]


_MODEL = """
import sys, transformers
from scope_widgets import Microscope
transformers.GPT2LMHeadModel(transformers.GPT2Config()).save_pretrained(sys.argv[1])
Microscope.load("demo").tokenizer.save_pretrained(sys.argv[1])
"""
PROMPT = " ".join(["the store and the park"] * 7)


def _dragged(chromium: str, folder: Path, model: Path, moves: int) -> tuple[float, float, dict[str, Any]]:
    from playwright.sync_api import sync_playwright

    from scope_widgets import steering
    from scope_widgets.apps.workbench import page as pages
    from scope_widgets.widgets.workbench.panels import make_panel
    from tests.support.workbench_server import served

    def steered(prompt: Any, options: dict[str, Any]) -> Any:
        vector = np.random.default_rng(1).normal(size=prompt.scope.d_model)
        direction = steering.direction(
            prompt.scope, layer=min(8, prompt.scope.n_layers - 1), vector=vector, positive=[prompt.text]
        )
        moved = steering.AddDirection(direction, positions="last")
        yield from ()
        return make_panel.SteeringPanel(
            prompt.scope, prompt.text, interventions=[moved], continue_on_release=False, **prompt.shared
        )

    kind = make_panel.KINDS["steering"]
    pages.FIRST_PROMPT, before = PROMPT, pages.FIRST_PROMPT
    make_panel.KINDS["steering"] = make_panel.Kind(kind.title, kind.about, steered)
    try:
        with served(folder, model=str(model)) as server, sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=FLAGS.split())
            page = browser.new_page(viewport={"width": 1300, "height": 1000})
            page.goto(f"{server.address}&layout={_link()}")
            track = page.locator(".sp-track").first
            track.wait_for(timeout=120_000)
            page.wait_for_timeout(3000)
            found = [_drag(page, track, moves, server) for _ in range(1 if moves < MOVES else 3)]
            browser.close()
    finally:
        pages.FIRST_PROMPT = before
        make_panel.KINDS["steering"] = kind
    waits, rates = (statistics.median(one[i] for one in found) for i in (0, 1))
    return waits, rates, {"drags": [detail for _, _, detail in found]}


def _link() -> str:
    """Return the layout of a page with the steering panel alone."""
    panel = {"id": "steering", "kind": "steering", "side": "a", "options": {}}
    saved = {"v": 1, "layout": {"columns": [[panel], []]}, "prompts": {}, "heads": [], "tokens": []}
    return urlsafe_b64encode(json.dumps(saved).encode()).decode().rstrip("=")


def _drag(page: Any, track: Any, moves: int, server: Any) -> tuple[float, float, dict[str, Any]]:
    track.scroll_into_view_if_needed()
    box = track.bounding_box()
    y, left, width = box["y"] + box["height"] / 2, box["x"], box["width"]
    page.mouse.move(left + 1, y)
    page.mouse.down()
    page.wait_for_timeout(1000)
    page.evaluate(WATCH)
    for step in range(1, moves + 1):
        page.mouse.move(left + 1 + (width - 2) * step / moves, y)
        page.wait_for_timeout(PACE)
    page.wait_for_function(PAINTED, timeout=60_000)
    page.mouse.up()
    seen = page.evaluate("[window.moves, window.paints]")

    def forget() -> str:
        sides = [side for one in server.app.app.state.open_pages.all() for side in one.page.sides.values()]
        panels = [panel.view for side in sides for panel in side.panels.values() if panel.kind == "steering"]
        said = [view._session.cache_info() for view in panels]
        for view in panels:  # what the session remembers is no measure of what it computes
            view._session.clear_cache()
        return f"computed {said[0].misses} remembered {said[0].hits}"

    return _read(*seen, server.workspace.kernel.call(forget))
