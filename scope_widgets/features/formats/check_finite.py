"""Whether the numbers of an SAE that was read are numbers."""

from __future__ import annotations

from torch import Tensor

from scope_widgets.features.sae.weights import Weights

#: a threshold, or the bias of a gate, may be infinite: that latent never fires, or always may
_MAY_BE_INFINITE = ("threshold", "gate")


def check_finite(sae: Weights, where: str) -> None:
    """Raise ValueError where a tensor of an SAE holds NaN, or a weight that is infinite."""
    for name, one in vars(sae).items():
        if not isinstance(one, Tensor):
            continue
        bad = one.isnan() if name in _MAY_BE_INFINITE else ~one.isfinite()
        if n_bad := int(bad.sum()):
            raise ValueError(
                f"{where!r} holds no SAE that computes: {n_bad:,} of the {one.numel():,} numbers of {name} are not "
                "finite. Was its training broken off, or the file damaged?"
            )
