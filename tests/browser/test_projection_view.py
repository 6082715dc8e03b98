"""ProjectionView in a real Chromium, joined to its real Python half."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scope_widgets.widgets import ProjectionView, Selection, save_html
from tests.support.projection_examples import projected
from tests.support.view_page import frame

pytestmark = pytest.mark.browser

EVIL = "<img src=x onerror=window.evil=1>"
#: no WebGL in this page
WITHOUT = """
const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind === "webgl2" ? null : get.call(this, kind, ...rest);
};"""


@pytest.fixture
def show(browser_page: Any, mount: Callable[..., list[Any]]) -> Callable[..., tuple[ProjectionView, Any]]:
    """``show(...)`` gives the view and its locator."""

    def show(width: int = 1160, **options: Any) -> tuple[ProjectionView, Any]:
        browser_page.set_viewport_size({"width": width + 40, "height": 800})
        view = ProjectionView(**{**projected(), **options})
        (place,) = mount(browser_page, view, width=width)
        frame(browser_page)
        return view, place

    return show


def has_webgl(page: Any) -> bool:
    return bool(page.evaluate("!!document.createElement('canvas').getContext('webgl2')"))


def everywhere(place: Any, view: ProjectionView) -> Any:
    """Where each point stands in the page, as frame.ts puts it, [point, 2]."""
    box = place.locator(".pv-stage").bounding_box()
    left, bottom, right, top = view.frame
    width, height = box["width"] - 2, box["height"] - 2
    scale = min((width - 28) / (right - left), (height - 28) / (top - bottom))
    middle = np.array([(left + right) / 2, (bottom + top) / 2])
    moved = (view.points[view._index(view.layer)] - middle) * scale * [1, -1]
    return moved + np.array([box["x"] + 1 + width / 2, box["y"] + 1 + height / 2])


def where(place: Any, view: ProjectionView, point: int) -> tuple[float, float]:
    x, y = everywhere(place, view)[point].tolist()
    return x, y


def pixels(place: Any) -> int:
    """How many pixels of the stage are not of its ground."""
    picture = np.asarray(Image.open(io.BytesIO(place.locator(".pv-stage").screenshot())).convert("RGB"), int)
    _, counts = np.unique(picture.reshape(-1, 3), axis=0, return_counts=True)
    return int(counts.sum() - counts.max())


def alone(view: ProjectionView) -> int:
    """A point that no other is near."""
    places = view.points[0]
    distance = np.linalg.norm(places[:, None] - places[None], axis=-1) + 1e9 * np.eye(len(places))
    return int(distance.min(1).argmax())


def draw_around(page: Any, place: Any, corners: list[tuple[float, float]]) -> None:
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*corner, steps=3)
    page.mouse.up()
    frame(page)


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
    frame(page)


def save(page: Any, place: Any, kind: str) -> bytes:
    place.get_by_role("button", name="Save").click()
    with page.expect_download() as download:
        place.get_by_role("menuitem", name=kind, exact=True).click()
    return Path(download.value.path()).read_bytes()


def test_pointing_shows_the_token_in_its_text(show: Any, browser_page: Any) -> None:
    given = projected()
    view, place = show()
    point = alone(view)
    browser_page.mouse.move(*where(place, view, point))
    frame(browser_page)
    note = place.locator(".sw-tooltip")
    sample, position = point // 25, point % 25
    assert f"sample {sample}, position {position}" in note.inner_text()
    text = given["texts"][sample]
    assert note.locator("b").inner_text() == text[position].replace(" ", "·")
    assert text[max(0, position - 3)].replace(" ", "·") in note.inner_text()
    assert str(given["colours"]["kind"][point]) in note.inner_text()
    browser_page.mouse.move(5, 5)
    frame(browser_page)
    assert not note.is_visible()


def test_a_lasso_selects_what_is_inside_in_python_and_adds(show: Any, browser_page: Any) -> None:
    view, place = show()
    kinds = projected()["colours"]["kind"]
    places = everywhere(place, view)
    middle = places[np.flatnonzero(kinds == "function word")[0]]
    corners = [(middle[0] + x, middle[1] + y) for x, y in ((-50, -40), (50, -45), (40, 50), (-45, 45))]
    draw_around(browser_page, place, corners)
    rows = view.selected_rows()
    assert len(rows) > 20
    assert (np.abs(places[rows] - middle) < 55).all()
    inner = (np.abs(places - middle) < 35).all(1)
    assert set(np.flatnonzero(inner)) <= set(rows)
    assert f"{len(rows)} points selected" in place.locator(".pv-panel").inner_text()
    browser_page.keyboard.down("Shift")
    point = alone(view)
    browser_page.mouse.click(*where(place, view, point))
    browser_page.keyboard.up("Shift")
    frame(browser_page)
    assert set(view.selected_rows()) == {*rows.tolist(), point}
    place.locator(".pv-panel").get_by_role("button", name="clear").click()
    assert view.selected_points == []


def test_a_rectangle_and_escape(show: Any, browser_page: Any) -> None:
    view, place = show()
    place.get_by_role("button", name="rectangle").click()
    box = place.locator(".pv-stage").bounding_box()
    draw_around(
        browser_page,
        place,
        [(box["x"] + 5, box["y"] + 5), (box["x"] + box["width"] - 5, box["y"] + box["height"] / 2)],
    )
    assert 0 < len(view.selected_rows()) < 600
    assert everywhere(place, view)[view.selected_rows(), 1].max() <= box["y"] + box["height"] / 2 + 1
    place.locator(".pv-cell").focus()
    press(browser_page, "Escape")
    assert view.selected_points == []


def test_points_by_keyboard(show: Any, browser_page: Any) -> None:
    view, place = show()
    cell = place.locator(".pv-cell")
    cell.focus()
    press(browser_page, "n", "n")
    assert cell.get_attribute("aria-posinset") == "3"
    assert "sample 0, position 2" in cell.get_attribute("aria-label")
    assert "norm none" not in cell.get_attribute("aria-label")
    press(browser_page, "Enter")
    assert view.selected_points == [(0, 2)]
    press(browser_page, "Shift+ArrowRight", "Shift+ArrowRight")
    assert len(view.selected_points) == 3
    xs = view.points[0, view.selected_rows(), 0]
    assert xs.max() > view.points[0, 2, 0]
    press(browser_page, "Escape", "Home", "b", "ArrowRight", "ArrowRight", "ArrowUp", "ArrowUp", "b")
    rows = view.selected_rows()
    corner, end = view.points[0, 0], view.points[0, int(cell.get_attribute("aria-posinset")) - 1]
    low, high = np.minimum(corner, end), np.maximum(corner, end)
    expected = ((view.points[0] >= low) & (view.points[0] <= high)).all(1)
    assert rows.tolist() == np.flatnonzero(expected).tolist()


def test_colours_by_classes_and_numbers(show: Any, browser_page: Any) -> None:
    view, place = show()
    key = place.get_by_role("button", name="noun")
    key.click()
    frame(browser_page)
    assert key.get_attribute("aria-pressed") == "true"
    box = place.locator(".pv-stage").bounding_box()
    edge = [(0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99)]
    draw_around(browser_page, place, [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in edge])
    kinds = projected()["colours"]["kind"]
    assert view.selected_rows().tolist() == np.flatnonzero(kinds == "noun").tolist()  # only what is shown
    place.get_by_label("What points are coloured by").select_option("norm")
    assert view.colour == "norm"
    assert "none (3)" in place.locator(".pv-head").inner_text()
    place.get_by_role("slider", name="Upper limit").press("ArrowLeft")
    assert view.limits is not None
    place.locator(".pv-cell").focus()
    press(browser_page, "3")
    assert (view.colour, view.limits) == ("effect", None)
    view.colour = "kind"
    frame(browser_page)
    assert place.get_by_role("button", name="noun").is_visible()


def test_layers_are_a_slider_and_come_when_they_are_asked_for(
    show: Any, browser_page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scope_widgets.widgets.projection_view.projection_view.FIRST_BYTES", 10_000)
    view, place = show(**projected(900, layers=4), width=800)
    assert view.held_layers == [0]
    slider = place.get_by_role("slider", name="Layer")
    slider.press("ArrowRight")
    assert view.layer == 1
    assert "layer 1" in place.locator(".pv-layers").inner_text()
    point = alone(ProjectionView(view.points[1]))
    browser_page.evaluate("() => globalThis.rested?.()")
    browser_page.mouse.move(*where(place, view, point))
    frame(browser_page)
    assert f"sample {point // 25}, position {point % 25}" in place.locator(".sw-tooltip").inner_text()
    place.locator(".pv-cell").focus()
    press(browser_page, ".", ".", ",")
    assert view.layer == 2


def test_zooming_and_moving(show: Any, browser_page: Any) -> None:
    view, place = show()
    point = alone(view)
    x, y = where(place, view, point)
    browser_page.mouse.move(x, y)
    browser_page.keyboard.down("Control")
    browser_page.mouse.wheel(0, -800)
    browser_page.keyboard.up("Control")
    frame(browser_page)
    browser_page.mouse.move(x + 1, y)
    frame(browser_page)
    assert f"position {point % 25}" in place.locator(".sw-tooltip").inner_text()  # it is where it was
    browser_page.keyboard.down("Alt")
    draw_around(browser_page, place, [(x, y), (x - 60, y + 40)])
    browser_page.keyboard.up("Alt")
    browser_page.mouse.move(x - 60, y + 41)
    frame(browser_page)
    assert f"position {point % 25}" in place.locator(".sw-tooltip").inner_text()
    assert view.selected_points == []
    browser_page.mouse.dblclick(x + 100, y)
    browser_page.mouse.move(x, y)
    frame(browser_page)
    assert f"position {point % 25}" in place.locator(".sw-tooltip").inner_text()


def test_a_selection_is_shared(browser_page: Any, mount: Any) -> None:
    chosen = Selection()
    views = [ProjectionView(**projected(seed=seed), selection=chosen) for seed in (0, 1)]
    one, other = mount(browser_page, *views, width=700)
    one.locator(".pv-cell").focus()
    press(browser_page, "n", "Enter")
    assert chosen.points == [(0, 1)]
    assert "1 point selected" in other.locator(".pv-panel").inner_text()
    chosen.points = [(3, 4), (3, 5)]
    frame(browser_page)
    assert "2 points selected" in one.locator(".pv-panel").inner_text()


@pytest.mark.parametrize("webgl", [True, False])
def test_a_hundred_thousand_points(show: Any, browser_page: Any, webgl: bool) -> None:
    if not webgl:
        browser_page.add_init_script(WITHOUT)
    view, place = show(points=np.random.default_rng(0).normal(size=(100_000, 2)), texts=None, colours=None,
                       samples=np.arange(100_000) // 100, positions=np.arange(100_000) % 100)  # fmt: skip
    said = place.locator(".pv-said").inner_text()
    assert ("no WebGL" in said) is not (webgl and has_webgl(browser_page))
    assert pixels(place) > 10_000
    point = int(view.points[0, :, 0].argmax())
    browser_page.mouse.move(*where(place, view, point))
    frame(browser_page)
    assert f"sample {point // 100}, position {point % 100}" in place.locator(".sw-tooltip").inner_text()
    place.get_by_role("button", name="rectangle").click()
    box = place.locator(".pv-stage").bounding_box()
    draw_around(
        browser_page, place, [(box["x"] + 2, box["y"] + 2), (box["x"] + box["width"] - 4, box["y"] + box["height"] - 4)]
    )
    assert len(view.selected_points) == 100_000
    if webgl:
        svg = save(browser_page, place, "SVG").decode()
        assert "All 100,000 points, as a picture" in svg
        assert len(svg) < 3_000_000


@pytest.mark.parametrize("webgl", [True, False])
def test_the_picture_without_webgl_is_the_same(show: Any, browser_page: Any, screenshot: Any, webgl: bool) -> None:
    if not webgl:
        browser_page.add_init_script(WITHOUT)
    _, place = show(theme="dark", selected_points=[(0, at) for at in range(25)])
    said = "points are drawn one by one" in place.locator(".pv-said").inner_text()
    assert said is not (webgl and has_webgl(browser_page))
    screenshot(place.locator(".pv-stage"), "projection-stage")


def test_points_stay_when_the_browser_takes_webgl_away(show: Any, browser_page: Any) -> None:
    if not has_webgl(browser_page):
        pytest.skip("This Chromium has no WebGL to take away.")
    _, place = show()
    browser_page.evaluate(
        """() => document.querySelector('.sw-canvas canvas').getContext('webgl2')
          .getExtension('WEBGL_lose_context').loseContext()"""
    )
    place.get_by_text("The browser took WebGL away").wait_for()
    frame(browser_page)
    assert pixels(place) > 1000


def test_hostile_texts_are_texts(show: Any, browser_page: Any) -> None:
    view, place = show(points=np.eye(2), texts=None, samples=None, positions=None, tokens=[EVIL, "\u202eb"],
                       colours={EVIL: [EVIL, "</script>"]}, selected_points=[(0, 0), (0, 1)])  # fmt: skip
    browser_page.mouse.move(*where(place, view, 0))
    frame(browser_page)
    assert "<img·src=x" in place.locator(".sw-tooltip").inner_text()
    assert "U+202E" in place.locator(".pv-panel").inner_text()
    svg = save(browser_page, place, "SVG").decode()
    assert "<img" not in svg
    assert place.locator("img, script").count() == 0
    assert browser_page.evaluate("window.evil") is None


def test_files(show: Any, browser_page: Any) -> None:
    given = projected()
    view, place = show(selected_points=[(0, 1)])
    rows = list(csv.DictReader(io.StringIO(save(browser_page, place, "CSV").decode(), newline="")))
    assert len(rows) == 600
    assert [row["token"] for row in rows[:25]] == given["texts"][0]
    assert [row["kind"] for row in rows] == given["colours"]["kind"].tolist()
    np.testing.assert_allclose([[float(row["x"]), float(row["y"])] for row in rows], given["points"], rtol=1e-6)
    assert [at for at, row in enumerate(rows) if row["selected"] == "1"] == view.selected_rows().tolist()
    svg = save(browser_page, place, "SVG").decode()
    assert svg.count("<circle") == 600 + 5  # and the keys
    assert "43 % are among its nearest here" in svg
    assert save(browser_page, place, "PNG")[:4] == b"\x89PNG"


def test_nothing_to_show_says_so(show: Any, browser_page: Any) -> None:
    _, place = show(points=np.zeros((0, 2)), texts=None, tokens=[], samples=None, positions=None, colours=None)
    assert "There are no points." in place.locator(".pv-stage").inner_text()
    place.get_by_role("button", name="lasso").focus()
    press(browser_page, "n", "c", ".", "0", "+", "Escape")


def test_a_saved_page_works_without_a_kernel(browser_page: Any, tmp_path: Path) -> None:
    view = ProjectionView(**projected(500, layers=3), layer=1)
    browser_page.goto(save_html(view, tmp_path / "page.html").as_uri())
    browser_page.get_by_role("slider", name="Layer").press("ArrowRight")
    browser_page.get_by_text("layer 2").wait_for()
    browser_page.locator(".pv-cell").focus()
    browser_page.keyboard.press("Enter")
    browser_page.get_by_text("1 point selected").wait_for()


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("name", ["classes", "numbers", "signed", "layers", "narrow"])
def test_screenshots(show: Any, browser_page: Any, screenshot: Any, name: str, theme: str) -> None:
    browser_page.emulate_media(reduced_motion="reduce")
    options: dict[str, Any] = {}
    if name == "numbers":
        options = projected(20_000) | {"colour": "norm"}
    if name == "signed":
        options = {"colour": "effect"}
    if name == "layers":
        options = projected(900, layers=6) | {"layer": 3}
    _, place = show(width=480 if name == "narrow" else 1160, theme=theme, **options)
    if name in ("classes", "narrow"):
        box = place.locator(".pv-stage").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        draw_around(browser_page, place, [(x - 40, y - 40), (x + 60, y - 30), (x + 50, y + 40), (x - 30, y + 40)])
        browser_page.mouse.move(5, 5)
    screenshot(place, f"projection-{name}-{theme}")
