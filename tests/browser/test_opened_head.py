"""What an opened head shows beside its attention, in a real Chromium: what it writes, and by which tokens."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

from scope_widgets import Microscope, Trace, heads
from scope_widgets.widgets import opened_head
from scope_widgets.widgets.attention_view import AttentionView
from tests.support.view_page import frame

pytestmark = pytest.mark.browser

PROMPT = "When Mary and John went to the store, John gave a drink to"
EVIL = "<img src=x onerror=window.evil=1>"


@pytest.fixture(scope="module")
def trace() -> Any:
    return Microscope.load("demo").trace(PROMPT)


@pytest.fixture
def show(trace: Any, browser_page: Any, mount: Callable[..., list[Any]]) -> Callable[..., tuple[AttentionView, Any]]:
    def show(*traces: Any, width: int = 1160, **options: Any) -> tuple[AttentionView, Any]:
        view = AttentionView(*(traces or (trace,)), **{"selected_heads": [(3, 1)], **options})
        (place,) = mount(browser_page, view, width=width)
        frame(browser_page)
        return view, place

    return show


def column(place: Any, what: str, at: int = 0) -> list[str]:
    words = place.locator(f"[data-list={what}] table").nth(at).locator(".av-word")
    return [text.replace("·", " ") for text in words.all_inner_texts()]


def number(value: float) -> str:
    return f"{value:.6f}"


def test_the_switch_weighs_attention_by_what_is_written(show: Any, browser_page: Any, trace: Any) -> None:
    view, place = show()
    weighted = heads.value_weighted_attention(trace, 3, 1).values[0]
    attention = place.locator(".av-details .av-number").first
    assert attention.inner_text() == number(float(trace.attention(3)[1, -1].max()))
    place.get_by_role("button", name="value-weighted").click()
    assert view.quantity == "value_weighted"
    assert attention.inner_text() == number(float(weighted[-1].max()))
    assert "gets from" in place.locator(".av-details").inner_text()
    assert place.locator(".sw-legend-name").all_inner_texts() == ["value-weighted"]
    cell = place.locator(".av-matrix [role=gridcell]")
    cell.focus()
    browser_page.keyboard.press("Control+End")
    assert cell.get_attribute("aria-label").endswith(f"gets from to (14): {number(float(weighted[14, 14]))}")
    browser_page.keyboard.press("v")
    assert view.quantity == "attention"
    assert "attends to" in place.locator(".av-details").inner_text()
    assert place.locator(".sw-legend-name").all_inner_texts() == ["attention"]


def test_tokens_are_those_of_the_functions_and_follow_the_selection(show: Any, browser_page: Any, trace: Any) -> None:
    view, place = show(selected_tokens=[10])
    panel = place.locator(".av-tokens")
    assert panel.is_hidden()
    place.locator(".av-sentence").focus()
    browser_page.keyboard.press("t")
    assert view.head_tokens
    panel.wait_for()

    def expect(position: int) -> None:
        token, scope, n = int(trace.token_ids[position]), trace.scope, opened_head.N_TOKENS
        for what, found in {
            "writes": heads.writes(trace, 3, 1, position=position, n=n),
            "ov": heads.ov_tokens(scope, 3, 1, token, n=n),
            "qk": heads.qk_tokens(scope, 3, 1, token, n=n),
        }.items():
            assert [column(place, what, at) for at in (0, 1)] == [
                [text for text, _ in part] for part in (found.top(), found.bottom())
            ]

    expect(10)
    assert panel.locator(".av-caption").first.inner_text() == "Writes at John 10"
    place.locator(".av-token").nth(14).click()
    expect(14)
    place.get_by_role("button", name="tokens", exact=True).click()
    assert panel.is_hidden()
    assert not view.head_tokens


def test_what_is_saved_is_what_is_shown(show: Any, browser_page: Any, trace: Any) -> None:
    _, place = show(quantity="value_weighted")
    rows = list(csv.DictReader(io.StringIO(save(browser_page, place, "CSV").decode())))
    expected = heads.value_weighted_attention(trace, 3, 1).values[0]
    assert len(rows) == 15 * 16 // 2
    found = [float(row["value_weighted_attention"]) for row in rows if row["query"] == "14"]
    assert found == pytest.approx(expected[14].tolist(), rel=1e-6)
    assert ">value-weighted<" in save(browser_page, place, "SVG").decode()


def save(page: Any, place: Any, kind: str) -> bytes:
    with page.expect_download() as download:
        place.get_by_role("button", name="Save").click()
        place.get_by_role("menuitem", name=kind).click()
    return bytes(download.value.path().read_bytes())


def test_two_prompts_have_a_list_each(show: Any, trace: Any) -> None:
    other = trace.scope.trace("When Mary and John went to the store, Mary gave a drink to")
    _, place = show(trace, other, head_tokens=True)
    assert "A: Writes at" in place.locator(".av-tokens").inner_text()
    place.get_by_role("radio", name="B", exact=True).click()
    assert "B: Writes at" in place.locator(".av-tokens").inner_text()
    expected = heads.writes(other, 3, 1, n=opened_head.N_TOKENS)
    assert column(place, "writes") == [text for text, _ in expected.top()]


def test_a_refusal_is_said_where_the_list_would_be(show: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise ValueError("There is no such product here.")

    monkeypatch.setattr(opened_head, "ov_tokens", refuse)
    _, place = show(head_tokens=True)
    assert "There is no such product here." in place.locator("[data-list=ov]").inner_text()
    assert len(column(place, "qk")) == opened_head.N_TOKENS


def test_a_trace_from_a_file_has_no_switch_and_a_sentence(show: Any, trace: Any) -> None:
    _, place = show(Trace.from_json(trace.to_json()), head_tokens=True)
    assert place.get_by_role("button", name="value-weighted").count() == 0
    assert "was read from a file without them" in place.locator(".av-tokens").inner_text()


def test_markup_in_a_vocabulary_stays_text(show: Any, browser_page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened_head, "_pairs", lambda tokens: [[EVIL, number] for _, number in tokens])
    _, place = show(head_tokens=True)
    assert EVIL in column(place, "writes")
    assert place.locator("img").count() == 0
    assert browser_page.evaluate("window.evil") is None


def test_copied_code_shows_the_same(show: Any, browser_page: Any) -> None:
    _, place = show(head_tokens=True, quantity="value_weighted")
    place.get_by_role("button", name="Copy as code").click()
    browser_page.wait_for_function("document.querySelector('.sw-note').textContent")
    code = browser_page.evaluate("navigator.clipboard.readText()")
    names: dict[str, Any] = {}
    exec(code.replace("\nAttentionView(", "\nmade = AttentionView("), names)
    assert (names["made"].quantity, names["made"].head_tokens) == ("value_weighted", True)


def test_a_page_shows_what_was_on_show(trace: Any, browser_page: Any, tmp_path: Any) -> None:
    view = AttentionView(trace, selected_heads=[(3, 1)], head_tokens=True, quantity="value_weighted")
    browser_page.goto(view.to_html(tmp_path / "page.html").as_uri())
    place = browser_page.locator("#view-0")
    place.locator("[data-list=qk] .av-word").first.wait_for()
    assert column(place, "writes") == [text for text, _ in heads.writes(trace, 3, 1, n=opened_head.N_TOKENS).top()]
    place.locator(".av-token").nth(3).click()  # not in the page
    browser_page.wait_for_function("document.querySelector('.av-failed .av-said')?.textContent.includes('notebook')")


@pytest.mark.parametrize("width", [480, 1000, 1160, 1600])
def test_nothing_stands_out_of_the_view(show: Any, width: int) -> None:
    _, place = show(width=width, head_tokens=True, quantity="value_weighted")
    outer = place.bounding_box()
    for part in place.locator(".av-right, .av-head *, .av-tokens, .av-matrix, .av-bottom").all():
        if part.is_visible():
            box = part.bounding_box()
            assert box["x"] >= outer["x"] - 0.5
            assert box["x"] + box["width"] <= outer["x"] + outer["width"] + 0.5
            assert box["y"] + box["height"] <= outer["y"] + outer["height"] + 0.5
    assert place.locator(".av-matrix").bounding_box()["height"] > 150


def test_the_words_are_explained(show: Any) -> None:
    _, place = show()
    place.get_by_role("button", name="Keys and definitions").click()
    sheet = place.locator(".sw-definitions").inner_text()
    for word in ("value-weighted attention", "Kobayashi et al. 2020", "writes at", "OV of a token", "QK of a token"):
        assert word in sheet


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_pictures_to_look_at(show: Any, screenshot: Any, theme: str) -> None:
    _, place = show(theme=theme, head_tokens=True, quantity="value_weighted", selected_tokens=[14])
    screenshot(place, f"opened-head-{theme}")
