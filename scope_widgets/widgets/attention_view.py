"""Attention patterns of every head of one prompt, or of two prompts side by side with their difference."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import traitlets

from scope_widgets._job import Job, Steps
from scope_widgets.heads.score import score
from scope_widgets.heads.thumbnails import head_pattern
from scope_widgets.models.remote_dispatch import submit
from scope_widgets.widgets.attention_thumbnails import Thumbnails
from scope_widgets.widgets.core.drawing.svg_sheet import Paper
from scope_widgets.widgets.core.intervening import Intervening
from scope_widgets.widgets.core.prompt_line import Prompted, options_of
from scope_widgets.widgets.core.reproducing_code import made_by
from scope_widgets.widgets.core.requests import finished
from scope_widgets.widgets.core.selection import Head, as_heads, check_range
from scope_widgets.widgets.core.view import LARGEST, TALLEST, Answer, LongAnswer, View
from scope_widgets.widgets.figures.attention import draw_attention, thumbnails_coloured
from scope_widgets.widgets.figures.captions import model_name, quoted
from scope_widgets.widgets.head_filter_values import statistics_of, strongest
from scope_widgets.widgets.opened_head import OpenedHead, largest_of
from scope_widgets.widgets.packed_patterns import packed, rows, within
from scope_widgets.widgets.shown_trace import EXACT_TOKENS, PATIENCE_S, SAVED_EXACT_BYTES, as_array, single
from scope_widgets.widgets.side_by_side import Alignment, Pairs, Roles, SideBySide, side_by_side

Side = Literal["a", "b"]
Float32 = npt.NDArray[np.float32]

SAVED_BYTES = 20_000_000
#: so much attention is scored before the cell ends, within that time; more of it when the browser asks
SCORED_AT_ONCE = 20_000_000


class AttentionView(Intervening, OpenedHead, Prompted):
    """Attention of one prompt: all heads as thumbnails, each to be opened to its full pattern.

    Parameters
    ----------
    trace : Trace
        Of a single prompt, with ``attention(layer)`` of shape [head, query, key]. Thumbnails are made beside the model,
        and of an opened head whose pattern was not recorded only queries and keys travel. Where its model is there, the
        prompt can be changed: in the field above the heads, or with `change_prompt`.
    versus : Trace, optional
        A second prompt or model: B beside A, each in its own tokens, and over aligned positions the difference B - A
        where both have as many layers and heads. Other heads stand beside each other without it.
    align : {"positions", "tokens", "roles"} or mapping of int to int, optional
        Which position of B is that of each of A. "tokens": the longest common subsequence, of two models by the
        characters that tokens cover, see `experiments.align_tokens`; "roles": these first, tokens between. By default
        positions of one number where both prompts have as many tokens and are of one model, else tokens.
    roles : pair of mappings of role to int, optional
        Positions of `trace` and of `versus`, such as ``(prompts[0].positions, prompts[1].positions)`` of IOI prompts.
    pairs : mapping of (layer, head) to (layer, head), optional
        Heads of `versus` that stand beside heads of `trace`, in place of those of the same name; without B - A.
    labels : HeadLabels or mapping of (layer, head) to letter, optional
        Classes of heads; each letter stands in the corner of its thumbnail, where that is small a dot of its colour.
    scores : HeadScores, any result with ``to_dataframe()``, or a DataFrame, optional
        Numbers of heads to sort, filter and find them by, until the prompt is changed; default the statistics of
        `heads.score`, of `trace`. Until a
        head is selected, that with the largest is shown (of the default ones: of induction, duplicate_token and
        previous_token; of given ones: of the first).
    sort : str, optional
        A statistic: heads in its order, the largest first, instead of layers down and heads across.
    filter : str, optional
        Such as ``"induction > .4 and layer < 12"``, or heads: ``"3.1, 5.0"``. Others are dimmed, or left out of the
        order.
    pinned_heads : list of (layer, head), optional
        Heads that stay beside the opened one.
    selection : Selection, optional
        Shared with other views; see ``selected_heads`` (the last one is open) and ``selected_tokens``.
    session : Session, optional
        Whose interventions the opened head is ablated, scaled or frozen among; default those of the selection.
    scale : {"linear", "log"}
    limits : (low, high), optional
        Of the colour scale, default (0, 1).
    threshold : float
        Attention below it is not drawn.
    quantity : {"attention", "value_weighted"}
        What the opened head shows: attention, or `heads.value_weighted_attention`, on a scale of its own.
    head_tokens : bool, default False
        Whether tokens stand below the opened head: what it writes at the selected token (`heads.writes`), and what its
        weights make of that token (`heads.ov_tokens`, `heads.qk_tokens`).
    **traits
        ``selected_heads``, ``selected_tokens``, ``title``, ``theme``, ``height`` (pixels).

    Raises
    ------
    ValueError
        With a sentence: for a trace of several prompts or too many tokens, or an alignment that does not fit.

    Examples
    --------
    >>> AttentionView(trace, selected_heads=[(5, 1)])  # doctest: +SKIP
    """

    bundle: ClassVar[str] = "attention_view"
    explains = (
        "attention", "value_weighted", "head_writes", "ov_tokens", "qk_tokens", "class", "threshold", "null",
        "intervention",
        "orders_of_heads",
    )  # fmt: skip
    set_in_browser: ClassVar[dict[str, Any]] = View.set_in_browser | {
        "scale": str,
        "limits": list[float],
        "threshold": float,
        "sort": str,
        "filter": str,
        "pinned_heads": list[list[int]],
        "quantity": str,
        "head_tokens": bool,
    }

    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    versus_tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    partners = traitlets.List(traitlets.Int(), help="of each position of A that of B, or -1; empty: the same").tag(
        sync=True
    )
    versus_shape = traitlets.List(traitlets.Int(), help="layers and heads of B").tag(sync=True)
    head_pairs: Any = traitlets.List(help="[[layer, head, layer of B, head of B], ...] of other names").tag(sync=True)
    differs = traitlets.Bool(False, help="whether there is B - A").tag(sync=True)
    comparison = traitlets.Unicode(help="what of A and B is compared, as a sentence").tag(sync=True)
    thumbnails = traitlets.Bytes(help="uint8 [side, layer, head, row, column]").tag(sync=True)
    thumbnail_size = traitlets.Int().tag(sync=True)
    thumbnail_layers = traitlets.Int(help="how many layers `thumbnails` holds so far").tag(sync=True)
    letters: Any = traitlets.List(help="[[layer, head, letter], ...]").tag(sync=True)
    statistics = traitlets.List(traitlets.Unicode(), help="names; empty until they are computed").tag(sync=True)
    statistic_values = traitlets.Bytes(help="float32 [statistic, layer, head]").tag(sync=True)
    strongest: Any = traitlets.List(help="[layer, head, statistic]; empty where none stands out").tag(sync=True)
    sort = traitlets.Unicode(help="a statistic; empty: by layer and head").tag(sync=True)
    filter = traitlets.Unicode().tag(sync=True)
    pinned_heads: Any = traitlets.TraitType().tag(sync=True)
    arguments = traitlets.List(traitlets.Unicode(), help="as Python, those that Python alone sets").tag(sync=True)
    scale = traitlets.Enum(["linear", "log"], "linear").tag(sync=True)
    limits = traitlets.List(traitlets.Float(), [0.0, 1.0], minlen=2, maxlen=2).tag(sync=True)
    threshold = traitlets.Float(0.0, min=0.0, max=LARGEST).tag(sync=True)
    height = traitlets.Int(520, min=240, max=TALLEST).tag(sync=True)
    _beside = SideBySide()

    def __init__(
        self,
        trace: Any,
        versus: Any = None,
        *,
        align: Alignment | None = None,
        roles: Roles | None = None,
        pairs: Pairs | None = None,
        labels: Any = None,
        scores: Any = None,
        **traits: Any,
    ) -> None:
        traces: dict[Side, Any] = {"a": single(trace, "AttentionView", "trace")}
        if versus is not None:
            traces["b"] = single(versus, "AttentionView", "versus")
            self._beside = side_by_side(trace, versus, align, roles, pairs)
        elif align is not None or roles is not None or pairs is not None:
            raise ValueError("`align`, `roles` and `pairs` are of two traces: give versus= too.")
        end = time.monotonic() + PATIENCE_S
        self._set(traces)
        for status in self._thumbnails.begin(PATIENCE_S):  # the cell does not wait for what only waits itself
            if status.pause:
                break
        traits.setdefault("title", _title(traces))
        self._given = None if scores is None else statistics_of(scores, trace.n_layers, trace.n_heads)
        self._scoring = Job(self._score(traces["a"]))
        shown = {"trace": trace, "versus": versus, "scores": scores}
        super().__init__(
            n_layers=trace.n_layers,
            n_heads=trace.n_heads,
            made_by=made_by("AttentionView", **{name: one for name, one in shown.items() if one is not None}),
            arguments=[*self._beside.arguments, *([] if scores is None else ["scores=scores"])],
            letters=_letters(labels, trace.n_layers, trace.n_heads),
            **self._of_traces(),
            **traits,
        )
        if versus is None and getattr(trace, "scope", None) is not None:
            self.scope, self.prompt_history = trace.scope, [trace.prompt]
        self.begin_interventions()
        if scores is not None or (self._is_small() and time.monotonic() < end):
            self._score_at_once()

    def _set(self, traces: dict[Side, Any]) -> None:
        """Take traces, and forget what was known of others: what is still being asked of those goes to theirs."""
        self.traces = traces
        self._opened: dict[Side, tuple[tuple[int, int], Float32]] = {}
        self._thumbnails = Thumbnails(traces, self._beside.head)
        self._forget_head()

    def _of_traces(self) -> dict[str, Any]:
        """Return the traits that say what is shown of the traces so far."""
        return {
            "tokens": list(self.traces["a"].tokens),
            "versus_tokens": list(self.traces["b"].tokens) if "b" in self.traces else [],
            "partners": list(self._beside.partners),
            "versus_shape": list(self._beside.shape) if "b" in self.traces else [],
            "head_pairs": [[*one, *other] for one, other in self._beside.pairs],
            "differs": "b" in self.traces and self._beside.differs,
            "comparison": self._beside.said,
            "thumbnails": self._pictures.tobytes(),
            "thumbnail_size": self._thumbnails.size,
            "thumbnail_layers": self._thumbnails.finished,
            "no_weights": self._why_no_weights(),
        }

    @property
    def _pictures(self) -> npt.NDArray[np.uint8]:
        return self._thumbnails.pictures

    def _is_small(self) -> bool:
        """Whether thumbnails are there, and heads are scored in no time."""
        trace = self.traces["a"]
        cells = trace.n_layers * trace.n_heads * len(trace.tokens) ** 2
        return self._thumbnails.complete and cells < SCORED_AT_ONCE

    def intervenes_on(self) -> tuple[Any, str | None] | None:
        """Return the model and the prompt of the one trace."""
        return (self.scope, self.prompt) if self.prompt_history else None

    # -- another prompt

    def traced_with(self) -> dict[str, Any]:
        """Return the options that the trace on show was made with."""
        return options_of(self.traces["a"].provenance.calls, "scope.trace")

    def made_of(self, text: str, trace: Any) -> Steps[Callable[[], None]]:
        """Make what is shown of the trace of another prompt."""
        pictures = Thumbnails({"a": single(trace, "AttentionView", "the prompt")})
        yield from pictures.begin(PATIENCE_S)
        return lambda: self._put(trace, pictures)

    def _put(self, trace: Any, pictures: Thumbnails) -> None:
        own_title = self.title != _title(self.traces)
        self._set({"a": trace})
        self._thumbnails = pictures
        # scores that were given are of another prompt
        self._given, self.arguments, self.statistics, self.statistic_values, self.strongest = None, [], [], b"", []
        self._scoring = Job(self._score(trace))
        for name, value in self._of_traces().items():
            setattr(self, name, value)
        self.made_by, self.origin = made_by("AttentionView", trace=trace), self._origin()
        if not own_title:
            self.title = _title(self.traces)
        if self._is_small():
            self._score_at_once()

    @traitlets.default("pinned_heads")
    def _nothing_pinned(self) -> list[Head]:
        return []

    @traitlets.validate("pinned_heads")
    def _check_pinned(self, proposal: Any) -> list[Head]:
        heads = as_heads(proposal["value"])
        check_range(heads, self.n_layers, self.n_heads)
        return heads

    @traitlets.validate("limits")
    def _check_limits(self, proposal: Any) -> list[float]:
        low, high = proposal["value"]
        if not 0 <= low < high:
            raise traitlets.TraitError(f"Limits are (low, high) with 0 <= low < high, not {(low, high)}.")
        return [low, high]

    # -- thumbnails

    def answer_thumbnails(self, layer: int) -> LongAnswer:
        """Draw layers up to `layer`: uint8 [side, head, row, column] of that layer; nothing where the state has all."""
        drawn = self._thumbnails
        layer = within(layer, drawn.n_layers, "layer")
        yield from drawn.up_to(layer)
        self._put_thumbnails()
        return {}, [] if drawn.complete else [drawn.pictures[:, layer].tobytes()]

    def _put_thumbnails(self) -> None:
        """Once they are complete the state, and with it a saved notebook, holds them."""
        if self._thumbnails.complete and self.thumbnail_layers != self._thumbnails.finished:
            with self.hold_sync():
                self.thumbnails, self.thumbnail_layers = self._pictures.tobytes(), self._thumbnails.finished

    # -- statistics

    def _score(self, trace: Any) -> Steps[None]:
        """Score the heads of side A, where no scores were given."""
        statistics = self._given
        if statistics is None:
            scores = yield from submit(score, trace.attention_only(), null_draws=0).follow()
            if trace is not self.traces["a"]:
                return
            statistics = {name: values.astype(np.float32) for name, values in scores.statistics.items()}
        first = strongest(statistics) if self._given is None else strongest(statistics, tuple(statistics)[:1])
        with self.hold_sync():
            self.statistics = list(statistics)
            self.statistic_values = b"".join(values.tobytes() for values in statistics.values())
            self.strongest = [] if first is None else list(first)

    def _score_at_once(self) -> None:
        """Score the heads before the view is shown, but for what has to be waited for, or cannot be done."""
        try:
            for status in self._scoring:
                if status.pause:
                    break
        except ValueError:  # the browser asks again, and says why
            return

    def answer_statistics(self) -> LongAnswer:
        """Score the heads; the state holds the statistics then."""
        if self._scoring.done and not self.statistics:  # it failed before
            self._scoring = Job(self._score(self.traces["a"]))
        yield from self._scoring.follow()
        return {}, []

    # -- patterns

    def head_of(self, side: str, layer: int, head: int) -> tuple[int, int]:
        """Return the head of a side that stands for a head of A."""
        own = (layer, head) if side == "a" else self._beside.head(layer, head)
        if own is None:
            raise ValueError(
                f"B has no head {layer}.{head}: pairs={{({layer}, {head}): (layer, head)}} puts one there."
            )
        return own

    def _with_head(self, layer: int, head: int, side: Side, then: Callable[[Float32], Answer]) -> LongAnswer:
        traces, opened = self.traces, self._opened  # those of now, whatever is shown when the answer comes
        if side not in traces:
            raise ValueError(f"There is no side '{side}' in this view, only {', '.join(traces)}.")
        _, n_layers, n_heads, _, _ = self._pictures.shape
        layer, head = within(layer, n_layers, "layer"), within(head, n_heads, "head")
        layer, head = self.head_of(side, layer, head)
        if opened.get(side, ((), None))[0] != (layer, head):
            found = yield from submit(head_pattern, traces[side].attention_only(), layer, head).follow()
            opened[side] = (layer, head), as_array(found.attention())
        return then(opened[side][1])

    def answer_head(self, layer: int, head: int, side: Side = "a") -> LongAnswer:
        """Return the lower triangle of a head, row by row: exact float32, or uint8 above `EXACT_TOKENS`.

        A head is named as in A; of side "b" the answer is of that of B beside it.
        """
        return self._with_head(layer, head, side, lambda pattern: packed(pattern, self._is_exact()))

    def answer_rows(self, layer: int, head: int, side: Side, first: int, last: int) -> LongAnswer:
        """Return the exact rows `first` to `last` - 1 of a head's lower triangle, float32."""
        return self._with_head(layer, head, side, lambda pattern: rows(pattern, first, last))

    # -- without a kernel

    def saved_answers(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Any], list[bytes]]]:
        """Return what a saved page can ask for: all heads while they are small, else the selected ones."""
        finished(self.answer_thumbnails(self._pictures.shape[1] - 1))  # the state holds them then
        with suppress(ValueError):  # of attention that is not causal there are none
            finished(self.answer_statistics())
        exact, heads = self._saved()
        for trace in self.traces.values():
            if exact:
                trace.fetch("attention")  # at once instead of head by head
        for layer, head in heads:
            for side, trace in self.traces.items():
                own = (layer, head) if side == "a" else self._beside.head(layer, head)
                if own is None:
                    continue
                if exact:
                    pattern = trace.attention(own[0])[own[1]]
                else:
                    pattern = submit(head_pattern, trace.attention_only(), *own).result(progress=False).attention()
                yield "head", {"layer": layer, "head": head, "side": side}, *packed(as_array(pattern), exact)
        chosen = [head for head in reversed(self._on_show()) if head in heads]
        yield from self._saved_head(chosen, self._position())

    def _is_exact(self) -> bool:
        return max(len(self.tokens), len(self.versus_tokens)) <= EXACT_TOKENS

    def _on_show(self) -> list[tuple[int, int]]:
        """Return the heads that are shown large, the opened one last."""
        opened = self.selected_heads[-1:] or [tuple(self.strongest[:2])] * bool(self.strongest)
        return list(dict.fromkeys([*self.pinned_heads, *opened]))

    def _position(self) -> int:
        """Return the position on show: of the token that is selected last, else of the last one."""
        selected = [token for token in self.selected_tokens if token < len(self.tokens)]
        return selected[-1] if selected else len(self.tokens) - 1

    def _position_in_b(self, position: int) -> int | None:
        selected = any(token < len(self.tokens) for token in self.selected_tokens)
        if not selected:
            return len(self.versus_tokens) - 1
        there = self.partners[position] if self.partners else position
        return None if there < 0 else int(there)

    def _saved(self) -> tuple[bool, list[tuple[int, int]]]:
        """Whether a saved page holds exact values, and the heads that it holds."""
        everything = list(np.ndindex(self._pictures.shape[1:3]))
        cells = sum(len(tokens) * (len(tokens) + 1) // 2 for tokens in (self.tokens, self.versus_tokens))
        if 4 * cells * len(everything) <= SAVED_EXACT_BYTES:
            return True, everything
        if cells * len(everything) <= SAVED_BYTES:
            return False, everything
        shown = [*self.pinned_heads, *(self.selected_heads or [tuple(self.strongest[:2])] * bool(self.strongest))]
        return False, list(dict.fromkeys(shown))[: max(1, SAVED_BYTES // cells)]

    def provenance_lines(self) -> list[str]:
        """Return the models and prompts, and what a saved page does not hold."""
        lines = [f"{trace.model_id}: {trace.prompt}" for trace in self.traces.values()]
        if len(lines) > 1:
            lines = [f"{name}: {line}" for name, line in zip("AB", lines, strict=True)]
            lines += [self.comparison] * bool(self.comparison)
        exact, heads = self._saved()
        if len(heads) < self._pictures.shape[1] * self._pictures.shape[2]:
            names = ", ".join(f"{layer}.{head}" for layer, head in heads) or "none was"
            lines.append(f"The page holds all thumbnails but only the heads that were shown ({names}).")
        if not exact:
            lines.append("Attention is stored in 255 steps a head in this page, not exactly.")
        return lines

    def still_image(self) -> npt.NDArray[Any] | None:
        """Return the thumbnails as one picture, layers down, heads across, uint8 [row, column, 3]."""
        return thumbnails_coloured(self._pictures[0], self._colour_scale) if self._thumbnails.finished else None

    # -- for papers

    @property
    def _colour_scale(self) -> tuple[str, float, float, float]:
        low, high = self.limits
        return str(self.scale), low, high, self.threshold

    def draw(self, paper: Paper, *, whole: bool = True) -> None:
        """Draw all heads, and the one that is selected last with its tokens."""
        if whole:
            finished(self.answer_thumbnails(self._pictures.shape[1] - 1))
        if not self._thumbnails.finished:
            return
        opened: tuple[dict[Side, str], dict[str, Float32], dict[str, list[str]]] | None = None
        _, n_layers, n_heads, _, _ = self._pictures.shape
        heads = [head for head in self.selected_heads if head[0] < n_layers and head[1] < n_heads]
        if heads and whole:
            layer, head = heads[-1]
            patterns: dict[str, Float32] = {}
            names: dict[Side, str] = {"a": f"{layer}.{head}"}
            if len(self.traces) > 1 and (beside := self._beside.head(layer, head)):
                names |= {"b": f"{beside[0]}.{beside[1]}"}
            for side in names:
                if self._shows_weighted():
                    patterns[side] = Job(self.weighted(layer, head, side)).result(progress=False)
                else:
                    finished(self._with_head(layer, head, side, lambda _: ({}, [])))
                    patterns[side] = self._opened[side][1]
            over = self.tokens if self.partners else self.versus_tokens
            opened = names, patterns, {"a": self.tokens, "b": self.versus_tokens, "difference": over}
        of_head = None
        if opened and self._shows_weighted():
            of_head = "size of what is written", ("linear", 0.0, largest_of(opened[1]), 0.0)
        if opened and "b" in opened[1] and self.differs:
            opened[1]["difference"] = self._beside.difference(opened[1]["a"], opened[1]["b"])
        draw_attention(paper, self._pictures[0], self.letters, opened, self._colour_scale, of_head)

    def _shows_weighted(self) -> bool:
        return self.quantity == "value_weighted" and not self.no_weights

    def caption(self) -> str:
        """Say what is shown, of which models and prompts."""
        said = "Attention weights of each head (layer down, head across): in each square query down, key across."
        if self.selected_heads:
            layer, head = self.selected_heads[-1]
            said += f" Large: head {layer}.{head}, a row a query, "
            said += (
                "attention times the norm of what the head writes of the key."
                if self._shows_weighted()
                else "whose weights sum to 1."
            )
        sides = f" {self.comparison}".rstrip() + " The squares show A." if len(self.traces) > 1 else ""
        return f"{said} {self.origin}{sides}{self.notes_said()}"

    @traitlets.default("origin")
    def _origin(self) -> str:
        origins = [f"odel {trace.model_id}, prompt {quoted(trace.prompt)}." for trace in self.traces.values()]
        return f"M{origins[0]}" if len(origins) == 1 else f"A: m{origins[0]} B: m{origins[1]}"


def _title(traces: Mapping[Side, Any]) -> str:
    models = dict.fromkeys(model_name(trace.model_id) for trace in traces.values())
    counts = list(dict.fromkeys(len(trace.tokens) for trace in traces.values()))
    several = "two prompts of " if len(models) < len(traces) else ""
    tokens = " and ".join(f"{count:,}" for count in counts)
    return f"Attention, {' and '.join(models)}, {several}{tokens} token{'s' * (counts != [1])}"


def _letters(labels: Any, n_layers: int, n_heads: int) -> list[list[Any]]:
    if labels is None:
        return []
    letters = labels.letters() if hasattr(labels, "letters") else labels
    for layer, head in letters:
        if not (0 <= layer < n_layers and 0 <= head < n_heads):
            raise ValueError(f"`labels` names head {layer}.{head}, but there are {n_layers} layers of {n_heads} heads.")
    return [[int(layer), int(head), str(letter)] for (layer, head), letter in letters.items()]
