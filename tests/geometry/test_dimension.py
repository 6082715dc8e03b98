"""Estimates of dimension are those of the formulas, near the known values, and say what they cannot tell."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from scope_widgets import geometry
from tests.support.shapes import cube, gaussian, rotated, sphere, swiss_roll

METHODS = ("mle", "twonn", "gride")
#: what the estimators give in 64 dimensions (mle, twonn), by rows, with relative tolerances
EXPECTED = [
    (
        "sphere",
        lambda draw, n: sphere(draw, n, 2),
        {1000: (1.97, 1.95), 3000: (2.01, 1.97), 10000: (2.01, 2.0)},
        0.04,
        0.12,
    ),
    (
        "gaussian",
        lambda draw, n: gaussian(draw, n, 10),
        {1000: (8.78, 10.2), 3000: (9.24, 9.5), 10000: (9.56, 9.85)},
        0.02,
        0.09,
    ),
    ("cube", lambda draw, n: cube(draw, n, 10), {1000: (7.97, 8.2), 3000: (8.19, 8.5), 10000: (8.42, 8.9)}, 0.02, 0.09),
    ("swiss roll", swiss_roll, {3000: (1.96, 1.97)}, 0.03, 0.08),
]
CASES = [
    pytest.param(make, n, of_n, (mle_off, twonn_off), id=f"{name}-{n}", marks=[pytest.mark.heavy] if n > 3000 else [])
    for name, make, by_n, mle_off, twonn_off in EXPECTED
    for n, of_n in by_n.items()
]


def distances_of(x, k):
    """Sorted distances to the k nearest, by brute force."""
    gaps = np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1))
    return np.sort(gaps, axis=1)[:, 1 : k + 1]


@pytest.mark.parametrize(("make", "n", "expected", "relative"), CASES)
def test_known_values(make, n, expected, relative):
    x = rotated(make(np.random.default_rng(n), n), np.random.default_rng(0))
    found = [geometry.dimension(x, method=method) for method in ("mle", "twonn")]
    for one, value, off in zip(found, expected, relative, strict=True):
        assert one.value == pytest.approx(value, rel=off), one


def test_they_are_the_formulas():
    x = np.random.default_rng(1).standard_normal((150, 4))
    t = distances_of(x, 20)
    local = np.array([1 / np.mean([np.log(row[-1] / one) for one in row[:-1]]) for row in t])
    assert geometry.dimension(x, k=20).value == pytest.approx(1 / np.mean(1 / local), rel=1e-12)
    ratios = t[:, 1] / t[:, 0]
    assert geometry.dimension(x, method="twonn").value == pytest.approx(149 / np.log(ratios).sum(), rel=1e-12)
    for k in (2, 8, 20):
        logs, first = np.log(t[:, k - 1] / t[:, k // 2 - 1]), k // 2

        def loss(d, logs=logs, first=first):
            return -(np.log(d) + (first - 1) * np.log1p(-np.exp(-d * logs)) - d * first * logs).sum()

        best = minimize_scalar(loss, bounds=(0.1, 50), method="bounded", options={"xatol": 1e-9})
        found = geometry.dimension(x, method="gride", k=k)
        assert found.value == pytest.approx(best.x, rel=1e-5)
        step = 1e-3
        bend = (loss(best.x + step) - 2 * loss(best.x) + loss(best.x - step)) / step**2
        assert found.high - found.value == pytest.approx(1.96 * np.sqrt(2 / bend), rel=1e-3)
    assert geometry.dimension(x, method="gride", k=2).value == pytest.approx(150 / np.log(ratios).sum(), rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_the_interval_holds_what_many_samples_give(method):
    found = [geometry.dimension(sphere(np.random.default_rng(seed), 300, 2), method=method) for seed in range(40)]
    held = sum(one.low <= 2 <= one.high for one in found)
    assert held >= 34
    widths = np.array([one.high - one.low for one in found])
    assert widths.mean() < 6 * np.std([one.value for one in found])  # and it is no wider than it must be


def test_equal_rows_are_taken_out_and_counted():
    x = sphere(np.random.default_rng(2), 500, 2)
    x[0, 0] = 0.0
    again = np.concatenate([x, x[:25], np.where(x[:1] == 0, -0.0, x[:1])])
    found, expected = geometry.dimension(again), geometry.dimension(x)
    assert (found.duplicates, found.n) == (26, 500)
    assert found.value == expected.value


def test_noise_and_scale_are_seen():
    draw = np.random.default_rng(3)
    noisy = geometry.dimension(rotated(sphere(draw, 1000, 2), draw, noise=0.05), method="gride")
    curve = noisy.to_dataframe()
    of_all = curve[curve["n"] == 1000]["value"].to_numpy()
    assert of_all[0] > 20
    assert of_all[-1] < 5
    assert (np.diff(of_all) < 0).all()
    hidden = gaussian(draw, 1000, 6) * np.r_[100.0, np.ones(5)]
    assert geometry.dimension(hidden).value < 5 < geometry.dimension(hidden, standardise=True).value
    assert "standardised" in geometry.dimension(hidden, standardise=True).provenance.note


def test_the_curve_is_over_neighbours_and_rows():
    x = sphere(np.random.default_rng(4), 1000, 2)
    table = geometry.dimension(x, k=30).to_dataframe()
    assert table["k"].tolist() == [5, 10, 20, 30, 40, 80, 30, 30, 30]
    assert table["n"].tolist() == [1000] * 6 + [500, 250, 125]
    assert table["chosen"].tolist() == [False] * 3 + [True] + [False] * 5
    assert (table["low"] < table["value"]).all()
    assert (np.diff(table["distance"][:6]) > 0).all()


def test_neighbours_of_the_same_prompt_do_not_count():
    draw = np.random.default_rng(5)
    centres = gaussian(draw, 300, 5)
    # five tokens of a prompt lie on a short line
    x = (centres[:, None] + 1e-3 * draw.random((300, 5, 1))).reshape(-1, 5)
    prompts = np.repeat(np.arange(300), 5)
    assert geometry.dimension(x, k=4).value < 1.5
    assert geometry.dimension(x, k=12, groups=prompts).value > 3.5
    with pytest.raises(ValueError, match=r"have fewer than k = 20 neighbours of other groups, row 0 has 15"):
        geometry.dimension(x[:30], groups=np.repeat([0, 1], 15))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_any_number_type_is_taken(dtype):
    x = torch.from_numpy(rotated(sphere(np.random.default_rng(6), 400, 2), np.random.default_rng(0)))
    found = geometry.dimension(x.to(getattr(torch, dtype)))
    assert found.value == pytest.approx(2.0, rel={"bfloat16": 0.5}.get(dtype, 0.15))


def test_scale_and_place_do_not_matter():
    x = sphere(np.random.default_rng(7), 300, 2)
    expected = geometry.dimension(x)
    for other in (x * 1e-40, x * 1e40, x + 1000.0):
        assert geometry.dimension(other).value == pytest.approx(expected.value, rel=1e-8)


BAD = [
    (np.zeros((0, 3)), {}, ValueError, "x has 0 rows, expected two at least"),
    (np.zeros((1, 3)), {}, ValueError, "x has 1 row, expected two at least"),
    (np.ones((50, 3)), {}, ValueError, "All 50 rows of x are equal"),
    (np.arange(60.0).reshape(20, 3), {}, ValueError, "x has 20 different rows; k = 20 needs 21"),
    (np.array([[0.0, np.nan], [1, 2]]), {}, ValueError, "1 of 2 rows of x hold NaN or infinities, row 0 first"),
    (np.full((3, 2), np.inf), {}, ValueError, "3 of 3 rows of x hold NaN"),
    (np.zeros(5), {}, ValueError, r"x has shape \(5,\), expected \[row, d\]"),
    (np.zeros((5, 0)), {}, ValueError, "rows of width 0"),
    (np.array([["a", "b"]] * 3), {}, TypeError, "expected numbers"),
    ([[1.0], [1.0, 2.0]], {}, ValueError, "rows of several lengths"),
    (np.eye(30) * 1e200, {}, ValueError, "whose square float64 cannot hold"),
    (np.eye(30), {"k": 1}, ValueError, "a whole number from 3; got 1"),
    (np.eye(30), {"method": "gride", "k": 3}, ValueError, "an even number from 2; got 3"),
    (np.eye(30), {"method": "twonn", "k": 3}, ValueError, "is of the first two neighbours; got k = 3"),
    (np.eye(30), {"method": "pca"}, ValueError, "method= is one of mle, twonn, gride; got 'pca'"),
    (np.eye(30), {"groups": [1, 2]}, ValueError, "groups= has one entry of each row, 30; got shape"),
    (np.eye(30), {"standardise": "yes"}, ValueError, "standardise= is True or False"),
    (np.eye(30), {}, ValueError, "equally far but for rounding, as on a grid"),
]


@pytest.mark.parametrize(("x", "options", "error", "said"), BAD)
def test_bad_input_is_said(x, options, error, said):
    with pytest.raises(error, match=said):
        geometry.dimension(x, **options)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("place", [0.0, 100.0])
def test_distances_that_only_rounding_tells_apart_are_equal(method, dtype, place):
    x = (rotated(np.eye(30), np.random.default_rng(9), width=30) + place).astype(dtype)
    assert len(np.unique(distances_of(x.astype(float), 20))) > 1
    with pytest.raises(ValueError, match="equally far but for rounding"):
        geometry.dimension(x, method=method)


@pytest.mark.parametrize("method", METHODS)
def test_distances_that_differ_by_little_have_their_dimension(method):
    x = rotated(np.eye(30), np.random.default_rng(10)) * (1 + 1e-11 * np.arange(30)[:, None])
    assert 1e9 < geometry.dimension(x, method=method).value < 1e14


def test_whole_numbers_are_taken_and_said():
    x = np.random.default_rng(8).integers(0, 10**6, (200, 3))
    assert "grid" in geometry.dimension(x).provenance.note
    assert geometry.dimension(x).value == geometry.dimension(x.astype(float)).value
