"""`label`: what each latent fires on, in words that are scored on passages they were not made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scope_widgets._check_choice import is_whole
from scope_widgets._files import write_text
from scope_widgets._progress import tqdm
from scope_widgets._provenance import Provenance
from scope_widgets._seeds import seed_of
from scope_widgets.features.feature_index.feature_index import FeatureIndex
from scope_widgets.features.indexing.files import LABELS
from scope_widgets.features.labelling.held_out import Labelling, Predict, decided, q_of
from scope_widgets.features.labelling.labels import FeatureLabels
from scope_widgets.features.labelling.user_labels import own_labels

#: columns that are taken as they are, and what they hold
_COLUMNS = dict.fromkeys(
    ("detection", "fuzzing", "null_detection", "null_fuzzing", "low", "high", "p"), np.float64
) | dict.fromkeys(("n", "firing"), np.int64)


def label(
    index: FeatureIndex,
    *,
    latents: Sequence[int] | None = None,
    labels: Mapping[int, str] | str | Path | None = None,
    predict: Predict | None = None,
    contexts: int | None = None,
    null_draws: int = 20,
    least: int = 5,
    seed: int = 0,
    progress: bool = True,
) -> FeatureLabels:
    """Say in words what latents fire on, and score the words where they were not made.

    Rules of tokens are fitted on half of the samples: the token itself, the one or two before it, the one behind it,
    what it looks like (digits, a capitalised word, ...), and whether it stands in the passage before; several are
    joined by "or". They are scored on the other half, on examples of the latent and on random contexts that the
    index holds: where in them it fires is known, and where it does not. No token counts twice: contexts that overlap an
    example are left out. Labels of other latents, scored there too, are the null. A label is kept where the latent
    fires in `least` passages of that half, the interval of its fuzzing lies above the null and above .5, and its
    detection does, and where q is below .05: p is of as many firings where the label says, if what fires in a passage
    might as well fire further on in it, and q that over latents (Benjamini and Hochberg). A latent that fires on all
    tokens of its passages or none has no label. Of 3,198 latents that fired at random none got one, and p was below .05
    for 4 %.
    Better than chance is not yet good: how good says the score.

    Examples are the strongest and some of each quarter of the activations, so that a score says how well a latent is
    told from random text, not from the same token elsewhere: how often it fires on a token at all stands in the
    evidence. `fuzzing` is of these, and not the balanced accuracy over all tokens of the recording, half of which the
    rules were made from; of the demo's labels it is .01 below that on average.

    Labels are written beside the index, for `FeatureIndex.search(label=)`, in place of those that are there.

    Parameters
    ----------
    index : FeatureIndex
    latents : sequence of int, optional
        By default all that fire, or all of `labels`.
    labels : dict of int to str, or path, optional
        Labels of one's own, to be scored in place of rules: a dict, a `.json` file of one, or CSV with the columns
        latent and label. Those in the words of rules are understood; others need `predict`.
    predict : function, optional
        `predict(label, passages)` says of each token of each passage (a list of texts) whether a latent of this label
        fires on it: a person, or a language model. By default labels are read as rules.
    contexts : int, optional
        Random contexts to use, of both halves together; by default all, about a thousand. Fewer for a slow `predict`.
    null_draws : int, default 20
        Labels of others that are scored on the passages of each latent.
    least : int, default 5
        Passages of the other half in which a latent fires, at least, for it to be labelled.
    seed : int, default 0
        Of the halves, and of what is drawn.
    progress : bool, default True
        Show a bar of latents.

    Returns
    -------
    FeatureLabels

    Raises
    ------
    FileNotFoundError, ValueError
        For labels or latents that are none, and a `predict` that returns something else.

    References
    ----------
    Bills et al. 2023; Paulo et al. 2024 (detection and fuzzing); Newcombe 1998 (interval);
    Benjamini and Hochberg 1995.

    Examples
    --------
    >>> rec = features.record(scope, ["Mary gave John a book", "the dog runs"] * 20, layers=2, folder=folder / "rec")
    >>> sae = features.train(rec, layer=2, d_sae=64, k=4, steps=20, batch=64)
    >>> index = features.index(scope, sae, rec, folder=folder / "index")
    >>> labels = features.label(index)
    >>> list(labels.to_dataframe())[:4]
    ['feature', 'label', 'detection', 'fuzzing']
    >>> own = features.label(index, labels={3: "'book'"}, predict=lambda label, passages: [
    ...     [token in label for token in passage] for passage in passages])
    >>> own.feature.tolist()
    [3]
    """
    seed = seed_of(seed)
    if null_draws < 0 or (contexts is not None and contexts < 1):
        raise ValueError(f"null_draws= is a number from 0 and contexts= one from 1; got {null_draws!r}, {contexts!r}.")
    if not is_whole(least) or least < 1:
        raise ValueError(f"least= is a number of passages from 1; got {least!r}.")
    own = None if labels is None else own_labels(labels, len(index))
    chosen = _chosen(index, latents, own)
    work = Labelling(index, own, predict, contexts, null_draws, seed, least)
    known = [work.found(j) for j in tqdm(chosen, unit=" latents", disable=not progress, leave=False)]
    q = q_of(known)
    said = [decided(one, value) for one, value in zip(known, q.tolist(), strict=True)]
    columns: dict[str, Any] = {
        name: np.array([getattr(one, name) for one in known], dtype=dtype) for name, dtype in _COLUMNS.items()
    }
    note = (
        f"{'rules of tokens' if own is None else 'labels that were given'}, scored on the half of the samples that "
        f"nothing was fitted on, beside labels of up to {null_draws} other latents; {least} passages in which a latent "
        f"fires at least, q below .05 over {int(np.isfinite(q).sum()):,} latents"
    )
    found = FeatureLabels(
        feature=np.array(chosen, dtype=np.int64),
        label=tuple(label for label, _ in said),
        q=q,
        evidence=tuple(evidence for _, evidence in said),
        **columns,
        provenance=Provenance(index.manifest.model, index.manifest.revision, seed=seed, note=note),
    )
    if index.folder is not None:
        write_text(index.folder / LABELS, found.to_json())
        for name in ("labels", "table"):  # which are read anew
            vars(index).pop(name, None)
    return found


def _chosen(index: FeatureIndex, latents: Sequence[int] | None, own: dict[int, str] | None) -> list[int]:
    alive = np.flatnonzero(index.arrays["count"]).tolist()
    if latents is None:
        return list(own) if own is not None else alive
    chosen = sorted({int(one) for one in latents})
    known = range(len(index)) if own is None else own
    if missing := [one for one in chosen if one not in known]:
        raise ValueError(
            f"latents= names {missing[0]}, which {'the index has not' if own is None else 'has no label'}."
        )
    return chosen
