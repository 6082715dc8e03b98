"""What the model would say at each layer and position: the top token a cell, coloured by how sure it is."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import traitlets

from scope_widgets._job import Steps
from scope_widgets._result import scope_behind
from scope_widgets.lens.logit_lens import LogitLens, logit_lens
from scope_widgets.models.remote_dispatch import submit
from scope_widgets.widgets.core.drawing.colours import MAGNITUDE, coloured
from scope_widgets.widgets.core.drawing.svg_sheet import Paper
from scope_widgets.widgets.core.prompt_line import Prompted, options_of
from scope_widgets.widgets.core.reproducing_code import made_by
from scope_widgets.widgets.core.selection import Selection
from scope_widgets.widgets.core.view import LARGEST, TALLEST, Answer, View
from scope_widgets.widgets.figures.captions import model_name, origin
from scope_widgets.widgets.figures.lens import draw_lens

MOST_CELLS = 200_000
FALLBACK_LAYERS = 40
_BARE_HEIGHT = 180
_ROW_HEIGHT = 36
_LEAST_HEIGHT, _MOST_HEIGHT = 424, 520


class LogitLensView(Prompted):
    """The logit lens of one prompt: layers up, positions across, the top token in each cell.

    Parameters
    ----------
    lens : LogitLens
    scope : Microscope, optional
        The model, with which the prompt can be changed: in the field above the map, or with `change_prompt`. Default
        that which made the lens, where it is there.
    selection : Selection, optional
        Shared with other views; its last token is the position whose layers stand beside the map.
    title : str, optional
    **traits
        ``colour``: "probability" (of the top token), "entropy", "kl", "rank" or "token_probability" (of the watched
        token ``token``); ``scale`` ("linear", "log"), ``limits`` ((low, high), default what fits) and ``threshold`` of
        the colours; ``chart`` ("rank", "probability"); ``selected_tokens``, ``selected_heads``, ``theme``, ``height``
        (pixels).

    Raises
    ------
    TypeError
        When `lens` is no result of a logit lens.
    ValueError
        When it is of too many layers and positions to be shown.
    traitlets.TraitError
        When a rank or probability is wanted of a token that is not watched.

    Examples
    --------
    >>> LogitLensView(lens, colour="entropy", selected_tokens=[9])  # doctest: +SKIP
    """

    bundle: ClassVar[str] = "logit_lens_view"
    explains = ("logit_lens", "lens_entropy", "lens_kl", "rank", "settled")
    set_in_browser: ClassVar[dict[str, Any]] = View.set_in_browser | {
        "scale": str,
        "limits": list[float] | None,
        "threshold": float,
        "colour": str,
        "token": int | None,
        "chart": str,
    }

    #: makes the lens of another prompt's trace, where others need it too; None: the view does
    lens_of: Callable[[Any], Steps[LogitLens]] | None = None

    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    layers = traitlets.List(traitlets.Int(), help="Lowest first; the last one enters the final norm.").tag(sync=True)
    top_ids = traitlets.Bytes(help="int32 [layer, position]").tag(sync=True)
    top_probabilities = traitlets.Bytes(help="float32 [layer, position]").tag(sync=True)
    texts = traitlets.Dict(help="token id -> text, of the top and the watched tokens").tag(sync=True)
    watched = traitlets.List(traitlets.Int(), help="token ids").tag(sync=True)
    colour = traitlets.Enum(["probability", "entropy", "kl", "rank", "token_probability"], "probability").tag(sync=True)
    token = traitlets.Int(None, allow_none=True, help="the watched token of the colours").tag(sync=True)
    scale = traitlets.Enum(["linear", "log"], "linear").tag(sync=True)
    limits = traitlets.List(traitlets.Float(), None, allow_none=True, minlen=2, maxlen=2).tag(sync=True)
    threshold = traitlets.Float(0.0, min=0.0, max=LARGEST).tag(sync=True)
    chart = traitlets.Enum(["rank", "probability"], "rank").tag(sync=True)
    height = traitlets.Int(min=240, max=TALLEST).tag(sync=True)

    def __init__(
        self,
        lens: Any,
        *,
        scope: Any = None,
        selection: Selection | None = None,
        selected_tokens: Iterable[int] | None = None,
        title: str | None = None,
        **traits: Any,
    ) -> None:
        self.lens = _checked(lens)
        traits.setdefault("token", next(map(int, lens.watched), None))
        rows = len(lens.layers)
        traits.setdefault("height", min(_MOST_HEIGHT, max(_LEAST_HEIGHT, _BARE_HEIGHT + _ROW_HEIGHT * rows)))
        super().__init__(
            selection=selection,
            selected_tokens=selected_tokens,
            title=title or _title(lens),
            **self._of_lens(),
            **traits,
        )
        self.scope = scope_behind(lens) if scope is None else scope
        if self.scope is not None and len(lens.provenance.prompts) == 1:
            self.prompt_history = list(lens.provenance.prompts)

    def _of_lens(self) -> dict[str, Any]:
        """Return the traits that say what is shown."""
        lens = self.lens
        top = np.asarray(lens.top_ids)[..., 0]
        watched = [int(token) for token in lens.watched]
        return {
            "made_by": made_by("LogitLensView", result=lens),
            "n_layers": int(lens.layers[-1]),
            "tokens": list(lens.tokens),
            "layers": [int(layer) for layer in lens.layers],
            "top_ids": top.astype("<i4").tobytes(),
            "top_probabilities": _float32(np.asarray(lens.top_probabilities)[..., 0]),
            "texts": self._texts([top, np.array(watched, int)]),
            "watched": watched,
        }

    # -- another prompt

    def traced_with(self) -> dict[str, Any]:
        """Return the options that the trace on show was made with."""
        return options_of(self.lens.provenance.calls, "scope.trace")

    def made_of(self, text: str, trace: Any) -> Steps[Callable[[], None]]:
        """Make what is shown of the trace of another prompt."""
        options = options_of(self.lens.provenance.calls, "lens.logit_lens")
        steps = submit(logit_lens, trace, **options).follow() if self.lens_of is None else self.lens_of(trace)
        lens = _checked((yield from steps))
        return lambda: self._put(lens)

    def _put(self, lens: LogitLens) -> None:
        own_title = self.title != _title(self.lens)
        self.lens = lens
        for name, value in self._of_lens().items():
            setattr(self, name, value)
        if self.token not in self.watched:
            self.token = next(iter(self.watched), None)
        self.origin = self._origin()
        if not own_title:
            self.title = _title(lens)

    @traitlets.validate("limits")
    def _check_limits(self, proposal: Any) -> list[float] | None:
        if proposal["value"] is None:
            return None
        low, high = proposal["value"]
        if not 0 <= low < high:
            raise traitlets.TraitError(f"Limits are (low, high) with 0 <= low < high, not {(low, high)}.")
        return [low, high]

    @traitlets.validate("colour", "token")
    def _check_token(self, proposal: Any) -> Any:
        known = [int(token) for token in self.lens.watched]
        value = proposal["value"]
        of_token = proposal["trait"].name == "colour" and value in ("rank", "token_probability")
        if (of_token and not known) or (proposal["trait"].name == "token" and value is not None and value not in known):
            names = ", ".join(f"{token} ({self._text(token)!r})" for token in known) or "none"
            raise traitlets.TraitError(
                f"Ranks and probabilities are known of the watched tokens only, which are: {names}. "
                "Give others to the analysis that made the lens."
            )
        return value

    # -- what follows the first picture

    def answer_entropy(self) -> Answer:
        """Return the entropy of each cell in nats, float32 [layer, position]."""
        return {}, [_float32(self.lens.entropy)]

    def answer_kl(self) -> Answer:
        """Return each cell's KL(output || layer) in nats, float32 [layer, position]."""
        return {}, [_float32(self.lens.kl)]

    def answer_candidates(self) -> Answer:
        """Return the best tokens of each cell: int32 ids and float32 probabilities, both [layer, position, k]."""
        ids = np.asarray(self.lens.top_ids)
        texts = {name: text for name, text in self._texts([ids]).items() if name not in self.texts}
        data = {"k": ids.shape[-1], "texts": texts}
        return data, [ids.astype("<i4").tobytes(), _float32(self.lens.top_probabilities)]

    def answer_watched(self, token: int) -> Answer:
        """Return a watched token's ranks (int32, 0 is the top) and probabilities (float32), both [layer, position]."""
        token = operator.index(token)
        if token not in self.watched:
            raise ValueError(f"Token {token} is not watched.")
        at = self.watched.index(token)
        ranks = np.asarray(self.lens.watched_ranks[at]).astype("<i4").tobytes()
        return {}, [ranks, _float32(self.lens.watched_probabilities[at])]

    def saved_answers(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Any], list[bytes]]]:
        """Return all of it: a saved page can do what the notebook can."""
        yield "entropy", {}, *self.answer_entropy()
        yield "kl", {}, *self.answer_kl()
        yield "candidates", {}, *self.answer_candidates()
        for token in self.watched:
            yield "watched", {"token": token}, *self.answer_watched(token)

    def _text(self, token: int) -> str:
        return str(self.lens.texts.get(str(token), f"#{token}"))

    def _texts(self, ids: list[npt.NDArray[Any]]) -> dict[str, str]:
        unique = np.unique(np.concatenate([some.ravel() for some in ids]))
        return {str(token): self._text(token) for token in unique.tolist()}

    # -- without a kernel

    def provenance_lines(self) -> list[str]:
        """Return where the lens came from."""
        return list(self.lens.provenance.lines())

    def still_table(self) -> tuple[list[str], list[list[str]]]:
        """Return the top token of each layer at the last position, the deepest layer first."""
        top, probabilities = np.asarray(self.lens.top_ids)[:, -1, 0], np.asarray(self.lens.top_probabilities)[:, -1, 0]
        rows = [
            [
                "output" if layer == self.layers[-1] else str(layer),
                _visible(self._text(int(top[i]))),
                f"{probabilities[i]:.3f}",
                f"{self.lens.entropy[i][-1]:.2f}",
            ]
            for i, layer in reversed(list(enumerate(self.layers)))
        ]
        after = f"top token after {_visible(self.tokens[-1])}"
        return ["layer", after, "probability", "entropy, nats"], rows[:FALLBACK_LAYERS]

    def still_image(self) -> npt.NDArray[Any]:
        """Return the probabilities of the top tokens in colour, the deepest layer on top, uint8 [row, column, 3]."""
        return coloured(np.asarray(self.lens.top_probabilities)[::-1, :, 0], 0.0, 1.0, MAGNITUDE)

    # -- for papers

    def draw(self, paper: Paper, *, whole: bool = True) -> None:
        """Draw the top token of each layer and position, in the colours that are chosen."""
        draw_lens(paper, self)

    def caption(self) -> str:
        """Say what is shown, of which model and prompt."""
        said = (
            "Logit lens: the final norm and the unembedding applied to the residual stream that enters each layer; in "
            "each cell the top token, where there is room; the uppermost row is the model's own prediction."
        )
        return f"{said} {self.origin}"

    @traitlets.default("origin")
    def _origin(self) -> str:
        return origin(self.lens.provenance.model, self.lens.provenance.prompts)


def _checked(lens: Any) -> Any:
    if not all(hasattr(lens, name) for name in ("top_ids", "top_probabilities", "watched_ranks", "texts")):
        raise TypeError(f"LogitLensView shows a LogitLens, such as lens.logit_lens gives, not a {type(lens).__name__}.")
    n_layers, n_tokens = np.shape(lens.top_ids)[:2]
    if not 0 < n_layers * n_tokens <= MOST_CELLS:
        raise ValueError(
            f"LogitLensView shows 1 to {MOST_CELLS:,} cells, and {n_layers:,} layers at {n_tokens:,} positions are "
            f"{n_layers * n_tokens:,}. Use a prompt of at most {MOST_CELLS // max(n_layers, 1):,} tokens."
        )
    return lens


def _title(lens: Any) -> str:
    model = model_name(lens.provenance.model)
    count = len(lens.tokens)
    return f"Logit lens, {model}, {count:,} token{'s' * (count != 1)}"


def _float32(values: Any) -> bytes:
    return np.asarray(values).astype("<f4").tobytes()


def _visible(token: str) -> str:
    return token.replace(" ", "·").replace("\n", "↵").replace("\t", "⇥") or "∅"
