"""FeatureBrowser in a real Chromium, joined to its real Python half."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scope_widgets import Microscope
from scope_widgets._job import Job, JobStatus
from scope_widgets.features import FeatureIndex
from scope_widgets.features.feature_index.demo_index import demo_index
from scope_widgets.models.remote_dispatch import submit
from scope_widgets.widgets import FeatureBrowser, Selection
from scope_widgets.widgets.core import requests
from scope_widgets.widgets.feature_browser import why_it_fires
from tests.support.kernel_loop import Loop
from tests.support.view_page import frame, rested

pytestmark = pytest.mark.browser

EVIL = "<img src=x onerror=window.evil=1>"
TEXT = "When Mary and John went to the store"


@pytest.fixture(scope="module")
def index() -> FeatureIndex:
    return FeatureIndex.load("demo", scope=Microscope.load("demo"))


@pytest.fixture
def show(browser_page: Any, mount: Callable[..., list[Any]], index: FeatureIndex) -> Callable[..., tuple[Any, Any]]:
    """``show(**options)`` gives the view and its locator."""

    def show(of: FeatureIndex = index, width: int = 1160, **options: Any) -> tuple[FeatureBrowser, Any]:
        view = FeatureBrowser(of, **options)
        (place,) = mount(browser_page, view, width=width)
        frame(browser_page)
        return view, place

    return show


def rows(place: Any) -> list[str]:
    """The latents in sight, from the top."""
    return place.locator(".fb-row:not([hidden])").evaluate_all(
        """all => all.map(one => [Number(one.getAttribute('aria-posinset')), one.firstChild.textContent])
            .sort((a, b) => a[0] - b[0]).map(one => one[1])"""
    )


def search(page: Any, place: Any, kind: str, words: str) -> None:
    place.get_by_label("Search by").select_option(kind)
    place.get_by_label("Search the latents").fill(words)
    rested(page)
    frame(page)


def saved(page: Any, place: Any, kind: str) -> str:
    place.get_by_role("button", name="Save").click()
    with page.expect_download() as download:
        place.get_by_role("menuitem", name=kind, exact=True).click()
    return Path(download.value.path()).read_text(encoding="utf-8")


def test_the_list_is_sorted_filtered_and_walked(show: Any, browser_page: Any, index: FeatureIndex) -> None:
    view, place = show()
    table = index.table
    by_rate = table.sort_values("rate", ascending=False, kind="stable")["feature"].astype(str).tolist()
    assert rows(place)[:12] == by_rate[:12]
    assert table["top_tokens"][int(by_rate[0])] in place.locator(".fb-row").first.get_attribute("aria-label")
    place.locator(".fb-header").get_by_role("button", name="max").click()
    assert view.sort == ["max", "descending"]
    assert rows(place)[0] == str(table["max"].idxmax())
    place.get_by_label("Filter the rows").fill("dead = 1")
    assert rows(place) == table["feature"][table["dead"]].astype(str).tolist()
    assert "3 of 512 latents" in place.inner_text()
    view.filter = ""
    frame(browser_page)
    place.get_by_role("listbox").focus()
    for key in ("End", "ArrowUp", "Enter"):
        browser_page.keyboard.press(key)
    frame(browser_page)
    last = table.sort_values(["max", "feature"], ascending=[False, True])["feature"].tolist()[-2]
    assert view.latent == last
    assert "never fired" in place.locator("[aria-selected=true]").get_attribute("aria-label")
    assert "It fired on no token" in place.locator(".fb-content").inner_text()


def test_a_page_leads_to_its_neighbours_and_back(show: Any, browser_page: Any, index: FeatureIndex) -> None:
    view, place = show(latent=27)
    content = place.locator(".fb-content")
    said = content.inner_text()
    assert "'Lily'" in said
    assert f"{index.arrays['count'][27]} of 20,741 tokens" in said
    token = content.locator(".fb-line").first.locator(".fb-behind .fb-token").first
    token.hover()
    assert f"activation {index.top(27)['value'][0]:.6f}" in place.locator(".sw-tooltip").inner_text()
    near = int(index.neighbours(27)["feature"][0])
    content.get_by_role("button", name=str(near), exact=True).first.click()
    assert view.latent == near
    place.get_by_role("listbox").focus()
    browser_page.keyboard.press("[")
    assert view.latent == 27
    browser_page.keyboard.press("]")
    assert view.latent == near
    browser_page.keyboard.press("Escape")
    assert view.latent is None


def test_a_typed_text_says_what_fires_token_by_token(show: Any, browser_page: Any, index: FeatureIndex) -> None:
    chosen = Selection()
    view, place = show(selection=chosen)
    place.get_by_role("listbox").focus()
    browser_page.keyboard.press("t")
    browser_page.keyboard.type(TEXT)
    rested(browser_page)
    frame(browser_page)
    found = index.search(fires_on=TEXT, n=512)
    assert view.search == TEXT
    assert rows(place)[:8] == found["feature"].astype(str).tolist()[:8]
    first = place.locator(".fb-firing").first
    assert first.locator("b").inner_text() == str(found["feature"][0])
    tokens, codes = index.encode(TEXT)
    place.locator(".fb-choice").nth(4).click()
    assert (tokens[4], chosen.tokens) == ("went", [4])
    on_token = codes.to_dense()[4]
    assert rows(place)[0] == str(int(on_token.argmax()))
    assert f"{int((on_token > 0).sum())} latents fire on went" in place.locator(".fb-content h4").inner_text()
    place.locator(".fb-firing .fb-name").first.click()
    assert view.latent == int(on_token.argmax())
    assert "your text" in place.locator(".fb-content").inner_text()
    view.search = ""
    frame(browser_page)
    assert "512 latents" in place.inner_text()


def test_searches_and_what_they_refuse(show: Any, browser_page: Any, index: FeatureIndex) -> None:
    view, place = show()
    search(browser_page, place, "token", "Lily")
    assert rows(place) == index.search(token="Lily")["feature"].astype(str).tolist()
    search(browser_page, place, "token", "xyzzy")
    assert "is in no list of tokens" in place.get_by_role("alert").first.inner_text()
    search(browser_page, place, "latent", "1000")
    place.get_by_label("Search the latents").press("Enter")
    assert "There is no latent 1000" in place.get_by_role("alert").first.inner_text()
    place.get_by_label("Search the latents").fill("33")
    place.get_by_label("Search the latents").press("Enter")
    assert view.latent == 33


def test_without_a_model_a_text_says_what_it_needs(show: Any, browser_page: Any) -> None:
    _, place = show(FeatureIndex.load("demo"))
    search(browser_page, place, "fires_on", TEXT)
    assert "needs the model" in place.get_by_role("alert").first.inner_text()
    assert len(rows(place)) > 10


def test_hostile_texts_are_texts(show: Any, browser_page: Any, index: FeatureIndex) -> None:
    evil = FeatureIndex(index.manifest, index.arrays, index.contexts, dict.fromkeys(range(1000), EVIL))
    _, place = show(evil, latent=27)
    assert "onerror" in place.locator(".fb-content").inner_text()
    assert place.locator("img").count() == 0
    assert browser_page.evaluate("window.evil") is None


def test_it_is_saved_as_code_tables_and_pictures(show: Any, browser_page: Any, index: FeatureIndex) -> None:
    _, place = show(latent=27)
    lines = list(csv.DictReader(io.StringIO(saved(browser_page, place, "CSV, the latent"))))
    assert {one["latent"] for one in lines} == {"27"}
    assert max(float(one["activation"]) for one in lines if one["activation"] != "not known") == pytest.approx(
        index.table["max"][27]
    )
    listed = list(csv.DictReader(io.StringIO(saved(browser_page, place, "CSV, the list"))))
    assert len(listed) == 512
    assert "Latent 27" in saved(browser_page, place, "SVG")


def test_a_saved_page_opens_its_latents(browser_page: Any, index: FeatureIndex, tmp_path: Path) -> None:
    view = FeatureBrowser(index, latents=[27, 40, 3], latent=27, search=TEXT)
    browser_page.goto(view.to_html(tmp_path / "page.html").as_uri())
    place = browser_page.locator(".fb")
    place.locator(".fb-line").first.wait_for()
    place.get_by_label("Search the latents").fill("")
    place.locator(".fb-row:not([hidden])").nth(2).click()
    place.get_by_text("'Lily'").first.wait_for()
    assert place.locator(".fb-row:not([hidden])").count() == 3


def test_a_narrow_view_shows_the_list_or_the_page(show: Any, browser_page: Any) -> None:
    view, place = show(width=480, search=TEXT)
    rested(browser_page)
    assert place.locator(".fb-page").is_visible()
    place.get_by_role("button", name="List", exact=True).click()
    assert place.locator(".fb-list").is_visible()
    place.locator(".fb-row:not([hidden])").first.click()
    assert place.locator(".fb-page").is_visible()
    assert place.evaluate("one => one.scrollWidth <= one.clientWidth")
    assert view.latent is not None


def test_a_latent_is_scaled_on_the_text_and_the_next_tokens_move(show: Any, browser_page: Any) -> None:
    view, place = show(latent=27, search="When Mary and Lily went to the store , John gave a book to")
    rested(browser_page)
    place.get_by_role("listbox").focus()
    browser_page.keyboard.press("x")
    slider = place.get_by_role("slider").nth(1)
    slider.wait_for()
    slider.focus()
    browser_page.keyboard.press("Home")
    rested(browser_page)
    frame(browser_page)
    assert view.panel.session.strengths[1] == 0
    assert view.panel.start["kl"] > 0
    assert f"{view.panel.start['kl']:.1g}" in place.locator(".fb-panel").inner_text()
    assert place.locator(".fb-panel .sp-right").is_visible()
    place.get_by_role("button", name="Touch", exact=True).click()
    assert place.locator(".fb-content").is_visible()


def test_a_label_of_ones_own_is_written_beside_the_index(show: Any, browser_page: Any, tmp_path: Path) -> None:
    shutil.copytree(demo_index(), tmp_path / "index")
    own = FeatureIndex.load(tmp_path / "index")
    _, place = show(own, latent=27)
    place.get_by_label("your label").fill(EVIL)
    place.get_by_label("your label").press("Enter")
    frame(browser_page)
    assert own.notes[27].label == EVIL
    assert EVIL in place.locator("[aria-selected=true]").inner_text()
    assert browser_page.evaluate("window.evil") is None
    assert json.loads(saved(browser_page, place, "JSON, the latent"))[0]["explanations"][0]["description"] == EVIL


def test_a_page_says_why_its_latent_fires(
    show: Any, browser_page: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def few(*args: Any, **options: Any) -> Any:
        return submit(*args, **options, draws=3, candidates=4, min_effect=1e-4, alpha=0.99)

    monkeypatch.setattr(why_it_fires, "submit", few)
    view, place = show(latent=27, search="Lily ran")
    rested(browser_page)
    place.get_by_role("listbox").focus()
    browser_page.keyboard.press("y")
    place.locator(".fb-parents").wait_for()
    assert view.why is not None
    found = view.why.to_dataframe()
    kept = found[found["included"]].sort_values("score", key=abs, ascending=False)
    names = place.locator(".fb-parents .fb-parent .sw-link").all_inner_texts()
    spoken = {"input": "embeddings", "m": "MLP ", "a": "head "}
    assert len(names) == len(kept) > 0
    assert all(one.startswith(tuple(spoken.values())) for one in names)
    first = place.locator(".fb-parents .fb-parent").nth(1).inner_text().replace("\u2212", "-").split("\n")
    assert float(first[1]) == pytest.approx(kept["score"].iloc[0], abs=0.006)
    assert "Of one prompt there is no interval" in place.locator(".fb-said").inner_text()
    browser_page.evaluate("navigator.clipboard.writeText = (text) => Promise.resolve(void (window.copied = text))")
    place.get_by_role("button", name="open as circuit").click()
    assert "circuit = features.provenance(scope, index.sae, 3, 27, ['Lily ran'], depth=1)\n" in browser_page.evaluate(
        "window.copied"
    )
    place.get_by_role("button", name="Why", exact=True).click()
    assert place.locator(".fb-why").is_hidden()
    page = view.to_html(tmp_path / "why.html")
    browser_page.goto(page.as_uri())
    browser_page.locator(".fb-line").first.wait_for()
    browser_page.get_by_role("button", name="Why", exact=True).click()
    browser_page.locator(".fb-parents").wait_for()
    assert browser_page.locator(".fb-parents .sw-link").all_inner_texts() == names


def test_a_search_that_waits_says_so_and_can_be_stopped(
    show: Any, browser_page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []

    def waits(_index: FeatureIndex, text: str) -> Any:
        def steps() -> Any:
            try:
                while True:
                    yield JobStatus("queued", f"'{text}' waits")
            finally:
                ended.append(text)

        return Job(steps())

    _, place = show()
    loop = Loop()
    monkeypatch.setattr(requests, "asyncio", SimpleNamespace(get_running_loop=lambda: loop))
    monkeypatch.setattr(FeatureIndex, "submit_encode", waits)
    field, status = place.get_by_label("Search the latents"), place.locator(".fb-find [role=status]")
    place.get_by_label("Search by").select_option("fires_on")
    field.fill("one")
    loop.run(browser_page, lambda: "'one' waits" in status.inner_text())
    field.fill("two")  # it does not wait for the first
    loop.run(browser_page, lambda: "'two' waits" in status.inner_text())
    assert ended == ["one"]
    status.get_by_role("button", name="Stop").click()
    loop.run(browser_page, lambda: status.is_hidden() and ended == ["one", "two"])
    assert place.locator(".fb-find").get_by_role("alert").all_inner_texts() == []


def test_why_says_what_it_needs(show: Any) -> None:
    _, place = show(FeatureIndex.load("demo"), latent=27)
    place.get_by_role("button", name="Why", exact=True).click()
    assert "Why a latent fires needs the model" in place.locator(".fb-why [role=alert]").inner_text()
