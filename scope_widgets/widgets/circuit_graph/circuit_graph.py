"""A circuit as a graph: layers up, edges by their scores, changed by hand and measured again as it changes."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import traitlets

from scope_widgets._job import JobStatus, Steps
from scope_widgets.circuits import Circuit, Task, held_out
from scope_widgets.circuits.evaluation.edited_circuit import (
    Measured,
    attention_on_first_prompt,
    measure,
    measure_random,
)
from scope_widgets.circuits.evaluation.evaluation_run import EvaluationRun
from scope_widgets.circuits.evaluation.faithfulness_curve import SHARES, measure_curve
from scope_widgets.experiments.circuit.latent_graph import LatentGraph, LatentNode
from scope_widgets.models.edges.graph import Graph
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import submit
from scope_widgets.models.tokens import encode
from scope_widgets.widgets.circuit_graph import edits
from scope_widgets.widgets.circuit_graph.faithfulness_curve import curve_of, partial_curve
from scope_widgets.widgets.circuit_graph.picture import picture
from scope_widgets.widgets.core.drawing.svg_sheet import Paper
from scope_widgets.widgets.core.intervening import Intervening
from scope_widgets.widgets.core.question import asked, question_text
from scope_widgets.widgets.core.reproducing_code import made_by
from scope_widgets.widgets.core.requests import finished
from scope_widgets.widgets.core.selection import Head, Selection
from scope_widgets.widgets.core.view import TALLEST, Answer, LongAnswer, View
from scope_widgets.widgets.figures.captions import counted, made_of, model_name, number, origin
from scope_widgets.widgets.figures.circuit import draw_circuit

#: what a saved page may hold of attention, and of the circuit as JSON
SAVED_BYTES = 2_000_000
_FALLBACK_ROWS = 10
#: pairs that are run at every touch, and random circuits of the same size beside what is measured
PAIRS, RANDOM_CIRCUITS = 8, 3
_EDITS = ("kept", "removed", "added", "labels", "groups", "pins")


class CircuitGraph(Intervening):
    """Layers up, heads and MLPs across, edges coloured by their scores; what is changed in it is a `Circuit` again.

    Parameters
    ----------
    circuit : Circuit
    scope : Microscope, optional
        The model: with it faithfulness and the metric are measured again after each change.
    curve : Curve, optional
        What `circuits.curve(scope, circuit)` gave; without it the view computes one where there is a model.
    compare : Circuit, optional
        Another circuit of the same graph, drawn into the first.
    held_out : Task, optional
        Pairs that the circuit was not found on, to measure it on them; of these the first 8. By default pairs of the
        same task that are drawn anew, where it was made by its name (`circuits.held_out`); else those that it was found
        on, as the view says.
    measurement : EvaluationRun, optional
        What measures, instead of one made of `scope`.
    selection : Selection, optional
        Shared with other views: ``selected_heads`` are the heads that are selected here.
    session : Session, optional
        Whose interventions the open head or MLP is ablated or scaled among; default those of the selection. They act in
        the whole model, on the first clean prompt; what is taken out of the circuit is another matter.
    title : str, optional
    kept : int, optional
        So many of the strongest edges are in; default: those that are in the circuit.
    removed : list of str
        Nodes ("a3.h1") and edges ("a0.h1->a3.h1<q>") that are out all the same.
    added : list of str
        Edges that are in all the same.
    labels, groups : dict
        As in `Circuit`, whose they are by default.
    pins : dict of str to [column, layer]
        Where nodes and groups stand that were moved.
    **traits
        ``selected_heads``, ``theme``, ``height`` (pixels).

    Raises
    ------
    TypeError
        When `circuit` or `compare` is no `Circuit`, `curve` no curve, `held_out` no task, or `measurement` cannot
        measure.
    ValueError
        When `compare` has another graph, or `curve` is another circuit's.

    Examples
    --------
    >>> graph = CircuitGraph(circuit.keep(200), scope)  # doctest: +SKIP
    >>> graph.circuit  # as edited  # doctest: +SKIP
    """

    bundle: ClassVar[str] = "circuit_graph"
    explains = (
        "node",
        "score",
        "width",
        "size",
        "faithfulness",
        "ablation",
        "random",
        "logit_difference",
        "intervention",
        "orders_of_heads",
    )
    set_in_browser: ClassVar[dict[str, Any]] = View.set_in_browser | {
        "kept": int | None,
        "removed": list[str],
        "added": list[str],
        "labels": dict[str, str],
        "groups": dict[str, list[str]],
        "pins": dict[str, list[float]],
    }

    n_kv_heads = traitlets.Int().tag(sync=True)
    parallel = traitlets.Bool().tag(sync=True)
    nodes: Any = traitlets.List(help="of a graph of latents: what each is, and where it stands").tag(sync=True)
    receiving = traitlets.List(traitlets.Int(), help="the node of each receiver of a graph of latents").tag(sync=True)
    columns = traitlets.Float(help="columns of a graph of latents").tag(sync=True)
    senders = traitlets.Bytes(help="uint16 an edge, the strongest first").tag(sync=True)
    receivers = traitlets.Bytes(help="the same").tag(sync=True)
    scores = traitlets.Bytes(help="float32 an edge, the strongest first; NaN where there is none").tag(sync=True)
    given = traitlets.Bytes(help="uint8 an edge: whether the circuit as given has it").tag(sync=True)
    other = traitlets.Bytes(help="the same of `compare`; empty without").tag(sync=True)
    other_scores = traitlets.Bytes(help="float32 an edge").tag(sync=True)
    names = traitlets.List(traitlets.Unicode(), help="what both circuits are, in words").tag(sync=True)
    metric = traitlets.Unicode().tag(sync=True)
    facts = traitlets.List(traitlets.List(traitlets.Unicode()), help="[name, text] of the circuit").tag(sync=True)
    live = traitlets.Bool(help="there is a model to measure with").tag(sync=True)
    held_out = traitlets.Bool(help="the caller gave the pairs to measure on").tag(sync=True)
    pairs = traitlets.Unicode(help="what is measured on, in words").tag(sync=True)
    question = traitlets.Dict(help="see `question.asked`").tag(sync=True)
    curve = traitlets.Dict(help="empty where none is known").tag(sync=True)

    kept: Any = traitlets.TraitType(None, allow_none=True).tag(sync=True)
    removed: Any = traitlets.TraitType().tag(sync=True)
    added: Any = traitlets.TraitType().tag(sync=True)
    labels: Any = traitlets.TraitType().tag(sync=True)
    groups: Any = traitlets.TraitType().tag(sync=True)
    pins: Any = traitlets.TraitType().tag(sync=True)
    height = traitlets.Int(None, allow_none=True, min=240, max=TALLEST).tag(sync=True)

    def __init__(
        self,
        circuit: Circuit,
        scope: Any = None,
        *,
        curve: Any = None,
        compare: Circuit | None = None,
        held_out: Task | None = None,
        measurement: EvaluationRun | None = None,
        selection: Selection | None = None,
        selected_heads: Iterable[Head] | None = None,
        title: str | None = None,
        **traits: Any,
    ) -> None:
        if not isinstance(circuit, Circuit):
            raise TypeError(f"CircuitGraph shows a Circuit, such as circuits.discover(...) gives, not {circuit!r}.")
        _check_other(circuit, compare)
        if measurement is not None and not all(hasattr(measurement, name) for name in ("run", "task")):
            raise TypeError(f"measurement= takes an EvaluationRun, not {measurement!r}.")
        if held_out is not None and not isinstance(held_out, Task):
            raise TypeError(f"held_out= takes a Task, such as circuits.task(...)[30:], not {held_out!r}.")
        self._found_on: EvaluationRun | None = None
        if isinstance(circuit.graph, LatentGraph):
            measurement = scope = None  # edges of latents are measured when they are found
        if measurement is None and scope is not None:
            measurement = EvaluationRun(scope, circuit, circuit.task[:PAIRS])
            others = _others(scope, circuit) if held_out is None else held_out[:PAIRS]
            if others is not None:
                self._found_on, measurement = measurement, EvaluationRun(scope, circuit, others)
        self._given, self._measurement = circuit, measurement
        self._order = edits.order_of(circuit)
        self._attention: dict[int, tuple[list[str], npt.NDArray[Any]]] = {}
        self._known: tuple[str, dict[str, Any]] | None = None
        graph = circuit.graph
        receiver, sender = graph.edges
        compared = [] if compare is None else [compare]
        shown = {"scope": scope, "circuit": circuit, "other": compare, "held_out": held_out}
        super().__init__(
            made_by=made_by("CircuitGraph", **{name: one for name, one in shown.items() if one is not None}),
            selection=selection,
            selected_heads=selected_heads,
            title=title or _title(circuit),
            n_layers=graph.n_layers,
            n_heads=graph.n_heads,
            n_kv_heads=graph.n_kv_heads,
            parallel=graph.parallel,
            **latent_nodes(graph),
            senders=sender[self._order].astype("<u2").tobytes(),
            receivers=receiver[self._order].astype("<u2").tobytes(),
            scores=self._sent(circuit.scores, "<f4"),
            given=self._sent(circuit.included, "u1"),
            other=b"".join(self._sent(one.included, "u1") for one in compared),
            other_scores=b"".join(self._sent(one.scores, "<f4") for one in compared),
            names=[_name(one) for one in [circuit, *compared]],
            metric=metric_words(circuit),
            facts=_facts(circuit),
            live=measurement is not None,
            held_out=held_out is not None,
            pairs="" if measurement is None else measurement.pairs,
            question=asked(circuit.question, metric_words(circuit), len(circuit.task)),
            curve={} if curve is None else curve_of(curve, circuit),
            **{"labels": circuit.labels, "groups": circuit.groups, **traits},
        )
        model = getattr(measurement, "scope", None) if scope is None else scope
        self._scope = model if isinstance(model, Microscope) else None
        self._prompt = _first_prompt(circuit, self._scope)
        self.begin_interventions()

    # -- interventions, in the whole model

    def intervenes_on(self) -> tuple[Any, str | None] | None:
        """Return the model, and the first clean prompt of the task, which is shown above the graph."""
        return None if self._scope is None else (self._scope, self._prompt)

    def compared(self) -> dict[str, Any]:
        """Return the two tokens whose logits that prompt compares, where there are two."""
        task = self._given.task
        sides = [task.answer[:1], task.versus[:1]]
        if not all(side and len(side[0]) == 1 for side in sides):
            return {}
        return dict(zip(("answer", "versus"), (int(side[0][0]) for side in sides), strict=True))

    def other_prompt(self) -> str | None:
        """Return the corrupted prompt of the pair, where its text is known."""
        n, prompts = len(self._given.task), self._given.provenance.prompts
        if self._prompt is None or len(prompts) != 2 * n:
            return None
        corrupted = prompts[n]
        return corrupted if _is_text_of(self._scope, corrupted, self._given.task.corrupted[0]) else None

    def _sent(self, values: Any, kind: str) -> bytes:
        """Pack one value an edge, the strongest edge first."""
        ordered = np.asarray(values)[self._order]
        if kind == "<f4":
            ordered = np.nan_to_num(ordered, nan=np.nan, posinf=3e38, neginf=-3e38)
        return ordered.astype(kind).tobytes()

    # -- what was changed

    @property
    def circuit(self) -> Circuit:
        """The circuit as it stands after all changes."""
        mask = edits.included(self._given, self._order, self.kept, self.removed, self.added)
        return dataclasses.replace(
            self._given,
            included=mask,
            labels=dict(self.labels),
            groups={group: list(nodes) for group, nodes in self.groups.items()},
        )

    @traitlets.default("removed")
    def _none_removed(self) -> list[str]:
        return []

    @traitlets.default("added")
    def _none_added(self) -> list[str]:
        return []

    @traitlets.default("labels")
    def _no_labels(self) -> dict[str, str]:
        return {}

    @traitlets.default("groups")
    def _no_groups(self) -> dict[str, list[str]]:
        return {}

    @traitlets.default("pins")
    def _no_pins(self) -> dict[str, list[float]]:
        return {}

    @traitlets.validate(*_EDITS)
    def _check_edit(self, proposal: Any) -> Any:
        graph, name, value = self._given.graph, proposal["trait"].name, proposal["value"]
        try:
            if name == "kept":
                return edits.check_kept(value, int((~np.isnan(self._given.scores)).sum()))
            if name == "pins":
                return edits.check_pins(graph, self.groups, value)
            return getattr(edits, f"check_{name}")(graph, value)
        except ValueError as problem:
            raise traitlets.TraitError(str(problem)) from None

    @traitlets.observe("groups")
    def _forget_places(self, _change: Any) -> None:
        nodes = {*self._given.graph.senders, self._given.graph.output}
        self.pins = {name: place for name, place in self.pins.items() if name in nodes or name in self.groups}

    # -- what the model is asked

    def _measuring(self) -> EvaluationRun:
        """Return what measures."""
        if self._measurement is None:
            raise ValueError("Scores are not recomputed: no model was given (scope).")
        return self._measurement

    def answer_measure(self, kept: int | None, removed: list[str], added: list[str]) -> LongAnswer:
        """Return faithfulness and metric of the circuit after these changes."""
        data = yield from self._measured(self._measuring(), kept, removed, added)
        self._known = repr((kept, list(removed), list(added))), data
        return data, []

    def answer_compare(self, kept: int | None, removed: list[str], added: list[str]) -> LongAnswer:
        """Return what to compare that with: random circuits of as many edges, and the pairs that it was found on."""
        mask = edits.included(self._given, self._order, kept, removed, added)
        job = submit(measure_random, self._measuring(), int(mask.sum()), RANDOM_CIRCUITS)
        random = [_finite(one) for one in (yield from job.follow())]
        found_on = None
        if self._found_on is not None:
            found_on = yield from self._measured(self._found_on, kept, removed, added)
        return {"random": random, "found_on": found_on}, []

    def _measured(self, on: EvaluationRun, kept: int | None, removed: list[str], added: list[str]) -> Steps[Any]:
        mask = edits.included(self._given, self._order, kept, removed, added)
        found: Measured = yield from submit(measure, on, [mask]).follow()
        numbers = dict(zip(("faithfulness", "low", "high", "metric"), found.values[0], strict=True))
        numbers |= {"full": found.full, "empty": found.empty}
        return {name: _finite(value) for name, value in numbers.items()} | {
            "ablation": found.ablation,
            "pairs": on.pairs,
            "n_pairs": len(on.task),
        }

    def answer_attention(self, layer: int, head: int) -> LongAnswer:
        """Return the tokens of the first prompt and what a head attends to on them, float32 [query, key]."""
        layer, head, graph = operator.index(layer), operator.index(head), self._given.graph
        if not (0 <= layer < graph.n_layers and 0 <= head < graph.n_heads):
            raise ValueError(f"There is no head {layer}.{head} in a model of {graph.n_layers} x {graph.n_heads} heads.")
        measurement = self._measuring()
        if layer not in self._attention:
            tokens, pattern = yield from submit(attention_on_first_prompt, measurement, layer).follow()
            self._attention[layer] = list(tokens), np.asarray(pattern, dtype="<f4")
        tokens, pattern = self._attention[layer]
        return {"tokens": tokens}, [pattern[head].tobytes()]

    def answer_curve(self) -> LongAnswer:
        """Measure the curve, a point after the other; what is done stays when it is stopped."""
        yield JobStatus("waiting", "preparing", 0, 1)
        job = submit(measure_curve, self._measuring(), SHARES, False, RANDOM_CIRCUITS)
        try:
            for status in job:
                if status.partial is not None:
                    self.curve = partial_curve(status.partial, self.pairs)
                yield status
        finally:
            job.cancel()
        self.curve = curve_of(job.result(), self._given)
        return {}, []

    def answer_json(self) -> Answer:
        """Return the circuit as given, as JSON, into which the browser writes what was changed."""
        return {"text": self._given.to_json()}, []

    # -- without a kernel

    def saved_answers(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Any], list[bytes]]]:
        """Return the present scores, the attention of the circuit's heads, and the circuit as JSON; none too large."""
        if self.live:
            state = {"kept": self.kept, "removed": self.removed, "added": self.added}
            if self._known is None or self._known[0] != repr((self.kept, self.removed, self.added)):
                finished(self.answer_measure(**state))
            yield "measure", state, self._known[1] if self._known else {}, []
            yield "compare", state, *finished(self.answer_compare(**state))
            room = SAVED_BYTES
            for layer, head in self.circuit.heads:
                data, buffers = finished(self.answer_attention(layer, head))
                room -= len(buffers[0])
                if room < 0:
                    break
                yield "attention", {"layer": layer, "head": head}, data, buffers
        if not callable(self._given.task.metric) and len(text := self._given.to_json()) <= SAVED_BYTES:
            yield "json", {}, {"text": text}, []

    def provenance_lines(self) -> list[str]:
        """Return where the circuit came from, and what was measured how."""
        lines = self._given.provenance.lines()
        measured = [f"measured on {self.pairs}"] if self.pairs else []
        return [*lines, *(f"{name}: {text}" for name, text in self.facts), *measured]

    def still_lines(self) -> str:
        """Return the prompts and what is compared."""
        return question_text(self.question)

    def still_table(self) -> tuple[list[str], list[list[str]]]:
        """Return the strongest edges that are in."""
        circuit = self.circuit
        edges = [edge for edge in self._order if circuit.included[edge]][:_FALLBACK_ROWS]
        rows = [[*circuit.graph.names(int(edge)), _written(float(circuit.scores[edge]))] for edge in edges]
        return ["sender", "receiver", "score"], rows or [["no edge is in", "", ""]]

    def still_image(self) -> npt.NDArray[Any]:
        """Return the circuit drawn with its strongest edges, uint8 [row, column, 3]."""
        return picture(self.circuit)

    # -- for papers

    def draw(self, paper: Paper, *, whole: bool = True) -> None:
        """Draw the circuit as edited, its strongest edges above the others."""
        draw_circuit(paper, self.circuit)

    def caption(self) -> str:
        """Say what is in the circuit, how its edges were scored, and what it does, as far as that was measured."""
        circuit = self.circuit
        n = circuit.graph.n_edges
        said = [f"The circuit has {circuit.n_edges:,} of {counted(n, 'edge')} ({circuit.n_edges / n:.2%})."]
        said.append(". ".join(f"{name.capitalize()}: {text}" for name, text in self.facts if name != "ablation") + ".")
        state = repr((self.kept, self.removed, self.added))
        if self._known is not None and self._known[0] == state and self._known[1]["faithfulness"] is not None:
            known = self._known[1]
            said.append(
                f"Faithfulness {number(known['faithfulness'])}, {self.metric} {number(known['metric'])} "
                f"(whole model {number(known['full'])}, no edges {number(known['empty'])}), on {known['pairs']} pairs."
            )
        return " ".join([*said, self.origin, *made_of(circuit.provenance)]) + self.notes_said()

    @traitlets.default("origin")
    def _origin(self) -> str:
        return origin(self._given.model_id, self._given.provenance.prompts)


def _first_prompt(circuit: Circuit, scope: Any) -> str | None:
    """Return the first clean prompt as text; None where the text has other tokens than the task."""
    prompts = circuit.provenance.prompts
    if scope is None or not prompts or not circuit.task.clean:
        return None
    return prompts[0] if _is_text_of(scope, prompts[0], circuit.task.clean[0]) else None


def _is_text_of(scope: Any, prompt: str, ids: list[int]) -> bool:
    return encode(scope.tokenizer, prompt, None)[0][0] == list(ids)


def latent_nodes(graph: Graph | LatentGraph) -> dict[str, Any]:
    """Return the traits that say what the nodes of a graph of latents are; empty of a model's own graph."""
    if not isinstance(graph, LatentGraph):
        return {}
    nodes = []
    for name in graph.nodes:
        node, (column, row) = LatentNode.of(name), graph.places[name]
        told = {"name": name, "kind": node.kind, "layer": node.layer, "column": column, "row": row}
        of_kind = {kind: node.number if node.kind == kind else -1 for kind in ("head", "latent")}
        nodes.append({**told, **of_kind, "site": node.site})
    at = {name: index for index, name in enumerate(graph.nodes)}
    return {"nodes": nodes, "receiving": [at[name] for name in graph.receivers], "columns": float(graph.n_columns)}


def _check_other(circuit: Circuit, compare: Any) -> None:
    if compare is None:
        return
    if not isinstance(compare, Circuit):
        raise TypeError(f"compare= takes another Circuit, not {compare!r}.")
    if compare.graph != circuit.graph:
        shapes = [f"{one.graph.n_layers} layers of {one.graph.n_heads} heads" for one in (circuit, compare)]
        raise ValueError(
            f"Circuits of different graphs have no edges in common: one has {shapes[0]}, the other {shapes[1]}."
            if shapes[0] != shapes[1]
            else "Circuits of different graphs cannot be compared: keys and values, or MLPs, are wired differently."
        )


def _title(circuit: Circuit) -> str:
    model = model_name(circuit.model_id)
    if circuit.method == "provenance":
        return f"What makes {circuit.task.name} fire, {model}, on {len(circuit.task):,} prompts"
    return f"Circuit of {circuit.task.name}, {model}, found on {len(circuit.task):,} pairs of prompts"


def metric_words(circuit: Circuit) -> str:
    """Return the name of what is measured, in words."""
    if circuit.method == "provenance":
        return "fall of the receiver when the sender is ablated"
    return circuit.task.metric_name.replace("_", " ")


def _others(scope: Any, circuit: Circuit) -> Task | None:
    """Draw pairs that the circuit was not found on; None where that cannot be done."""
    if circuit.task.model_id != getattr(scope, "model_id", ""):
        return None  # which the measurement refuses with a sentence
    return held_out(scope, circuit.task, n=PAIRS)


def _name(circuit: Circuit) -> str:
    return f"{circuit.method}, {circuit.n_edges:,} edges"


def _facts(circuit: Circuit) -> list[list[str]]:
    if circuit.method == "provenance":
        return _facts_of_provenance(circuit)
    return [
        ["found on", f"{len(circuit.task):,} pairs of {circuit.task.name}"],
        ["metric", metric_words(circuit)],
        ["method", circuit.method],
        ["scores", "exact, edge by edge" if circuit.exact else "estimated by a gradient"],
        ["ablation", f"{circuit.ablation}, in the place of edges that are out"],
        *_saes(circuit),
    ]


def _facts_of_provenance(circuit: Circuit) -> list[list[str]]:
    tried = len(circuit.scores)
    return [
        ["found on", f"{len(circuit.task):,} prompts"],
        ["score", metric_words(circuit)],
        ["edges", f"{circuit.n_edges:,} confirmed of {tried:,} tried, each by an ablation"],
        ["ablation", circuit.provenance.ablation or ""],
        *_saes(circuit),
    ]


def _saes(circuit: Circuit) -> list[list[str]]:
    saes = circuit.graph.saes if isinstance(circuit.graph, LatentGraph) else {}
    return [[f"SAE of {place}", words] for place, words in saes.items()]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _written(value: float) -> str:
    return "–" if value != value else f"{value:.3g}".replace("-", "−")
