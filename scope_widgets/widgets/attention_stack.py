"""All heads of all layers of a prompt as a stack of slices in space, which can be turned and spread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import traitlets

from scope_widgets._job import Steps
from scope_widgets.heads.thumbnails import head_pattern
from scope_widgets.models.remote_dispatch import submit
from scope_widgets.widgets.attention_thumbnails import Thumbnails
from scope_widgets.widgets.core.drawing.svg_sheet import Paper
from scope_widgets.widgets.core.prompt_line import Prompted, options_of
from scope_widgets.widgets.core.reproducing_code import made_by
from scope_widgets.widgets.core.requests import finished
from scope_widgets.widgets.core.view import LARGEST, TALLEST, LongAnswer, View
from scope_widgets.widgets.figures.attention import draw_attention, thumbnails_coloured
from scope_widgets.widgets.figures.captions import counted, model_name, quoted
from scope_widgets.widgets.packed_patterns import packed, within
from scope_widgets.widgets.shown_trace import EXACT_TOKENS, PATIENCE_S, SAVED_EXACT_BYTES, as_array, single

#: pixels of a slice along a side: as many as the prompt has tokens, up to the first that fits into a message
SIZES = (64, 32, 16)
#: degrees that the stack is turned, and tilted, at most: slices are never seen from behind
STEEPEST = 80.0


class AttentionStack(Prompted):
    """The attention of every head of every layer at once: a slice a head, in a stack that is turned and spread.

    Parameters
    ----------
    trace : Trace
        Of a single prompt, with ``attention(layer)`` of shape [head, query, key]. Where its model is there, the prompt
        can be changed. Of prompts of more than 64 tokens a pixel of a slice shows the largest of its cells.
    selection : Selection, optional
        Shared with other views: a click on a slice selects its head, which a linked `AttentionView` opens.
    **traits
        ``spread`` (0, a stack of all heads, layer by layer, to 1, flat; at 0.5 the heads of each layer are side by
        side), ``turn`` and ``tilt`` (degrees, up to 80 to each side), ``threshold`` (attention below it is clear),
        ``limits`` ((low, high) of the colours), ``scale`` ("linear", "log"), ``selected_heads``, ``title``, ``theme``,
        ``height`` (pixels).

    Raises
    ------
    ValueError
        For a trace of several prompts, or of too many tokens.
    traitlets.TraitError
        When limits are not in order, or there is no such head.

    Notes
    -----
    Slices hide what is behind them. The view says how many heads cannot be seen from where it is looked at; laid flat
    (``spread=1``) it hides nothing, and an `AttentionView` never does.

    Examples
    --------
    >>> from scope_widgets import Microscope
    >>> stack = AttentionStack(Microscope.load("demo").trace("Mary and John went to the store"), spread=1)
    >>> stack.title
    'Stack of all heads, demo, 8 tokens'
    """

    bundle: ClassVar[str] = "attention_stack"
    explains = ("attention", "stack", "stack_hidden")
    set_in_browser: ClassVar[dict[str, Any]] = View.set_in_browser | {
        "spread": float,
        "turn": float,
        "tilt": float,
        "scale": str,
        "limits": list[float],
        "threshold": float,
    }

    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    thumbnails = traitlets.Bytes(help="uint8 [layer, head, row, column]").tag(sync=True)
    thumbnail_size = traitlets.Int().tag(sync=True)
    thumbnail_layers = traitlets.Int(help="how many layers `thumbnails` holds so far").tag(sync=True)
    spread = traitlets.Float(0.7, min=0.0, max=1.0, help="0: a stack, 1: flat").tag(sync=True)
    turn = traitlets.Float(-32.0, min=-STEEPEST, max=STEEPEST, help="degrees").tag(sync=True)
    tilt = traitlets.Float(22.0, min=-STEEPEST, max=STEEPEST, help="degrees").tag(sync=True)
    scale = traitlets.Enum(["linear", "log"], "linear").tag(sync=True)
    limits = traitlets.List(traitlets.Float(), [0.0, 1.0], minlen=2, maxlen=2).tag(sync=True)
    threshold = traitlets.Float(0.05, min=0.0, max=LARGEST).tag(sync=True)
    height = traitlets.Int(None, allow_none=True, min=240, max=TALLEST).tag(sync=True)

    def __init__(self, trace: Any, **traits: Any) -> None:
        self._set(single(trace, "AttentionStack"))
        for status in self._slices.begin(PATIENCE_S):  # the cell does not wait for what only waits itself
            if status.pause:
                break
        traits.setdefault("title", _title(trace))
        super().__init__(
            n_layers=trace.n_layers,
            n_heads=trace.n_heads,
            made_by=made_by("AttentionStack", trace=trace),
            **self._of_trace(),
            **traits,
        )
        if getattr(trace, "scope", None) is not None:
            self.scope, self.prompt_history = trace.scope, [trace.prompt]

    def _set(self, trace: Any) -> None:
        self.trace = trace
        self._slices = Thumbnails({"a": trace}, sizes=SIZES)

    def _of_trace(self) -> dict[str, Any]:
        """Return the traits that say what is shown of the trace so far."""
        return {
            "tokens": list(self.trace.tokens),
            "thumbnails": self._slices.pictures.tobytes(),
            "thumbnail_size": self._slices.size,
            "thumbnail_layers": self._slices.finished,
        }

    @traitlets.validate("limits")
    def _check_limits(self, proposal: Any) -> list[float]:
        low, high = proposal["value"]
        if not 0 <= low < high:
            raise traitlets.TraitError(f"Limits are (low, high) with 0 <= low < high, not {(low, high)}.")
        return [low, high]

    # -- another prompt

    def traced_with(self) -> dict[str, Any]:
        """Return the options that the trace on show was made with."""
        return options_of(self.trace.provenance.calls, "scope.trace")

    def made_of(self, text: str, trace: Any) -> Steps[Callable[[], None]]:
        """Make what is shown of the trace of another prompt."""
        slices = Thumbnails({"a": single(trace, "AttentionStack")}, sizes=SIZES)
        yield from slices.begin(PATIENCE_S)
        return lambda: self._put(trace, slices)

    def _put(self, trace: Any, slices: Thumbnails) -> None:
        own_title = self.title != _title(self.trace)
        self.trace, self._slices = trace, slices
        for name, value in self._of_trace().items():
            setattr(self, name, value)
        self.made_by, self.origin = made_by("AttentionStack", trace=trace), self._origin()
        if not own_title:
            self.title = _title(trace)

    # -- what the browser asks for

    def answer_thumbnails(self, layer: int) -> LongAnswer:
        """Draw layers up to `layer`: uint8 [head, row, column] of that layer; nothing where the state has all."""
        drawn = self._slices
        layer = within(layer, drawn.n_layers, "layer")
        yield from drawn.up_to(layer)
        if drawn is self._slices and drawn.complete and self.thumbnail_layers != drawn.finished:
            with self.hold_sync():
                self.thumbnails, self.thumbnail_layers = drawn.pictures.tobytes(), drawn.finished
        return {}, [] if drawn.complete else [drawn.pictures[0, layer].tobytes()]

    def answer_head(self, layer: int, head: int) -> LongAnswer:
        """Return the lower triangle of a head, row by row: exact float32, or uint8 above `EXACT_TOKENS`."""
        layer, head = within(layer, self.n_layers, "layer"), within(head, self.n_heads, "head")
        found = yield from submit(head_pattern, self.trace.attention_only(), layer, head).follow()
        return packed(as_array(found.attention()), len(self.tokens) <= EXACT_TOKENS)

    # -- without a kernel

    def saved_answers(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Any], list[bytes]]]:
        """Return what a saved page can ask for: all heads while they are small, else the selected ones."""
        finished(self.answer_thumbnails(self._slices.n_layers - 1))  # the state holds them then
        cells = len(self.tokens) * (len(self.tokens) + 1) // 2
        every = list(np.ndindex(self._slices.pictures.shape[1:3]))
        heads = every if 4 * cells * len(every) <= SAVED_EXACT_BYTES else self._selected()[-8:]
        for layer, head in heads:
            with suppress(ValueError):  # of a layer without attention there is none
                data, buffers = finished(self.answer_head(layer, head))
                yield "head", {"layer": layer, "head": head}, data, buffers

    def _selected(self) -> list[tuple[int, int]]:
        _, layers, heads, _, _ = self._slices.pictures.shape
        return [head for head in self.selected_heads if head[0] < layers and head[1] < heads]

    def provenance_lines(self) -> list[str]:
        """Return the model and the prompt."""
        return [f"{self.trace.model_id}: {self.trace.prompt}"]

    def still_image(self) -> npt.NDArray[Any] | None:
        """Return the slices laid flat, layers down, heads across, uint8 [row, column, 3]."""
        slices = self._slices
        return thumbnails_coloured(slices.pictures[0], self._colour_scale) if slices.finished else None

    # -- for papers

    @property
    def _colour_scale(self) -> tuple[str, float, float, float]:
        low, high = self.limits
        return str(self.scale), low, high, self.threshold

    def draw(self, paper: Paper, *, whole: bool = True) -> None:
        """Draw the stack laid flat, where nothing is hidden, and the head that is selected last."""
        if whole:
            finished(self.answer_thumbnails(self._slices.n_layers - 1))
        if not self._slices.finished:
            return
        opened: Any = None
        if whole and (heads := self._selected()):
            layer, head = heads[-1]
            pattern = submit(head_pattern, self.trace.attention_only(), layer, head).result(progress=False).attention()
            opened = {"a": f"{layer}.{head}"}, {"a": as_array(pattern)}, {"a": self.tokens}
        draw_attention(paper, self._slices.pictures[0], [], opened, self._colour_scale)

    def caption(self) -> str:
        """Say what is shown, of which model and prompt."""
        said = "The stack of all heads laid flat (layer down, head across): in each square query down, key across."
        if heads := self._selected():
            layer, head = heads[-1]
            said += f" Large: head {layer}.{head}, a row a query, whose weights sum to 1."
        below = f" Attention below {self.threshold:.3g} is left empty." if self.threshold else ""
        return f"{said}{below} {self.origin}{self.notes_said()}"

    @traitlets.default("origin")
    def _origin(self) -> str:
        return f"Model {self.trace.model_id}, prompt {quoted(self.trace.prompt)}."


def _title(trace: Any) -> str:
    n = len(trace.tokens)
    return f"Stack of all heads, {model_name(trace.model_id)}, {counted(n, 'token')}"
