"""Autoencoders of SmolLM2 trained by us and by other libraries on the same rows: time, variance explained, nats lost.

All see as many rows and are compared at as many latents a row: each one's threshold is set so that k fire on average on
rows of training, as ours is. The other libraries are installed for an interpreter of their own, which
$FEATURE_LIBRARIES names; SmolLM2 and its text come by scripts/get_smollm2.py and scripts/get_brown.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.figure import Figure
from scope_widgets import Microscope, features
from scope_widgets.experiments.massive_activations import is_massive, largest_norm
from scope_widgets.features import SAE, Recording

LAYER, D_SAE, K, BATCH = 12, 4608, 32, 1024
#: learning rates of the others: their own, and others that were tried; the best of each by variance explained counts
RATES: dict[str, tuple[float | None, ...]] = {"saelens": (None, 1e-3), "dictionary_learning": (None, 1e-3)}
#: rows that thresholds are set by
_ROWS = 4096


def measure(quick: bool = False) -> list[Figure]:
    from scripts import get_brown, get_smollm2

    if not (get_smollm2.ready() and get_brown.ready()):
        print("SmolLM2 or its text is not here (scripts/get_smollm2.py and get_brown.py fetch them): not measured.")
        return []
    texts = [json.loads(line)["text"] for line in get_brown.file().read_text(encoding="utf-8").splitlines()]
    scope = Microscope.load(get_smollm2.folder())
    steps = 20 if quick else 600  # each row about once
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(os.environ.get("TRAINING_ROWS", scratch))
        rec = features.record(
            scope,
            [text for at, text in enumerate(texts) if at % 10],
            layers=LAYER,
            folder=folder / "recording",
            packed=True,
            max_tokens=20_000 if quick else 600_000,
        )
        rows = rec.rows(LAYER)[:]
        rows = rows[~is_massive(rows, largest_norm(rows))]  # ours leaves them out, so nobody gets them
        path = Path(scratch) / "rows.npy"
        np.save(path, rows.numpy())
        held_out = texts[::10]
        ours, seconds = _ours(rec, steps)
        found = {"ours": _score(scope, ours, rows, held_out, seconds, None)}
        for library, rates in RATES.items():
            of = [_theirs(scope, library, rate, path, Path(scratch), steps, rows, held_out) for rate in rates]
            found |= {library: max(filter(None, of), key=lambda one: one["variance_explained"])} if all(of) else {}
    return list(_figures(found, rows, steps))


def _ours(rec: Recording, steps: int) -> tuple[SAE, float]:
    start = time.perf_counter()
    sae = features.train(rec, layer=LAYER, d_sae=D_SAE, k=K, steps=steps, batch=BATCH, progress=False)
    return sae, time.perf_counter() - start


def _theirs(
    scope: Microscope, library: str, rate: float | None, path: Path, scratch: Path, steps: int,
    rows: torch.Tensor, held_out: list[str],
) -> dict[str, float] | None:  # fmt: skip
    told = {"d_sae": D_SAE, "k": K, "batch": BATCH, "steps": steps, "rate": rate, "threads": torch.get_num_threads()}
    folder = scratch / f"{library} {rate}"
    python = os.environ.get("FEATURE_LIBRARIES", sys.executable)
    script = Path(__file__).with_name("training_libraries.py")
    # -I: modules of this folder are not those that the libraries mean
    command = [python, "-I", str(script), library, str(path), str(folder), json.dumps(told)]
    answer = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])
    if "missing" in answer:
        print(f"Not measured beside {answer['missing']} ($FEATURE_LIBRARIES names an interpreter that has it).")
        return None
    pickle = folder / "trainer_0" / "ae.pt"
    sae = features.convert(pickle, folder / "sae") if pickle.exists() else features.load(folder)
    sae = replace(sae, layer=LAYER, site="residual", output_site="residual", model=scope.model_id)
    return _score(scope, sae, rows, held_out, answer["seconds"], rate)


def _score(
    scope: Microscope, sae: SAE, rows: torch.Tensor, held_out: list[str], seconds: float, rate: float | None
) -> dict[str, float]:
    # what the threshold of each library is worth is another question: all fire equally often here
    some = rows[:: max(1, len(rows) // _ROWS)].float()
    norms = sae.W_dec.norm(dim=1)
    p = ((some - sae.b_dec) @ sae.W_enc + sae.b_enc).relu() * norms
    threshold = float(p.flatten().topk(K * len(some)).values.min())
    level = replace(sae, threshold=torch.full((len(norms),), threshold) / norms)
    scores = features.evaluate(scope, level, held_out, max_tokens=10_000, random=False, progress=False)
    print(f"{seconds:.0f} s, learning rate {rate or 'its own'}, {scores.values}", flush=True)
    return {
        "seconds": seconds,
        "own_l0": sae.encode(some).l0,
        "rate": rate or 0.0,
        **{name: scores.values[name] for name in ("variance_explained", "fvu", "mse", "nats_lost", "l0", "dead_share")},
    }


def _figures(found: dict[str, dict[str, float]], rows: torch.Tensor, steps: int) -> list[Figure]:
    about = f"BatchTopK, SmolLM2 layer {LAYER}, {D_SAE:,} latents, L0 {K}, {steps * BATCH:,} rows"
    ours = found.pop("ours")
    detail = {"distinct_rows": len(rows), "threads": torch.get_num_threads(), "ours": ours}
    figures = [
        Figure(f"{about}: held-out MSE of unit-variance data", ours["mse"], "", 0.15, "lower", detail),
    ]  # fmt: skip
    for library, theirs in found.items():
        beside = detail | {library: theirs}
        figures += [
            Figure(f"{about}: {library}'s time / ours", theirs["seconds"] / ours["seconds"], "x",
                   3.0 if library == "saelens" else None, "higher", beside),
            Figure(f"{about}: variance explained less {library}'s",
                   ours["variance_explained"] - theirs["variance_explained"], "", 0.0, "higher", beside),
            Figure(f"{about}: nats lost less {library}'s",
                   ours["nats_lost"] - theirs["nats_lost"], "nats", 0.0, "lower", beside),
        ]  # fmt: skip
    return figures
