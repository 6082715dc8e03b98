"""Logits that are no numbers are refused: whatever is made of them would look like a finding."""

from __future__ import annotations

from torch import Tensor

#: why logits are NaN or infinite, nearly always, and what to do
OVERFLOW = (
    "In float16 a number above 65,504 is infinite: load the model with dtype='bfloat16' or 'float32'. "
    "`scope.trace(prompt)` shows in which layer it begins."
)


def check_logits(logits: Tensor, whose: str) -> None:
    """Raise ValueError where logits `[..., vocabulary]` make no distribution: one is NaN or infinite, or all are -inf.

    A logit of -inf is a token that the model rules out. `whose` says in the error which they are.
    """
    finite = logits.detach().amax(-1).isfinite().reshape(-1)
    if not bool(finite.all()):
        where = f" ({int((~finite).sum())} of {len(finite)} distributions)" if len(finite) > 1 else ""
        raise ValueError(
            f"The logits {whose} are NaN or infinite{where}, so nothing can be measured on them. {OVERFLOW}"
        )
