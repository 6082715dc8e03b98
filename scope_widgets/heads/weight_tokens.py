"""`ov_tokens`, `copied_tokens` and `qk_tokens`: what the weights of a head make of single tokens, without a prompt."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from scope_widgets._check_choice import check_choice
from scope_widgets._job import JobStatus, Steps
from scope_widgets._provenance import Provenance
from scope_widgets._reproducing_calls import python_call
from scope_widgets._types import Tokens
from scope_widgets.experiments.answer_tokens import answer_ids
from scope_widgets.experiments.qk_ov_circuits.head_reads import check_attends, check_ungated, head_reads
from scope_widgets.experiments.qk_ov_circuits.project_qkv import project_qkv
from scope_widgets.experiments.qk_ov_circuits.single_tokens import (
    Stream,
    single_tokens,
    stream_note,
    vocabulary_size,
    vocabulary_streams,
)
from scope_widgets.heads.head_tokens import HeadTokens, Quantity, checked_head, ranked
from scope_widgets.models.architecture.unembedding import Unembedding, freeze_norm, one_head_writes
from scope_widgets.models.guards.locks import held
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable, stepwise
from scope_widgets.models.tokens import token_texts


@remotable
def ov_tokens(
    scope: Microscope, layer: int, head: int, token: Tokens, *, stream: Stream | None = None, n: int = 10
) -> HeadTokens:
    """Return the tokens that a head would make likelier, and less likely, if it attended to a token alone.

    A row of the full OV circuit `W_E W_V W_O W_U` (Elhage et al. 2021): the token's stream goes through the norm before
    attention, the value and output matrices, the final norm, scaled as that of what is written alone, and the
    unembedding. Biases of the final norm and the unembedding, alike for all tokens read, are left out, and the mean
    over the vocabulary is subtracted. What other positions and other layers write to the stream is left out: what a
    head writes in a prompt is in `writes`.

    Parameters
    ----------
    scope : Microscope
    layer, head : int
    token : str, int, or a sequence of these
        Source tokens, texts with their space (" Mary") or ids.
    stream : {"embedding", "first_block"}, optional
        What the head reads of a token: its bare embedding, without a position, or what leaves block 0 of it, run alone
        (Wang et al. 2022, section 3.1); by default the former in layer 0 and the latter above, where no head reads bare
        embeddings and the two may differ in sign.
    n : int, default 10
        How many tokens of each direction.

    Returns
    -------
    HeadTokens
        A row for each token, in logits of a stream that holds what the head writes alone.

    Raises
    ------
    ValueError
        For a text that is not one token, or an n that the vocabulary does not have.
    IndexError
        When the model has no such head.
    UnsupportedModelError
        For a family whose attention cannot be looked into, or where there is no such product.

    Examples
    --------
    >>> heads.ov_tokens(scope, 3, 1, " Mary").top()[0][0]
    'Mary'
    """
    layer, head = checked_head(layer, head, scope.n_layers, scope.n_heads)
    ids = _ids(scope, token)
    unembedding = _checked_unembedding(scope, layer)
    read = _chosen(stream, layer)
    values = project_qkv(scope, single_tokens(scope, read)(ids), ("v",), [layer])["v"][0]
    own = values[:, head // (scope.n_heads // values.shape[1])]
    logits = unembedding.products(_normed_writes(scope, unembedding, own, layer, head))
    mean = logits.mean(-1, keepdim=True)
    given = ("layer", layer), ("head", head), ("token", token)
    call = python_call("heads.ov_tokens", "scope", *given, stream=stream, n=n)
    return _found(scope, "ov", layer, head, ids, logits - mean, mean[:, 0], n, call, stream_note(scope, read))


@stepwise
def copied_tokens(
    scope: Microscope, layer: int, head: int, *, stream: Stream | None = None, n: int = 10
) -> Steps[HeadTokens]:
    """Return the tokens that a head would copy most, and those that it would take away most, of the whole vocabulary.

    The diagonal of the full OV circuit: of each token what `ov_tokens` has of it for itself, the mean over the
    vocabulary subtracted.

    Parameters
    ----------
    scope : Microscope
    layer, head : int
    stream : {"embedding", "first_block"}, optional
        What the head reads of a token: its bare embedding, without a position, or what leaves block 0 of it, run alone
        (Wang et al. 2022, section 3.1); by default the former in layer 0 and the latter above, where no head reads bare
        embeddings and the two may differ in sign.
    n : int, default 10
        How many tokens of each direction.

    Returns
    -------
    HeadTokens
        One row.

    Raises
    ------
    ValueError
        For an n that the vocabulary does not have.
    IndexError
        When the model has no such head.
    UnsupportedModelError
        For a family whose attention cannot be looked into, or where there is no such product.

    Examples
    --------
    >>> copied = heads.copied_tokens(scope, 3, 1, n=3)
    >>> copied.up.shape
    (1, 3)
    """
    layer, head = checked_head(layer, head, scope.n_layers, scope.n_heads)
    unembedding = _checked_unembedding(scope, layer)
    read = _chosen(stream, layer)
    values = head_reads(scope, layer, head, "v", single_tokens(scope, read)(_some(scope)))
    size, mean = vocabulary_size(scope), unembedding.mean_direction()
    diagonal = torch.empty(size, dtype=torch.float64)
    for ids, streams in vocabulary_streams(scope, read):
        written = _normed_writes(scope, unembedding, values(streams), layer, head)
        rows, _ = unembedding.directions(ids)
        diagonal[ids] = (written * (rows - mean)).sum(-1)
        yield JobStatus("running", "tokens of the vocabulary", int(ids[-1]) + 1, size)
    call = python_call("heads.copied_tokens", "scope", ("layer", layer), ("head", head), stream=stream, n=n)
    none = torch.zeros(1, dtype=torch.float64)
    nobody = torch.empty(0, dtype=torch.long)
    return _found(scope, "copied", layer, head, nobody, diagonal[None], none, n, call, stream_note(scope, read))


@stepwise
def qk_tokens(
    scope: Microscope, layer: int, head: int, token: Tokens, *, stream: Stream | None = None, n: int = 10
) -> Steps[HeadTokens]:
    """Return the key tokens that a query token would score highest, and lowest, by a head's weights.

    A row of the QK circuit `W_E W_Q (W_E W_K)^T` (Elhage et al. 2021): streams go through the norm before attention,
    the projections with their biases, and the norm on queries and keys where there is one; the score is scaled and
    soft-capped as that of the layer. Query and key stand at the same position: rotary embedding, which turns them by
    their distance, is that of distance 0, and what is added for a distance (ALiBi, T5) is left out. So is what other
    positions and other layers write to the stream.

    Parameters
    ----------
    scope : Microscope
    layer, head : int
    token : str, int, or a sequence of these
        Query tokens, texts with their space (" Mary") or ids.
    stream : {"embedding", "first_block"}, optional
        What the head reads of a token: its bare embedding, without a position, or what leaves block 0 of it, run alone
        (Wang et al. 2022, section 3.1); by default the former in layer 0 and the latter above, where no head reads bare
        embeddings and the two may differ in sign.
    n : int, default 10
        How many tokens of each direction.

    Returns
    -------
    HeadTokens
        A row for each token: scores before the softmax, not centred.

    Raises
    ------
    ValueError
        For a text that is not one token, or an n that the vocabulary does not have.
    IndexError
        When the model has no such head.
    UnsupportedModelError
        For a family whose attention cannot be looked into, or where queries and keys are something else than that.

    Examples
    --------
    >>> heads.qk_tokens(scope, 3, 1, " Mary", n=3).up.shape
    (1, 3)
    """
    layer, head = checked_head(layer, head, scope.n_layers, scope.n_heads)
    ids = _ids(scope, token)
    check_attends(scope, layer, "q")
    read = _chosen(stream, layer)
    streams_of = single_tokens(scope, read)
    tried = streams_of(_some(scope))
    queries, keys = (head_reads(scope, layer, head, site, tried) for site in ("q", "k"))
    query = queries(streams_of(ids)).float()
    scoring = scope.trace([ids[:1].tolist()], capture=("q", "k"), logits=None).scoring[layer]
    size = vocabulary_size(scope)
    scores = torch.empty(len(ids), size, dtype=torch.float64)
    for piece, streams in vocabulary_streams(scope, read):
        scores[:, piece] = (query @ keys(streams).float().T).cpu().double() * scoring.scaling
        yield JobStatus("running", "tokens of the vocabulary", int(piece[-1]) + 1, size)
    if scoring.softcap is not None:
        scores = torch.tanh(scores / scoring.softcap) * scoring.softcap
    given = ("layer", layer), ("head", head), ("token", token)
    call = python_call("heads.qk_tokens", "scope", *given, stream=stream, n=n)
    note = f"{stream_note(scope, read)} Scores of a query and a key at the same position."
    zeros = torch.zeros(len(ids), dtype=torch.float64)
    return _found(scope, "qk", layer, head, ids, scores, zeros, n, call, note)


def _ids(scope: Microscope, token: Tokens) -> Tensor:
    listed = token.tolist() if hasattr(token, "tolist") else token
    given = list(listed) if isinstance(listed, Sequence) and not isinstance(listed, str | bytes) else [listed]
    if not given:
        raise ValueError("token= is one token or several, such as ' Mary'; got none.")
    return answer_ids(scope.tokenizer, given, len(given), "token")


def _checked_unembedding(scope: Microscope, layer: int) -> Unembedding:
    """Return the unembedding; raise UnsupportedModelError where there is no OV circuit of the heads of a layer."""
    check_attends(scope, layer, "v")
    check_ungated(scope, layer, "The OV circuit")
    scope.anatomy.check_sum("The OV circuit")
    return Unembedding(scope.model, scope.anatomy)


def _some(scope: Microscope) -> Tensor:
    """Return a few ids, of which a forward says whether what is done with all is right."""
    return torch.linspace(0, vocabulary_size(scope) - 1, 8).long()


def _chosen(stream: Stream | None, layer: int) -> Stream:
    if stream is None:
        return "first_block" if layer else "embedding"
    check_choice("stream", stream, Stream)
    return stream


def _normed_writes(scope: Microscope, unembedding: Unembedding, values: Tensor, layer: int, head: int) -> Tensor:
    """Return what a head writes of values `[token, d_head]`, after the final norm, `[token, d_model]` in float64."""
    block = scope.anatomy.blocks[layer]
    written = one_head_writes(scope, values, layer, head)
    with held(scope.model):
        after = freeze_norm(block.attention_norm, written)
    added = after(written.cpu().double()) * block.attention_scale
    return unembedding.frozen(added.to(scope.model.dtype))(added)


def _found(
    scope: Microscope,
    quantity: Quantity,
    layer: int,
    head: int,
    ids: Tensor,
    values: Tensor,
    mean: Tensor,
    n: int,
    call: str,
    note: str,
) -> HeadTokens:
    return HeadTokens(
        quantity=quantity,
        layer=layer,
        head=head,
        of=token_texts(scope.tokenizer, ids.tolist()),
        of_ids=ids.tolist(),
        position=-1,
        mean=mean.numpy(),
        provenance=Provenance(scope.model_id, scope.revision, note=note, calls=(*scope.calls, call)),
        **ranked(values, n, scope.tokenizer),
    )
