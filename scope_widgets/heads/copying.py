"""`copying`: which heads make a token that they attend to likelier, or less likely."""

from __future__ import annotations

import torch

from scope_widgets._progress import tqdm
from scope_widgets._provenance import Provenance
from scope_widgets._types import Tokens
from scope_widgets.experiments.answer_tokens import answer_ids
from scope_widgets.experiments.qk_ov_circuits.ov_copying import copying_scores
from scope_widgets.heads.head_scores import HeadScores
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.models.tokens import token_texts


@remotable
def copying(scope: Microscope, tokens: Tokens, *, top: int = 5) -> HeadScores:
    """Score how often each head copies single tokens (Wang et al. 2022, section 3.1).

    The residual stream of a token after the first block goes through a head's value and output matrices, as if the head
    attended to that token alone, and then through the final norm and the unembedding.

    Parameters
    ----------
    scope : Microscope
    tokens : sequence of str or int
        Texts with their space (" Mary") or ids, each one token; names, in the paper.
    top : int, default 5
        A token counts as copied when it is among this many of the likeliest.

    Returns
    -------
    HeadScores
        copying : share of the tokens that are copied. negative_copying : the same with the head's output negated.

    Raises
    ------
    ValueError
        For no token, a text that is not one token, or a `top` that the vocabulary does not have.
    UnsupportedModelError
        For a family whose attention cannot be looked into.

    Examples
    --------
    >>> scores = heads.copying(scope, [" Mary", " John", " Anna", " Ben"])
    >>> scores.top("copying", 1)  # (layer, head, share)
    [(3, 1, 1.0)]
    """
    if isinstance(tokens, str | int) or not len(tokens):
        raise ValueError(f"tokens= is a list of at least one token, such as [' Mary', ' John']; got {tokens!r}.")
    n_vocabulary = scope.anatomy.d_vocab
    if not 1 <= top < n_vocabulary:
        raise ValueError(f"top= is a number of tokens, 1 to {n_vocabulary - 1}; got {top}.")
    ids = torch.unique(answer_ids(scope.tokenizer, tokens, len(tokens), "tokens"))
    with tqdm(total=scope.n_layers, desc="Copying heads", leave=False) as bar:
        scores = copying_scores(scope, ids, range(scope.n_layers), top, bar.update)
    bos = scope.tokenizer.bos_token_id is not None
    after = f" after {scope.tokenizer.bos_token!r}" if bos else ""
    note = (
        f"share of {len(ids)} tokens, each run alone{after}, that are in the top {top} of {n_vocabulary} when a head "
        f"writes what it reads of them; chance {top / n_vocabulary:.2g}"
    )
    provenance = Provenance(
        model=scope.model_id,
        revision=scope.revision,
        prompts=tuple(token_texts(scope.tokenizer, ids.tolist())),
        note=note,
    )
    statistics = {"copying": scores[0], "negative_copying": scores[1]}
    return HeadScores(statistics=statistics, null_p={}, n_prompts=len(ids), provenance=provenance)
