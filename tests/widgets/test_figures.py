"""Figures for papers: all views, without a browser."""

from __future__ import annotations

import importlib.util
import re
import struct
import sys
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from scope_widgets import Microscope, lens, patching
from scope_widgets.widgets import AttentionView, LogitLensView, PatchingMap
from scope_widgets.widgets.core.drawing.colours import MAGNITUDE, SIGNED
from scope_widgets.widgets.core.drawing.figure_files import rendered
from scope_widgets.widgets.core.drawing.svg_sheet import MARGIN, Paper, measured, wrapped
from scope_widgets.widgets.figures.patching import Sheet
from tests.support.every_view import every_view

EVIL = "</text><script>alert(1)</script>\x00\ud800\u202e"
NAMES = (
    "attention_stack",
    "attention_view",
    "attribution_view",
    "head_table",
    "logit_lens_view",
    "patching_map",
    "projection_view",
    "steering_panel",
    "circuit_graph",
    "token_view",
)
SVG = "{http://www.w3.org/2000/svg}"
typst = pytest.mark.skipif(importlib.util.find_spec("typst") is None, reason="typst is not installed")


@pytest.fixture(scope="module")
def views() -> dict[str, Any]:
    return every_view()


def texts(svg: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("width", "inches"), [("single", 3.3), ("double", 6.8), (5, 5)])
def test_a_figure_is_a_column_wide_with_text_of_seven_points(
    views: dict[str, Any], name: str, width: Any, inches: float
) -> None:
    root = ElementTree.fromstring(views[name].to_svg(width=width))
    points = float(root.attrib["width"].removesuffix("pt"))
    assert points / 72 == pytest.approx(inches)
    left, _, across, down = map(float, root.attrib["viewBox"].split())
    assert across == pytest.approx(points)  # a unit is a point
    assert float(root.attrib["font-size"]) >= 7
    for node in root.iter(f"{SVG}text"):
        assert float(node.attrib.get("font-size", 7)) >= 7
        if "x" in node.attrib:
            start = float(node.attrib["x"]) - {"middle": 0.5, "end": 1}.get(
                node.attrib.get("text-anchor", ""), 0
            ) * measured(node.text or "", mono="font-family" in node.attrib)
            assert start >= left - 3, node.text
            assert float(node.attrib["y"]) <= down
    tags = {node.tag.removeprefix(SVG) for node in root.iter()}
    assert tags <= {"svg", "g", "text", "rect", "path", "circle", "image", "pattern", "linearGradient", "stop"}


@pytest.mark.parametrize("name", NAMES)
def test_the_caption_is_whole_and_says_the_model_and_the_prompt(views: dict[str, Any], name: str) -> None:
    view = views[name]
    caption = " ".join(view.caption().split())
    assert "odel demo" in caption
    assert "“" in caption
    said = " ".join(" ".join(texts(view.to_svg(width="single"))).split())
    assert caption in said
    assert view.title in said
    assert caption not in " ".join(texts(view.to_svg(width="single", caption=False)))


def test_what_is_drawn_is_what_is_shown() -> None:
    trace = Microscope.load("demo").trace("When Mary and John went")
    view = AttentionView(trace, selected_heads=[(3, 1)])
    svg = view.to_svg()
    pattern = trace.attention(3)[1].numpy()
    fills = {f"#{''.join(f'{part:02x}' for part in MAGNITUDE[round(255 * float(value))])}" for value in pattern[3, :4]}
    assert fills - {"#ffffff"} <= set(re.findall(r'fill="(#\w+)"', svg))
    assert "head 3.1" in texts(svg)
    result = lens.logit_lens(trace)
    said = texts(LogitLensView(result).to_svg())
    assert result.text(result.top_ids[-1, -1, 0]).strip() in [text.strip("·") for text in said]


def test_a_map_shows_what_the_view_shows() -> None:
    scope = Microscope.load("demo")
    clean, corrupted = (
        "When Mary and John went to the store, John gave a drink to",
        "When Mary and John went to the store, Mary gave a drink to",
    )
    question = {"answer": " Mary", "versus": " John"}
    result = patching.activations(scope, clean, corrupted, over="head", **question)
    view = PatchingMap(result)
    assert np.array_equal(np.abs(Sheet.of(view).values), np.abs(result.values).max(-1))
    view.selected_tokens = [14]
    assert np.array_equal(Sheet.of(view).values, result.values[..., 14])
    view.shows = "positions"
    assert np.array_equal(np.abs(Sheet.of(view).values), np.abs(result.values).max(1))
    view.selected_heads, view.shows = [(3, 1), (0, 2)], "selected heads"
    sheet = Sheet.of(view)
    assert sheet.rows == ["0.2", "3.1"]
    assert np.array_equal(sheet.values, result.values[[0, 3], [2, 1]])
    assert (
        sheet.picture(1.0)[0, 14].tolist()
        == SIGNED[round(256 * (np.clip(sheet.values[1, 14], -1, 1) + 1) / 2)].tolist()
    )
    parts = lens.direct_logit_attribution(scope.trace(clean), **question)
    drawn = Sheet.of(PatchingMap(parts))
    assert np.nansum(drawn.values) == pytest.approx(parts.contribution.sum())
    assert drawn.columns == ["0", "1", "2", "3", "mlp", "other"]


def test_what_lies_beyond_the_colours_is_counted() -> None:
    scope = Microscope.load("demo")
    trace = scope.trace("When Mary and John went")

    def counts(view: Any) -> list[int]:
        words = " ".join(texts(view.to_svg()))
        return [int(found.replace(",", "")) for found in re.findall(r"; ([\d,]+) above", words)]

    pattern = trace.attention(3)[1].numpy()
    assert counts(AttentionView(trace, selected_heads=[(3, 1)], limits=(0, 0.3))) == [int((pattern > 0.3).sum())]
    assert counts(AttentionView(trace, selected_heads=[(3, 1)])) == []
    result = lens.logit_lens(trace)
    kl = np.asarray(result.kl)
    assert counts(LogitLensView(result, colour="kl", limits=(0, 1e-3))) == [int((kl > 1e-3).sum())]
    pair = ("Mary and John went to", "John and Mary went to")
    found = patching.attribution(scope, *pair, answer=" Mary", versus=" John", over="residual")
    size = np.abs(found.values)
    assert counts(PatchingMap(found, limit=float(size.max()) / 3)) == [int((size > size.max() / 3).sum())]
    assert counts(PatchingMap(found)) == []


def test_tokens_of_others_are_text(views: dict[str, Any], tmp_path: Path) -> None:
    view = views["logit_lens_view"]
    view.tokens, view.title, before = [EVIL] * len(view.tokens), EVIL, (view.tokens, view.title)
    try:
        written = view.to_svg(tmp_path / "figure.svg")
    finally:
        view.tokens, view.title = before
    text = written.read_text(encoding="utf-8")
    assert "<script" not in text
    ElementTree.fromstring(text)
    assert "\u202e" not in text


def test_wrong_widths_are_refused(views: dict[str, Any], tmp_path: Path) -> None:
    for wrong in ("triple", 0.1, float("nan"), None, True, 1e9):
        with pytest.raises(ValueError, match="inches"):
            views["patching_map"].to_svg(width=wrong)
    with pytest.raises(FileNotFoundError):
        views["patching_map"].to_svg(tmp_path / "none" / "a.svg")


def test_without_typst_the_error_names_the_extra(
    views: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    for write in (views["patching_map"].to_pdf, views["patching_map"].to_png):
        with pytest.raises(ImportError, match=r"pip install 'scope-widgets\[figures\]'"):
            write(tmp_path / "figure")
    assert not list(tmp_path.iterdir())


@typst
@pytest.mark.parametrize("name", NAMES)
def test_pdf_and_png_have_the_size_of_the_column(views: dict[str, Any], name: str, tmp_path: Path) -> None:
    pdf = views[name].to_pdf(tmp_path / "figure.pdf", width="single").read_bytes()
    box = re.search(rb"/MediaBox ?\[ ?0 0 ([\d.]+) ([\d.]+)", pdf)
    assert box
    assert float(box[1]) / 72 == pytest.approx(3.3, abs=1e-3)
    assert b"/FontFile" in pdf  # text is text
    png = views[name].to_png(tmp_path / "figure.png", width="single", dpi=200).read_bytes()
    assert struct.unpack(">I", png[16:20])[0] == 660
    assert struct.pack(">II", 7874, 7874) in png[:80]  # pixels a metre
    with pytest.raises(ValueError, match="dpi="):
        views[name].to_png(tmp_path / "other.png", dpi=1)


@typst
@pytest.mark.parametrize(("dpi", "width"), [(100, 485.6), (200, 300.13), (220, 485.6), (250, 233.6)])
def test_no_row_of_pixels_is_dropped(dpi: int, width: float) -> None:
    paper = Paper(width)
    pixel = 72 / dpi
    for row in range(2, 400, 2):
        paper.rect(-1, row * pixel - MARGIN, width, pixel, "#000")
    paper.y = 400 * pixel
    rows = np.array(Image.open(BytesIO(rendered(paper, "png", dpi))).convert("L"))[2:400, 200] < 64
    assert np.array_equal(rows, np.arange(2, 400) % 2 == 0)


def test_lines_are_broken_where_they_are_too_long() -> None:
    text = "a long sentence with a " + "verylong" * 20 + " word"
    lines = wrapped(text, 100)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(measured(line) <= 100 for line in lines)
