"""The strongest latents of a row: ranked in bfloat16 where that is multiplied fast, and decided in float32."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from scope_widgets import _kernels
from scope_widgets._kernels import Rows

#: multiplications below which rounding the weights and looking at them again takes longer than it saves
_WORTH = 2**28
#: a number is off by at most this share of it when it is rounded to bfloat16, and a sum in float32 by the second one
_ROUNDING, _SUMS = 2.0**-8, 1e-4


@functools.cache
def bfloat16_is_fast() -> bool:
    """Whether this processor has instructions that multiply bfloat16."""
    names = "_is_avx512_bf16_supported", "_is_amx_tile_supported"
    return any(getattr(torch.cpu, name, bool)() for name in names)


@dataclass(frozen=True)
class RankedEncoder:
    """An encoder, and itself rounded to bfloat16.

    Attributes
    ----------
    weights : Tensor of float32 [latent, d]
    rounded : Tensor of bfloat16 [latent, d]
    norms : Tensor of float32 [latent]
        Those of `weights`.
    """

    weights: Tensor
    rounded: Tensor
    norms: Tensor

    @classmethod
    def of(cls, weights: Tensor) -> RankedEncoder:
        """Return that of an encoder by latents, which is held, not copied, where it is contiguous."""
        weights = weights.detach().contiguous()
        return cls(weights, weights.bfloat16(), weights.norm(dim=1))

    @staticmethod
    def is_worth_it(n_rows: int, weights: Tensor) -> bool:
        """Whether ranking so many rows by rounded weights takes less time, by what is known of this processor."""
        is_plain = weights.device.type == "cpu" and weights.dtype == torch.float32
        return is_plain and n_rows * weights.numel() >= _WORTH and bfloat16_is_fast()

    def scores(self, x: Tensor) -> Tensor:
        """Return about `x weights.T`, bfloat16 `[row, latent]`."""
        return x.detach().bfloat16() @ self.rounded.T

    def strongest(self, x: Tensor, bias: Tensor, k: int, scores: Tensor | None = None) -> Rows | None:
        """Return the `k` largest of each row of `x weights.T + bias` that are above 0, see `_kernels.strongest`.

        A product of rounded numbers is off by at most `|x - x~| |w| + |x~| |w - w~|`, and its own rounding; what may be
        among the largest by that is multiplied in float32. None where compiled code cannot do it.
        """
        x = x.detach().contiguous()
        scores = self.scores(x) if scores is None else scores
        return _kernels.strongest_scored(x, self.weights, bias.contiguous(), scores, self.norms, _slack(x), k)

    def above(self, x: Tensor, bias: Tensor, bar: float, most: int) -> Rows | None:
        """Return what of `x weights.T + bias` is above `bar`, 0 at least; None where a row has more than `most`."""
        x = x.detach().contiguous()
        given = x, self.weights, bias.contiguous(), self.scores(x), self.norms, _slack(x)
        return _kernels.above_scored(*given, bar, most)


def _slack(x: Tensor) -> Tensor:
    """Return how much a score of each row is off, at most, for a latent of norm 1."""
    plain = x.bfloat16().float()
    slack: Tensor = (x - plain).norm(dim=1) + plain.norm(dim=1) * (_ROUNDING + _SUMS)
    return slack
