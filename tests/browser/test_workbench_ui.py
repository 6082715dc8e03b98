"""The workbench in a browser: it opens with a view, keeps what it shows, and takes any text as a text."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="The extra [ui] is not installed.")

from scope_widgets import report, tracking
from scope_widgets._progress import tqdm
from scope_widgets.apps.workbench.workspace import LAST_LAYOUT
from scope_widgets.widgets.core.bundle import STATIC
from scope_widgets.widgets.workbench.panels import followed_page
from tests.support import view_page, workbench_server
from tests.support.guarded_page import guarded_page
from tests.support.view_page import until

pytestmark = pytest.mark.skipif(not (STATIC / "workbench.js").exists(), reason="The bundles are not built.")

OTHER = "When Anna and Paul went to the park, Paul gave a book to"
HOSTILE = "</script><img src=x onerror=alert(1)> \u202e javascript:alert(1)"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with workbench_server.served(tmp_path_factory.mktemp("workspace"), root_path="/lab") as server:
        yield server


@pytest.fixture
def page(browser: Any, served: Any) -> Iterator[Any]:
    with guarded_page(browser) as one:
        # on the thread that writes it: what the test before has laid out is not what this one begins with
        served.workspace.kernel.call((served.workspace.files.folder / LAST_LAYOUT).unlink, missing_ok=True)
        opened(one, served)
        yield one


def opened(page: Any, served: Any) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(served.address.replace("/#", "/lab/#"))
    page.locator(".av-grid canvas, .wp-panel canvas").first.wait_for()


def panels(page: Any) -> list[str]:
    return [one.get_attribute("data-panel") for one in page.locator(".wp-panel").all()]


def add(page: Any, title: str) -> None:
    page.get_by_role("button", name="Add a panel: Panel").click()
    page.get_by_role("menuitem").filter(has_text=re.compile(f"^{title}")).click()


def prompt(page: Any, text: str) -> None:
    field = page.get_by_label("Prompt : Enter runs it")
    field.fill(text)
    field.press("Enter")
    page.locator(".wp-chip").filter(has_text=text.split()[1]).wait_for()


def settled(page: Any) -> None:
    """Wait until the tab has how the page stands."""
    now = panels(page)
    until(page, "(ids) => ids.every((id) => (sessionStorage.getItem('scope-widgets.layout') ?? '').includes(id))", now)


def test_it_opens_with_views_and_keeps_its_state(page: Any, screenshot: Any) -> None:
    assert "token" not in page.url  # it is in the tab, and not in the address
    assert page.locator(".wp-panel").count() == 4
    page.locator(".wp-chip").nth(2).click()
    prompt(page, OTHER)
    page.locator(".wp-panel .sw-token:visible").filter(has_text="Anna").first.wait_for()
    assert page.locator(".wp-chip[aria-selected=true]").count() == 1
    settled(page)
    before = panels(page)
    page.reload()
    page.locator(".wp-chip").filter(has_text="Anna").wait_for()
    page.locator(".wp-panel canvas").first.wait_for()
    assert panels(page) == before
    assert page.locator(".wp-chip[aria-selected=true]").text_content() == "Anna"
    screenshot(page, "workbench_ui", compared=False)


def test_a_dark_workbench_is_dark_throughout(page: Any, screenshot: Any) -> None:
    """The page and each view in it have light ink on a dark ground, whichever was there first."""
    page.emulate_media(color_scheme="dark")
    until(
        page,
        """() => [document.body, ...document.querySelectorAll(".wp-panel .sw")].every((one) => {
          const light = (colour) => Math.max(...colour.match(/[0-9.]+/g).slice(0, 3).map(Number));
          const { color, backgroundColor } = getComputedStyle(one);
          return light(color) > 150 && light(backgroundColor) < 60;
        })""",
    )
    assert page.locator(".wp-panel .sw").count()
    screenshot(page, "workbench_ui_dark", compared=False)


def test_panels_are_added_moved_closed_and_come_back(page: Any) -> None:
    before = panels(page)
    add(page, "Tokens")
    new = page.locator(".wp-panel").filter(has=page.locator(".tv-panel, .tv-text, canvas")).last
    new.wait_for()
    (id,) = set(panels(page)) - set(before)
    panel = page.locator(f"[data-panel='{id}']")
    panel.locator(".sw-bar").wait_for()
    assert panel.evaluate("(one) => one === document.activeElement")
    page.keyboard.press("Alt+ArrowUp")
    moved = panels(page)
    assert sorted(moved) == sorted([*before, id])
    page.keyboard.press("Alt+Backspace")
    assert panels(page) == before
    page.keyboard.press("Control+z")
    page.locator(f"[data-panel='{id}'] .sw-bar").wait_for()
    assert panels(page) == moved
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert panels(page) == before
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()
    page.keyboard.press("Escape")
    add(page, "Patching")
    form = page.locator(".wp-form")
    form.wait_for()
    until(page, "() => document.querySelector('.wp-form textarea').value.includes('Mary gave')")
    form.get_by_role("button", name="Run").click()
    page.get_by_text("clean", exact=True).first.wait_for()
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("group", name="Prompt B").locator(".wp-chip").first.wait_for()
    page.locator(".wp-panel[data-side=b] canvas").first.wait_for()
    page.get_by_role("button", name="Compare").click()
    until(page, "() => !document.querySelector('.wp-panel[data-side=b]')")


def test_a_second_window_opens_as_was_last_laid_out_and_writes_nothing(page: Any, browser: Any, served: Any) -> None:
    kept = served.workspace.files.folder / LAST_LAYOUT
    view_page.rested(page)
    assert not kept.exists()  # nothing was changed
    add(page, "Tokens")
    prompt(page, OTHER)
    page.locator(".wp-chip").nth(4).click()
    view_page.rested(page)
    page.keyboard.press("f")
    page.get_by_role("dialog").get_by_text(LAST_LAYOUT).wait_for()  # so it has come to the server
    page.keyboard.press("Escape")
    before = kept.stat().st_mtime_ns
    with guarded_page(browser) as second:
        opened(second, served)
        second.get_by_role("status").filter(has_text="as they were last laid out").wait_for()
        second.locator(".wp-panel .tv-panel").wait_for()
        assert panels(second) == panels(page)
        assert second.locator(".wp-chip[aria-selected=true]").text_content() == "Paul"
        view_page.rested(second)
        second.keyboard.press("f")
        second.get_by_role("dialog").get_by_text(LAST_LAYOUT).wait_for()
        assert kept.stat().st_mtime_ns == before
        second.keyboard.press("Escape")
        second.locator(".wp-panel").first.get_by_role("button", name="Close this panel").click()
        view_page.rested(second)
        assert panels(page) == [*panels(page)[:1], *panels(second)]  # each window is its own
        page.reload()
        page.locator(".wp-panel canvas").first.wait_for()
        view_page.rested(page)
        assert len(panels(page)) == 5
        written = json.loads(kept.read_text())["layout"]["columns"]
        assert sorted(one["id"] for column in written for one in column) == sorted(panels(second))  # the last change


def scroll_to_top(page: Any) -> None:
    """Turn the wheel until the page is at its top; Chromium drops a turn that meets a smooth scroll of the page."""
    while page.evaluate("scrollY") > 0:
        page.mouse.wheel(0, -5000)


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_a_new_panel_comes_into_sight_and_has_the_focus(page: Any, motion: Any) -> None:
    page.emulate_media(reduced_motion=motion)
    page.evaluate("""() => {
        globalThis.scrolled = new Set();
        const scroll = Element.prototype.scrollIntoView;
        Element.prototype.scrollIntoView = function (how) { scrolled.add(how.behavior); scroll.call(this, how); };
    }""")
    before = panels(page)
    add(page, "Heads")
    page.locator(".ht-grid, .wp-panel [role=grid]").last.wait_for()
    (id,) = set(panels(page)) - set(before)
    until(
        page,
        """(id) => {
          const panel = document.querySelector(`[data-panel="${id}"]`);
          const [top, { bottom }] = [document.querySelector(".wp-top"), panel.getBoundingClientRect()];
          const covered = top.getBoundingClientRect().bottom;
          const shown = panel.getBoundingClientRect().top >= covered && bottom <= innerHeight;
          return document.activeElement === panel && panel.querySelector(".sw-bar") && shown;
        }""",
        id,
    )
    assert page.evaluate("[...scrolled]") == ["instant" if motion == "reduce" else "smooth"]
    page.mouse.move(4, 450)
    scroll_to_top(page)  # and whoever goes away is not carried back
    page.locator("[role=separator]").first.dispatch_event("keydown", {"key": "ArrowDown"})  # the column grows
    view_page.rested(page)
    assert page.evaluate("scrollY") == 0


def test_a_model_is_documented_and_measured_from_a_panel(
    page: Any, served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def analyse(scope: Any, folder: Any) -> None:
        for _ in tqdm(range(4), desc="Writing entries"):
            go_on.wait(60)
        report.write(report.document(scope, []), folder)

    monkeypatch.setattr(report, "analyse", analyse)
    add(page, "Report")
    panel = page.get_by_role("region", name="Report")
    panel.get_by_role("button", name="Run").click()
    panel.get_by_role("alert").filter(has_text="There is no report in 'report'").wait_for()
    panel.get_by_role("button", name="Document this model").click()
    panel.get_by_text("Report: Writing entries").wait_for()
    page.get_by_role("button", name="1 running").wait_for()
    panel.get_by_role("button", name="Stop").click()
    panel.get_by_role("alert").filter(has_text="Stopped.").wait_for()
    go_on.set()
    panel.get_by_role("button", name="Document this model").click()
    panel.locator(".fp-frame").wait_for()
    page.reload()
    page.get_by_role("region", name="Report").locator(".fp-frame").wait_for()


#: sockets of the page, for a test to end one
SOCKETS = """globalThis.sockets = [];
globalThis.WebSocket = class extends WebSocket { constructor(...args) { super(...args); sockets.push(this); } };"""
#: what is said while the socket ends is lost on the way
SAY = """(text) => {
    sockets.at(-1).close();
    const field = document.querySelector('.wp-field');
    field.value = text;
    field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
}"""


def test_what_is_said_when_the_connection_is_lost_is_heard_when_it_is_back(browser: Any, served: Any) -> None:
    with guarded_page(browser) as page:
        page.add_init_script(SOCKETS)
        page.goto(served.address.replace("/#", "/lab/#"))
        page.locator(".wp-panel canvas").first.wait_for()
        settled(page)
        before = panels(page)
        page.evaluate(SAY, HOSTILE)
        page.locator(".wp-chips").filter(has_text="<unk>:<unk>").first.wait_for()  # of a small vocabulary
        assert page.evaluate("sockets.length") == 2
        assert panels(page) == before
        assert page.locator("img").count() == 0  # and it is a text
        assert page.evaluate("document.scripts.length") == 1
        for width, columns in ((1280, 2), (480, 1)):
            page.set_viewport_size({"width": width, "height": 900})
            until(page, "(n) => document.querySelectorAll('.wp-column').length === n", columns)
            more = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert more == 0


def test_without_the_token_nothing_is_shown(browser: Any, served: Any) -> None:
    with guarded_page(browser) as page:
        page.goto(f"http://{served.host}/lab")
        page.get_by_text("this tab does not know it").wait_for()
        assert page.url.endswith("/lab/")
        page.get_by_label("Address or token").fill(served.address)
        page.get_by_role("button", name="Open").click()
        page.locator(".wp-panel canvas").first.wait_for()


def test_without_python_a_head_is_found_steered_and_saved(page: Any, screenshot: Any) -> None:
    attribution = page.get_by_role("region", name="Attribution")
    attribution.get_by_text("3.1", exact=True).first.click()
    steering = page.get_by_role("region", name="Steering")
    steering.get_by_role("button", name="Add head 3.1").click()
    slider = steering.get_by_role("slider").first
    slider.focus()
    slider.press("Home")
    until(page, "() => !document.querySelector('.sp-slider .sp-field')?.value.startsWith('1')")
    form = steering.get_by_role("form", name="Add a slider")
    form.get_by_label("more").fill("John")
    form.get_by_label("less").fill("Mary")
    form.get_by_role("button", name="Add").click()
    steering.get_by_text("add John over Mary").wait_for()
    assert steering.locator(".sp-field").first.input_value() == "0"  # the head stays as it was put
    form.get_by_label("more").fill("Nebuchadnezzar")
    form.get_by_label("less").fill("Mary")
    form.get_by_role("button", name="Add").click()
    steering.get_by_text("vocabulary").first.wait_for()
    page.get_by_role("button", name="More").click()
    with page.expect_download() as saved:
        page.get_by_role("menuitem").filter(has_text="Save as a page").click()
    assert saved.value.suggested_filename == "session.html"
    page.get_by_role("status").filter(has_text=re.compile("session.html, .* in the downloads")).wait_for()
    assert saved.value.path().read_text().count('"unsteered":true') == 3
    words = page.locator(".wp-panel").get_by_text("Without steering.", exact=True)
    assert words.count() == 3
    assert steering.get_by_text("Without steering.", exact=True).count() == 0
    screenshot(page, "workbench_steered", compared=False)


def test_runs_are_shown_as_they_come_in_a_frame_without_scripts(
    page: Any, served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_page, "LOOK_S", 0.05)
    monkeypatch.setattr(followed_page, "_REST", 0.0)
    with tracking.run(served.workspace.files.folder / "one", config={"note": HOSTILE}) as run:
        run.log({"loss": 0.25})
    add(page, "Runs")
    page.locator(".wp-form").get_by_role("button", name="Run").click()
    page.locator(".fp-frame").wait_for()
    frame = page.frame_locator(".fp-frame")
    frame.get_by_text("0.25").wait_for()
    assert frame.locator("img, script").count() == 0
    page.mouse.move(1, 1)
    with tracking.run(served.workspace.files.folder / "another") as run:
        run.log({"loss": 0.5})
    frame.get_by_text("another", exact=True).first.wait_for()  # it has come by itself
    frame.get_by_text("done", exact=True).nth(1).wait_for()
    scroll_to_top(page)  # Chromium knows that the pointer is on a frame only where it has scrolled beneath it
    page.locator(".fp-frame").hover()
    with tracking.run(served.workspace.files.folder / "third"):
        pass
    page.locator(".fp-later").wait_for()  # nobody is thrown to the top of what they read
    assert frame.get_by_text("third", exact=True).count() == 0
    page.mouse.move(1, 1)
    frame.get_by_text("third", exact=True).first.wait_for()
    assert page.locator(".fp-later").is_hidden()
