"""Layers that are turned, mirrored, moved and grown come back onto each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scope_widgets.geometry.procrustes import align_layers


def rotation(rng: Any, d: int) -> Any:
    return np.linalg.qr(rng.normal(size=(d, d)))[0]


@pytest.mark.parametrize("d", [2, 3])
def test_layers_that_differ_by_a_motion_are_one(d: int) -> None:
    rng = np.random.default_rng(d)
    first = rng.normal(size=(40, d))
    layers = [first, *((3 + at) * first @ rotation(rng, d) + rng.normal(size=d) for at in range(4))]
    found = align_layers(layers)
    for layer in found[1:]:
        np.testing.assert_allclose(layer, found[0], atol=1e-10)
    np.testing.assert_allclose((found**2).sum(2).mean(1), 1)
    np.testing.assert_allclose(found.mean(1), 0, atol=1e-12)


def test_no_other_rotation_or_reflection_is_nearer() -> None:
    rng = np.random.default_rng(0)
    found = align_layers(rng.normal(size=(2, 30, 2)))
    least = ((found[1] - found[0]) ** 2).sum()
    for angle in np.linspace(0, 2 * np.pi, 181):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        for matrix in (turn, turn @ np.diag([1, -1])):
            assert ((found[1] @ matrix - found[0]) ** 2).sum() >= least - 1e-9


def test_one_point_and_no_points_stay() -> None:
    assert align_layers(np.ones((3, 1, 2))).tolist() == [[[0.0, 0.0]]] * 3
    assert align_layers(np.ones((1, 4, 2)))[0].tolist() == [[0.0, 0.0]] * 4


def test_what_cannot_be_aligned_is_refused() -> None:
    with pytest.raises(ValueError, match=r"an array \[layer, n, d\], not of shape \[3, 2\]"):
        align_layers(np.ones((3, 2)))
    with pytest.raises(ValueError, match="are to be finite"):
        align_layers([[[0.0, np.nan]]])
