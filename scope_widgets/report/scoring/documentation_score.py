"""`score_of`: the transparency score of a documentation that was verified."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scope_widgets._json_fields import decode, encode
from scope_widgets._progress import tqdm
from scope_widgets._provenance import Provenance
from scope_widgets.experiments.statistics.bootstrap import DRAWS
from scope_widgets.models.edges.find_edges import graph_of
from scope_widgets.models.microscope import Microscope
from scope_widgets.report.entries.components import documented_edges
from scope_widgets.report.scoring.behaviour_score import BehaviourScore, score_edges
from scope_widgets.report.scoring.score import TransparencyScore
from scope_widgets.report.suite import Suite, pairs_of
from scope_widgets.report.verification.finished_steps import FinishedSteps

if TYPE_CHECKING:
    from scope_widgets.report.documentation import Documentation
    from scope_widgets.report.entries.entry import Entry


def score_of(
    documentation: Documentation,
    scope: Microscope,
    suite: Suite,
    *,
    n: int,
    draws: int,
    steps: FinishedSteps,
    bar: tqdm[Any],
) -> TransparencyScore:
    """Return the score of what is verified; entries that are not have no part in it, nor in its prompts.

    The seed of each behaviour is a hash of its verified entries and of the prompts that are said to have been looked
    at: nobody can choose entries by the prompts that they will be scored on, nor take hard ones out by calling them
    seen. Whatever other entries were submitted leave the score as it is, bit for bit.
    """
    graph = graph_of(scope)
    found: dict[str, BehaviourScore] = {}
    samples = np.zeros(DRAWS)
    for name in steps.own_first(suite.names):
        weight = suite.weights[name]
        entries = [one for one in documentation.of("verified") if one.behaviour == name and one.kind != "feature"]
        mask = documented_edges(graph, [part for entry in entries for part in entry.components])
        if not mask.any():
            reason = "not documented: no entry of it was verified"
            if refused := {one.reason for one in documentation.of("untested") if one.behaviour == name and one.reason}:
                reason = min(refused)
            found[name] = BehaviourScore(name, weight, n_all=graph.n_edges, reason=reason)
        else:
            seed = _seed(documentation, entries)
            scored = partial(_scored, documentation, scope, suite, name, mask, entries, n, draws, seed)
            said = steps.get(f"{name} score {seed}", scored, name)
            found[name] = decode(encode(said["score"]), BehaviourScore, "score")
            samples = samples + weight * np.asarray(said["draws"])
        bar.update()
    low, high = np.percentile(samples, [2.5, 97.5])
    return TransparencyScore(
        value=float(low),
        total=float(sum(one.weight * one.value for one in found.values())),
        high=float(high),
        behaviours=tuple(found[name] for name in suite.names),
        suite=suite.version,
        provenance=Provenance(
            scope.model_id,
            scope.revision,
            ablation=f"the worst of counterfactual, resample (up to {draws} prompts give to each) and mean",
            note=f"lower end of the 95 % interval over {n} held-out prompts of each behaviour that is documented",
        ),
    )


def _scored(
    documentation: Documentation, scope: Microscope, suite: Suite, name: str, mask: Any, entries: list[Entry], n: int,
    draws: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    pairs = pairs_of(scope, suite[name], n=n, seed=seed, seen=documentation.discovery.get(name, []))
    weight = suite.weights[name]
    n_entries = len(entries)
    score, samples = score_edges(scope, pairs, mask, weight=weight, n_entries=n_entries, seed=seed, draws=draws)
    return {"score": vars(score), "draws": samples}


def _seed(documentation: Documentation, entries: list[Entry]) -> int:
    seen = sorted(set(documentation.discovery.get(entries[0].behaviour, [])))
    contents = sorted(entry.content for entry in entries)
    said = "\n".join([documentation.fingerprint, documentation.suite, *contents, *seen])
    return int(hashlib.sha256(said.encode()).hexdigest()[:12], 16)
