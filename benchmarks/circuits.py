"""What discovery costs beside plain passes, how faithful the circuits are, and how soon a touch is answered."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.figure import Figure, side_by_side

STEPS, PAIRS = 5, 32
#: edges that are cut exactly to hold the estimates against
CUT = 150


def measure(quick: bool = False) -> list[Figure]:
    from scope_widgets import Microscope
    from scripts import get_smollm2

    demo = Microscope.load("demo")
    figures = [*_cost(demo, quick), *_touch(demo), *_found(demo, "the demo model", 50)]
    if get_smollm2.ready() and not quick:
        figures += _found(Microscope.load(get_smollm2.folder()), "SmolLM2-135M", 16)
    return figures


def _cost(demo: Any, quick: bool) -> list[Figure]:
    """Measure EAP-IG beside as many forward and backward passes as it makes."""
    import transformers

    from scope_widgets import Microscope, circuits

    n_layers, n_pairs = (3, 8) if quick else (12, PAIRS)
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(n_layer=n_layers)).eval()
    scope = Microscope.for_model(model, demo.tokenizer, "random GPT-2-small size")
    tokens, others = torch.from_numpy(np.random.default_rng(0).integers(5, 700, (2, n_pairs, 15)))
    with torch.no_grad():
        change = model(tokens).logits[:, -1, :700] - model(others).logits[:, -1, :700]
    # random weights prefer nothing, and where no metric differs discover() stops before it begins
    best, worst = change.argmax(-1).tolist(), change.argmin(-1).tolist()
    task = circuits.Task.of(scope, tokens.tolist(), others.tolist(), answer=best, versus=worst)

    def plain() -> None:
        for _ in range(STEPS):
            logits = model(tokens).logits[:, -1]
            (logits[:, 7] - logits[:, 8]).sum().backward()
            model.zero_grad()

    def lean() -> None:
        """Pass without gradients of weights and with the last position's logits only."""
        embeddings = model.transformer.wte(tokens).detach()
        for _ in range(STEPS):
            wanted = embeddings.clone().requires_grad_()
            logits = model(inputs_embeds=wanted, logits_to_keep=1).logits[:, -1]
            torch.autograd.grad((logits[:, 7] - logits[:, 8]).sum(), wanted)

    def ours() -> None:
        assert np.isfinite(circuits.discover(scope, task, "eap-ig", steps=STEPS).scores).all()

    peaks = {"ours": _peak(ours), "plain": _peak(plain)}  # ours first: memory that was freed is not counted again
    base, lean_base, took = side_by_side(plain, lean, ours, rounds=1 if quick else 3)
    graph = circuits.Graph(n_layers, 12, 12)
    detail = {
        "plain_s": base,
        "lean_s": lean_base,
        "ours_s": took,
        "pairs": n_pairs,
        "threads": torch.get_num_threads(),
    }
    name = f"EAP-IG, {STEPS} steps, {n_pairs} pairs, GPT-2-small size, all {graph.n_edges:,} edges"
    without = "without gradients of weights, with logits of the last position only"
    return [
        Figure(f"{name}: discover / {STEPS} forward and backward passes", took / base, "x", 3, "lower", detail),
        Figure(f"the same / {STEPS} passes {without}", took / lean_base, "x", 3, "lower", detail),
        Figure("the same: peak memory above the model", peaks["ours"], "GB", detail=peaks),
        Figure("ACDC on the same graph: runs of all pairs, one an edge", graph.n_edges, "runs"),
    ]


def _touch(demo: Any) -> list[Figure]:
    from scope_widgets import circuits
    from scope_widgets.circuits.evaluation.edited_circuit import measure
    from scope_widgets.circuits.evaluation.evaluation_run import EvaluationRun

    circuit = circuits.discover(demo, _ioi(demo, 20))
    evaluated = EvaluationRun(demo, circuit, circuit.task[:8])
    measure(evaluated, [circuit.included])
    times = []
    pairs = zip(circuit.nodes, circuit.nodes[1:], strict=False)
    for nodes in [*((node,) for node in circuit.nodes), *pairs]:  # each once: a circuit is not run twice
        start = time.perf_counter()
        measure(evaluated, [circuit.without(*nodes).included])
        times.append(time.perf_counter() - start)
    middle = 1e3 * statistics.median(times)
    return [Figure("a node toggled on the demo model: new scores in the kernel", middle, "ms", 150, "lower")]


def _found(scope: Any, name: str, n: int) -> list[Figure]:
    """Measure IOI's circuit of 5 % of the edges on other pairs than it was found on, and the estimates' ranking."""
    from scipy import stats

    from scope_widgets import circuits

    task, others = _ioi(scope, 2 * n)[:n], _ioi(scope, 2 * n)[n:]
    found = {method: circuits.discover(scope, task, method) for method in ("eap", "eap-ig")}
    n_edges = found["eap"].graph.n_edges // 20
    kept = circuits.faithfulness(scope, found["eap-ig"].keep(n_edges), task=others, draws=5)
    few = task[:8]
    estimates = {method: circuits.discover(scope, few, method) for method in found}
    # those that either estimate thinks the most of
    top = np.zeros(len(found["eap"].scores), dtype=bool)
    for circuit in estimates.values():
        top |= circuit.keep(CUT).included
    exact = circuits.discover(scope, few, "edge-patching", within=found["eap"].with_edges(top)).scores[top]
    figures = [
        Figure(
            f"IOI on {name}: faithfulness of EAP-IG's circuit, 5 % of the edges, counterfactual",
            kept.value,
            "",
            0.8,
            "higher",
            {"low": kept.low, "high": kept.high, "n_edges": n_edges, "pairs": len(others), "ablation": kept.ablation},
        ),
        Figure(
            f"the same, random circuits on {name}",
            float(np.abs(kept.random).max()),
            "",
            0.2,
            "lower",
            {"all": kept.random.tolist()},
        ),
    ]
    for method, circuit in estimates.items():
        ours = circuit.scores[top]
        detail = {"edges": int(top.sum()), "with signs": float(stats.spearmanr(ours, exact)[0])}
        ranks = float(stats.spearmanr(np.abs(ours), np.abs(exact))[0])
        what = f"correlation of {method} with exact edge patching, {name}"
        figures.append(Figure(f"rank {what}, by size as circuits are kept", ranks, "", detail=detail))
        figures.append(Figure(what, float(stats.pearsonr(ours, exact)[0]), ""))
    return figures


def _ioi(scope: Any, n: int) -> Any:
    from scope_widgets import ioi

    return ioi.prompts(scope, n=n, seed=0).task("s2_io")


def _peak(job: Callable[[], object]) -> float:
    """Give the memory in GB that a job takes at most, above what the process has before."""
    page, highest, over = 4096, 0, threading.Event()

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * page

    def watch() -> None:
        nonlocal highest
        while not over.wait(0.005):
            highest = max(highest, resident())

    before = resident()
    watcher = threading.Thread(target=watch)
    watcher.start()
    job()
    over.set()
    watcher.join()
    return (highest - before) / 1e9
