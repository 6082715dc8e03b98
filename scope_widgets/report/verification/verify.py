"""`verified`: a documentation whose entries were tested and scored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from scope_widgets._check_choice import checked_count
from scope_widgets._progress import tqdm
from scope_widgets._provenance import Provenance, versions
from scope_widgets.experiments.statistics.multiple_comparisons import correct
from scope_widgets.features.sae.sae import SAE
from scope_widgets.models.microscope import Microscope
from scope_widgets.report.entries.entry import Entry, Evidence
from scope_widgets.report.scoring.documentation_score import score_of
from scope_widgets.report.suite import Suite
from scope_widgets.report.verification.behaviour_tests import BehaviourTests
from scope_widgets.report.verification.features import LEAST_AUC, FeatureTests
from scope_widgets.report.verification.finished_steps import FinishedSteps, key_of

if TYPE_CHECKING:
    from scope_widgets.report.documentation import Documentation

_ALPHA = 0.05


def verified(
    documentation: Documentation,
    scope: Microscope,
    *,
    n: int,
    draws: int,
    folder: str | Path | None,
    suite: Suite,
    saes: SAE | Iterable[SAE],
    only: str | None = None,
) -> Documentation:
    """Return the documentation with evidence, statuses and the score; the options are those of `verify`.

    `only` is that of `FinishedSteps`, with what it raises.
    """
    n, draws = checked_count("n", n), checked_count("draws", draws)
    documentation.check(scope, suite)
    for entry in documentation.entries:
        suite[entry.behaviour]
    digest = documentation.digest
    sources: list[SAE] = [saes] if isinstance(saes, SAE) else list(saes)
    used = [f"{name} {number}" for name, number in sorted(versions().items())]
    steps = FinishedSteps(
        folder, key_of("verification 5", digest, str(n), str(draws), *map(_of_sae, sources), *used), only
    )
    seed = int(digest[:12], 16)
    found: dict[str, Entry] = {}
    first: dict[str, str] = {}
    for entry in documentation.entries:
        plain = entry.untested()
        if entry.digest in first:
            plain = plain.tested("rejected", f"A duplicate of {first[entry.digest]!r}: it says the same.")
        first.setdefault(entry.digest, entry.id)
        found[entry.id] = plain
    waiting = [entry for entry in found.values() if entry.status == "untested"]
    tests: dict[str, BehaviourTests] = {}
    with tqdm(total=3 * len(suite.names), desc="Verifying", unit="step", leave=False) as bar:
        for name in steps.own_first(suite.names):
            own = [entry for entry in waiting if entry.behaviour == name and entry.kind != "feature"]
            if own:
                bar.set_description(f"Verifying {name}: ablations")
                seen = documentation.discovery.get(name, [])
                tests[name] = BehaviourTests(scope, suite[name], n, seed, seen, steps, draws)
                for entry in own:
                    found[entry.id] = tests[name].ablation(entry)
            bar.update()
        features = FeatureTests(scope, sources, suite, n, seed, documentation.discovery, steps)
        for entry in waiting:
            if entry.kind == "feature":
                found[entry.id] = features.of(entry)
        _correct(found)
        for name in steps.own_first(suite.names):
            if name in tests:
                bar.set_description(f"Verifying {name}: claims")
                # those of one set of roles together: its donors are run once, and dropped
                going = [one for one in found.values() if _goes_on(one, name)]
                for entry in sorted(going, key=lambda one: one.parsed.roles):
                    found[entry.id] = tests[name].claim(entry)
                left = [one for one in found.values() if _goes_on(one, name)]
                bar.set_description(f"Verifying {name}: leaving one out")
                for entry in tests[name].leave_one_out(left):
                    found[entry.id] = entry
            bar.update()
        del tests, features
        entries = tuple(found[entry.id] for entry in documentation.entries)
        done = replace(documentation, entries=entries, provenance=_provenance(scope, seed, n))
        bar.set_description("Scoring")
        score = score_of(done, scope, suite, n=n, draws=draws, steps=steps, bar=bar)
    return replace(done, score=score)


def _of_sae(sae: SAE) -> str:
    """Return what tells an autoencoder from others."""
    weights = sae.W_dec.detach().float().cpu().contiguous().numpy().tobytes()
    return f"{sae!r} {hashlib.sha256(weights).hexdigest()}"


def _goes_on(entry: Entry, behaviour: str) -> bool:
    return entry.behaviour == behaviour and entry.status == "untested" and entry.kind != "feature" and not entry.reason


def _correct(found: dict[str, Entry]) -> None:
    """Correct p of the first test of each entry for how many entries there are; reject those that are chance."""
    tested = [entry for entry in found.values() if entry.status == "untested" and entry.evidence]
    if not tested:
        return
    q = correct([entry.evidence[0].p for entry in tested], method="bh")
    for entry, one in zip(tested, q.tolist(), strict=True):
        passed = bool(one < _ALPHA) and (entry.kind != "feature" or entry.evidence[0].passed)
        first: Evidence = replace(entry.evidence[0], q=float(one), passed=passed)
        entry = replace(entry, evidence=(first, *entry.evidence[1:]))
        if not passed:
            over = f"(q = {one:.2g} after Benjamini-Hochberg over {len(tested):,} entries)"
            reason = f"Taking it out does no more than chance or than others of its kind {over}."
            if entry.kind == "feature":
                reason = (
                    f"Its claim tells its tokens with an AUC of {first.effect:.2f}, and {LEAST_AUC} is needed {over}."
                )
            entry = replace(entry, status="rejected", reason=reason)
        elif entry.kind == "feature" and len(entry.evidence) < 2:
            reason = "It fires on fewer than two of the prompts, so that what is lost without it cannot be tested."
            entry = replace(entry, reason=reason)
        elif entry.kind == "feature":
            failed = [one for one in entry.evidence[1:] if not one.passed]
            entry = replace(
                entry,
                status="rejected" if failed else "verified",
                reason=f"Without it too little is lost ({failed[0].effect:.3g})." if failed else "",
            )
        found[entry.id] = entry


def _provenance(scope: Microscope, seed: int, n: int) -> Provenance:
    return Provenance(
        model=scope.model_id,
        revision=scope.revision,
        seed=seed,
        ablation="counterfactual for effects and claims; the worst of counterfactual, resample and mean for R",
        note=f"verified on {n} held-out pairs of each behaviour, drawn with a hash of the documentation",
    )
