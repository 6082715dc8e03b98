"""`direct_logit_attribution`: which parts of the model write an answer's logit, and how much of it."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, ParamSpec, cast

import numpy as np
import torch
from torch import Tensor

from scope_widgets._aliases import former_options
from scope_widgets._check_choice import checked_count
from scope_widgets._provenance import Provenance
from scope_widgets._reproducing_calls import python_call
from scope_widgets._result import Result, made_with
from scope_widgets._types import Array, Tokens
from scope_widgets.experiments.statistics.rounding import rank
from scope_widgets.experiments.trace_model import scope_of
from scope_widgets.lens.logit_direction import LogitDirection, value_at
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.architecture.unembedding import Unembedding, head_writes
from scope_widgets.models.matmul_dtype import matmul_dtype
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.traces.trace import Trace

if TYPE_CHECKING:
    import pandas as pd


P = ParamSpec("P")


@dataclass(frozen=True, eq=False, repr=False)
class Attribution(Result):
    """What each part of the model writes to an answer's logit, the final norm's scale held as it was in the real run.

    Attributes
    ----------
    component : list of str [row]
        "embedding" (tokens and positions), then of each layer "attention" (a head), "attention_bias" and "mlp", then
        "final_norm_bias" and "unembedding_bias". What a model lacks is 0. In a layer that mixes positions by something
        else than attention (a state-space layer, a convolution), "mixer" stands for "attention_bias"; so it does where
        heads are mixed before they are written, and these are NaN; what writes
        beside attention and MLP is "cross-attention" in the decoder of an encoder-decoder model, and "beside" in any
        other (Falcon-H1).
    layer, head : ndarray of int [row]
        -1 where there is none.
    contribution : ndarray [row]
        Mean over the prompts; in logits.
    per_prompt : ndarray [prompt, row]
        The same of each prompt.
    total : ndarray [prompt]
        The logit difference of the real run (the answer's logit without `versus`), before any soft-cap.
    residue : float
        Largest distance, over the prompts, of the sum of the parts from the total.
    answer, versus : list of str [prompt]
        Texts of the tokens; `versus` is empty where there was none.
    n_layers, n_heads : int
    provenance : Provenance
    answer_ids, versus_ids : list of int [prompt]
        Ids of the tokens; of a result that an earlier version wrote, empty.
    position : int
        As it was given; -1 is each prompt's last token.
    """

    view: ClassVar[str] = "scope_widgets.widgets.attribution_view:AttributionView"
    plotted_by: ClassVar[str] = "scope_widgets.plots.lens:component_effects"

    component: list[str]
    layer: Array
    head: Array
    contribution: Array
    per_prompt: Array
    total: Array
    residue: float
    answer: list[str]
    versus: list[str]
    n_layers: int
    n_heads: int
    provenance: Provenance
    answer_ids: list[int] = field(default_factory=list)
    versus_ids: list[int] = field(default_factory=list)
    position: int = -1

    @property
    def trace(self) -> Trace | None:
        """The trace that this was made of, as long as it is kept elsewhere; None of a result from a file."""
        known = _traces.get(self)
        return None if known is None else known()

    @property
    def model_id(self) -> str:
        """Hub id or folder name of the model."""
        return self.provenance.model

    @property
    def heads(self) -> Array:
        """Contributions of the heads, `[layer, head]`."""
        return self._contributions("attention").reshape(self.n_layers, self.n_heads)

    @property
    def mlps(self) -> Array:
        """Contributions of the MLPs, `[layer]`."""
        return self._contributions("mlp")

    def _contributions(self, component: str) -> Array:
        found: Array = self.contribution[np.array(self.component) == component]
        return found

    def _said(self) -> str:
        tokens = [
            f" {name} {names[0]!r}" if len(set(names)) == 1 else f" {name} {len(names):,} tokens"
            for name, names in (("of", self.answer), ("without", self.versus))
            if names
        ]
        mean = "mean " if len(self.total) > 1 else ""
        said = f"{mean}logit{''.join(tokens)}: {np.mean(self.total):.3f}, of {len(self.component):,} parts"
        parts = [
            f"{name}{f' {layer}' if layer >= 0 else ''}{f'.{head}' if head >= 0 else ''} {value:+.3f}"
            for name, layer, head, value in self.top(3).itertuples(index=False)
        ]
        return f"{said}; most: {', '.join(parts)}"

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table: component, layer, head, contribution, summing to the mean logit difference."""
        import pandas as pd

        names = ("component", "layer", "head", "contribution")
        return pd.DataFrame({name: getattr(self, name) for name in names})

    def accumulated(self) -> pd.DataFrame:
        """Return the logit difference as it grows, a row for each step, in the order of a forward.

        Columns: layer (-1 where there is none), part, contribution, total (the sum so far; the last is the whole).
        The steps are the embedding, of each layer "attention" (its heads and their bias together; "mixer" where
        something else mixes positions), "cross-attention" and "beside" where there are these, and "mlp", then what
        the biases at the end add. Means over the prompts, in logits.
        """
        import pandas as pd

        steps: dict[tuple[int, str], float] = {}
        for name, layer, value in zip(self.component, self.layer.tolist(), self.contribution.tolist(), strict=True):
            part = "attention" if name == "attention_bias" else name
            if value == value:
                steps[layer, part] = steps.get((layer, part), 0.0) + value
        last = self.n_layers
        place = {"embedding": -1, "final_norm_bias": last, "unembedding_bias": last + 1}
        within = {"attention": 0, "mixer": 0, "cross-attention": 1, "mlp": 2, "beside": 3}
        order = sorted(steps, key=lambda step: (place.get(step[1], step[0]), within.get(step[1], 0)))
        table = pd.DataFrame([(*step, steps[step]) for step in order], columns=["layer", "part", "contribution"])
        return table.assign(total=table.contribution.cumsum())

    def top(self, n: int = 10) -> pd.DataFrame:
        """Return the `n` parts with the largest absolute contribution as a table, ties in the order of the parts."""
        return self.to_dataframe().iloc[rank(np.abs(self.contribution))[: checked_count("n", n)]]


#: a result does not keep what it was made of: a trace may be of gigabytes
_traces: weakref.WeakKeyDictionary[Attribution, weakref.ref[Trace]] = weakref.WeakKeyDictionary()


def _knows_its_trace(function: Callable[P, Attribution]) -> Callable[P, Attribution]:
    """Let a result find its trace, of a model on a server too."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> Attribution:
        result = function(*args, **kwargs)
        _traces[result] = weakref.ref(cast(Trace, args[0] if args else kwargs["trace"]))
        return result

    return run


@former_options("answer", "versus")
@_knows_its_trace
@remotable
def direct_logit_attribution(
    trace: Trace,
    *,
    answer: Tokens,
    versus: Tokens | None = None,
    position: int = -1,
    scope: Microscope | None = None,
) -> Attribution:
    """Decompose the logit difference of two tokens into what each head, MLP, embedding and bias writes to it directly.

    A part's contribution is `<part / scale of the final norm, W_U[answer] - W_U[versus]>`, with that scale as it was in
    the real run, so that contributions add up to the logit difference.

    Parameters
    ----------
    trace : Trace
        Of one prompt or several, with "residual", "z" and "mlp_out", and of an encoder-decoder model
        "cross_attention_out".
    answer : str, int, or a sequence of one a prompt
        One token: a text with its space (" Mary") or an id.
    versus : the same, optional
        Whose logit is subtracted; by default none is, and the answer's own logit is decomposed.
    position : int, default -1
        In each prompt without its padding; -1 is each prompt's last token.
    scope : Microscope, optional
        The model, for a trace that was read from a file.

    Returns
    -------
    Attribution
        One row a part; `.heads` [layer, head] and `.mlps` [layer] are the same as arrays.

    Raises
    ------
    ValueError
        For an answer that is not one token, the same token twice, another number of answers than prompts, or logits
        that are NaN or infinite.
    IndexError
        When a prompt has no such position.
    NotCapturedError
        When the trace lacks one of the quantities.
    UnsupportedModelError
        When the final norm and unembedding do not make the trace's logits from its residual stream, or the parts do
        not sum to it.

    Examples
    --------
    >>> trace = scope.trace("When Mary and John went to the store, John gave a drink to")
    >>> parts = lens.direct_logit_attribution(trace, answer=" Mary", versus=" John")
    >>> parts.top(1)[["component", "layer", "head"]].values.tolist()
    [['attention', 3, 1]]
    >>> bool(np.isclose(parts.contribution.sum(), parts.total[0], atol=1e-3))  # the parts sum to the difference
    True
    """
    scope = scope_of(trace, scope)
    scope.anatomy.check_sum("Direct logit attribution")
    asked = LogitDirection.of(trace, scope, answer, versus, position)
    rows: list[tuple[str, int, int]] = []
    written: list[Tensor] = []
    for names, parts in _parts(trace, scope, asked.at):
        rows += names
        written.append(asked.of_parts(parts))
    rows += [("final_norm_bias", -1, -1), ("unembedding_bias", -1, -1)]
    biases = torch.stack([asked.direction @ asked.frozen.bias, asked.bias], dim=1)
    per_prompt, total = torch.cat([*written, biases], dim=1).numpy(), asked.total.numpy()
    precision = max(trace.logits.dtype, matmul_dtype(scope.model), key=lambda dtype: torch.finfo(dtype).eps)
    residue = _checked_residue(scope, per_prompt, total, precision)
    answers, against = asked.texts(scope)
    component, layer, head = zip(*rows, strict=True)
    found = Attribution(
        component=list(component),
        layer=np.array(layer),
        head=np.array(head),
        contribution=per_prompt.mean(0),
        per_prompt=per_prompt,
        total=total,
        residue=residue,
        answer=answers,
        versus=against,
        n_layers=trace.n_layers,
        n_heads=trace.n_heads,
        provenance=trace.provenance.then(
            python_call("lens.direct_logit_attribution", "trace", answer=answer, versus=versus, position=position),
            note=_note(trace, asked.unembedding, position),
        ),
        answer_ids=asked.answers.tolist(),
        versus_ids=[] if asked.against is None else asked.against.tolist(),
        position=position,
    )
    return made_with(found, scope)


def _checked_residue(scope: Microscope, parts: Array, total: Array, precision: torch.dtype) -> float:
    """Return how far the sum of the parts is from the total; raise UnsupportedModelError where it is not rounding."""
    residue = float(np.abs(np.nansum(parts, 1) - total).max())
    if residue > (1e-3 if precision == torch.float32 else 5e-2) * max(np.nanmax(np.abs(parts)), np.abs(total).max()):
        raise UnsupportedModelError(
            f"What the parts of this {type(scope.model).__name__} write does not sum to its logits (off by "
            f"{residue:.3g}): it does something to them that this package does not know, such as a final step that is "
            "no norm."
        )
    return residue


def _parts(trace: Trace, scope: Microscope, at: Tensor) -> Iterator[tuple[list[tuple[str, int, int]], Tensor]]:
    """Yield what is added to the residual stream at positions `at`: names of parts, and parts `[prompt, part, d]`."""
    embeddings = value_at(trace, trace.residual(0), at).cpu().double()
    yield [("embedding", -1, -1)], embeddings[:, None]
    has, nothing = scope.anatomy.has, torch.zeros_like(embeddings)
    for layer in range(trace.n_layers):
        names = [("attention", layer, head) for head in range(trace.n_heads)]
        by_head = has("z", layer) and scope.anatomy.blocks[layer].out is not None
        if by_head:
            heads, bias = head_writes(scope, value_at(trace, trace.z(layer), at), layer)
        else:  # what mixes positions in its place is one part
            unknown = scope.anatomy.blocks[layer].attention is not None  # heads that write through a convolution
            heads = torch.full_like(nothing, torch.nan if unknown else 0.0)[:, None].expand(-1, len(names), -1)
            bias = nothing
            if has("attention_out", layer):
                bias = value_at(trace, trace.attention_out(layer), at).cpu().double()
        mlp = value_at(trace, trace.mlp_out(layer), at).cpu().double() if has("mlp_out", layer) else nothing
        names += [("attention_bias" if by_head else "mixer", layer, -1), ("mlp", layer, -1)]
        parts = torch.cat([heads, bias[:, None], mlp[:, None]], dim=1)
        if has("cross_attention_out", layer):
            names.append(("cross-attention", layer, -1))
            cross = value_at(trace, trace.cross_attention_out(layer), at).cpu().double()
            parts = torch.cat([parts, cross[:, None]], dim=1)
        elif scope.anatomy.blocks[layer].beside:
            before, after = (value_at(trace, trace.residual(at_layer), at) for at_layer in (layer, layer + 1))
            names.append(("beside", layer, -1))
            parts = torch.cat([parts, (after.cpu().double() - before.cpu().double() - parts.nansum(1))[:, None]], dim=1)
        yield names, parts


def _note(trace: Trace, unembedding: Unembedding, position: int) -> str:
    which = "the last position" if position == -1 else f"position {position}"
    sentences = [
        trace.provenance.note,
        f"Direct logit attribution at {which}, the final norm's scale held as in the real run.",
    ]
    if unembedding.softcap is not None:
        sentences.append(f"Of the logits before they are soft-capped at {unembedding.softcap:g}.")
    return " ".join(filter(None, sentences))
