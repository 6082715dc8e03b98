"""From what a user gives to a `Sweep`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scope_widgets.models.microscope import Microscope
from scope_widgets.patching.call_text import call
from scope_widgets.patching.run_pair import OVER, pair
from scope_widgets.patching.sweeps import Sweep


def prepared(scope: Microscope, clean: Any, corrupted: Any, options: Mapping[str, Any], estimate: bool) -> Sweep:
    """Run both prompts and lay out the cells; `options` are the arguments of `patching.activations`."""
    measured = {name: value for name, value in options.items() if name != "over"}
    experiment = pair(scope, clean, corrupted, capture=(site_of(options["over"]),), **measured)
    return Sweep(experiment, options["over"], call("activations", clean, corrupted, **options), estimate=estimate)


def site_of(over: str) -> str:
    """Give the quantity that is patched, or raise ValueError."""
    if over not in OVER:
        raise ValueError(f"over= is one of {', '.join(OVER)}; got {over!r}.")
    return OVER[over]
