"""Sliders over interventions: the view and its parts."""

from scope_widgets.widgets.steering_panel.steering_panel import SteeringPanel

__all__ = ["SteeringPanel"]
