"""Editing: lasting changes of a model's weights, which come off again bit for bit."""

from scope_widgets.editing.edit_fact import FactEdit, edit_fact
from scope_widgets.editing.fact_effect import FactEffect
from scope_widgets.editing.feature_patch import FeaturePatch
from scope_widgets.editing.orthogonalise import OrthogonalPatch, orthogonalise
from scope_widgets.editing.weight_patch import Patch, restore

__all__ = [
    "FactEdit",
    "FactEffect",
    "FeaturePatch",
    "OrthogonalPatch",
    "Patch",
    "edit_fact",
    "orthogonalise",
    "restore",
]
