"""What decoder rows are like: which others point the same way, and which tokens they promote."""

from __future__ import annotations

import torch
from torch import Tensor

from scope_widgets.models.architecture.unembedding import Unembedding
from scope_widgets.models.microscope import LocalMicroscope

#: cosines, or logits, that are held at once
_AT_ONCE = 2**25


def neighbours(rows: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return the `n` other decoder rows of the largest cosine, `[latent, n]` latents and cosines, -1 for none."""
    unit = torch.nn.functional.normalize(rows.detach().cpu().float(), dim=1)
    n_found = min(n, len(unit) - 1)
    latents = torch.full((len(unit), n), -1, dtype=torch.int32)
    cosines = torch.zeros(len(unit), n)
    step = max(1, _AT_ONCE // len(unit))
    for start in range(0, len(unit), step):
        found = unit[start : start + step] @ unit.T
        found[torch.arange(len(found)), torch.arange(start, start + len(found))] = -2
        best = found.topk(n_found, dim=1)
        latents[start : start + step, :n_found] = best.indices.int()
        cosines[start : start + step, :n_found] = best.values
    return latents, cosines


def promoted(scope: LocalMicroscope, rows: Tensor, n: int) -> dict[str, Tensor]:
    """Return the tokens whose logits decoder rows raise and lower most.

    A row goes through the final norm, its gain folded in and its scale that of a residual stream of mean square 1, and
    the unembedding; biases, which are the same for all, are left out.

    Returns
    -------
    dict
        "promoted", "suppressed" : token ids `[latent, n]`; "promoted_by", "suppressed_by" : logits.
    """
    unembedding = Unembedding(scope.model, scope.anatomy)
    at = torch.ones(scope.d_model, dtype=scope.model.dtype)
    at[::2] = -1  # of mean 0 and mean square 1
    written = unembedding.frozen(at)(rows.detach().cpu().double()).float()
    n_tokens = len(scope.tokenizer)
    n = min(n, n_tokens)
    best = {sign: (torch.empty(len(rows), 0), torch.empty(len(rows), 0, dtype=torch.long)) for sign in (1, -1)}
    step = max(n, _AT_ONCE // len(rows))
    for start in range(0, n_tokens, step):
        ids = torch.arange(start, min(start + step, n_tokens))
        logits = written @ unembedding.directions(ids)[0].float().T
        for sign, (values, tokens) in best.items():
            some = (sign * logits).topk(min(n, len(ids)), dim=1)
            values = torch.cat([values, some.values], 1)
            tokens = torch.cat([tokens, some.indices + start], 1)
            kept = values.topk(min(n, values.shape[1]), dim=1)
            best[sign] = kept.values, tokens.gather(1, kept.indices)
    return {
        "promoted": best[1][1].int(),
        "promoted_by": best[1][0],
        "suppressed": best[-1][1].int(),
        "suppressed_by": -best[-1][0],
    }
