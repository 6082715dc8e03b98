"""Gated autoencoders as JumpReLU ones, which they are: a gate that opens at a value is a threshold of it."""

from __future__ import annotations

from dataclasses import replace

from scope_widgets.features.sae.sae import SAE


def without_gate(sae: SAE) -> SAE:
    """Return the "jumprelu" SAE that computes what a "gated" one does; another is returned as it is.

    With `u` the product alone a gated latent is `u exp(r_mag) + b_mag` where that and `u + b_gate` are above 0, which
    is where it is above `b_mag - b_gate exp(r_mag)`, too (Rajamanoharan et al. 2024, appendix).
    """
    if sae.gate is None:
        return sae
    b_gate, r_mag = sae.gate
    factor = r_mag.exp()
    threshold = (sae.b_enc - b_gate * factor).clamp_min(0)
    return replace(sae, W_enc=sae.W_enc * factor, activation="jumprelu", threshold=threshold, gate=None)
