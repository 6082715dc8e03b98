"""What AttentionView shows of an opened head beside its attention: what of it is written, and by which tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import traitlets

from scope_widgets._job import Steps
from scope_widgets.heads import HeadTokens, ov_tokens, qk_tokens, value_weighted_attention, writes
from scope_widgets.models.remote_dispatch import submit
from scope_widgets.widgets.core.requests import LongAnswer, finished
from scope_widgets.widgets.packed_patterns import packed, rows, within

Float32 = npt.NDArray[np.float32]
#: the lists of tokens: what is written at a position, and what the weights make of its token
What = Literal["writes", "ov", "qk"]
Saved = tuple[str, dict[str, Any], dict[str, Any], list[bytes]]

#: tokens of each direction
N_TOKENS = 5


class OpenedHead(traitlets.HasTraits):
    """Mixin of AttentionView: value-weighted attention and lists of tokens, asked for when they are looked at."""

    quantity = traitlets.Enum(["attention", "value_weighted"], "attention").tag(sync=True)
    head_tokens = traitlets.Bool(False, help="whether the tokens that the opened head writes and reads are shown").tag(
        sync=True
    )
    no_weights = traitlets.Unicode(help="why there are neither; empty where there are").tag(sync=True)

    traces: dict[Any, Any]
    #: of each side the head whose value-weighted attention was asked for last
    _weighted: dict[str, tuple[tuple[int, int], Float32]]
    #: the lists that were asked for, by side, what, head, and position or token
    _listed: dict[tuple[Any, ...], dict[str, Any]]

    def _forget_head(self) -> None:
        """Forget what is known of the traces before: what is still being asked of those goes to theirs."""
        self._weighted, self._listed = {}, {}

    def _why_no_weights(self) -> str:
        if all(getattr(trace, "scope", None) is not None for trace in self.traces.values()):
            return ""
        return (
            "What a head writes, and the tokens it reads, need the model's weights, and this trace was read from a "
            "file without them. Show scope.trace(prompt) of a loaded model."
        )

    def head_of(self, side: str, layer: int, head: int) -> tuple[int, int]:
        """Return the head of a side that stands for a head of A; raise a sentence where there is none."""
        raise NotImplementedError

    def _trace_with(self, layer: int, head: int, side: str) -> tuple[Any, int, int]:
        """Return the trace of a side, and its head that stands for one of A."""
        if side not in self.traces:
            raise ValueError(f"There is no side '{side}' in this view, only {', '.join(self.traces)}.")
        if why := self._why_no_weights():
            raise ValueError(why)
        first = self.traces["a"]
        layer, head = within(layer, first.n_layers, "layer"), within(head, first.n_heads, "head")
        return self.traces[side], *self.head_of(side, layer, head)

    # -- value-weighted attention

    def _is_exact(self) -> bool:
        """Whether patterns travel as they are."""
        raise NotImplementedError

    def weighted(self, layer: int, head: int, side: str) -> Steps[Float32]:
        """Return the value-weighted attention `[query, key]` of a head, see `heads.value_weighted_attention`."""
        known = self._weighted
        trace, layer, head = self._trace_with(layer, head, side)  # of that side
        if known.get(side, ((), None))[0] != (layer, head):
            found = yield from submit(value_weighted_attention, trace, layer, head).follow()
            known[side] = (layer, head), np.ascontiguousarray(found.values[0])
        return known[side][1]

    def answer_weighted(self, layer: int, head: int, side: str = "a") -> LongAnswer:
        """Return the lower triangle of a head's value-weighted attention, as `answer_head` that of its attention."""
        return packed((yield from self.weighted(layer, head, side)), self._is_exact())

    def answer_weighted_rows(self, layer: int, head: int, side: str, first: int, last: int) -> LongAnswer:
        """Return the exact rows `first` to `last` - 1 of it, float32."""
        return rows((yield from self.weighted(layer, head, side)), first, last)

    # -- tokens

    def answer_head_tokens(self, what: What, layer: int, head: int, side: str, position: int) -> LongAnswer:
        """Return the tokens of a list as {up, down: [[text, number], ...], note}.

        `what`: "writes" at the position, see `heads.writes`; "ov" and "qk" of its token, see `heads.ov_tokens` and
        `heads.qk_tokens`.
        """
        listed = self._listed
        trace, layer, head = self._trace_with(layer, head, side)
        position = within(position, len(trace.tokens), "position")
        key = _key(trace, what, layer, head, side, position)
        if key not in listed:
            token = int(trace.token_ids[position])
            if what == "writes":
                job = submit(writes, trace, layer, head, position=position, n=_most(trace))
            elif what == "ov":
                job = submit(ov_tokens, trace.scope, layer, head, token, n=_most(trace))
            else:
                job = submit(qk_tokens, trace.scope, layer, head, token, n=_most(trace))
            found: HeadTokens = yield from job.follow()
            listed[key] = {"up": _pairs(found.top()), "down": _pairs(found.bottom()), "note": found.provenance.note}
        return listed[key], []

    # -- without a kernel

    def _saved_head(self, heads: list[tuple[int, int]], position: int) -> Iterator[Saved]:
        """Return what is on show of some heads as requests that a saved page can make."""
        if self.no_weights:
            return
        for layer, head in heads:
            for side in self.traces:
                with suppress(ValueError):  # the page says why not, as the view did
                    if self.quantity == "value_weighted":
                        asked = {"layer": layer, "head": head, "side": side}
                        yield "weighted", asked, *finished(self.answer_weighted(layer, head, side))
                    at = position if side == "a" else self._position_in_b(position)
                    if self.head_tokens and (layer, head) == heads[0] and at is not None:
                        yield from self._saved_tokens(layer, head, side, at)

    def _position_in_b(self, position: int) -> int | None:
        """Return the position of B on show where that of A is this; None where it has no partner."""
        raise NotImplementedError

    def _saved_tokens(self, layer: int, head: int, side: str, position: int) -> Iterator[Saved]:
        """Return the lists of the position on show, and those that were looked at before."""
        places: list[tuple[What, int]] = [("writes", position), ("ov", position), ("qk", position)]
        trace, own_layer, own_head = self._trace_with(layer, head, side)
        places += [
            (what, at)
            for what, _ in places
            for at in range(len(trace.tokens))
            if at != position and _key(trace, what, own_layer, own_head, side, at) in self._listed
        ]
        for what, at in places:
            asked = {"what": what, "layer": layer, "head": head, "side": side, "position": at}
            with suppress(ValueError):
                data, _ = finished(self.answer_head_tokens(what, layer, head, side, at))
                yield "head_tokens", asked, data, []


def _key(trace: Any, what: What, layer: int, head: int, side: str, position: int) -> tuple[Any, ...]:
    return what, layer, head, side, position if what == "writes" else int(trace.token_ids[position])


def _most(trace: Any) -> int:
    return min(N_TOKENS, int(trace.scope.anatomy.d_vocab))


def _pairs(tokens: list[tuple[str, float]]) -> list[list[Any]]:
    return [[text, number] for text, number in tokens]


def largest_of(patterns: Mapping[Any, Float32]) -> float:
    """Return the largest finite number of some patterns; 1 where all are 0."""
    most = max(float(np.nanmax(one, initial=0.0, where=np.isfinite(one))) for one in patterns.values())
    return most or 1.0
