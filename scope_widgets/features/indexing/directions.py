"""What decoder rows are like: which others point the same way, and which tokens they promote."""

from __future__ import annotations

import torch
from torch import Tensor

from scope_widgets.features.sae.ranking import RankedEncoder
from scope_widgets.models.architecture.unembedding import Unembedding
from scope_widgets.models.microscope import LocalMicroscope

#: cosines, or logits, that are held at once
_AT_ONCE = 2**25
#: tokens whose unembedding is held at once
_TOKENS = 2**15


def neighbours(rows: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return the `n` other decoder rows of the largest cosine, `[latent, n]` latents and cosines, -1 for none."""
    unit = torch.nn.functional.normalize(rows.detach().cpu().float(), dim=1)
    n_found = min(n, len(unit) - 1)
    latents = torch.full((len(unit), n), -1, dtype=torch.int32)
    cosines = torch.zeros(len(unit), n)
    largest = _Largest(unit)
    for start in range(0, len(unit), largest.at_once):
        values, found = largest.of(unit[start : start + largest.at_once], n_found + 1)
        own = found == torch.arange(start, start + len(found))[:, None]
        # the row itself goes last; it may not be there, where more copies of it are
        others = own.int().sort(dim=1, stable=True).indices[:, :n_found]
        latents[start : start + len(found), :n_found] = found.gather(1, others).int()
        cosines[start : start + len(found), :n_found] = values.gather(1, others)
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
    for start in range(0, n_tokens, _TOKENS):
        ids = torch.arange(start, min(start + _TOKENS, n_tokens))
        largest = _Largest(unembedding.directions(ids)[0].float())
        for sign, (values, tokens) in best.items():
            some = [largest.of(sign * part, min(n, len(ids))) for part in torch.split(written, largest.at_once)]
            values = torch.cat([values, torch.cat([one[0] for one in some])], 1)
            tokens = torch.cat([tokens, torch.cat([one[1] for one in some]) + start], 1)
            kept = values.topk(min(n, values.shape[1]), dim=1)
            best[sign] = kept.values, tokens.gather(1, kept.indices)
    return {
        "promoted": best[1][1].int(),
        "promoted_by": best[1][0],
        "suppressed": best[-1][1].int(),
        "suppressed_by": -best[-1][0],
    }


class _Largest:
    """The largest products with directions.

    Parameters
    ----------
    directions : Tensor of float32 [direction, d]
    """

    def __init__(self, directions: Tensor) -> None:
        self._directions, self._bias = directions.contiguous(), torch.zeros(len(directions))
        self._ranked: RankedEncoder | None = None
        #: rows whose products are held at once
        self.at_once = max(1, _AT_ONCE // len(directions))

    def of(self, x: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """Return the `n` largest of each row of `x directions.T` and the directions they are of, `[row, n]`."""
        if RankedEncoder.is_worth_it(len(x), self._directions):
            self._ranked = self._ranked or RankedEncoder.of(self._directions)
            found = self._ranked.strongest(x, self._bias, n)
            if found is not None and len(found[1]) == n * len(x):  # only what is above 0 is found so
                at, values = found[1].view(-1, n), found[2].view(-1, n)
                order = values.argsort(dim=1, descending=True, stable=True)
                return values.gather(1, order), at.gather(1, order)
        best = (x @ self._directions.T).topk(n, dim=1)
        return best.values, best.indices
