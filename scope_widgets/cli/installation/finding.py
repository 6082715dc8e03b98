"""One thing that `microscope doctor` looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

#: ok; something that is not needed or could be better; what makes work slow; what stops it
State: TypeAlias = Literal["ok", "note", "slow", "missing"]


@dataclass(frozen=True)
class Finding:
    """What was looked at, what was found, and what to do.

    Parameters
    ----------
    about : str
        What was looked at, such as ``"torch"``.
    state : "ok", "note", "slow" or "missing"
        "missing" is what something cannot work without.
    found : str
        What is there.
    do : str, default ""
        What to do about it, a sentence; empty where there is nothing to do.
    """

    about: str
    state: State
    found: str
    do: str = ""
