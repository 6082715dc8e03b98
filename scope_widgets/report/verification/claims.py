"""Test (c): activations from prompts that agree on the claim keep the effect, from those that do not they move it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from scope_widgets._types import Array
from scope_widgets.circuits.evaluation.circuit_run import CircuitRun, Mask
from scope_widgets.experiments.metric import metric_of
from scope_widgets.experiments.statistics.bootstrap import bootstrap_interval, bootstrap_weights
from scope_widgets.experiments.statistics.rounding import settled
from scope_widgets.experiments.statistics.t_test import chance
from scope_widgets.experiments.task import Task
from scope_widgets.models.microscope import Microscope
from scope_widgets.report.claims.donors import donors
from scope_widgets.report.claims.roles import positions, value
from scope_widgets.report.entries.components import taken_out
from scope_widgets.report.entries.entry import Entry, Evidence, TestName
from scope_widgets.report.scoring.recovery import at_once

#: share of the effect that activations of prompts that agree must keep
KEPT = 0.8
#: pairs with donors of both kinds below which a claim cannot be tested
FEWEST = 8
_ALPHA = 0.05
_PROMPTS_AT_ONCE = 16


class Donated:
    """Pairs with donors that agree on some roles, and others that do not: the model with activations of either.

    Parameters
    ----------
    scope : Microscope
    pool : Task
        The first `n` pairs are tested; all give donors.
    n : int
    roles : tuple of str
    seed : int
    """

    def __init__(self, scope: Microscope, pool: Task, n: int, roles: tuple[str, ...], seed: int) -> None:
        agree, other = (donors(pool, n, roles, agree=which, seed=seed) for which in (True, False))
        #: the pairs that have both
        self.pairs = sorted(set(agree) & set(other))
        self.enough = len(self.pairs) >= FEWEST
        if not self.enough:
            return
        self.task = pool.only(self.pairs)
        self.agree, self.disagree = (
            CircuitRun(
                scope, replace(self.task, corrupted=[given[pair][0] for pair in self.pairs]), at_once=at_once(scope)
            )
            for given in (agree, other)
        )
        #: which pair of the pool a pair's donor that does not agree was
        self.given = [other[pair][1] for pair in self.pairs]
        self._pool = pool
        self._attention: dict[tuple[str, str], tuple[Array, Array]] = {}
        self._moved: dict[bytes, tuple[Array, Array]] = {}
        self._logits: dict[tuple[bytes, str], Array] = {}

    def attention(self, query: str, key: str) -> tuple[Array, Array]:
        """Return what `attention_between` does, of these pairs, once."""
        if (query, key) not in self._attention:
            self._attention[query, key] = attention_between(self.agree.scope, self.task, [(query, key)])[0]
        return self._attention[query, key]

    def moved(self, kept_in: Mask) -> tuple[Array, Array]:
        """Return how far activations of prompts that agree, and of others, move the metric, `[pair]` each, once."""
        name = np.packbits(kept_in).tobytes()
        if name not in self._moved:
            full, floor = self.agree.full, self.agree.floor
            self._moved[name] = (
                settled(full - self.agree.measure(kept_in)[0], floor),
                settled(full - self.disagree.measure(kept_in)[0], floor),
            )
        return self._moved[name]

    def moved_logit(self, kept_in: Mask, role: str) -> Array:
        """Return by how much the logit of the pairs' own tokens at a role falls below that of the donors', once.

        Of donors that do not agree, `[pair]`; 0 where a role has several tokens.
        """
        name = np.packbits(kept_in).tobytes(), role
        if name not in self._logits:
            self._logits[name] = self._moved_logit(kept_in, role)
        return self._logits[name]

    def _moved_logit(self, kept_in: Mask, role: str) -> Array:
        run = self.disagree
        own = [_token(self._pool, pair, role) for pair in self.pairs]
        others = [_token(self._pool, pair, role) for pair in self.given]
        if None in own or None in others:
            return np.zeros(len(own))
        metric = metric_of("logit_difference", run.scope.tokenizer, own, others, len(own))  # type: ignore[arg-type]
        nothing_out = np.ones((1, run.graph.n_edges), dtype=bool)
        full, patched = run.measure_with(np.concatenate([nothing_out, kept_in[None]]), (metric,))[0]
        return settled(full - patched, run.floor)


def claim_evidence(donated: Donated, entry: Entry, lost: Array, seed: int) -> list[Evidence]:
    """Return whether a claim holds: a test a part of it.

    Parameters
    ----------
    donated : Donated
        Of the claim's roles, with enough pairs.
    entry : Entry
    lost : ndarray [pair of the test]
        What is lost when the entry's components are taken out (`Effects.of`).
    seed : int
    """
    kept_in = ~taken_out(donated.agree.graph, entry.kind, entry.components)
    effect = lost[donated.pairs]
    roles = ", ".join(entry.parsed.roles)
    kept, moved = donated.moved(kept_in)
    found = [_agree(kept, effect, roles, seed), _disagree(moved, kept, effect, roles, seed)]
    if entry.parsed.attends:
        found += _attention(donated, entry, seed)
    return found + [_logit(donated, kept_in, role, sign, seed) for role, sign in entry.parsed.copies]


def _agree(moved: Array, effect: Array, roles: str, seed: int) -> Evidence:
    """Return which share of the effect is kept with activations of prompts that agree.

    Prompt by prompt: what moves the metric up here and down there is kept no more than what moves it one way.
    """
    weights = bootstrap_weights(len(moved), seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = 1 - (weights @ np.abs(moved)) / (weights @ np.abs(effect))
    whole = float(np.abs(effect).mean())
    share = 1 - float(np.abs(moved).mean()) / whole if whole else 0.0
    low, high = _interval(draws)
    put = f"what the components write on another prompt with the same {roles}"
    return _evidence("agree", share, low, high, float(chance(moved)), KEPT, moved, seed, put, share >= KEPT)


def _disagree(moved: Array, kept: Array, effect: Array, roles: str, seed: int) -> Evidence:
    """Return how far activations of prompts that do not agree move the metric, as a share of the effect.

    In either direction, prompt by prompt: what another name does may raise it here and lower it there. p is of their
    moving it no further than those that agree do, on the same prompts.
    """
    weights = bootstrap_weights(len(moved), seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = (weights @ np.abs(moved)) / (weights @ np.abs(effect))
    whole = float(np.abs(effect).mean())
    share = float(np.abs(moved).mean()) / whole if whole else 0.0
    low, high = _interval(draws)
    further = np.abs(moved) - np.abs(kept)
    p = float(chance(further)) / 2
    p = p if further.mean() > 0 else 1 - p
    put = f"what they write on another prompt with another {roles}; p: no further than with the same"
    return _evidence("disagree", share, low, high, p, 1 - KEPT, moved, seed, put, share > 1 - KEPT and p < _ALPHA)


def _interval(draws: Array) -> tuple[float, float]:
    known = draws[np.isfinite(draws)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def _attention(donated: Donated, entry: Entry, seed: int) -> list[Evidence]:
    """Return how much each head attends from one role to the other, beside what even attention would be."""
    found = []
    for query, key, least in entry.parsed.attends:
        shares, even = donated.attention(query, key)
        for name in entry.components:
            layer, head = (int(part) for part in name[1:].split(".h"))
            own = shares[:, layer, head]
            low, high = bootstrap_interval(own, seed)
            passed = float(own.mean()) >= least and low > float(even.mean())
            nothing = f"nothing: mean attention of {name} from {query} to {key}; null: even attention"
            nan, chance_of_it = float("nan"), float(even.mean())
            found.append(
                _evidence("attention", float(own.mean()), low, high, nan, chance_of_it, own, seed, nothing, passed)
            )
    return found


def attention_between(scope: Microscope, task: Task, roles: Sequence[tuple[str, str]]) -> list[tuple[Array, Array]]:
    """Return the attention of each head from one role to another, of several such pairs of roles.

    Of each `[pair, layer, head]`, 0 where a role is not there, or not before the other; and even attention `[pair]`.
    """
    found = [(np.zeros((len(task), scope.n_layers, scope.n_heads)), np.ones(len(task))) for _ in roles]
    for start in range(0, len(task), _PROMPTS_AT_ONCE):
        rows = task.clean[start : start + _PROMPTS_AT_ONCE]
        traces = scope.trace(rows, capture=("attention",), logits=None)
        for at in range(len(rows)):
            pair = start + at
            patterns = torch.stack([traces[at].attention(layer) for layer in range(scope.n_layers)]).float().cpu()
            for (query, key), (shares, even) in zip(roles, found, strict=True):
                q = positions(task, pair, query)[-1:]
                keys = [k for k in positions(task, pair, key) if q and k <= q[0]]
                if keys:
                    even[pair] = len(keys) / (q[0] + 1)
                    shares[pair] = patterns[:, :, q[0], keys].sum(-1).numpy()
    return found


def _logit(donated: Donated, kept_in: Mask, role: str, sign: int, seed: int) -> Evidence:
    """Return by how much the logit of the pair's own token at a role falls below that of the donor's."""
    moved = sign * donated.moved_logit(kept_in, role) + 0.0  # no -0
    low, high = bootstrap_interval(moved, seed)
    p = float(chance(moved))
    what = f"as for disagree; logit of the token at {role} less that of the donor's, before less after"
    return _evidence("logit", float(moved.mean()), low, high, p, 0.0, moved, seed, what,
                     bool(moved.mean() > 0 and p < _ALPHA))  # fmt: skip


def _token(pool: Task, pair: int, role: str) -> int | None:
    """Return the token of a pair at a role, which may stand at several positions; None where there are several."""
    found = value(pool, pair, role)
    tokens = set() if found is None else set(found[1])
    return tokens.pop() if len(tokens) == 1 else None


def _evidence(
    test: TestName, effect: float, low: float, high: float, p: float, null: float, of: Array, seed: int, ablation: str,
    passed: bool,
) -> Evidence:  # fmt: skip
    return Evidence(test, effect, low, high, p, float("nan"), null, len(of), seed, ablation, bool(passed))
