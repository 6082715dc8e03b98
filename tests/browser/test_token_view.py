"""TokenView in a real Chromium, joined to its real Python half."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scope_widgets import Microscope
from scope_widgets.widgets import LogitLensView, Selection, TokenView, save_html
from tests.support.lens_examples import made_lens
from tests.support.token_examples import made_losses
from tests.support.view_page import frame

pytestmark = pytest.mark.browser

EVIL = "<img src=x onerror=window.evil=1>"
ODD = [
    "\n",
    "<0xE2><0x80>",
    " \U0001f680",
    " مرحبا",
    "\u202eevil",
    EVIL,
    "\t\t",
    "",
    "</script>",
    "x" * 3000,
    " b\n\n",
    "c",
]


@pytest.fixture
def show(browser_page: Any, mount: Callable[..., list[Any]]) -> Callable[..., tuple[TokenView, Any]]:
    """``show(source, ...)`` gives the view and its locator."""

    def show(source: Any = None, width: int = 1160, **options: Any) -> tuple[TokenView, Any]:
        view = TokenView(made_losses() if source is None else source, **options)
        (place,) = mount(browser_page, view, width=width)
        frame(browser_page)
        return view, place

    return show


def token(place: Any, at: int) -> Any:
    return place.locator(f"[data-at='{at}']")


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
    frame(page)


def standing(place: Any) -> int:
    """The token that the keys have come to."""
    return int(str(place.get_by_role("listbox").get_attribute("aria-activedescendant")).rpartition("-")[2])


def save(page: Any, place: Any, kind: str) -> bytes:
    place.get_by_role("button", name="Save").click()
    with page.expect_download() as download:
        place.get_by_role("menuitem", name=kind, exact=True).click()
    return Path(download.value.path()).read_bytes()


def test_it_says_what_it_shows(show: Any) -> None:
    losses = made_losses()
    _, place = show(losses)
    assert place.locator(".sw-title").inner_text() == "Loss of each token, tiny-model, 60 tokens"
    assert f"mean {losses.mean:.2f} nats over 59 tokens" in place.locator(".tv-head").inner_text()
    assert place.locator(".tv-token").count() == 60
    assert "tv-nan" in token(place, 0).get_attribute("class")
    first = place.locator(".tv-panel tr").first.inner_text().split()
    assert int(first[0]) == losses.top(1).index[0]


def test_pointing_says_token_position_and_numbers(show: Any, browser_page: Any) -> None:
    losses = made_losses()
    _, place = show(losses)
    for at in (1, 33):
        token(place, at).hover()
        said = place.locator(".sw-tooltip").inner_text()
        assert f"position {at}" in said
        assert f"{losses.loss[at]:.6f} nats" in said
        assert f"{losses.rank[at] + 1:,}" in said
        assert losses.expected[at].replace(" ", "·") in said
    token(place, 0).hover()
    assert "none" in place.locator(".sw-tooltip").inner_text()


def test_another_column_has_its_own_scale(show: Any, browser_page: Any) -> None:
    view, place = show()
    before = token(place, 5).evaluate("one => one.style.background")
    place.get_by_role("slider", name="Upper limit").press("ArrowLeft")
    assert view.limits is not None
    place.get_by_label("What the colours show").select_option("entropy before the token, nats")
    frame(browser_page)
    assert (view.column, view.limits, view.scale) == ("entropy", None, None)
    assert token(place, 5).evaluate("one => one.style.background") != before
    place.get_by_role("listbox").focus()
    press(browser_page, "c")
    assert view.column == "expected_probability"
    view.column = "rank"
    frame(browser_page)
    assert place.get_by_role("button", name="Scale: log").is_visible()
    place.get_by_role("button", name="Scale: log").click()
    assert (view.scale, view.limits) == ("linear", None)


def test_columns_have_keys_and_each_keeps_its_own_scale(show: Any, browser_page: Any) -> None:
    trace = Microscope.load("demo").trace("When Mary and John went to the store")
    found = trace.show("norm", layer=[0, 2], neuron=(3, 10))
    view, place = show(found)
    place.get_by_role("slider", name="Upper limit").press("ArrowLeft")
    limits = view.limits
    place.get_by_role("listbox").focus()
    press(browser_page, "3")
    assert (view.column, view.limits) == ("neuron 3.10", None)
    assert (
        place.get_by_role("slider", name="Lower limit").get_attribute("aria-valuenow").startswith("-")
    )  # a signed one
    token(place, 8).hover()
    assert f"{found['neuron 3.10'][8]:.6f}".replace("-", "−") in place.locator(".sw-tooltip").inner_text()
    press(browser_page, "1")
    assert (view.column, view.limits) == ("residual norm, layer 0", limits)
    press(browser_page, "c")
    assert (view.column, view.limits) == ("residual norm, layer 2", None)


def test_what_is_selected_is_copied_as_text(show: Any, browser_page: Any) -> None:
    texts = ["the", " dog", "\n", "<0xE3><0x81>", "<0x93>", " runs"]
    view, place = show(texts, values=np.arange(6.0))
    browser_page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    place.get_by_role("button", name="copy text").click()
    assert browser_page.evaluate("window.copied") == "the dog\nこ runs"
    view.selected_tokens = [5, 1, 0]
    frame(browser_page)
    place.get_by_role("listbox").focus()
    press(browser_page, "t")
    assert browser_page.evaluate("window.copied") == "the dog … runs"
    assert "Copied the text of 3 tokens." in place.inner_text()


def test_right_to_left_text_stands_in_its_own_order(show: Any, browser_page: Any) -> None:
    texts = ["say", " שלום", " עולם", ",", " then", "\n", " שנת", " 19", "84", " היא"]
    _, place = show(texts, values=np.arange(10.0))
    lefts = [token(place, at).bounding_box()["x"] for at in range(10)]
    assert np.argsort(lefts[:5]).tolist() == [0, 2, 1, 3, 4]
    assert (np.argsort(lefts[6:]) + 6).tolist() == [9, 7, 8, 6]
    place.get_by_role("listbox").focus()
    press(browser_page, "ArrowRight", "ArrowRight")
    assert standing(place) == 1
    press(browser_page, "ArrowLeft")  # the next word stands to the left
    assert standing(place) == 2


def test_the_largest_is_one_key_away(show: Any, browser_page: Any) -> None:
    losses = made_losses(5000)
    view, place = show(losses)
    place.get_by_role("listbox").focus()
    order = losses.top(3).index.tolist()
    press(browser_page, "n")
    assert standing(place) == order[0]
    label = token(place, order[0]).get_attribute("aria-label")
    assert label.startswith(f"position {order[0]} ")
    assert f"loss {losses.loss[order[0]]:.6f} nats" in label
    assert place.locator(".sw-tooltip").is_visible()
    press(browser_page, "n", "n", "p")
    assert standing(place) == order[1]
    assert f"position {order[1]}" in place.locator(".sw-tooltip").inner_text()  # which scrolling there leaves
    press(browser_page, "Enter")
    assert view.selected_tokens == [order[1]]
    place.get_by_role("button", name="smallest").click()
    frame(browser_page)
    least = int(np.nanargmin(losses.loss))
    assert int(place.locator(".tv-panel tr td").first.inner_text()) == least
    place.locator(".tv-panel .tv-name").first.click()
    frame(browser_page)
    assert view.selected_tokens == [least]
    assert token(place, least).is_visible()


def test_walking_by_keys(show: Any, browser_page: Any) -> None:
    view, place = show(made_losses(600))
    place.get_by_role("listbox").focus()
    press(browser_page, "ArrowRight", "ArrowRight", "ArrowRight")
    assert standing(place) == 2
    press(browser_page, "End")
    end = standing(place)
    assert token(place, end + 1).bounding_box()["y"] > token(place, end).bounding_box()["y"]
    press(browser_page, "ArrowDown")
    assert standing(place) > end
    press(browser_page, "ArrowUp")
    assert standing(place) == end
    press(browser_page, "Control+End")
    assert standing(place) == 599
    assert token(place, 599).is_visible()
    press(browser_page, "Enter", "ArrowLeft", "Shift+Enter")
    assert view.selected_tokens == [599, 598]
    press(browser_page, "Escape")
    assert view.selected_tokens == []


def test_a_selection_is_shared_and_scrolls_into_sight(browser_page: Any, mount: Any) -> None:
    chosen = Selection()
    lens = made_lens(4, 600)
    views = TokenView(lens.tokens, values=np.arange(600.0), selection=chosen), LogitLensView(lens, selection=chosen)
    place, other = mount(browser_page, *views, width=520)
    token(place, 3).click()
    assert chosen.tokens == [3]
    assert "position 3" in other.locator(".ll-at").inner_text()
    assert token(place, 590).count() == 0
    chosen.tokens = [3, 590]
    frame(browser_page)
    assert token(place, 590).get_attribute("aria-selected") == "true"
    assert token(place, 590).is_visible()


def test_a_drag_selects_what_it_passes(show: Any, browser_page: Any) -> None:
    view, place = show()
    token(place, 4).hover()
    browser_page.mouse.down()
    token(place, 7).hover()
    browser_page.mouse.up()
    assert view.selected_tokens == [4, 5, 6, 7]


def test_a_long_text_keeps_the_page_small(show: Any, browser_page: Any) -> None:
    _, place = show(made_losses(5000))
    counted = "() => document.querySelectorAll('#view-0 *').length"
    before = browser_page.evaluate(counted)
    assert place.locator(".tv-token").count() < 1000
    place.locator(".tv-text").hover()
    for _ in range(5):
        browser_page.mouse.wheel(0, 1500)
        frame(browser_page)
    assert place.locator(".tv-token").count() < 1000
    assert browser_page.evaluate(counted) < before + 500
    # pointing changes the tokens that are left and come to, and no other
    changed = browser_page.evaluate(
        """async () => {
          const list = document.querySelector(".tv-text");
          const [one, other] = [...list.querySelectorAll(".tv-token")].slice(100, 102);
          const seen = new Set();
          const watch = new MutationObserver((all) => all.forEach(({ target }) => seen.add(target)));
          watch.observe(list, { subtree: true, attributes: true, childList: true });
          for (const target of [one, other]) {
            target.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX: 9, clientY: 9 }));
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          }
          watch.disconnect();
          return seen.size;
        }"""
    )
    assert changed <= 3
    overview = place.locator(".tv-overview")
    box = overview.bounding_box()
    browser_page.mouse.click(box["x"] + 8, box["y"] + box["height"] - 2)
    frame(browser_page)
    assert token(place, 4999).is_visible()


def test_odd_tokens_stay_text(show: Any, browser_page: Any) -> None:
    _, place = show(ODD, values=np.arange(len(ODD)) - 5.0)
    for at in range(len(ODD)):
        token(place, at).hover()
        box, text = token(place, at).bounding_box(), place.locator(".tv-text").bounding_box()
        assert box["x"] + box["width"] <= text["x"] + text["width"] + 1
    token(place, 5).hover()
    assert "<img·src=x·onerror=window.evil=1>" in place.locator(".sw-tooltip").inner_text()
    token(place, 4).hover()
    assert "U+202E" in place.locator(".sw-tooltip").inner_text()
    svg = save(browser_page, place, "SVG").decode()
    found = browser_page.evaluate(
        """svg => new DOMParser().parseFromString(svg, 'image/svg+xml')
          .querySelectorAll('parsererror, img, script').length""",
        svg,
    )
    assert found == 0
    assert place.locator("img, script").count() == 0
    assert browser_page.evaluate("window.evil") is None


def test_an_empty_text_says_so(show: Any, browser_page: Any) -> None:
    _, place = show([], values=[])
    assert "no tokens" in place.locator(".tv-text").inner_text()
    place.get_by_role("listbox").focus()
    press(browser_page, "n", "ArrowRight", "Enter", "Escape")


def test_files(show: Any, browser_page: Any) -> None:
    losses = made_losses()
    _, place = show(losses, title="Loss & more")
    rows = list(csv.DictReader(io.StringIO(save(browser_page, place, "CSV").decode(), newline="")))
    assert [row["token"] for row in rows] == losses.tokens
    np.testing.assert_array_equal([float(row["loss"] or "nan") for row in rows], losses.loss)
    assert [row["expected"] for row in rows] == losses.expected
    assert "Loss &#38; more" in save(browser_page, place, "SVG").decode()
    assert save(browser_page, place, "PNG")[:4] == b"\x89PNG"


def test_a_saved_page_works_without_a_kernel(browser_page: Any, tmp_path: Path) -> None:
    browser_page.goto(save_html(TokenView(made_losses()), tmp_path / "page.html").as_uri())
    browser_page.locator("[data-at='5']").click()
    browser_page.locator(".sw-chip-name").wait_for()
    browser_page.get_by_label("What the colours show").select_option("rank of the token")
    browser_page.get_by_role("region", name="Largest rank of the token").wait_for()


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("name", ["small", "long", "signed", "narrow"])
def test_screenshots(show: Any, browser_page: Any, screenshot: Any, name: str, theme: str) -> None:
    browser_page.set_viewport_size({"width": 1200, "height": 900})
    losses = made_losses({"small": 16, "long": 5000}.get(name, 300))
    values = {"gain": np.random.default_rng(0).normal(size=300)} if name == "signed" else None
    options = {"column": "rank"} if name == "narrow" else {"selected_tokens": [7]} if name == "small" else {}
    _, place = show(losses, width=520 if name == "narrow" else 1160, values=values, theme=theme, **options)
    screenshot(place, f"tokens-{name}-{theme}")
