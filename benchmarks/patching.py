"""What exact patching costs beside one nnsight forward a cell, and how soon something is on screen."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from benchmarks.figure import Figure

#: cells of the plain loop that are timed; the whole loop takes minutes
SAMPLE = 48
#: cells that the strongest simple rival runs at once
BATCH = 60


def measure(quick: bool = False) -> list[Figure]:
    import transformers

    from scope_widgets import Microscope

    n_layers = 3 if quick else 12
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(n_layer=n_layers)).eval()
    scope = Microscope.for_model(model, Microscope.load("demo").tokenizer, "random GPT-2-small size")
    rng = np.random.default_rng(0)
    clean, corrupted = (rng.integers(5, 700, 15).tolist() for _ in range(2))
    return [*_maps(scope, model, clean, corrupted, quick), *_waits(scope, clean, corrupted)]


def _maps(scope, model, clean, corrupted, quick: bool) -> list[Figure]:  # type: ignore[no-untyped-def]
    """Measure whole maps; every token differs, so that no cell is known beforehand."""
    from scope_widgets import patching

    figures = []
    for over, target in (("head", 7), ("residual", 4)):
        cell = _plain_cell(model, clean, corrupted, over)
        batch = _plain_batch(model, clean, corrupted) if over == "head" else None
        plain, batched, ours = [], [], []
        for _ in range(1 if quick else 3):
            before = _seconds(cell, SAMPLE // 2)
            if batch is not None:
                batched.append(_seconds(batch, n_batches := 4) / (n_batches * BATCH))
            sweep = patching.sweep(scope, clean, corrupted, answer=7, versus=8, over=over, estimate=False)
            ours.append(_seconds(partial(sweep.submit().result, progress=False)))
            plain.append((before + _seconds(cell, SAMPLE // 2)) / SAMPLE)
        cells = sweep.total
        each, whole = statistics.median(plain), statistics.median(ours)
        ratio = statistics.median([cells * p / o for p, o in zip(plain, ours, strict=True)])
        detail = {"cells": cells, "plain_ms_a_cell": 1e3 * each, "ours_s": whole, "timed_plain_cells": SAMPLE}
        detail |= {"threads": torch.get_num_threads()}
        name = f"exact {over} map, {cells:,} cells, GPT-2-small size: one nnsight forward a cell / ours"
        figures.append(Figure(name, ratio, "x", target, "higher", detail))
        if batched:
            ratio = statistics.median([cells * p / o for p, o in zip(batched, ours, strict=True)])
            name = f"the same: {BATCH} cells at once by plain hooks, with logits of the last position only / ours"
            detail = {"plain_ms_a_cell": 1e3 * statistics.median(batched), "ours_s": whole}
            figures.append(Figure(name, ratio, "x", 5, "higher", detail))
    return figures


def _plain_cell(model, clean, corrupted, over: str) -> Callable[[], None]:  # type: ignore[no-untyped-def]
    """Patch one cell as a loop over nnsight traces does it, on the model's own attention."""
    import nnsight
    import transformers

    twin = transformers.GPT2LMHeadModel(model.config).eval()
    twin.load_state_dict(model.state_dict())
    from scope_widgets import Microscope

    wrapped = nnsight.TransformersModel(twin, tokenizer=Microscope.load("demo").tokenizer, task="text-generation")
    ids, n_layers = torch.tensor([corrupted]), len(twin.transformer.h)
    state = {"turn": 0}
    theirs = torch.zeros(64 if over == "head" else 768)

    def cell() -> None:
        layer, position = state["turn"] % n_layers, state["turn"] % len(corrupted)
        state["turn"] += 1
        with torch.no_grad(), wrapped.trace(ids):
            if over == "head":
                z = wrapped.transformer.h[layer].attn.c_proj.input
                z[0, position, :64] = theirs
            else:
                stream = wrapped.transformer.h[layer].input
                stream[0, position] = theirs
            nnsight.save(wrapped.lm_head.output[0, -1])

    cell()
    return cell


def _plain_batch(model, clean, corrupted) -> Callable[[], None]:  # type: ignore[no-untyped-def]
    """Patch many cells of a layer in one forward by a plain hook, each in a row of its own."""
    import transformers

    twin = transformers.GPT2LMHeadModel(model.config).eval()
    twin.load_state_dict(model.state_dict())
    ids, n_layers = torch.tensor([corrupted] * BATCH), len(twin.transformer.h)
    rows = torch.arange(BATCH)
    positions, heads = rows % len(corrupted), rows // len(corrupted)
    theirs = torch.zeros(BATCH, 64)
    turns = iter(range(10**6))

    def patch(module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        z = args[0].view(*ids.shape, -1, 64).clone()
        z[rows, positions, heads] = theirs
        return (z.flatten(2),)

    def batch() -> None:
        handle = twin.transformer.h[next(turns) % n_layers].attn.c_proj.register_forward_pre_hook(patch)
        with torch.no_grad():
            twin(ids, use_cache=False, logits_to_keep=1)
        handle.remove()

    batch()
    return batch


def _waits(scope, clean, corrupted) -> list[Figure]:  # type: ignore[no-untyped-def]
    """Measure from the call to the estimate in a widget, and to the first exact cells in it."""
    from scope_widgets import patching, widgets

    estimates, firsts = [], []
    for _ in range(5):
        start = time.perf_counter()
        sweep = patching.sweep(scope, clean, corrupted, answer=7, versus=8)
        view = widgets.PatchingMap(sweep)
        estimates.append(time.perf_counter() - start)
        next(sweep.submit())
        firsts.append(time.perf_counter() - start)
        view.close()
    return [
        Figure("attribution map, from the call to a widget that has it", statistics.median(estimates), "s", 1, "lower"),
        Figure("first exact cells, from the call", statistics.median(firsts), "s", 2, "lower"),
    ]


def _seconds(job: Callable[[], object], times: int = 1) -> float:
    start = time.perf_counter()
    for _ in range(times):
        job()
    return time.perf_counter() - start
