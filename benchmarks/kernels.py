"""The kernels beside the best torch and NumPy expressions of the same, with the same number of threads."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.figure import Figure, side_by_side
from scope_widgets import _kernels

LONG = {"n_tokens": 16384, "n_heads": 12, "d_head": 64}
PEAK_OF_TILES = """
import json, re, sys
import numpy as np
from scope_widgets import _kernels

def peak():  # getrusage would start from the parent's peak
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

before = peak()
n_tokens, n_heads, d_head = json.loads(sys.argv[1]).values()
rng = np.random.default_rng(0)
q = rng.standard_normal((n_heads, n_tokens, d_head), dtype=np.float32)
k = rng.standard_normal((n_heads, n_tokens, d_head), dtype=np.float32)
_kernels.head_statistics_from_qk(q, k, rng.integers(0, 5000, n_tokens), scaling=d_head**-0.5)
print(peak() - before)
"""


def measure(quick: bool = False) -> list[Figure]:
    rounds = 3 if quick else 11
    figures = []
    for n_tokens in (64, 256) if quick else (256, 1024):
        attention, tokens = _prompt(144, n_tokens)
        figures += _statistics(attention, tokens, rounds)
    figures += _entropy(attention, rounds) + _top_keys(attention[:24], min(rounds, 5))
    return figures + _tiles(quick)


def _prompt(n_heads: int, n_tokens: int) -> tuple[torch.Tensor, np.ndarray]:
    generator = torch.Generator().manual_seed(0)
    attention = torch.randn(n_heads, n_tokens, n_tokens, generator=generator).mul_(2)
    attention += torch.full((n_tokens, n_tokens), -torch.inf).triu_(1)
    tokens = torch.randint(n_tokens // 2, (n_tokens,), generator=generator)
    return torch.softmax(attention, -1), tokens.numpy()


def _in_turn(*jobs: Callable[[], object], rounds: int) -> list[float]:
    """`side_by_side` with a pause after each job, so that no library's idle threads spin through the next job."""

    def pause() -> None:
        time.sleep(0.01)

    return side_by_side(*(step for job in jobs for step in (job, pause)), rounds=rounds)[::2]


def _statistics(attention: torch.Tensor, tokens: np.ndarray, rounds: int) -> list[Figure]:
    array, threads = attention.numpy(), torch.get_num_threads()
    ours, expression, one_sum = _in_turn(
        lambda: _kernels.head_statistics(array, tokens, threads),
        _torch_statistics(attention, tokens),
        lambda: torch.sum(attention),
        rounds=rounds,
    )
    shape = list(array.shape)
    detail = {"ms": 1e3 * ours, "torch_ms": 1e3 * expression, "sum_ms": 1e3 * one_sum, "threads": threads}
    return [
        Figure(f"head statistics {shape}: torch / kernel", expression / ours, "x", 10, "higher", detail),
        Figure(f"head statistics {shape}: kernel / one sum", ours / one_sum, "x", 3, "lower", detail),
    ]


def _torch_statistics(attention: torch.Tensor, tokens: np.ndarray) -> Callable[[], dict[str, torch.Tensor]]:
    """Return the fastest torch expression found: what can be is prepared, scratch is reused and stays in the cache.

    One head at a time, as this is twice as fast as the whole array at once; no copy of its lower triangle, as copying
    takes longer than it saves; the few repeated tokens by their indices.
    """
    n_heads, n_tokens, _ = attention.shape
    scratch = torch.empty(n_tokens, n_tokens)
    inverse_log = torch.arange(1, n_tokens + 1).log().reciprocal()
    inverse_log[0] = 0
    equal = torch.from_numpy(tokens[:, None] == tokens[None, :]).tril(-1)
    query, key = equal.nonzero(as_tuple=True)
    duplicates, inductions, n_repeats = query * n_tokens + key, query * n_tokens + key + 1, equal.any(1).sum()
    n_cells, n_above = n_tokens * (n_tokens + 1) // 2, n_tokens * (n_tokens - 1) // 2

    def statistics() -> dict[str, torch.Tensor]:
        entropies, n_small = torch.empty(n_heads, n_tokens), torch.empty(n_heads)
        for head in range(n_heads):
            torch.sum(torch.special.entr(attention[head], out=scratch), -1, out=entropies[head])
            n_small[head] = torch.count_nonzero(attention[head] < 0.01) - n_above
        flat = attention.view(n_heads, -1)
        return {
            "entropy": entropies.mean(1),
            "normalised_entropy": entropies @ inverse_log / (n_tokens - 1),
            "previous_token": attention.diagonal(-1, 1, 2).mean(1),
            "current_token": attention.diagonal(0, 1, 2).mean(1),
            "first_token": attention[:, 1:, 0].mean(1),
            "duplicate_token": flat[:, duplicates].sum(1) / n_repeats,
            "induction": flat[:, inductions].sum(1) / n_repeats,
            "sparsity": n_small / n_cells,
        }

    expected = _kernels.head_statistics(attention.numpy(), tokens)
    for name, value in statistics().items():
        np.testing.assert_allclose(value, expected[name], atol=1e-4, err_msg=name)
    return statistics


def _entropy(attention: torch.Tensor, rounds: int) -> list[Figure]:
    array, threads = attention.numpy(), torch.get_num_threads()

    def numpy_entropy() -> np.ndarray:
        entropies = np.empty(array.shape[:2], dtype=np.float32)
        for head, result in zip(array, entropies, strict=True):  # one at a time: several times faster than at once
            np.einsum("qk,qk->q", head, np.log(np.maximum(head, 1e-38)), out=result)
        return -entropies

    ours, theirs = _in_turn(lambda: _kernels.entropy_per_query(array, threads), numpy_entropy, rounds=min(rounds, 5))
    detail = {"ms": 1e3 * ours, "numpy_ms": 1e3 * theirs, "threads": threads}
    shape = list(array.shape)
    return [
        Figure(f"entropy per query {shape}", ours, "s", 0.24, "lower", detail),
        Figure(f"entropy per query {shape}: NumPy / kernel", theirs / ours, "x", 5, "higher", detail),
    ]


def _top_keys(attention: torch.Tensor, rounds: int, k: int = 8) -> list[Figure]:
    array, threads = attention.numpy(), torch.get_num_threads()

    def numpy_top_keys() -> tuple[np.ndarray, np.ndarray]:
        some = np.argpartition(array, -k, axis=-1)[..., -k:]
        weights = np.take_along_axis(array, some, -1)
        order = np.argsort(-weights, axis=-1)
        return np.take_along_axis(some, order, -1), np.take_along_axis(weights, order, -1)

    ours, numpy_s, sort_s, topk_s = _in_turn(
        lambda: _kernels.top_keys(array, k, threads),
        numpy_top_keys,
        lambda: torch.sort(attention, -1, descending=True),
        lambda: torch.topk(attention, k),
        rounds=rounds,
    )
    detail = {"ms": 1e3 * ours, "numpy_ms": 1e3 * numpy_s, "sort_ms": 1e3 * sort_s, "topk_ms": 1e3 * topk_s}
    name, detail = f"top {k} keys {list(array.shape)}", detail | {"threads": threads}
    return [
        Figure(f"{name}: torch.sort / kernel", sort_s / ours, "x", 10, "higher", detail),
        Figure(f"{name}: torch.topk / kernel", topk_s / ours, "x", 1, "higher", detail),
        Figure(f"{name}: NumPy / kernel", numpy_s / ours, "x", 5, "higher", detail),
    ]


def _tiles(quick: bool) -> list[Figure]:
    size = LONG | ({"n_tokens": 1024} if quick else {})
    n_tokens, d_head, threads = size["n_tokens"], size["d_head"], torch.get_num_threads()
    shape = f"{size['n_heads']} heads, {n_tokens} tokens, d_head {d_head}"
    figures = []
    if sys.platform == "linux":
        command = [sys.executable, "-c", PEAK_OF_TILES, json.dumps(size)]
        peak = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        figures.append(Figure(f"statistics from q and k, inputs and all ({shape})", peak, "MB", 600, "lower"))

    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 1, n_tokens, d_head, generator=generator)
    tokens = torch.randint(5000, (n_tokens,), generator=generator).numpy()
    above = torch.full((n_tokens, n_tokens), -torch.inf).triu_(1)
    scores = torch.empty(1, n_tokens, n_tokens)
    attention = torch.softmax(above, -1)[None]
    statistics = _torch_statistics(attention, tokens)

    def materialised() -> object:
        torch.baddbmm(above[None], q, k.mT, alpha=d_head**-0.5, out=scores)
        torch.softmax(scores, -1, out=attention)
        return statistics()

    ours, theirs = _in_turn(
        lambda: _kernels.head_statistics_from_qk(q.numpy(), k.numpy(), tokens, scaling=d_head**-0.5, threads=threads),
        materialised,
        rounds=3,
    )
    detail = {"s_per_head": ours, "torch_s_per_head": theirs, "threads": threads}
    name = f"statistics from q and k ({n_tokens} tokens, d_head {d_head}): torch, matrix of a head held / kernel"
    return [*figures, Figure(name, theirs / ours, "x", 1, "higher", detail)]


if __name__ == "__main__":
    for figure in measure("--quick" in sys.argv):
        print(figure.line(), figure.detail, flush=True)
