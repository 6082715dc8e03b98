"""Recovery of planted features is what one counts by hand, and nothing is recovered from noise."""

import itertools

import numpy as np
import pytest
import torch

from scope_widgets import features
from scope_widgets.features import SparseCodes
from tests.support.planted_features import matched_cosine, mean_max_cosine


def test_cosines_are_those_of_brute_force():
    generator = torch.Generator().manual_seed(0)
    found, true = torch.randn(6, 4, generator=generator), torch.randn(4, 4, generator=generator)
    result = features.recovery(found, true)
    cosines = torch.nn.functional.cosine_similarity(true[:, None], found[None], dim=2).double().numpy()
    best = max(itertools.permutations(range(6), 4), key=lambda order: cosines[range(4), order].sum())
    assert result.latents == best
    assert result.matched_cosine == pytest.approx(cosines[range(4), best].mean(), abs=1e-6)
    assert result.mean_max_cosine == pytest.approx(cosines.max(1).mean(), abs=1e-6)
    assert result.mean_max_cosine == pytest.approx(mean_max_cosine(found, true))
    assert result.matched_cosine == pytest.approx(matched_cosine(found, true))
    assert np.isnan(result.f1)


def test_fewer_latents_than_features_leave_some_unmatched():
    result = features.recovery(torch.eye(4)[[3, 1]], torch.eye(4))
    assert result.latents == (-1, 1, -1, 0)
    assert (result.matched_cosine, result.mean_max_cosine) == (0.5, 0.5)


def test_f1_is_that_of_dense_matrices():
    generator = torch.Generator().manual_seed(1)
    true = (torch.rand(50, 5, generator=generator) > 0.6).float()
    order = torch.tensor([3, 0, 6, 1, 5])
    fires = (torch.rand(50, 7, generator=generator) > 0.5).float()
    fires[:, order[0]] = true[:, 0]  # one is found exactly
    found = torch.nn.functional.one_hot(order, 7).T.float() @ torch.eye(5) + 1e-3
    result = features.recovery(
        found, torch.eye(5), codes=SparseCodes.from_dense(fires), true_codes=SparseCodes.from_dense(true)
    )
    assert result.latents == tuple(order.tolist())
    picked = fires[:, order]
    f1 = 2 * (picked * true).sum(0) / (picked.sum(0) + true.sum(0))
    assert f1[0] == 1
    assert result.f1 == pytest.approx(float(f1.mean()))


def test_random_directions_recover_nothing():
    generator = torch.Generator().manual_seed(0)
    result = features.recovery(torch.randn(64, 128, generator=generator), torch.randn(32, 128, generator=generator))
    assert result.mean_max_cosine < 0.35


def test_what_does_not_belong_together_is_said():
    with pytest.raises(ValueError, match="of one width"):
        features.recovery(torch.eye(3), torch.eye(4))
    with pytest.raises(ValueError, match="length 0"):
        features.recovery(torch.eye(3), torch.zeros(1, 3))
    codes = SparseCodes.from_dense(torch.eye(3))
    with pytest.raises(ValueError, match="give both"):
        features.recovery(torch.eye(3), torch.eye(3), codes=codes)
    with pytest.raises(ValueError, match="4 features"):
        features.recovery(torch.eye(3), torch.eye(3), codes=codes, true_codes=SparseCodes.from_dense(torch.eye(4)[:3]))
