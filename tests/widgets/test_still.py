"""Stills: what stands around a saved picture."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from scope_widgets.widgets.core.drawing.colours import MAGNITUDE
from scope_widgets.widgets.core.drawing.picture_svg import Axes, draw_cells, visible
from scope_widgets.widgets.core.drawing.svg_sheet import Paper
from scope_widgets.widgets.core.still import still_bundle

EVIL = "<img src=x onerror=alert(1)>\x00\ud800"
SCALE = MAGNITUDE, "0", "1", "probability"


def drawn(image: Any, axes: Axes) -> str:
    paper = Paper(300)
    draw_cells(paper, image, axes)
    return paper.svg()


def texts(picture: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]


def test_rows_columns_and_the_scale_are_named() -> None:
    image = np.zeros((2, 3), np.uint8)
    said = texts(drawn(image, Axes(["b", "a"], ["one", "·two", "three"], "layer", "head", SCALE)))
    assert {"b", "a", "one", "·two", "three", "head", "0", "1", "probability"} <= set(said)


def test_estimates_are_pale_and_have_a_dot() -> None:
    image = np.zeros((2, 3, 3), np.uint8)
    estimated = np.zeros((2, 3), bool)
    plain = drawn(image, Axes("ab", "xyz", "", "", SCALE, estimated))
    assert "estimated" not in plain
    estimated[1, 2] = True
    picture = drawn(image, Axes("ab", "xyz", "", "", SCALE, estimated))
    dot, _ = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', picture)  # the other is of the key
    cells = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" fill="#([08]+)"', picture)
    assert [fill for *_, fill in cells] == ["000000"] * 5 + ["808080"]
    left, top, width, height = map(float, cells[-1][:4])
    assert (float(dot[0]), float(dot[1])) == pytest.approx((left + width / 2, top + height / 2), abs=0.5)
    assert "estimated by a gradient" in picture


def test_cells_without_a_value_are_told_apart() -> None:
    image = np.zeros((1, 3, 3), np.uint8)
    undefined, empty = np.array([[True, False, False]]), np.array([[False, True, False]])
    said = drawn(image, Axes("a", "xyz", "", "", SCALE, undefined=undefined, empty=empty))
    assert {"not run", "undefined"} <= set(texts(said))
    assert said.count("url(#hatched1)") == 1


def test_names_are_thinned_and_hostile_ones_are_text() -> None:
    image = np.zeros((100, 900), np.uint8)
    picture = drawn(image, Axes([str(i) for i in range(100)], [EVIL] * 900, "", "", SCALE))
    assert len(texts(picture)) < 120
    assert "<img" not in picture
    picture.encode()
    assert len(picture) < 30_000
    assert visible(" a\n" + "x" * 40) == "·a⏎xxxxxx…"
    assert visible("a\u202eb\u200b", 20) == "aU+202EbU+200B"


def test_a_still_names_the_selection_that_hides_it_and_asks_for_nothing() -> None:
    table: Any = (["head"], [["5.1"]])
    image = np.zeros((2, 2), np.uint8)
    picture = drawn(image, Axes("ab", "xy", "", "", SCALE))
    page = still_bundle("Heads", table, image, picture, "abc")["text/html"]
    assert 'class="sw-still" data-of="abc"' in page
    assert "Saved picture: run this cell to go on." in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=.?http", page)
