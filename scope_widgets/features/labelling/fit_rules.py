"""Rules that say where a latent fires, found in passages, by what they add to the scores that labels get."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from scope_widgets._types import Array
from scope_widgets.features.indexing.random_contexts import SCORED
from scope_widgets.features.labelling.passages import Passages
from scope_widgets.features.labelling.rules import Rule

#: what a rule may ask, the simplest first: of two that are as good the first is taken
_KINDS: tuple[tuple[str, ...], ...] = (
    ("on",),
    ("form",),
    ("last",),
    ("again",),
    ("on", "again"),
    ("form", "again"),
    ("on", "last"),
    ("form", "last"),
    ("last", "second"),
    ("on", "last", "second"),
    ("next",),
    ("on", "next"),
)
#: rules of a label; candidates that are looked at
_MOST_RULES, _MOST_CANDIDATES = 8, 64
#: what a rule must add to the mean of both balanced accuracies, of tokens and of passages
_LEAST = 0.02
_N_SCORED = SCORED.stop - SCORED.start
#: a rule, the tokens that it holds on, and the passages that these are of
Candidate: TypeAlias = tuple[Rule, Array, Array]
#: bits of a field in a key
_BITS = 21


class Fitter:
    """Fits rules to where latents fire, in passages that all share and some of their own.

    Parameters
    ----------
    shared : Passages
        In which every latent fires somewhere or nowhere.
    """

    def __init__(self, shared: Passages) -> None:
        self._shared = shared
        self._keys = [_keys(shared, kind) for kind in _KINDS]
        self._orders = [np.argsort(keys, kind="stable") for keys in self._keys]
        self._sorted = [keys[order] for keys, order in zip(self._keys, self._orders, strict=True)]

    def fit(self, own: Passages, fires: Array, counted: Array) -> list[Rule]:
        """Return rules, the best first; none where nothing is said of both kinds of tokens.

        Parameters
        ----------
        own : Passages
            Examples of the latent.
        fires : ndarray of bool [passage, scored]
            Where it fires in the shared passages.
        counted : ndarray of bool [passage]
            Which of the shared passages count: those that share no token with `own`.
        """
        fires = fires & counted[:, None]
        truth = np.concatenate([own.fires, fires])
        weights = _Weights(truth, np.concatenate([own.there, self._shared.there & counted[:, None]]))
        if not weights.both:
            return []
        candidates = self._candidates(own, fires, weights)
        tokens = [one for one in candidates if _fields(one) == {"on"}]
        of_texts = [one for one in candidates if "form" not in _fields(one)]
        found = [_greedy(some, weights) for some in (tokens, of_texts, candidates)]
        return max(found, key=lambda one: one[1] - _LEAST * len(one[0]))[0]  # the simplest of equals

    def _candidates(self, own: Passages, fires: Array, weights: _Weights) -> list[Candidate]:
        """Return rules that hold on two tokens where the latent fires, those that add most alone first."""
        found: list[tuple[float, int, int, Array]] = []
        n_own = own.fires.size
        for number, kind in enumerate(_KINDS):
            keys = _keys(own, kind)
            on = np.concatenate([keys[own.fires.ravel()], self._keys[number][fires.ravel()]])
            seen, counts = np.unique(on[on >= 0], return_counts=True)
            for key in seen[counts > 1].tolist():
                low, high = np.searchsorted(self._sorted[number], [key, key + 1])
                holds = np.concatenate([np.flatnonzero(keys == key), n_own + self._orders[number][low:high]])
                found.append((-round(float(weights.tokens[holds].sum()), 9), number, key, holds))
        found.sort(key=lambda one: one[:3])
        return [
            (_rule(_KINDS[number], key), holds, np.unique(holds // _N_SCORED))
            for _, number, key, holds in found[:_MOST_CANDIDATES]
        ]


def _fields(candidate: Candidate) -> set[str]:
    return {field for field, _ in candidate[0]}


class _Weights:
    """What saying yes adds to the two balanced accuracies, for each token and each passage.

    Parameters
    ----------
    truth, there : ndarray of bool [passage, scored]
    """

    def __init__(self, truth: Array, there: Array) -> None:
        self.tokens = _weights(truth, there).ravel()
        self.passages = _weights(np.any(truth, 1), np.any(there, 1))
        #: whether there are tokens of both kinds
        self.both = bool(self.tokens.any())


def _weights(truth: Array, there: Array) -> Array:
    n_fires, n_silent = int((truth & there).sum()), int((~truth & there).sum())
    if not n_fires or not n_silent:
        return np.zeros(truth.shape)
    return np.where(truth, 0.5 / n_fires, -0.5 / n_silent) * there


def _greedy(candidates: list[Candidate], weights: _Weights) -> tuple[list[Rule], float]:
    """Return the rules that add most, one after the other, and what they add together to the mean of both."""
    tokens, passages = weights.tokens.copy(), weights.passages.copy()
    rules: list[Rule] = []
    total = 0.0
    while candidates and len(rules) < _MOST_RULES:
        gains = [(tokens[holds].sum() + passages[within].sum()) / 2 for _, holds, within in candidates]
        best = int(np.argmax(np.round(gains, 9)))
        if gains[best] < _LEAST:
            break
        rule, holds, within = candidates[best]
        rules.append(rule)
        total += float(gains[best])
        tokens[holds], passages[within] = 0, 0
    return rules, total


def _keys(passages: Passages, kind: tuple[str, ...]) -> Array:
    """Return what the fields of a kind are as one number each `[passage * scored]`, -1 where there is no such rule."""
    keys = np.zeros(passages.fires.size, dtype=np.int64)
    there = passages.there.ravel().copy()
    for field in kind:
        value = passages.fields[field].ravel()
        if field not in ("last", "second"):  # before the beginning is something to be after
            there &= value > 0
        keys = (keys << _BITS) | value
    return np.where(there, keys, -1)


def _rule(kind: tuple[str, ...], key: int) -> Rule:
    values = [(key >> (_BITS * at)) & ((1 << _BITS) - 1) for at in range(len(kind))]
    return tuple(zip(kind, values[::-1], strict=True))
