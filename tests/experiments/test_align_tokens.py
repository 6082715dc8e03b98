"""Alignment of prompts, against every subsequence of short ones."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from scope_widgets.experiments.align_tokens import align


def brute_force(a: list[str], b: list[str]) -> tuple[int, int]:
    """Length of the longest common subsequence, and the fewest runs of those: all subsets are tried."""
    for length in range(min(len(a), len(b)), 0, -1):
        runs = [
            1 + sum((r - p, s - q) != (1, 1) for (p, q), (r, s) in pairwise(zip(some, others, strict=True)))
            for some in combinations(range(len(a)), length)
            for others in combinations(range(len(b)), length)
            if [a[at] for at in some] == [b[at] for at in others]
        ]
        if runs:
            return length, min(runs)
    return 0, 0


def shape(found: list[int | None]) -> tuple[int, int]:
    pairs = [(a, b) for a, b in enumerate(found) if b is not None]
    return len(pairs), sum(1 for at, (a, b) in enumerate(pairs) if not at or pairs[at - 1] != (a - 1, b - 1))


def test_it_is_the_longest_common_subsequence_of_the_fewest_runs():
    draw = np.random.default_rng(0)
    for _ in range(120):
        a, b = (list(draw.choice(list("xyz"), draw.integers(0, 8))) for _ in range(2))
        found = align(a, b)
        pairs = [(at, to) for at, to in enumerate(found) if to is not None]
        assert all(a[at] == b[to] for at, to in pairs)
        assert all(p < r and q < s for (p, q), (r, s) in pairwise(pairs))
        assert shape(found) == brute_force(a, b), (a, b)


def test_one_token_after_others_that_are_alike_stays_in_its_run():
    assert align(list("xy"), list("xxy")) == [1, 2]
    assert align(list("xxy"), list("xy")) == [None, 0, 1]
    assert align([], ["x"]) == []
    assert align(["x"], []) == [None]


def test_long_prompts_are_aligned():
    draw = np.random.default_rng(1)
    a = [str(one) for one in draw.integers(0, 50, 1500)]
    b = a[:400] + ["new"] * 7 + a[430:]
    assert align(a, b) == [*range(400), *[None] * 30, *range(407, 1477)]


def test_roles_are_pairs_and_tokens_fill_in_between():
    a = ["When", "Mary", "and", "John", "went", "to", "the", "store", ",", "John", "gave", "a", "drink", "to"]
    b = ["Then", ",", "Anna", "and", "Paul", "were", "at", "the", "store", ";", "Paul", "gave", "a", "drink", "to"]
    roles_a = {"IO": 1, "S1": 3, "S2": 9, "END": 13}
    roles_b = {"IO": 2, "S1": 4, "S2": 10, "END": 14, "other": 0}
    found = align(a, b, roles_a=roles_a, roles_b=roles_b)
    assert [found[at] for at in (1, 2, 3, 6, 7, 9, 13)] == [2, 3, 4, 7, 8, 10, 14]
    # the comma after the store is no partner of that before Anna, which is on the other side of three roles
    assert found[8] is None


def test_roles_may_cross():
    a, b = (["When", "Mary", "and", "John", "went"], ["Then", "when", "John", "and", "Mary", "went"])
    found = align(a, b, roles_a={"IO": 1, "S1": 3}, roles_b={"IO": 4, "S1": 2})
    assert found == [None, 4, 3, 2, 5]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        # pieces of a word: its last piece, where none has more of it
        (["<s>", "When", " Mary"], ["<|endoftext|>", "Wh", "en", " M", "ary"], [0, 2, 4]),
        # a space is nobody's; a word that only one has has no partner
        (["The", " big", " dog", "."], ["The", " ", "dog", "."], [0, None, 2, 3]),
        (["ab", "cd"], ["a", "bcd"], [None, 1]),
        (["don", "'t", "\n"], ["don't", "\n"], [0, None, 1]),
    ],
)
def test_tokens_of_another_tokenizer_are_aligned_by_characters(a, b, expected):
    assert align(a, b, characters=True) == expected
    back = align(b, a, characters=True)
    assert [(to, at) for at, to in enumerate(back) if to is not None] == sorted(
        ((at, to) for at, to in enumerate(expected) if to is not None), key=lambda pair: pair[1]
    )


def test_what_would_take_too_much_memory_is_refused():
    with pytest.raises(ValueError, match="too long to be aligned"):
        align(["a . " * 4000] * 3, ["a , " * 4000] * 3, characters=True)


def test_what_cannot_be_aligned_is_said():
    with pytest.raises(ValueError, match="one prompt only"):
        align(["x"], ["x"], roles_a={"IO": 0})
    with pytest.raises(ValueError, match="`roles_b` says that IO is at position 3, but there are 1 tokens"):
        align(["x"], ["x"], roles_a={"IO": 0}, roles_b={"IO": 3})
    with pytest.raises(ValueError, match="no role in common: A has IO, B S1"):
        align(["x"], ["x"], roles_a={"IO": 0}, roles_b={"S1": 0})
    with pytest.raises(ValueError, match="IO and S1 are at one position in A and not in B"):
        align(["x", "y"], ["x", "y"], roles_a={"IO": 0, "S1": 0}, roles_b={"IO": 0, "S1": 1})
