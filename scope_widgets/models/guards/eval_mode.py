"""Running a model without dropout."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from scope_widgets.models.guards.restore_on_exit import putting_back, with_block


@with_block
def evaluating(model: nn.Module) -> Iterator[None]:
    """Run the model without dropout in the block."""
    with putting_back() as back:
        for module in model.modules():
            if module.training:
                back.set(vars(module), "training", False)
        yield
