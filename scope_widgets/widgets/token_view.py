"""A text coloured by a number a token: loss, norms, neurons, latents, attention, effects, or numbers of one's own."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import traitlets

from scope_widgets.features.sae.sparse_codes import SparseCodes
from scope_widgets.lens.token_loss import TokenLoss, token_loss
from scope_widgets.patching.result import PatchingResult
from scope_widgets.traces.token_values import TokenValues
from scope_widgets.traces.trace import Trace
from scope_widgets.widgets.core.definitions import defined
from scope_widgets.widgets.core.drawing.colours import NOT_RUN
from scope_widgets.widgets.core.drawing.picture_svg import visible
from scope_widgets.widgets.core.drawing.svg_sheet import Paper
from scope_widgets.widgets.core.reproducing_code import made_by
from scope_widgets.widgets.core.selection import Selection
from scope_widgets.widgets.core.view import LARGEST, TALLEST, View
from scope_widgets.widgets.figures.captions import made_of, number, origin
from scope_widgets.widgets.figures.tokens import Shades, draw_tokens

#: numbers that are shown at most: 8 bytes each travel, so that the first message stays below 10 MB
MOST_TOKENS, MOST_NUMBERS = 200_000, 1_000_000
_FALLBACK_ROWS = 12
#: of a picture in place of the text: a row, and all
_SQUARES, _MOST_SQUARES = 40, 4000

Floats = npt.NDArray[np.float64]

#: of what `token_loss` finds: label, unit, key of its definition, where its colours begin and end (None: what fits)
_KNOWN: dict[str, tuple[str, str, str, tuple[float, float] | None]] = {
    "loss": ("loss", "nats", "token_loss", None),
    "probability": ("probability of the token", "", "token_probability", (0.0, 1.0)),
    "rank": ("rank of the token", "", "rank", None),
    "entropy": ("entropy before the token", "nats", "token_entropy", None),
    "expected_probability": ("probability of the expected token", "", "expected_token", (0.0, 1.0)),
}
#: how columns of other numbers begin, and the keys of their definitions
_BY_WORD = {
    "residual norm": "residual_norm",
    "neuron ": "neuron_activation",
    "attention of ": "attention",
    "latent ": "latent_activation",
    "effect of ": "patching",
}


class TokenView(View):
    """The text coloured by any number a token, on a sequential scale or, where there are numbers below 0, a signed one.

    Parameters
    ----------
    source : TokenValues, TokenLoss, PatchingResult, Trace or sequence of str
        The text: numbers of tokens (`trace.show(...)`, `lens.token_values`, `features.latent_values`,
        `FeatureIndex.example`), losses, effects of patching at each position, a column a layer, or a trace of one
        prompt, of which without `values` the losses of its tokens are shown.
    values : array [token], mapping of str to array [token], or SparseCodes, optional
        Numbers of one's own, columns of them by name, or codes of which `latents` are shown; before those of `source`.
        NaN is hatched.
    latents : int or sequence of int, optional
        Of codes: which latents, a column each.
    column : str, optional
        The name of the column that is shown first; default: the first of them.
    signed : bool, optional
        Whether the scale has 0 in its middle; default: where a column has numbers below 0.
    selection : Selection, optional
        Shared with other views: ``selected_tokens`` are marked, and the last one scrolls into sight.
    title : str, optional
    **traits
        ``scale`` ("linear", "log"; of ranks "log" by default), ``limits`` ((low, high), default what fits),
        ``threshold`` (smaller numbers have no colour), ``selected_tokens``, ``theme``, ``height`` (pixels).

    Raises
    ------
    TypeError
        When `source` is no text, or numbers or latents are none.
    ValueError
        When there is not one number a token, for several prompts, or where there is too much to be shown; for codes
        without `latents`, or these without codes.
    IndexError
        Where there is no such latent.
    traitlets.TraitError
        When there is no such column, or limits are not in order.

    Examples
    --------
    >>> TokenView(lens.token_loss(trace), column="entropy")  # doctest: +SKIP
    >>> TokenView(trace.show(neuron=[(3, 10), (3, 11)]))  # doctest: +SKIP
    >>> TokenView(trace, values=sae.encode(trace.residual(3)), latents=[12, 40])  # doctest: +SKIP
    """

    bundle: ClassVar[str] = "token_view"
    set_in_browser: ClassVar[dict[str, Any]] = View.set_in_browser | {
        "column": str,
        "scale": str | None,
        "limits": list[float] | None,
        "threshold": float,
    }

    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    columns = traitlets.List(traitlets.Dict(), help="name, label, unit, mean, fixed [low, high] or null").tag(sync=True)
    values = traitlets.Bytes(help="float64 [column, token]; NaN where there is none").tag(sync=True)
    expected = traitlets.List(traitlets.Unicode(), help="the likeliest token in the place of each; may be empty").tag(
        sync=True
    )
    arguments = traitlets.List(traitlets.Unicode(), help="as Python, those that Python alone sets").tag(sync=True)
    column = traitlets.Unicode().tag(sync=True)
    signed = traitlets.Bool(None, allow_none=True).tag(sync=True)
    scale = traitlets.Enum(["linear", "log"], None, allow_none=True).tag(sync=True)
    limits = traitlets.List(traitlets.Float(), None, allow_none=True, minlen=2, maxlen=2).tag(sync=True)
    threshold = traitlets.Float(0.0, min=0.0, max=LARGEST).tag(sync=True)
    height = traitlets.Int(None, allow_none=True, min=240, max=TALLEST).tag(sync=True)

    def __init__(
        self,
        source: Any,
        *,
        values: Any = None,
        latents: int | Iterable[int] | None = None,
        column: str | None = None,
        signed: bool | None = None,
        selection: Selection | None = None,
        selected_tokens: Iterable[int] | None = None,
        title: str | None = None,
        **traits: Any,
    ) -> None:
        name, self.losses, tokens, given = _read(source, values is None)
        if latents is not None:
            latents = [operator.index(one) for one in ([latents] if not isinstance(latents, Iterable) else latents)]
        own = {} if values is None else _own(values, latents)
        known = given if self.losses is None else _of(self.losses)
        self.numbers: dict[str, Floats] = {
            one: _checked(one, numbers, len(tokens))
            for one, numbers in {**own, **{key: known[key] for key in known if key not in own}}.items()
        }
        if not self.numbers:
            raise ValueError("There is nothing to colour by: give values=, one number a token.")
        if len(tokens) > MOST_TOKENS or len(tokens) * len(self.numbers) > MOST_NUMBERS:
            raise ValueError(
                f"TokenView shows up to {MOST_TOKENS:,} tokens and {MOST_NUMBERS:,} numbers, and these are "
                f"{len(tokens):,} tokens with {len(self.numbers):,} numbers each. Show a part of the text."
            )
        self._source = source
        units = dict(zip(source.names, source.units, strict=True)) if isinstance(source, TokenValues) else {}
        shown = {name: source} | ({} if values is None else {"values": values})
        super().__init__(
            selection=selection,
            selected_tokens=selected_tokens,
            title=title or self._titled(len(tokens)),
            made_by=made_by("TokenView", **shown),
            tokens=tokens,
            columns=[_described(one, numbers, one in own, units.get(one, "")) for one, numbers in self.numbers.items()],
            values=np.concatenate(list(self.numbers.values())).astype("<f8").tobytes(),
            expected=[] if self.losses is None else list(self.losses.expected),
            arguments=[name, *(["values=values"] if values is not None else [])]
            + ([] if latents is None else [f"latents={latents}"])
            + ([] if signed is None else [f"signed={signed}"]),
            signed=signed,
            **traits,
        )
        self.column = next(iter(self.numbers)) if column is None else column

    @traitlets.validate("column")
    def _check_column(self, proposal: Any) -> str:
        name: str = proposal["value"]
        if name not in self.numbers:
            raise traitlets.TraitError(f"There is no column {name!r:.60}: there are {', '.join(self.numbers)}.")
        return name

    @traitlets.validate("limits")
    def _check_limits(self, proposal: Any) -> list[float] | None:
        if proposal["value"] is None:
            return None
        low, high = proposal["value"]
        if not low < high or not np.isfinite([low, high]).all():
            raise traitlets.TraitError(f"Limits are (low, high) with low < high, not {(low, high)}.")
        return [low, high]

    def shades(self) -> Shades:
        """Return the numbers that are shown, and the scale of their colours."""
        about = next(one for one in self.columns if one["name"] == self.column)
        return Shades.of(self.numbers[self.column], about, self.scale, self.limits, self.threshold, self.signed)

    # -- without a kernel

    def _titled(self, n_tokens: int) -> str:
        first, *others = self.numbers
        of_losses = self.losses is not None and first in _KNOWN
        what = "Loss of each token" if of_losses else first[:1].upper() + first[1:]
        if others and not self.losses:
            what = f"{len(self.numbers)} numbers of each token"
        provenance = self._provenance()
        model = f", {provenance.model.rstrip('/').rsplit('/', 1)[-1]}" if provenance is not None else ""
        return f"{what}{model}, {n_tokens:,} token{'s' * (n_tokens != 1)}"

    def _provenance(self) -> Any:
        return getattr(self._source, "provenance", None)

    def provenance_lines(self) -> list[str]:
        """Return where the text and its numbers came from."""
        provenance = self._provenance()
        return [] if provenance is None else list(provenance.lines())

    def still_table(self) -> tuple[list[str], list[list[str]]]:
        """Return the tokens with the largest numbers."""
        shades = self.shades()
        size = np.where(np.isfinite(shades.values), np.abs(shades.values), -1.0)
        order = [at for at in np.argsort(-size, kind="stable")[:_FALLBACK_ROWS].tolist() if size[at] >= 0]
        rows = [[str(at), visible(self.tokens[at], 24), number(float(shades.values[at]), 4)] for at in order]
        return ["position", "token", shades.name], rows

    def still_image(self) -> npt.NDArray[Any] | None:
        """Return the colours of the tokens as squares, in rows from left to right, uint8 [row, column, 3]."""
        shades = self.shades()
        colours = shades.of_tokens()[:_MOST_SQUARES]
        if not len(colours):
            return None
        colours[np.isnan(shades.values[:_MOST_SQUARES])] = NOT_RUN
        across = min(_SQUARES, len(colours))
        sheet = np.full((-(-len(colours) // across) * across, 3), 255, np.uint8)
        sheet[: len(colours)] = colours
        return sheet.reshape(-1, across, 3)

    # -- for papers

    def draw(self, paper: Paper, *, whole: bool = True) -> None:
        """Draw the text, its tokens on their colours, and the scale; of a long text the beginning."""
        draw_tokens(paper, self.tokens, self.shades())

    @traitlets.default("definitions")
    def _explained(self) -> list[list[str]]:
        names = list(self.numbers)
        keys = [_KNOWN[name][2] for name in names if name in _KNOWN and not isinstance(self._source, PatchingResult)]
        keys += [key for word, key in _BY_WORD.items() if any(name.startswith(word) for name in names)]
        return defined(dict.fromkeys([*keys, *(["expected_token"] if self.losses is not None else []), "token_colour"]))

    @traitlets.default("origin")
    def _origin(self) -> str:
        provenance = self._provenance()
        return "" if provenance is None else origin(provenance.model, provenance.prompts)

    def caption(self) -> str:
        """Say what the colours are, of which model and prompt."""
        shades = self.shades()
        mean = float(np.mean(shades.values[np.isfinite(shades.values)])) if np.isfinite(shades.values).any() else None
        unit = f" {shades.unit}" if shades.unit else ""
        said = f"Each token on the colour of its number: {shades.name}, mean {number(mean)}{unit}."
        provenance = self._provenance()
        return " ".join(filter(None, [said, self.origin, *([] if provenance is None else made_of(provenance))]))


def _read(source: Any, alone: bool) -> tuple[str, TokenLoss | None, list[str], dict[str, Any]]:
    """Return the name of a source in code, the losses that it has, its tokens, and other numbers of it."""
    if isinstance(source, TokenLoss):
        return "losses", source, list(source.tokens), {}
    if isinstance(source, TokenValues):
        return "numbers", None, list(source.tokens), dict(zip(source.names, source.values, strict=True))
    if isinstance(source, PatchingResult):
        return "result", None, list(source.positions), _effects(source)
    if isinstance(source, Trace):
        if source.batched:
            raise ValueError(f"TokenView shows one prompt and this trace has {len(source)}: choose one with trace[i].")
        return "trace", token_loss(source) if alone else None, list(source.tokens), {}
    if isinstance(source, (str, bytes, Mapping)) or not isinstance(source, Iterable):
        raise TypeError(
            "TokenView shows the result of lens.token_loss(...), a trace, or a list of tokens, and what "
            f"trace.show(...) returns, not {source!r:.60}."
        )
    tokens = list(source)
    if wrong := [token for token in tokens if not isinstance(token, str)]:
        raise TypeError(f"Tokens are texts, not {wrong[0]!r:.60}.")
    return "tokens", None, tokens, {}


def _effects(result: PatchingResult) -> dict[str, Any]:
    """Return the effects of patching at each position, a column a layer."""
    if result.axes != ("layer", "position"):
        raise ValueError(
            f"TokenView shows effects at each position, and these have the axes {', '.join(result.axes)}: patch "
            'over="residual", "attention_out" or "mlp_out", and positions="each"; PatchingMap shows the others.'
        )
    return {f"effect of {result.over}, layer {layer}": row for layer, row in enumerate(result.values)}


def _of(losses: TokenLoss) -> dict[str, Any]:
    rank = np.where(np.asarray(losses.rank) < 0, np.nan, np.asarray(losses.rank) + 1.0)  # 1 is the top
    return {name: rank if name == "rank" else getattr(losses, name) for name in _KNOWN}


def _own(values: Any, latents: list[int] | None) -> dict[str, Any]:
    if isinstance(values, SparseCodes):
        if not latents:
            raise ValueError("Codes have thousands of latents: say which are shown, latents=[12, 40].")
        return {f"latent {one}": values.of_latent(one) for one in latents}
    if latents is not None:
        raise ValueError("latents= are of codes: give values=sae.encode(activations) too.")
    if hasattr(values, "columns") and hasattr(values, "items"):  # a table of pandas
        return {str(name): column.to_numpy() for name, column in values.items()}
    return {str(name): one for name, one in values.items()} if isinstance(values, Mapping) else {"values": values}


def _checked(name: str, values: Any, n_tokens: int) -> Floats:
    if hasattr(values, "detach"):  # a tensor of torch, which may be on a GPU or in half precision
        values = values.detach().cpu().double()
    try:
        numbers = np.array(values, np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"The numbers {name!r:.40} are to be an array of one number a token.") from None
    if numbers.shape != (n_tokens,):
        raise ValueError(
            f"There are {n_tokens:,} tokens, and the numbers {name!r:.40} are of shape {list(numbers.shape)}: "
            "give one a token."
        )
    return numbers


def _described(name: str, numbers: Floats, own: bool, unit_of: str) -> dict[str, Any]:
    label, unit, _, fixed = (name, unit_of, "", None) if own or name not in _KNOWN else _KNOWN[name]
    finite = numbers[np.isfinite(numbers)]
    return {
        "name": name,
        "label": label,
        "unit": unit,
        "fixed": None if fixed is None else list(fixed),
        "log": name == "rank" and not own,
        "mean": float(finite.mean()) if len(finite) else None,
        "n": len(finite),
    }
