"""The views in the real JupyterLab, Notebook 7 and marimo: drawn, heard by Python, moved by Python."""

import sys

import pytest

from tests.support.guarded_page import guarded_page
from tests.support.jupyter_server import (
    free_port,
    jupyter_server,
    notebook_url,
    open_notebook,
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


HOSTS = ["jupyterlab", "notebook"]


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
    outputs(2).get_by_text("selected: [(1, 1)] [(1, 1)]").wait_for(timeout=20_000)
    run(3)
    outputs(0).locator(".sw-bar").get_by_text("2.1", exact=True).wait_for(timeout=20_000)
    assert "<img·src=x·onerror=alert(1)>" in outputs(0).locator(".sw").inner_text()


SIX = "from tests.support.six_views import six_views\nviews = six_views()"
NAMES = ["attention_view", "head_table", "logit_lens_view", "patching_map", "steering_panel", "circuit_graph"]
#: keys that JupyterLab has commands for: cut, add above, add below, Markdown, restart the kernel
HOST_KEYS = ["x", "a", "b", "m", "0", "0"]
TWO_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
OVERFLOW = """() => [...document.querySelectorAll(".sw")].flatMap((root) => {
    const found = [];
    for (let at = root; at && !at.matches(".jp-OutputArea"); at = at.parentElement)
        if (at.scrollHeight !== at.clientHeight || at.scrollWidth !== at.clientWidth)
            found.push([root.title || root.ariaLabel, at.className, at.scrollHeight - at.clientHeight]);
    return found;
})"""


@pytest.fixture(scope="module", params=HOSTS)
def six(request, server, browser):
    """A notebook that shows a view of each kind, in each host with the kernel of the first: its page, cells and file."""
    address, folder = server
    path = folder / "six.ipynb"
    run = not path.exists()
    if run:
        write_notebook(path, [SIX, *(f"views[{name!r}]" for name in NAMES)])
    with guarded_page(browser) as page:
        page.set_viewport_size({"width": 1300, "height": 1000})
        cells = open_notebook(page, notebook_url(request.param, address, path.name))
        page.errors.clear()  # Notebook 7 logs one of its own while it loads, before any cell has run
        for at in range(1 + len(NAMES)) if run else ():
            run_cell(page, cells.nth(at))
        page.locator(".sw").nth(len(NAMES) - 1).wait_for(timeout=LONG)
        if run:
            page.keyboard.press("Control+s")  # for the next host
        yield page, cells, path


def test_no_view_is_larger_than_its_root(six):
    page, _, _ = six
    for width in (480, 1000, 1600):
        wide = page.evaluate("document.querySelector('.sw').getBoundingClientRect().width")
        size = page.viewport_size
        page.set_viewport_size({"width": round(size["width"] + width - wide), "height": size["height"]})
        page.evaluate(TWO_FRAMES)
        page.wait_for_function(f"() => !({OVERFLOW})().length", timeout=10_000)


def test_keys_are_the_views_and_with_ctrl_the_hosts(six):
    page, cells, path = six
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
    with page.expect_response(lambda answer: answer.request.method == "PUT" and path.name in answer.url) as saved:
        page.keyboard.press("Control+s")
    assert saved.value.ok


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("host", HOSTS)
def test_jupyter(server, browser_page, screenshot, host, theme):
    address, folder = server
    set_theme(address, theme)
    page = browser_page
    name = f"{host}-{theme}.ipynb"
    write_notebook(folder / name, [f"{SHOW}\nview", "table", READ, WRITE, READ])
    page.set_viewport_size({"width": 1300, "height": 1500})
    cells = open_notebook(page, notebook_url(host, address, name))
    page.errors.clear()

    check(page, lambda n: cells.nth(n).locator(".jp-OutputArea-output").first, lambda n: run_cell(page, cells.nth(n)))
    cells.nth(0).locator(".jp-OutputArea-output").scroll_into_view_if_needed()
    screenshot(page, f"{host}-{theme}", compared=False)


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


def test_a_slider_steers_in_jupyterlab(server, browser_page, screenshot):
    page, (address, folder) = browser_page, server
    write_notebook(folder / "steer.ipynb", [STEER, "print('strength', panel.strengths, panel.steered.difference)"])
    page.set_viewport_size({"width": 1300, "height": 1100})
    cells = open_notebook(page, notebook_url("jupyterlab", address, "steer.ipynb"))
    page.errors.clear()
    run_cell(page, cells.nth(0))
    thumb = page.locator(".sp-thumb")
    thumb.wait_for(timeout=LONG)
    root = page.locator(".sw", has=thumb)
    thumb.focus()
    painted = "([root, press]) => Number(root.dataset.painted) >= press"
    for press in (1, 2, 3):  # each answered before the next, or the last may be asked after the cell that reads it
        page.keyboard.press("ArrowRight")
        page.wait_for_function(painted, arg=[root.element_handle(), press], timeout=LONG)
    strength = float(thumb.get_attribute("aria-valuenow"))
    assert strength > 0
    page.get_by_text("near", exact=False).last.wait_for(timeout=LONG)
    run_cell(page, cells.nth(1))
    cells.nth(1).get_by_text(f"strength [{strength:g}]").wait_for(timeout=LONG)
    screenshot(page, "steering-jupyterlab", compared=False)
    page.goto("about:blank")  # or its socket complains when the server ends


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

if __name__ == "__main__":
    app.run()
"""
    (tmp_path / "nb.py").write_text(notebook)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "marimo", "-q", "run", "nb.py", "--host", "127.0.0.1", "--port", str(port)]
    with serving([*command, "--headless", "--no-token"], f"{address}/health", tmp_path):
        page.set_viewport_size({"width": 1300, "height": 1400})
        page.goto(address)
        view = page.locator(".av-cells")
        view.wait_for(timeout=LONG)
        page.locator(".sw-row", has_text="1.2").first.wait_for(timeout=30_000)
        cell = view.bounding_box()["width"] / 4
        view.click(position={"x": 1.5 * cell, "y": 1.5 * cell})
        page.get_by_text("selected: [(1, 1)]").wait_for(timeout=20_000)
        page.get_by_role("button", name="from Python").click()
        page.locator(".sw-bar").first.get_by_text("2.1", exact=True).wait_for(timeout=20_000)
        screenshot(page, "marimo", compared=False)
