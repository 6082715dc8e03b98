"""What causes what: activations of one run put into another."""

from scope_widgets.patching.result import PatchingResult

__all__ = ["PatchingResult"]
