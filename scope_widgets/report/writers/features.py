"""Entries about features: what the tokens are on which a latent fires most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from scope_widgets._seeds import seed_of
from scope_widgets.experiments.statistics.auc import auc
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.tokens import token_texts
from scope_widgets.report.entries.entry import Entry
from scope_widgets.report.suite import SUITE, Suite, digest_of
from scope_widgets.report.verification.features import FEWEST, prompts_of
from scope_widgets.report.verification.latent_runs import LatentRuns
from scope_widgets.report.writers.written import Written

if TYPE_CHECKING:
    from scope_widgets.features.feature_index.feature_index import FeatureIndex
    from scope_widgets.features.sae.sae import SAE

#: share of a latent's activations that a claim covers at least, with so many words at most
_COVERED, _WORDS = 0.9, 12
#: shares of tokens between which a latent is written down: rarer ones cannot be tested, commoner ones mean little
_RARE, _COMMON = 0.001, 0.2
#: share of a latent's activations in the index that the words of a claim cover at least, where a model is at hand
_HALF: Final = 0.5
#: AUC on discovery prompts that a claim needs: other prompts may show less than what is asked of it there
_AUC: Final = 0.9
#: prompts on which a latent fires that are run without it
_WITHOUT: Final = 12


def write_features(
    sae: SAE,
    index: FeatureIndex,
    *,
    scope: Microscope | None = None,
    behaviour: str = "next_token",
    most: int = 20,
    n: int = 32,
    seed: int | None = 0,
    suite: Suite = SUITE,
) -> Written:
    """Return entries about latents that fire on a few tokens, said by the words that the index found them on most.

    A latent whose activations are mostly on "the" may be silent on most of them, and say nothing of a behaviour. So
    with a model each claim is tried on prompts of the suite first: of each latent the first words of the index with
    which the claim tells its tokens best, where it does, and where the model loses without the latent. Without a model
    the index alone decides, and few of these hold on other prompts.

    Parameters
    ----------
    sae : SAE
        That says its layer.
    index : FeatureIndex
        What its latents fire on.
    scope : Microscope, optional
        Its model.
    behaviour : str, default "next_token"
        What the entries are for.
    most : int, default 20
        Number of entries, those that are told best first.
    n : int, default 32
        Number of discovery prompts of each behaviour of the suite; no test uses them again.
    seed : int or None, default 0
        Of these prompts.
    suite : Suite, default report.SUITE

    Returns
    -------
    Written

    Raises
    ------
    ValueError
        Where the autoencoder does not say its layer.

    Examples
    --------
    >>> from scope_widgets import features, report
    >>> index = features.FeatureIndex.load("demo")
    >>> written = report.write_features(features.load("demo"), index, most=2)
    >>> [entry.kind for entry in written.entries]
    ['feature', 'feature']
    """
    if sae.layer is None:
        raise ValueError(f"{sae!r} does not say of which layer it is: give it one, features.load(path, layer=).")
    words = _words(index)
    if scope is None:
        found = []
        for latent, (texts, shares) in words.items():
            covered = np.cumsum(shares)
            size = int(np.searchsorted(covered, _COVERED)) + 1
            if size <= min(_WORDS, len(covered)):
                found.append((float(covered[size - 1]), latent, texts[:size], ""))
        return Written(_entries(sae, index, found, behaviour, most))
    rows = prompts_of(scope, suite, n, seed_of(seed), {})
    runs = LatentRuns(scope, sae, rows)
    told = _told(runs, words)[: 2 * most]
    kept = []
    for score, latent, texts, where in told:
        lost = [runs.lost_without(latent, at) for at in where[:_WITHOUT]]
        if np.mean(lost) > 0 and len(lost) > 1:
            kept.append((score, latent, texts, f"; AUC {score:.2f} on {len(rows)} discovery prompts"))
    return Written(_entries(sae, index, kept, behaviour, most), tuple(dict.fromkeys(map(digest_of, rows))))


def _words(index: FeatureIndex) -> dict[int, tuple[list[str], list[float]]]:
    """Return of each latent that is neither rare nor common its tokens as text, the largest share first, and shares."""
    table = index.table
    some = table[(table["rate"] >= _RARE) & (table["rate"] <= _COMMON)]
    found = {}
    for latent in some["feature"].tolist():
        tokens = index.tokens(int(latent)).sort_values("share", ascending=False, kind="stable")
        texts = [str(one) for one in tokens["token"].tolist()[: _WORDS + 1]]
        if all(text.strip() for text in texts):
            found[int(latent)] = texts, [float(one) for one in tokens["share"].tolist()]
    return found


def _told(
    runs: LatentRuns, words: dict[int, tuple[list[str], list[float]]]
) -> list[tuple[float, int, list[str], list[int]]]:
    """Return latents whose words tell their tokens on prompts: AUC, latent, words, and on which prompts it fires."""
    active = np.concatenate(runs.active)
    texts = [text.strip() for row in runs.rows for text in token_texts(runs.scope.tokenizer, row)]
    first = np.cumsum([0, *map(len, runs.rows)])[:-1]
    at: dict[str, list[int]] = {}
    for token, text in enumerate(texts):
        at.setdefault(text, []).append(token)
    found = []
    for latent, (candidates, shares) in words.items():
        values = active[:, latent]
        labels = np.zeros((min(_WORDS, len(candidates)), len(values)), dtype=bool)  # of the first words, one more each
        for size, word in enumerate(candidates[:_WORDS]):
            labels[size:, at.get(word.strip(), [])] = True
        labels[:, first] = False
        n = labels.sum(1)
        tried = (np.cumsum(shares)[: len(labels)] >= _HALF) & (n >= FEWEST) & (n <= len(values) - FEWEST)
        if not tried.any() or not values.any():
            continue
        areas = np.where(tried, np.nan_to_num(auc(values, labels)).round(6), 0.0)
        best = int(areas.argmax())
        if areas[best] >= _AUC:
            where = np.flatnonzero(runs.fires[:, latent]).tolist()
            found.append((float(areas[best]), latent, candidates[: best + 1], where))
    return sorted(found, key=lambda one: (-one[0], one[1]))


def _entries(
    sae: SAE, index: FeatureIndex, found: list[tuple[float, int, list[str], str]], behaviour: str, most: int
) -> tuple[Entry, ...]:
    site = "" if sae.site == "residual" else f"{sae.site}."
    rates = index.table.set_index("feature")["rate"]
    entries = []
    for _, latent, words, more in sorted(found, key=lambda one: (-one[0], one[1]))[:most]:
        tokens = index.tokens(latent)
        covered = float(tokens[tokens["token"].isin(words)]["share"].sum())
        note = f"fires on {rates[latent]:.2%} of tokens; {covered:.0%} of its activations are on these{more}"
        entries.append(Entry("feature", (f"{sae.layer}.{site}{latent}",), behaviour, {"fires_on": words}, note=note))
    return tuple(entries)
