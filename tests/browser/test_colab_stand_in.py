"""The views in a stand-in for Colab that does what its source does, see tests/support/colab_page."""

import json
import urllib.request

import pytest

from tests.browser.test_hosts import SAVED_PICTURE, SHOW, STEER
from tests.support.colab_page import colab_page
from tests.support.guarded_page import guarded_page
from tests.support.jupyter_server import jupyter_server

pytestmark = [pytest.mark.browser, pytest.mark.notebook_host, pytest.mark.heavy]

LONG = 60_000


def test_views_are_drawn_heard_moved_and_opened_again(browser, tmp_path_factory, screenshot):
    folder, pages = tmp_path_factory.mktemp("jupyter"), tmp_path_factory.mktemp("colab")
    with (
        jupyter_server("jupyterlab", folder, options=["--ServerApp.allow_origin=*"]) as server,
        colab_page(pages) as (notebook, frames),
        guarded_page(browser) as page,
    ):
        start = urllib.request.Request(f"{server}/api/kernels", b"{}", {"Content-Type": "application/json"})
        kernel = json.loads(urllib.request.urlopen(start).read())["id"]
        page.set_viewport_size({"width": 1100, "height": 1150})
        address = f"{notebook}notebook.html?frames={frames}"
        page.goto(f"{address}&server={server.replace('http', 'ws')}&kernel={kernel}")
        page.evaluate("connect()")

        def run(code):
            said = page.evaluate("code => run(code)", code)
            assert "Traceback" not in said, said
            return said

        def frame(n):
            return page.locator("iframe").nth(n).content_frame

        run(f"{SHOW}\ndisplay(view)")
        view = frame(0).locator(".av-cells")
        view.wait_for(timeout=LONG)
        run("display(table)")
        frame(1).locator(".sw-row", has_text="1.2").first.wait_for(timeout=LONG)
        cell = view.bounding_box()["width"] / 4
        view.click(position={"x": 1.5 * cell, "y": 1.5 * cell})
        frame(1).locator(".sw-count", has_text="1 selected").wait_for(timeout=LONG)
        assert run("print(view.selected_heads, table.selected_heads)") == "[(1, 1)] [(1, 1)]\n"
        run("selection.heads = [(2, 1)]")
        for n in range(2):
            frame(n).locator(".sw-bar").first.get_by_text("2.1", exact=True).wait_for(timeout=LONG)
        frame(0).get_by_text("0.125000").first.wait_for(timeout=LONG)  # exact values, which come as bytes
        screenshot(page, "colab", compared=False)

        run(f"{STEER.strip().removesuffix('panel')}display(panel)")
        panel = page.locator("iframe").last.content_frame  # after those of the bars of what was computed
        thumb = panel.locator(".sp-thumb")
        thumb.wait_for(timeout=LONG)
        thumb.focus()
        page.keyboard.press("ArrowRight")
        strength = float(thumb.get_attribute("aria-valuenow"))
        assert strength > 0
        panel.locator(".sw").get_by_text("near", exact=False).last.wait_for(timeout=LONG)
        page.wait_for_function(
            "async (wanted) => Number(await run('print(panel.strengths[0])')) === wanted", arg=strength, timeout=LONG
        )
        page.locator("iframe").last.scroll_into_view_if_needed()
        screenshot(page, "colab-steering", compared=False)

        shown = json.loads(run("import json; print(json.dumps([one.model_id for one in (view, table, panel)]))"))
        saved = page.evaluate("saved()")
        page.goto(address)
        page.evaluate("([all, shown]) => reopen(all, shown)", [saved, shown])
        for n in range(3):
            frame(n).locator(".sw-connection", has_text=SAVED_PICTURE).wait_for(timeout=LONG)
        frame(0).locator(".av-cells").wait_for(timeout=LONG)
        screenshot(page, "colab-reopened", compared=False)
