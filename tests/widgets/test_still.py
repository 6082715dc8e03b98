"""Stills: what stands around a saved picture."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from scope_widgets.widgets.core.picture_svg import GREYS, Axes, svg, visible
from scope_widgets.widgets.core.still import still_bundle

EVIL = "<img src=x onerror=alert(1)>\x00\ud800"
SCALE = GREYS, "0", "1", "probability"


def texts(picture: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]


def test_rows_columns_and_the_scale_are_named() -> None:
    image = np.zeros((2, 3), np.uint8)
    said = texts(svg(image, Axes(["b", "a"], ["one", "·two", "three"], "layer", "head", SCALE)))
    assert {"b", "a", "one", "·two", "three", "head", "0", "1  probability"} <= set(said)


def test_estimates_are_pale_and_have_a_dot() -> None:
    image = np.zeros((2, 3, 3), np.uint8)
    estimated = np.zeros((2, 3), bool)
    plain = svg(image, Axes("ab", "xyz", "", "", SCALE, estimated))
    assert "estimated" not in plain
    estimated[1, 2] = True
    picture = svg(image, Axes("ab", "xyz", "", "", SCALE, estimated))
    (dot,) = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', picture)
    box = re.search(r'<image x="(\d+)" y="1" width="(\d+)" height="(\d+)"', picture)
    assert box
    left, width, height = map(float, box.groups())
    assert float(dot[0]) == pytest.approx(left + width * 5 / 6, abs=1)
    assert float(dot[1]) == pytest.approx(1 + height * 3 / 4, abs=1)
    assert "pale with a dot: estimated" in picture
    assert picture.split("href=")[1] != plain.split("href=")[1]


def test_names_are_thinned_and_hostile_ones_are_text() -> None:
    image = np.zeros((100, 900), np.uint8)
    picture = svg(image, Axes([str(i) for i in range(100)], [EVIL] * 900, "", "", SCALE))
    assert len(texts(picture)) < 120
    assert "<img" not in picture
    picture.encode()
    assert len(picture) < 30_000
    assert visible(" a\n" + "x" * 40) == "·a⏎xxxxxx…"


def test_a_still_names_the_selection_that_hides_it_and_asks_for_nothing() -> None:
    table: Any = (["head"], [["5.1"]])
    page = still_bundle("Heads", table, np.zeros((2, 2), np.uint8), Axes("ab", "xy", "", "", SCALE), "abc")["text/html"]
    assert 'class="sw-still" data-of="abc"' in page
    assert "Saved picture: run this cell to go on." in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=.?http", page)
