from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scope_widgets import _kernels
from tests.support import reference_statistics as reference
from tests.support.attention_inputs import assert_same_statistics, attention_of_kind, prompts

REPEATABLE = settings(max_examples=40, deadline=None, derandomize=True)


class TestHeadStatistics:
    @given(prompts())
    @REPEATABLE
    def test_agrees_with_the_definitions(self, prompt):
        assert_same_statistics(_kernels.head_statistics(*prompt), reference.head_statistics(*prompt))

    @given(prompts())
    @REPEATABLE
    def test_entropy_per_query_agrees_with_the_definition(self, prompt):
        attention, _ = prompt
        entropies = _kernels.entropy_per_query(attention)
        assert entropies.dtype == np.float32
        np.testing.assert_allclose(entropies, reference.entropy_per_query(attention), atol=1e-5, rtol=0)

    def test_known_rows(self):
        uniform = np.full((1, 4, 4), 0.25, dtype=np.float32)
        assert _kernels.entropy_per_query(uniform)[0, 3] == pytest.approx(math.log(4))
        one_hot = np.eye(4, dtype=np.float32)[None]
        assert (_kernels.entropy_per_query(one_hot) == 0).all()
        statistics = _kernels.head_statistics(one_hot, np.array([5, 5, 6, 5]))
        assert statistics["current_token"] == 1
        assert statistics["previous_token"] == statistics["first_token"] == statistics["duplicate_token"] == 0
        assert statistics["induction"] == 0.5  # of the two repeats, only the first looks right behind an equal token

    def test_an_induction_head_scores_one(self):
        tokens = np.concatenate([np.arange(20), np.arange(20)])
        attention = np.zeros((1, 40, 40), dtype=np.float32)
        attention[0, np.arange(20), 0] = 1
        attention[0, np.arange(20, 40), np.arange(1, 21)] = 1
        statistics = _kernels.head_statistics(attention, tokens)
        assert statistics["induction"] == 1
        assert statistics["duplicate_token"] == 0

    def test_what_is_undefined_is_nan(self):
        statistics = _kernels.head_statistics(np.ones((2, 1, 1), dtype=np.float32), np.array([3]))
        undefined = {name for name, value in statistics.items() if np.isnan(value).all()}
        assert undefined == {
            "normalised_entropy",
            "previous_token",
            "first_token",
            "duplicate_token",
            "induction",
        }

    @pytest.mark.parametrize("dtype", [np.float32, np.float16])
    def test_larger_prompts_and_threads(self, dtype):
        rng = np.random.default_rng(0)
        attention = attention_of_kind("softmax", 3, 257, dtype, rng)
        tokens = np.zeros(257, dtype=np.int64)  # every earlier token is equal
        one = _kernels.head_statistics(attention, tokens, threads=1)
        two = _kernels.head_statistics(attention, tokens, threads=2)
        assert_same_statistics(one, reference.head_statistics(attention, tokens))
        for name in one:
            np.testing.assert_array_equal(one[name], two[name])

    def test_logarithm_is_accurate(self):
        values = np.concatenate([np.geomspace(1e-37, 1, 20000), 1 - np.geomspace(1e-6, 0.5, 20000)])
        values = values.astype(np.float32)[values.astype(np.float32) < 1].astype(np.float64)
        for start in range(0, len(values), 64):
            part = values[start : start + 64]
            attention = np.zeros((len(part), 2, 2), dtype=np.float32)
            attention[:, 1, 0] = part
            expected = -part * np.log(part)
            np.testing.assert_allclose(_kernels.entropy_per_query(attention)[:, 1], expected, rtol=1e-6)


class TestStatisticsFromQueriesAndKeys:
    @given(
        seed=st.integers(0, 2**32 - 1),
        n_tokens=st.integers(1, 64),
        n_kv_heads=st.integers(1, 2),
        group=st.integers(1, 3),
        d_head=st.integers(1, 9),
        window=st.none() | st.integers(1, 70),
        softcap=st.none() | st.floats(0.5, 60),
    )
    @REPEATABLE
    def test_agrees_with_attention(self, seed, n_tokens, n_kv_heads, group, d_head, window, softcap):
        rng = np.random.default_rng(seed)
        q = rng.normal(size=(n_kv_heads * group, n_tokens, d_head)).astype(np.float32) * 2
        k = rng.normal(size=(n_kv_heads, n_tokens, d_head)).astype(np.float32)
        tokens = rng.integers(0, n_tokens, n_tokens)
        how = {"scaling": d_head**-0.5, "window": window, "softcap": softcap}
        attention = reference.attention_from_qk(q, k, **how).astype(np.float32)
        measured = _kernels.head_statistics_from_qk(q, k, tokens, **how)
        assert_same_statistics(measured, reference.head_statistics(attention, tokens, window))
        from_attention = _kernels.head_statistics(attention, tokens)
        assert_same_statistics(measured, from_attention, set(measured) - {"normalised_entropy"})

    @pytest.mark.parametrize("window", [None, 100])
    def test_larger_prompts_and_threads(self, window):
        rng = np.random.default_rng(1)
        q, k = rng.normal(size=(2, 2, 300, 16)).astype(np.float32)
        tokens = rng.integers(0, 9, 300)
        one = _kernels.head_statistics_from_qk(q, k, tokens, scaling=0.25, window=window, threads=1)
        two = _kernels.head_statistics_from_qk(q, k, tokens, scaling=0.25, window=window, threads=2)
        attention = reference.attention_from_qk(q, k, scaling=0.25, window=window).astype(np.float32)
        assert_same_statistics(one, reference.head_statistics(attention, tokens, window))
        for name in one:
            np.testing.assert_array_equal(one[name], two[name])

    def test_strides_and_large_scores(self):
        rng = np.random.default_rng(2)
        q = rng.normal(size=(40, 2, 8)).astype(np.float32) * 1000  # [position, head, d_head], as traces have it
        k = rng.normal(size=(40, 2, 8)).astype(np.float32) * 1000
        q, k = q.swapaxes(0, 1), k.swapaxes(0, 1)
        tokens = rng.integers(0, 9, 40)
        attention = reference.attention_from_qk(q, k, scaling=1.0)
        measured = _kernels.head_statistics_from_qk(q, k, tokens, scaling=1.0)
        assert_same_statistics(measured, reference.head_statistics(attention, tokens))

    def test_bad_input(self):
        q, tokens = np.zeros((4, 5, 2), dtype=np.float32), np.arange(5)
        for change, message in [
            ({"k": q[:3]}, "kv_heads that divides 4"),
            ({"k": q[:, :4]}, r"k \[kv_head, 5, 2\]"),
            ({"scaling": np.nan}, "scaling is nan, expected a finite number"),
            ({"window": 0}, "window is 0, expected 1 or more"),
            ({"softcap": 0.0}, "softcap is 0.0, expected a positive number"),
            ({"q": np.where(np.arange(4)[:, None, None] == 2, np.float32("inf"), q)}, "q and k of head 2 holds NaN"),
        ]:
            arguments = {"q": q, "k": q + 1, "tokens": tokens, "scaling": 1.0} | change
            with pytest.raises(ValueError, match=message):
                _kernels.head_statistics_from_qk(**arguments)


class TestTopKeys:
    @given(prompts(), st.integers(1, 70), st.booleans())
    @REPEATABLE
    def test_agrees_with_sorting(self, prompt, k, coarse):
        attention, _ = prompt
        if coarse:  # many ties
            attention = np.round(attention * 8) / attention.dtype.type(8)
        keys, weights = _kernels.top_keys(attention, k, threads=1)
        expected_keys, expected_weights = reference.top_keys(attention, k)
        assert keys.dtype == np.int32
        assert weights.dtype == np.float32
        np.testing.assert_array_equal(keys, expected_keys)
        np.testing.assert_array_equal(weights, expected_weights)
        np.testing.assert_array_equal(_kernels.top_keys(attention, k, threads=2)[0], keys)

    def test_longer_rows(self):
        attention = np.random.default_rng(3).random((2, 300, 300), dtype=np.float32)
        for given_attention in (attention, np.sort(attention), np.sort(attention)[..., ::-1].copy()):
            for k in (1, 8, 16, 40):
                for measured, expected in zip(
                    _kernels.top_keys(given_attention, k), reference.top_keys(given_attention, k), strict=True
                ):
                    np.testing.assert_array_equal(measured, expected)

    def test_bad_k(self):
        with pytest.raises(ValueError, match="k is 0, expected 1 or more"):
            _kernels.top_keys(np.zeros((1, 2, 2), dtype=np.float32), 0)


class TestDisplay:
    @given(prompts(), st.integers(1, 70))
    @REPEATABLE
    def test_thumbnails_are_max_pooled(self, prompt, size):
        attention, _ = prompt
        pictures = _kernels.thumbnails(attention, size, threads=1)
        np.testing.assert_array_equal(pictures, reference.thumbnails(attention, size))
        np.testing.assert_array_equal(_kernels.thumbnails(attention, size, threads=2), pictures)

    def test_one_bright_cell_stays_visible(self):
        attention = np.zeros((1, 1000, 1000), dtype=np.float16)
        attention[0, 999, 500] = 1
        assert np.argwhere(_kernels.thumbnails(attention)).tolist() == [[0, 31, 16]]
        assert _kernels.thumbnails(attention).shape == (1, 32, 32)

    def test_levels_round_half_up_and_are_cut(self):
        matrix = np.array([[-1.0, 0.5 / 255, 2.0]] * 3, dtype=np.float32)[None]
        assert _kernels.thumbnails(matrix)[0, 0].tolist() == [0, 1, 255]

    @given(prompts(), st.none() | st.floats(0.01, 2))
    @REPEATABLE
    def test_triangles(self, prompt, scale):
        matrix = prompt[0][0]
        levels, used = _kernels.pack_triangle(matrix, scale)
        cells = reference.triangle(matrix)
        assert used == (cells.max() if scale is None else scale)
        assert levels.dtype == np.uint8
        expected = reference.levels(cells, used or 1.0)
        assert np.abs(levels.astype(int) - expected).max() <= 1  # the last bit of a quotient
        assert np.mean(levels != expected) <= 0.05
        error = np.abs(levels * (used / 255) - np.minimum(cells.astype(np.float64), used))
        assert error.max() <= used / 255 / 2 * (1 + 1e-6)

    def test_bad_numbers(self):
        with pytest.raises(ValueError, match="size is 0, expected 1 or more"):
            _kernels.thumbnails(np.zeros((1, 2, 2), dtype=np.float32), 0)
        for scale in (0, -1, np.nan, np.inf):
            with pytest.raises(ValueError, match="expected a positive number"):
                _kernels.pack_triangle(np.zeros((2, 2), dtype=np.float32), scale)


class TestBadInput:
    KERNELS = (
        lambda attention: _kernels.head_statistics(attention, np.arange(5)),
        _kernels.entropy_per_query,
        lambda attention: _kernels.top_keys(attention, 3),
        _kernels.thumbnails,
    )
    GOOD = np.zeros((3, 5, 5), dtype=np.float32)

    @pytest.mark.parametrize("kernel", KERNELS)
    def test_attention(self, kernel):
        kernel(self.GOOD)
        for bad, error, message in [
            (self.GOOD.tolist(), TypeError, r"attention is a list, expected a NumPy array \[head, query, key\]"),
            (self.GOOD.astype(np.float64), TypeError, "float64, expected float32 or float16: convert it"),
            (self.GOOD[0], ValueError, r"shape \(5, 5\), expected \[head, query, key\]: give it 3 axes"),
            (self.GOOD[:, :0, :0], ValueError, "so no entry, expected one or more"),
            (self.GOOD[:, :, :4].copy(), ValueError, "5 queries and 4 keys, expected as many keys as queries"),
            (self.GOOD.swapaxes(1, 2), ValueError, r"not C-contiguous: pass numpy.ascontiguousarray\(attention\)"),
        ]:
            with pytest.raises(error, match=message):
                kernel(bad)

    @pytest.mark.parametrize("kernel", KERNELS)
    @pytest.mark.parametrize("dtype", [np.float32, np.float16])
    def test_cells_that_are_not_finite(self, kernel, dtype):
        for value in (np.nan, -np.nan, np.inf, -np.inf):
            for cell in [(0, 0), (4, 0), (4, 4), (3, 2)]:
                bad = self.GOOD.astype(dtype)
                bad[1][cell] = value
                with pytest.raises(ValueError, match="attention of head 1 holds NaN or infinite entries"):
                    kernel(bad)

    def test_cells_after_the_query_are_not_read(self):
        attention = np.full((2, 30, 30), np.nan, dtype=np.float32)
        attention[:, np.tril(np.ones((30, 30), dtype=bool))] = 0.1
        _kernels.head_statistics(attention, np.zeros(30, dtype=np.int64))
        _kernels.top_keys(attention, 4)
        _kernels.pack_triangle(attention[0])

    def test_tokens(self):
        with pytest.raises(ValueError, match="4 ids for 5 queries: pass one token id per query"):
            _kernels.head_statistics(self.GOOD, np.arange(4))
        with pytest.raises(TypeError, match="dtype float64, expected int64"):
            _kernels.head_statistics(self.GOOD, np.arange(5.0))

    def test_threads(self):
        with pytest.raises(ValueError, match="threads is 0, expected 1 or more"):
            _kernels.entropy_per_query(self.GOOD, threads=0)

    def test_a_matrix_that_is_not_finite(self):
        with pytest.raises(ValueError, match="matrix holds NaN"):
            _kernels.pack_triangle(np.full((2, 2), np.nan, dtype=np.float16))
