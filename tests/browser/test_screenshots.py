"""The comparer of screenshots: other fonts are the same picture, a missing panel is not."""

from __future__ import annotations

from typing import Any

import pytest

from scope_widgets.widgets import LogitLensView, PatchingMap
from tests.support import screenshots
from tests.support.lens_examples import made_lens
from tests.support.patching_examples import patching

VIEWS = {"lens": lambda: LogitLensView(made_lens()), "map": lambda: PatchingMap(patching(4, 15))}
#: what a picture is without, and what it is in
PANELS = [
    ("lens", ".sw-legend"),
    ("lens", ".ll-map canvas"),
    ("lens", ".sw-bar"),
    ("map", ".pm-map canvas"),
    ("map", ".sw-legend"),
]


def taken(page: Any, place: Any, style: str = "") -> Any:
    if style:
        page.add_style_tag(content=style)
    return screenshots.shrunk(place.screenshot(animations="disabled"))


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize(
    "style",
    [
        "* { text-rendering: geometricPrecision !important; -webkit-font-smoothing: none !important }",
        "* { letter-spacing: .15px !important }",
        "#view-0 { filter: blur(.6px) }",
        "#view-0 { transform: translate(.5px, .5px) }",
    ],
)
def test_another_rasteriser_makes_the_same_picture(browser_page: Any, mount: Any, name: str, style: str) -> None:
    (place,) = mount(browser_page, VIEWS[name](), width=1160)
    before = taken(browser_page, place)
    assert screenshots.compared(before, taken(browser_page, place, style)) == ""


@pytest.mark.parametrize(("name", "panel"), PANELS)
def test_a_picture_without_a_panel_is_another(browser_page: Any, mount: Any, name: str, panel: str) -> None:
    (place,) = mount(browser_page, VIEWS[name](), width=1160)
    before = taken(browser_page, place)
    assert screenshots.compared(before, taken(browser_page, place, f"{panel} {{ visibility: hidden }}"))
