"""The other libraries' half of benchmarks/features.py and features_gpu.py, run by the interpreter that has them.

Its arguments are a number of threads, a device, and how often a job is done before it is answered. Reads a line of JSON
a job, `[name, argument, ...]`, does the job and answers with a line: `{"ok": true}`, or `{"missing": "..."}` where its
library cannot be imported. What a job needs is made when it is first asked for.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch

ROWS, BATCH, K = 512, 1024, 32
#: rows that are evaluated, a batch at a time
EVALUATED = 8 * BATCH
DEVICE = "cpu"
#: what makes of a batch its reconstruction, and in how many rows each latent fires
Parts: TypeAlias = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def rows(n: int, d: int) -> torch.Tensor:
    """Return the rows that are encoded, or a batch."""
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0)).to(DEVICE)


def codes(n_rows: int, n_latents: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, latents and values of codes with K non-zeros a row, as `SparseCodes` has them."""
    generator = np.random.default_rng(0)
    latents = np.sort(generator.integers(0, n_latents, (n_rows, K), dtype=np.int32), axis=1).ravel()
    values = generator.gamma(2, 1, n_rows * K).astype(np.float32) + np.float32(0.01)
    return np.repeat(np.arange(n_rows, dtype=np.int32), K), latents, values


@functools.cache
def saelens(n: int, d: int) -> Callable[[], Any]:
    """SAELens's TopKSAE: encode and decode."""
    from sae_lens import TopKSAE, TopKSAEConfig

    torch.manual_seed(0)
    sae = TopKSAE(TopKSAEConfig(d_in=d, d_sae=n, k=K, dtype="float32", device=DEVICE))
    x = rows(ROWS, d)
    return torch.no_grad()(lambda: sae.decode(sae.encode(x)))


@functools.cache
def sparsify(n: int, d: int) -> Callable[[], Any]:
    """Sparsify's SparseCoder: encode and decode."""
    coder, x = _sparse_coder(n, d), rows(ROWS, d)

    def job() -> None:
        found = coder.encode(x)
        coder.decode(found.top_acts, found.top_indices)

    return torch.no_grad()(job)


@functools.cache
def saelens_step(n: int, d: int) -> Callable[[], Any]:
    """A training step of SAELens's trainer, as `SAETrainer.fit` does it."""
    from sae_lens import SAETrainer, TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.config import SAETrainerConfig

    torch.manual_seed(0)
    sae = TopKTrainingSAE(TopKTrainingSAEConfig(d_in=d, d_sae=n, k=K, dtype="float32", device=DEVICE))
    x = rows(BATCH, d)
    config = SAETrainerConfig(total_training_samples=10**9, train_batch_size_samples=BATCH, lr_end=3e-5)
    trainer = SAETrainer(config, sae, iter([x]))

    def job() -> None:
        trainer.step(x)
        trainer.n_training_steps += 1

    return job


@functools.cache
def sparsify_step(n: int, d: int) -> Callable[[], Any]:
    """What a step of sparsify's trainer does, with torch's fused Adam, the fastest that it can have."""
    coder, x = _sparse_coder(n, d), rows(BATCH, d)
    adam = torch.optim.Adam(coder.parameters(), lr=2e-4, fused=True)
    fired = torch.zeros(n, dtype=torch.long, device=DEVICE)

    def job() -> None:
        coder.set_decoder_norm_to_unit_norm()
        out = coder(x, dead_mask=fired > 10_000_000)
        (out.fvu + out.auxk_loss).backward()
        fired.add_(BATCH)
        fired[out.latent_indices.flatten()] = 0
        coder.remove_gradient_parallel_to_decoder_directions()
        adam.step()
        adam.zero_grad()

    return job


@functools.cache
def saelens_evaluation(n: int, d: int) -> Callable[[], Any]:
    """Variance explained, L0 and rates of the latents, by SAELens's TopKSAE."""
    from sae_lens import TopKSAE, TopKSAEConfig

    torch.manual_seed(0)
    sae = TopKSAE(TopKSAEConfig(d_in=d, d_sae=n, k=K, dtype="float32", device=DEVICE))

    def parts(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = sae.encode(x)
        return sae.decode(found), found.to_dense().count_nonzero(0)

    return _evaluation(parts, n, d)


@functools.cache
def sparsify_evaluation(n: int, d: int) -> Callable[[], Any]:
    """The same by sparsify's SparseCoder."""
    coder = _sparse_coder(n, d)

    def parts(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = coder.encode(x)
        fires = torch.bincount(found.top_indices[found.top_acts > 0], minlength=n)
        return coder.decode(found.top_acts, found.top_indices), fires

    return _evaluation(parts, n, d)


def _evaluation(
    parts: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]], n: int, d: int
) -> Callable[[], Any]:
    return torch.no_grad()(functools.partial(evaluated, parts, rows(EVALUATED, d), n))


def evaluated(parts: Parts, x: torch.Tensor, n: int) -> tuple[float, float, torch.Tensor]:
    """Return variance explained, L0 and rates, where `parts` gives reconstruction and firings of a batch."""
    left = torch.zeros((), device=x.device)
    fires = torch.zeros(n, dtype=torch.long, device=x.device)
    for batch in x.split(BATCH):
        made, fired = parts(batch)
        left += (made - batch).square().sum()
        fires += fired
    return 1 - float(left / (x - x.mean(0)).square().sum()), float(fires.sum() / len(x)), fires / len(x)


@functools.cache
def triton(n: int, d: int) -> Callable[[], Any]:
    """Nothing, where sparsify decodes by Triton."""
    from sparsify import utils

    if utils.decoder_impl is not utils.triton_decode:
        raise ImportError("sparsify decodes without Triton here")
    return lambda: None


def _sparse_coder(n: int, d: int) -> Any:
    from sparsify import SparseCoder, SparseCoderConfig

    torch.manual_seed(0)
    return SparseCoder(d, SparseCoderConfig(num_latents=n, k=K), DEVICE)


@functools.cache
def duckdb(n_rows: int, n_latents: int, n: int) -> Callable[[], Any]:
    """DuckDB's aggregate for the n rows of the largest value of each group; its answer as arrays."""
    import duckdb

    names = ("row", "latent", "value")
    table = dict(zip(names, codes(n_rows, n_latents), strict=True))
    connection = duckdb.connect()
    connection.execute(f"SET threads TO {torch.get_num_threads()}")
    connection.register("given", table)
    connection.execute("CREATE TABLE codes AS SELECT * FROM given")
    asked = f"SELECT latent, max_by(row, value, {n}) AS rows FROM codes GROUP BY latent"
    return lambda: connection.execute(asked).to_arrow_table()


@functools.cache
def polars(n_rows: int, n_latents: int, n: int) -> Callable[[], Any]:
    """Polars' rows of the largest values of each group."""
    import polars

    names = ("row", "latent", "value")
    table = polars.DataFrame(dict(zip(names, codes(n_rows, n_latents), strict=True)))
    best = polars.col("row").top_k_by("value", n)
    return lambda: table.lazy().group_by("latent").agg(best).collect()


_EACH = (
    saelens,
    sparsify,
    saelens_step,
    sparsify_step,
    saelens_evaluation,
    sparsify_evaluation,
    triton,
    duckdb,
    polars,
)
JOBS = {job.__name__: job for job in _EACH}


def main() -> None:
    """Do the jobs that are asked for, line by line."""
    global DEVICE
    torch.set_num_threads(int(sys.argv[1]))
    DEVICE, repeats = sys.argv[2], int(sys.argv[3])
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            job = JOBS[name](*arguments)
            for _ in range(repeats):
                job()
            if DEVICE != "cpu":
                torch.cuda.synchronize()
            answer: dict[str, Any] = {"ok": True}
        except ImportError as error:
            answer = {"missing": f"{name}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
