"""Entries about heads and MLPs: those that matter on discovery prompts, each with the least claim that holds there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from scope_widgets._progress import tqdm
from scope_widgets._types import Array
from scope_widgets.circuits.discovery.edge_scores import gradient_layers, score_by_gradient
from scope_widgets.circuits.evaluation.circuit_run import CircuitRun
from scope_widgets.experiments.task import Task
from scope_widgets.models.microscope import Microscope
from scope_widgets.report.claims.claim import ClaimData
from scope_widgets.report.entries.components import documented_edges
from scope_widgets.report.entries.entry import Entry
from scope_widgets.report.scoring.recovery import RecoveryRun, at_once
from scope_widgets.report.verification.claims import Donated, attention_between, claim_evidence
from scope_widgets.report.verification.effects import Effects, ablation_evidence

#: where a head may be found to attend: from which role to which
ATTENDS: Final = (
    ("END", "IO"),
    ("END", "S1"),
    ("END", "S2"),
    ("END", "S1+1"),
    ("END", "clue"),
    ("END", "echo"),
    ("END", "echo+1"),
    ("S2", "S1"),
    ("S2", "S1+1"),
    ("S1+1", "S1"),
    ("IO+1", "IO"),
    ("echo+1", "echo"),
)
#: share of the metric below which a component is not written down, and attention below which it says nothing of it
_LEAST_EFFECT, _LEAST_ATTENTION = 0.02, 0.3
#: what must be kept on discovery prompts, and the lower end of its interval: other prompts may show less
_KEPT, _LOW = 0.88, 0.7
#: nodes that are taken out one by one, the others are estimated; and gradients of that estimate
_EXACT, _STEPS = 64, 5


def write_nodes(
    run: CircuitRun,
    pool: Task,
    dependences: Sequence[tuple[str, ...]],
    *,
    seed: int,
    notes: dict[str, str] | None = None,
    groups: dict[str, str] | None = None,
    most: int = 48,
) -> tuple[Entry, ...]:
    """Return entries about heads and MLPs.

    Parameters
    ----------
    run : CircuitRun
        The model on the pairs that are looked at, counterfactual.
    pool : Task
        Discovery prompts: those first, all give activations.
    dependences : sequence of tuple of str
        Sets of roles that a claim may name, the most specific first.
    seed : int
    notes, groups : dict of str to str, optional
        By component: what is known of it, and its group.
    most : int, default 48
        Number of entries: those with the largest effects.
    """
    scope, task, graph, n = run.scope, run.task, run.graph, len(run.task)
    runs = [run, CircuitRun(scope, task, "resample", seed, at_once=at_once(scope), like=run)]
    nodes = [name for name in graph.senders[1:] if name[0] == "m" or int(name[1:].split(".")[0]) not in graph.whole]
    estimated = _estimated(runs, nodes)
    effects = [
        Effects(run, lambda name, compute: compute(), seed, some) for run, some in zip(runs, estimated, strict=True)
    ]
    found = []
    for name in nodes:
        if name in estimated[0]:
            continue
        entry = Entry("mlp" if name.startswith("m") else "head", (name,), task.name, {"depends_on": ["END"]})
        size = max(abs(float(one.of(entry).mean() / one.run.scale)) for one in effects)
        if size >= _LEAST_EFFECT:
            found.append((size, entry))
    found = sorted(found, key=lambda one: (-one[0], one[1].components))[:most]
    attention = _attention(scope, task) if any(entry.kind == "head" for _, entry in found) else {}
    waiting: list[tuple[Entry, Array, list[Entry]]] = []
    for _, entry in found:
        evidence, which = ablation_evidence(effects, entry, seed)
        if evidence.p < 0.05:
            tried = [replace(entry, claim=claim, id="") for claim in _claims(entry, dependences, attention)]
            waiting.append((entry, effects[which].of(entry), tried))
    chosen: dict[str, Entry] = {}
    while waiting:
        # the claims of one set of roles, of all entries: the runs of its donors are dropped before the next are made
        roles = waiting[0][2][0].parsed.roles
        donated = Donated(scope, pool, n, roles, seed)
        for entry, lost, tried in waiting:
            while tried and tried[0].parsed.roles == roles and entry.id not in chosen:
                if _holds(donated, claim := tried.pop(0), lost, seed):
                    chosen[entry.id] = claim
        del donated
        waiting = [one for one in waiting if one[2] and one[0].id not in chosen]
    texts = [(chosen[entry.id], entry.components[0]) for _, entry in found if entry.id in chosen]
    return tuple(
        replace(entry, note=(notes or {}).get(name, ""), group=(groups or {}).get(name, "")) for entry, name in texts
    )


def _holds(donated: Donated, entry: Entry, lost: Array, seed: int) -> bool:
    """Return whether a claim holds on the discovery prompts, so well that it may be expected to on others."""
    said = claim_evidence(donated, entry, lost, seed) if donated.enough else []
    return bool(said) and all(
        one.passed and (one.test != "agree" or (one.effect >= _KEPT and one.low >= _LOW)) for one in said
    )


def _estimated(runs: Sequence[CircuitRun], nodes: Sequence[str]) -> list[dict[str, float]]:
    """Return under each ablation an estimate of the effects of nodes that are not worth a run of their own.

    Those beyond the first `_EXACT` by attribution (EAP-IG: what a node writes differently, times the gradient), the
    larger share of the metric under any ablation counting; none where there are no more.
    """
    if len(nodes) <= _EXACT:
        return [{} for _ in runs]
    graph = runs[0].graph
    sums = []
    for run in runs:
        with tqdm(total=gradient_layers(run, _STEPS), desc="Ranking nodes", unit="layer", leave=False) as bar:
            scores = score_by_gradient(run, _STEPS, bar)
        sums.append(np.bincount(graph.edges[1], weights=np.nan_to_num(scores), minlength=len(graph.senders)))
    shares = np.max([np.abs(one) / max(abs(run.scale), 1e-30) for one, run in zip(sums, runs, strict=True)], axis=0)
    order = sorted(nodes, key=lambda name: (-shares[graph.sender(name)], graph.sender(name)))
    return [{name: float(one[graph.sender(name)]) for name in order[_EXACT:]} for one in sums]


def worthwhile(run: RecoveryRun, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Return the entries without those whose edges are more than they recover, the smallest effect tried first.

    A component may matter and yet add nothing: what it does is done without it, or it works against the behaviour as
    long as others are out.
    """
    left = list(entries)  # the largest effect is first
    for entry in reversed(entries):
        rest = [one for one in left if one is not entry]
        masks = [
            documented_edges(run.graph, [name for one in some for name in one.components]) for some in (left, rest)
        ]
        whole, less = run.measure(np.array(masks)).R()
        size = (int(masks[0].sum()) - int(masks[1].sum())) / run.graph.n_edges
        if rest and whole - less < size:
            left = rest
    return tuple(left)


def _claims(
    entry: Entry, dependences: Sequence[tuple[str, ...]], attention: dict[str, tuple[str, str]]
) -> list[ClaimData]:
    """Return the claims that are tried, those that say most first."""
    attends = attention.get(entry.components[0])
    if attends and not any("IO" in roles for roles in dependences):  # a name of that one task
        attends = attends[0].replace("IO", "answer"), attends[1].replace("IO", "answer")
    found: list[ClaimData] = []
    for roles in dependences:
        depends: ClaimData = {"depends_on": list(roles)}
        if attends:
            query, key = attends
            both = [{"attends": [query, key]}, depends]
            if query == "END":
                found += [{"all": [*both, {"copies": key}]}, {"all": [*both, {"suppresses": key}]}]
            found.append({"all": both})
        elif entry.kind == "head" and "IO" in roles:
            found.append({"all": [depends, {"copies": "IO"}]})
    return found + [{"depends_on": list(roles)} for roles in dependences]


def _attention(scope: Microscope, task: Task) -> dict[str, tuple[str, str]]:
    """Return of each head from where to where it attends most, if that is much."""
    best: dict[str, tuple[float, tuple[str, str]]] = {}
    for roles, (shares, even) in zip(ATTENDS, attention_between(scope, task, ATTENDS), strict=True):
        mean = shares.mean(0)
        for layer in range(scope.n_layers):
            for head in range(scope.n_heads):
                name, share = f"a{layer}.h{head}", float(mean[layer, head])
                much = share >= _LEAST_ATTENTION and share > 2 * float(even.mean())
                if much and share > best.get(name, (0.0, roles))[0]:
                    best[name] = share, roles
    return {name: roles for name, (_, roles) in best.items()}
