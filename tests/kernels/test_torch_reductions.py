"""The torch versions of the kernels: the definitions, the compiled kernels, and a package without these."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scope_widgets import Microscope, _kernels, heads
from scope_widgets._kernels import _torch_display, _torch_statistics
from tests.support import reference_statistics as reference
from tests.support.attention_inputs import KINDS, assert_same_statistics, attention_of_kind, prompts
from tests.support.tiny_models import tiny_model, tiny_tokenizer

REPEATABLE = settings(max_examples=40, deadline=None, derandomize=True)
GPU = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else None
PROMPT = "When Mary and John went to the store, John gave a drink to"


def agree(measured, compiled, rtol=1e-6):
    """To `rtol`, and where a sum is next to nothing to the last digits of the float32 cells that it is made of."""
    assert list(measured) == list(compiled)
    for name in compiled:
        assert measured[name].dtype == np.float64
        np.testing.assert_allclose(measured[name], compiled[name], rtol=rtol, atol=1e-8, err_msg=name)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of few queries, so that short prompts have several."""
    monkeypatch.setattr(_torch_statistics, "BLOCK_ENTRIES", 200)


@pytest.fixture
def without_compiled(monkeypatch):
    monkeypatch.setattr(_kernels, "COMPILED", False)


class TestHeadStatistics:
    @given(prompts(), st.none() | st.integers(1, 70), st.sampled_from([200, 2**22]))
    @REPEATABLE
    def test_agree_with_definitions_and_compiled(self, prompt, window, cells):
        attention, tokens = prompt
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_torch_statistics, "BLOCK_ENTRIES", cells)
            measured = _torch_statistics.head_statistics(
                torch.from_numpy(attention), torch.from_numpy(tokens), window=window
            )
        assert_same_statistics(measured, reference.head_statistics(attention, tokens, window))
        agree(measured, _kernels.head_statistics(attention, tokens, window=window))
        agree(_torch_statistics.head_statistics(attention, tokens, window=window), measured)

    @given(prompts())
    @REPEATABLE
    def test_entropy_per_query(self, prompt):
        attention, _ = prompt
        measured = _torch_statistics.entropy_per_query(torch.from_numpy(attention))
        assert measured.dtype == np.float32
        np.testing.assert_allclose(measured, reference.entropy_per_query(attention), rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(measured, _kernels.entropy_per_query(attention), rtol=1e-6, atol=1e-8)

    @pytest.mark.parametrize("dtype", [np.float32, np.float16])
    @pytest.mark.parametrize("kind", KINDS)
    def test_longer_prompts(self, dtype, kind):
        rng = np.random.default_rng(0)
        attention = attention_of_kind(kind, 3, 257, dtype, rng)
        for tokens in (np.zeros(257, dtype=np.int64), rng.integers(0, 40, 257), np.arange(257)):
            compiled = _kernels.head_statistics(attention, tokens)
            agree(_torch_statistics.head_statistics(torch.from_numpy(attention), tokens), compiled)
            two = _torch_statistics.repetition_statistics(torch.from_numpy(attention), tokens)
            agree(two, {name: compiled[name] for name in ("duplicate_token", "induction")})

    def test_what_is_not_contiguous_or_bfloat16_or_has_gradients(self):
        rng = np.random.default_rng(1)
        attention = torch.from_numpy(attention_of_kind("softmax", 2, 30, np.float32, rng)).bfloat16()
        tokens = rng.integers(0, 9, 30)
        expected = reference.head_statistics(attention.float().numpy(), tokens)
        strided = attention.mT.contiguous().mT.requires_grad_()
        assert not strided.is_contiguous()
        assert_same_statistics(_torch_statistics.head_statistics(strided, tokens), expected)
        assert_same_statistics(_kernels.head_statistics(strided, tokens), expected)

    def test_a_read_only_array_is_taken_in_silence(self):
        attention = attention_of_kind("uniform", 1, 5, np.float32, np.random.default_rng(0))
        attention.flags.writeable = False
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _torch_statistics.head_statistics(attention, np.arange(5))
            _torch_display.top_keys(attention, 2)
        assert attention[0, 0, 1] == 7  # nothing was written


class TestStatisticsFromQueriesAndKeys:
    @given(
        seed=st.integers(0, 2**32 - 1),
        n_tokens=st.integers(1, 64),
        n_kv_heads=st.integers(1, 2),
        group=st.integers(1, 3),
        d_head=st.integers(1, 9),
        window=st.none() | st.integers(1, 70),
        softcap=st.none() | st.floats(0.5, 60),
        cells=st.sampled_from([200, 2**22]),
    )
    @REPEATABLE
    def test_agree_with_definitions_and_compiled(
        self, seed, n_tokens, n_kv_heads, group, d_head, window, softcap, cells
    ):
        rng = np.random.default_rng(seed)
        q = rng.normal(size=(n_kv_heads * group, n_tokens, d_head)).astype(np.float32) * 2
        k = rng.normal(size=(n_kv_heads, n_tokens, d_head)).astype(np.float32)
        tokens = rng.integers(0, n_tokens, n_tokens)
        how = {"scaling": d_head**-0.5, "window": window, "softcap": softcap}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_torch_statistics, "BLOCK_ENTRIES", cells)
            measured = _torch_statistics.head_statistics_from_qk(
                torch.from_numpy(q), torch.from_numpy(k), tokens, **how
            )
        attention = reference.attention_from_qk(q, k, **how)
        expected = reference.head_statistics(attention, tokens, window)
        agree({**measured, "sparsity": expected["sparsity"]}, expected)  # ours is in float64 as well
        compiled = _kernels.head_statistics_from_qk(q, k, tokens, **how)
        assert_same_statistics(measured, compiled)  # whose scores are float32: it is the one that rounds

    def test_strides_and_large_scores(self):
        rng = np.random.default_rng(2)
        q, k = (rng.normal(size=(40, 2, 8)).astype(np.float32).swapaxes(0, 1) * 1000 for _ in range(2))
        tokens = rng.integers(0, 9, 40)
        expected = reference.head_statistics(reference.attention_from_qk(q, k, scaling=1.0), tokens)
        for given_q, given_k in [(q, k), (torch.from_numpy(q), torch.from_numpy(k)), (q[:, ::-1][:, ::-1], k)]:
            assert_same_statistics(
                _torch_statistics.head_statistics_from_qk(given_q, given_k, tokens, scaling=1.0), expected
            )

    def test_a_block_stays_small(self):
        """No tensor is larger than a block of cells, where all patterns would be 16 times as large."""
        q = torch.randn(4, 4096, 4)
        largest = 0

        class Watch(torch.utils._python_dispatch.TorchDispatchMode):
            def __torch_dispatch__(self, function, types, args=(), kwargs=None):
                nonlocal largest
                out = function(*args, **(kwargs or {}))
                for one in out if isinstance(out, tuple) else (out,):
                    if isinstance(one, torch.Tensor):
                        largest = max(largest, one.untyped_storage().nbytes())
                return out

        with Watch():
            _torch_statistics.head_statistics_from_qk(q, q[:2], np.arange(4096), scaling=0.5)
        assert largest <= 64 * 2**20


class TestTopKeys:
    @given(prompts(), st.integers(1, 70), st.booleans(), st.sampled_from([200, 2**22]))
    @REPEATABLE
    def test_agree_with_sorting(self, prompt, k, coarse, cells):
        attention, _ = prompt
        if coarse:  # many ties
            attention = np.round(attention * 8) / attention.dtype.type(8)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_torch_statistics, "BLOCK_ENTRIES", cells)
            keys, weights = _torch_display.top_keys(torch.from_numpy(attention), k)
        assert keys.dtype == np.int32
        assert weights.dtype == np.float32
        for expected_keys, expected_weights in (reference.top_keys(attention, k), _kernels.top_keys(attention, k)):
            np.testing.assert_array_equal(keys, expected_keys)
            np.testing.assert_array_equal(weights, expected_weights)

    def test_negative_weights_and_zeros_of_both_signs(self):
        attention = np.array([[[-1, 0, 0], [-0.0, 0.0, 0], [-0.5, -0.0, -0.25]]], dtype=np.float32)
        for measured, compiled in zip(
            _torch_display.top_keys(attention, 2), _kernels.top_keys(attention, 2), strict=True
        ):
            np.testing.assert_array_equal(measured, compiled)


class TestDisplay:
    @given(prompts(), st.integers(1, 70))
    @REPEATABLE
    def test_thumbnails(self, prompt, size):
        attention, _ = prompt
        pictures = _torch_display.thumbnails(torch.from_numpy(attention), size)
        assert pictures.dtype == np.uint8
        np.testing.assert_array_equal(pictures, reference.thumbnails(attention, size))
        np.testing.assert_array_equal(pictures, _kernels.thumbnails(attention, size))

    def test_levels_round_half_up_and_are_cut(self):
        matrix = torch.tensor([[[-1.0, 0.5 / 255, 2.0]] * 3])
        assert _torch_display.thumbnails(matrix)[0, 0].tolist() == [0, 1, 255]

    @given(prompts(), st.none() | st.floats(0.01, 2))
    @REPEATABLE
    def test_triangles(self, prompt, scale):
        matrix = prompt[0][0]
        levels, used = _torch_display.pack_triangle(torch.from_numpy(matrix), scale)
        expected, compiled_scale = _kernels.pack_triangle(matrix, scale)
        assert levels.dtype == np.uint8
        assert used == compiled_scale
        np.testing.assert_array_equal(levels, expected)

    def test_a_triangle_of_nothing(self):
        levels, scale = _torch_display.pack_triangle(torch.zeros(3, 3))
        assert scale == 0
        assert levels.tolist() == [0] * 6


class TestBadInput:
    """The same bad input, as an array and as a tensor, is refused with the same sentence."""

    GOOD = np.zeros((3, 5, 5), dtype=np.float32)
    PAIRS = (
        (
            lambda attention: _torch_statistics.head_statistics(attention, np.arange(5)),
            lambda attention: _kernels.head_statistics(attention, np.arange(5)),
        ),
        (_torch_statistics.entropy_per_query, _kernels.entropy_per_query),
        (lambda attention: _torch_display.top_keys(attention, 3), lambda attention: _kernels.top_keys(attention, 3)),
        (_torch_display.thumbnails, _kernels.thumbnails),
        (
            lambda attention: _torch_display.pack_triangle(attention[0]),
            lambda attention: _kernels.pack_triangle(attention[0]),
        ),
    )

    @staticmethod
    def same(by_torch, compiled, array, *, and_tensor=True):
        with pytest.raises((TypeError, ValueError)) as expected:
            compiled(array)
        for form in (array, torch.from_numpy(array)) if and_tensor else (array,):
            with pytest.raises(expected.type) as refused:
                by_torch(form)
            assert str(refused.value).replace("torch.", "") == str(expected.value)

    @pytest.mark.parametrize(("by_torch", "compiled"), PAIRS)
    def test_wrong_shapes_and_types(self, by_torch, compiled):
        by_torch(self.GOOD)
        for bad in (self.GOOD.astype(np.float64), self.GOOD[:, :0, :0], self.GOOD[:, :, :4].copy()):
            self.same(by_torch, compiled, bad)
        self.same(by_torch, compiled, self.GOOD.swapaxes(1, 2), and_tensor=False)

    @pytest.mark.parametrize(("by_torch", "compiled"), PAIRS[:4])
    def test_wrong_axes_and_lists(self, by_torch, compiled):
        self.same(by_torch, compiled, self.GOOD[0])
        self.same(by_torch, compiled, self.GOOD.tolist(), and_tensor=False)

    @pytest.mark.parametrize(("by_torch", "compiled"), PAIRS)
    @pytest.mark.parametrize("dtype", [np.float32, np.float16])
    def test_cells_that_are_not_finite(self, by_torch, compiled, dtype):
        for value in (np.nan, -np.nan, np.inf, -np.inf):
            for cell in [(0, 0), (4, 0), (4, 4), (3, 2)]:
                bad = self.GOOD.astype(dtype)
                bad[(0, *cell)] = value
                self.same(by_torch, compiled, bad)

    @pytest.mark.usefixtures("small_blocks")
    def test_the_head_is_named(self):
        bad = np.zeros((4, 20, 20), dtype=np.float32)
        bad[2, 19, 3] = bad[3, 0, 0] = np.nan
        for by_torch, compiled in (
            (
                lambda a: _torch_statistics.head_statistics(a, np.arange(20)),
                lambda a: _kernels.head_statistics(a, np.arange(20)),
            ),
            *self.PAIRS[1:4],
        ):
            self.same(by_torch, compiled, bad)

    @pytest.mark.usefixtures("small_blocks")
    def test_cells_after_the_query_are_not_read(self):
        attention = np.full((2, 30, 30), np.nan, dtype=np.float32)
        attention[:, np.tril(np.ones((30, 30), dtype=bool))] = 0.1
        _torch_statistics.head_statistics(attention, np.zeros(30, dtype=np.int64))
        _torch_statistics.repetition_statistics(torch.from_numpy(attention), np.zeros(30, dtype=np.int64))
        _torch_display.top_keys(attention, 4)
        _torch_display.pack_triangle(attention[0])

    def test_other_arguments(self):
        for change in ({"tokens": np.arange(4)}, {"tokens": np.arange(5.0)}, {"threads": 0}, {"window": 0}):
            arguments = {"tokens": np.arange(5)} | change
            self.same(
                lambda array, given=arguments: _torch_statistics.head_statistics(array, **given),
                lambda array, given=arguments: _kernels.head_statistics(array, **given),
                self.GOOD,
            )
        for by_torch, compiled, bad in (
            (_torch_display.top_keys, _kernels.top_keys, 0),
            (_torch_display.thumbnails, _kernels.thumbnails, 0),
        ):
            self.same(lambda a, f=by_torch, x=bad: f(a, x), lambda a, f=compiled, x=bad: f(a, x), self.GOOD)
        for scale in (0, -1, np.nan, np.inf):
            self.same(
                lambda array, scale=scale: _torch_display.pack_triangle(array, scale),
                lambda array, scale=scale: _kernels.pack_triangle(array, scale),
                self.GOOD[0],
            )

    def test_queries_and_keys(self):
        q, tokens = np.zeros((4, 5, 2), dtype=np.float32), np.arange(5)
        spoilt = np.where(np.arange(4)[:, None, None] == 2, np.float32("inf"), q)
        minus = np.where(np.arange(5)[:, None] == 3, np.float32("-inf"), q)
        for change in (
            {"k": q[:3]},
            {"k": q[:, :4]},
            {"scaling": np.nan},
            {"window": 0},
            {"softcap": 0.0},
            {"tokens": np.arange(4)},
            {"q": spoilt},
            {"k": minus},
            {"k": np.where(np.arange(5)[:, None] == 4, np.float32("nan"), q)},
            {"q": q.astype(np.float64)},
        ):
            arguments = {"q": q + 1, "k": q + 1, "tokens": tokens, "scaling": 1.0} | change
            self.same(
                lambda array, given=arguments: _torch_statistics.head_statistics_from_qk(array, **given),
                lambda array, given=arguments: _kernels.head_statistics_from_qk(array, **given),
                arguments.pop("q"),
            )


class TestWhichIsChosen:
    """Where there is no GPU, a package without compiled modules takes the same way as tensors on one."""

    def test_tensors_in_memory_go_to_the_compiled_modules(self, monkeypatch):
        attention = torch.from_numpy(attention_of_kind("softmax", 2, 9, np.float16, np.random.default_rng(0)))
        for name in ("head_statistics", "entropy_per_query"):
            monkeypatch.delattr(_torch_statistics, name)
        by_tensor = _kernels.head_statistics(attention, torch.arange(9))
        by_array = _kernels.head_statistics(attention.numpy(), np.arange(9))
        for name, value in by_array.items():
            np.testing.assert_array_equal(by_tensor[name], value)

    def test_tensors_elsewhere_go_to_torch(self):
        """The meta device stands for a GPU: it gets as far as the one result that would have to travel."""
        with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
            _kernels.entropy_per_query(torch.zeros(1, 4, 4, device="meta"))

    def test_queries_and_keys_stand_on_one_device(self):
        q = torch.zeros(1, 4, 2)
        with pytest.raises(ValueError, match="q is on cpu and k on meta, expected both on one device"):
            _kernels.head_statistics_from_qk(q, q.to("meta"), np.arange(4), scaling=1.0)

    @pytest.mark.skipif(not GPU, reason="there is no GPU here")
    def test_a_trace_on_a_gpu(self):
        on_cpu = Microscope.load("demo").trace(PROMPT)
        values = {site: [value.to(GPU) for value in layers] for site, layers in on_cpu.values.items()}
        on_gpu = dataclasses.replace(on_cpu, values=values)
        measured, expected = (heads.score(trace, null_draws=20) for trace in (on_gpu, on_cpu))
        for name, value in expected.statistics.items():
            np.testing.assert_allclose(measured[name], value, rtol=1e-6, atol=1e-8, err_msg=name)
        for name, value in expected.null_p.items():
            np.testing.assert_allclose(measured.null_p[name], value, rtol=1e-6, err_msg=name)
        del values["attention"]
        assert_same_statistics(heads.score(on_gpu).statistics, heads.score(on_cpu, null_draws=0).statistics)
        attention = on_cpu.attention(0).contiguous()
        for kernel in (_kernels.thumbnails, _kernels.entropy_per_query, lambda given: _kernels.top_keys(given, 3)):
            for one, two in zip(kernel(attention.to(GPU)), kernel(attention), strict=True):
                np.testing.assert_allclose(one, two, rtol=1e-6)
        np.testing.assert_array_equal(
            _kernels.pack_triangle(attention[0].to(GPU))[0], _kernels.pack_triangle(attention[0])[0]
        )
        np.testing.assert_allclose(
            heads.rollout(
                dataclasses.replace(
                    on_cpu, values={"attention": [value.to(GPU) for value in on_cpu.values["attention"]]}
                )
            ),
            heads.rollout(on_cpu),
            rtol=1e-5,
            atol=1e-7,
        )

    def test_it_is_said_once(self, without_compiled):
        _kernels._warn_of_slow_kernels.cache_clear()
        attention = np.ones((1, 1, 1), dtype=np.float32)
        with pytest.warns(UserWarning, match="compiled modules of scope_widgets are missing") as said:
            _kernels.entropy_per_query(attention)
        assert said[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _kernels.entropy_per_query(attention)

    @pytest.mark.filterwarnings("ignore:The compiled modules")
    @pytest.mark.parametrize("family", ["demo", "llama", "gemma2", "gpt_neo"])
    def test_scores_are_the_same(self, family, monkeypatch):
        scope = (
            Microscope.load("demo") if family == "demo" else Microscope.for_model(tiny_model(family), tiny_tokenizer())
        )
        ids = [3, 4, 3, 5, 6, 4, 9, 9, 3, 4, 11, 5]
        one, several = scope.trace(ids), scope.trace([ids, [5, 6, 5], [7]])
        tiles = scope.trace(ids, capture=("q", "k"))

        def everything():
            yield heads.score(one, null_draws=20, seed=1).statistics
            yield heads.score(one, null_draws=20, seed=1).null_p
            yield heads.score(several, null_draws=20).statistics
            repeated = heads.score_repeated_tokens(scope, n=2, length=10, null_draws=10)
            yield repeated.statistics
            yield repeated.null_p
            yield {"entropy": heads.entropy(one, 1), "rollout": heads.rollout(one)}
            yield dict(zip("pw", heads.top_attended(one, 0, n=3), strict=True))

        compiled = list(everything())
        from_tiles = heads.score(tiles).statistics
        monkeypatch.setattr(_kernels, "COMPILED", False)
        assert_same_statistics(heads.score(tiles).statistics, from_tiles)
        for measured, expected in zip(everything(), compiled, strict=True):
            assert measured.keys() == expected.keys()
            for name, value in expected.items():
                np.testing.assert_allclose(measured[name], value, rtol=1e-6, atol=1e-7, err_msg=name)

    def test_a_package_without_compiled_modules(self, tmp_path):
        """A copy of the package without its .so files, in an interpreter of its own."""
        package = Path(_kernels.__file__).parents[1]
        shutil.copytree(
            package, tmp_path / "scope_widgets", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__", "static")
        )
        script = f"""
import json, warnings
warnings.simplefilter("always")
with warnings.catch_warnings(record=True) as said:
    from scope_widgets import Microscope, _kernels, heads
    assert not [one for one in said if "compiled modules" in str(one.message)], "importing is silent"
    scope = Microscope.load("demo")
    scores = heads.score(scope.trace({PROMPT!r}), null_draws=10)
    scores = heads.score(scope.trace({PROMPT!r}), null_draws=10)
print(json.dumps({{
    "file": _kernels.__file__,
    "compiled": _kernels.COMPILED,
    "said": len([one for one in said if "compiled modules" in str(one.message)]),
    "scores": {{name: value.tolist() for name, value in scores.statistics.items()}},
    "p": {{name: value.tolist() for name, value in scores.null_p.items()}},
}}))
"""
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        run = subprocess.run(
            [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr
        found = json.loads(run.stdout.splitlines()[-1])
        assert found["file"].startswith(str(tmp_path))
        assert found["compiled"] is False
        assert found["said"] == 1
        assert _kernels.COMPILED
        expected = heads.score(Microscope.load("demo").trace(PROMPT), null_draws=10)
        for name, value in expected.statistics.items():
            np.testing.assert_allclose(np.array(found["scores"][name], float), value, rtol=1e-6, atol=1e-8)
        for name, value in expected.null_p.items():
            np.testing.assert_allclose(np.array(found["p"][name], float), value, rtol=1e-6)


def test_means_of_cells_are_those_of_numpy():
    rng = np.random.default_rng(0)
    attention = rng.random((2, 3, 20, 20), dtype=np.float32)
    queries = np.arange(3, 20)
    keys = rng.integers(0, queries + 1, size=(5, len(queries)))
    expected = attention[:, :, queries, keys].mean(-1, dtype=np.float64)
    measured = _kernels.cell_means(torch.from_numpy(attention), queries, keys)
    assert measured.dtype == np.float64
    np.testing.assert_allclose(measured, expected, rtol=1e-12)
