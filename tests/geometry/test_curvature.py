"""The verdict of curvature on shapes that it was not tuned on, and where it fails."""

import numpy as np
import pytest

from scope_widgets import geometry
from tests.support import shapes
from tests.support.shapes import rotated, sphere


def found_of(points, noise=0.0, seed=0, **options):
    return geometry.curvature(rotated(points, np.random.default_rng(seed), noise), **{"centres": 60} | options)


@pytest.mark.parametrize(
    ("make", "n", "value", "relative"),
    [
        (lambda draw, n: sphere(draw, n, 2), 3000, 0.976, 0.03),
        (lambda draw, n: sphere(draw, n, 2, radius=5), 3000, 0.195, 0.03),
        (lambda draw, n: sphere(draw, n, 5), 3000, 1.03, 0.06),
        (shapes.cylinder, 3000, 0.57, 0.1),
    ],
)
def test_known_values(make, n, value, relative):
    found = found_of(make(np.random.default_rng(1), n), k=80, centres=200)
    assert found.verdict == "curved"
    assert found.value == pytest.approx(value, rel=relative)
    assert found.low < found.value < found.high


CURVED = {
    "ellipsoid": lambda draw, n: sphere(draw, n, 2) * [1, 2, 3],
    "torus": shapes.torus,
    "flat torus": shapes.flat_torus,
    "moebius": shapes.moebius,
    "paraboloid": lambda draw, n: shapes.graph(draw, n, 2, 1.0),
    "paraboloid of 4": lambda draw, n: shapes.graph(draw, n, 4, 1.0),
    "helix": shapes.helix,
    "circle": shapes.circle,
    "sphere of 3": lambda draw, n: sphere(draw, n, 3),
    "swiss roll": shapes.swiss_roll,
}
FLAT = {
    "plane": lambda draw, n: shapes.cube(draw, n, 2),
    "line": lambda draw, n: shapes.cube(draw, n, 1),
    "hyperplane of 5": lambda draw, n: shapes.cube(draw, n, 5),
    "gaussian of 5": lambda draw, n: shapes.gaussian(draw, n, 5),
    "two planes": lambda draw, n: np.c_[shapes.cube(draw, n, 2), 3.0 * (np.arange(n) < n / 2)],
    "nearly flat graph": lambda draw, n: shapes.graph(draw, n, 2, 0.05),
}


@pytest.mark.parametrize("name", CURVED)
def test_curved(name):
    found = found_of(CURVED[name](np.random.default_rng(2), 2500), k=40 if name == "swiss roll" else None)
    assert found.verdict == "curved", found


@pytest.mark.parametrize("name", FLAT)
@pytest.mark.parametrize("noise", [0.0, 1e-3])
def test_flat(name, noise):
    found = found_of(FLAT[name](np.random.default_rng(3), 2000), noise)
    assert found.verdict == "flat", found


def test_mean_curvature_of_the_flat_torus_is_known():
    found = found_of(shapes.flat_torus(np.random.default_rng(4), 4000))
    assert found.value == pytest.approx(2**-0.5, rel=0.05)


def test_noise_raises_k_until_a_tangent_stands_out():
    found = found_of(sphere(np.random.default_rng(5), 2500, 2), noise=0.03)
    assert (found.verdict, found.k, found.d) == ("curved", 160, 2)
    assert found.value == pytest.approx(1.0, rel=0.1)
    assert found.to_dataframe()["k"].tolist() == [80, 160]


@pytest.mark.parametrize(
    ("make", "noise"),
    [
        (lambda draw, n: sphere(draw, n, 8), 0.0),  # a neighbourhood fills all 9 dimensions
        (lambda draw, n: sphere(draw, n, 8), 1e-3),
        (lambda draw, n: sphere(draw, n, 20), 0.0),
        (lambda draw, n: shapes.cube(draw, n, 2), 0.05),
        (lambda draw, n: shapes.gaussian(draw, n, 64), 0.0),
        (lambda draw, n: draw.standard_normal((n, 5)) * [10, 5, 2, 1, 0.5], 0.0),  # thin directions
        (shapes.torus, 0.02),
    ],
)
def test_what_cannot_be_told_is_not_told(make, noise):
    found = geometry.curvature(
        rotated(make(np.random.default_rng(6), 1000), np.random.default_rng(0), noise), centres=20
    )
    assert found.verdict == "undetermined"
    assert np.isnan([found.value, found.low, found.high, found.relative]).all()
    assert "more rows" in found.why


def test_thin_directions_are_told_apart_when_standardised():
    x = np.random.default_rng(6).standard_normal((1000, 5)) * [10, 5, 2, 1, 0.5]
    assert geometry.curvature(x, centres=100, standardise=True).verdict == "flat"


def test_it_fails_where_principal_curvatures_cancel():
    """A helicoid bends everywhere, and has no mean curvature: "flat" is what the rule says, and is wrong."""
    assert found_of(shapes.helicoid(np.random.default_rng(7), 3000)).verdict == "flat"


def test_noise_around_a_plane_is_seldom_curved():
    verdicts = [
        found_of(shapes.cube(np.random.default_rng(seed), 400, 2), noise=0.01, seed=seed).verdict for seed in range(5)
    ]
    assert verdicts.count("curved") == 0


@pytest.mark.heavy
def test_noise_around_planes_is_never_curved():
    """Of 60 noisy planes and hyperplanes, none."""
    verdicts = [
        found_of(shapes.cube(np.random.default_rng(seed), 800, d), noise=noise, seed=seed).verdict
        for seed in range(10)
        for d in (2, 4)
        for noise in (0.002, 0.01, 0.03)
    ]
    assert verdicts.count("curved") == 0


def verdicts_of(make):
    """Return the verdicts of 1,000 and 3,000 points, each without noise and with noise of .01 radius."""
    found = []
    for n in (1000, 3000):
        for noise in (0.0, 0.01):
            draw = np.random.default_rng(0)
            x = make(draw, n)
            radius = np.sqrt(((x - x.mean(0)) ** 2).sum(1).mean())
            found.append(geometry.curvature(rotated(x, draw, noise * radius)).verdict)
    return found


@pytest.mark.heavy
@pytest.mark.parametrize("name", shapes.NEW_FLAT)
def test_nothing_that_is_flat_is_called_curved(name):
    found = verdicts_of(shapes.NEW_FLAT[name])
    assert "curved" not in found
    assert found.count("flat") >= 3


@pytest.mark.heavy
@pytest.mark.parametrize("name", shapes.NEW_CURVED)
def test_what_is_curved_is_called_flat_where_it_is_minimal_alone(name):
    found = verdicts_of(shapes.NEW_CURVED[name])
    if name == "Scherk's surface (minimal)":
        assert "flat" in found
    else:
        assert "flat" not in found


def test_slope_is_that_of_a_regression():
    """Of one neighbourhood, by least squares."""
    from scope_widgets.geometry.local_curvature import local_curvature

    draw = np.random.default_rng(8)
    x = rotated(shapes.graph(draw, 60, 2, 1.0), draw, noise=1e-3, width=8)
    near = np.arange(60)[None]
    found = local_curvature(x, near, 2, None, 3, seed=0)
    away = x - x.mean(0)
    directions = np.linalg.svd(away)[2]
    t, normal = away @ directions[:2].T, away @ directions[2:].T
    bend = (t**2).sum(1) / 2
    half = np.random.default_rng(0).permuted(np.arange(60)[None], axis=1)[0] < 30
    slopes = [np.linalg.lstsq(np.c_[np.ones(30), bend[some]], normal[some], rcond=None)[0][1] for some in (half, ~half)]
    assert found.squared[0] == pytest.approx(slopes[0] @ slopes[1], rel=1e-9)


def test_bad_input_is_said():
    with pytest.raises(ValueError, match="x has 50 different rows; k = 80 needs 81"):
        geometry.curvature(np.random.default_rng(0).random((50, 3)))
    with pytest.raises(ValueError, match="k= is a whole number from 8; got 5"):
        geometry.curvature(np.random.default_rng(0).random((50, 3)), k=5)
    with pytest.raises(ValueError, match="All 90 rows"):
        geometry.curvature(np.ones((90, 3)))
