"""How quick FeatureBrowser is on 131,072 latents of a width of 576, in JupyterLab with a kernel of its own."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.figure import Figure

LATENTS, WIDTH, LAYER, K = 131_072, 576, 15, 32
TEXT = "Mary and John went to the store and then they gave a book to the"
MODEL = "random SmolLM2 size"
CELL = """
from benchmarks.feature_browser import browser_of
browser = browser_of({folder!r}, {latents})
"""
#: notes when the cell has ended (its number is there) and when rows with numbers are first there
WATCH = """() => {
  const seen = (window.seen = {});
  const look = () => {
    const cell = document.querySelectorAll('.jp-CodeCell')[1];
    if (!seen.end && /\\d/.test(cell.querySelector('.jp-InputPrompt').textContent)) seen.end = performance.now();
    if (!seen.paint && cell.querySelectorAll('.fb-row .fb-number').length) seen.paint = performance.now();
    if (!seen.paint || !seen.end) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""
#: scrolls to a place; milliseconds until all rows in sight are filled, and until they say their tokens
SCROLL = """(share) => new Promise((done) => {
  const box = document.querySelector('.fb-box');
  const start = performance.now();
  let seen;
  box.scrollTop = share * (box.scrollHeight - box.clientHeight);
  const look = () => {
    const { top, bottom } = box.getBoundingClientRect();
    const rows = [...box.querySelectorAll('.fb-row:not([hidden])')].filter((row) => {
      const place = row.getBoundingClientRect();
      return place.bottom > top && place.top < bottom;
    });
    const now = performance.now() - start;
    const filled = rows.length * 24 >= box.clientHeight - 24;
    if (filled) seen ??= now;
    const there = filled && rows.every((row) => !row.querySelector('.fb-tokens').textContent.startsWith('…'));
    if (there) done([seen, now]);
    else setTimeout(look, 1);
  };
  setTimeout(look, 0);
})"""
#: types a text and waits until its last token is there; milliseconds
TYPE = """([text, last]) => new Promise((done) => {
  const input = document.querySelector('.fb-search');
  const start = performance.now();
  input.value = text;
  input.dispatchEvent(new Event('input'));
  const look = () => {
    const shown = [...document.querySelectorAll('.fb-text .fb-token')].at(-1);
    if (shown?.textContent.includes(last) && document.querySelector('.fb-fires')) done(performance.now() - start);
    else setTimeout(look, 1);
  };
  setTimeout(look, 0);
})"""


def random_index(folder: str | Path, latents: int = LATENTS) -> Any:
    """Write an index of random numbers, in the format of `features.index`; its texts are of the demo's tokens."""
    from scope_widgets import Microscope
    from scope_widgets.features.indexing.files import LAYOUT, IndexManifest, empty_arrays, write_index
    from scope_widgets.features.indexing.random_contexts import WINDOW, RandomContexts
    from scope_widgets.models.tokens import token_texts

    rng = np.random.default_rng(0)
    n_tokens, words = 10_000_000, 700
    arrays = empty_arrays(latents)
    count = (n_tokens * 10 ** rng.uniform(-6, -1, latents)).astype(np.int64)
    count[rng.random(latents) < 0.1] = 0
    largest = rng.uniform(1, 20, latents)
    drawn: dict[str, Any] = {"count": count, "max": largest, "mean": largest * rng.uniform(0.1, 0.6, latents)}
    for name, (_, shape) in LAYOUT.items():
        size = (latents, *shape)
        if name in ("example_window", "token", "promoted", "suppressed"):
            drawn[name] = rng.integers(5, words, size, dtype=np.int32)
        elif name in ("neighbour", "partner"):
            drawn[name] = rng.integers(0, latents, size, dtype=np.int32)
        elif name == "example_row":
            drawn[name] = np.where(np.arange(shape[0]) < 20, 1, -1) * rng.integers(1, n_tokens, size)
        elif name == "example_fires":
            drawn[name] = np.full(size, 1 << 15, np.int32)
    drawn["example_value"] = largest[:, None] * np.linspace(1, 0.1, LAYOUT["example_value"][1][0])
    arrays |= {name: torch.from_numpy(value).to(LAYOUT[name][0]) for name, value in drawn.items()}
    contexts = RandomContexts(
        np.zeros((0, WINDOW), np.int32),
        np.zeros(0, np.int32),
        np.zeros(0, np.int64),
        np.zeros(latents + 1, np.int64),
        np.zeros(0, np.int32),
    )
    manifest = IndexManifest(MODEL, None, "residual", LAYER, latents, n_tokens, 10_000, 2**15, [])
    ids = list(range(words))
    texts = dict(zip(ids, token_texts(Microscope.load("demo").tokenizer, ids), strict=True))
    write_index(Path(folder), manifest, arrays, contexts, texts)


def browser_of(folder: str | Path, latents: int = LATENTS) -> Any:
    """Return a browser of the index in a folder, with a random model and autoencoder of its size."""
    import transformers

    from scope_widgets import Microscope, features, widgets

    config = transformers.LlamaConfig(
        hidden_size=WIDTH,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        intermediate_size=1536,
        vocab_size=49_152,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(config).eval()
    scope = Microscope.for_model(model, Microscope.load("demo").tokenizer, MODEL)
    rows = torch.nn.functional.normalize(torch.randn(latents, WIDTH), dim=1)
    zeros = torch.zeros(latents), torch.zeros(WIDTH)
    sae = features.SAE(rows.T.contiguous(), rows, *zeros, "topk", K, layer=LAYER, model=MODEL)
    return widgets.FeatureBrowser(features.FeatureIndex.load(folder, scope=scope, sae=sae))


def measure(quick: bool = False) -> list[Figure]:
    from benchmarks.views import first_message

    latents = 4096 if quick else LATENTS
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index"
        random_index(index, latents)
        browser = browser_of(index, latents)
        name = f"FeatureBrowser first message, {latents:,} latents"
        figures = [Figure(name, first_message(browser) / 1e6, "MB", 2, "lower")]
        return figures + _saved(Path(folder)) + _in_lab(Path(folder), index, latents, rounds=1 if quick else 3)


def _saved(folder: Path) -> list[Figure]:
    """Measure a page of some latents that works from disk; sae_vis's of as many has 46.5 MB."""
    from scope_widgets import features, widgets

    view = widgets.FeatureBrowser(features.FeatureIndex.load("demo"), latents=list(range(256)))
    size = view.to_html(folder / "page.html").stat().st_size / 1e6
    return [Figure("FeatureBrowser saved page of 256 latents of the demo", size, "MB", 46.5, "lower")]


def _in_lab(folder: Path, index: Path, latents: int, rounds: int) -> list[Figure]:
    chromium = shutil.which("chromium")
    if chromium is None:
        print("No Chromium here: FeatureBrowser was not measured in a page.")
        return []
    from playwright.sync_api import sync_playwright

    from tests.support.jupyter_server import jupyter_server, open_notebook, run_cell, write_notebook

    paints: list[float] = []
    scrolls: list[list[float]] = []
    typed: list[float] = []
    flags = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
    done = "/\\d/.test(document.querySelector('.jp-InputPrompt').textContent)"
    with sync_playwright() as driver, jupyter_server("jupyterlab", folder) as address:
        chrome = driver.chromium.launch(executable_path=chromium, args=flags.split())
        for turn in range(rounds):
            name = f"browser-{turn}.ipynb"
            write_notebook(folder / name, [CELL.format(folder=str(index), latents=latents), "browser", "done"])
            page = chrome.new_page(viewport={"width": 1300, "height": 1000})
            cells = open_notebook(page, f"{address}/lab/tree/{name}?reset")
            run_cell(page, cells.nth(0))
            page.wait_for_function(done, timeout=120_000)
            page.evaluate(WATCH)
            run_cell(page, cells.nth(1))
            page.wait_for_function("window.seen.paint && window.seen.end", timeout=60_000)
            paints.append(page.evaluate("window.seen.paint - window.seen.end"))
            scrolls += [page.evaluate(SCROLL, share) for share in (0.5, 1.0, 0.013, 0.77, 0.31)]
            for last in ("Lily", "Karen", "Adam", "Tom", "Lucy"):
                typed.append(page.evaluate(TYPE, [f"{TEXT} {TEXT} {last}", last]))
            page.close()
        chrome.close()
    what = f"{latents:,} latents"
    first = typed[:: len(typed) // rounds]
    return [
        Figure(
            f"FeatureBrowser first paint after the cell's end in JupyterLab, {what}",
            statistics.median(paints),
            "ms",
            500,
            "lower",
            {"each_ms": paints},
        ),
        Figure(
            f"FeatureBrowser scroll to any row, {what}",
            statistics.median(rows for rows, _ in scrolls),
            "ms",
            100,
            "lower",
            {"texts_too_ms": statistics.median(texts for _, texts in scrolls), "each_ms": scrolls},
        ),
        Figure(
            f"FeatureBrowser what fires on 31 typed tokens, SmolLM2's size, layer {LAYER}, {what}",
            statistics.median(typed),
            "ms",
            150,
            "lower",
            {"each_ms": typed, "first_ms": first},
        ),
    ]
