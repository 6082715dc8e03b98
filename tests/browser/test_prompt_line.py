"""The line in which the prompt of a view is changed, in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scope_widgets import heads, lens, patching
from scope_widgets.widgets import (
    AttentionView,
    HeadTable,
    LogitLensView,
    PatchingMap,
    Selection,
    Workbench,
    save_html,
)
from scope_widgets.widgets.core import requests
from tests.support.fake_transport import fake_remote

FIRST = "When Mary and John went to the store, John gave a drink to"
OTHER = "When Anna and Paul went to the park, Paul gave a book to"
HOSTILE = "the <img src=x onerror=window.evil=1> horse\u202e and\nthe dog"


@pytest.fixture
def show(browser_page: Any, mount: Callable[..., list[Any]], demo: Any) -> Callable[..., tuple[Any, Any, Any, Any]]:
    """``show(width)`` gives attention and lens of one prompt and selection, and their places."""

    def show(width: int = 1000, scope: Any = None, prompt: str = FIRST) -> tuple[Any, Any, Any, Any]:
        trace, shared = (scope or demo).trace(prompt), Selection(heads=[(2, 1)])
        views = AttentionView(trace, selection=shared), LogitLensView(lens.logit_lens(trace), selection=shared)
        return (*views, *mount(browser_page, *views, width=width))

    return show


def change(place: Any, text: str) -> None:
    place.locator(".sw-prompt-closed").click()
    place.locator("textarea").fill(text)
    place.locator("textarea").press("Enter")


def tokens(place: Any) -> str:
    return str(place.locator(".av-sentence").inner_text())


def line(place: Any) -> str:
    return str(place.locator(".sw-prompt-text").inner_text())


def test_a_click_opens_the_field_and_enter_runs_it_in_all(show: Any) -> None:
    view, _, attention, stream = show()
    change(attention, OTHER)
    assert view.prompt == OTHER
    for place in (attention, stream):
        assert line(place) == OTHER
        assert place.locator("textarea").is_hidden()
        assert place.locator(".sw-bar").count() == 1
    assert "Anna" in tokens(attention)
    assert "Mary" not in attention.inner_text() + stream.inner_text()
    assert attention.locator(".sw-prompt-closed").evaluate("one => one === document.activeElement")


def test_keys_open_leave_and_go_back(show: Any, browser_page: Any) -> None:
    view, _, attention, _ = show()
    attention.locator(".av-sentence").focus()
    browser_page.keyboard.press("e")
    field = attention.locator("textarea")
    assert field.input_value() == FIRST
    field.fill("the e horse")
    field.press("Escape")
    assert (line(attention), view.shown) == (FIRST, 0)
    browser_page.keyboard.press("e")
    assert field.input_value() == FIRST
    field.press("Shift+Enter")
    field.press("Escape")
    change(attention, "the horse")
    browser_page.keyboard.press("[")
    assert line(attention) == FIRST
    assert "Mary" in tokens(attention)
    browser_page.keyboard.press("]")
    assert line(attention) == "the horse"
    attention.get_by_role("button", name="The prompt before").click()
    assert (view.prompt, view.prompt_history) == (FIRST, [FIRST, "the horse"])
    assert attention.get_by_role("button", name="The prompt before").is_disabled()
    browser_page.keyboard.press("?")
    assert "change the prompt" in attention.get_by_role("dialog").inner_text()
    assert attention.locator(".sw-keys dl").first.inner_text().count("change the prompt") == 1


def test_what_cannot_be_run_is_said_above_the_old_picture(show: Any) -> None:
    view, _, attention, stream = show()
    change(attention, "a " * 3000)
    assert "reads at most 256" in attention.locator(".sw-prompt-status").inner_text()
    assert attention.locator("textarea").is_visible()
    assert (tokens(attention).count("Mary"), view.shown) == (1, 0)
    assert line(stream) == FIRST
    attention.locator("textarea").press("Escape")
    assert attention.locator(".sw-prompt-status").is_hidden()


def test_a_run_is_followed_and_can_be_stopped(show: Any, demo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting: list[Any] = []
    loop = SimpleNamespace(
        call_soon=lambda act, *args: waiting.append((act, args)),
        call_later=lambda _, act, *args: waiting.append((act, args)) or SimpleNamespace(cancel=lambda: None),
    )

    def step() -> None:
        acts, waiting[:] = list(waiting), []
        for act, args in acts:
            act(*args)

    view, _, attention, _ = show(scope=fake_remote(demo))
    monkeypatch.setattr(requests, "asyncio", SimpleNamespace(get_running_loop=lambda: loop))
    change(attention, OTHER)
    status = attention.locator(".sw-prompt-status")
    said = set()
    for _ in range(4):
        said.add(status.inner_text().splitlines()[0])
        step()
    assert {"running the model …", "queued, position 3 …"} <= said
    assert attention.locator("textarea").get_attribute("readonly") is not None
    attention.get_by_role("button", name="Stop").click()
    assert status.inner_text() == "Enter runs, Escape leaves"
    for _ in range(12):
        step()
    assert (view.prompt, line(attention)) == (FIRST, FIRST)


def test_line_ends_and_markup_are_text(show: Any, browser_page: Any) -> None:
    view, _, attention, _ = show(width=480)
    change(attention, HOSTILE)
    assert view.prompt == HOSTILE
    assert line(attention).startswith("the <img src=x onerror=window.evil=1> horse")
    assert "↵" in line(attention)
    assert "\u202e" not in line(attention)
    assert browser_page.evaluate("window.evil") is None
    attention.locator(".sw-prompt-closed").click()
    assert attention.locator("textarea").input_value() == HOSTILE


def test_nothing_is_left_of_the_view_before(show: Any, browser_page: Any) -> None:
    _, _, attention, _ = show()
    before = attention.locator("*").count()
    change(attention, "When Anna and Paul went to the store, Paul gave a drink to")
    change(attention, FIRST)
    # the buttons of the history have come
    assert attention.locator("*").count() <= before + 4
    attention.locator(".sw-prompt-closed").focus()
    browser_page.keyboard.press("d")  # is heard once
    pressed = attention.get_by_role("button", name="values").get_attribute("aria-pressed")
    browser_page.keyboard.press("d")
    assert attention.get_by_role("button", name="values").get_attribute("aria-pressed") != pressed


def test_a_saved_page_has_no_field(demo: Any, browser_page: Any, tmp_path: Path) -> None:
    view = AttentionView(demo.trace(FIRST))
    browser_page.goto(save_html([view], tmp_path / "page.html").as_uri())
    browser_page.locator(".av-sentence").wait_for()
    assert browser_page.locator(".sw-prompt").count() == 0


def test_the_bar_of_a_workbench_changes_all_and_hides_panes(demo: Any, browser_page: Any, mount: Any) -> None:
    bench = Workbench(demo, FIRST, answer=" Mary", versus=" John", selected_heads=[(2, 1)])
    bar, attention, *others = mount(browser_page, bench.bar, *bench.panes.values(), width=800)
    assert attention.locator(".sw-prompt").count() == 0
    change(bar, OTHER)
    assert all("Mary" not in place.inner_text() for place in (bar, attention))
    assert [place.locator(".sw-bar").count() for place in others] == [1] * len(others)
    bar.get_by_role("button", name="Logit lens", exact=True).click()
    assert bench.hidden == ["lens"]
    assert bench.panes["lens"] not in bench.views
    browser_page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    bar.get_by_role("button", name="Copy as code").click()
    code = browser_page.evaluate("window.copied")
    assert code.endswith(
        f"Workbench(scope, \"{OTHER}\", answer=' Mary', versus=' John', hidden=[\"lens\"], selected_heads=[(2, 1)])\n"
    )


def test_the_bar_is_as_high_as_what_it_says_of_a_prompt(demo: Any, browser_page: Any, mount: Any) -> None:
    bench = Workbench(demo, FIRST, hidden=["attribution", "steering"])
    # a view after it, whose sheet comes later
    bar, attention = mount(browser_page, bench.bar, bench.panes["attention"], width=1000)
    change(bar, "a " * 300)
    bar.locator(".sw-prompt-status.sw-error").wait_for()
    field, status = bar.locator("textarea").bounding_box(), bar.locator(".sw-prompt-status").bounding_box()
    below = status["y"] + status["height"]
    assert status["y"] >= field["y"] + field["height"]
    assert bar.bounding_box()["y"] + bar.bounding_box()["height"] >= below
    assert attention.bounding_box()["y"] >= below
    assert bar.locator(".sw").evaluate("one => one.scrollHeight - one.clientHeight") == 0


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_pictures_to_look_at(show: Any, browser_page: Any, screenshot: Any, theme: str) -> None:
    browser_page.emulate_media(color_scheme=theme)
    _, _, attention, stream = show(width=720)
    change(attention, OTHER)
    change(stream, "a " * 300)
    stream.locator("textarea").evaluate("one => one.blur()")
    attention.locator(".sw-prompt-closed").evaluate("one => one.blur()")
    screenshot(attention, f"prompt-changed-{theme}")
    screenshot(stream, f"prompt-refused-{theme}")


def test_a_map_of_patching_has_a_clean_and_a_corrupted_line(browser_page: Any, mount: Any, demo: Any) -> None:
    other = OTHER.replace("Paul gave", "Anna gave")
    sweep = patching.sweep(
        demo, FIRST, FIRST.replace("John gave", "Mary gave"), answer=" Mary", versus=" John", over="residual"
    )
    view = PatchingMap(sweep)
    (place,) = mount(browser_page, view, width=1000)
    place.locator(".sw-prompt-closed").click()
    corrupted = place.get_by_label("Corrupted prompt: ")
    corrupted.fill(other)
    corrupted.press("Enter")  # the clean one has as many tokens: it runs, and says what it shows
    assert "Anna gave" in place.locator(".sw-prompt-text").inner_text()
    assert (view.prompt, view.corrupted_history[-1]) == (FIRST, other)
    place.locator(".sw-prompt-closed").click()
    place.locator("textarea").first.fill("the dog")
    place.locator("textarea").first.press("Enter")
    assert "3 tokens clean and 15 corrupted" in place.locator(".sw-prompt-status.sw-error").inner_text()
    place.locator("textarea").first.press("Escape")
    browser_page.keyboard.press("[")
    assert "Mary gave" in place.locator(".sw-prompt-text").inner_text()
    assert view.prompt_at == 0


def test_a_table_of_scores_has_a_field(browser_page: Any, mount: Any, demo: Any) -> None:
    view = HeadTable(heads.score(demo.trace(FIRST), null_draws=5))
    (place,) = mount(browser_page, view, width=480)
    change(place, OTHER)
    assert "Anna" in place.locator(".sw-prompt-text").inner_text()
    assert view.prompt == OTHER
    assert place.evaluate("one => one.scrollHeight <= one.clientHeight + 1")
