"""A model on a server beside the same model here: equal numbers, bytes on the wire, requests, and what a layer costs.

Runs beside a server on loopback that serves the models of tests/support/ndif_repositories.py: `make bench` starts one.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

import nnsight
import numpy as np
import torch

from benchmarks.figure import Figure, side_by_side
from scope_widgets import Microscope, circuits, heads, ioi, lens, patching, steering, widgets
from scope_widgets.widgets.core.requests import finished

CLEAN = "When Mary and John went to the store, John gave a drink to"
CORRUPTED = "When Mary and John went to the store, Mary gave a drink to"
ANSWERS = {"answer": " Mary", "versus": " John"}
SITES = ("residual", "attention_out", "mlp_out", "z")
TOKENS = 512


def measure(quick: bool = False) -> list[Figure]:
    """Measure beside a server on loopback; nothing without one."""
    if not os.environ.get("NDIF_HOST", "").startswith("http://127.0.0.1:"):
        print("No NDIF server on loopback (NDIF_HOST): the figures of remote models are not measured.")
        return []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SCOPE_WIDGETS_CACHE"] = folder  # answers of an earlier run would be measured instead
        demo, smollm2, small = (_remote(name) for name in ("demo/ioi", "ns/smollm2", "bench/gpt2-small"))
        found = [_equal(demo, "demo model"), _equal(smollm2, "SmolLM2")]
        return [*found, *_bytes(smollm2, small), _requests(small), _overhead(small, quick)]


def _remote(name: str) -> Any:
    scope = Microscope.load(name, remote=True)
    scope.listener = lambda status: None
    return scope


def _local(remote: Any) -> Microscope:
    """Return the same model on this machine, under the same name."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(remote.model_id, dtype=torch.float32).eval()
    return Microscope.for_model(model, remote.tokenizer, remote.model_id)


def _equal(remote: Any, name: str) -> Figure:
    local = _local(remote)
    off = {what: _difference(run(remote), run(local)) for what, run in _ANALYSES.items()}
    return Figure(f"remote {name}: largest difference from local", max(off.values()), "", 1e-4, "lower", off)


def _trace(scope: Any) -> list[Any]:
    trace = scope.trace(CLEAN, capture=("residual", "q", "k", "v", "z", "attention_out", "mlp_out"))
    return [value for layers in trace.values.values() for value in layers] + [trace.attention(1), trace.logits]


def _circuit(scope: Any) -> Any:
    task = ioi.prompts(scope, n=4, seed=0).task()
    return circuits.discover(scope, task, method="eap-ig").scores


def _map(scope: Any) -> Any:
    positions = [len(scope.trace(CLEAN).tokens) - 1]
    return patching.activations(scope, CLEAN, CORRUPTED, over="head", positions=positions, **ANSWERS).values


def _steered(scope: Any) -> Any:
    direction = steering.direction(scope, **ANSWERS, layer=scope.n_layers // 2)
    session = steering.Session(scope, CLEAN, [steering.AddDirection(direction, 0.5), steering.ScaleHead(1, 1, 0.3)])
    return session.at().steered.probabilities


_ANALYSES = {
    "trace": _trace,
    "head scores": lambda scope: list(heads.score(scope.trace(CLEAN)).statistics.values()),
    "patching map": _map,
    "direct logit attribution": lambda scope: (
        lens.direct_logit_attribution(scope.trace(CLEAN), **ANSWERS).to_dataframe().contribution.to_numpy()
    ),
    "EAP-IG": _circuit,
    "steered distribution": _steered,
}


def _difference(a: Any, b: Any) -> float:
    """Return the largest difference, of large numbers by their size."""
    if isinstance(a, list):
        return max(_difference(one, other) for one, other in zip(a, b, strict=True))
    a, b = (np.asarray(value, dtype=float) for value in (a, b))
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return np.inf
    return float(np.nanmax(np.abs(a - b) / np.maximum(1, np.abs(b)), initial=0.0))


def _bytes(smollm2: Any, small: Any) -> list[Figure]:
    ids = torch.randint(100, 4000, (TOKENS,), generator=torch.Generator().manual_seed(0)).tolist()
    ids = [i % small.anatomy.d_vocab for i in ids]
    figures = []
    for scope, name in ((smollm2, "SmolLM2"), (small, "12 x 12 heads")):
        patterns = 4 * scope.n_layers * scope.n_heads * TOKENS**2
        before = scope.transport.server.traffic.received
        heads.score(scope.trace(ids), null_draws=0)
        share = (scope.transport.server.traffic.received - before) / patterns
        figures.append(
            Figure(f"remote head statistics / attention patterns, bytes, {TOKENS} tokens, {name}", share, "", 1e-3,
                   "lower", {"patterns_bytes": patterns})
        )  # fmt: skip
    before = small.transport.server.traffic.received
    view = widgets.AttentionView(small.trace(ids))
    for layer in range(small.n_layers):
        finished(view.answer_thumbnails(layer))
    finished(view.answer_head(0, 0))
    state = sum(len(value) for value in view.get_state().values() if isinstance(value, (bytes, memoryview)))
    came = small.transport.server.traffic.received - before
    painted = (came + state) / 1e6
    detail = {"from_server_mb": came / 1e6, "to_browser_mb": state / 1e6}
    name = f"remote AttentionView, first paint and one head opened, {TOKENS} tokens, 12 x 12 heads"
    return [*figures, Figure(name, painted, "MB", 2.0, "lower", detail)]


def _requests(small: Any) -> Figure:
    before = small.transport.server.traffic.requests
    result = patching.activations(small, CLEAN, CORRUPTED, over="head", **ANSWERS)
    asked = small.transport.server.traffic.requests - before
    detail = {"cells": int(result.values.size)}
    return Figure("remote map of 12 x 12 heads at every position, requests", asked, "", 5, "lower", detail)


def _overhead(small: Any, quick: bool) -> Figure:
    """Compare our trace with nnsight's own of the same values, both through nnsight's wire, in turn."""
    model, blocks = small._nnsight, small.model.transformer.h
    random = torch.Generator().manual_seed(0)

    def prompt() -> torch.Tensor:  # a new one each time: answers are kept
        return torch.randint(10, small.anatomy.d_vocab, (32,), generator=random)

    def bare() -> None:
        with model.trace(prompt()[None], remote=True):
            found = []
            for block in model.transformer.h:
                found.append(block.input.clone())
                found.append(block.attn.c_proj.input.clone())
                found.append(block.attn.output[0].clone())
                found.append(block.mlp.output.clone())
            found.append(model.transformer.ln_f.input.clone())
            nnsight.save(found)

    def ours() -> None:
        small.trace(prompt().tolist(), capture=SITES)

    nnsight.CONFIG.APP.REMOTE_LOGGING = False
    rounds = 5 if quick else 25
    alone, wrapped = side_by_side(bare, ours, rounds=rounds)
    detail = {"bare_ms": 1000 * alone, "ours_ms": 1000 * wrapped, "layers": len(blocks), "rounds": rounds}
    return Figure(
        "remote trace / bare nnsight remote trace of the same values", wrapped / alone, "x", 1.10, "lower", detail
    )
