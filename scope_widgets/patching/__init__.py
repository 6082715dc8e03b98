"""What causes what: activations of one run put into another."""

from scope_widgets.patching.activations import activations, attribution, sweep
from scope_widgets.patching.paths import paths
from scope_widgets.patching.result import PatchingResult
from scope_widgets.patching.sweeps import Sweep

__all__ = ["PatchingResult", "Sweep", "activations", "attribution", "paths", "sweep"]
