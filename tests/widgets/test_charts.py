"""Small charts of results: where their dots stand, what they say, and how they look on dark pages."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from scope_widgets._provenance import Provenance
from scope_widgets.circuits import Curve
from scope_widgets.patching import Ablation
from scope_widgets.steering import StrengthSweep
from scope_widgets.widgets.core.drawing.plot import round_axis

EVIL = "</text><script>alert(1)</script>\x00\u202e"
SVG = "{http://www.w3.org/2000/svg}"
FROM = Provenance("tiny", prompts=("the horse",), seed=3)
N, FAITHFUL = np.array([0, 3, 30, 400]), np.array([0.0, 0.4, 1.3, 1.0])
RANDOM = np.array([[0.0, -0.2, 0.1, 1.0], [0.0, 0.0, -7.0, 1.0]])
CURVE = Curve(
    n_edges=N,
    shares=N / 400,
    faithfulness=FAITHFUL,
    low=FAITHFUL - 0.1,
    high=FAITHFUL + 0.2,
    metric=3 * FAITHFUL,
    random=RANDOM,
    full=3.0,
    empty=0.0,
    ablation="zero",
    provenance=FROM,
    pairs="6 pairs of ioi, held out",
)
STRENGTHS = np.linspace(-1, 1, 5)
SWEEP = StrengthSweep(
    what="add plural",
    strengths=STRENGTHS,
    neutral=0.0,
    kl=STRENGTHS**2,
    difference=1 + STRENGTHS,
    loss=2 * STRENGTHS**2,
    limit=1.0,
    continuation="runs",
    provenance=FROM,
)
ABLATION = Ablation(
    before=np.array([4.0, 2.0]),
    after=np.array([1.0, 0.5]),
    kl=np.array([0.3, 0.1]),
    loss=np.array([np.nan, 0.2]),
    metric="logit_difference",
    what="3.1: zero",
    provenance=FROM,
)
ALL = pytest.mark.parametrize("result", [CURVE, SWEEP, ABLATION], ids=["curve", "sweep", "ablation"])


def dots(result: Any, fill: str = "#1c1e21") -> np.ndarray[Any, Any]:
    """Return where the dots of a colour stand, [dot, (x, y)], without those of keys."""
    found = ElementTree.fromstring(result.to_svg()).findall(f"{SVG}circle[@fill='{fill}']")
    return np.array([(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in found])


def said(result: Any) -> str:
    return " ".join(node.text or "" for node in ElementTree.fromstring(result.to_svg()).iter(f"{SVG}text"))


def on_one_line(places: Any, values: Any) -> bool:
    """Whether places are an affine function of values, which rises."""
    slope, offset = np.polyfit(values, places, 1)
    return bool(slope) and np.allclose(slope * np.asarray(values) + offset, places, atol=0.06)


def test_a_curve_stands_where_its_numbers_are() -> None:
    places = dots(CURVE)
    assert on_one_line(places[:, 0], np.log1p(N))
    assert on_one_line(-places[:, 1], FAITHFUL)
    words = said(CURVE)
    for part in ("faithfulness", "edges kept (logarithmic)", "95 % interval", "2 draws", "6 pairs of ioi, held out"):
        assert part in words
    assert "1 value beyond the axis" in words  # -7, of a random circuit
    assert "random" not in said(replace(CURVE, random=np.empty((0, 4))))


def test_what_has_no_number_is_not_drawn() -> None:
    none = np.full(4, np.nan)
    nothing = replace(CURVE, faithfulness=none, low=none, high=none, random=RANDOM * np.nan, message="It is 0.")
    assert not len(dots(nothing))
    assert "It is 0." in said(nothing)
    part = replace(CURVE, faithfulness=np.array([0.0, np.nan, 1.3, 1.0]))
    assert len(dots(part)) == 3


def test_a_sweep_has_nats_above_and_the_difference_below() -> None:
    places = dots(SWEEP)
    kl, difference = places[:5], places[5:]
    assert on_one_line(kl[:, 0], STRENGTHS)
    assert np.array_equal(kl[:, 0], difference[:, 0])  # one axis of strengths
    assert on_one_line(-kl[:, 1], SWEEP.kl)
    assert on_one_line(-difference[:, 1], SWEEP.difference)
    assert difference[:, 1].min() > kl[:, 1].max()
    words = said(SWEEP)
    for part in ("nats", "strength of “add plural”", "logit difference", "Fluent from −0.5 to 0.5", "the horse"):
        assert part in words
    alone = replace(SWEEP, difference=np.full(5, np.nan))
    assert len(dots(alone)) == 5
    assert "logit difference" not in said(alone)


def test_an_ablation_has_each_prompt_and_the_mean() -> None:
    means, each = dots(ABLATION), dots(ABLATION, "#62666d")
    assert on_one_line(-np.concatenate([means, each])[:, 1], [3, 0.75, 4, 1, 2, 0.5])
    words = said(ABLATION)
    for part in (
        "logit difference, in logits",
        "from 3 to 0.75: 75% of it is lost",
        "KL divergence",
        "0.2 nats",
        "tiny",
    ):
        assert part in words
    assert "is lost" not in said(replace(ABLATION, before=-ABLATION.before))


@ALL
def test_a_notebook_shows_the_chart_and_its_table_dark_on_a_dark_page(result: Any, tmp_path: Any) -> None:
    page = result._repr_mimebundle_()["text/html"]
    assert "<table" in page
    assert "<script" not in page
    picture = b64decode(re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', page)[1]).decode()
    ElementTree.fromstring(picture)
    dark = picture.partition("prefers-color-scheme:dark){")[2].partition("</style>")[0]
    body = picture.partition("</style>")[2]
    colours = {found for pair in re.findall(r'(fill|stroke)="(#\w+)"', body) for found in [pair]}
    assert colours
    for name, colour in colours:  # each has its counterpart there
        assert f'[{name}="{colour}"]' in dark
    written = result.to_html(tmp_path / "result.html").read_text(encoding="utf-8")
    assert "img-src data:" in written
    assert picture in b64decode(re.search(r"svg\+xml;base64,([^\"]+)", written)[1]).decode()


@ALL
def test_texts_of_others_are_text(result: Any) -> None:
    names = {"what": EVIL, "continuation": EVIL, "metric": EVIL, "pairs": EVIL, "ablation": EVIL}
    known = {name: value for name, value in names.items() if hasattr(result, name)}
    hostile = replace(result, **known, provenance=replace(FROM, model=EVIL, prompts=(EVIL,)))
    assert "<script" not in hostile.to_svg()
    ElementTree.fromstring(hostile.to_svg())
    assert "<script" not in hostile._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize("values", [[0, 1], [-3.2, 4.7], [1e-9, 3e-9], [5, 5], [0, 0], [np.nan], [-1e6, 2]])
def test_an_axis_holds_its_values_and_has_some_round_numbers(values: Any) -> None:
    axis = round_axis("", values)
    for value in np.array(values)[np.isfinite(values)]:
        assert axis.low <= value <= axis.high
    assert 2 <= len(axis.ticks) <= 6
    assert all(axis.low - 1e-9 * abs(axis.low) <= at <= axis.high * (1 + 1e-9) for at, _ in axis.ticks)
