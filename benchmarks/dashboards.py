"""Dashboards of all latents from the same tokens, beside SAEDashboard, whose interpreter $DASHBOARD_LIBRARY names.

A dashboard has the examples of each quarter, the density, the tokens promoted and suppressed, and the correlated
latents. Ours is a recording, an index, and every latent's page read from it. SAEDashboard runs the model again for each
batch of latents, so its time is that of one batch times their number. Model, autoencoder and tokens have the same
shapes; the weights are random in both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.figure import Figure
from scope_widgets import Microscope, features

WIDTH, LAYER, FIRE = 768, 8, 32
#: samples of so many tokens
LENGTH = 128
#: latents of a batch, SAEDashboard's default
BATCH = 256


def measure(quick: bool = False) -> list[Figure]:
    n_latents, n_samples = (512, 2) if quick else (16_384, 64)
    theirs = _saedashboard(n_latents, n_samples)
    if theirs is None:
        print("Not measured beside SAEDashboard ($DASHBOARD_LIBRARY names an interpreter that has it).")
        return []
    ours = _ours(n_latents, n_samples)
    batches = n_latents // BATCH
    detail = {**ours, "saedashboard_batch_s": theirs["seconds"], "saedashboard_l0": theirs["l0"], "batches": batches}
    name = f"dashboards of {n_latents:,} latents, {n_samples * LENGTH:,} tokens, GPT-2-small size: SAEDashboard / ours"
    took = theirs["seconds"] * batches / sum(ours[part] for part in ("record_s", "index_s", "pages_s"))
    return [Figure(name, took, "x", 20.0, "higher", detail | {"threads": torch.get_num_threads()})]


def _ours(n_latents: int, n_samples: int) -> dict[str, float]:
    import transformers

    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config()).eval()
    scope = Microscope.for_model(model, Microscope.load("demo").tokenizer, "random GPT-2-small size")
    ids = torch.randint(5, 700, (n_samples, LENGTH), generator=torch.Generator().manual_seed(0)).tolist()
    W_dec = torch.nn.functional.normalize(torch.randn(n_latents, WIDTH), dim=1)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        rec = features.record(scope, ids, layers=LAYER, dtype="float32", folder=f"{folder}/rec", progress=False)
        recorded = time.perf_counter()
        scores = rec.rows(LAYER)[: 4 * LENGTH] @ W_dec.T
        threshold = scores.flatten()[::37].quantile(1 - FIRE / n_latents)
        sae = features.SAE(
            W_dec.T.contiguous(), W_dec, torch.zeros(n_latents), torch.zeros(WIDTH), "jumprelu",
            threshold=threshold.expand(n_latents).clone(), site="residual", layer=LAYER, model=scope.model_id,
        )  # fmt: skip
        before = time.perf_counter()
        index = features.index(scope, sae, rec, folder=f"{folder}/index", progress=False)
        indexed = time.perf_counter()
        for latent in range(n_latents):
            index.top(latent), index.quantiles(latent), index.tokens(latent), index.logits(latent)
            index.neighbours(latent), index.coactivation(latent), index.histogram(latent)
        read = time.perf_counter()
        l0 = sae.encode(rec.rows(LAYER)[: 4 * LENGTH]).l0
    return {
        "record_s": recorded - started,
        "index_s": indexed - before,
        "pages_s": read - indexed,
        "l0": float(l0),
    }


def _saedashboard(n_latents: int, n_samples: int) -> dict[str, float] | None:
    """Return the seconds of a batch there and how many latents fire, or None where it is not installed."""
    script = Path(__file__).with_name("dashboard_library.py")
    command = [os.environ.get("DASHBOARD_LIBRARY", sys.executable), "-I", str(script)]
    given = [n_latents, n_samples, LENGTH, WIDTH, LAYER, FIRE, BATCH, torch.get_num_threads()]
    done = subprocess.run([*command, *map(str, given)], capture_output=True, text=True)
    if "No module named" in done.stderr and done.returncode:
        return None
    if done.returncode:
        raise RuntimeError(f"SAEDashboard's interpreter ended with {done.returncode}: {done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


if __name__ == "__main__":
    for figure in measure("--quick" in sys.argv):
        print(figure.line(), figure.detail, flush=True)
