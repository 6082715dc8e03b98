"""`neuron_attribution`: which neurons of an MLP write an answer's logit, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from scope_widgets._check_choice import checked_count, is_whole
from scope_widgets._provenance import Provenance
from scope_widgets._reproducing_calls import python_call
from scope_widgets._result import Result
from scope_widgets._types import Array, Tokens
from scope_widgets.experiments.statistics.rounding import rank
from scope_widgets.experiments.trace_model import scope_of
from scope_widgets.lens.logit_direction import LogitDirection, value_at
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.architecture.unembedding import freeze_norm
from scope_widgets.models.execution.activation_edits import check_edits
from scope_widgets.models.guards.locks import held
from scope_widgets.models.guards.restore_on_exit import recording_gradients
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.traces.trace import Trace

if TYPE_CHECKING:
    import pandas as pd

#: rows of the MLP's last matrix that are held at a time
_AT_ONCE = 1024


@dataclass(frozen=True, eq=False, repr=False)
class NeuronAttribution(Result):
    """What each neuron of one MLP writes to an answer's logit, the scales of norms held as they were in the real run.

    Attributes
    ----------
    layer : int
    contribution : ndarray [neuron]
        Mean over the prompts; in logits.
    activation : ndarray [neuron]
        Mean over the prompts of what the MLP's last matrix gets, at the position.
    per_prompt : ndarray [prompt, neuron]
        Contributions in each prompt.
    bias : ndarray [prompt]
        What the MLP's last biases, and that of a norm after it, add.
    total : ndarray [prompt]
        What the whole MLP contributes.
    residue : float
        Largest distance, over the prompts, of neurons and bias together from the total.
    answer, versus : list of str [prompt]
        Texts of the tokens; `versus` is empty where there was none.
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.lens:neurons"

    layer: int
    contribution: Array
    activation: Array
    per_prompt: Array
    bias: Array
    total: Array
    residue: float
    answer: list[str]
    versus: list[str]
    provenance: Provenance

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table, one row a neuron: layer, neuron, activation, contribution."""
        import pandas as pd

        columns: dict[str, Any] = {"layer": self.layer, "neuron": np.arange(len(self.contribution))}
        return pd.DataFrame({**columns, "activation": self.activation, "contribution": self.contribution})

    def top(self, n: int = 10) -> pd.DataFrame:
        """Return the `n` neurons with the largest absolute contribution as a table, ties in their order."""
        return self.to_dataframe().iloc[rank(np.abs(self.contribution))[: checked_count("n", n)]]


@remotable
def neuron_attribution(
    trace: Trace,
    layer: int,
    *,
    answer: Tokens,
    versus: Tokens | None = None,
    position: int = -1,
    scope: Microscope | None = None,
) -> NeuronAttribution:
    """Decompose what an MLP writes directly to the logit difference of two tokens into what each of its neurons writes.

    Neuron `i` writes `activation[i] * W_out[i]` (Geva et al. 2022); its contribution is
    `<activation[i] * W_out[i] / scale of the final norm, W_U[answer] - W_U[versus]>`, with that scale, and that of a
    norm after the MLP where there is one, as they were in the real run. The prompts are run again, as far as the layer.

    Parameters
    ----------
    trace : Trace
        Of one prompt or several, with "residual" and "mlp_out".
    layer : int
        Of the MLP; negative ones from the last.
    answer : str, int, or a sequence of one a prompt
        One token: a text with its space (" Mary") or an id.
    versus : the same, optional
        Whose logit is subtracted; by default none is.
    position : int, default -1
        In each prompt without its padding; -1 is each prompt's last token.
    scope : Microscope, optional
        The model, for a trace that was read from a file.

    Returns
    -------
    NeuronAttribution

    Raises
    ------
    ValueError
        For an answer that is not one token, or the same token twice, or where the layer has no MLP.
    IndexError
        When the model has no such layer, or a prompt no such position.
    TypeError
        For what is no trace, or a layer or position that is no whole number.
    NotCapturedError
        When the trace lacks one of the quantities.
    UnsupportedModelError
        When the MLP has no plain neurons (experts), or does something to what its last matrix gives.

    Examples
    --------
    >>> trace = scope.trace("When Mary and John went to the store, John gave a drink to")
    >>> neurons = lens.neuron_attribution(trace, 3, answer=" Mary", versus=" John")
    >>> parts = lens.direct_logit_attribution(trace, answer=" Mary", versus=" John")
    >>> bool(np.isclose(neurons.contribution.sum() + neurons.bias[0], parts.mlps[3], atol=1e-3))
    True
    """
    scope = scope_of(trace, scope)
    if not is_whole(layer):
        raise TypeError(f"layer= is a whole number, 0 to {trace.n_layers - 1}; got {layer!r}.")
    if not -trace.n_layers <= layer < trace.n_layers:
        raise IndexError(f"Layer {layer} is out of range: this model has layers 0 to {trace.n_layers - 1}.")
    layer = int(layer) % trace.n_layers
    scope.anatomy.check_sum("Attribution to neurons")
    check_edits({("neurons", layer): torch.Tensor.clone}, scope.anatomy)
    asked = LogitDirection.of(trace, scope, answer, versus, position)
    activations = _activations(trace, scope, layer, asked.at)
    each, bias = _each(scope, layer, activations, asked)
    per_prompt = each * activations.cpu().double()
    total = asked.of_parts(value_at(trace, trace.mlp_out(layer), asked.at).cpu().double()[:, None])[:, 0]
    residue = float((per_prompt.sum(1) + bias - total).abs().max())
    size = max(float(per_prompt.abs().max()), float(total.abs().max()))
    if not residue <= (1e-3 if trace.logits.dtype == torch.float32 else 5e-2) * max(size, 1e-6):
        raise UnsupportedModelError(
            f"What the neurons of layer {layer} of this {type(scope.model).__name__} write does not sum to what its "
            f"MLP writes (off by {residue:.3g}): the MLP does something to what its last matrix gives, or the trace is "
            "of other weights (give scope= the model that made it)."
        )
    answers, against = asked.texts(scope)
    options = {"answer": answer, "versus": versus, "position": position}
    note = f"Neurons of the MLP of layer {layer}; scales of norms held as in the real run."
    return NeuronAttribution(
        layer=layer,
        contribution=per_prompt.mean(0).numpy(),
        activation=activations.cpu().double().mean(0).numpy(),
        per_prompt=per_prompt.numpy(),
        bias=bias.numpy(),
        total=total.numpy(),
        residue=residue,
        answer=answers,
        versus=against,
        provenance=trace.provenance.then(
            python_call("lens.neuron_attribution", "trace", ("layer", layer), **options),
            note=" ".join(filter(None, (trace.provenance.note, note))),
        ),
    )


def _activations(trace: Trace, scope: Microscope, layer: int, at: Tensor) -> Tensor:
    """Return what the MLP's last matrix gets at the position of each prompt, `[prompt, neuron]`."""
    found: list[Tensor] = []
    mask = trace.mask.reshape(len(trace), -1)
    for prompt, (ids, real) in enumerate(zip(trace.token_ids.reshape(len(trace), -1), mask, strict=True)):
        position = int(real[: int(at[prompt])].sum())

        def look(value: Tensor, position: int = position) -> Tensor:
            found.append(value[0, position].detach().clone())
            return value

        scope.logits(ids[real][None], {("neurons", layer): look})
    return torch.stack(found)


def _each(scope: Microscope, layer: int, activations: Tensor, asked: LogitDirection) -> tuple[Tensor, Tensor]:
    """Return what one unit of each neuron adds to the difference `[prompt, neuron]`, and what biases add `[prompt]`."""
    block = scope.anatomy.blocks[layer]
    down: Any = block.down
    found: list[Tensor] = []
    with recording_gradients(False), held(scope.model):
        whole = down(activations)
        nothing = down(torch.zeros_like(activations[:1]))
        frozen = freeze_norm(block.mlp_norm, whole[:, None])
        n = activations.shape[-1]
        for start in range(0, n, _AT_ONCE):
            count = min(_AT_ONCE, n - start)
            units = torch.zeros(count, n, device=activations.device, dtype=activations.dtype)
            units[torch.arange(count), start + torch.arange(count)] = 1
            rows = (down(units) - nothing).cpu().double()[None].expand(len(activations), -1, -1)
            found.append(asked.of_parts(frozen(rows) * block.mlp_scale))
    bias = frozen(nothing.cpu().double()[None].expand(len(activations), -1, -1)) + frozen.bias
    return torch.cat(found, dim=1), asked.of_parts(bias * block.mlp_scale)[:, 0]
