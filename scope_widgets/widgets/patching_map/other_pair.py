"""A map of patching of another pair of prompts: the same call, of other words."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from scope_widgets._job import Steps
from scope_widgets.models.remote_dispatch import submit
from scope_widgets.patching import attribution, paths
from scope_widgets.patching.patching_experiment import Experiment
from scope_widgets.patching.result import PatchingResult
from scope_widgets.patching.sweeps import Sweep

#: the arguments of `patching.activations`
_DEFAULTS = {
    "answer": None,
    "versus": None,
    "over": "head",
    "positions": "each",
    "direction": "denoising",
    "metric": None,
    "roles": None,
    "corrupted_roles": None,
}
_FUNCTIONS: dict[str, Callable[..., PatchingResult]] = {
    "patching.attribution": attribution,
    "patching.paths": paths,
}


def options_for_others(result: PatchingResult) -> tuple[str, dict[str, Any]] | None:
    """Return the function and options that make the map of another pair; None where these are of this pair alone.

    That is so where the call is not known, an option is no literal (a metric of one's own), or positions are named: a
    number or a role is a place in these words.
    """
    calls = result.provenance.calls
    call: Any = ast.parse(calls[-1], mode="eval").body if calls else None
    if not isinstance(call, ast.Call) or ast.unparse(call.func) not in ("patching.activations", *_FUNCTIONS):
        return None
    try:
        options = {str(one.arg): ast.literal_eval(one.value) for one in call.keywords}
    except ValueError:
        return None
    if any(options.get(name) is not None for name in ("roles", "corrupted_roles")):
        return None
    if not isinstance(options.get("positions", "each"), str):
        return None
    return ast.unparse(call.func), options


def made_of_pair(scope: Any, result: PatchingResult, clean: str, corrupted: str) -> Steps[Sweep | PatchingResult]:
    """Make the map of another pair: exact effects as a sweep that is still to be run, others at once.

    Raises
    ------
    ValueError
        Where the prompts do not have as many tokens, or the effects need something else that they do not have.
    """
    found = options_for_others(result)
    assert found is not None
    function, options = found
    if function == "patching.activations":
        experiment = Experiment(scope, clean, corrupted, {**_DEFAULTS, **options})
        return (yield from Sweep.submit_new(experiment, estimate=result.estimate is not None).follow())
    return (yield from submit(_FUNCTIONS[function], scope, clean, corrupted, **options).follow())
