"""Features beside the libraries that do the same: encoding, training, search by latent, recording.

The other libraries are installed for an interpreter of their own, which $FEATURE_LIBRARIES names (a virtual environment
with sae-lens, eai-sparsify, duckdb and polars); what is missing there is said and left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.feature_libraries import BATCH, ROWS, K, codes, rows
from benchmarks.figure import Figure, side_by_side
from scope_widgets import Microscope, features
from scope_widgets.features.training.run import TrainingRun
from scope_widgets.features.training.settings import Settings
from scope_widgets.features.training.training_rows import TrainingRows

WIDTH = 576  # of SmolLM2
LAYER = 12  # of its 30
#: times that a whole forward, an encoding and so on take beside ours, at least
ENCODING = {"saelens": 1.8, "sparsify": 1.2}
STEP = {"saelens": 4.0, "sparsify": 2.0}
SEARCH = {"duckdb": 3.0, "polars": 3.0}


def measure(quick: bool = False) -> list[Figure]:
    with Libraries() as libraries:
        figures = []
        for n in (2048,) if quick else (16384, 65536):
            figures += _encoding(libraries, n, 3 if quick else 11)
        figures += _step(libraries, 2048 if quick else 16384, 3 if quick else 7)
        figures += _search(libraries, *((2**14, 2**10) if quick else (1_000_000, 2**15)), rounds=3)
    figures += _index(*((2**12, 2**9) if quick else (2**18, 2**15)))
    return figures + _recording(rounds=1 if quick else 3)


class Libraries:
    """The other libraries, in a process of their interpreter that waits for jobs, each done `repeats` times."""

    def __init__(self, device: str = "cpu", repeats: int = 1) -> None:
        self._device, self._repeats = device, repeats

    def __enter__(self) -> Libraries:
        python = os.environ.get("FEATURE_LIBRARIES", sys.executable)
        script = Path(__file__).with_name("feature_libraries.py")
        # -I: modules of this folder are not those that the libraries mean
        command = [python, "-I", str(script), str(torch.get_num_threads()), self._device, str(self._repeats)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def job(self, name: str, *arguments: object) -> Callable[[], None] | None:
        """Return what does a job there and waits for it, or None, and say why, where its library is missing."""
        missing = self._ask(name, *arguments).get("missing")
        if missing:
            print(f"Not measured beside {missing} ($FEATURE_LIBRARIES names an interpreter that has it).", flush=True)
            return None
        return lambda: self._ask(name, *arguments) and None

    def _ask(self, name: str, *arguments: object) -> dict[str, object]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"The interpreter of the other libraries ended at {name}: its stderr says why.")
        found: dict[str, object] = json.loads(answer)
        return found


def beside(
    name: str,
    ours: Callable[[], object],
    theirs: dict[str, Callable[[], object] | None],
    least: dict[str, float],
    rounds: int,
    detail: dict[str, object],
) -> list[Figure]:
    """Return how many times as long as ours the jobs of others take, all in turn, with a pause after each."""
    there = {other: job for other, job in theirs.items() if job is not None}
    jobs = [step for job in (ours, *there.values()) for step in (job, lambda: time.sleep(0.01))]
    own, *times = side_by_side(*jobs, rounds=rounds)[::2]
    detail = detail | {"ms": 1e3 * own, "threads": torch.get_num_threads()}
    return [
        Figure(f"{name}: {other} / ours", taken / own, "x", least.get(other), "higher" if other in least else "none",
               detail | {f"{other}_ms": 1e3 * taken})
        for other, taken in zip(there, times, strict=True)
    ]  # fmt: skip


def _encoding(libraries: Libraries, n: int, rounds: int) -> list[Figure]:
    x = rows(ROWS, WIDTH)
    generator = torch.Generator().manual_seed(0)
    W_dec = torch.nn.functional.normalize(torch.randn(n, WIDTH, generator=generator), dim=1)
    sae = features.SAE(W_dec.T.contiguous(), W_dec, torch.zeros(n), torch.zeros(WIDTH), "topk", K)
    others = {name: libraries.job(name, n, WIDTH) for name in ENCODING}
    name = f"encode and decode {ROWS} rows, k {K}, {n:,} latents of width {WIDTH}"
    return beside(name, lambda: sae.decode(sae.encode(x)), others, ENCODING, rounds, {})


def _step(libraries: Libraries, n: int, rounds: int) -> list[Figure]:
    x = rows(2 * BATCH, WIDTH)
    # long enough that no latent begins anew meanwhile, as in the others
    settings = Settings(n, K, "topk", 100_000, BATCH, 0, 2e-4)
    run = TrainingRun(settings, TrainingRows(x, None, 0))
    batch = x[:BATCH]

    def step() -> None:
        with torch.no_grad():
            run.step(batch, batch)

    others = {name: libraries.job(f"{name}_step", n, WIDTH) for name in STEP}
    name = f"training step of {BATCH} rows, k {K}, {n:,} latents of width {WIDTH}"
    return beside(name, step, others, STEP, rounds, {})


def _search(libraries: Libraries, n_rows: int, n_latents: int, rounds: int, n: int = 20) -> list[Figure]:
    from scipy.sparse import csr_array

    _, latents, values = codes(n_rows, n_latents)
    indptr = np.arange(n_rows + 1) * K
    ours = features.SparseCodes(*map(torch.from_numpy, (indptr, latents, values)), n_latents)

    def scipy_top() -> list[np.ndarray]:
        columns = csr_array((values, latents, indptr.astype(np.int32)), shape=(n_rows, n_latents)).tocsc()
        found = []
        for start, stop in zip(columns.indptr, columns.indptr[1:], strict=False):
            some = columns.data[start:stop]
            best = np.argpartition(some, -n)[-n:] if len(some) > n else np.arange(len(some))
            found.append(columns.indices[start:stop][best[np.argsort(-some[best])]])
        return found

    expected, rows_found = scipy_top(), ours.top_rows(n)[0].numpy()
    for latent in range(0, n_latents, max(1, n_latents // 97)):  # ties aside
        assert len(np.intersect1d(expected[latent], rows_found[latent])) >= len(expected[latent]) - 1
    others = {name: libraries.job(name, n_rows, n_latents, n) for name in SEARCH}
    name = f"top {n} rows of {n_latents:,} latents, {n_rows * K / 1e6:.1f}M activations"
    figures = beside(name, lambda: ours.top_rows(n), {"scipy": scipy_top} | others, SEARCH | {"scipy": 2.0}, rounds, {})
    seconds = figures[0].detail["ms"] / 1e3
    return [Figure(name, seconds, "s", 1.0, "lower", {"threads": torch.get_num_threads()}), *figures]


def _index(n_rows: int, n_latents: int) -> list[Figure]:
    """Measure what is counted and ranked, not the dense products: encoding, neighbours, promoted tokens."""
    from scope_widgets.features.indexing.by_latent import by_latent
    from scope_widgets.features.indexing.coactivation import partners
    from scope_widgets.features.indexing.examples import Contexts
    from scope_widgets.features.indexing.files import empty_arrays
    from scope_widgets.features.indexing.summaries import summarise

    generator = np.random.default_rng(0)
    token_ids = generator.zipf(1.3, n_rows) % 50_000
    samples, positions = np.divmod(np.arange(n_rows), 128)
    _, latents, values = codes(n_rows, n_latents)
    of = features.SparseCodes(
        torch.arange(n_rows + 1) * K, torch.from_numpy(latents), torch.from_numpy(values), n_latents
    )
    start = time.perf_counter()
    summarise(empty_arrays(n_latents), by_latent(of), Contexts(samples, token_ids), token_ids, positions, 0, False)
    partners(of[: min(n_rows, 2**15)], 10)
    taken = time.perf_counter() - start
    name = f"index of {n_latents:,} latents, {n_rows * K / 1e6:.1f}M activations: what is counted and ranked, a latent"
    return [Figure(name, 1e3 * taken / n_latents, "ms", 1.0, "lower", {"threads": torch.get_num_threads()})]


def _recording(rounds: int) -> list[Figure]:
    from scripts import get_smollm2

    if not get_smollm2.ready():
        print("SmolLM2 is not here (scripts/get_smollm2.py fetches it): recording was not measured.")
        return []
    scope = Microscope.load(get_smollm2.folder())
    ids = torch.randint(100, 40_000, (32, 256), generator=torch.Generator().manual_seed(0))

    def forward() -> None:
        with torch.no_grad():
            for batch in ids.split(16):
                scope.model(input_ids=batch, use_cache=False)

    def record() -> None:
        with tempfile.TemporaryDirectory() as folder:
            features.record(scope, ids.tolist(), layers=LAYER, folder=folder, progress=False)

    whole, recorded = side_by_side(forward, record, rounds=rounds)
    detail = {"forward_s": whole, "record_s": recorded, "tokens": ids.numel(), "threads": torch.get_num_threads()}
    return [
        Figure(f"recording SmolLM2 to layer {LAYER} of 30 / whole forward", recorded / whole, "x", 0.5, "lower", detail)
    ]


if __name__ == "__main__":
    for figure in measure("--quick" in sys.argv):
        print(figure.line(), figure.detail, flush=True)
