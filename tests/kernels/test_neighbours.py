"""The nearest points are those of brute force in float64, compiled or not, by any number of threads, in any block."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from scope_widgets import _kernels
from scope_widgets._kernels import _compiled, _neighbours


@pytest.fixture(params=["compiled", "torch"])
def _either(request, monkeypatch):
    if request.param == "torch":
        monkeypatch.setattr(_compiled, "neighbours", None)
    elif _compiled.neighbours is None:
        pytest.skip("the compiled module of neighbours is not built")
    monkeypatch.setattr(_neighbours, "_BLOCK", 64)  # several blocks, the last of them smaller


def brute_force(x, k, groups=None):
    """Return the k nearest points of others, ties to the smaller number, by differences in float64."""
    gaps = x[:, None].astype(np.float64) - x[None]
    distances = np.sqrt((gaps**2).sum(-1))
    np.fill_diagonal(distances, np.inf)
    if groups is not None:
        distances[groups[:, None] == groups] = np.inf
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    distances = np.take_along_axis(distances, order, 1)
    return np.where(np.isinf(distances), -1, order), distances


def hard(name, draw):
    """Points whose distances float32 gets wrong, or that tie."""
    x = draw.standard_normal((150, 12))
    made = {
        "even": x,
        "far from 0": x + 1e5,
        "tiny": x * 1e-30,
        "huge": x * 1e30,
        "clusters far apart": 1e-4 * x + 1000 * draw.integers(0, 2, (150, 1)),
        "one massive point": np.concatenate([x[:-1], 1e4 * x[-1:]]),
        "ties": np.round(x[:, :2] * 2),
        "a column that hides": x * np.r_[1e6, np.ones(11)],
    }
    return made[name]


CASES = ("even", "far from 0", "tiny", "huge", "clusters far apart", "one massive point", "ties", "a column that hides")


@pytest.mark.parametrize("precision", ["highest", "medium"])
def test_products_are_of_float32_whatever_torch_is_told(precision, monkeypatch):
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: precision)
    monkeypatch.setattr(_neighbours, "_BLOCK", 64)
    x = np.random.default_rng(0).standard_normal((150, 300), dtype=np.float32)
    blocks = _neighbours._Blocks(torch.from_numpy(x))
    assert len(blocks) == 3
    exact = x[:64].astype(np.float64) @ x[128:].T.astype(np.float64)
    np.testing.assert_allclose(blocks.product(0, 2), exact, atol=308 * 2.0**-24 * 400)


@pytest.mark.usefixtures("_either")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_they_are_those_of_brute_force(name, dtype):
    x = np.ascontiguousarray(hard(name, np.random.default_rng(0)), dtype=dtype)
    given = x.copy()
    for k in (1, 5, 40, 149):
        _, expected = brute_force(x, k)
        found, distances = _kernels.nearest(x, k)
        np.testing.assert_allclose(distances, expected, rtol=1e-12)
        # of points that are as far but for rounding in float64 any may stand there
        of_found = np.sqrt(((x[found].astype(np.float64) - x[:, None]) ** 2).sum(-1))
        np.testing.assert_allclose(of_found, expected, rtol=1e-12)
        assert all(len(set(row)) == k for row in found.tolist())
        assert (found != np.arange(150)[:, None]).all()
    np.testing.assert_array_equal(x, given)


@pytest.mark.usefixtures("_either")
def test_points_of_a_group_are_no_neighbours():
    draw = np.random.default_rng(1)
    x = draw.standard_normal((200, 6)).astype(np.float32)
    groups = draw.integers(0, 3, 200)
    for k in (4, 150):
        expected, distances = brute_force(x, k, groups)
        found = _kernels.nearest(x, k, groups=groups)
        np.testing.assert_array_equal(found[0], expected)
        np.testing.assert_allclose(found[1], distances, rtol=1e-12)
    nobody, infinite = _kernels.nearest(x, 2, groups=np.zeros(200, np.int64))
    assert (nobody == -1).all()
    assert np.isinf(infinite).all()


@pytest.mark.usefixtures("_either")
def test_threads_and_blocks_change_nothing(monkeypatch):
    x = np.random.default_rng(2).standard_normal((500, 33)).astype(np.float32)
    expected = _kernels.nearest(x, 9, threads=1)
    monkeypatch.setattr(_neighbours, "_BLOCK", 97)
    for threads in (2, 3):
        for one, other in zip(expected, _kernels.nearest(x, 9, threads=threads), strict=True):
            np.testing.assert_array_equal(one, other)


def test_they_are_those_of_scikit_learn():
    x = np.random.default_rng(3).standard_normal((3000, 20)).astype(np.float32)
    distances, near = NearestNeighbors(n_neighbors=10, algorithm="kd_tree").fit(x.astype(np.float64)).kneighbors()
    found = _kernels.nearest(x, 10)
    np.testing.assert_array_equal(found[0], near)
    np.testing.assert_allclose(found[1], distances, rtol=1e-12)


def test_what_rounding_may_hide_is_compared_in_float64(monkeypatch):
    asked = []
    by_float64 = _neighbours._by_float64

    def counted(x, rows, *rest):
        asked.append(len(rows))
        return by_float64(x, rows, *rest)

    monkeypatch.setattr(_neighbours, "_by_float64", counted)
    x = np.random.default_rng(4).standard_normal((300, 8))
    _kernels.nearest(x, 5)
    assert sum(asked) == 0
    _kernels.nearest(1e-4 * x + np.r_[np.zeros((150, 1)), np.full((150, 1), 1000.0)], 5)
    assert sum(asked) > 100


@pytest.mark.parametrize(
    ("x", "k", "groups", "said"),
    [
        (np.zeros((5, 2), np.float16), 1, None, "has dtype float16, expected float32 or float64"),
        (np.zeros((5, 2)), 5, None, "k is 5 and x has 5 points"),
        (np.zeros((5, 2)), 0, None, "k is 0"),
        (np.zeros(5), 1, None, "shape"),
        (np.full((5, 2), np.nan), 1, None, "NaN or infinite"),
        (np.zeros((5, 2)), 1, np.zeros(4, np.int64), "groups holds 4 numbers for 5 points"),
        (np.zeros((5, 4))[:, ::2], 1, None, "not C-contiguous"),
    ],
)
def test_bad_input_is_said(x, k, groups, said):
    with pytest.raises((TypeError, ValueError), match=said):
        _kernels.nearest(x, k, groups=groups)


def test_equal_points_are_at_distance_0():
    found, distances = _kernels.nearest(np.ones((4, 3)), 2)
    assert (distances == 0).all()
    assert found.tolist() == [[1, 2], [0, 2], [0, 1], [0, 1]]
