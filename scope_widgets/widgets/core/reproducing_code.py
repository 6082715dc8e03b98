"""Python lines that make what a view shows again, in a kernel that knows nothing yet."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

import numpy as np

from scope_widgets._reproducing_calls import is_known_call, variables_of

if TYPE_CHECKING:
    from scope_widgets.circuits import Circuit

#: of each function of `_reproducing_calls.OPTIONS`: the variable that holds what it returns, and the class of that
_MADE = {
    "Microscope.load": ("scope", "Microscope"),
    "scope.trace": ("trace", "Trace"),
    "trace": ("trace", "Trace"),
    "heads.score": ("scores", "HeadScores"),
    "heads.score_repeated_tokens": ("scores", "HeadScores"),
    "heads.importance": ("scores", "HeadScores"),
    "heads.composition": ("scores", "CompositionScores"),
    "heads.writes": ("tokens", "HeadTokens"),
    "heads.ov_tokens": ("tokens", "HeadTokens"),
    "heads.copied_tokens": ("tokens", "HeadTokens"),
    "heads.qk_tokens": ("tokens", "HeadTokens"),
    "ioi.prompts": ("prompts", "IOIPrompts"),
    "prompts": ("prompts", "IOIPrompts"),
    "ioi.detect": ("result", "IOIResult"),
    "ioi.ablate_heads": ("result", "HeadAblation"),
    "heads.label": ("labels", "HeadLabels"),
    "lens.logit_lens": ("result", "LogitLens"),
    "lens.direct_logit_attribution": ("result", "Attribution"),
    "lens.neuron_attribution": ("neurons", "NeuronAttribution"),
    "lens.token_loss": ("losses", "TokenLoss"),
    "lens.token_values": ("numbers", "TokenValues"),
    "features.load": ("sae", "SAE"),
    "features.latent_values": ("numbers", "TokenValues"),
    "FeatureIndex.load": ("index", "FeatureIndex"),
    "index.example": ("numbers", "TokenValues"),
    "circuits.Task": ("task", "Task"),
    "circuits.discover": ("circuit", "Circuit"),
    "features.provenance": ("circuit", "Circuit"),
    "geometry.points": ("points", "Points"),
    "geometry.project": ("projection", "Projection"),
    "patching.ablate": ("result", "Ablation"),
    "patching.activations": ("result", "PatchingResult"),
    "patching.attribution": ("result", "PatchingResult"),
    "patching.paths": ("result", "PatchingResult"),
}


def made_by(view: str, **shown: Any) -> str:
    """Return the imports, the model, and the calls that make what a view shows.

    Parameters
    ----------
    view : str
        Name of its class, which is imported too: its own call follows these lines.
    **shown
        What is shown, by the variable that it is to be in. Where nobody knows how it was made, the line says so.
    """
    lines: list[str] = []
    made: dict[str, tuple[str, ...]] = {}
    for name, one in shown.items():
        if name == "scope":
            lines.append(load_line(one))
            made[name] = getattr(one, "calls", ())
        else:
            _add(lines, made, name, one)
        lines += _edges_of(name, one) if made[name] and hasattr(one, "included") else []
    rooms = {line.partition(" = ")[2].partition(".")[0] for line in lines}
    names = sorted(rooms & {"Microscope", "circuits", "features", "geometry", "heads", "ioi", "lens", "patching"})
    imports = [f"from scope_widgets import {', '.join(names)}"] if names else []
    imports += ["from scope_widgets.features import FeatureIndex"] if "FeatureIndex" in rooms else []
    return "\n".join([*imports, f"from scope_widgets.widgets import {view}", "", *lines, ""])


def _add(lines: list[str], made: dict[str, tuple[str, ...]], name: str, one: Any) -> None:
    """Add the lines that make `one` in the variable `name`; `made` are the calls behind each variable so far."""
    calls = _calls_of(one)
    if not calls:
        lines.append(f"{name} = ...  # your {type(one).__name__}: how it was made is not known")
        made[name] = ()
    for at, call in enumerate(calls, 1):
        into = name if at == len(calls) else _variable(call)[0]
        if made.get(into) == calls[:at]:
            continue
        for variable in variables_of(call):
            if variable not in made:
                lines.append(_unwritten(variable, one.provenance.model if variable == "scope" else ""))
                made[variable] = ()
        # the call that was looked at, and nothing that stands beside it in its text
        lines.append(f"{into} = {ast.unparse(ast.parse(call, mode='eval'))}")
        made[into] = calls[:at]


def load_line(scope: Any) -> str:
    """Return the line that loads the model of a microscope."""
    if calls := getattr(scope, "calls", ()):
        return f"scope = {calls[0]}"
    return _unwritten("scope", getattr(scope, "model_id", "model"))


def _edges_of(name: str, circuit: Circuit) -> list[str]:
    """Return the lines that choose the edges that are in: so many of the strongest, and by name what differs."""
    n = circuit.n_edges
    strongest = circuit.keep(n).included
    lines = [f"{name} = {name}.keep({n})"]
    for change, mask in (("add", circuit.included & ~strongest), ("remove", strongest & ~circuit.included)):
        if mask.any():
            edges = ", ".join(repr(circuit.graph.names(int(edge))) for edge in np.flatnonzero(mask))
            lines.append(f"{name} = {name}.{change}({edges})")
    return lines


def _unwritten(variable: str, model: str) -> str:
    what = f"model {str(model)[:80]!r}" if model else f"{variable}="
    return f"{variable} = ...  # your {what}, which cannot be written out here"


def _calls_of(one: Any) -> tuple[str, ...]:
    """Return the calls that make a thing; none where one of them is not known, or the last makes something else."""
    calls = getattr(getattr(one, "provenance", one), "calls", ())
    if not calls or not all(isinstance(call, str) and is_known_call(call) for call in calls):
        return ()
    _, kind = _variable(calls[-1])
    return tuple(calls) if kind in [base.__name__ for base in type(one).__mro__] else ()


def _variable(call: str) -> tuple[str, str]:
    tree: Any = ast.parse(call, mode="eval").body
    return _MADE[ast.unparse(tree.func if isinstance(tree, ast.Call) else tree.value)]
