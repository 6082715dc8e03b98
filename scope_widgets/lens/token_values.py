"""`token_values`: numbers of each token of a prompt that a trace has, or a run as far as one layer gives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from scope_widgets._check_choice import check_choice, is_whole
from scope_widgets._reproducing_calls import python_call
from scope_widgets._types import Array
from scope_widgets._untrusted import opening
from scope_widgets.experiments.trace_model import check_trace, scope_of
from scope_widgets.lens.token_loss import token_loss
from scope_widgets.models.execution.activation_edits import check_edits
from scope_widgets.models.execution.read_activations import read_activations
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.traces.token_values import TokenValues
from scope_widgets.traces.trace import Trace

Quantity = Literal["loss", "probability", "entropy", "norm"]
#: (layer, head) or (layer, neuron), or several
Pairs: TypeAlias = tuple[int, int] | Iterable[tuple[int, int]]

#: name, unit and numbers of one column
_Column: TypeAlias = tuple[str, str, Array]
_UNITS = {"loss": "nats", "entropy": "nats"}


def token_values(
    trace: Trace,
    *quantities: Quantity,
    layer: int | Iterable[int] | None = None,
    neuron: Pairs | None = None,
    head: Pairs | None = None,
    position: int | None = None,
    to: int | None = None,
    scope: Microscope | None = None,
) -> TokenValues:
    """Return numbers of each token of a prompt, a column for each that is asked for; displayed, the text in colours.

    Parameters
    ----------
    trace : Trace
        Of one prompt.
    *quantities : str
        "loss", "probability" and "entropy" of each token as `lens.token_loss` has them, and "norm", the Euclidean norm
        of the residual stream that enters a block (`trace.token_norms`). Where nothing else is asked for, "loss".
    layer : int or sequence of int, optional
        Of "norm": the block, `n_layers` for the final norm; default all of them.
    neuron : (layer, neuron), or a sequence of them, optional
        Activations of neurons, what the last matrix of an MLP gets: the prompt is run again, as far as the layer.
    head : (layer, head), or a sequence of them, optional
        Attention of heads.
    position : int, optional
        What the token at this position attends to: a row of the pattern. Default the last, where there is no `to`.
    to : int, optional
        What attends to the token at this position: a column of the pattern.
    scope : Microscope, optional
        The model, for a trace that was read from a file.

    Returns
    -------
    TokenValues

    Raises
    ------
    ValueError
        For several prompts, a quantity that is none, and options of what is not asked for.
    TypeError
        For what is no trace, and layers, heads, neurons or positions that are none.
    IndexError
        Where there is no such layer, head, neuron or position.
    NotCapturedError
        When the trace lacks what is asked for.

    Examples
    --------
    >>> trace = scope.trace("When Mary and John went to the store")
    >>> found = lens.token_values(trace, "norm", layer=2, neuron=(3, 10), head=(3, 1), position=-1)
    >>> found.names
    ['residual norm, layer 2', 'neuron 3.10', 'attention of 3.1 from position 8']
    >>> bool((found["attention of 3.1 from position 8"] == trace.head_attention(3, 1)[-1].numpy()).all())
    True
    """
    check_trace(trace)
    if trace.batched:
        raise ValueError(f"A text in colours is one prompt and this trace has {len(trace)}: choose one with trace[i].")
    for one in quantities:
        check_choice("quantities", one, Quantity)
    neurons, heads = _pairs("neuron", neuron), _pairs("head", head)
    layers = layer if layer is None or is_whole(layer) or not isinstance(layer, Iterable) else list(layer)
    if layer is not None and "norm" not in quantities:
        raise ValueError('layer= is that of "norm", which is not asked for; neurons and heads name theirs: (3, 10).')
    if not heads and (position, to) != (None, None):
        raise ValueError("position= and to= are of heads: give head=(layer, head) too.")
    asked = quantities or (() if neurons or heads else ("loss",))
    columns: list[_Column] = []
    for one in asked:
        columns += _norms(trace, layers) if one == "norm" else _of_loss(trace, one, scope)
    columns += _activations(trace, neurons, scope)
    columns += _attention(trace, heads, position, to)
    kept = {name: (unit, values) for name, unit, values in columns}
    options = {"layer": layers, "neuron": _written(neurons), "head": _written(heads), "position": position, "to": to}
    call = python_call("lens.token_values", "trace", *[("quantities", one) for one in quantities], **options)
    return TokenValues(
        tokens=list(trace.tokens),
        names=list(kept),
        values=np.stack([values for _, values in kept.values()]),
        units=[unit for unit, _ in kept.values()],
        provenance=trace.provenance.then(call),
    )


def _of_loss(trace: Trace, name: Quantity, scope: Microscope | None) -> list[_Column]:
    return [(name, _UNITS.get(name, ""), np.asarray(getattr(token_loss(trace, scope=scope), name)))]


def _norms(trace: Trace, layer: Any) -> list[_Column]:
    wanted = range(trace.n_layers + 1) if layer is None else layer if isinstance(layer, list) else [layer]
    found = []
    for one in wanted:
        if not is_whole(one):
            raise TypeError(f"A layer is a whole number, 0 to {trace.n_layers}; got {opening(one)}.")
        at = int(one) % trace.n_layers if one < 0 else int(one)
        norms = trace.token_norms(int(one)).double().cpu().numpy()
        what = "before the final norm" if at == trace.n_layers else f"layer {at}"
        found.append((f"residual norm, {what}", "", norms))
    return found


def _attention(trace: Trace, heads: list[tuple[int, int]], position: int | None, to: int | None) -> list[_Column]:
    if position is None and to is None:
        position = -1
    found = []
    for layer, head in heads:
        if not 0 <= head < trace.n_heads:
            raise IndexError(
                f"There is no head {layer}.{head}: a layer of this model has heads 0 to {trace.n_heads - 1}."
            )
        pattern = trace.head_attention(layer, head).double().cpu().numpy()
        name = f"attention of {layer % trace.n_layers}.{head}"
        if position is not None:
            at = _position(trace, "position", position)
            found.append((f"{name} from position {at}", "", pattern[at]))
        if to is not None:
            at = _position(trace, "to", to)
            found.append((f"{name} to position {at}", "", pattern[:, at]))
    return found


def _position(trace: Trace, name: str, at: Any) -> int:
    n = len(trace.tokens)
    if not is_whole(at):
        raise TypeError(f"{name}= is a position, a whole number; got {opening(at)}.")
    if not -n <= at < n:
        raise IndexError(f"There is no position {at}: this prompt has {n} tokens, 0 to {n - 1}.")
    return int(at) % n


def _activations(trace: Trace, neurons: list[tuple[int, int]], scope: Microscope | None) -> list[_Column]:
    if not neurons:
        return []
    scope = scope_of(trace, scope)
    for layer, _ in neurons:
        if not -trace.n_layers <= layer < trace.n_layers:
            raise IndexError(f"Layer {layer} is out of range: this model has layers 0 to {trace.n_layers - 1}.")
    where = [(layer % trace.n_layers, number) for layer, number in neurons]
    values = neuron_activations(scope, trace.token_ids.tolist(), where).double().cpu().numpy()
    return [(f"neuron {layer}.{number}", "", values[at]) for at, (layer, number) in enumerate(where)]


@remotable
def neuron_activations(scope: Microscope, ids: list[int], neurons: list[tuple[int, int]]) -> Tensor:
    """Return the activations of neurons (layer, number) on the tokens of a prompt, `[neuron, position]`.

    Raises
    ------
    ValueError
        Where a layer has no MLP whose neurons can be read.
    IndexError
        Where there is no such neuron.
    """
    layers = sorted({layer for layer, _ in neurons})
    check_edits({("neurons", layer): Tensor.clone for layer in layers}, scope.anatomy)
    found = read_activations(scope, [ids], [("neurons", layer) for layer in layers])
    rows = []
    for layer, number in neurons:
        values = found["neurons", layer][0]
        if not 0 <= number < values.shape[-1]:
            raise IndexError(f"Layer {layer} has neurons 0 to {values.shape[-1] - 1}; {number} is not one of them.")
        rows.append(values[:, number].float().cpu())
    return torch.stack(rows)


def _pairs(name: str, given: Any) -> list[tuple[int, int]]:
    if given is None:
        return []
    pairs = list(given) if isinstance(given, Iterable) and not isinstance(given, (str, bytes)) else [given]
    if len(pairs) == 2 and all(map(is_whole, pairs)):
        pairs = [tuple(pairs)]
    for one in pairs:
        if not isinstance(one, (tuple, list)) or len(one) != 2 or not all(map(is_whole, one)):
            raise TypeError(f"{name}= is (layer, {name}), or a list of these, such as (3, 1); got {opening(given)}.")
    return [(int(layer), int(number)) for layer, number in dict.fromkeys(map(tuple, pairs))]


def _written(pairs: list[tuple[int, int]]) -> Any:
    """Return pairs as they are written in code: one as itself."""
    return pairs[0] if len(pairs) == 1 else pairs or None
