"""Which position of one prompt is that of another: by token, by character, by role."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from scope_widgets._types import Array

#: words, and signs with their repetitions; spaces are nobody's, so that " Mary" and "Mary" cover the same word
_WORDS = re.compile(r"\w+|([^\w\s]|\n)\1*")
#: a token such as "<|endoftext|>" or "<s>"
_SPECIAL = re.compile(r"[<\[][^\s<>\[\]]{1,40}[>\]]")

#: of the table of two prompts, a byte each
_MOST_CELLS = 2**26

Pairs = list[tuple[int, int]]


def align(
    tokens_a: Sequence[str],
    tokens_b: Sequence[str],
    *,
    roles_a: Mapping[str, int] | None = None,
    roles_b: Mapping[str, int] | None = None,
    characters: bool = False,
) -> list[int | None]:
    """Align the positions of two prompts: of each position of A the position of B, or none.

    Positions of one role are a pair, whatever their tokens. Those between are aligned by token: the longest common
    subsequence, and of several the one of the fewest runs without a gap. Pairs by token do not cross each other; roles
    may (IOI's "BABA" against "ABBA"), and tokens are then aligned between the pairs of roles that cross none.

    Parameters
    ----------
    tokens_a, tokens_b : sequence of str
        Texts of tokens.
    roles_a, roles_b : mapping of role to position, optional
        Such as `ioi.prompts(scope)[0].positions`; roles that only one of them has are left out.
    characters : bool, default False
        Whether the two are of different tokenizers: words are aligned instead, and tokens are a pair where each covers
        more characters of the other than any other token does, the last one of several. A special token at the
        beginning is a pair with one of another name.

    Returns
    -------
    list of int or None
        As many as tokens of A; no position of B comes twice.

    Raises
    ------
    ValueError
        For roles of only one prompt, no role in common, a position that is not in its prompt, two roles that are at
        one position in only one of the prompts, or prompts of more than 2**26 pairs of tokens.

    Examples
    --------
    >>> from scope_widgets.experiments.align_tokens import align
    >>> align(["When", " Mary", " left"], ["Then", " when", " Mary", " left"])
    [None, 2, 3]
    >>> align(["A", " cat", " sat"], ["A", " dog", " sat"], roles_a={"subject": 1}, roles_b={"subject": 1})
    [0, 1, 2]
    """
    anchors = _anchors(roles_a, roles_b, len(tokens_a), len(tokens_b))
    if characters and not anchors and _begins(tokens_a) and _begins(tokens_b):
        anchors = [(0, 0)]
    between = _by_characters if characters else _by_token
    taken_a, taken_b = {a for a, _ in anchors}, {b for _, b in anchors}
    cuts = [one for one in anchors if all((a < one[0]) == (b < one[1]) for a, b in anchors if (a, b) != one)]
    found: list[int | None] = [None] * len(tokens_a)
    for a, b in anchors:
        found[a] = b
    for (from_a, from_b), (to_a, to_b) in zip([(-1, -1), *cuts], [*cuts, (len(tokens_a), len(tokens_b))], strict=True):
        some_a = [at for at in range(from_a + 1, to_a) if at not in taken_a]
        some_b = [at for at in range(from_b + 1, to_b) if at not in taken_b]
        for a, b in between([tokens_a[at] for at in some_a], [tokens_b[at] for at in some_b]):
            found[some_a[a]] = some_b[b]
    return found


def aligned_difference(a: Array, b: Array, partners: Sequence[int | None]) -> Array:
    """Return B - A of two patterns over `[query, key]` of A.

    NaN where a position has no partner (None or -1), or its partner as a key is after that of its query.
    """
    place = np.array([-1 if one is None else one for one in partners])
    query, key = place[:, None], place[None, :]
    there = (query >= 0) & (key >= 0) & (key <= query)
    found: Array = np.where(there, b[query, key], np.float32(np.nan)) - a
    return found


def _anchors(roles_a: Mapping[str, int] | None, roles_b: Mapping[str, int] | None, size_a: int, size_b: int) -> Pairs:
    if roles_a is None and roles_b is None:
        return []
    if roles_a is None or roles_b is None:
        raise ValueError("Roles were given of one prompt only: give roles_a= and roles_b=, each {role: position}.")
    for name, roles, size in (("roles_a", roles_a, size_a), ("roles_b", roles_b, size_b)):
        for role, at in roles.items():
            if not 0 <= at < size:
                raise ValueError(f"`{name}` says that {role} is at position {at}, but there are {size} tokens, from 0.")
    common = [role for role in roles_a if role in roles_b]
    if not common:
        raise ValueError(
            f"The prompts have no role in common: A has {', '.join(roles_a) or 'none'}, "
            f"B {', '.join(roles_b) or 'none'}."
        )
    pairs = sorted({(int(roles_a[role]), int(roles_b[role])) for role in common})
    for side, other, which in (("A", "B", 0), ("B", "A", 1)):
        places = [pair[which] for pair in pairs]
        twice = {place for place in places if places.count(place) > 1}
        if twice:
            names = [role for role in common if (roles_a, roles_b)[which][role] in twice]
            raise ValueError(
                f"{' and '.join(names)} are at one position in {side} and not in {other}: leave one of them out."
            )
    return pairs


def _begins(tokens: Sequence[str]) -> bool:
    return bool(tokens) and bool(_SPECIAL.fullmatch(tokens[0]))


def _by_token(tokens_a: Sequence[str], tokens_b: Sequence[str]) -> Pairs:
    """Return the pairs of a longest common subsequence that has the fewest runs.

    Dynamic programming over the diagonals of the table, on which no cell needs another: a common token counts 2**13,
    a new run costs 1, and prompts have fewer tokens than that.
    """
    code: dict[str, int] = {}
    a, b = (np.array([code.setdefault(one, len(code)) for one in some], np.int64) for some in (tokens_a, tokens_b))
    n, m = len(a), len(b)
    if n * m > _MOST_CELLS:
        raise ValueError(f"Prompts of {n:,} and {m:,} tokens or words are too long to be aligned: give the pairs.")
    if n == m and np.array_equal(a, b):
        return [(at, at) for at in range(n)]
    common, nothing = 2**13, -(2**30)
    # best of all, and best of those that end with this pair, of a diagonal by its row; and of the two before it
    best = [np.zeros(n + 1, np.int64) for _ in range(3)]
    ended = [np.full(n + 1, nothing, np.int64) for _ in range(3)]
    # 1: this pair is the last, 2: the token of A is left out, 0: that of B; + 4: before this pair comes its neighbour
    steps = np.zeros((n + 1) * (m + 1), np.uint8)
    for diagonal in range(2, n + m + 1):
        low, high = max(1, diagonal - m), min(n, diagonal - 1) + 1
        now, before, last = diagonal % 3, (diagonal - 1) % 3, (diagonal - 2) % 3
        best[now][:] = 0
        ended[now][:] = nothing
        if low >= high:
            continue
        rows = slice(low, high)
        equal = a[low - 1 : high - 1] == b[diagonal - high : diagonal - low][::-1]
        goes_on, begins = ended[last][low - 1 : high - 1], best[last][low - 1 : high - 1] - 1
        pair = np.where(equal, np.maximum(goes_on, begins) + common, nothing)
        up, left = best[before][low - 1 : high - 1], best[before][rows]
        best[now][rows] = np.maximum(np.maximum(up, left), pair)
        ended[now][rows] = pair
        step = np.where(pair == best[now][rows], 1, np.where(up >= left, 2, 0)) + 4 * (goes_on >= begins)
        start = low * (m + 1) + diagonal - low
        steps[start : start + (high - low - 1) * m + 1 : m] = step
    pairs: Pairs = []
    row, column, within = n, m, False
    while row and column:
        step = int(steps[row * (m + 1) + column])
        if within or step & 3 == 1:
            pairs.append((row - 1, column - 1))
            within = step >= 4
            row, column = row - 1, column - 1
        elif step & 3 == 2:
            row -= 1
        else:
            column -= 1
    return pairs[::-1]


def _by_characters(tokens_a: Sequence[str], tokens_b: Sequence[str]) -> Pairs:
    """Return the pairs of tokens that cover the same characters of words that both texts have."""
    words_a, words_b = (list(_WORDS.finditer("".join(some))) for some in (tokens_a, tokens_b))
    owner_a, owner_b = ([at for at, one in enumerate(some) for _ in one] for some in (tokens_a, tokens_b))
    shared: dict[tuple[int, int], int] = {}
    for one, other in _by_token([word[0] for word in words_a], [word[0] for word in words_b]):
        for at in range(len(words_a[one][0])):
            pair = owner_a[words_a[one].start() + at], owner_b[words_b[other].start() + at]
            shared[pair] = shared.get(pair, 0) + 1
    best_a, best_b = _most_shared(shared, 0), _most_shared(shared, 1)
    return [(a, b) for a, b in shared if best_a[a] == (a, b) == best_b[b]]


def _most_shared(shared: Mapping[tuple[int, int], int], which: int) -> dict[int, tuple[int, int]]:
    """Return of each token the pair in which it shares the most characters, of several the last."""
    best: dict[int, tuple[int, int]] = {}
    for pair, count in shared.items():
        if pair[which] not in best or count >= shared[best[pair[which]]]:
            best[pair[which]] = pair
    return best
