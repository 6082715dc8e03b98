"""Entries about features: does the claim tell the tokens on which a latent fires, and is it missed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scope_widgets.models.microscope import Microscope
from scope_widgets.report.entries.entry import Entry
from scope_widgets.report.suite import Suite
from scope_widgets.report.verification.items import Items

if TYPE_CHECKING:
    from scope_widgets.features.sae.sae import SAE


def feature_evidence(
    scope: Microscope, entry: Entry, saes: Sequence[SAE], suite: Suite, n: int, seed: int, items: Items
) -> Entry:
    """Return an entry with its tests."""
    return entry.tested("untested", "Give verify() the SAE of this feature with saes=.")
