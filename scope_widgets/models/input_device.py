"""Where token ids go: to the device that the model's embeddings run on."""

from __future__ import annotations

from typing import Any

import torch


def input_device(model: Any) -> torch.device:
    """Return the device of what a Hugging Face model is given.

    Weights that accelerate keeps in memory or on the disk until they are needed are on "meta" between two forwards, and
    `model.device` with them: they run where its hook brings them. A model without numbers is on "meta" itself.
    """
    embed = model.get_input_embeddings()
    hook = getattr(embed, "_hf_hook", None)
    for one in getattr(hook, "hooks", (hook,)):
        device = getattr(one, "execution_device", None)
        if device is not None:
            return torch.device(device)
    weight = next(embed.parameters(), None)
    # of a model without numbers whoever holds it says where what is made for it must be
    found: torch.device = model.device if weight is None or weight.is_meta else weight.device
    return found
