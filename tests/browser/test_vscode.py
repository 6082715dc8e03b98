"""The views in Microsoft's own widget manager, which is what VS Code's Jupyter extension shows them with."""

import json
import urllib.request

import pytest

from tests.browser.test_hosts import BENCH, SHOW, STEER
from tests.support.guarded_page import guarded_page
from tests.support.jupyter_server import jupyter_server
from tests.support.vscode_page import vscode_page

pytestmark = [pytest.mark.browser, pytest.mark.notebook_host, pytest.mark.heavy]

LONG = 60_000
#: the bridge turns each byte into a number of JSON
LARGEST_MESSAGE = 1_000_000


@pytest.fixture(scope="module")
def notebook(browser, tmp_path_factory):
    """``notebook(theme)`` gives a page with a new kernel, whose function ``run`` runs a cell."""
    folder, pages = tmp_path_factory.mktemp("jupyter"), tmp_path_factory.mktemp("vscode")
    options = ["--ServerApp.allow_origin=*"]
    with jupyter_server("jupyterlab", folder, options=options) as server, vscode_page(pages) as (extension, webview):

        def opened(page, theme="light"):
            start = urllib.request.Request(f"{server}/api/kernels", b"{}", {"Content-Type": "application/json"})
            kernel = json.loads(urllib.request.urlopen(start).read())["id"]
            socket = server.replace("http", "ws")
            page.goto(f"{extension}extension.html?server={socket}&kernel={kernel}&webview={webview}&theme={theme}")
            cells = page.frame_locator("iframe")
            cells.locator("#container").wait_for(state="attached", timeout=LONG)
            page.wait_for_function("() => globalThis.run")
            return cells, lambda code: page.evaluate("code => run(code)", code)

        yield opened


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_views_are_drawn_heard_and_moved(browser, notebook, screenshot, theme):
    with guarded_page(browser) as page:
        page.set_viewport_size({"width": 1100, "height": 1000})
        cells, run = notebook(page, theme)
        assert run(f"{SHOW}\ndisplay(view)") == ""
        view = cells.locator(".av-cells")
        view.wait_for(timeout=LONG)
        run("display(table)")
        cells.locator(".sw-row", has_text="1.2").first.wait_for(timeout=LONG)
        assert cells.locator(".sw-still:visible").count() == 0
        cell = view.bounding_box()["width"] / 4
        view.click(position={"x": 1.5 * cell, "y": 1.5 * cell})
        cells.locator(".sw-bar").first.get_by_text("1.1", exact=True).wait_for()
        said = run("print(view.selected_heads, table.selected_heads)")
        assert said == "[(1, 1)] [(1, 1)]\n"
        run("selection.heads = [(2, 1)]")
        cells.locator(".sw-bar").first.get_by_text("2.1", exact=True).wait_for(timeout=LONG)
        ground = "one => getComputedStyle(one.closest('.sw')).backgroundColor"
        assert view.evaluate(ground) == {"light": "rgb(255, 255, 255)", "dark": "rgb(31, 31, 31)"}[theme]
        behind = cells.locator(".cell-output-ipywidget-background").first
        assert behind.evaluate("one => getComputedStyle(one).backgroundColor") == "rgba(0, 0, 0, 0)"
        view.scroll_into_view_if_needed()
        screenshot(page, f"vscode-{theme}", compared=False)
        assert page.evaluate("largest") < LARGEST_MESSAGE


def test_a_slider_steers_and_a_workbench_is_asked_another_prompt(browser, notebook, screenshot):
    with guarded_page(browser) as page:
        page.set_viewport_size({"width": 1100, "height": 1000})
        cells, run = notebook(page)
        assert "Traceback" not in run(f"{STEER.strip().removesuffix('panel')}display(panel)")
        thumb = cells.locator(".sp-thumb")
        thumb.wait_for(timeout=LONG)
        thumb.focus()
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        strength = float(thumb.get_attribute("aria-valuenow"))
        assert strength > 0
        cells.locator(".sw").get_by_text("near", exact=False).last.wait_for(timeout=LONG)
        page.wait_for_function(
            "async (wanted) => Number(await run('print(panel.strengths[0])')) === wanted", arg=strength, timeout=LONG
        )
        screenshot(page, "vscode-steering", compared=False)
        run(f"{BENCH.strip().removesuffix('bench')}display(bench)")
        # the bar's: the first is that of the panel above
        cells.locator(".sw").nth(1).locator(".sw-prompt-closed").click(timeout=LONG)
        box = cells.locator("textarea:focus")
        box.fill("When Anna and Paul went to the park, Paul gave a book to")
        box.press("Enter")
        cells.locator(".sw").nth(2).get_by_text("Anna").first.wait_for(timeout=LONG)
        assert "Anna" in run("print(bench.prompt)")
        cells.locator(".sw").nth(1).scroll_into_view_if_needed()
        screenshot(page, "vscode-workbench", compared=False)
        assert page.evaluate("largest") < LARGEST_MESSAGE
