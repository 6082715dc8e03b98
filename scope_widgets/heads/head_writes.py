"""`writes`: the tokens that a head makes likelier and less likely by what it writes at one position."""

from __future__ import annotations

import torch

from scope_widgets._check_choice import is_whole
from scope_widgets._reproducing_calls import python_call
from scope_widgets.experiments.trace_model import scope_of
from scope_widgets.heads.head_tokens import HeadTokens, checked_head, ranked
from scope_widgets.models.architecture.unembedding import Unembedding, head_writes
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.traces.trace import Trace


@remotable
def writes(
    trace: Trace, layer: int, head: int, *, position: int = -1, n: int = 10, scope: Microscope | None = None
) -> HeadTokens:
    """Return the tokens whose logits a head raises and lowers most by what it writes at one position.

    `<w / scale of the final norm, W_U[token]>` less its mean over the vocabulary, `w` what the head adds to the
    residual stream there (what the output matrix gets of it, times that matrix), the scale as it was in the real run.
    The mean is subtracted because what is added to all logits alike changes no probability; the difference of two
    tokens is that of `lens.direct_logit_attribution`. It is what is written directly: what later layers make of it is
    not in it.

    Parameters
    ----------
    trace : Trace
        Of one prompt, with "residual" and "z".
    layer, head : int
    position : int, default -1
        -1 is the last token.
    n : int, default 10
        How many tokens of each direction.
    scope : Microscope, optional
        The model, for a trace that was read from a file.

    Returns
    -------
    HeadTokens
        One row, in logits before any soft-cap; `.mean` is what was subtracted.

    Raises
    ------
    ValueError
        For several prompts, or an n that the vocabulary does not have.
    IndexError
        When the model has no such head, or the prompt no such position.
    NotCapturedError
        When the trace lacks one of the quantities.
    UnsupportedModelError
        Where what heads write is not known, or the residual stream is no sum of what is written to it, or the final
        norm and unembedding do not make the trace's logits.

    Examples
    --------
    >>> trace = scope.trace("When Mary and John went to the store, John gave a drink to")
    >>> heads.writes(trace, 3, 1).top()[0][0]
    'Mary'
    """
    scope = scope_of(trace, scope)
    if trace.batched:
        raise ValueError(f"This takes one prompt and the trace has {len(trace)}: choose one with trace[i].")
    layer, head = checked_head(layer, head, trace.n_layers, trace.n_heads)
    length = len(trace.tokens)
    if not is_whole(position):
        raise TypeError(f"position= is a whole number, -1 for the last token; got {position!r}.")
    if not -length <= position < length:
        raise IndexError(f"Position {position} is out of range: the prompt has {length} tokens.")
    at = range(length)[position]
    scope.anatomy.check_sum("What a head writes to the logits")
    unembedding = Unembedding(scope.model, scope.anatomy)
    final = trace.residual(trace.n_layers)[at]
    if trace.keeps == "all":
        unembedding.check(final[None], trace.logits[at][None])
    written, _ = head_writes(scope, trace.z(layer)[at], layer)
    values = unembedding.products(unembedding.frozen(final)(written[head]))
    mean = values.mean(-1, keepdim=True)
    return HeadTokens(
        quantity="writes",
        layer=layer,
        head=head,
        of=[trace.tokens[at]],
        of_ids=[int(torch.as_tensor(trace.token_ids)[at])],
        position=at,
        mean=mean.numpy(),
        provenance=trace.provenance.then(
            python_call("heads.writes", "trace", ("layer", layer), ("head", head), position=position, n=n),
            note=" ".join(
                filter(
                    None,
                    (
                        trace.provenance.note,
                        "Logits that the head writes directly, less their mean over the vocabulary, the final norm's "
                        "scale held as in the real run.",
                    ),
                )
            ),
        ),
        **ranked((values - mean)[None], n, scope.tokenizer),
    )
