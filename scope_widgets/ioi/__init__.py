"""Indirect-object identification: prompts, and the heads that do it, found by what they cause.

`prompts` makes sentences with every role's position, `detect` finds the classes of heads of Wang et al. 2022 by path
patching, `compare` holds them against a reference; `IOISentence` reads the roles of a sentence of one's own.
"""

from scope_widgets.ioi.comparison import Comparison, compare
from scope_widgets.ioi.detect import detect
from scope_widgets.ioi.knock_out import KnockOut, knock_out
from scope_widgets.ioi.prompts import IOIPrompt, IOIPrompts, prompts
from scope_widgets.ioi.published import CLASSES, known
from scope_widgets.ioi.result import IOIResult
from scope_widgets.ioi.sentence import IOISentence

__all__ = [
    "CLASSES",
    "Comparison",
    "IOIPrompt",
    "IOIPrompts",
    "IOIResult",
    "IOISentence",
    "KnockOut",
    "compare",
    "detect",
    "knock_out",
    "known",
    "prompts",
]
