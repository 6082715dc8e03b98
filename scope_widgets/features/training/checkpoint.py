"""Checkpoints: all that a training run needs to go on as if it had not been stopped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from scope_widgets._files import replacing
from scope_widgets._untrusted import parse_json, reading

CHECKPOINT = "checkpoint.safetensors"
_ABOUT = {"settings": dict, "rows": str, "step": int, "state": dict, "history": dict}


@dataclass
class Checkpoint:
    """The state of a training run.

    Attributes
    ----------
    about : dict
        Settings, the digest of the rows, step, numbers of the step's state, history.
    tensors : dict of str to Tensor
    """

    about: dict[str, Any]
    tensors: dict[str, Tensor]

    def write(self, folder: Path) -> None:
        """Write it in place of an earlier one, whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / CHECKPOINT) as new:
            # cloned: safetensors refuses what shares memory
            save_file(
                {name: one.clone() for name, one in self.tensors.items()}, str(new), {"about": json.dumps(self.about)}
            )

    @classmethod
    def read(cls, folder: Path) -> Checkpoint | None:
        """Return the checkpoint of a folder, or None where there is none; raise ValueError where it is damaged."""
        path = folder / CHECKPOINT
        if not path.is_file():
            return None
        with reading(f"{str(path)!r} is no checkpoint of a training run"), safe_open(str(path), "pt") as file:
            about = parse_json((file.metadata() or {})["about"])
            if not isinstance(about, dict) or {k: type(about.get(k)) for k in _ABOUT} != _ABOUT:
                raise ValueError("it does not say what it is of, and how far it came")
            return cls(about, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 - it is no mapping

    def like(self, name: str, of: Tensor) -> Tensor:
        """Return a tensor; raise ValueError where it is not of the shape and dtype of `of`, or not finite."""
        found = self.tensors.get(name)
        if found is None or (found.shape, found.dtype) != (of.shape, of.dtype) or not found.isfinite().all():
            raise ValueError(f"{name} is no finite {str(of.dtype).removeprefix('torch.')} {tuple(of.shape)}")
        return found


def optimiser_state(optimiser: torch.optim.Optimizer, parameters: list[Tensor]) -> dict[str, Tensor]:
    """Return the moments of Adam by the number of their parameter."""
    return {
        f"adam.{at}.{name}": value
        for at, one in enumerate(parameters)
        for name, value in optimiser.state.get(one, {}).items()
    }


def set_optimiser_state(optimiser: torch.optim.Optimizer, parameters: list[Tensor], known: Checkpoint) -> None:
    """Put the moments of Adam back."""
    step = torch.zeros(())
    for at, one in enumerate(parameters):
        like = {"exp_avg": one, "exp_avg_sq": one, "step": step}
        optimiser.state[one] = {name: known.like(f"adam.{at}.{name}", of).to(one.device) for name, of in like.items()}
