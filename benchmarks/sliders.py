"""How soon a slider that is dragged shows in the bars, in JupyterLab with a kernel of its own."""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figure import Figure

MOVES = 100
DRAGS = 3
#: milliseconds between two moves of the mouse
PACE = 5
SETTING = "--ServerApp.kernel_websocket_connection_class=scope_widgets.apps.jupyter.PromptConnection"
CELL = """
import numpy as np, torch, transformers
from scope_widgets import Microscope, features, steering, widgets
{model}
{moved}
panel = widgets.SteeringPanel(scope, ids, interventions=[moved], continue_on_release=False)
panel
"""
DIRECTION = """
vector = np.random.default_rng(1).normal(size=scope.d_model)
direction = steering.direction(scope, layer=layer, vector=vector, positive=[ids])
moved = steering.AddDirection(direction, positions="{at}")
"""
#: one that fires at the last position
LATENT = """
torch.manual_seed(0)
W_dec = torch.nn.functional.normalize(torch.randn(24_576, scope.d_model), dim=1)
x = scope.trace(ids, capture=("residual",)).residual(layer)
threshold = (x @ W_dec.T).flatten().topk(32 * len(ids)).values[-1].repeat(len(W_dec))
sae = features.SAE(W_dec.T.contiguous(), W_dec, torch.zeros(len(W_dec)), torch.zeros(scope.d_model), "jumprelu",
                   threshold=threshold, layer=layer, model=scope.model_id)
moved = steering.ClampFeature(sae, int(sae.encode(x[-1:]).indices[0]), 0.0, positions="last")
"""
MODELS = {
    "GPT-2-small size, 32 tokens, layer 8": """
model = transformers.GPT2LMHeadModel(transformers.GPT2Config()).eval()
scope = Microscope.for_model(model, Microscope.load("demo").tokenizer, "random GPT-2-small size")
ids, layer = np.random.default_rng(0).integers(5, 700, 32).tolist(), 8
""",
    "the demo model, 32 tokens, layer 1": """
scope = Microscope.load("demo")
ids, layer = np.random.default_rng(0).integers(5, 700, 32).tolist(), 1
""",
}
CASES = (
    *((model, "all positions", DIRECTION.format(at="all")) for model in MODELS),
    ("GPT-2-small size, 32 tokens, layer 8", "the last position", DIRECTION.format(at="last")),
    ("GPT-2-small size, 32 tokens, layer 8", "a latent at the last position", LATENT),
)
#: what the session remembers is no measure of what it computes
READ = """
print("computed", panel.session.cache_info().misses, "remembered", panel.session.cache_info().hits)
panel.session.clear_cache()
"""
#: when the mouse moved, and which strength each repaint shows
WATCH = """() => {
  const root = document.querySelector('[data-painted]') ?? document.querySelector('.sp-slider').closest('.sw');
  window.moves = []; window.paints = [];
  if (root.watched) return;
  root.watched = true;
  const thumb = root.querySelector('.sp-thumb');
  addEventListener('pointermove', (event) => {
    const at = event.timeStamp;
    queueMicrotask(() => setTimeout(() => window.moves.push([at, Number(thumb.getAttribute('aria-valuenow'))])));
  });
  root.addEventListener('steering-painted', ({ detail }) =>
    window.paints.push([performance.now(), detail.strengths[0], detail.sequence]));
}"""


def measure(quick: bool = False) -> list[Figure]:
    chromium = shutil.which("chromium")
    if chromium is None:
        print("No Chromium here: sliders were not measured.")
        return []
    figures = []
    for setting, target in ((True, 150), (False, 250)):
        for model, where, moved in CASES:
            cell = CELL.format(model=MODELS[model], moved=moved)
            wait, rate, detail = _dragged(chromium, cell, setting, 20 if quick else MOVES)
            words = "with the server setting" if setting else "on a stock server"
            name = f"SteeringPanel in JupyterLab, {words}, {model}, {where}"
            figures.append(
                Figure(f"{name}: input to repainted bars, p95 of {MOVES} moves", wait, "ms", target, "lower", detail)
            )
            figures.append(Figure(f"{name}: updates while dragging", rate, "/s", 15, "higher"))
    return figures


def _dragged(chromium: str, cell: str, setting: bool, moves: int) -> tuple[float, float, dict[str, Any]]:
    """Drag a slider from end to end, three times; gives the medians of p95 in ms and of updates a second, details."""
    from playwright.sync_api import sync_playwright

    from tests.support.jupyter_server import jupyter_server, open_notebook, run_cell, write_notebook

    flags = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
    options = (SETTING,) if setting else ()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=flags.split())
        with jupyter_server("jupyterlab", Path(folder), options=options) as address:
            write_notebook(Path(folder) / "sliders.ipynb", [cell, READ])
            page = browser.new_page(viewport={"width": 1300, "height": 1000})
            cells = open_notebook(page, f"{address}/lab/tree/sliders.ipynb?reset")
            run_cell(page, cells.nth(0))
            track = page.locator(".sp-track").first
            track.wait_for(timeout=120_000)
            page.wait_for_timeout(3000)
            found = []
            for _ in range(DRAGS):
                track.scroll_into_view_if_needed()
                box = track.bounding_box()
                assert box is not None
                y, left, width = box["y"] + box["height"] / 2, box["x"], box["width"]
                page.mouse.move(left + 1, y)
                page.mouse.down()
                page.wait_for_timeout(1000)
                page.evaluate(WATCH)
                for step in range(1, moves + 1):
                    page.mouse.move(left + 1 + (width - 2) * step / moves, y)
                    page.wait_for_timeout(PACE)
                page.wait_for_timeout(1500)
                page.mouse.up()
                seen = page.evaluate("[window.moves, window.paints]")
                run_cell(page, cells.nth(1))
                page.wait_for_timeout(1000)
                found.append(_read(*seen, cells.nth(1).locator(".jp-OutputArea-output").inner_text()))
        browser.close()
    waits, rates = (statistics.median(one[i] for one in found) for i in (0, 1))
    return waits, rates, {"drags": [detail for _, _, detail in found]}


def _read(moved: list[list[float]], painted: list[list[float]], remembered: str) -> tuple[float, float, dict[str, Any]]:
    """Hold each move against the first repaint that shows it, or a later one."""
    strengths, sequences = [paint[1] for paint in painted], [paint[2] for paint in painted]
    if sequences != sorted(sequences) or strengths != sorted(strengths):
        raise AssertionError(f"An old update was painted after a newer one: {json.dumps(painted)}")
    waits = []
    for at, strength in moved:
        first = next((when for when, shown, _ in painted if when >= at and shown >= strength - 1e-9), None)
        if first is None:
            raise AssertionError(f"The move to {strength} was never painted; the last was {strengths[-1]}.")
        waits.append(first - at)
    during = [when for when, _, _ in painted if moved[0][0] <= when <= moved[-1][0]]
    rate = (len(during) - 1) / (during[-1] - during[0]) * 1000
    detail = {
        "moves": len(moved),
        "updates": len(painted),
        "median_ms": float(np.median(waits)),
        "p95_ms": float(np.quantile(waits, 0.95)),
        "longest_ms": max(waits),
        "updates_a_second": rate,
        "seconds": (moved[-1][0] - moved[0][0]) / 1000,
        "kernel": remembered.strip(),
    }
    return float(np.quantile(waits, 0.95)), rate, detail
