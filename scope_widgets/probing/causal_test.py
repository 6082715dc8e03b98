"""`causal_test`: whether the model uses what a probe reads, by steering along it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from scope_widgets._check_choice import checked_count, checked_number
from scope_widgets._provenance import Provenance
from scope_widgets._seeds import seed_of
from scope_widgets._types import Array, Tokens
from scope_widgets.experiments.answer_tokens import answer_ids, check_distinct
from scope_widgets.experiments.check_logits import check_logits
from scope_widgets.experiments.probes.pooled_residuals import pooled_residuals
from scope_widgets.experiments.statistics.bootstrap import bootstrap_interval
from scope_widgets.experiments.statistics.rounding import logit_floor, settled
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.models.tokens import token_texts
from scope_widgets.probing.causal_result import CausalTest
from scope_widgets.probing.probes import Along, Probes
from scope_widgets.probing.read_texts import rows_of

#: prompts without which nothing is told
_LEAST = 4
#: vectors of one forward, each added and taken away
_AT_ONCE = 16


def causal_test(
    scope: Microscope,
    probes: Probes,
    prompts: Sequence[str] | Sequence[list[int]],
    *,
    answer: Tokens,
    versus: Tokens,
    layer: int | None = None,
    along: Along = "covariance",
    strength: float = 1.0,
    draws: int = 40,
    seed: int | None = 0,
) -> CausalTest:
    """Steer along a probe's direction, and measure whether what the model itself says moves with it.

    To the residual stream, where the probe reads it, the direction is added and taken away, and the effect is how much
    the logit difference of `answer` over `versus` at the end of the prompt differs between the two. Beside it stand
    directions of the same norm: at random, and random mixtures of what the prompts differ by at this layer otherwise
    (with the direction, and the difference of the classes' means, taken out), which are as natural there as the
    probe's. Both must have less effect. `probes.with_test(test)` keeps it with the probes,
    whose text says "encodes" of the layer where it passed.

    Parameters
    ----------
    scope : Microscope
        The model that the probes are of.
    probes : Probes
    prompts : sequence of str or of token ids
        At whose end the model says of which class they are; others than the probes were fitted on, for an honest test.
    answer, versus : str or int, or a sequence of these
        What it says of the second class, and of the first, one for all prompts or one a prompt.
    layer : int, optional
        By default the one with the highest AUC.
    along : "covariance" or "weights", default "covariance"
        See `Probes.direction`.
    strength : float, default 1.0
        How far to each side, in distances between the means of the classes along the direction.
    draws : int, default 40
        Random directions of each of the two kinds.
    seed : int or None, default 0
        Of the random directions.

    Returns
    -------
    CausalTest

    Raises
    ------
    ValueError
        For probes of another model, fewer than four prompts, answers that are the same, or a direction that is none.

    References
    ----------
    Belinkov 2022 (what probes do not say, arXiv 2102.12452); Elazar et al. 2021 (arXiv 2006.00995).

    Examples
    --------
    >>> nouns = ["dog", "cat", "horse", "bird", "man", "boy", "girl", "child"]
    >>> texts = [f"{noun} {verb}" for noun in nouns for verb in ("runs", "sleeps", "likes", "saw")]
    >>> probes = probing.fit(scope, texts, ["runs" in text for text in texts], layers=[3], permutations=20)
    >>> test = probing.causal_test(scope, probes, texts[:4], answer=" to", versus=" the", draws=20)
    >>> test.layer, len(test.random)
    (3, 20)
    """
    seed, draws, strength = seed_of(seed), checked_count("draws", draws), checked_number("strength", strength)
    at = int(probes.auc.argmax()) if layer is None else probes._at(layer)
    layer = int(probes.layer[at])
    direction = probes.direction(layer, along=along)
    direction.check(scope)
    positions = probes.positions if probes.positions in ("last", "mean") else int(probes.positions)
    rows, read = rows_of(scope, prompts, False, positions)
    if len(rows) < _LEAST:
        raise ValueError(f"prompts= are {_LEAST} at least, or their interval says nothing; got {len(rows)}.")
    answers = answer_ids(scope.tokenizer, answer, len(rows))
    others = answer_ids(scope.tokenizer, versus, len(rows), "versus")
    check_distinct(scope.tokenizer, answers, others)

    rng = np.random.default_rng(seed)
    values, _, _ = pooled_residuals(scope, rows, read, [layer], False)
    centred = values[0].astype(np.float64) - values[0].mean(0)
    random = rng.normal(size=(draws, scope.d_model))
    own = np.stack([direction.vector, probes.difference[at]]).astype(np.float64)
    axes = np.linalg.qr(own.T)[0]
    data = rng.normal(size=(draws, len(rows))) @ (centred - centred @ axes @ axes.T)
    vectors = np.concatenate([direction.vector[None].astype(np.float64), random, data])
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (norms[1 + draws :] > 1e-5 * direction.scale).all():
        raise ValueError(f"These prompts are all the same at layer {layer}, or differ in the label alone: give others.")
    vectors *= strength * direction.length * direction.scale / norms
    effects = _effects(scope, rows, read, layer, torch.from_numpy(vectors).float(), answers.tolist(), others.tolist())
    means = np.abs(effects.mean(0))
    low, high = bootstrap_interval(effects[:, 0], seed)

    def p_of(null: Array) -> float:
        return float((1 + (null >= means[0]).sum()) / (1 + len(null)))

    return CausalTest(
        layer=layer,
        classes=probes.classes,
        answer=_said(scope, answers),
        versus=_said(scope, others),
        strength=strength,
        effects=effects[:, 0],
        effect=float(effects[:, 0].mean()),
        low=low,
        high=high,
        random=effects[:, 1 : 1 + draws].mean(0),
        data=effects[:, 1 + draws :].mean(0),
        p_random=p_of(means[1 : 1 + draws]),
        p_data=p_of(means[1 + draws :]),
        q=float(probes.q[at]),
        provenance=Provenance(
            scope.model_id,
            scope.revision,
            tuple(map(str, prompts)),
            seed=seed,
            note=f"{along} of a {probes.method} probe, {strength:g} times the distance of the classes to each side",
        ),
    )


@remotable
def _effects(
    scope: Microscope,
    rows: list[list[int]],
    read: list[list[int]],
    layer: int,
    vectors: Tensor,
    answers: list[int],
    versus: list[int],
) -> Array:
    """Return what vectors `[vector, d_model]` do to logit differences, added less taken away, [row, vector]."""
    found = []
    for row, positions, answer, other in zip(rows, read, answers, versus, strict=True):
        effects, floor = [], 0.0
        for some in torch.split(vectors, _AT_ONCE):
            added = torch.cat([some, -some])

            def steer(value: Tensor, positions: list[int] = positions, added: Tensor = added) -> Tensor:
                value = value.clone()
                value[:, positions] += added[:, None].to(value)
                return value

            logits = scope.logits(torch.tensor([row]).expand(len(added), -1), {("residual", layer): steer})[:, -1]
            check_logits(logits, "of the steered model")
            floor = max(floor, logit_floor(scope, logits))
            difference = (logits[:, answer] - logits[:, other]).double().cpu()
            effects.append(difference[: len(some)] - difference[len(some) :])
        # what is nothing but rounding is no effect
        found.append(settled(torch.cat(effects).numpy(), floor))
    return np.stack(found)


def _said(scope: Microscope, ids: Tensor) -> str:
    kinds = list(dict.fromkeys(ids.tolist()))
    return token_texts(scope.tokenizer, kinds)[0] if len(kinds) == 1 else "several"
