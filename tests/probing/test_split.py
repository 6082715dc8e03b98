"""Groups stay together, classes are spread, and permuted labels are such as could have fallen."""

import numpy as np
import pytest

from scope_widgets.probing.split import folds, groups_of, held_out_texts, least_groups, permuted


def test_equal_texts_and_given_groups_are_together():
    ids = [(1,), (2,), (1,), (3,), (4,)]
    assert groups_of(ids, None).tolist() == [0, 1, 0, 2, 3]
    assert groups_of(ids, ["a", "b", "c", "b", "c"]).tolist() == [0, 1, 0, 1, 0]  # by the equal ones a and c are one


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_held_out_whole(seed):
    rng = np.random.default_rng(seed)
    groups = np.concatenate([np.arange(30), np.arange(30), rng.integers(30, size=140)])
    label_of = np.arange(30) % 3 == 0
    labels = np.where(groups < 24, label_of[groups], np.arange(200) < 30)  # the last six are of both
    held = held_out_texts(labels, groups, 0.5, seed)
    fold = folds(labels, groups, 4, seed)
    for part in (held, fold):
        assert all(len(np.unique(part[groups == one])) == 1 for one in np.unique(groups))
    for some in (np.arange(0, 24, 3), np.setdiff1d(np.arange(24), np.arange(0, 24, 3)), np.arange(24, 30)):
        assert len(np.unique(groups[held & np.isin(groups, some)])) == len(some) / 2
    assert np.array_equal(held, held_out_texts(labels, groups, 0.5, seed))
    assert not np.array_equal(held, held_out_texts(labels, groups, 0.5, seed + 1))


def test_groups_of_one_label_exchange_it_and_texts_within_groups_of_both_do():
    groups = np.repeat(np.arange(12), 3)
    labels = np.repeat(np.arange(12) % 2 == 0, 3)
    labels[-6:] = [True, False, False, True, True, False]  # two groups of both
    parts = groups % 12 < 6
    draws = permuted(labels, groups, parts, 400, 0)
    assert draws.shape == (400, 36)
    whole = draws[:, :-6].reshape(400, 10, 3)
    assert (whole == whole[:, :, :1]).all()
    for part in (slice(0, 6), slice(6, 10)):
        assert (whole[:, part, 0].sum(1) == whole[0, part, 0].sum()).all()
        assert abs(whole[:, part, 0].mean(0) - 0.5).max() < 0.1  # each as often as any
    assert (draws[:, -6:-3].sum(1) == 1).all()
    assert (draws[:, -3:].sum(1) == 2).all()
    assert len(np.unique(draws[:, -3:], axis=0)) == 3


def test_the_smaller_class_is_counted_in_groups():
    assert least_groups(np.array([1, 1, 0, 0, 0], dtype=bool), np.array([0, 0, 1, 2, 2])) == 1
