"""What shows views, and what each host needs: JupyterLab, Notebook, VS Code, marimo, a saved page."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from scope_widgets.cli.installation.finding import Finding
from scope_widgets.cli.installation.packages import version_of

#: hosts, and the oldest version that the tests are run with
TESTED = {"jupyterlab": "4.2", "notebook": "7.2", "marimo": "0.9"}
#: what a Jupyter server gives to the page, and the package that brings it
EXTENSIONS = {
    "labextensions/@jupyter-widgets/jupyterlab-manager": "jupyterlab_widgets",
    "labextensions/anywidget": "anywidget",
}
#: the same for VS Code and Colab, which read it from the kernel's environment
NBEXTENSION = "nbextensions/anywidget"
_PROMPT = "scope_widgets.apps.jupyter.PromptConnection"


def hosts() -> list[Finding]:
    """Return what is found of the browser half of the views and of the hosts in this environment.

    Returns
    -------
    list of Finding
    """
    return [_browser_half(), *_server(), _kernel(), _marimo()]


def _browser_half() -> Finding:
    """Look for the scripts of all views that are known."""
    try:
        from scope_widgets import widgets
        from scope_widgets.widgets.core.bundle import STATIC

        views = [getattr(widgets, name) for name in widgets.__all__]
    except (ImportError, OSError) as error:
        return Finding("views", "missing", f"they cannot be imported ({error})", "Install what stands under packages.")
    wanted = {str(view.bundle) for view in views if isinstance(getattr(view, "bundle", None), str) and view.bundle}
    missing = sorted(name for name in {*wanted, "saved_page"} if not (STATIC / f"{name}.js").is_file())
    if missing:
        return Finding(
            "browser half of the views",
            "missing",
            f"without {', '.join(missing)}",
            "Install a wheel, which has it: pip install scope-widgets. From a repository: install Node 20 or later "
            "first, then pip install again; in a checkout, make build.",
        )
    return Finding("browser half of the views", "ok", "built in; neither Node nor a network is needed")


def _server() -> Iterator[Finding]:
    present = {name: version for name in ("jupyterlab", "notebook") if (version := version_of(name))}
    if not present:
        yield Finding(
            "JupyterLab",
            "note",
            "not in this environment",
            "Install it (pip install jupyterlab), or where it runs in another environment, install there what its "
            "pages need: pip install anywidget. A saved page needs neither: view.to_html('view.html').",
        )
        return
    from packaging.version import Version

    for name, version in present.items():
        title, oldest = {"jupyterlab": "JupyterLab", "notebook": "Notebook"}[name], TESTED[name]
        if Version(version) < Version(oldest):
            do = f"It is tested from {oldest} on: pip install -U {name}."
            yield Finding(title, "note", version, do)
        else:
            yield Finding(title, "ok", version)
    for extension, package in EXTENSIONS.items():
        if not any((folder / extension).is_dir() for folder in data_folders()):
            yield Finding(
                f"{package} in JupyterLab",
                "missing",
                f"no share/jupyter/{extension}",
                f"Install it into the environment that runs the server: pip install --force-reinstall {package}. "
                "Then start the server again and load the page anew.",
            )
    if not _is_prompt():
        yield Finding(
            "messages of a Jupyter server",
            "note",
            "each takes some 40 ms longer than it must, which shows while a slider is dragged",
            f"Start it with --ServerApp.kernel_websocket_connection_class={_PROMPT}.",
        )


def _kernel() -> Finding:
    version = version_of("ipykernel")
    if version is None:
        return Finding(
            "kernel for VS Code and Jupyter",
            "note",
            "ipykernel is not in this environment",
            "For a notebook whose kernel is this Python: pip install ipykernel.",
        )
    if not any((folder / NBEXTENSION).is_dir() for folder in data_folders()):
        return Finding(
            "kernel for VS Code and Jupyter",
            "note",
            f"ipykernel {version}; no share/jupyter/{NBEXTENSION}, which VS Code loads views by",
            "Install it here: pip install --force-reinstall anywidget.",
        )
    return Finding("kernel for VS Code and Jupyter", "ok", f"ipykernel {version}, anywidget {version_of('anywidget')}")


def _marimo() -> Finding:
    from packaging.version import Version

    version = version_of("marimo")
    if version is None:
        return Finding("marimo", "note", "not in this environment", "If you want it: pip install marimo.")
    if Version(version) < Version(TESTED["marimo"]):
        return Finding("marimo", "note", version, f"It is tested from {TESTED['marimo']} on: pip install -U marimo.")
    return Finding("marimo", "ok", version)


def data_folders() -> list[Path]:
    """Return where Jupyter looks for what packages give to its pages.

    Returns
    -------
    list of Path
        Whether they exist or not.
    """
    named = [Path(text) for text in os.environ.get("JUPYTER_PATH", "").split(os.pathsep) if text]
    home = Path.home()
    own = [home / ".local/share/jupyter", home / "Library/Jupyter", Path(os.environ.get("APPDATA", home)) / "jupyter"]
    return [
        *named,
        *own,
        Path(sys.prefix) / "share/jupyter",
        Path("/usr/local/share/jupyter"),
        Path("/usr/share/jupyter"),
    ]


def _is_prompt() -> bool:
    """Say whether a file of settings names the quicker connection."""
    folders = [Path(os.environ.get("JUPYTER_CONFIG_DIR", Path.home() / ".jupyter")), Path(sys.prefix) / "etc/jupyter"]
    files = [folder / f"jupyter_server_config.{ending}" for folder in folders for ending in ("py", "json")]
    return any(path.is_file() and _PROMPT in path.read_text(errors="replace") for path in files)
