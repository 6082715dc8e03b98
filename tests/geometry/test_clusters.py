"""Clusters that were planted are found, none where none are; silhouette and agreement are those of scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, silhouette_score

from scope_widgets import geometry
from scope_widgets.geometry.kmeans import agreement, kmeans, silhouette


def blobs(sizes, apart, width=20, seed=0):
    draw = np.random.default_rng(seed)
    centres = apart * draw.standard_normal((len(sizes), width))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return centres[labels] + draw.standard_normal((len(labels), width)), labels


@pytest.mark.parametrize("sizes", [[60, 60], [80, 40, 60], [30, 60, 90, 120, 30]])
def test_planted_clusters_are_found(sizes):
    x, labels = blobs(sizes, 4)
    found = geometry.clusters(x, k=7)
    assert found.value == len(sizes)
    assert found.low >= len(sizes) - 1
    assert found.high == len(sizes)
    assert adjusted_rand_score(labels, found.labels) == 1
    assert found.sizes.tolist() == sorted(sizes, reverse=True)
    at = int((found.k == found.value).argmax())
    assert found.stability[at] > 0.8
    for one in range(found.value):
        np.testing.assert_allclose(found.centres[one], x[found.labels == one].mean(0))


@pytest.mark.parametrize(
    "make",
    [
        lambda draw: draw.standard_normal((200, 10)),
        lambda draw: draw.random((200, 2)),
        lambda draw: draw.standard_normal((200, 4)) * [10, 3, 1, 1],
    ],
)
def test_none_where_there_are_none(make):
    found = [geometry.clusters(make(np.random.default_rng(seed)), k=4).value for seed in range(5)]
    assert found.count(1) >= 4


def test_silhouette_and_agreement_are_those_of_scikit_learn():
    x, labels = blobs([30, 40, 50], 1)
    others = kmeans(x, 4, 0, 1).labels
    assert silhouette(x, labels) == pytest.approx(silhouette_score(x, labels), rel=1e-9)
    assert silhouette(x, others) == pytest.approx(silhouette_score(x, others), rel=1e-9)
    assert agreement(labels, others) == pytest.approx(adjusted_rand_score(labels, others), rel=1e-9)
    assert agreement(labels, labels) == 1
    assert np.isnan(silhouette(x, np.zeros(len(x), int)))


def test_the_gap_of_even_rows_is_none():
    """Rows drawn as the reference is have a gap of 0 but for the draw: both are the best of as many starts."""
    found = [geometry.clusters(np.random.default_rng(seed).random((200, 2)), k=6) for seed in range(4)]
    gaps = np.mean([one.gap for one in found], 0)
    np.testing.assert_allclose(gaps - gaps[0], 0, atol=0.03)


def test_equal_rows_have_the_label_of_theirs():
    x, _ = blobs([40, 40], 5)
    found = geometry.clusters(np.concatenate([x, x[::-1]]), k=3)
    assert (found.duplicates, found.n, len(found.labels)) == (80, 80, 160)
    np.testing.assert_array_equal(found.labels[:80], found.labels[80:][::-1])


def test_the_same_seed_finds_the_same():
    x, _ = blobs([40, 40], 1)
    one, other = geometry.clusters(x, k=3, seed=5), geometry.clusters(x, k=3, seed=5)
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.gap, other.gap)


def test_bad_input_is_said():
    x = np.random.default_rng(0).random((30, 3))
    with pytest.raises(ValueError, match=r"x has 30 different rows; k = 4, with ten rows a cluster, needs 40"):
        geometry.clusters(x, k=4)
    for k in (1, [1], 0, "many"):
        with pytest.raises(ValueError, match="k="):
            geometry.clusters(x, k=k)
