"""Points of a projection in the plane: which token each is, what it is coloured by, layer by layer."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import traitlets

from scope_widgets._provenance import Provenance
from scope_widgets.geometry.procrustes import align_layers
from scope_widgets.widgets.core.definitions import DEFINITIONS, defined
from scope_widgets.widgets.core.drawing.svg_sheet import Paper
from scope_widgets.widgets.core.reproducing_code import made_by
from scope_widgets.widgets.core.selection import MOST_POINTS, Selection
from scope_widgets.widgets.core.view import TALLEST, Answer, View
from scope_widgets.widgets.figures.captions import counted, origin
from scope_widgets.widgets.figures.projection import Shown, dotted, draw_projection
from scope_widgets.widgets.projection_view.columns import columns_of
from scope_widgets.widgets.projection_view.fidelity import NAMES, fidelity
from scope_widgets.widgets.projection_view.of_projections import named, options_of, projections_in
from scope_widgets.widgets.projection_view.point_texts import PointTexts, packed

#: bytes of points and of colours in the first message: all of them, or those on show
FIRST_BYTES = 800_000
#: bytes of points and colours that a saved page holds
SAVED_BYTES = 20_000_000
MOST_LAYERS = 256
_FALLBACK_ROWS = 12

Floats = npt.NDArray[np.float64]


class ProjectionView(View):
    """Up to 100,000 points of a projection: pointed at, each is a token in its text.

    Parameters
    ----------
    points : Projection, sequence of Projection, or array [n, 2] or [layer, n, 2]
        What `geometry.project` returns, which says the options below but `tokens`, or one a layer, of which points are
        shown that all layers have; or places in the plane. Those of several layers are centred, scaled to one size, and
        each turned and mirrored onto the layer before (`geometry.align_layers`), so that the eye can follow; without
        `align` they stay. Of three components the first two are shown.
    tokens : sequence of str, optional
        What each point is, [n].
    texts : sequence of sequences of str, optional
        The tokens of whole texts, in place of `tokens`: a point shows its token among those around it.
    samples, positions : arrays of int [n], optional
        The text of each point, an index of `texts` (or any number of a sample), and the position in it; without them
        points are all tokens of `texts`, in order, or of one sample. A point is named by both (`Selection.points`).
    colours : mapping of str to array [n], or DataFrame, optional
        What points can be coloured by. Texts, truth values and whole numbers of up to 12 values are classes, other
        numbers have a scale; None and NaN are none. Of several projections they are of the rows of the first.
    colour : str, optional
        The column that is shown first; default: the first.
    method : str, default ""
        How the projection was made: "pca", "umap", "tsne", or a name of its own.
    kept : float or array [layer], optional
        Share of each point's nearest neighbours that are nearest in the plane too.
    neighbours : int, optional
        Of how many neighbours that share is.
    explained : array [2] or [layer, 2], optional
        Share of the variance along each axis.
    layers : sequence of int, optional
        Numbers of the layers; default from 0.
    layer : int, optional
        That which is shown first; default: the first.
    align : bool, default True
    selection : Selection, optional
        Shared with other views: ``selected_points``, [(sample, position), ...]. Where all points are of one text,
        ``selected_tokens`` are their positions, and those that other views select are selected here.
    provenance : Provenance, optional
        Of which model and prompts the points are.
    left_out : str, default ""
        A sentence that says what has no point, and why; it stands below the points.
    title : str, optional
    **traits
        ``selected_points``, ``scale`` ("linear", "log"), ``limits`` ((low, high) of numbers), ``theme``, ``height``
        (pixels).

    Raises
    ------
    TypeError
        When tokens are no texts, or colours have no names.
    ValueError
        When shapes do not fit, places are not finite, a share is not between 0 and 1, or there is too much.
    traitlets.TraitError
        When there is no such column or layer, or limits are not in order.

    Examples
    --------
    >>> import numpy as np
    >>> view = ProjectionView(np.random.default_rng(0).normal(size=(50, 2)), colours={"half": np.arange(50) < 25})
    >>> view.colour
    'half'
    >>> from scope_widgets import geometry
    >>> rows = np.random.default_rng(0).normal(size=(60, 5))
    >>> groups = geometry.clusters(rows, k=3).labels
    >>> ProjectionView(geometry.project(rows), colours={"cluster": groups}).axes[0][:11]
    'component 1'
    """

    bundle: ClassVar[str] = "projection_view"
    set_in_browser: ClassVar[dict[str, Any]] = View.set_in_browser | {
        "colour": str,
        "layer": int,
        "scale": str,
        "limits": list[float] | None,
    }

    n_points = traitlets.Int().tag(sync=True)
    layers = traitlets.List(traitlets.Int(), help="numbers of the layers; empty where there is one picture").tag(
        sync=True
    )
    layer = traitlets.Int(help="which of them is on show").tag(sync=True)
    held_layers = traitlets.List(traitlets.Int(), help="those that `places` holds").tag(sync=True)
    places = traitlets.Bytes(help="float32 [held layer, point, 2]").tag(sync=True)
    frame = traitlets.List(traitlets.Float(), help="[left, bottom, right, top] of all layers").tag(sync=True)
    samples = traitlets.Bytes(help="uint16 or int32 [point]").tag(sync=True)
    positions = traitlets.Bytes(help="uint16 or int32 [point]").tag(sync=True)
    words = traitlets.List(traitlets.Unicode(), help="every token, once").tag(sync=True)
    word_ids = traitlets.Bytes(help="uint16 or int32, of each text's tokens, else of each point").tag(sync=True)
    text_starts = traitlets.Bytes(help="int32 [text + 1], where texts begin in `word_ids`; empty without texts").tag(
        sync=True
    )
    columns = traitlets.List(traitlets.Dict(), help="see `Column.about`").tag(sync=True)
    held_columns = traitlets.List(traitlets.Unicode(), help="those that `values` holds").tag(sync=True)
    values = traitlets.Bytes(help="float32 [held column, point]; an index of its classes; NaN: none").tag(sync=True)
    colour = traitlets.Unicode(help="a column; empty where there is none").tag(sync=True)
    scale = traitlets.Enum(["linear", "log"], "linear").tag(sync=True)
    limits = traitlets.List(traitlets.Float(), None, allow_none=True, minlen=2, maxlen=2).tag(sync=True)
    axes = traitlets.List(traitlets.Unicode(), help="names of both axes; empty where they mean nothing").tag(sync=True)
    fidelity = traitlets.List(traitlets.Unicode(), help="of each layer, how well neighbours are kept").tag(sync=True)
    arguments = traitlets.List(traitlets.Unicode(), help="as Python, those that Python alone sets").tag(sync=True)
    height = traitlets.Int(None, allow_none=True, min=240, max=TALLEST).tag(sync=True)

    def __init__(
        self,
        points: Any,
        *,
        tokens: Any = None,
        texts: Any = None,
        samples: Any = None,
        positions: Any = None,
        colours: Any = None,
        colour: str | None = None,
        method: str = "",
        kept: Any = None,
        neighbours: int | None = None,
        explained: Any = None,
        layers: Sequence[int] | None = None,
        layer: int | None = None,
        align: bool = True,
        selection: Selection | None = None,
        provenance: Provenance | None = None,
        left_out: str = "",
        title: str | None = None,
        **traits: Any,
    ) -> None:
        projections = projections_in(points)
        variables = named(projections) if projections else {"points": points}
        of_points = {
            "tokens": tokens, "texts": texts, "samples": samples, "positions": positions, "colours": colours,
        }  # fmt: skip
        known = {name: one for name, one in of_points.items() if one is not None}
        said = {
            "method": method, "kept": kept, "neighbours": neighbours, "explained": explained, "layers": layers,
            "left_out": left_out,
        }  # fmt: skip
        n_left_out = 0
        if projections:
            points, found, n_left_out = options_of(projections, colours)
            colours, method = found["colours"], method or found["method"]
            texts = found.get("texts") if texts is None and tokens is None else texts
            samples = found.get("samples") if samples is None else samples
            positions = found.get("positions") if positions is None else positions
            kept = found["kept"] if kept is None else kept
            neighbours = found["neighbours"] if neighbours is None else neighbours
            explained = found["explained"] if explained is None else explained
            layers = found.get("layers") if layers is None else layers
            provenance = found["provenance"] if provenance is None else provenance
        given = _places(points)
        several = given.ndim == 3
        of_layers = given if several else given[None]
        aligned = several and align and len(of_layers) > 1 and of_layers.shape[1] > 0
        self.points: Floats = align_layers(of_layers) if aligned else of_layers
        n = self.points.shape[1]
        numbers = _numbers(layers, len(of_layers)) if several else []
        self._texts = PointTexts.of(n, tokens, texts, samples, positions)
        self._columns = {one.name: one for one in columns_of(colours, n)}
        self._provenance = provenance
        self._made_with = NAMES.get(method.lower(), method)
        self._aligned = aligned
        # in one go: the column and the layer are checked against what is there
        first = numbers[0] if numbers and layer is None else 0 if layer is None else operator.index(layer)
        chosen = next(iter(self._columns), "") if colour is None else colour
        super().__init__(
            selection=selection,
            title=title or self._titled(n, len(numbers)),
            made_by=made_by("ProjectionView", **variables, **known),
            n_points=n,
            layers=numbers,
            samples=packed(self._texts.samples),
            positions=packed(self._texts.positions),
            words=self._texts.words,
            word_ids=packed(self._texts.ids),
            text_starts=self._texts.starts.astype("<i4").tobytes() if len(self._texts.starts) else b"",
            columns=[one.about() for one in self._columns.values()],
            frame=_frame(self.points),
            axes=_axes(self._made_with, explained) if not numbers else [],
            fidelity=[
                one
                + (f" {counted(n_left_out, 'point')} not in every layer left out." if n_left_out else "")
                + (f" {left_out}" if left_out else "")
                for one in fidelity(len(of_layers), self._made_with, kept, neighbours, explained, aligned)
            ],
            arguments=[
                f"[{', '.join(variables)}]" if several and projections else next(iter(variables)),
                *(f"{name}={name}" for name in known),
                *(f"{name}={_written(one)}" for name, one in said.items() if one is not None and one != ""),
                *([] if align else ["align=False"]),
            ],
            **traits,
        )
        self.layer, self.colour = first, chosen
        self._hold(first, chosen)
        self._link_tokens()

    def _link_tokens(self) -> None:
        """Select tokens with points, and points with tokens, where all points are of one text."""
        samples = np.unique(self._texts.samples)
        if len(samples) != 1 or not len(self._texts.ids):
            return
        sample, there = int(samples[0]), frozenset(self._texts.positions.tolist())

        def of_points(_: Any) -> None:
            if points_of_tokens() != self.selected_points:
                self.selected_tokens = [position for _, position in self.selected_points]

        def of_tokens(_: Any) -> None:
            if points_of_tokens() != self.selected_points:
                self.selected_points = points_of_tokens()

        def points_of_tokens() -> list[tuple[int, int]]:
            return [(sample, position) for position in self.selected_tokens if position in there]

        if self.selected_points:
            of_points(None)
        else:
            of_tokens(None)
        self.observe(of_points, "selected_points")
        self.observe(of_tokens, "selected_tokens")

    def _hold(self, layer: int, colour: str) -> None:
        """Put into the state what the browser begins with: everything, or what is on show where that is too much."""
        n, several = self.n_points, len(self.points)
        every = several * n * 8 <= FIRST_BYTES
        self.held_layers = (self.layers or [0]) if every else [layer]
        self.places = b"".join(self._places_of(one) for one in self.held_layers)
        names = list(self._columns)
        self.held_columns = names if len(names) * n * 4 <= FIRST_BYTES / 2 else [colour]
        self.values = b"".join(self._columns[one].values.astype("<f4").tobytes() for one in self.held_columns)

    def _places_of(self, layer: int) -> bytes:
        places: bytes = self.points[self._index(layer)].astype("<f4").tobytes()
        return places

    def _index(self, layer: int) -> int:
        return self.layers.index(layer) if self.layers else 0

    # -- what is set

    @traitlets.validate("colour")
    def _check_colour(self, proposal: Any) -> str:
        name: str = proposal["value"]
        if name not in self._columns and (name or self._columns):
            known = ", ".join(self._columns) or "none"
            raise traitlets.TraitError(f"There is no column {name!r:.60} to colour by: there are {known:.400}.")
        return name

    @traitlets.validate("layer")
    def _check_layer(self, proposal: Any) -> int:
        layer: int = proposal["value"]
        if layer not in (self.layers or [0]):
            known = ", ".join(map(str, self.layers)) or "one picture"
            raise traitlets.TraitError(f"There is no layer {layer}: there are {known}.")
        return layer

    @traitlets.validate("limits")
    def _check_limits(self, proposal: Any) -> list[float] | None:
        if proposal["value"] is None:
            return None
        low, high = proposal["value"]
        if not low < high or not np.isfinite([low, high]).all():
            raise traitlets.TraitError(f"Limits are (low, high) with low < high, not {(low, high)}.")
        return [low, high]

    def selected_rows(self) -> npt.NDArray[np.int64]:
        """Return which of the points are selected, as indices of `points`, in the order of these.

        Examples
        --------
        >>> import numpy as np
        >>> ProjectionView(np.eye(2), selected_points=[(0, 1)]).selected_rows().tolist()
        [1]
        """
        where = self._texts.samples * 2**31 + self._texts.positions
        chosen = np.array([sample * 2**31 + position for sample, position in self.selected_points], np.int64)
        found: npt.NDArray[np.int64] = np.flatnonzero(np.isin(where, chosen))
        return found

    # -- what the browser asks for

    def answer_layer(self, layer: int) -> Answer:
        """Return the places of a layer, float32 [point, 2]."""
        if layer not in (self.layers or [0]):
            raise ValueError(f"There is no layer {layer}.")
        return {}, [self._places_of(layer)]

    def answer_column(self, name: str) -> Answer:
        """Return the values of a column, float32 [point]."""
        if name not in self._columns:
            raise ValueError("There is no such column.")
        return {}, [self._columns[name].values.astype("<f4").tobytes()]

    # -- without a kernel

    def saved_answers(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Any], list[bytes]]]:
        """Return the layers and columns that the state does not hold, as many as a page may have."""
        room = SAVED_BYTES
        for layer in self.layers:
            if layer not in self.held_layers and (room := room - 8 * self.n_points) >= 0:
                yield "layer", {"layer": layer}, *self.answer_layer(layer)
        for name in self._columns:
            if name not in self.held_columns and (room := room - 4 * self.n_points) >= 0:
                yield "column", {"name": name}, *self.answer_column(name)

    def provenance_lines(self) -> list[str]:
        """Return where the points came from."""
        return [] if self._provenance is None else list(self._provenance.lines())

    def _shown(self) -> Shown:
        at = self._index(self.layer)
        column = self._columns.get(self.colour)
        return Shown(
            self.points[at], column, self.limits, self.scale == "log", list(self.axes), self.frame, self.selected_rows()
        )

    def still_table(self) -> tuple[list[str], list[list[str]]] | None:
        """Return the classes and how many points each has, or what is selected."""
        rows = self.selected_rows()[:_FALLBACK_ROWS].tolist()
        if rows:
            where = self._texts
            head = ["sample", "position", "token"]
            return head, [[str(where.samples[at]), str(where.positions[at]), where.token(at)[:24]] for at in rows]
        column = self._columns.get(self.colour)
        if column is None or column.classes is None:
            return None
        named = list(zip(column.classes, column.counts, strict=True))[:_FALLBACK_ROWS]
        return [column.name, "points"], [[name, f"{count}"] for name, count in named]

    def still_image(self) -> npt.NDArray[Any] | None:
        """Return the points as a picture, uint8 [row, column, 3]."""
        return dotted(self._shown(), 480, 320) if self.n_points else None

    # -- for papers

    def draw(self, paper: Paper, *, whole: bool = True) -> None:
        """Draw the points of the layer on show, and what their colours mean."""
        draw_projection(paper, self._shown())

    @traitlets.default("definitions")
    def _explained(self) -> list[list[str]]:
        keys = ["projection", "neighbours_kept", "projected_distance", *(["procrustes"] if self._aligned else [])]
        return defined(dict.fromkeys([*keys, *(name for name in self._columns if name in DEFINITIONS)]))

    @traitlets.default("origin")
    def _origin(self) -> str:
        return "" if self._provenance is None else origin(self._provenance.model, self._provenance.prompts)

    def caption(self) -> str:
        """Say what the points are, how they were projected, and how well neighbours are kept."""
        at = f" Layer {self.layer}." if self.layers else ""
        colour = f" Colour: {self.colour}." if self.colour else ""
        said = f"{counted(self.n_points, 'point')}.{at} {self.fidelity[self._index(self.layer)]}{colour}"
        return " ".join(filter(None, [said, self.origin]))

    def _titled(self, n: int, n_layers: int) -> str:
        model = f", {self._provenance.model.rstrip('/').rsplit('/', 1)[-1]}" if self._provenance is not None else ""
        how = f" by {self._made_with}" if self._made_with else ""
        layers = f", {counted(n_layers, 'layer')}" if n_layers else ""
        return f"Projection{how}{model}, {counted(n, 'point')}{layers}"


def _places(points: Any) -> Floats:
    if hasattr(points, "detach"):
        points = points.detach().cpu().double().numpy()
    try:
        given: Any = np.array(points, np.float64)
    except (TypeError, ValueError):
        raise TypeError("points takes an array of numbers, [n, 2] or [layer, n, 2].") from None
    if given.ndim not in (2, 3) or given.shape[-1] != 2:
        raise ValueError(
            f"points takes places in the plane, [n, 2] or [layer, n, 2], not an array of shape {list(given.shape)}: "
            "project them first, geometry.project(x)."
        )
    if given.shape[-2] > MOST_POINTS:
        raise ValueError(
            f"ProjectionView shows up to {MOST_POINTS:,} points, and these are {given.shape[-2]:,}: draw some of them."
        )
    if given.ndim == 3 and not 1 <= len(given) <= MOST_LAYERS:
        raise ValueError(f"ProjectionView shows 1 to {MOST_LAYERS} layers, not {len(given)}.")
    if not np.isfinite(given).all():
        raise ValueError("Some places are NaN or infinite: take out those points, at every layer.")
    return given  # type: ignore[no-any-return]


def _numbers(layers: Iterable[int] | None, count: int) -> list[int]:
    found = list(range(count)) if layers is None else [operator.index(one) for one in layers]
    if len(found) != count or len(set(found)) != count:
        raise ValueError(
            f"points has {count} layers: layers= takes a number for each, all different, not {found!r:.80}."
        )
    return found


def _frame(points: Floats) -> list[float]:
    """Return the edges around all points of all layers; those of one point around it."""
    if not points.size:
        return [0.0, 0.0, 1.0, 1.0]
    (left, bottom), (right, top) = points.min((0, 1)).tolist(), points.max((0, 1)).tolist()
    pad = 0.5 * max(right - left, top - bottom, 1e-9) if right - left < 1e-12 and top - bottom < 1e-12 else 0.0
    return [left - pad, bottom - pad, right + pad, top + pad]


def _axes(method: str, explained: Any) -> list[str]:
    """Return the names of the axes: of PCA alone these mean something."""
    if method != "PCA":
        return []
    shares = [] if explained is None else np.asarray(explained, float).reshape(-1)[:2].tolist()
    return [f"component {at + 1}" + (f", {shares[at]:.1%} of variance" if len(shares) == 2 else "") for at in range(2)]


def _written(value: Any) -> str:
    """Return a short option as Python."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    return repr(list(value)) if isinstance(value, (range, tuple)) else repr(value)
