"""`Prompt`: what the panels of a prompt are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scope_widgets._job import Steps
from scope_widgets._untrusted import opening
from scope_widgets.widgets.core.selection import Selection
from scope_widgets.widgets.workbench.shared_lens import SharedLens


@dataclass
class Prompt:
    """What a panel is made of.

    Attributes
    ----------
    scope : Microscope
    text : str
    trace : Trace
    lens : SharedLens
    selection : Selection
    index : callable
        Returns the `FeatureIndex` of a microscope's SAE; raises ValueError where there is none.
    in_turn : callable
        Goes through steps when it is their turn at the model.
    folder : callable
        Returns where a folder of the workspace is, or with ``is_new=True`` would be; raises ValueError for what is no
        name of one, FileNotFoundError where it is not there.
    """

    scope: Any
    text: str
    trace: Any
    lens: SharedLens
    selection: Selection
    index: Callable[[Any], Any]
    in_turn: Callable[[Steps[Any]], Steps[Any]]
    folder: Callable[..., Path]

    @property
    def shared(self) -> dict[str, Any]:
        """What all its views are given."""
        return {"selection": self.selection, "prompt_line": False}


def no_folder(name: str, *, is_new: bool = False) -> Path:
    """Raise ValueError: a page without a workspace has no folders."""
    raise ValueError(f"There is no workspace here, and no folder {opening(name)}.")
