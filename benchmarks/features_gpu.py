"""Features on a GPU beside SAELens and sparsify (with Triton): encoding, a training step, evaluation.

`FEATURE_LIBRARIES=/path/to/python python -m benchmarks.features_gpu` where torch sees a GPU; that interpreter has a
torch for it, sae-lens, eai-sparsify and triton. It is no part of `python -m benchmarks`, whose machines have none.
Before anything is timed, what the GPU makes is compared with what the CPU makes.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.feature_libraries import BATCH, EVALUATED, ROWS, K, evaluated, rows
from benchmarks.features import Libraries, beside
from benchmarks.figure import Figure
from scope_widgets import features
from scope_widgets.features.training.run import TrainingRun
from scope_widgets.features.training.settings import Settings
from scope_widgets.features.training.training_rows import TrainingRows

#: widths of SmolLM2 and of a model of 7B, with 16 latents a number
SHAPES = ((576, 9216), (4096, 65536))
LIBRARIES = ("saelens", "sparsify")


def measure(quick: bool = False, device: str = "cuda") -> list[Figure]:
    figures = []
    rounds, repeats = (1, 1) if quick else (11, 20)
    with Libraries(device, repeats) as libraries:
        libraries.job("triton", 1, 1)  # says where sparsify has none
        for d, n in ((16, 128),) if quick else SHAPES:
            sae = _sae(d, n)
            _compare_with_cpu(sae, device)
            sae, x = sae.to(device), rows(ROWS, d).to(device)
            jobs: dict[str, tuple[str, Callable[[], object]]] = {
                "": (f"encode and decode {ROWS} rows", lambda sae=sae, x=x: sae.decode(sae.encode(x))),
                "_step": (f"training step of {BATCH} rows", _step(d, n, device)),
                "_evaluation": (f"evaluation of {EVALUATED} rows", _evaluation(sae, d, n, device)),
            }
            for suffix, (what, job) in jobs.items():
                others = {name: libraries.job(f"{name}{suffix}", n, d) for name in LIBRARIES}
                ours = functools.partial(_repeated, job, repeats, device)
                name = f"{device}: {what}, k {K}, {n:,} latents of width {d}"
                figures += beside(name, ours, others, {}, rounds, {"repeats": repeats, "gpu": _name_of(device)})
    return figures


def _sae(d: int, n: int) -> features.SAE:
    generator = torch.Generator().manual_seed(0)
    W_dec = torch.nn.functional.normalize(torch.randn(n, d, generator=generator), dim=1)
    return features.SAE(W_dec.T.contiguous(), W_dec, torch.zeros(n), torch.zeros(d), "topk", K)


def _step(d: int, n: int, device: str) -> Callable[[], object]:
    x = rows(2 * BATCH, d).to(device)
    run = TrainingRun(Settings(n, K, "topk", 100_000, BATCH, 0, 2e-4), TrainingRows(x, None, 0))
    return torch.no_grad()(functools.partial(run.step, x[:BATCH], x[:BATCH]))


def _evaluation(sae: features.SAE, d: int, n: int, device: str) -> Callable[[], object]:
    def parts(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        codes = sae.encode(x)
        return sae.decode(codes), torch.bincount(codes.indices, minlength=n)

    return functools.partial(evaluated, parts, rows(EVALUATED, d).to(device), n)


def _compare_with_cpu(sae: features.SAE, device: str) -> None:
    """Raise where the GPU does not make what the CPU makes; float32 rounds in another order there."""
    x = rows(64, sae.d_in)
    here, there = sae.decode(sae.encode(x)), sae.to(device).decode(sae.to(device).encode(x)).cpu()
    share = float(((here - there).abs().amax(1) > 1e-2 * here.abs().max()).float().mean())
    assert share < 0.05, f"{share:.0%} of the rows are reconstructed otherwise on {device} than on the CPU"
    options: dict[str, Any] = {"d_sae": 64, "k": 4, "steps": 20, "batch": 128, "progress": False}
    for architecture in ("batch_topk", "topk", "matryoshka", "jumprelu", "gated"):
        losses = [
            features.train(rows(1024, 16).to(at), architecture=architecture, **options).history["loss"][-1]
            for at in ("cpu", device)
        ]
        assert abs(losses[0] - losses[1]) < 1e-2 * losses[0], f"{architecture}: a loss of {losses} on CPU and {device}"


def _repeated(job: Callable[[], object], repeats: int, device: str) -> None:
    for _ in range(repeats):
        job()
    if device != "cpu":
        torch.cuda.synchronize()


def _name_of(device: str) -> str:
    return device if device == "cpu" else torch.cuda.get_device_name()


def main() -> None:
    """Measure, or say why not."""
    if not torch.cuda.is_available():
        sys.exit("This measures on a GPU, and torch sees none here: run it where there is one, with a torch for CUDA.")
    for figure in measure("--quick" in sys.argv):
        print(figure.line(), figure.detail, flush=True)


if __name__ == "__main__":
    main()
