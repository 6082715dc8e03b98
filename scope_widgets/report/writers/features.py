"""Entries about features: what the tokens are on which a latent fires most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scope_widgets.report.writers.written import Written

if TYPE_CHECKING:
    from scope_widgets.features.feature_index.feature_index import FeatureIndex
    from scope_widgets.features.sae.sae import SAE


def write_features(sae: SAE, index: FeatureIndex, *, most: int = 20) -> Written:
    """Return entries about latents."""
    return Written()
