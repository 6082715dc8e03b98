"""What causes what: activations of one run put into another."""

from typing import Any

from scope_widgets._aliases import moved
from scope_widgets.patching.ablation.ablate import ABLATIONS, ablate
from scope_widgets.patching.ablation.attention_knockout import attention_knockout
from scope_widgets.patching.ablation.result import Ablation
from scope_widgets.patching.activations import activations, sweep
from scope_widgets.patching.attribution_patching import attribution
from scope_widgets.patching.paths import paths
from scope_widgets.patching.result import PatchingResult
from scope_widgets.patching.sweeps import Sweep

__all__ = [
    "ABLATIONS",
    "Ablation",
    "PatchingResult",
    "Sweep",
    "ablate",
    "activations",
    "attention_knockout",
    "attribution",
    "paths",
    "sweep",
]


def __getattr__(name: str) -> Any:
    return moved(__name__, name, {"knockout": "scope_widgets.patching:attention_knockout"})
