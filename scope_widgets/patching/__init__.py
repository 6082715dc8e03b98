"""What causes what: activations of one run put into another."""

from scope_widgets.patching.ablated import Ablation
from scope_widgets.patching.ablation import ABLATIONS, ablate
from scope_widgets.patching.activations import activations, attribution, sweep
from scope_widgets.patching.cutting import knockout
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
    "attribution",
    "knockout",
    "paths",
    "sweep",
]
