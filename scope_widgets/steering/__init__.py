"""Steering: directions, interventions that a slider moves, and patches that last."""

from scope_widgets.steering.applying import steer
from scope_widgets.steering.directions import Direction
from scope_widgets.steering.fact_editing import FactEdit, edit_fact
from scope_widgets.steering.fact_effect import FactEffect
from scope_widgets.steering.feature_patch import FeaturePatch
from scope_widgets.steering.finding import direction
from scope_widgets.steering.interventions import Intervention
from scope_widgets.steering.kinds import AddDirection, ClampNeuron, ProjectOut, ScaleHead, SwapAttention
from scope_widgets.steering.orthogonal import OrthogonalPatch, orthogonalise
from scope_widgets.steering.patch import Patch, restore
from scope_widgets.steering.session import Session
from scope_widgets.steering.steered import Steered
from scope_widgets.steering.sweeps import Sweep, sweep, sweep_steps

__all__ = [
    "AddDirection",
    "ClampNeuron",
    "Direction",
    "FactEdit",
    "FactEffect",
    "FeaturePatch",
    "Intervention",
    "OrthogonalPatch",
    "Patch",
    "ProjectOut",
    "ScaleHead",
    "Session",
    "Steered",
    "SwapAttention",
    "Sweep",
    "direction",
    "edit_fact",
    "orthogonalise",
    "restore",
    "steer",
    "sweep",
    "sweep_steps",
]
