"""The range of a slider for each intervention."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.steering.component_interventions import ClampNeuron
from scope_widgets.steering.intervention import Intervention, round_up


@remotable
def slider_ranges(
    scope: Microscope, ids: list[int], interventions: Sequence[Intervention]
) -> list[tuple[float, float]]:
    """Return the range of a slider for each; a neuron's is measured on the prompt."""
    found: dict[int, tuple[float, float]] = {}

    def measure(at: int, neuron: int) -> Callable[[Tensor], Tensor]:
        def capture(value: Tensor) -> Tensor:
            reach = round_up(max(1.0, 2 * float(value[0, :, neuron].abs().max())))
            found[at] = -reach, reach
            return value

        return capture

    for at, one in enumerate(interventions):
        if isinstance(one, ClampNeuron):
            scope.logits(torch.tensor([ids]), {("neurons", one.layer): measure(at, one.neuron)})
        else:
            found[at] = one.span
    return [found[at] for at in range(len(interventions))]
