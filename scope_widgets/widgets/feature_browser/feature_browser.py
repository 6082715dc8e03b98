"""FeatureBrowser: all latents of an index, a page of each, and what fires on a text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, ClassVar

import numpy as np
import traitlets

from scope_widgets._check_choice import is_whole
from scope_widgets._types import Array
from scope_widgets._untrusted import opening
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.features import SAE, FeatureIndex, NearestLatents, annotate, neuronpedia
from scope_widgets.features.feature_index.demo_index import is_demo
from scope_widgets.features.labelling.labels import UNLABELLED
from scope_widgets.features.sae.one_latent import digest
from scope_widgets.models.microscope import Microscope
from scope_widgets.widgets.core.drawing.svg_sheet import Paper
from scope_widgets.widgets.core.reproducing_code import load_line
from scope_widgets.widgets.core.requests import LongAnswer, finished
from scope_widgets.widgets.core.selection import Selection
from scope_widgets.widgets.core.view import TALLEST, Answer, View
from scope_widgets.widgets.feature_browser.columns import COLUMNS, column, packed
from scope_widgets.widgets.feature_browser.latent_page import latent_page, others_of, own_notes
from scope_widgets.widgets.feature_browser.latent_steering import LatentSteering
from scope_widgets.widgets.feature_browser.why_it_fires import WhyItFires, checked_saes, place_of, rows_of
from scope_widgets.widgets.figures.captions import model_name, number
from scope_widgets.widgets.figures.feature_browser import draw_latent, draw_list
from scope_widgets.widgets.steering_panel import SteeringPanel

#: what the field above the list searches
KINDS = ("fires_on", "token", "text", "label", "promotes", "latent")
#: rows of a list that travel at once, those that a search finds, and those in a saved page
_MOST_ROWS, _MOST_FOUND, _MOST_SAVED = 500, 10_000, 64
_FALLBACK_ROWS = 12
#: characters of a text that is typed
_LONGEST = 20_000


class FeatureBrowser(View):
    """All latents of an index: a list to sort, filter and search, the page of one, and what fires on a text.

    Parameters
    ----------
    index : FeatureIndex
    scope : Microscope, optional
        Runs the texts that are typed; default that of the index. The SAE is that of the index, too.
    sae : SAE, optional
    saes : sequence of SAE, optional
        Of earlier layers or sites: their latents are among what makes a latent fire ("Why", `features.provenance`);
        without any these are heads and MLPs.
    compared : NearestLatents, optional
        What `features.nearest(sae, other_sae)` found: a column of the largest cosine, and on each page the nearest
        latents of the other autoencoder.
    other : FeatureIndex, optional
        That of the other autoencoder, for the tokens and labels of its latents.
    latents : sequence of int, optional
        Those that are listed; default all. A saved page has the pages of all of them.
    latent : int, optional
        Whose page is open.
    filter : str, optional
        Such as ``"rate > .001 and dead = 0"``; columns are latent, rate, mean, max, score and dead.
    sort : (column, "ascending" or "descending"), optional
        Default ("match", "descending"): what a search finds by how well it matches, else all by their rate.
    search_by : "fires_on", "token", "text", "label", "promotes" or "latent", optional
        What is searched, as `FeatureIndex.search` does.
    search : str, optional
        What for: a token, a word of an example, of a label, a number of a latent, or a text that the model reads.
    selection : Selection, optional
        Shared with other views: the selected token of the typed text is the one that latents are ranked by, and the
        page of a latent that is selected elsewhere, in a `CircuitGraph` or the browser of another index, is opened.
    title : str, optional
    **traits
        ``theme``, ``height`` (pixels).

    Raises
    ------
    TypeError
        When `index` is none, or `scope`, `sae` or one of `saes` something else.
    ValueError
        When the index is of another model or SAE.
    traitlets.TraitError
        When there is no such latent or column.

    Examples
    --------
    >>> index = features.FeatureIndex.load("demo", scope=scope)
    >>> browser = FeatureBrowser(index, latent=27, search_by="fires_on", search="Lily ran to the park")
    >>> browser.latent
    27
    """

    bundle: ClassVar[str] = "feature_browser"
    ignores_steering = False  # it steers itself
    explains: ClassVar[tuple[str, ...]] = (
        "latent_rate",
        "latent_mean",
        "latent_score",
        "latent_dead",
        "latent_token",
        "latent_promotes",
        "latent_neighbours",
        "latent_partners",
        "latent_quarters",
        "latent_parents",
    )
    set_in_browser: ClassVar[dict[str, Any]] = View.set_in_browser | {
        "latent": int | None,
        "filter": str,
        "sort": list[str],
        "search_by": str,
        "search": str,
    }

    _warm = False

    latents = traitlets.Bytes(help="int32: those that are listed; empty: all").tag(sync=True)
    n_listed = traitlets.Int().tag(sync=True)
    n_tokens = traitlets.Int(help="on which latents were counted").tag(sync=True)
    counts = traitlets.Bytes(help="uint32: on how many tokens each fires").tag(sync=True)
    means = traitlets.Bytes(help="float16: mean where it fires, as a share of the largest").tag(sync=True)
    maxima = traitlets.Bytes(help="float32").tag(sync=True)
    scores = traitlets.Bytes(help="float16: detection of the label, NaN where it has none; empty without labels").tag(
        sync=True
    )
    others = traitlets.Bytes(help="uint8: largest cosine with a latent of the other SAE, 0 to 255 for -1 to 1").tag(
        sync=True
    )
    latent = traitlets.Int(None, allow_none=True).tag(sync=True)
    filter = traitlets.Unicode().tag(sync=True)
    sort: Any = traitlets.List(traitlets.Unicode()).tag(sync=True)
    search_by = traitlets.Enum(KINDS, "fires_on").tag(sync=True)
    search = traitlets.Unicode().tag(sync=True)
    cannot_run = traitlets.Unicode(help="why no text can be run, as a sentence; empty where one can").tag(sync=True)
    can_write = traitlets.Bool(help="notes on latents can be written beside the index").tag(sync=True)
    place = traitlets.Unicode(help='of the SAE, as in names of latents: "3", "12.mlp_out"').tag(sync=True)
    explained: Any = traitlets.List(help="[latent, text] of the last that was asked why it fires; empty: none").tag(
        sync=True
    )
    notice = traitlets.Unicode(help="what a reader must know, as a sentence").tag(sync=True)
    source = traitlets.List(traitlets.Unicode(), help="where the index came from, as lines").tag(sync=True)
    arguments = traitlets.List(traitlets.Unicode(), help="as Python, those that Python alone sets").tag(sync=True)
    height = traitlets.Int(None, allow_none=True, min=240, max=TALLEST).tag(sync=True)

    def __init__(
        self,
        index: FeatureIndex,
        scope: Microscope | None = None,
        *,
        sae: SAE | None = None,
        saes: Iterable[SAE] | None = None,
        compared: NearestLatents | None = None,
        other: FeatureIndex | None = None,
        latents: Iterable[int] | None = None,
        latent: int | None = None,
        filter: str = "",
        sort: Iterable[str] = ("match", "descending"),
        search_by: str = "fires_on",
        search: str = "",
        selection: Selection | None = None,
        selected_tokens: Iterable[int] | None = None,
        title: str | None = None,
        **traits: Any,
    ) -> None:
        if not isinstance(index, FeatureIndex):
            raise TypeError(f"FeatureBrowser shows a FeatureIndex, as features.index makes it, not {opening(index)}.")
        self.index = index.with_model(scope, sae)
        self.compared, self.other = _checked_comparison(self.index, compared, other)
        self._listed = _checked_latents(self.index, latents)
        self._saes = checked_saes(saes, self.index.sae)
        self._why = WhyItFires(self.index, self._saes)
        self._said_why: list[tuple[dict[str, Any], dict[str, Any]]] = []
        listed = b"" if latents is None else self._listed.astype("<i4").tobytes()
        manifest = index.manifest
        model = model_name(manifest.model)
        columns: dict[str, Any] = packed(self.index, self._listed, compared)
        super().__init__(
            selection=selection,
            selected_tokens=selected_tokens,
            title=title or f"Features, {manifest.site} of layer {manifest.layer} of {model}, {len(index):,} latents",
            made_by=self._made_by(),
            latents=listed,
            n_listed=len(self._listed),
            n_tokens=manifest.n_tokens,
            **columns,
            can_write=index.folder is not None and not is_demo(index.folder),
            cannot_run=_cannot_run(self.index),
            place=place_of(self.index),
            notice=_notice(self.index),
            source=_source(self.index),
            arguments=[
                *(["saes=saes"] if self._saes else []),
                *([] if latents is None else [f"latents={self._listed.tolist()}"]),
            ],
            filter=filter,
            search_by=search_by,
            search=search,
            **traits,
        )
        self._touched = LatentSteering(self.index, self.selection, lambda message, buffers: self.send(message, buffers))
        self.on_msg(lambda _view, message, _buffers: self._touched.hear(message))
        self.sort = list(sort)
        self.latent = latent
        if latent is None:
            self._open_selected()

    def _made_by(self) -> str:
        folder, scope = self.index.folder, self.index.scope
        is_given = is_demo(folder)
        known = '"demo"' if is_given else "..." if folder is None else repr(str(folder))
        lines = ["", *([load_line(scope)] if scope is not None else [])]
        options = [] if scope is None else ["scope=scope"]
        if self.index.sae is not None and not is_given:
            lines.append("sae = ...  # your SAE: where it was loaded from is not known")
            options.append("sae=sae")
        if self._saes:
            lines.append("saes = [...]  # your SAEs of earlier layers: where they were loaded from is not known")
        names = ["features"] if scope is None else ["Microscope", "features"]
        lines = [
            f"from scope_widgets import {', '.join(names)}",
            "from scope_widgets.widgets import FeatureBrowser",
            *lines,
            f"index = features.FeatureIndex.load({', '.join([known, *options])})",
        ]
        return "\n".join([*lines, ""])

    @traitlets.validate("latent")
    def _check_latent(self, proposal: Any) -> int | None:
        j: int | None = proposal["value"]
        if j is not None and not 0 <= j < len(self.index):
            raise traitlets.TraitError(f"There is no latent {j}: there are 0 to {len(self.index) - 1:,}.")
        if j is not None and j not in self._places:
            raise traitlets.TraitError(f"Latent {j} is not among the {len(self._listed):,} that are listed here.")
        return j

    @traitlets.validate("sort")
    def _check_sort(self, proposal: Any) -> list[str]:
        key = list(proposal["value"])
        if len(key) != 2 or key[0] not in COLUMNS or key[1] not in ("ascending", "descending"):
            raise traitlets.TraitError(
                f"Sort by (column, 'ascending' or 'descending'), a column of {', '.join(COLUMNS)}; not by {key!r:.80}."
            )
        return key

    @traitlets.validate("search")
    def _check_search(self, proposal: Any) -> str:
        text: str = proposal["value"]
        if len(text) > _LONGEST:
            raise traitlets.TraitError(
                f"A text of up to {_LONGEST:,} characters can be searched; this has {len(text):,}."
            )
        return text

    @property
    def _places(self) -> Any:
        return range(len(self.index)) if not self.latents else set(self._listed.tolist())

    # -- shared with other views

    _in_browser = False

    def set_state(self, sync_data: Any) -> None:
        """Take traits from the browser, whose half opens and selects latents by itself."""
        self._in_browser = True
        try:
            super().set_state(sync_data)
        finally:
            self._in_browser = False

    @traitlets.observe("latent")
    def _select_opened(self, change: Any) -> None:
        if self._in_browser or self.selection is None:
            return
        name = None if change["new"] is None else f"{self.place}.{change['new']}"
        if name is not None and name not in self.selection.latents[-1:]:
            self.selection.latents = [name]
        elif name is None and f"{self.place}.{change['old']}" in self.selection.latents:
            self.selection.latents = []

    @traitlets.observe("selected_latents")
    def _open_selected(self, _change: Any = None) -> None:
        """Open the page of the last latent that is selected elsewhere and listed here."""
        if self._in_browser:
            return
        here = [name.rpartition(".") for name in self.selected_latents]
        known = [int(number) for place, _, number in here if place == self.place]
        known = [latent for latent in known if latent < len(self.index) and latent in self._places]
        if known and known[-1] != self.latent:
            self.latent = known[-1]

    # -- requests

    def _asked(self, latent: int) -> int:
        if not 0 <= latent < len(self.index):
            raise ValueError(f"There is no latent {latent}: there are 0 to {len(self.index) - 1:,}.")
        return latent

    def answer_words(self, latents: list[int]) -> Answer:
        """Return the top tokens and labels of some latents of the list."""
        if len(latents) > _MOST_ROWS:
            raise ValueError(f"Up to {_MOST_ROWS} rows are asked for at once, not {len(latents)}.")
        found = self.index.rows([self._asked(latent) for latent in latents])
        labels = found["label"].tolist() if "label" in found else [""] * len(found)
        own = own_notes(self.index)
        said = [
            own[latent].label if latent in own and own[latent].label else "" if label == UNLABELLED else label
            for latent, label in zip(latents, labels, strict=True)
        ]
        return {"tokens": found["top_tokens"].tolist(), "labels": said}, []

    def answer_latent(self, latent: int) -> Answer:
        """Return the page of a latent."""
        return latent_page(self.index, self._asked(latent)) | {
            "others": others_of(self.compared, self.other, latent)
        }, []

    def answer_identity(self) -> Answer:
        """Return a hash of the weights of the SAE, "" where there is none; of a large one it takes a moment."""
        return {"sae": "" if self.index.sae is None else digest(self.index.sae)}, []

    def answer_annotate(self, latent: int, label: str, note: str) -> Answer:
        """Write a label and a note on a latent, beside the index."""
        annotate(self.index, self._asked(latent), label=label, note=note)
        return {}, []

    def answer_touch(self, latent: int, text: str) -> Answer:
        """Return the traits of the steering panel, with sliders that clamp and scale a latent on a text."""
        return {"traits": self._touched.touch(self._asked(latent), text.strip()).told()}, []

    def answer_why(self, latent: int, text: str) -> LongAnswer:
        """Return what makes a latent fire, on a text or, where that is "", on its strongest examples."""
        latent, text = self._asked(latent), text.strip()
        circuit = yield from self._why.ask(latent, text)
        data = {
            "rows": rows_of(circuit, self.selection),
            "said": circuit.provenance.note,
            "n": len(circuit.task),
            "code": self._why.code(latent, text),
        }
        self._said_why = [({"latent": latent, "text": text}, data)]
        self.explained = [latent, text]
        return data, []

    @property
    def why(self) -> Circuit | None:
        """The circuit of the last answer to why a latent fires, None before one is asked for."""
        return self._why.circuit

    @property
    def panel(self) -> SteeringPanel | None:
        """The steering panel of the latents that are touched, None before one is."""
        return self._touched.panel

    def close(self) -> None:
        """Remove the view from the notebook, with the panel in it."""
        if getattr(self, "_touched", None) is not None:
            self._touched.close()
        super().close()

    def answer_json(self, latents: list[int]) -> Answer:
        """Return records of latents in Neuronpedia's schema, as JSON."""
        if len(latents) > _MOST_ROWS:
            raise ValueError(f"Up to {_MOST_ROWS} latents are written at once, not {len(latents)}.")
        return {}, [
            json.dumps(
                neuronpedia(self.index, [self._asked(one) for one in latents]), indent=1, allow_nan=False
            ).encode()
        ]

    def answer_find(self, by: str, what: str) -> Answer:
        """Return the latents that a search finds, int32 and the best first, and what each is sorted by, float32."""
        if by not in KINDS or by in ("latent", "fires_on"):
            raise ValueError(f"Latents are searched by {', '.join(KINDS[1:-1])}; not by {opening(by)}.")
        found = self.index.search(**{by: what}, n=_MOST_FOUND)  # type: ignore[arg-type]
        latents, match = found["feature"].to_numpy(), found["match"].to_numpy()
        here = np.isin(latents, self._listed)
        return {"most": _MOST_FOUND}, [latents[here].astype("<i4").tobytes(), match[here].astype("<f4").tobytes()]

    def answer_warm_up(self) -> LongAnswer:
        """Make what the first text needs and later ones find made, before it is typed."""
        if not self.cannot_run and not self._warm:
            self._warm = True
            ids = np.unique(self.index.arrays["token"][:1000])
            with suppress(ValueError):  # the first text will say it
                yield from self.index.submit_encode(ids[ids >= 0][:16].tolist()).follow()
        return {}, []

    def answer_fires(self, text: str) -> LongAnswer:
        """Return what fires on a text: its tokens; token, latent (int32) and activation (float32) of each firing."""
        if self.cannot_run:
            raise ValueError(self.cannot_run)
        tokens, codes = yield from self.index.submit_encode(text).follow()
        here = np.isin(codes.indices.numpy(), self._listed)
        columns = (codes.rows.numpy(), "<i4"), (codes.indices.numpy(), "<i4"), (codes.values.float().numpy(), "<f4")
        return {"tokens": tokens}, [values[here].astype(kind).tobytes() for values, kind in columns]

    # -- without a kernel

    def saved_answers(self) -> Iterable[tuple[str, dict[str, Any], dict[str, Any], list[bytes]]]:
        """Return the pages of the latents that are listed, where they are few, else of the first and the open one."""
        first = self._sorted()[:_MOST_SAVED].tolist() if not self.latents else self._listed.tolist()
        if self.latent is not None and self.latent not in first:
            first.append(self.latent)
        if self.search.strip() and self.search_by != "latent":
            fires = self.search_by == "fires_on"
            args = {"text": self.search} if fires else {"by": self.search_by, "what": self.search}
            with suppress(ValueError):  # what cannot be found here cannot be found there
                answer = finished(self.answer_fires(**args)) if fires else self.answer_find(**args)
                yield "fires" if fires else "find", args, *answer
        yield "identity", {}, *self.answer_identity()
        for given, data in self._said_why:
            yield "why", given, data, []
        for j in first:
            yield "latent", {"latent": j}, *self.answer_latent(j)
            yield "words", {"latents": [j]}, *self.answer_words([j])

    def _sorted(self) -> Array:
        name, way = self.sort
        values = column(self.index, "rate" if name == "match" else name, self._listed, self.compared)
        order = np.lexsort((self._listed, -values if way == "descending" else values))
        return self._listed[order]

    def provenance_lines(self) -> list[str]:
        """Return where the index came from."""
        sae = self.index.sae
        return [*self.source, *([] if sae is None else [f"SAE {digest(sae)}"])]

    def still_table(self) -> tuple[list[str], list[list[str]]]:
        """Return the first latents as sorted."""
        some = self._sorted()[:_FALLBACK_ROWS].tolist()
        found = self.index.rows(some)
        has = "label" in found
        rows = [
            [
                str(row["feature"]),
                number(row["rate"], 2),
                number(row["max"]),
                row["top_tokens"],
                *([row["label"]] if has else []),
            ]
            for row in found.to_dict("records")
        ]
        return ["latent", "rate", "max", "top tokens", *(["label"] if has else [])], rows

    # -- for papers

    def draw(self, paper: Paper, *, whole: bool = True) -> None:
        """Draw the page of the open latent, or the first of the list; a still has these as a table."""
        if self.latent is not None:
            draw_latent(paper, self.index, self.latent)
        elif whole:
            draw_list(paper, self.index, self._sorted())

    @traitlets.default("origin")
    def _origin(self) -> str:
        m = self.index.manifest
        return (
            f"Model {m.model}; {m.site} of layer {m.layer}; counted on {m.n_tokens:,} tokens of {m.n_samples:,} texts."
        )

    def caption(self) -> str:
        """Say what the numbers of a latent are, and of what."""
        if self.latent is None:
            said = "One row a latent: the share of tokens on which it fires, its largest activation, its top tokens."
        else:
            said = (
                f"Latent {self.latent}: its strongest examples, each token on the colour of the latent's activation "
                "(dotted: it fires, how strongly is not known), the histogram of its activations, and the tokens "
                "that it promotes."
            )
        return f"{said} {self.origin}"


def _checked_latents(index: FeatureIndex, latents: Iterable[int] | None) -> Array:
    if latents is None:
        return np.arange(len(index))
    given = list(latents)
    if wrong := [one for one in given if not is_whole(one) or not 0 <= one < len(index)]:
        raise ValueError(f"latents= are numbers from 0 to {len(index) - 1:,}; got {opening(wrong[0])}.")
    if not given:
        raise ValueError("latents= names no latent: give one at least, or leave it out for all.")
    return np.array(list(dict.fromkeys(given)), dtype=np.int64)


def _checked_comparison(
    index: FeatureIndex, compared: Any, other: Any
) -> tuple[NearestLatents | None, FeatureIndex | None]:
    if not isinstance(compared, (NearestLatents, type(None))):
        raise TypeError(f"compared= is what features.nearest(sae, other_sae) returns; got {opening(compared)}.")
    if not isinstance(other, (FeatureIndex, type(None))):
        raise TypeError(f"other= is the FeatureIndex of the other SAE; got {opening(other)}.")
    if compared is not None and len(compared.latents) != len(index):
        raise ValueError(f"compared= is of {len(compared.latents):,} latents, and this index of {len(index):,}.")
    if other is not None and (compared is None or len(compared.back_latents) != len(other)):
        raise ValueError("other= is the index of the second SAE that compared= is of: they do not belong together.")
    return compared, other


def _cannot_run(index: FeatureIndex) -> str:
    """Say what is missing for running a text."""
    missing = [name for name in ("scope", "sae") if getattr(index, name) is None]
    if not missing:
        return ""
    what = {"scope": "the model", "sae": "the SAE"}
    given = ", ".join(f"{name}={name}" for name in missing)
    return f"What fires on a text needs {' and '.join(what[name] for name in missing)}: FeatureBrowser(index, {given})."


def _notice(index: FeatureIndex) -> str:
    try:
        index.notes  # noqa: B018
    except ValueError as damaged:
        return str(damaged)
    listed = np.unique(index.arrays["token"][:, :5])
    if any(index.has_text(one) for one in listed[listed >= 0][:50].tolist()) or not (listed >= 0).any():
        return ""
    return "This index has no texts of tokens, so that examples are shown as numbers of tokens."


def _source(index: FeatureIndex) -> list[str]:
    m = index.manifest
    revision = f" ({m.revision[:12]})" if m.revision else ""
    lines = [
        f"model {m.model}{revision}",
        f"{m.site} of layer {m.layer}, {m.d_sae:,} latents",
        f"{m.n_tokens:,} tokens of {m.n_samples:,} texts",
    ]
    lines += [f"recording {one.digest[:12]}" for one in m.recordings[:3]]
    lines += [", ".join(f"{name} {version}" for name, version in list(m.versions.items())[:4])] if m.versions else []
    return lines
