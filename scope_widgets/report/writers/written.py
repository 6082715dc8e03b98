"""What a writer gives: entries that are to be tested, the prompts that it found them on, and figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from scope_widgets.report.entries.entry import Entry
from scope_widgets.report.figures import Figure


@dataclass(frozen=True, eq=False)
class Written:
    """What a writer gives.

    Attributes
    ----------
    entries : tuple of Entry
    seen : tuple of str
        Digests of the prompts that were used (`report.digest_of`): no test uses them again.
    figures : tuple of Figure
    reason : str
        Why there is nothing; else empty.
    """

    entries: tuple[Entry, ...] = ()
    seen: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    reason: str = ""


#: `writer(scope, behaviour, n=, seed=) -> Written`
Writer: TypeAlias = Callable[..., Written]
