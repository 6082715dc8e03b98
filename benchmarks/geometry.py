"""Neighbours and components of 10,000 activations of width 2,048, beside scikit-learn and faiss.

faiss is installed for an interpreter of its own, which $GEOMETRY_LIBRARIES names (a virtual environment with
faiss-cpu); where it is missing that is said and left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from benchmarks.figure import Figure, side_by_side
from scope_widgets import _kernels, geometry
from scope_widgets._kernels import _compiled

K = 20
#: seconds of faiss in a process of its own, after one search to warm up
FAISS = """
import sys, time
import faiss, numpy as np
faiss.omp_set_num_threads({threads})
x = np.random.default_rng(0).standard_normal(({n}, {d}), dtype=np.float32)
times = []
for _ in range(4):
    start = time.perf_counter()
    index = faiss.IndexFlatL2({d})
    index.add(x)
    index.search(x, {k} + 1)
    times.append(time.perf_counter() - start)
print(min(times[1:]))
"""


def measure(quick: bool = False) -> list[Figure]:
    n, d = (2000, 256) if quick else (10_000, 2048)
    x = np.random.default_rng(0).standard_normal((n, d), dtype=np.float32)
    return [*_neighbours(x), *_components(x), *_dimension(x), *_projection(x)]


def _neighbours(x: np.ndarray) -> list[Figure]:
    n, d = x.shape

    def by_scikit_learn() -> object:
        return NearestNeighbors(n_neighbors=K, algorithm="brute").fit(x).kneighbors()

    def by_torch() -> object:
        compiled, _compiled.neighbours = _compiled.neighbours, None
        try:
            return _kernels.nearest(x, K)
        finally:
            _compiled.neighbours = compiled

    ours, theirs, in_torch = side_by_side(lambda: _kernels.nearest(x, K), by_scikit_learn, by_torch, rounds=3)
    what = f"the {K} nearest of {n:,} points of width {d:,}"
    detail = {"scikit_learn_s": theirs, "without_compiled_s": in_torch, "threads": torch.get_num_threads()}
    figures = [
        Figure(what, ours, "s", 2, "lower", detail),
        Figure(f"{what}: scikit-learn / ours", theirs / ours, "x", 3, "higher", detail),
    ]
    if (faiss := _faiss(n, d)) is not None:
        figures.append(Figure(f"{what}: faiss (flat) / ours", faiss / ours, "x", None, "none", {"faiss_s": faiss}))
    return figures


def _faiss(n: int, d: int) -> float | None:
    """Return seconds of faiss, or None where it is not there."""
    python = os.environ.get("GEOMETRY_LIBRARIES", sys.executable)
    script = FAISS.format(threads=torch.get_num_threads(), n=n, d=d, k=K)
    done = subprocess.run([python, "-I", "-c", script], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"Not measured beside faiss ($GEOMETRY_LIBRARIES names an interpreter that has it): {Path(python).name}.")
        return None
    return float(done.stdout)


def _components(x: np.ndarray) -> list[Figure]:
    n, d = x.shape
    seconds, found = _seconds(lambda: geometry.spectrum(x))
    name = f"spectrum, components of 99 %, intervals: {n:,} points of width {d:,}"
    return [Figure(name, seconds, "s", 3, "lower", {"components_99": found.components_99})]


def _dimension(x: np.ndarray) -> list[Figure]:
    n, d = x.shape
    figures = []
    for method in ("mle", "twonn", "gride"):
        seconds, found = _seconds(lambda method=method: geometry.dimension(x, method=method))
        name = f"dimension by {method} with its curves: {n:,} points of width {d:,}"
        figures.append(Figure(name, seconds, "s", None, "none", {"value": found.value}))
    return figures


def _projection(x: np.ndarray) -> list[Figure]:
    n, d = x.shape
    seconds, found = _seconds(lambda: geometry.project(x))
    name = f"projection by PCA with neighbours kept: {n:,} points of width {d:,}"
    return [Figure(name, seconds, "s", None, "none", {"kept": found.value})]


def _seconds(job):  # type: ignore[no-untyped-def]
    start = time.perf_counter()
    found = job()
    return time.perf_counter() - start, found
