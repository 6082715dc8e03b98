"""What counts as rounding, and what follows from it for shares, ranks and ties."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from scope_widgets import Microscope
from scope_widgets.experiments.metric import metric_of
from scope_widgets.experiments.statistics.rounding import (
    largest,
    levels,
    logit_floor,
    noise_floor,
    rank,
    settled,
    share,
    vanishes,
)
from tests.support.rounding_noise import noise_in_linear_layers

PROMPT = "When Mary and John went to the store, John gave a drink to"


@pytest.fixture(scope="module")
def scope() -> Microscope:
    return Microscope.load("demo")


def test_the_floor_is_made_of_eps_size_and_terms() -> None:
    one = noise_floor(torch.float32, 1.0)
    assert one == pytest.approx(4 * 2.0**-23)
    assert noise_floor(torch.float32, 50.0) == pytest.approx(50 * one)
    assert noise_floor(torch.float32, 1.0, 25) == pytest.approx(5 * one)
    assert noise_floor(torch.bfloat16, 1.0) == pytest.approx(2.0**-7)


def test_a_share_of_rounding_is_none() -> None:
    assert np.isnan(share(1.0, 1e-7, 1e-6))
    assert np.isnan(share(1.0, float("nan"), 1e-6))
    assert share(1.0, -2.0, 1e-6) == -0.5
    np.testing.assert_array_equal(share(np.array([1.0, 2.0]), np.array([4.0, 1e-9]), 1e-6), [0.25, np.nan])
    assert vanishes(np.array([1e-7, -1e-7, 1.0, np.nan]), 1e-6).tolist() == [True, True, False, True]
    np.testing.assert_array_equal(settled([1e-7, -1e-7, 1.0], 1e-6), [0, 0, 1])


def test_ties_rank_by_position() -> None:
    assert rank([1.0, 3.0, 3.0, 2.0, np.nan, 3.0]).tolist() == [1, 2, 5, 3, 0, 4]
    ulp = np.spacing(np.float32(1))
    for noise in np.random.default_rng(0).integers(-1, 2, (20, 5)):
        assert rank(np.array([0.5, 1, 0.2, 1, 1]) + ulp * noise).tolist() == [1, 3, 4, 0, 2]
    assert rank([-np.inf, 1.0, np.inf, -np.inf]).tolist() == [2, 1, 0, 3]
    assert rank([]).tolist() == []
    # what a reader sees to differ is no tie, however coarse the dtype
    assert rank([1.0, 1.1], floor=0.5).tolist() == [1, 0]
    assert rank([0.1, 0.4, 0.2], floor=0.5).tolist() == [0, 1, 2]  # nothing but rounding


def test_a_long_row_of_close_values_is_no_single_tie() -> None:
    rising = np.arange(1000) * 0.9e-3
    assert levels(rising, 1e-3).max() == 499
    assert (np.diff(levels(rising, 1e-3)) >= 0).all()
    assert levels([2.0, np.nan, 1.0, 2.0], 0.0).tolist() == [1, -1, 0, 1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_largest_of_equal_values_come_by_position(dtype: torch.dtype) -> None:
    values = torch.tensor([[1.0, 5, 5, 5, 0, 5], [6, 5, 4, 3, 2, 1]], dtype=dtype)
    assert largest(values, 3).tolist() == [[1, 2, 3], [0, 1, 2]]
    assert largest(values, 6).tolist() == [[1, 2, 3, 5, 0, 4], [0, 1, 2, 3, 4, 5]]
    assert largest(torch.full((7,), -torch.inf), 2).tolist() == [0, 1]
    draw = torch.randn(20, 500, generator=torch.Generator().manual_seed(0))
    assert torch.equal(largest(draw, 10), draw.topk(10).indices)


def test_the_floor_of_logits_is_above_one_ulp_in_every_linear_layer(scope: Microscope) -> None:
    ids = scope.trace(PROMPT, capture=()).token_ids[None]
    logits = scope.logits(ids)[0, -1]
    floor = logit_floor(scope, logits)
    moved = []
    for seed in range(5):
        with noise_in_linear_layers(scope.model, seed):
            moved.append(float((scope.logits(ids)[0, -1] - logits).abs().max()))
    assert 0 < max(moved) < floor < 50 * max(moved)  # no more than it must be, either


def test_a_token_that_is_ruled_out_does_not_count(scope: Microscope) -> None:
    logits = torch.tensor([1.0, -3.0, -torch.inf, torch.finfo(torch.float32).min])
    assert logit_floor(scope, logits) == pytest.approx(noise_floor(torch.float32, 3.0, 2 * scope.n_layers + 1))


def test_products_of_tf32_are_counted(scope: Microscope) -> None:
    elsewhere = torch.nn.Embedding(1, 1, device="meta")  # any device but the CPU
    parts = {"get_input_embeddings": lambda: elsewhere, "modules": lambda: [elsewhere]}
    model = SimpleNamespace(dtype=torch.float32, device=elsewhere.weight.device, **parts)
    on_gpu: Any = SimpleNamespace(n_layers=scope.n_layers, model=model)
    logits = torch.ones(3)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        assert logit_floor(on_gpu, logits) == pytest.approx(2**13 * logit_floor(scope, logits))
    finally:
        torch.set_float32_matmul_precision(before)


def _difference(logits: torch.Tensor) -> torch.Tensor:
    return logits[5] - logits[9]


@pytest.mark.parametrize("metric", ["logit_difference", "logit", "log_probability", "probability", "kl", _difference])
def test_the_floor_of_a_metric_is_above_what_rounding_does_to_it(scope: Microscope, metric: Any) -> None:
    ids = scope.trace(PROMPT, capture=()).token_ids[None]
    logits = scope.logits(ids)[:, -1]
    measure = metric_of(metric, scope.tokenizer, " Mary", " John", 1, logits)
    before = measure.checked(logits, "clean")
    moved = []
    for seed in range(3):
        with noise_in_linear_layers(scope.model, seed):
            moved.append(float((measure.checked(scope.logits(ids)[:, -1], "clean") - before).abs()))
    assert max(moved) <= measure.floor(scope, logits)
    # what is far above rounding counts
    assert measure.floor(scope, logits) < 1e-3 * max(0.1, float(before.abs()))


def test_a_metric_of_steps_has_no_rounding(scope: Microscope) -> None:
    def answer_first(logits: torch.Tensor) -> float:
        return float(logits.argmax() == 5)

    logits = torch.zeros(2, scope.anatomy.d_vocab)
    logits[0, 5] = 8.0
    logits[1, 6] = 8.0
    assert metric_of(answer_first, scope.tokenizer, None, None, 2).floor(scope, logits) == 0
