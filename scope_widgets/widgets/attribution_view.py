"""Who writes the answer's logit: the logit difference as it grows layer by layer, and every head, MLP and neuron."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import traitlets

from scope_widgets._job import Steps
from scope_widgets._result import scope_behind
from scope_widgets.experiments.statistics.rounding import rank
from scope_widgets.lens import Attribution, NeuronAttribution, direct_logit_attribution, neuron_attribution
from scope_widgets.models.remote_dispatch import submit
from scope_widgets.traces.trace import Trace
from scope_widgets.widgets.core.drawing.svg_sheet import Paper
from scope_widgets.widgets.core.intervening import Intervening
from scope_widgets.widgets.core.prompt_line import Prompted, options_of
from scope_widgets.widgets.core.reproducing_code import made_by
from scope_widgets.widgets.core.requests import finished
from scope_widgets.widgets.core.selection import Head, Selection
from scope_widgets.widgets.core.view import LARGEST, TALLEST, Answer, LongAnswer, View
from scope_widgets.widgets.figures.attribution import Parts, draw_attribution
from scope_widgets.widgets.figures.captions import made_of, model_name, origin

#: rows of an attribution: what travels is 16 bytes a row
MOST_PARTS = 200_000
_FALLBACK_ROWS = 12
_MOST_TOKENS = 20


class AttributionView(Intervening, Prompted):
    """Direct logit attribution: the running total beside the map of heads and MLPs, and neurons on demand.

    Parameters
    ----------
    result : Attribution
    trace : Trace, optional
        What the result was made of, for the neurons of an MLP; by default the trace itself, while it is kept.
    selection : Selection, optional
        Shared with other views: ``selected_heads`` are marked.
    session : Session, optional
        Whose interventions a head or neuron is ablated, scaled or frozen among; default those of the selection.
    title : str, optional
    mlp : int, optional
        The layer of the MLP whose neurons are shown.
    limit : float, optional
        Where the colours end, on both sides of 0; default: what fits.
    threshold : float
        Smaller contributions are drawn as 0.
    **traits
        ``selected_heads``, ``theme``, ``height`` (pixels).

    Raises
    ------
    TypeError
        When `result` is no attribution, or `trace` no trace.
    ValueError
        When its arrays do not fit together, or it has more parts than can be shown.
    traitlets.TraitError
        When the model has no MLP in layer `mlp`.

    Examples
    --------
    >>> AttributionView(parts, selected_heads=[(3, 1)], mlp=3)  # doctest: +SKIP
    """

    bundle: ClassVar[str] = "attribution_view"
    explains = (
        "contribution",
        "logit_difference",
        "running_total",
        "neuron",
        "frozen_scale",
        "intervention",
        "orders_of_heads",
    )
    set_in_browser: ClassVar[dict[str, Any]] = View.set_in_browser | {
        "limit": float | None,
        "threshold": float,
        "mlp": int | None,
    }

    components = traitlets.List(traitlets.List(), help="[name, layer, head] a part; -1 where there is none").tag(
        sync=True
    )
    contributions = traitlets.Bytes(help="float64 a part, NaN where it is not known").tag(sync=True)
    errors = traitlets.Bytes(help="standard error of each mean, float64; empty for one prompt").tag(sync=True)
    steps = traitlets.List(traitlets.List(), help="[layer, part, contribution, total], see accumulated()").tag(
        sync=True
    )
    answer = traitlets.List(traitlets.Unicode(), help="the different answers, the first of them").tag(sync=True)
    versus = traitlets.List(traitlets.Unicode()).tag(sync=True)
    whole = traitlets.Float(help="the model's own logit difference, mean over prompts").tag(sync=True)
    residue = traitlets.Float(help="largest distance of the sum of the parts from it").tag(sync=True)
    n_prompts = traitlets.Int(1).tag(sync=True)
    no_neurons = traitlets.Unicode(help="why neurons cannot be asked for; empty: they can").tag(sync=True)
    mlp = traitlets.Int(None, allow_none=True, help="layer of the MLP whose neurons are shown").tag(sync=True)
    limit = traitlets.Float(None, allow_none=True).tag(sync=True)
    threshold = traitlets.Float(0.0, min=0.0, max=LARGEST).tag(sync=True)
    height = traitlets.Int(None, allow_none=True, min=240, max=TALLEST).tag(sync=True)

    def __init__(
        self,
        result: Any,
        *,
        trace: Trace | None = None,
        selection: Selection | None = None,
        selected_heads: Iterable[Head] | None = None,
        title: str | None = None,
        **traits: Any,
    ) -> None:
        self.result: Attribution = _checked(result)
        if not isinstance(trace, (Trace, type(None))):
            raise TypeError(f"trace= takes the Trace that the result was made of, not a {type(trace).__name__}.")
        self._trace = trace
        self._neurons: dict[int, NeuronAttribution] = {}
        super().__init__(
            selection=selection,
            selected_heads=selected_heads,
            title=title or _title(result),
            **self._of_result(),
            **traits,
        )
        provenance = result.provenance
        if len(provenance.prompts) == len(provenance.calls[:1]) == 1:
            self.scope = scope_behind(result)
            self.prompt_history = list(provenance.prompts) if self.scope is not None else []
        self.begin_interventions()

    def _of_result(self) -> dict[str, Any]:
        """Return the traits that say what is shown."""
        result = self.result
        table = result.accumulated()
        n_prompts = len(result.per_prompt)
        return {
            "made_by": made_by("AttributionView", result=result),
            "n_layers": result.n_layers,
            "n_heads": result.n_heads,
            "components": [list(row) for row in zip(*_columns(result), strict=True)],
            "contributions": result.contribution.astype("<f8").tobytes(),
            "errors": _errors(result.per_prompt).astype("<f8").tobytes() if n_prompts > 1 else b"",
            "steps": [list(row) for row in zip(*(table[name].tolist() for name in table.columns), strict=True)],
            "answer": list(dict.fromkeys(result.answer))[:_MOST_TOKENS],
            "versus": list(dict.fromkeys(result.versus))[:_MOST_TOKENS],
            "whole": float(np.mean(result.total)),
            "residue": float(result.residue),
            "n_prompts": n_prompts,
            "no_neurons": self._why_no_neurons(),
        }

    # -- interventions

    def intervenes_on(self) -> tuple[Any, str | None] | None:
        """Return the model, and the prompt where there is one."""
        return (self.scope, self.prompt) if self.prompt_history else None

    def compared(self) -> dict[str, Any]:
        """Return the two tokens whose logits are compared."""
        sides = self.result.answer_ids, self.result.versus_ids
        return dict(zip(("answer", "versus"), (int(side[0]) for side in sides), strict=True)) if all(sides) else {}

    # -- another prompt

    def traced_with(self) -> dict[str, Any]:
        """Return the options that the trace of the attribution was made with."""
        return options_of(self.result.provenance.calls, "scope.trace")

    def made_of(self, text: str, trace: Any) -> Steps[Callable[[], None]]:
        """Make the same attribution of the trace of another prompt."""
        options = options_of(self.result.provenance.calls, "lens.direct_logit_attribution")
        if self.compared_of is not None:
            options |= yield from self.compared_of(trace)
        result = yield from submit(direct_logit_attribution, trace, **options).follow()
        return lambda: self._put(result, trace)

    def _put(self, result: Attribution, trace: Trace) -> None:
        own_title = self.title != _title(self.result)
        self.result, self._trace, self._neurons = result, trace, {}
        for name, value in self._of_result().items():
            setattr(self, name, value)
        self.origin = self._origin()
        if not own_title:
            self.title = _title(result)

    @traitlets.validate("limit")
    def _check_limit(self, proposal: Any) -> float | None:
        limit: float | None = proposal["value"]
        if limit is not None and not 0 < limit < np.inf:
            raise traitlets.TraitError(f"The limit of the colours is a number above 0, not {limit}.")
        return limit

    @traitlets.validate("mlp")
    def _check_mlp(self, proposal: Any) -> int | None:
        layer: int | None = proposal["value"]
        if layer is not None and not 0 <= layer < self.result.n_layers:
            raise traitlets.TraitError(
                f"mlp= is the layer of an MLP, 0 to {self.result.n_layers - 1}, or None; not {layer}."
            )
        return layer

    # -- neurons

    @property
    def trace(self) -> Trace | None:
        """What the result was made of, where it is known."""
        return self._trace if self._trace is not None else self.result.trace

    def _why_no_neurons(self) -> str:
        if not self.result.answer_ids:
            return "This result does not hold the ids of its tokens: run direct_logit_attribution again."
        trace = self.trace
        if trace is None:
            return "Neurons need the trace: give it to the view, AttributionView(result, trace=trace)."
        if trace.scope is None:
            return "Neurons need the model, and this trace was read from a file: record it again."
        return ""

    def answer_neurons(self, layer: int) -> LongAnswer:
        """Return an MLP's neurons: contributions, activations, and errors of several prompts, float64 [neuron] each."""
        layer = operator.index(layer)
        if layer not in self._neurons:
            if reason := self._why_no_neurons():
                raise ValueError(reason)
            trace, result = self.trace, self.result
            assert trace is not None
            job = trace.scope.submit(
                neuron_attribution,
                trace,
                layer,
                answer=result.answer_ids,
                versus=result.versus_ids or None,
                position=result.position,
            )
            self._neurons[layer] = yield from job.follow()
        return _sent(self._neurons[layer])

    def neurons(self, layer: int) -> NeuronAttribution | None:
        """Return what is known of an MLP's neurons: those that were asked for."""
        return self._neurons.get(layer)

    # -- without a kernel

    def saved_answers(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Any], list[bytes]]]:
        """Return the neurons of the MLPs that were opened, and of the one on show, asked for now where they can be."""
        if self.mlp is not None and not self._why_no_neurons():
            with suppress(ValueError, RuntimeError):  # a page without them is better than none
                finished(self.answer_neurons(self.mlp))
        for layer, found in sorted(self._neurons.items()):
            yield "neurons", {"layer": layer}, *_sent(found)

    def provenance_lines(self) -> list[str]:
        """Return where the result came from, and whose neurons a saved page holds."""
        lines = list(self.result.provenance.lines())
        if self._neurons:
            layers = ", ".join(map(str, sorted(self._neurons)))
            lines.append(f"The page holds the neurons of the MLPs that were opened: layer {layers}.")
        return lines

    def still_table(self) -> tuple[list[str], list[list[str]]]:
        """Return the parts with the largest absolute contribution."""
        size = np.abs(np.nan_to_num(self.result.contribution, nan=-1.0))
        names, layers, heads = _columns(self.result)
        rows = [
            [part_name(names[at], layers[at], heads[at]), f"{self.result.contribution[at]:+.3f}".replace("-", "−")]
            for at in rank(size)[:_FALLBACK_ROWS]
            if size[at] > 0
        ]
        return ["part", "contribution, logits"], rows

    def still_lines(self) -> str:
        """Return what is decomposed, and what it comes to."""
        return self.question()

    def still_image(self) -> npt.NDArray[Any]:
        """Return the map in blue, white and red, the deepest layer on top, uint8 [row, column, 3]."""
        return Parts.of(self).picture()

    # -- for papers

    def draw(self, paper: Paper, *, whole: bool = True) -> None:
        """Draw the running total and the map."""
        draw_attribution(paper, self)

    def question(self) -> str:
        """Say what is decomposed, and what it comes to: logit difference Mary - John = 2.53."""
        sides = " − ".join(_side(side, len(self.result.answer)) for side in (self.answer, self.versus) if side)
        what = "logit difference" if self.versus else "logit"
        mean = f", mean of {self.n_prompts:,} prompts" if self.n_prompts > 1 else ""
        return f"{what} {sides} = {self.whole:+.3f} logits{mean}".replace("-", "−")

    def caption(self) -> str:
        """Say what a cell holds, what the sum is, of which model and prompts."""
        said = (
            "Direct logit attribution: what each head and MLP adds to the logit difference, and the sum so far; the "
            f"parts sum to the model's own {self.question()}, off by {self.residue:.1g}."
        )
        return " ".join([said, self.origin, *made_of(self.result.provenance)]) + self.notes_said()

    @traitlets.default("origin")
    def _origin(self) -> str:
        return origin(self.result.provenance.model, self.result.provenance.prompts)


def part_name(name: str, layer: int, head: int) -> str:
    """Return a part in words: "head 3.1", "MLP 2", "embedding"."""
    if head >= 0:
        return f"head {layer}.{head}"
    said = "MLP" if name == "mlp" else name.replace("_", " ")
    return said if layer < 0 else f"{said} {layer}"


def _side(tokens: list[str], n_prompts: int) -> str:
    if len(tokens) == 1:
        return repr(tokens[0])
    return f"{tokens[0]!r}, … ({'one a prompt' if n_prompts > 1 else len(tokens)})"


def _columns(result: Attribution) -> tuple[list[str], list[int], list[int]]:
    return (
        [str(name) for name in result.component],
        np.asarray(result.layer).astype(int).tolist(),
        np.asarray(result.head).astype(int).tolist(),
    )


def _errors(per_prompt: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the standard error of each mean over prompts."""
    found: npt.NDArray[np.float64] = np.std(per_prompt, axis=0, ddof=1) / np.sqrt(len(per_prompt))
    return found


def _sent(found: NeuronAttribution) -> Answer:
    several = len(found.per_prompt) > 1
    errors = _errors(found.per_prompt) if several else np.zeros(0)
    data = {"bias": float(found.bias.mean()), "total": float(found.total.mean()), "residue": found.residue}
    return data, [values.astype("<f8").tobytes() for values in (found.contribution, found.activation, errors)]


def _title(result: Attribution) -> str:
    model = model_name(result.provenance.model)
    n_prompts = len(result.per_prompt)
    return f"Direct logit attribution, {model}" + (f", {n_prompts:,} prompts" if n_prompts > 1 else "")


def _checked(result: Any) -> Attribution:
    if not all(hasattr(result, name) for name in ("component", "contribution", "accumulated")):
        raise TypeError(
            "AttributionView shows an Attribution, such as lens.direct_logit_attribution gives, "
            f"not a {type(result).__name__}."
        )
    n = len(result.component)
    if not n == len(result.layer) == len(result.head) == len(result.contribution) == np.shape(result.per_prompt)[1]:
        raise ValueError("component, layer, head and contribution of an attribution must be of one length.")
    if not 0 < n <= MOST_PARTS:
        raise ValueError(f"AttributionView shows 1 to {MOST_PARTS:,} parts, and this result has {n:,}.")
    return result  # type: ignore[no-any-return]
