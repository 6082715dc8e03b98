"""Indirect-object identification: prompts, and the heads that do it, found by what they cause.

`prompts` makes sentences with every role's position, `detect` finds the classes of heads of Wang et al. 2022 by path
patching, `compare` holds them against a reference; `IOISentence` reads the roles of a sentence of one's own.
"""

from typing import Any

from scope_widgets._aliases import moved
from scope_widgets.ioi.ablate_heads import HeadAblation, ablate_heads
from scope_widgets.ioi.comparison import Comparison, compare
from scope_widgets.ioi.detect import detect
from scope_widgets.ioi.prompts import IOIPrompt, IOIPrompts, prompts
from scope_widgets.ioi.published import CLASSES, known
from scope_widgets.ioi.result import IOIResult
from scope_widgets.ioi.sentence import IOISentence

__all__ = [
    "CLASSES",
    "Comparison",
    "HeadAblation",
    "IOIPrompt",
    "IOIPrompts",
    "IOIResult",
    "IOISentence",
    "ablate_heads",
    "compare",
    "detect",
    "known",
    "prompts",
]

_RENAMED = {"knock_out": "scope_widgets.ioi:ablate_heads", "KnockOut": "scope_widgets.ioi:HeadAblation"}


def __getattr__(name: str) -> Any:
    return moved(__name__, name, _RENAMED)
