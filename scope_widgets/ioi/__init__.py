"""Indirect-object identification: prompts, and the heads that do it, found by what they cause.

`prompts` returns sentences with every role's position, `detect` finds the classes of heads of Wang et al. 2022 by path
patching, `compare` compares them with a reference; `IOISentence` finds the roles in a sentence of one's own.
"""

from typing import Any

from scope_widgets._aliases import moved
from scope_widgets.ioi.comparison import ReferenceComparison, compare
from scope_widgets.ioi.dataset.draw_prompts import prompts
from scope_widgets.ioi.dataset.prompt_set import IOIPrompt, IOIPrompts
from scope_widgets.ioi.dataset.sentence import IOISentence
from scope_widgets.ioi.detection.ablate_heads import HeadAblation, ablate_heads
from scope_widgets.ioi.detection.detect import detect
from scope_widgets.ioi.detection.result import IOIResult
from scope_widgets.ioi.published import CLASSES, known

__all__ = [
    "CLASSES",
    "HeadAblation",
    "IOIPrompt",
    "IOIPrompts",
    "IOIResult",
    "IOISentence",
    "ReferenceComparison",
    "ablate_heads",
    "compare",
    "detect",
    "known",
    "prompts",
]

_RENAMED = {
    "knock_out": "scope_widgets.ioi:ablate_heads",
    "KnockOut": "scope_widgets.ioi:HeadAblation",
    "Comparison": "scope_widgets.ioi:ReferenceComparison",
}


def __getattr__(name: str) -> Any:
    return moved(__name__, name, _RENAMED)
