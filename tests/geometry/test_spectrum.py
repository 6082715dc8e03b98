"""The spectrum is that of a singular value decomposition; its measures and intervals are what they say."""

import numpy as np
import pytest

from scope_widgets import geometry


def of_singular_values(s, n=200, width=64, seed=0):
    """Centred rows with these singular values."""
    draw = np.random.default_rng(seed)
    left = draw.standard_normal((n, len(s)))
    left = np.linalg.qr(left - left.mean(0))[0]
    return left * s @ np.linalg.qr(draw.standard_normal((width, len(s))))[0].T


def measures(s):
    """Effective rank, spectral dimension and participation ratio by their formulas."""
    p, v = s / s.sum(), s**2
    q = v / v.sum()
    return np.exp(-(p * np.log(p)).sum()), np.exp(-(q * np.log(q)).sum()), v.sum() ** 2 / (v**2).sum()


@pytest.mark.parametrize("width", [64, 300])  # fewer and more columns than rows
def test_powers_of_a_half(width):
    s = 2.0 ** -np.arange(1, 10)
    found = geometry.spectrum(of_singular_values(s, width=width))
    values = [getattr(found, name)[0] for name in ("effective_rank", "spectral_dimension", "participation_ratio")]
    np.testing.assert_allclose(values, measures(s), rtol=1e-9)
    np.testing.assert_allclose(values, [3.97, 2.12, 1.67], atol=0.04)
    assert found.value == values[0]
    assert (found.components_90, found.components_95, found.components_99) == (2, 3, 4)
    assert np.count_nonzero(found.variances) == 9


@pytest.mark.parametrize("shape", [(120, 30), (30, 120)])
def test_it_is_that_of_numpy(shape):
    x = np.random.default_rng(1).standard_normal(shape) * np.linspace(1, 3, shape[1]) + 5
    found = geometry.spectrum(x.astype(np.float32), n=4)
    _, s, directions = np.linalg.svd(x - x.mean(0), full_matrices=False)
    n = min(len(s), len(found.variances))
    np.testing.assert_allclose(found.variances[:n], s[:n] ** 2 / len(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.abs((found.directions * directions[:4]).sum(1)), 1, rtol=1e-4)
    assert (found.directions[np.arange(4), np.abs(found.directions).argmax(1)] > 0).all()
    assert found.components()["cumulative"].iloc[-1] == pytest.approx(1)


def test_the_intervals_hold_what_many_samples_give():
    s = 2.0 ** -np.arange(6)
    names = ("effective_rank", "spectral_dimension", "participation_ratio")
    samples = (geometry.spectrum(np.random.default_rng(seed).standard_normal((400, 6)) * s) for seed in range(100))
    value, low, high = np.array([[getattr(found, name) for name in names] for found in samples]).transpose(2, 0, 1)
    held = ((low <= measures(s)) & (measures(s) <= high)).sum(0)
    assert (held >= 87).all()
    # and they are no wider than they must be
    np.testing.assert_allclose((high - low).mean(0) / (2 * 1.96 * value.std(0)), 1, atol=0.2)


def test_rows_of_a_prompt_count_as_one_draw():
    x = np.random.default_rng(2).standard_normal((200, 5))
    alone, again = geometry.spectrum(x), geometry.spectrum(np.repeat(x, 4, axis=0), groups=np.repeat(np.arange(200), 4))
    np.testing.assert_allclose(again.effective_rank, alone.effective_rank, rtol=1e-4)
    assert np.ptp(geometry.spectrum(np.repeat(x, 4, axis=0)).effective_rank) < 0.6 * np.ptp(alone.effective_rank)


def test_scale_does_not_matter_and_standardising_does():
    x = np.random.default_rng(3).standard_normal((300, 6)) * [100, 1, 1, 1, 1, 1]
    expected = geometry.spectrum(x)
    for factor in (1e-60, 1e60):
        np.testing.assert_allclose(geometry.spectrum(x * factor).effective_rank, expected.effective_rank, rtol=1e-6)
    assert expected.participation_ratio[0] < 1.1
    assert geometry.spectrum(x, standardise=True).participation_ratio[0] > 5


def test_a_column_that_rounding_alone_changes_is_constant():
    x = np.random.default_rng(4).standard_normal((300, 3))
    x[:, 2] = 1e6 + 1e-10 * x[:, 2]
    assert geometry.spectrum(x, standardise=True).participation_ratio[0] == pytest.approx(2, abs=0.05)


def test_constant_rows_are_said():
    with pytest.raises(ValueError, match="All 9 rows of x are equal"):
        geometry.spectrum(np.full((9, 4), 0.1))
