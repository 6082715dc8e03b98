"""Finding directions: from contrasting prompts, from the unembedding, from a head, or from a vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets._provenance import Provenance
from scope_widgets.experiments.answer_tokens import answer_ids, check_distinct
from scope_widgets.experiments.direction import Array, Direction
from scope_widgets.experiments.rounding import noise_floor
from scope_widgets.models.architecture.unembedding import Unembedding, head_writes
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.models.tokens import token_texts

METHODS = ("mean", "pca")
POSITIONS = ("last", "mean")
#: prompts that say how long the residual stream typically is, where a direction comes without any
_PLAIN = (
    "The house stood at the end of the road, near the old school.",
    "When they went to the store, she gave him a book and a cup of coffee.",
    "In the morning the children took the train to the city.",
)


@remotable
def direction(
    scope: Microscope,
    *,
    layer: int,
    positive: Sequence[Any] | None = None,
    negative: Sequence[Any] | None = None,
    method: str = "mean",
    position: str = "last",
    answer: Any = None,
    versus: Any = None,
    head: tuple[int, int] | None = None,
    vector: Any = None,
    name: str | None = None,
) -> Direction:
    """Find a direction in what enters a layer.

    One of four ways, by what is given: `positive` and `negative` prompts; `answer` and `versus` tokens; a `head` and
    the prompts (`positive`) that it writes on; a `vector`.

    Parameters
    ----------
    scope : Microscope
    layer : int
        The block that the residual stream enters, 0 to `n_layers` (what enters the final norm).
    positive, negative : list of prompts
        From the negative to the positive ones. With a vector or tokens, `positive` are the prompts on which the typical
        norm of the stream is measured, instead of a few plain sentences.
    method : "mean" or "pca"
        Of prompts: the difference of means (Rimsky et al. 2023, arXiv 2312.06681); or the first principal axis, through
        the origin, of the differences within pairs, pointing where their mean points (Zou et al. 2023, arXiv
        2310.01405).
    position : "last" or "mean"
        Read at the last token, or on average over all tokens but the first.
    answer, versus : str or int
        Tokens: what moves the logit of one over that of the other when it is read without any further block, the final
        norm's gain included, its scale left out.
    head : (layer, head)
        The mean of what this head writes on the prompts.
    vector : array [d_model]
        Any vector of the residual stream.
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        For a layer out of range, prompts that make no difference (a zero direction), a vector of another width, tokens
        that are not single, or a mixture of ways.
    """
    if not hasattr(layer, "__index__") or not 0 <= layer <= scope.n_layers:
        raise ValueError(
            f"layer= is a number from 0 to {scope.n_layers}, the block that the stream enters; got {layer!r}."
        )
    layer = int(layer)
    if position not in POSITIONS:
        raise ValueError(f"position= is one of {', '.join(POSITIONS)}; got {position!r}.")
    ways = {
        "vector=": vector is not None,
        "answer=": answer is not None,
        "head=": head is not None,
        "positive= and negative=": negative is not None,
    }
    given = [way for way, there in ways.items() if there]
    if len(given) != 1:
        raise ValueError(
            "A direction comes from one of: positive= and negative= prompts; answer= and versus= tokens; a head= and "
            f"positive= prompts; a vector=. Given were {' and '.join(given) or 'none of them'}."
        )
    recipe: dict[str, Any] = {}
    streams: list[Tensor] = []
    prompts: list[Any] = list(_PLAIN) if positive is None else _prompts(positive, "positive")
    if vector is not None:
        found = _given(scope, vector)
        note, named = "a vector that was given", "vector"
    elif answer is not None:
        found, texts = _unembedding(scope, answer, versus)
        recipe = {"answer": _plain(scope, answer), "versus": _plain(scope, versus)}
        recipe |= {} if positive is None else {"positive": prompts}
        note, named = (
            f"unembedding of {texts[0]!r} less that of {texts[1]!r}",
            f"{texts[0].strip()} over {texts[1].strip()}",
        )
    elif head is not None:
        if positive is None:
            raise ValueError("head= needs positive=, the prompts on which the head writes.")
        found = _head(scope, head, prompts, position)
        recipe = {"head": (int(head[0]), int(head[1])), "positive": prompts, "position": position}
        note, named = f"mean output of head {head[0]}.{head[1]}, {_WHERE[position]}", f"head {head[0]}.{head[1]}"
    else:
        sides = _prompts(positive, "positive"), _prompts(negative, "negative")
        prompts = [*sides[0], *sides[1]]
        streams = [_stream(scope, prompt, layer) for prompt in prompts]
        found, note = _contrast(streams, len(sides[0]), method, position)
        recipe = {"positive": sides[0], "negative": sides[1], "method": method, "position": position}
        named = "contrast"
    norm = float(np.linalg.norm(found))
    scale = _typical_norm(streams or [_stream(scope, prompt, layer) for prompt in prompts])
    # errors of several prompts have no common sign
    if not norm > noise_floor(scope.model.dtype, scale, 2 * layer + 1) / np.sqrt(len(prompts)):
        raise ValueError(
            f"This is a zero direction ({note}): what should differ is the same at layer {layer}. Give prompts whose "
            f"{'last tokens' if position == 'last' else 'tokens'} the model sees in another light."
        )
    if not scale > 0:
        shown = ", ".join(map(repr, prompts))[:200]
        raise ValueError(
            f"The residual stream at layer {layer} is zero on {shown}, so that nothing can be measured in units of it. "
            "Give other prompts as positive=."
        )
    plain = all(isinstance(prompt, str) for prompt in prompts)
    return Direction(
        name=named if name is None else name,
        layer=layer,
        vector=(found / norm).astype(np.float32),
        scale=scale,
        length=norm / scale,
        recipe=recipe if plain else {},
        provenance=Provenance(
            model=scope.model_id,
            revision=scope.revision,
            prompts=tuple(map(str, prompts)),
            note=f"{note}; scale: median norm of the stream on these prompts, first tokens left out",
        ),
    )


_WHERE = {"last": "at the last token", "mean": "mean over all tokens but the first"}


def _contrast(streams: list[Tensor], n_positive: int, method: str, position: str) -> tuple[Array, str]:
    """Give the direction from the streams `[position, d_model]` of negative prompts to those of the positive ones."""
    if method not in METHODS:
        raise ValueError(f"method= is one of {', '.join(METHODS)}; got {method!r}.")
    states = np.stack([_at(stream, position).numpy() for stream in streams])
    of_positive, of_negative = states[:n_positive], states[n_positive:]
    mean: Array = of_positive.mean(0) - of_negative.mean(0)
    counts = f"{len(of_positive)} positive and {len(of_negative)} negative prompts, {_WHERE[position]}"
    if method == "mean":
        return mean, f"difference of means of {counts}"
    if len(of_positive) != len(of_negative):
        raise ValueError(
            "method='pca' takes pairs: as many positive as negative prompts; got "
            f"{len(of_positive)} and {len(of_negative)}."
        )
    differences = of_positive - of_negative
    _, sizes, axes = np.linalg.svd(differences, full_matrices=False)
    axis = axes[0] * np.sign(differences.mean(0) @ axes[0] or 1.0)
    share = sizes[0] ** 2 / max(float((sizes**2).sum()), 1e-300)
    length = float(np.abs(differences @ axis).mean())
    return length * axis, f"first principal axis of the differences ({share:.0%} of their square) of {counts}"


def _at(values: Tensor, position: str) -> Tensor:
    return values[-1] if position == "last" else values[1 if len(values) > 1 else 0 :].mean(0)


def _stream(scope: Microscope, prompt: Any, layer: int) -> Tensor:
    trace = scope.trace(prompt, capture=("residual",))
    if trace.residual(layer).ndim != 2:
        raise ValueError(f"Each prompt is one text or one list of token ids; got {prompt!r}.")
    return trace.residual(layer).double().cpu()


def _typical_norm(streams: Sequence[Tensor]) -> float:
    """Give the median norm of the streams, first tokens left out: they are often many times longer than all others."""
    norms = [stream.norm(dim=-1) for stream in streams]
    return float(torch.cat([one[1:] if len(one) > 1 else one for one in norms]).median())


def _given(scope: Microscope, vector: Any) -> Array:
    try:
        values = np.asarray(vector.detach().double().cpu() if isinstance(vector, Tensor) else vector, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"vector= is an array of {scope.d_model} numbers; got {vector!r}.") from None
    if values.shape != (scope.d_model,):
        raise ValueError(
            f"vector= has shape {list(values.shape)} and the residual stream of {scope.model_id} {scope.d_model} "
            "numbers: it is of another model, or of another place."
        )
    if not np.isfinite(values).all():
        raise ValueError("vector= has entries that are not finite.")
    return values


def _unembedding(scope: Microscope, answer: Any, versus: Any) -> tuple[Array, list[str]]:
    if versus is None:
        raise ValueError("answer= needs versus= beside it, such as answer=' good', versus=' bad'.")
    ids, others = answer_ids(scope.tokenizer, answer, 1), answer_ids(scope.tokenizer, versus, 1, "versus")
    check_distinct(scope.tokenizer, ids, others)
    unembedding = Unembedding(scope.model, scope.anatomy)
    rows, _ = unembedding.directions(torch.cat([ids, others]))
    frozen = unembedding.frozen(
        torch.linspace(-1, 1, scope.d_model, dtype=scope.model.dtype)
    )  # any vector shows the gain
    gain = frozen.gain / frozen.gain.abs().mean()
    difference = gain * (rows[0] - rows[1])
    if frozen.centres:
        difference = difference - difference.mean()
    return difference.numpy(), token_texts(scope.tokenizer, [int(ids[0]), int(others[0])])


def _head(scope: Microscope, head: Any, prompts: list[Any], position: str) -> Array:
    whole = not isinstance(head, str) and hasattr(head, "__len__") and len(head) == 2
    whole = whole and all(hasattr(number, "__index__") for number in head)
    if not whole or not (0 <= head[0] < scope.n_layers and 0 <= head[1] < scope.n_heads):
        raise ValueError(
            f"head= is (layer, head) of a model of {scope.n_layers} layers with {scope.n_heads} heads; got {head!r}."
        )
    written = []
    for prompt in prompts:
        z = scope.trace(prompt, capture=("z",)).z(head[0])
        written.append(_at(head_writes(scope, z, head[0])[0][:, head[1]], position))
    return torch.stack(written).mean(0).numpy()


def _prompts(prompts: Any, what: str) -> list[Any]:
    if prompts is None or isinstance(prompts, str) or not isinstance(prompts, Sequence) or not len(prompts):
        raise ValueError(f"{what}= is a list of prompts, at least one; got {prompts!r}.")
    # a recipe is written out as Python, which knows no texts of NumPy
    return [str(prompt) if isinstance(prompt, str) else prompt for prompt in prompts]


def _plain(scope: Microscope, token: Any) -> str | int:
    return str(token) if isinstance(token, str) else int(answer_ids(scope.tokenizer, token, 1)[0])
