"""Steering: directions, interventions that a slider moves, and patches that last."""

from scope_widgets.steering.directions import Direction

__all__ = ["Direction"]
