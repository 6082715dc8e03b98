"""Whether an SAE says that it is of the model that it is used with."""

from __future__ import annotations

import warnings

from scope_widgets.experiments.same_model import is_same_model
from scope_widgets.features.sae.weights import Weights


def warn_of_another_model(model: str, sae: Weights) -> None:
    """Warn where an SAE says that it is of another model than the one given.

    Names are compared without their owner ("openai-community/gpt2" is "gpt2"). A model whose weights were shuffled is
    another one too: to measure an SAE there is a null, and the warning then says what was done.
    """
    if sae.model and not is_same_model(sae.model, model):
        warnings.warn(
            f"{sae!r} is of {sae.model!r}, and is used with {model!r}: what is found says little about either "
            "model, unless that is what you want to know (a null, or a model made of the other one).",
            stacklevel=3,
        )
