"""A model whose forwards can be run in this process."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from scope_widgets.models.architecture.model_parts import ModelParts
from scope_widgets.models.execution.nnsight_model import NNsightModel


class LoadedModel(ModelParts, Protocol):
    """What a run needs of a microscope."""

    def wrapped(self) -> AbstractContextManager[NNsightModel]:
        """Yield the model under nnsight, held by this thread alone."""
