"""Entries about features: does the claim tell the tokens on which a latent fires, and what is lost without it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scope_widgets._types import Array
from scope_widgets.experiments.statistics.auc import auc
from scope_widgets.experiments.statistics.bootstrap import bootstrap_interval
from scope_widgets.experiments.statistics.t_test import chance, two_sided
from scope_widgets.models.input_device import input_device
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.tokens import token_texts
from scope_widgets.report.entries.entry import Entry, Evidence
from scope_widgets.report.suite import Suite, digest_of
from scope_widgets.steering.apply_interventions import edits_of
from scope_widgets.steering.latent_interventions import ScaleFeature

if TYPE_CHECKING:
    from scope_widgets.features.sae.sae import SAE
    from scope_widgets.report.verification.items import Items

#: AUC below which a claim does not tell on what a feature fires
LEAST_AUC = 0.8
_SHUFFLES, _OTHERS, _EACH = 200, 8, 4
#: prompts that are run without a latent: two runs of the model each
_WITHOUT = 24
#: tokens that are as a claim says, and others, below which it cannot be tested
FEWEST = 10


def feature_evidence(
    scope: Microscope,
    entry: Entry,
    saes: Sequence[SAE],
    suite: Suite,
    n: int,
    seed: int,
    seen: dict[str, list[str]],
    items: Items,
) -> Entry:
    """Return an entry about a feature with its tests, on the clean prompts of all behaviours of the suite.

    "firing": the AUC of the claim, a label of each token, against the latent's activation there; p from labels that are
    shuffled within the prompts. "ablation": by how much the loss of the tokens of a prompt rises without the latent,
    the error of its autoencoder held, beside that of other latents that fire on these prompts.
    """
    name = entry.components[0]
    if len(entry.components) > 1:
        return entry.tested("untested", "An entry about features that can be tested has one: write one for each.")
    layer, _, number = name.partition(".")
    fitting = [sae for sae in saes if sae.layer == int(layer) and sae.site == (number.rpartition(".")[0] or "residual")]
    if not fitting:
        return entry.tested("untested", f"The autoencoder of {name} was not given: verify(scope, saes=sae).")
    sae, latent = fitting[0], int(number.rpartition(".")[2])
    if latent >= sae.d_sae:
        return entry.tested("rejected", f"There is no latent {latent}: {sae!r} has {sae.d_sae}.")
    said = items.get(
        f"feature {entry.digest}",
        lambda: _tests(scope, entry, sae, latent, prompts_of(scope, suite, n, seed, seen), seed),
    )
    return entry.tested(said["status"], said["reason"], [Evidence(**one) for one in said["evidence"]])


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


def _tests(scope: Microscope, entry: Entry, sae: SAE, latent: int, rows: list[list[int]], seed: int) -> dict[str, Any]:
    active = [activations(scope, sae, row) for row in rows]
    values = [one[:, latent] for one in active]
    labels = [claimed(scope, entry, row) for row in rows]
    positive = int(sum(one.sum() for one in labels))
    total = sum(map(len, rows))
    if not FEWEST <= positive <= total - FEWEST:
        reason = (
            f"{positive} of {total:,} held-out tokens are as the claim says, and {FEWEST} of either kind are needed."
        )
        return {"status": "untested", "reason": reason, "evidence": []}
    firing = _firing(values, labels, seed)
    ablation = _ablation(scope, sae, latent, rows, active, seed)
    return {"status": "untested", "reason": "", "evidence": [vars(firing), *(vars(one) for one in ablation)]}


def activations(scope: Microscope, sae: SAE, row: list[int]) -> Array:
    """Return the activations of all latents on a prompt, `[token, latent]`; 0 on the first, which is like no other."""
    point = sae.site, sae.layer
    x = scope.read_activations([row], [point])[point].flatten(2)[0].float()  # type: ignore[index, list-item]
    codes = sae.encode(x.to(sae.W_enc)).to_dense().detach().float().cpu().numpy()
    found: Array = np.array(codes)
    found[0] = 0.0
    return found


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


def _ablation(
    scope: Microscope, sae: SAE, latent: int, rows: list[list[int]], active: list[Array], seed: int
) -> list[Evidence]:
    """Return by how much the loss rises without a latent; nothing where it fires on none of the prompts."""
    where = [at for at, one in enumerate(active) if one[:, latent].any()]
    where = sorted(np.random.default_rng(seed).permutation(where)[:_WITHOUT].tolist())
    fires = np.array([one.any(0) for one in active])
    others = np.flatnonzero(fires.sum(0) >= 2)
    others = np.random.default_rng(seed).permutation(others[others != latent])[:_OTHERS]
    lost = np.array([lost_without(scope, sae, latent, rows[at]) for at in where])
    if len(lost) < 2:
        return []
    null = [
        float(
            np.mean([lost_without(scope, sae, int(other), rows[at]) for at in np.flatnonzero(fires[:, other])[:_EACH]])
        )
        for other in others
    ]
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


@torch.no_grad()
def lost_without(scope: Microscope, sae: SAE, latent: int, row: list[int]) -> float:
    """Return by how much the mean loss of a prompt's tokens rises without a latent, in nats."""
    device = input_device(scope.model)
    ids = torch.tensor([row], device=device)
    positions = torch.arange(len(row), device=device)[None]
    off = [ScaleFeature(sae, latent, 0.0, positions=(1, len(row)))]
    edits = edits_of(off, torch.zeros(1, 1, device=device), positions, torch.tensor([len(row)], device=device))
    loss = []
    for some in (None, edits):
        log_p = scope.logits(ids, some)[0, :-1].float().log_softmax(-1)
        loss.append(-float(log_p.gather(-1, ids[0, 1:, None]).double().mean()))
    return loss[1] - loss[0]
