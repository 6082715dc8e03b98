"""What decoder rows are like: which others point the same way, and which tokens they promote."""

from __future__ import annotations

import torch
from torch import Tensor

from scope_widgets._kernels import Rows
from scope_widgets.features.sae.ranked_encoder import RankedEncoder
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
    products = _Products(unit)
    for start in range(0, len(unit), products.at_once):
        values, found = products.largest(unit[start : start + products.at_once], n_found + 1)
        own = found == torch.arange(start, start + len(found))[:, None]
        # the row itself goes last; it may not be there, where more copies of it are
        others = own.int().sort(dim=1, stable=True).indices[:, :n_found]
        latents[start : start + len(found), :n_found] = found.gather(1, others).int()
        cosines[start : start + len(found), :n_found] = values.gather(1, others)
    return latents, cosines


def nearest_rows(rows: Tensor, others: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return the `n` of the other rows of the largest cosine, `[row, n]` places and cosines."""
    unit, directions = (torch.nn.functional.normalize(one.detach().cpu().float(), dim=1) for one in (rows, others))
    products = _Products(directions)
    parts = [products.largest(some, n) for some in torch.split(unit, products.at_once)]
    return torch.cat([found for _, found in parts]).int(), torch.cat([values for values, _ in parts])


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
    best = [(torch.empty(len(rows), 0), torch.empty(len(rows), 0, dtype=torch.long)) for _ in range(2)]
    for start in range(0, n_tokens, _TOKENS):
        ids = torch.arange(start, min(start + _TOKENS, n_tokens))
        products = _Products(unembedding.directions(ids)[0].float())
        parts = [products.extremes(part, min(n, len(ids))) for part in torch.split(written, products.at_once)]
        for number, (values, tokens) in enumerate(best):
            values = torch.cat([values, torch.cat([one[number][0] for one in parts])], 1)
            tokens = torch.cat([tokens, torch.cat([one[number][1] for one in parts]) + start], 1)
            kept = values.topk(min(n, values.shape[1]), dim=1)
            best[number] = kept.values, tokens.gather(1, kept.indices)
    (most, promotes), (least, suppresses) = best
    return {
        "promoted": promotes.int(),
        "promoted_by": most,
        "suppressed": suppresses.int(),
        "suppressed_by": -least,
    }


class _Products:
    """Products with directions, of which the largest are wanted.

    Parameters
    ----------
    directions : Tensor of float32 [direction, d]
    """

    def __init__(self, directions: Tensor) -> None:
        # what all products of a row have in common decides nothing; without it the largest are above 0
        self._mean = directions.mean(0)
        self._directions = directions - self._mean
        self._bias = torch.zeros(len(directions))
        self._ranked: RankedEncoder | None = None
        #: rows whose products are held at once
        self.at_once = max(1, _AT_ONCE // len(directions))

    def largest(self, x: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """Return the `n` largest of each row of `x directions.T` and the directions they are of, `[row, n]`."""
        return self.extremes(x, n, (1,))[0]

    def extremes(self, x: Tensor, n: int, signs: tuple[int, ...] = (1, -1)) -> list[tuple[Tensor, Tensor]]:
        """Return the same of the products times each sign, -1 the last."""
        common, found = (x @ self._mean)[:, None], []
        dense = scores = None
        if RankedEncoder.is_worth_it(len(x), self._directions):
            self._ranked = self._ranked or RankedEncoder.of(self._directions)
            scores = self._ranked.scores(x)
        for sign in signs:
            best = None
            if self._ranked is not None and scores is not None:
                scores = scores.neg_() if sign < 0 else scores
                best = _whole(self._ranked.strongest(sign * x, self._bias, n, scores), n)
            if best is None:
                dense = x @ self._directions.T if dense is None else dense
                some = (sign * dense).topk(n, dim=1)
                best = some.values, some.indices
            found.append((best[0] + sign * common, best[1]))
        return found


def _whole(found: Rows | None, n: int) -> tuple[Tensor, Tensor] | None:
    """Return values and places `[row, n]`, the largest first, where `n` were found in each row."""
    if found is None or len(found[1]) != n * (len(found[0]) - 1):
        return None
    at, values = found[1].view(-1, n), found[2].view(-1, n)
    order = values.argsort(dim=1, descending=True, stable=True)
    return values.gather(1, order), at.gather(1, order)
