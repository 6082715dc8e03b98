"""Codes read by latent are what a sort of all of them finds, by any number of threads, compiled or not."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scope_widgets import _kernels
from scope_widgets._kernels import _codes, _compiled, _numpy_codes

REPEATABLE = settings(max_examples=60, deadline=None, derandomize=True)
N_LATENTS = 7


@st.composite
def codes(draw):
    """Codes with empty rows, latents that never fire, latents twice in a row, and many ties."""
    counts = draw(st.lists(st.integers(0, 6), min_size=1, max_size=40))
    n = sum(counts)
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    latents = generator.integers(0, draw(st.integers(1, N_LATENTS)), n).astype(np.int32)
    values = generator.integers(-3, 4, n).astype(draw(st.sampled_from([np.float32, np.float16]))) / 2
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), latents, values


def reference(starts, latents, values):
    """Return the (row, value) of each latent, rows ascending."""
    found = [[] for _ in range(N_LATENTS)]
    for row in range(len(starts) - 1):
        for at in range(starts[row], starts[row + 1]):
            found[latents[at]].append((row, float(values[at])))
    return found


@pytest.fixture(params=["compiled", "numpy"])
def _either(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(_compiled, "codes", None)
    elif _compiled.codes is None:
        pytest.skip("the compiled module of codes is not built")


def _equal(given_codes, threads, n):
    expected = reference(*given_codes)
    starts, rows, values = _kernels.rows_by_latent(*given_codes, N_LATENTS, threads)
    assert (starts.dtype, rows.dtype, values.dtype) == (np.int64, np.int32, np.float32)
    found = [list(zip(rows[a:b].tolist(), values[a:b].tolist(), strict=True)) for a, b in pairwise(starts)]
    assert found == expected
    rows, values = _kernels.top_rows(*given_codes, N_LATENTS, n, threads)
    for latent, of in enumerate(expected):
        best = sorted(of, key=lambda one: (-one[1], one[0]))[:n]
        best += [(-1, 0.0)] * (n - len(best))
        assert list(zip(rows[latent].tolist(), values[latent].tolist(), strict=True)) == best


@pytest.mark.usefixtures("_either")
class TestCodes:
    def test_are_those_of_a_sort(self):
        @given(codes(), st.sampled_from([1, 2, 5]), st.integers(1, 9))
        @REPEATABLE
        def holds(given_codes, threads, n):
            _equal(given_codes, threads, n)

        holds()

    @pytest.mark.parametrize("dtype", [np.float32, np.float16])
    def test_many_entries_by_several_threads(self, dtype):
        generator = np.random.default_rng(0)
        latents = generator.integers(0, N_LATENTS, 60_000).astype(np.int32)
        values = generator.choice(np.linspace(0.1, 5, 40), 60_000).astype(dtype)  # most are tied
        starts = np.sort(np.concatenate([[0, 60_000], generator.integers(0, 60_000, 20_000)]))
        for threads in (1, 3):
            _equal((starts, latents, values), threads, 20)

    def test_no_entries(self):
        none = np.zeros(4, np.int64), np.empty(0, np.int32), np.empty(0, np.float32)
        _equal(none, 1, 3)

    def test_what_is_wrong_is_said(self):
        starts, latents, values = np.array([0, 2, 3]), np.array([0, 6, 1], np.int32), np.ones(3, np.float32)
        for call in (_kernels.rows_by_latent, lambda *a: _kernels.top_rows(*a, 2)):
            with pytest.raises(ValueError, match="none of 0 to 4"):
                call(starts, latents, values, 5)
            with pytest.raises(ValueError, match="none of 0 to 6"):
                call(starts, -latents, values, 7)
            with pytest.raises(ValueError, match="without falling"):
                call(np.array([0, 4, 3]), latents, values, 7)
            with pytest.raises(ValueError, match="3 latents and 2 values"):
                call(starts, latents, values[:2], 7)
            with pytest.raises(TypeError, match="expected int32"):
                call(starts, latents.astype(np.int64), values, 7)
            with pytest.raises(TypeError, match="expected float32 or float16"):
                call(starts, latents, values.astype(float), 7)
            with pytest.raises(ValueError, match="n_latents is 0"):
                call(starts, latents, values, 0)
            with pytest.raises(ValueError, match="not C-contiguous"):
                call(starts, latents, np.ones(6, np.float32)[::2], 7)
        for bad in (np.nan, np.inf, -np.inf):
            with pytest.raises(ValueError, match="NaN or infinite"):
                _kernels.top_rows(starts, latents, values * np.float32(bad), 7, 2)
        with pytest.raises(ValueError, match="n is 0"):
            _kernels.top_rows(starts, latents, values, 7, 0)


def test_a_module_that_is_not_built_switches_off_no_other(monkeypatch):
    """As in a tree whose compiled modules are of an earlier version."""
    monkeypatch.setattr(_compiled, "codes", None)
    monkeypatch.setattr(_numpy_codes, "top_rows", lambda *_: "NumPy")
    starts, latents, values = np.array([0, 1]), np.zeros(1, np.int32), np.ones(1, np.float32)
    assert _codes.top_rows(starts, latents, values, 2, 1) == "NumPy"
    assert (_compiled.statistics is not None) == _kernels.COMPILED
