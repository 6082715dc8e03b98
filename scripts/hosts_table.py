"""Write docs/hosts.md: what works in which host, each cell by the test that says so.

``python -m scripts.hosts_table`` writes it; tests/scripts/test_hosts_table.py fails where it is not what stands here,
or where a test that it names is not there.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "hosts.md"

HEADER = """\
# What works where

<!-- Made by `python -m scripts.hosts_table` from the names of tests: change that, not this page. -->

A number leads to the test below that says so, in a real Chromium. "Picture" is a saved one, with its table. "No" is
where the host cannot: there is no kernel, or nothing runs. A letter leads to the reason why something was not run.
Other browsers were not tried.
"""

FOOTER = """\
## What was found, and what it means for you

- **VS Code.** The tests run Microsoft's widget manager (`@vscode/jupyter-ipywidgets8`, as it is in the Jupyter
  extension) in a page that does what the extension's webview does: all messages as JSON, bytes as lists of numbers,
  `anywidget` loaded from the kernel's `share/jupyter/nbextensions`, a white ground below every widget. Not VS Code
  itself, whose Jupyter extension is in no registry of packages. Views take VS Code's own colours, dark ones too,
  and remove the white ground. Messages stay under 1 MB.
- **A notebook opened again in VS Code**, here in code-server 4.100.3, whose notebook editor is VS Code's: each view
  is its saved picture, and where the widget was is nothing.
- **Colab** cannot run here. The stand-in does what the source of its widget manager does: a sandboxed frame of
  another origin for each output, ipywidgets' own base, models by their state, bytes as `Uint8Array`, JSON before
  `postMessage`. Colab's page around it is not public. anywidget turns Colab's manager for third-party widgets on by
  itself; that manager loads anywidget's script from a CDN.
- **GitHub** takes scripts, styles and ids away and runs nothing. The test takes them away too, and keeps what
  GitHub's published sanitizer keeps; pictures in `data:` addresses are said to be shown there, which was not tried.
  Each picture is there as SVG in the HTML and as PNG beside it.
- A host that knows no widgets shows the saved picture, one that shows no HTML the PNG, and one that shows neither
  the text.
"""

COLUMNS = (
    "drawn, linked to others",
    "Python hears and moves it",
    "a slider steers",
    "workbench",
    "dark",
    "opened again",
)

#: what has no cell of its own
NO_KERNEL = "no"
_HOSTS = "tests/browser/test_hosts.py::"
_CODE = "tests/browser/test_vscode.py::"
_COLAB = "tests/browser/test_colab_stand_in.py::test_views_are_drawn_heard_moved_and_opened_again"
_SAVED = _HOSTS + "test_a_notebook_that_is_opened_again_shows_its_pictures"
_PAGE = "tests/browser/test_saved_page.py::"
_UI = "tests/browser/test_workbench_ui.py::"
_NBCONVERT = "tests/widgets/test_base.py::test_nbconvert_without_widget_state_shows_the_still"
_GITHUB = "tests/browser/test_github.py::test_each_view_leaves_a_picture_or_a_table"
_SERVER = "tests/browser/test_code_server.py::test_a_saved_notebook_shows_its_pictures"
_OTHER_THEME = "Not run, because it is the same page and manager as in JupyterLab, where it was."
_STEERED = _HOSTS + "test_a_slider_steers_in_jupyter"
_WORKBENCH = _HOSTS + "test_a_workbench_in_jupyter"
_MARIMO = _HOSTS + "test_a_slider_steers_in_a_dark_marimo"
_PAPER = "Not run, because saved pictures are on white paper in a dark host too."
_MARIMO_SAVED = "Not run, because a marimo notebook is code without outputs."
_FRAME = "Not run, because a workbench is several views in one output, of which the test has one at a time."
_COLAB_DARK = "Not run, because what Colab tells its frames of its theme is not public."
_NO_CELLS = "Not run, because there are no cells beside the views; programs use [its API](workbench_api.md)."
#: what is shown there is a saved picture
PICTURES = (_SERVER, _NBCONVERT, _GITHUB)

#: host: a test, a reason or `NO_KERNEL` for each of `COLUMNS`
HOSTS: dict[str, tuple[str, ...]] = {
    "JupyterLab": (
        _HOSTS + "test_jupyter",
        _HOSTS + "test_jupyter",
        _STEERED,
        _WORKBENCH,
        _HOSTS + "test_jupyter",
        _SAVED,
    ),
    "Notebook 7": (_HOSTS + "test_jupyter", _HOSTS + "test_jupyter", _STEERED, _WORKBENCH, _OTHER_THEME, _SAVED),
    "marimo": (
        _HOSTS + "test_marimo",
        _HOSTS + "test_marimo",
        _MARIMO,
        _HOSTS + "test_marimo",
        _MARIMO,
        _MARIMO_SAVED,
    ),
    "VS Code, Microsoft's widget manager": (
        _CODE + "test_views_are_drawn_heard_and_moved",
        _CODE + "test_views_are_drawn_heard_and_moved",
        _CODE + "test_a_slider_steers_and_a_workbench_is_asked_another_prompt",
        _CODE + "test_a_slider_steers_and_a_workbench_is_asked_another_prompt",
        _CODE + "test_views_are_drawn_heard_and_moved",
        _SERVER,
    ),
    "code-server, without a kernel": (_SERVER, NO_KERNEL, NO_KERNEL, NO_KERNEL, _PAPER, _SERVER),
    "Colab, by a stand-in": (_COLAB, _COLAB, _COLAB, _FRAME, _COLAB_DARK, _COLAB),
    "nbconvert": (_NBCONVERT, NO_KERNEL, NO_KERNEL, NO_KERNEL, _PAPER, _NBCONVERT),
    "GitHub, by what it takes away": (_GITHUB, NO_KERNEL, NO_KERNEL, NO_KERNEL, _PAPER, _GITHUB),
    "a saved page": (
        _PAGE + "test_linked_views_work_from_disk",
        NO_KERNEL,
        NO_KERNEL,
        "tests/browser/test_workbench_page.py::test_nothing_of_a_workbench_runs_over_an_edge",
        _PAGE + "test_the_page_follows_the_readers_scheme",
        _PAGE + "test_linked_views_work_from_disk",
    ),
    "`microscope ui`": (
        _UI + "test_it_opens_with_views_and_keeps_its_state",
        _NO_CELLS,
        _UI + "test_without_python_a_head_is_found_steered_and_saved",
        _UI + "test_panels_are_added_moved_closed_and_come_back",
        _UI + "test_a_dark_workbench_is_dark_throughout",
        _UI + "test_it_opens_with_views_and_keeps_its_state",
    ),
}


def tests_and_reasons() -> tuple[list[str], list[str]]:
    """Return the tests that are named and the reasons that are given, each once, as they come.

    Returns
    -------
    tuple of (list of str, list of str)
    """
    cells = dict.fromkeys(cell for row in HOSTS.values() for cell in row if cell != NO_KERNEL)
    return [cell for cell in cells if "::" in cell], [cell for cell in cells if "::" not in cell]


def page() -> str:
    """Return the page.

    Returns
    -------
    str
        Markdown.
    """
    tests, reasons = tests_and_reasons()

    def shown(cell: str) -> str:
        if cell == NO_KERNEL:
            return cell
        works = "picture" if cell in PICTURES else "yes"
        return f"{works}, {tests.index(cell) + 1}" if cell in tests else f"not run, {chr(97 + reasons.index(cell))}"

    rows = [["", *COLUMNS], ["---"] * (len(COLUMNS) + 1)]
    rows += [[host, *map(shown, cells)] for host, cells in HOSTS.items()]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    numbers = "\n".join(f"{n}. `{test}`" for n, test in enumerate(tests, 1))
    letters = "\n".join(f"- {chr(97 + n)}: {reason}" for n, reason in enumerate(reasons))
    return f"{HEADER}\n{table}\n\n## The tests\n\n{numbers}\n\n## Not run\n\n{letters}\n\n{FOOTER}"


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
