"""The views in the real JupyterLab, Notebook 7 and marimo: drawn, heard by Python, moved by Python."""

import re
import sys
from contextlib import ExitStack, contextmanager

import nbformat
import pytest
from playwright.sync_api import TimeoutError

from tests.support.guarded_page import guarded_page
from tests.support.jupyter_server import (
    end_sessions,
    free_port,
    jupyter_server,
    notebook_url,
    open_notebook,
    put_setting,
    run_cell,
    serving,
    set_theme,
    write_notebook,
)

pytestmark = pytest.mark.notebook_host

LONG = 60_000
SHOW = """
import numpy as np
from tests.support.planted_traces import planted_trace, previous, random, uniform
from scope_widgets import heads, widgets
draw = np.random.default_rng(0)
words = ["When", " Mary", " and", " John", " went", " to", "<img src=x onerror=alert(1)>", " John"]
patterns = [[previous(8), uniform(8), random(8, draw), random(8, draw)] for _ in range(3)]
trace = planted_trace(patterns, [1, 2, 3, 4, 5, 6, 7, 4], words)
scores = heads.score(trace)
selection = widgets.Selection(heads=[(0, 0)])
view = widgets.AttentionView(trace, labels=heads.label(scores), selection=selection)
table = widgets.HeadTable(scores, labels=heads.label(scores), selection=selection)
"""
READ = "print('selected:', view.selected_heads, table.selected_heads)"
WRITE = "selection.heads = [(2, 1)]"
HEARD = [f"{SHOW}\nview", "table", READ, WRITE, READ]
STEER = """
from scope_widgets import Microscope, steering, widgets
scope = Microscope.load("demo")
animals = ["dog", "cat", "bird", "cow"]
plural = steering.direction(
    scope, positive=[f"the {a}s" for a in animals], negative=[f"the {a}" for a in animals], layer=3, name="plural"
)
panel = widgets.SteeringPanel(scope, "the horse", directions=[plural], answer=" run", versus=" runs")
panel
"""
BENCH = """
bench = widgets.Workbench(scope, "When Mary and John went to the store, John gave a drink to", selected_heads=[(2, 1)])
bench
"""
STEERED = [STEER, "print('strength', panel.strengths, panel.steered.difference)"]

HOSTS = ["jupyterlab", "notebook"]
THEMES = {"jupyterlab": "dark", "notebook": "light"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that has both JupyterLab and Notebook 7: its address and its folder."""
    folder = tmp_path_factory.mktemp("jupyter")
    with jupyter_server("jupyterlab", folder) as address:
        yield address, folder


def check(page, outputs, run):
    """Run the five cells: `run(n)` runs the n-th, `outputs(n)` locates what it shows."""
    run(0)
    view = outputs(0).locator(".av-cells")
    view.wait_for(timeout=LONG)
    run(1)
    row = outputs(1).locator(".sw-row", has_text="1.2").first
    row.wait_for(timeout=30_000)
    cell = view.bounding_box()["width"] / 4
    view.click(position={"x": 1.5 * cell, "y": 1.5 * cell})
    outputs(0).locator(".sw-bar").get_by_text("1.1", exact=True).wait_for()
    run(2)
    outputs(2).get_by_text("selected: [(1, 1)] [(1, 1)]").wait_for(timeout=60_000)
    run(3)
    outputs(0).locator(".sw-bar").get_by_text("2.1", exact=True).wait_for(timeout=60_000)
    assert "<img·src=x·onerror=alert(1)>" in outputs(0).locator(".sw").inner_text()


EVERY = "from tests.support.every_view import every_view\nviews = every_view()"
RESTARTED = "The kernel was restarted: run this cell again."
SAVED_PICTURE = "Saved picture: run this cell to go on."
WIDGET = "application/vnd.jupyter.widget-view+json"
NAMES = [
    "attention_view",
    "attribution_view",
    "head_table",
    "logit_lens_view",
    "patching_map",
    "steering_panel",
    "circuit_graph",
    "token_view",
]
#: keys that JupyterLab has commands for: cut, add above, add below, Markdown, restart the kernel
HOST_KEYS = ["x", "a", "b", "m", "0", "0"]
TWO_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
OVERFLOW = """(root) => {
    const found = [];
    for (let at = root; at && !at.matches(".jp-OutputArea"); at = at.parentElement)
        if (at.scrollHeight !== at.clientHeight || at.scrollWidth !== at.clientWidth)
            found.push([root.ariaLabel, at.className, at.scrollHeight, at.clientHeight, at.scrollWidth, at.clientWidth])
    return found;
}"""


@pytest.fixture(scope="module")
def every_in(server, browser):
    """``every_in(host)`` gives a page with a notebook that has a view of each kind, and its cells.

    A kernel needs ten seconds before it shows its first view, so that there is one a host: `HEARD` and `STEERED` stand
    below the views, run by their tests and saved by none.
    """
    address, folder = server
    put_setting(address, "@jupyter-widgets/jupyterlab-manager:plugin", {"saveState": True})
    put_setting(address, "docmanager-extension:plugin", {"autosave": False})
    opened = {}
    with ExitStack() as stack:

        def page_and_cells(host):
            if host in opened:
                return opened[host]
            path = folder / f"every-{host}.ipynb"
            set_theme(address, THEMES[host])
            write_notebook(path, [EVERY, *(f"views[{name!r}]" for name in NAMES), *HEARD, *STEERED, BENCH])
            page = stack.enter_context(guarded_page(browser))
            page.set_viewport_size({"width": 1300, "height": 1000})
            cells = open_notebook(page, notebook_url(host, address, path.name))
            page.errors.clear()  # Notebook 7 logs one of its own while it loads, before any cell has run
            for at in range(1 + len(NAMES)):
                run_cell(page, cells.nth(at))
            page.locator(".sw").nth(len(NAMES) - 1).wait_for(timeout=2 * LONG)
            with page.expect_response(lambda answer: answer.request.method == "PUT" and path.name in answer.url):
                page.keyboard.press("Control+s")
            opened[host] = page, cells
            return page, cells

        yield page_and_cells


@pytest.fixture(scope="module", params=HOSTS)
def every(request, every_in):
    return every_in(request.param)


def fits(page):
    """Look at each view; a host lays out only those in sight."""
    for root in page.locator(".sw").all():
        root.scroll_into_view_if_needed()
        page.evaluate(TWO_FRAMES)
        handle = root.element_handle()
        try:
            page.wait_for_function(f"root => !({OVERFLOW})(root).length", arg=handle, timeout=10_000)
        except TimeoutError:
            pytest.fail(str(page.evaluate(OVERFLOW, handle)))


def test_no_view_is_larger_than_its_root(every):
    page, _ = every
    for width in (480, 1000, 1600):
        wide = page.evaluate("document.querySelector('.sw').getBoundingClientRect().width")
        size = page.viewport_size
        page.set_viewport_size({"width": round(size["width"] + width - wide), "height": size["height"]})
        fits(page)


def test_keys_are_the_views_and_with_ctrl_the_hosts(every):
    page, cells = every
    restarts = []
    page.on("request", lambda request: restarts.append(request.url) if request.url.endswith("/restart") else None)
    before = cells.count()
    for at in range(len(NAMES)):
        place = page.locator(".sw").nth(at)
        # what has the focus may be taken away by a key of the view's own
        for key in HOST_KEYS:
            place.locator("[tabindex='0']:visible").first.focus()
            page.keyboard.press(key)
        page.evaluate(TWO_FRAMES)
        assert page.locator(".jp-Dialog").count() == 0
        assert cells.count() == before
    assert not restarts
    with page.expect_response(lambda answer: answer.request.method == "PUT" and "every-" in answer.url) as saved:
        page.keyboard.press("Control+s")
    assert saved.value.ok


@pytest.mark.parametrize(("host", "theme"), THEMES.items())
def test_jupyter(every_in, screenshot, host, theme):
    page, cells = every_in(host)
    first = 1 + len(NAMES)

    def outputs(n):
        return cells.nth(first + n).locator(".jp-OutputArea-output").first

    check(page, outputs, lambda n: run_cell(page, cells.nth(first + n)))
    outputs(0).scroll_into_view_if_needed()
    screenshot(page, f"{host}-{theme}", compared=False)


@pytest.mark.parametrize("host", HOSTS)
def test_a_workbench_in_jupyter(every_in, screenshot, host):
    page, cells = every_in(host)
    steer, bench = (cells.nth(1 + len(NAMES) + len(HEARD) + at) for at in (0, 2))
    run_cell(page, steer)
    run_cell(page, bench)
    views = bench.locator(".sw")
    views.nth(4).wait_for(timeout=LONG)
    bar, attention, steering, stream, attribution = map(views.nth, range(5))
    bar.locator(".sw-prompt-closed").click()
    bar.locator("textarea").fill("When Anna and Paul went to the park, Paul gave a book to")
    bar.locator("textarea").press("Enter")
    for view in (attention, steering):
        view.get_by_text("Anna").first.wait_for(timeout=60_000)
    seen = set()
    for width in (480, 1000, 1600):
        for _ in range(2):  # Notebook 7 has margins of a share of the page
            size, wide = page.viewport_size, bar.bounding_box()["width"]
            page.set_viewport_size({"width": round(size["width"] + width - wide), "height": size["height"]})
            page.evaluate(TWO_FRAMES)
        screenshot(page, f"workbench-{host}-{width}", compared=False)
        whole, left, right, below = (view.bounding_box() for view in (bar, attention, stream, attribution))
        seen.add(whole["width"] > 904)
        assert (left["x"] < right["x"]) == (whole["width"] > 904)  # two columns of 440 and what is between them
        assert right["x"] == below["x"]
        assert right["x"] + right["width"] <= whole["x"] + whole["width"] + 1
    assert seen == {False, True}
    bar.get_by_role("button", name="Attribution").click()
    views.nth(4).wait_for(state="detached", timeout=60_000)


@pytest.mark.parametrize("host", HOSTS)
def test_a_slider_steers_in_jupyter(every_in, screenshot, host):
    page, cells = every_in(host)
    steer, read = (cells.nth(1 + len(NAMES) + len(HEARD) + at) for at in range(2))
    run_cell(page, steer)
    root, thumb = steer.locator(".sw"), steer.locator(".sp-thumb")
    thumb.wait_for(timeout=LONG)
    thumb.focus()
    painted = "([root, press]) => Number(root.dataset.painted) >= press"
    for press in (1, 2, 3):  # each answered before the next, or the last may be asked after the cell that reads it
        page.keyboard.press("ArrowRight")
        page.wait_for_function(painted, arg=[root.element_handle(), press], timeout=LONG)
    strength = float(thumb.get_attribute("aria-valuenow"))
    assert strength > 0
    root.get_by_text("near", exact=False).last.wait_for(timeout=LONG)
    run_cell(page, read)
    read.get_by_text(f"strength [{strength:g}]").wait_for(timeout=LONG)
    screenshot(page, f"steering-{host}", compared=False)


@pytest.mark.parametrize("host", HOSTS)
def test_a_restarted_kernel_is_said_and_no_number_stands_under_another_setting(every_in, screenshot, host):
    page, _ = every_in(host)
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_text("Restart Kernel…").first.click()  # the question that follows is answered, see open_notebook
    page.locator(".sw-lost").nth(page.locator(".sw").count() - 1).wait_for(timeout=LONG)
    assert set(page.locator(".sw-connection").all_text_contents()) == {RESTARTED}
    fits(page)
    panel = page.locator(".sw").nth(NAMES.index("steering_panel"))
    screenshot(panel, f"{host}-restarted", compared=False)
    set_to, bars = panel.locator(".sp-thumb"), panel.locator(".sp-numbers").first
    before = set_to.get_attribute("aria-valuenow"), bars.inner_text()
    panel.get_by_role("button", name="Reset", exact=True).click()
    page.evaluate(TWO_FRAMES)
    assert (set_to.get_attribute("aria-valuenow"), bars.inner_text()) == before
    page.locator(".av-cells").first.click(position={"x": 30, "y": 30})
    page.locator(".sw-note.sw-error", has_text=RESTARTED).first.wait_for()
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=LONG)
    page.errors.clear()  # what the host logs of the restart


def reopened(page, server, host):
    address, _ = server
    end_sessions(address)
    set_theme(address, THEMES[host])
    page.goto("about:blank")
    open_notebook(page, notebook_url(host, address, f"every-{host}.ipynb"))


@pytest.mark.parametrize("host", HOSTS)
def test_a_notebook_that_is_opened_again_shows_its_pictures(every_in, server, screenshot, host):
    page, _ = every_in(host)
    path = server[1] / f"every-{host}.ipynb"  # as it was when the views were made, see every_in
    reopened(page, server, host)  # with the state of the widgets
    page.locator(".sw").nth(len(NAMES) - 1).wait_for(timeout=LONG)
    assert set(page.locator(".sw-connection").all_text_contents()) == {SAVED_PICTURE}
    assert page.locator(".sw-still:visible").count() == 0
    page.errors.clear()
    page.goto("about:blank")
    saved = nbformat.read(path, 4)
    assert WIDGET not in str(saved.cells[0].outputs), "A finished progress bar leaves no widget."
    del saved.metadata["widgets"]
    nbformat.write(saved, path)
    reopened(page, server, host)
    stills = page.locator(".sw-still")
    for at in range(len(NAMES)):
        stills.nth(at).wait_for(timeout=LONG)
        stills.nth(at).scroll_into_view_if_needed()  # JupyterLab lays out only what is in sight
        assert SAVED_PICTURE in stills.nth(at).inner_text()
    for said in ("Error displaying widget", "Loading widget"):
        assert page.get_by_text(said).locator("visible=true").count() == 0
    inks = "cells => [...new Set(cells.map(cell => getComputedStyle(cell).color))]"
    assert page.locator(".sw-still :is(td, th)").evaluate_all(inks) == ["rgb(28, 30, 33)"]
    stills.first.scroll_into_view_if_needed()
    screenshot(page, f"{host}-reopened", compared=False)
    page.errors.clear()  # ipywidgets logs that the models are not there
    page.goto("about:blank")


#: views are in roots of their own
SHOWS_IN_THREE = """text => {
  const roots = [...document.querySelectorAll("*")].flatMap(one => one.shadowRoot ?? []);
  const nested = roots.flatMap(root => [root, ...[...root.querySelectorAll("*")].flatMap(one => one.shadowRoot ?? [])]);
  return nested.filter(root => root.textContent.includes(text)).length >= 3;
}"""


@contextmanager
def marimo(notebook, folder):
    """Serve a notebook; gives the address."""
    (folder / "nb.py").write_text(notebook)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "marimo", "-q", "run", "nb.py", "--host", "127.0.0.1", "--port", str(port)]
    with serving([*command, "--headless", "--no-token"], f"{address}/health", folder):
        yield address


def test_marimo(browser_page, screenshot, tmp_path):
    page = browser_page
    body = "".join(f"        {line}\n" for line in SHOW.strip().splitlines() if "import" not in line)
    imports = "".join(f"    {line}\n" for line in SHOW.strip().splitlines() if "import" in line)
    names = "np, planted_trace, previous, random, uniform, heads, widgets, mo"
    notebook = f"""import marimo
app = marimo.App()

@app.cell
def _():
{imports}    import marimo as mo
    return {names}

@app.cell
def _({names}):
    def make():
{body}        return view, table, selection
    view, table, selection = make()
    shown = mo.ui.anywidget(view)
    shown
    return shown, view, table, selection

@app.cell
def _(mo, table):
    mo.ui.anywidget(table)
    return

@app.cell
def _(mo):
    button = mo.ui.run_button(label="from Python")
    button
    return (button,)

@app.cell
def _(mo, shown):
    mo.md("selected: " + str([tuple(head) for head in shown.value["selected_heads"]]))
    return

@app.cell
def _(button, selection):
    if button.value:
        selection.heads = [(2, 1)]
    return

@app.cell
def _(widgets):
    from scope_widgets import Microscope
    widgets.Workbench(Microscope.load("demo"), "When Mary and John went to the store, John gave a drink to")
    return

@app.cell
def _(mo, widgets):
    from scope_widgets import features
    index = features.FeatureIndex.load("demo")
    browser = mo.ui.anywidget(widgets.FeatureBrowser(index, latents=[27, 33, 40]))
    browser
    return (browser,)

@app.cell
def _(browser, mo):
    mo.md("open: latent " + str(browser.value["latent"]))
    return

if __name__ == "__main__":
    app.run()
"""
    with marimo(notebook, tmp_path) as address:
        page.set_viewport_size({"width": 1300, "height": 1400})
        page.goto(address)
        view = page.locator(".av-cells").first  # before those of the workbench
        view.wait_for(timeout=LONG)
        page.locator(".sw-row", has_text="1.2").first.wait_for(timeout=30_000)
        cell = view.bounding_box()["width"] / 4
        view.click(position={"x": 1.5 * cell, "y": 1.5 * cell})
        page.get_by_text("selected: [(1, 1)]").wait_for(timeout=60_000)
        page.get_by_role("button", name="from Python").click()
        page.locator(".sw-bar").first.get_by_text("2.1", exact=True).wait_for(timeout=60_000)
        screenshot(page, "marimo", compared=False)
        page.locator(".sw-prompt-closed").click()  # the bar's, of a workbench
        page.locator("textarea:focus").fill("When Anna and Paul went to the park, Paul gave a book to")
        page.locator("textarea:focus").press("Enter")
        # attention, lens and steering have the prompt's tokens
        page.wait_for_function(SHOWS_IN_THREE, arg="Anna", timeout=60_000)
        screenshot(page, "marimo-workbench", compared=False)
        page.locator(".fb-row[aria-label^='latent 33,']").click()
        page.get_by_text("open: latent 33").wait_for(timeout=60_000)
        page.locator(".fb-line").first.wait_for(timeout=60_000)


def test_a_slider_steers_in_a_dark_marimo(browser_page, screenshot, tmp_path):
    page = browser_page
    body = "".join(f"    {line}\n" for line in STEER.strip().splitlines()[:-1])
    notebook = f"""import marimo
app = marimo.App()

@app.cell
def _():
    import marimo as mo
{body}    shown = mo.ui.anywidget(panel)
    shown
    return mo, shown, panel

@app.cell
def _(mo, panel, shown):
    mo.md(f"strength {{shown.value['strengths']}}, {{panel.steered.difference:.6f}}")
    return
"""
    (tmp_path / "pyproject.toml").write_text('[tool.marimo.display]\ntheme = "dark"\n')
    with marimo(notebook, tmp_path) as address:
        page.goto(address)
        root, thumb = page.locator(".sw"), page.locator(".sp-thumb")
        thumb.wait_for(timeout=LONG)
        before = page.get_by_text("strength [0.0]").inner_text()
        thumb.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("root => Number(root.dataset.painted) >= 1", arg=root.element_handle(), timeout=LONG)
        strength = float(thumb.get_attribute("aria-valuenow"))
        said = page.get_by_text(f"strength [{strength:g}]")
        said.wait_for(timeout=LONG)
        assert said.inner_text().split(", ")[1] != before.split(", ")[1]  # what Python has is steered
        ink, ground = root.evaluate("one => [getComputedStyle(one).color, getComputedStyle(one).backgroundColor]")
        assert min(channels(ink)) > 150
        assert ground == page.evaluate("getComputedStyle(document.body).backgroundColor")
        screenshot(page, "marimo-dark", compared=False)


def channels(colour):
    return [int(one) for one in re.findall(r"\d+", colour)]
