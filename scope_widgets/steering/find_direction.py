"""`direction`: a direction of the residual stream from contrasting prompts, two tokens, a head, or a vector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from scope_widgets._aliases import former_options
from scope_widgets._check_choice import check_choice
from scope_widgets._provenance import Provenance
from scope_widgets._types import Array, Head, Prompts, Token, Tokens
from scope_widgets.experiments.answer_tokens import answer_ids, check_distinct
from scope_widgets.experiments.check_logits import OVERFLOW
from scope_widgets.experiments.direction import Direction
from scope_widgets.experiments.statistics.rounding import noise_floor
from scope_widgets.models.architecture.unembedding import Unembedding, head_writes
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.models.tokens import listed, token_texts

#: the difference of means; or the first principal axis of the differences within pairs
ContrastMethod: TypeAlias = Literal["mean", "pca"]
#: the last token, or the mean over all tokens but the first
ContrastPositions: TypeAlias = Literal["last", "mean"]

_WHERE = {"last": "at the last token", "mean": "mean over all tokens but the first"}
#: prompts on which the typical norm of the residual stream is measured where no others are given
_PLAIN = (
    "The house stood at the end of the road, near the old school.",
    "When they went to the store, she gave him a book and a cup of coffee.",
    "In the morning the children took the train to the city.",
)


@dataclass
class _Found:
    """A direction as it was found.

    Attributes
    ----------
    vector : ndarray of float64 [d_model]
        Of any length.
    name, note : str
        What to call it, and how it was found.
    recipe : dict
        Arguments of `direction` that find it again.
    prompts : list of prompts
        Those on which the typical norm of the residual stream is measured.
    streams : list of Tensor [position, d_model]
        The residual streams of the prompts, where they are known already.
    """

    vector: Array
    name: str
    note: str
    prompts: list[Any]
    recipe: dict[str, Any] = field(default_factory=dict)
    streams: list[Tensor] = field(default_factory=list)


@former_options(position="positions")
@remotable
def direction(
    scope: Microscope,
    *,
    layer: int,
    positive: Prompts | None = None,
    negative: Prompts | None = None,
    method: ContrastMethod = "mean",
    positions: ContrastPositions = "last",
    answer: Tokens | None = None,
    versus: Tokens | None = None,
    head: Head | None = None,
    vector: Array | Tensor | Sequence[float] | None = None,
    name: str | None = None,
) -> Direction:
    """Find a direction in the residual stream that enters a layer.

    One of four ways, by what is given: `positive` and `negative` prompts; `answer` and `versus` tokens; a `head` and
    the prompts (`positive`) that it writes on; a `vector`.

    Parameters
    ----------
    scope : Microscope
    layer : int
        The block that the residual stream enters, 0 to `n_layers` (what enters the final norm).
    positive, negative : list of prompts
        The direction goes from the negative to the positive ones. With a vector or tokens, `positive` are the prompts
        on which the typical norm of the stream is measured, by default a few plain sentences.
    method : "mean" or "pca", default "mean"
        Of prompts: the difference of means (Rimsky et al. 2023, arXiv 2312.06681); or the first principal axis, through
        the origin, of the differences within pairs, pointing where their mean points (Zou et al. 2023, arXiv
        2310.01405).
    positions : "last" or "mean", default "last"
        The residual stream of a prompt is that at its last token, or the mean over all tokens but the first.
    answer, versus : str or int
        Tokens: the direction is what moves the logit of one over that of the other when it is unembedded without any
        further block, the final norm's gain included, its scale left out.
    head : (layer, head)
        The direction is the mean of what this head writes on the prompts.
    vector : array [d_model]
        Any vector of the residual stream.
    name : str, optional
        What to call it in sliders and tables; by default it is made of what was given.

    Returns
    -------
    Direction
        Of length 1, with the length that it was found with and the typical norm of the residual stream.

    Raises
    ------
    TypeError, ValueError
        For a layer out of range, prompts that make no difference (a zero direction), a vector of another width, tokens
        that are not single, or a mixture of ways.

    Examples
    --------
    >>> plural = steering.direction(
    ...     scope, positive=["the dogs", "the cats"], negative=["the dog", "the cat"], layer=3, name="plural"
    ... )
    >>> names = steering.direction(scope, answer=" Mary", versus=" John", layer=scope.n_layers)
    >>> plural.layer, names.name
    (3, 'Mary over John')
    >>> abs(plural.cosine(names)) < 0.5
    True
    """
    if not hasattr(layer, "__index__") or not 0 <= layer <= scope.n_layers:
        raise ValueError(
            f"layer= is a number from 0 to {scope.n_layers}, the block that the stream enters; got {layer!r}."
        )
    layer = int(layer)
    check_choice("positions", positions, ContrastPositions)
    _check_one_way({"vector=": vector, "answer=": answer, "head=": head, "positive= and negative=": negative})
    if vector is not None:
        found = _from_vector(scope, vector, positive)
    elif answer is not None:
        found = _from_tokens(scope, answer, versus, positive)
    elif head is not None:
        found = _from_head(scope, head, positive, positions)
    else:
        found = _from_contrast(scope, layer, positive, negative, method, positions)
    norm = float(np.linalg.norm(found.vector))
    scale = _typical_norm(found.streams or [_stream(scope, prompt, layer) for prompt in found.prompts])
    if not math.isfinite(norm * scale):
        raise ValueError(f"The residual stream at layer {layer} is NaN or infinite on these prompts. {OVERFLOW}")
    # errors of several prompts have no common sign
    if not norm > noise_floor(scope.model.dtype, scale, 2 * layer + 1) / np.sqrt(len(found.prompts)):
        raise ValueError(
            f"This is a zero direction ({found.note}): what should differ is the same at layer {layer}. Give prompts "
            f"whose {'last tokens' if positions == 'last' else 'tokens'} the model represents differently."
        )
    if not scale > 0:
        shown = ", ".join(map(repr, found.prompts))[:200]
        raise ValueError(
            f"The residual stream at layer {layer} is zero on {shown}, so that nothing can be measured in units of it. "
            "Give other prompts as positive=."
        )
    return Direction(
        name=found.name if name is None else name,
        layer=layer,
        vector=(found.vector / norm).astype(np.float32),
        scale=scale,
        length=norm / scale,
        recipe=found.recipe if all(isinstance(prompt, str) for prompt in found.prompts) else {},
        provenance=Provenance(
            model=scope.model_id,
            revision=scope.revision,
            prompts=tuple(map(str, found.prompts)),
            note=f"{found.note}; scale: median norm of the stream on these prompts, first tokens left out",
        ),
    )


def _check_one_way(ways: dict[str, object]) -> None:
    given = [way for way, value in ways.items() if value is not None]
    if len(given) != 1:
        raise ValueError(
            "A direction comes from one of: positive= and negative= prompts; answer= and versus= tokens; a head= and "
            f"positive= prompts; a vector=. Given were {' and '.join(given) or 'none of them'}."
        )


def _from_vector(scope: Microscope, vector: Any, positive: Prompts | None) -> _Found:
    try:
        values = np.asarray(vector.detach().double().cpu() if isinstance(vector, Tensor) else vector, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"vector= is an array of {scope.d_model} numbers; got {vector!r}.") from None
    if values.shape != (scope.d_model,):
        raise ValueError(
            f"vector= has shape {list(values.shape)} and the residual stream of {scope.model_id} {scope.d_model} "
            "numbers: it is of another model, or of another site."
        )
    if not np.isfinite(values).all():
        raise ValueError("vector= has entries that are not finite.")
    return _Found(values, "vector", "a vector that was given", _plain_or(positive))


def _from_tokens(scope: Microscope, answer: Tokens, versus: Tokens | None, positive: Prompts | None) -> _Found:
    if versus is None:
        raise ValueError("answer= needs versus= beside it, such as answer=' good', versus=' bad'.")
    ids, others = answer_ids(scope.tokenizer, answer, 1), answer_ids(scope.tokenizer, versus, 1, "versus")
    check_distinct(scope.tokenizer, ids, others)
    unembedding = Unembedding(scope.model, scope.anatomy)
    rows, _ = unembedding.directions(torch.cat([ids, others]))
    # any vector shows the gain
    frozen = unembedding.frozen(torch.linspace(-1, 1, scope.d_model, dtype=scope.model.dtype))
    gain = frozen.gain / frozen.gain.abs().mean()
    difference = gain * (rows[0] - rows[1])
    if frozen.centres:
        difference = difference - difference.mean()
    one, other = token_texts(scope.tokenizer, [int(ids[0]), int(others[0])])
    prompts = _plain_or(positive)
    return _Found(
        vector=difference.numpy(),
        name=f"{one.strip()} over {other.strip()}",
        note=f"unembedding of {one!r} less that of {other!r}",
        prompts=prompts,
        recipe={"answer": _token(scope, answer), "versus": _token(scope, versus)}
        | ({} if positive is None else {"positive": prompts}),
    )


def _from_head(scope: Microscope, head: Head, positive: Prompts | None, positions: ContrastPositions) -> _Found:
    if positive is None:
        raise ValueError("head= needs positive=, the prompts on which the head writes.")
    prompts = _listed(positive, "positive")
    whole = not isinstance(head, str) and hasattr(head, "__len__") and len(head) == 2
    whole = whole and all(hasattr(number, "__index__") for number in head)
    if not whole or not (0 <= head[0] < scope.n_layers and 0 <= head[1] < scope.n_heads):
        raise ValueError(
            f"head= is (layer, head) of a model of {scope.n_layers} layers with {scope.n_heads} heads; got {head!r}."
        )
    written = []
    for prompt in prompts:
        z = scope.trace(prompt, capture=("z",), logits=None).z(head[0])
        written.append(_at(head_writes(scope, z, head[0])[0][:, head[1]], positions))
    return _Found(
        vector=torch.stack(written).mean(0).numpy(),
        name=f"head {head[0]}.{head[1]}",
        note=f"mean output of head {head[0]}.{head[1]}, {_WHERE[positions]}",
        prompts=prompts,
        recipe={"head": (int(head[0]), int(head[1])), "positive": prompts, "positions": positions},
    )


def _from_contrast(
    scope: Microscope,
    layer: int,
    positive: Prompts | None,
    negative: Prompts | None,
    method: ContrastMethod,
    positions: ContrastPositions,
) -> _Found:
    sides = _listed(positive, "positive"), _listed(negative, "negative")
    check_choice("method", method, ContrastMethod)
    prompts = [*sides[0], *sides[1]]
    streams = [_stream(scope, prompt, layer) for prompt in prompts]
    states = np.stack([_at(stream, positions).numpy() for stream in streams])
    found, note = _contrast(states[: len(sides[0])], states[len(sides[0]) :], method)
    return _Found(
        vector=found,
        name="contrast",
        note=f"{note}, {_WHERE[positions]}",
        prompts=prompts,
        recipe={"positive": sides[0], "negative": sides[1], "method": method, "positions": positions},
        streams=streams,
    )


def _contrast(positive: Array, negative: Array, method: ContrastMethod) -> tuple[Array, str]:
    """Return the direction from the states `[prompt, d_model]` of negative prompts to those of positive ones."""
    mean: Array = positive.mean(0) - negative.mean(0)
    counts = f"{len(positive)} positive and {len(negative)} negative prompts"
    if method == "mean":
        return mean, f"difference of means of {counts}"
    if len(positive) != len(negative):
        raise ValueError(
            f"method='pca' takes pairs: as many positive as negative prompts; got {len(positive)} and {len(negative)}."
        )
    differences = positive - negative
    _, sizes, axes = np.linalg.svd(differences, full_matrices=False)
    axis = axes[0] * np.sign(differences.mean(0) @ axes[0] or 1.0)
    share = sizes[0] ** 2 / max(float((sizes**2).sum()), 1e-300)
    length = float(np.abs(differences @ axis).mean())
    return length * axis, f"first principal axis of the differences ({share:.0%} of their square) of {counts}"


def _at(values: Tensor, positions: ContrastPositions) -> Tensor:
    return values[-1] if positions == "last" else values[1 if len(values) > 1 else 0 :].mean(0)


def _stream(scope: Microscope, prompt: Any, layer: int) -> Tensor:
    trace = scope.trace(prompt, capture=("residual",), logits=None)
    if trace.residual(layer).ndim != 2:
        raise ValueError(f"Each prompt is one text or one list of token ids; got {prompt!r}.")
    return trace.residual(layer).double().cpu()


def _typical_norm(streams: Sequence[Tensor]) -> float:
    """Return the median norm of the streams, first tokens left out: they are often many times longer than others."""
    norms = [stream.norm(dim=-1) for stream in streams]
    return float(torch.cat([one[1:] if len(one) > 1 else one for one in norms]).median())


def _plain_or(positive: Prompts | None) -> list[Any]:
    return list(_PLAIN) if positive is None else _listed(positive, "positive")


def _listed(prompts: Any, what: str) -> list[Any]:
    found, several = ([], False) if prompts is None else listed(prompts)
    if not several:
        raise ValueError(f"{what}= is a list of prompts, at least one; got {prompts!r}.")
    # a recipe is written out as Python, which knows no texts of NumPy
    return [str(prompt) if isinstance(prompt, str) else prompt for prompt in found]


def _token(scope: Microscope, token: Tokens) -> Token:
    return str(token) if isinstance(token, str) else int(answer_ids(scope.tokenizer, token, 1)[0])
