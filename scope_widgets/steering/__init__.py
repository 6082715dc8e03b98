"""Steering: directions of the residual stream, and interventions whose strength a slider moves."""

from typing import Any

from scope_widgets._aliases import moved
from scope_widgets.experiments.direction import Direction
from scope_widgets.steering.component_interventions import ClampNeuron, ScaleHead, SwapAttention
from scope_widgets.steering.direction_interventions import AddDirection, ProjectOut
from scope_widgets.steering.find_direction import direction
from scope_widgets.steering.intervention import Intervention
from scope_widgets.steering.latent_interventions import ClampFeature, ScaleFeature
from scope_widgets.steering.patch_activation import PatchActivation
from scope_widgets.steering.session import Session
from scope_widgets.steering.steer import steer
from scope_widgets.steering.steered_distribution import Steered
from scope_widgets.steering.strength_sweep import StrengthSweep, sweep

__all__ = [
    "AddDirection",
    "ClampFeature",
    "ClampNeuron",
    "Direction",
    "Intervention",
    "PatchActivation",
    "ProjectOut",
    "ScaleFeature",
    "ScaleHead",
    "Session",
    "Steered",
    "StrengthSweep",
    "SwapAttention",
    "direction",
    "steer",
    "sweep",
]

_MOVED = {
    name: f"scope_widgets.editing:{name}"
    for name in ("FactEdit", "FactEffect", "FeaturePatch", "OrthogonalPatch", "Patch", "edit_fact", "orthogonalise")
} | {"restore": "scope_widgets.editing:restore", "Sweep": "scope_widgets.steering:StrengthSweep"}


def __getattr__(name: str) -> Any:
    return moved(__name__, name, _MOVED)
