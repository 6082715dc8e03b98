"""Nearest latents of two autoencoders are those of all cosines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from scope_widgets import features


def made(rows: torch.Tensor, **options: Any) -> features.SAE:
    d = rows.shape[1]
    return features.SAE(rows.T.contiguous(), rows, torch.zeros(len(rows)), torch.zeros(d), layer=1, **options)


def drawn(n: int, d: int = 24, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_both_directions_are_those_of_all_cosines() -> None:
    one, other = drawn(60), 3 * drawn(40, seed=1)
    found = features.nearest(made(one), made(other), n=4)
    unit = [(rows / rows.norm(dim=1, keepdim=True)).double().numpy() for rows in (one, other)]
    cosines = unit[0] @ unit[1].T
    for values, latents, all_of in (
        (found.cosines, found.latents, cosines),
        (found.back_cosines, found.back_latents, cosines.T),
    ):
        order = np.argsort(-all_of, axis=1)[:, :4]
        np.testing.assert_array_equal(latents, order)
        np.testing.assert_allclose(values, np.take_along_axis(all_of, order, 1), atol=1e-6)
    best = cosines.argmax(1)
    mutual = [int(b) if cosines[:, b].argmax() == a else -1 for a, b in enumerate(best)]
    assert found.mutual().tolist() == mutual
    table = found.to_dataframe()
    assert table["mutual"].tolist() == [one >= 0 for one in mutual]
    assert found.mean_max_cosine == pytest.approx((cosines.max(1).mean(), cosines.max(0).mean()), abs=1e-6)


def test_a_permutation_is_found_and_noise_is_not() -> None:
    rows = drawn(200, 64)
    order = torch.randperm(200, generator=torch.Generator().manual_seed(2))
    found = features.nearest(made(rows), made(rows[order]))
    assert found.mutual().tolist() == order.argsort().tolist()
    assert "200 are each other's nearest" in repr(found)
    null = features.nearest(made(rows), made(drawn(200, 64, seed=9)))
    assert max(null.mean_max_cosine) < 0.5


def test_blocks_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = features.nearest(made(drawn(50)), made(drawn(30, seed=1)))
    monkeypatch.setattr("scope_widgets.features.indexing.directions._AT_ONCE", 7 * 30)
    parts = features.nearest(made(drawn(50)), made(drawn(30, seed=1)))
    np.testing.assert_array_equal(whole.latents, parts.latents)
    np.testing.assert_allclose(whole.cosines, parts.cosines, atol=1e-6)
    assert features.nearest(made(drawn(3)), made(drawn(2, seed=1)), n=9).latents.shape == (3, 2)


def test_what_cannot_be_compared_is_refused() -> None:
    sae = made(drawn(8))
    with pytest.raises(TypeError, match="compares two SAEs"):
        features.nearest(sae, drawn(8))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="writes 24 numbers"):
        features.nearest(sae, made(drawn(8, 16)))
    with pytest.raises(ValueError, match="are of two places"):
        features.nearest(sae, replace(sae, layer=2))
    with pytest.raises(ValueError, match="n="):
        features.nearest(sae, sae, n=0)
