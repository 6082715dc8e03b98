"""SteeringPanel in a real Chromium, joined to its real Python half and the demo model."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from scope_widgets import steering
from scope_widgets.models.microscope import Microscope
from scope_widgets.widgets import SteeringPanel

pytestmark = pytest.mark.browser

PROMPT = "When Mary and John went to the store, John gave a drink to"


@cache
def scope() -> Microscope:
    return Microscope.load("demo")


@cache
def name_direction() -> Any:
    return steering.direction(scope(), answer=" Mary", versus=" John", layer=2, name="Mary − John")


def panel(**options: Any) -> SteeringPanel:
    given = {"directions": [name_direction()], "heads": [(3, 1)], "neurons": [(1, 5)]}
    return SteeringPanel(scope(), PROMPT, **{**given, "answer": " Mary", "versus": " John", **options})


@pytest.fixture
def show(browser_page: Any, mount: Callable[..., list[Any]]) -> Callable[..., Any]:
    """``show(view)`` gives its locator, drawn."""

    def show(view: SteeringPanel, *, width: int = 1160) -> Any:
        (place,) = mount(browser_page, view, width=width)
        frame(browser_page)
        return place

    return show


def frame(page: Any) -> None:
    """Wait until what has changed is drawn, and what was asked is answered."""
    page.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 60))))"
    )


def many(n: int) -> list[Any]:
    heads = [steering.ScaleHead(i // 4, i % 4, 1.0) for i in range(n - 2)]
    long = steering.direction(
        scope(), answer=" Lily", versus=" John", layer=1, name="a direction with quite a long name"
    )
    return [steering.AddDirection(name_direction(), 0.1), steering.AddDirection(long, 0.05, at="last"), *heads]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshots(show: Any, browser_page: Any, screenshot: Any, scheme: str) -> None:
    browser_page.emulate_media(color_scheme=scheme)
    view = panel(presets={"a little": {"strengths": {}, "enabled": {}}})
    place = show(view)
    place.get_by_label("Sweep: what each strength does: add Mary − John").click()
    place.locator(".sp-plot circle").first.wait_for()
    thumb = place.get_by_role("slider", name="add Mary − John")
    thumb.focus()
    for _ in range(3):
        browser_page.keyboard.press("Shift+ArrowRight")
    frame(browser_page)
    screenshot(place, f"steering-{scheme}")


@pytest.mark.parametrize("width", [320, 700, 820, 1400])
def test_screenshots_of_many(show: Any, browser_page: Any, screenshot: Any, width: int) -> None:
    place = show(panel(directions=[], heads=[], neurons=[], interventions=many(12)), width=width)
    frame(browser_page)
    screenshot(place, f"steering-12-{width}")


def test_screenshots_of_odd_tokens(show: Any, browser_page: Any, screenshot: Any) -> None:
    odd = [
        "<|endoftext|>",
        "\n",
        " <0xE2>",
        " pneumonoultramicroscopicsilicovolcanoconiosis",
        "\u202egnp",
        " &amp;",
        "日本語",
        "\t",
        "",
        "<b>x</b>",
    ]
    for width in (360, 1200):
        view = panel(heads=[], neurons=[])
        view._reader._texts = {id_: odd[i % len(odd)] for i, id_ in enumerate(range(720))}
        view.strengths = [0.05]
        place = show(view, width=width)
        place.get_by_label("Sweep: what each strength does: add Mary − John").click()
        place.locator(".sp-plot circle").first.wait_for()
        frame(browser_page)
        screenshot(place, f"steering-odd-{width}")


def test_screenshot_of_nothing(show: Any, screenshot: Any) -> None:
    screenshot(show(panel(directions=[], heads=[], neurons=[])), "steering-empty")
