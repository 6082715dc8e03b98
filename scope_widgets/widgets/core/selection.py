"""The heads, tokens, latents and points that are selected, shared by several views."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4
from weakref import WeakSet

import traitlets

from scope_widgets._untrusted import MOST_COUNT, opening
from scope_widgets.experiments.circuit.latent_graph import LatentNode
from scope_widgets.widgets.core.head_notes import Head as Head
from scope_widgets.widgets.core.head_notes import HeadNotes, as_notes, read_notes, triples, write_notes

#: a point of a projection: the number of its text, and a position in it
Point = tuple[int, int]

#: points that are selected at most, as many as a projection has
MOST_POINTS = 100_000


class Follower(Protocol):
    """What a `Selection` needs to know of a view."""

    n_layers: int | None
    n_heads: int | None

    def follow(self, name: str, value: list[Any]) -> None:
        """Take over a value of the selection."""


def as_heads(value: object) -> list[Head]:
    """Check and tidy heads: pairs of integers, each once, in the order given.

    Raises
    ------
    traitlets.TraitError
        With a sentence, when `value` is not a list of ``(layer, head)`` pairs.
    """
    heads: list[Head] = []
    for item in _items(value, "Heads", "[(5, 1), (7, 3)]"):
        try:
            layer, head = (operator.index(part) for part in item)
        except (TypeError, ValueError):
            raise traitlets.TraitError(f"A head is a pair (layer, head) of integers, not {opening(item)}.") from None
        if not (0 <= layer <= MOST_COUNT and 0 <= head <= MOST_COUNT):
            raise traitlets.TraitError(
                f"Layers and heads count from 0, and to {MOST_COUNT:,} at most, so ({opening(layer)}, {opening(head)}) "
                "names no head."
            )
        heads.append((layer, head))
    return list(dict.fromkeys(heads))


def as_tokens(value: object) -> list[int]:
    """Check and tidy token positions: integers from 0, each once, in the order given.

    Raises
    ------
    traitlets.TraitError
        With a sentence, when `value` is not a list of positions.
    """
    tokens: list[int] = []
    for item in _items(value, "Tokens", "[3, 4]"):
        try:
            token = operator.index(item)
        except TypeError:
            raise traitlets.TraitError(f"A token is its position, an integer, not {opening(item)}.") from None
        if not 0 <= token < 2**31:
            raise traitlets.TraitError(f"Positions of tokens count from 0, so {opening(token)} names no token.")
        tokens.append(token)
    return list(dict.fromkeys(tokens))


def as_latents(value: object) -> list[str]:
    """Check and tidy latents: names as nodes of circuits have them, each once, in the order given.

    Raises
    ------
    traitlets.TraitError
        With a sentence, when `value` is not a list of names of latents.
    """
    latents: list[str] = []
    for item in _items(value, "Latents", '["3.27", "12.mlp_out.345"]'):
        try:
            node = LatentNode.of(item) if isinstance(item, str) and len(item) < 100 else None
        except ValueError:
            node = None
        if node is None or node.kind != "latent":
            raise traitlets.TraitError(
                "A latent is named by the layer of its SAE, the site where that is not the residual stream, and its "
                f"number, such as '3.27' or '12.mlp_out.345'; not {opening(item)}."
            )
        latents.append(node.name)
    return list(dict.fromkeys(latents))


def as_points(value: object) -> list[Point]:
    """Check and tidy points: pairs of integers, each once, in the order given.

    Raises
    ------
    traitlets.TraitError
        With a sentence, when `value` is not a list of ``(sample, position)`` pairs, or has too many.
    """
    points: list[Point] = []
    items = _items(value, "Points", "[(0, 7), (12, 3)]")
    if len(items) > MOST_POINTS:
        raise traitlets.TraitError(f"Up to {MOST_POINTS:,} points are selected at once, not {len(items):,}.")
    for item in items:
        try:
            sample, position = (operator.index(part) for part in item)
        except (TypeError, ValueError):
            raise traitlets.TraitError(
                f"A point is a pair (sample, position) of integers, not {opening(item)}."
            ) from None
        if not (0 <= sample < 2**31 and 0 <= position < 2**31):
            raise traitlets.TraitError(
                f"Samples and positions count from 0, so ({opening(sample)}, {opening(position)}) names no point."
            )
        points.append((sample, position))
    return list(dict.fromkeys(points))


def points_text(points: Iterable[Point], *_: Any) -> str:
    """Return points as one text, "0 7 12 3": a hundred thousand lists of two would take seconds on their way."""
    return " ".join(f"{sample} {position}" for sample, position in points)


def points_of(text: object, *_: Any) -> list[Point]:
    """Return the points of such a text; what else is given is checked by `as_points`.

    Raises
    ------
    ValueError
        When it is no text of pairs of integers.
    """
    if not isinstance(text, str) or not text.isascii() or len(text) > 22 * MOST_POINTS:
        raise ValueError(f"Points come as a text of up to {MOST_POINTS:,} pairs of integers, not {opening(text)}.")
    parts = text.split()
    if len(parts) % 2 or not all(part.isdigit() and len(part) <= 10 for part in parts):
        raise ValueError(f"Points come as a text of pairs of integers, not {opening(text)}.")
    numbers = list(map(int, parts))
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def check_range(heads: Iterable[Head], n_layers: int | None, n_heads: int | None) -> None:
    """Raise a TraitError that names the first head which the model does not have."""
    for layer, head in heads:
        if n_layers is not None and layer >= n_layers:
            raise traitlets.TraitError(f"Head {layer}.{head} is not there: the model has layers 0 to {n_layers - 1}.")
        if n_heads is not None and head >= n_heads:
            raise traitlets.TraitError(f"Head {layer}.{head} is not there: each layer has heads 0 to {n_heads - 1}.")


def _items(value: object, what: str, example: str) -> list[Any]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise traitlets.TraitError(f"{what} are given as a list such as {example}, not as {opening(value)}.")
    return list(value)


class Selection(traitlets.HasTraits):
    """What is selected in every view which was given this object: heads, tokens, latents, points; and notes on heads.

    Parameters
    ----------
    heads : list of (layer, head), optional
    tokens : list of int, optional
        Positions of tokens.
    notes : mapping of (layer, head) to str, optional
        Lines that were written on heads, of 300 characters at most. Views show that of the head that is open or
        selected, and write them into figures, tables and code. In `notes` one is written, ``selection.notes[3, 1] =
        "moves the name"``, and deleted; notes on heads that no view has are kept.
    latents : list of str, optional
        Names of latents as circuits have them: "3.27" is latent 27 of the SAE of layer 3's residual stream,
        "12.mlp_out.345" one of another site. A `FeatureBrowser` of that SAE opens the page of the last one.
    points : list of (sample, position), optional
        Tokens of several texts, as a `ProjectionView` shows them: the number of the text, and the position in it.

    Raises
    ------
    traitlets.TraitError
        When a head or a point is not a pair of integers, a token not an integer, a latent no name of one, or no view
        that shares the selection has such a head; when a note is no text, too long, or holds what cannot be seen.

    Examples
    --------
    >>> chosen = Selection(heads=[(5, 1)])
    >>> chosen.heads
    [(5, 1)]
    >>> chosen.notes[3, 1] = "moves the name"
    >>> chosen.notes
    {(3, 1): 'moves the name'}
    """

    id = traitlets.Unicode(read_only=True, help="Views of one page share by it.")
    heads: Any = traitlets.TraitType(help="[(layer, head), ...]")
    tokens: Any = traitlets.TraitType(help="[position, ...]")
    notes: Any = traitlets.TraitType(help="{(layer, head): text, ...}")
    latents: Any = traitlets.TraitType(help='["3.27", ...]')
    points: Any = traitlets.TraitType(help="[(sample, position), ...]")

    def __init__(
        self,
        heads: Iterable[Head] = (),
        tokens: Iterable[int] = (),
        notes: Mapping[Head, str] | None = None,
        latents: Iterable[str] = (),
        points: Iterable[Point] = (),
    ) -> None:
        self._views: WeakSet[Any] = WeakSet()
        super().__init__()
        self.set_trait("id", uuid4().hex)
        self.heads = heads
        self.tokens = tokens
        self.notes = notes or {}
        self.latents = latents
        self.points = points

    def __repr__(self) -> str:
        latents = f", latents={self.latents}" if self.latents else ""
        points = f", points={self.points}" if self.points else ""
        notes = f", notes={self.notes}" if self.notes else ""
        return f"Selection(heads={self.heads}, tokens={self.tokens}{latents}{points}{notes})"

    def clear(self) -> None:
        """Select nothing; notes stay."""
        self.heads, self.tokens, self.latents, self.points = [], [], [], []

    def save_notes(self, path: str | Path) -> Path:
        """Write the notes as JSON, ``{"3.1": "moves the name"}``.

        Parameters
        ----------
        path : str or Path
            Replaced when it exists.

        Returns
        -------
        Path
            `path`.

        Raises
        ------
        FileNotFoundError
            When the folder of `path` is not there.
        """
        return write_notes(self.notes, path)

    def load_notes(self, path: str | Path) -> None:
        """Add the notes of a file that `save_notes` wrote; on the same head they replace those of now.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        FileNotFoundError
            When there is no such file.
        ValueError
            When it holds something else; then the notes stay as they are.
        """
        self.notes = {**self.notes, **read_notes(path)}

    def join(self, view: Follower) -> None:
        """Keep `view` informed; views call this themselves."""
        self._views.add(view)

    def leave(self, view: Follower) -> None:
        """Forget `view`."""
        self._views.discard(view)

    def views(self) -> list[Any]:
        """Return the views that share it."""
        return list(self._views)

    def has(self, view: Follower) -> bool:
        """Return whether `view` shares it."""
        return view in self._views

    @traitlets.default("heads")
    def _no_heads(self) -> list[Head]:
        return []

    @traitlets.default("tokens")
    def _no_tokens(self) -> list[int]:
        return []

    @traitlets.default("latents")
    def _no_latents(self) -> list[str]:
        return []

    @traitlets.default("points")
    def _no_points(self) -> list[Point]:
        return []

    @traitlets.default("notes")
    def _no_notes(self) -> HeadNotes:
        return HeadNotes({}, self._put_notes)

    @traitlets.validate("notes")
    def _check_notes(self, proposal: Any) -> HeadNotes:
        return HeadNotes(as_notes(proposal["value"]), self._put_notes)

    def _put_notes(self, notes: Any) -> HeadNotes:
        self.notes = notes
        return self.notes  # type: ignore[no-any-return]

    @traitlets.validate("heads")
    def _check_heads(self, proposal: Any) -> list[Head]:
        heads = as_heads(proposal["value"])
        refusals = []
        for view in list(self._views):  # models of different sizes may share: one that has the head is enough
            try:
                check_range(heads, view.n_layers, view.n_heads)
            except traitlets.TraitError as refusal:
                refusals.append(refusal)
            else:
                return heads
        if refusals:
            raise refusals[0]
        return heads

    @traitlets.validate("tokens")
    def _check_tokens(self, proposal: Any) -> list[int]:
        return as_tokens(proposal["value"])

    @traitlets.validate("latents")
    def _check_latents(self, proposal: Any) -> list[str]:
        return as_latents(proposal["value"])

    @traitlets.validate("points")
    def _check_points(self, proposal: Any) -> list[Point]:
        return as_points(proposal["value"])

    @traitlets.observe("heads", "tokens", "latents", "points")
    def _tell(self, change: Any) -> None:
        for view in list(self._views):
            view.follow(f"selected_{change['name']}", change["new"])

    @traitlets.observe("notes")
    def _tell_notes(self, change: Any) -> None:
        for view in list(self._views):
            view.follow("head_notes", triples(change["new"]))
