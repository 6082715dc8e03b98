"""Entries about features: what the tokens are on which a latent fires most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scope_widgets.report.entries.entry import Entry
from scope_widgets.report.writers.written import Written

if TYPE_CHECKING:
    from scope_widgets.features.feature_index.feature_index import FeatureIndex
    from scope_widgets.features.sae.sae import SAE

#: share of a latent's activations that a claim covers at least, with so many words at most
_COVERED, _WORDS = 0.9, 12
#: shares of tokens between which a latent is written down: rarer ones cannot be tested, commoner ones mean little
_RARE, _COMMON = 0.001, 0.2


def write_features(sae: SAE, index: FeatureIndex, *, behaviour: str = "next_token", most: int = 20) -> Written:
    """Return entries about latents whose activations are mostly on a few tokens, those of the largest share first.

    Parameters
    ----------
    sae : SAE
        That says its layer.
    index : FeatureIndex
        What its latents fire on.
    behaviour : str, default "next_token"
        What the entries are for.
    most : int, default 20
        Number of entries.

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
    table = index.table
    site = "" if sae.site == "residual" else f"{sae.site}."
    found: list[tuple[float, Entry]] = []
    some = table[(table["rate"] >= _RARE) & (table["rate"] <= _COMMON)]
    for latent, rate in zip(some["feature"].tolist(), some["rate"].tolist(), strict=True):
        tokens = index.tokens(int(latent)).sort_values("share", ascending=False, kind="stable")
        covered = np.cumsum(tokens["share"].to_numpy())
        n = int(np.searchsorted(covered, _COVERED)) + 1
        words = [str(one) for one in tokens["token"].tolist()[:n]]
        if n > min(_WORDS, len(covered)) or not all(word.strip() for word in words):
            continue
        name = f"{sae.layer}.{site}{int(latent)}"
        note = f"fires on {rate:.2%} of tokens; {covered[n - 1]:.0%} of its activations are on these"
        found.append((float(covered[n - 1]), Entry("feature", (name,), behaviour, {"fires_on": words}, note=note)))
    found.sort(key=lambda one: (-one[0], one[1].components))
    return Written(tuple(entry for _, entry in found[:most]))
