"""Entries about features: does the claim tell the tokens on which a latent fires, and what is lost without it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from scope_widgets._types import Array
from scope_widgets.experiments.statistics.auc import auc
from scope_widgets.experiments.statistics.bootstrap import bootstrap_interval
from scope_widgets.experiments.statistics.t_test import chance, two_sided
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.tokens import token_texts
from scope_widgets.report.entries.entry import Entry, Evidence
from scope_widgets.report.suite import Suite, digest_of
from scope_widgets.report.verification.latent_runs import LatentRuns

if TYPE_CHECKING:
    from scope_widgets.features.sae.sae import SAE
    from scope_widgets.report.verification.finished_steps import FinishedSteps

#: AUC below which a claim does not tell on what a feature fires
LEAST_AUC = 0.8
_SHUFFLES, _OTHERS, _EACH = 200, 8, 4
#: prompts that are run without a latent: two runs of the model each
_WITHOUT = 24
#: tokens that are as a claim says, and others, below which it cannot be tested
FEWEST = 10


class FeatureTests:
    """The tests of entries about features, on the clean prompts of all behaviours of the suite.

    "firing": the AUC of the claim, a label of each token, against the latent's activation there; p from labels that are
    shuffled within the prompts. "ablation": by how much the loss of the tokens of a prompt rises without the latent,
    the error of its autoencoder held, beside that of other latents that fire on these prompts.

    Parameters
    ----------
    scope : Microscope
    saes : sequence of SAE
    suite : Suite
    n : int
        Number of held-out pairs of each behaviour.
    seed : int
        Of the pairs.
    seen : dict of str to list of str
        By behaviour: digests of the prompts that entries were found on.
    steps : FinishedSteps
        What is finished.
    """

    def __init__(
        self,
        scope: Microscope,
        saes: Sequence[SAE],
        suite: Suite,
        n: int,
        seed: int,
        seen: dict[str, list[str]],
        steps: FinishedSteps,
    ) -> None:
        self.scope, self.suite, self.n, self.seed, self.seen = scope, suite, n, seed, seen
        self._saes, self._steps = list(saes), steps
        self._runs: dict[int, LatentRuns] = {}

    @cached_property
    def rows(self) -> list[list[int]]:
        """The prompts."""
        return prompts_of(self.scope, self.suite, self.n, self.seed, self.seen)

    def of(self, entry: Entry) -> Entry:
        """Return an entry with its tests; untested or rejected, with the reason, where there can be none."""
        name = entry.components[0]
        if len(entry.components) > 1:
            return entry.tested("untested", "An entry about features that can be tested has one: write one for each.")
        layer, _, number = name.partition(".")
        site = number.rpartition(".")[0] or "residual"
        fitting = [at for at, sae in enumerate(self._saes) if sae.layer == int(layer) and sae.site == site]
        if not fitting:
            return entry.tested("untested", f"The autoencoder of {name} was not given: verify(scope, saes=sae).")
        sae, latent = self._saes[fitting[0]], int(number.rpartition(".")[2])
        if latent >= sae.d_sae:
            return entry.tested("rejected", f"There is no latent {latent}: {sae!r} has {sae.d_sae}.")
        said = self._steps.get(f"feature {entry.digest}", lambda: self._tests(entry, fitting[0], latent))
        return entry.tested(said["status"], said["reason"], [Evidence(**one) for one in said["evidence"]])

    def _tests(self, entry: Entry, which: int, latent: int) -> dict[str, Any]:
        if which not in self._runs:
            self._runs[which] = LatentRuns(self.scope, self._saes[which], self.rows)
        return _tests(entry, self._runs[which], latent, self.seed)


def prompts_of(scope: Microscope, suite: Suite, n: int, seed: int, seen: dict[str, list[str]]) -> list[list[int]]:
    """Return held-out prompts: those of each behaviour of the suite that the model's tokenizer has."""
    from scope_widgets.report.suite import pairs_of

    known = {one for digests in seen.values() for one in digests}
    rows: list[list[int]] = []
    for behaviour in suite.behaviours:
        try:
            rows += pairs_of(scope, behaviour, n=n, seed=seed).clean
        except ValueError:
            continue
    return [row for row in rows if digest_of(row) not in known]


def _tests(entry: Entry, runs: LatentRuns, latent: int, seed: int) -> dict[str, Any]:
    labels = [claimed(runs.scope, entry, row) for row in runs.rows]
    positive = int(sum(one.sum() for one in labels))
    total = sum(map(len, runs.rows))
    if not FEWEST <= positive <= total - FEWEST:
        reason = (
            f"{positive} of {total:,} held-out tokens are as the claim says, and {FEWEST} of either kind are needed."
        )
        return {"status": "untested", "reason": reason, "evidence": []}
    firing = _firing([one[:, latent] for one in runs.active], labels, seed)
    ablation = _ablation(runs, latent, seed)
    return {"status": "untested", "reason": "", "evidence": [vars(firing), *(vars(one) for one in ablation)]}


def claimed(scope: Microscope, entry: Entry, row: list[int]) -> Array:
    """Return on which tokens the claim says that the feature fires, `[token]`; not on the first."""
    texts = [text.strip() for text in token_texts(scope.tokenizer, row)]
    found = np.zeros(len(row), dtype=bool)
    for back, words in entry.parsed.fires:
        wanted = {word.strip() for word in words}
        for at in range(back, len(row)):
            found[at] |= texts[at - back] in wanted
    found[0] = False
    return found


def _firing(values: list[Array], labels: list[Array], seed: int) -> Evidence:
    rng = np.random.default_rng(seed)
    flat = np.concatenate(values)
    found = float(auc(flat, np.concatenate(labels)))
    shuffled = auc(flat, np.array([np.concatenate([rng.permutation(one) for one in labels]) for _ in range(_SHUFFLES)]))
    level = float(np.percentile(shuffled, 95))
    # of a normal distribution, as a share of 200 shuffles could not be small enough for many entries
    z = (found - float(shuffled.mean())) / max(float(shuffled.std()), 1e-9)
    p = two_sided(z, _SHUFFLES) / 2
    drawn = []
    for _ in range(_SHUFFLES):
        some = rng.integers(len(values), size=len(values))
        label = np.concatenate([labels[at] for at in some])
        if 0 < label.sum() < len(label):
            drawn.append(float(auc(np.concatenate([values[at] for at in some]), label)))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Evidence(
        test="firing",
        effect=found,
        low=float(low),
        high=float(high),
        p=p if z > 0 else 1 - p,
        q=float("nan"),
        null=level,
        prompts=len(values),
        seed=seed,
        ablation="nothing: activations on tokens that are as the claim says against the others; null: labels shuffled",
        passed=bool(found >= LEAST_AUC and found > level),
    )


def _ablation(runs: LatentRuns, latent: int, seed: int) -> list[Evidence]:
    """Return by how much the loss rises without a latent; nothing where it fires on none of the prompts."""
    where = np.flatnonzero(runs.fires[:, latent]).tolist()
    where = sorted(np.random.default_rng(seed).permutation(where)[:_WITHOUT].tolist())
    others = np.flatnonzero(runs.fires.sum(0) >= 2)
    others = np.random.default_rng(seed).permutation(others[others != latent])[:_OTHERS]
    lost = np.array([runs.lost_without(latent, int(at)) for at in where])
    if len(lost) < 2:
        return []
    null = []
    for other in others.tolist():
        some = np.flatnonzero(runs.fires[:, other])[:_EACH].tolist()
        null.append(float(np.mean([runs.lost_without(other, at) for at in some])))
    low, high = bootstrap_interval(lost, seed)
    p = float(chance(lost))
    return [
        Evidence(
            test="ablation",
            effect=float(lost.mean()),
            low=low,
            high=high,
            p=p,
            q=float("nan"),
            null=float(np.median(np.abs(null))) if null else float("nan"),
            prompts=len(lost),
            seed=seed,
            ablation="zero for the latent's activation, the autoencoder's error held; nats a token lost of the prompts "
            "on which it fires; null: the median of other latents",
            passed=bool(p < 0.05 and lost.mean() > 0),
        )
    ]
