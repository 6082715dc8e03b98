"""`Encoder`: the half of an SAE that encodes, which is what travels to a model elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from scope_widgets.features.sae.sae import SAE


@dataclass(frozen=True, eq=False, repr=False)
class Encoder(SAE):
    """An SAE without its decoder, which is of width 0: it encodes as the SAE does, and decodes nothing."""

    def __post_init__(self) -> None:
        """Take it as it is: it was checked as a whole SAE."""

    @property
    def n_bytes(self) -> int:
        """Bytes of its tensors."""
        return sum(one.numel() * one.element_size() for one in vars(self).values() if isinstance(one, Tensor))


def encoder_of(sae: SAE) -> Encoder:
    """Return the encoder of an SAE."""
    return Encoder(
        W_enc=sae.W_enc,
        W_dec=sae.W_dec[:, :0],
        b_enc=sae.b_enc,
        b_dec=sae.b_dec if sae.subtracts_b_dec else sae.b_dec[:0],
        activation=sae.activation,
        k=sae.k,
        threshold=sae.threshold,
        gate=sae.gate,
        subtracts_b_dec=sae.subtracts_b_dec,
        normalisation=sae.normalisation,
        layer=sae.layer,
        site=sae.site,
        output_site=sae.output_site,
        model=sae.model,
    )
