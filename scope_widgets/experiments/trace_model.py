"""The model whose weights a trace is analysed with."""

from __future__ import annotations

from scope_widgets._untrusted import opening
from scope_widgets.models.microscope import Microscope
from scope_widgets.traces.trace import Trace


def scope_of(trace: Trace, scope: Microscope | None) -> Microscope:
    """Return the model to analyse a trace with: the one given, or the one that recorded it.

    Raises
    ------
    TypeError
        For what is no trace, or a scope that is no model.
    ValueError
        When there is neither, or the one given has other sizes.
    """
    check_trace(trace)
    scope = trace.scope if scope is None else scope
    if scope is None:
        raise ValueError(
            "This trace was read from a file, without the model's weights: "
            f"give scope=, such as Microscope.load({trace.model_id!r})."
        )
    if not isinstance(scope, Microscope):
        raise TypeError(f"scope= is a model, such as Microscope.load({trace.model_id!r}); got {opening(scope)}.")
    if (scope.n_layers, scope.n_heads) != (trace.n_layers, trace.n_heads):
        raise ValueError(
            f"The trace is of a model with {trace.n_layers} layers of {trace.n_heads} heads, and scope= has "
            f"{scope.n_layers} of {scope.n_heads}: give the model that made the trace."
        )
    return scope


def check_trace(trace: object) -> None:
    """Raise TypeError for what is no trace, with where one comes from."""
    if isinstance(trace, Trace):
        return
    if trace is None:
        raise TypeError(
            "The trace is None: a result forgets its trace when nothing else holds it. Keep it in a variable, "
            "trace = scope.trace(prompt), and give that one."
        )
    raise TypeError(f"This is of a trace, scope.trace(prompt); got {opening(trace)}.")
