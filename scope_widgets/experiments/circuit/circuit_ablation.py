"""What an edge that is out of a circuit may carry."""

from __future__ import annotations

from typing import Literal, TypeAlias

#: the ablations of `experiments.ablations` that make sense for an edge
CircuitAblation: TypeAlias = Literal["counterfactual", "mean", "resample", "zero"]
