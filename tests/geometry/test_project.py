"""Projections, and how well they keep neighbours."""

import builtins
import sys
import types

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

from scope_widgets import geometry


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((120, 6)) * [8, 4, 1, 1, 0.5, 0.1]


def test_pca_is_that_of_scikit_learn(x):
    found, theirs = geometry.project(x, n=3), PCA(3).fit(x)
    np.testing.assert_allclose(np.abs(found.coordinates), np.abs(theirs.transform(x)), rtol=1e-8)
    np.testing.assert_allclose(found.explained, theirs.explained_variance_ratio_, rtol=1e-10)
    assert list(found.to_dataframe()) == ["row", "x", "y", "z", "norm"]
    np.testing.assert_allclose(found.norms, np.linalg.norm(x, axis=1))


def test_neighbours_kept_are_counted(x):
    k = 7
    found = geometry.project(x, k=k)
    assert found.trustworthiness == pytest.approx(trustworthiness(x, found.coordinates, n_neighbors=k), rel=1e-9)
    assert found.continuity == pytest.approx(trustworthiness(found.coordinates, x, n_neighbors=k), rel=1e-9)
    near = [NearestNeighbors(n_neighbors=k).fit(one).kneighbors()[1] for one in (x, found.coordinates)]
    shares = [len(set(a) & set(b)) / k for a, b in zip(*(one.tolist() for one in near), strict=True)]
    assert found.value == pytest.approx(np.mean(shares))
    assert found.high - found.value == pytest.approx(1.96 * np.std(shares, ddof=1) / np.sqrt(120), rel=1e-3)


def test_neighbours_of_noise_are_kept_as_chance_has_it():
    """Of 60 independent columns two tell little."""
    found = geometry.project(np.random.default_rng(1).standard_normal((300, 60)), k=5)
    assert found.chance == pytest.approx(5 / 299)
    assert found.value < 6 * found.chance
    assert geometry.project(np.random.default_rng(1).standard_normal((300, 2)), k=5).value == 1


def test_equal_rows_count_for_no_neighbour(x):
    """Which of two equal rows is nearer rounding decides."""
    order = np.random.default_rng(2).permutation(240)
    again = np.concatenate([x, x])[order]
    found, alone = geometry.project(again, k=7), geometry.project(x, k=7)
    assert (found.duplicates, alone.duplicates, len(found.coordinates)) == (120, 0, 240)
    assert found.value == pytest.approx(alone.value)
    assert found.high - found.low == pytest.approx(alone.high - alone.low)
    assert found.trustworthiness == pytest.approx(alone.trustworthiness)
    assert found.continuity == pytest.approx(alone.continuity)
    assert found.chance == 7 / 119
    with pytest.raises(ValueError, match="k= is less than half of the 120 different rows; got 60"):
        geometry.project(again, k=60)


def test_tsne_keeps_clusters(x):
    x[60:] += 50
    found = geometry.project(x, "tsne", perplexity=10)
    assert found.coordinates.shape == (120, 2)
    assert found.value > 0.4
    assert np.isnan(found.explained).all()


def test_the_real_umap_keeps_clusters(x):
    pytest.importorskip("umap", reason="umap-learn is not installed (the extra projection)")
    x[60:] += 50
    found, again = (geometry.project(x, "umap", neighbours=9, seed=3) for _ in range(2))
    assert found.value > 0.4
    assert np.array_equal(found.coordinates, again.coordinates)


def test_umap_is_asked_as_it_is_called(x, monkeypatch):
    class UMAP:
        def __init__(self, **options):
            assert options == {"n_neighbors": 9, "n_components": 2, "random_state": 3, "n_jobs": 1}

        def fit_transform(self, rows):
            return rows[:, :2].astype(np.float32)

    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(UMAP=UMAP))
    assert geometry.project(x, "umap", neighbours=9, seed=3).coordinates.shape == (120, 2)


@pytest.mark.parametrize(("method", "package"), [("umap", "umap"), ("tsne", "sklearn.manifold")])
def test_a_missing_package_is_said(x, method, package, monkeypatch):
    imported = builtins.__import__

    def without(name, *rest, **options):
        if name == package:
            raise ImportError(name)
        return imported(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r'pip install "scope-widgets\[projection\]"'):
        geometry.project(x, method)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "mds"}, "method= is one of pca, umap, tsne"),
        ({"n": 4}, "n= is 2 or 3 dimensions; got 4"),
        ({"k": 60}, "k= is less than half of the 120 rows; got 60"),
        ({"method": "tsne", "perplexity": 50.0}, "perplexity= is from 1 to less than a third of the 120 rows"),
    ],
)
def test_bad_input_is_said(x, options, said):
    with pytest.raises(ValueError, match=said):
        geometry.project(x, **options)
