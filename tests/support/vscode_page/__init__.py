"""A page that shows views as VS Code does: Microsoft's widget manager in a webview, the kernel outside it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import copy

from tests.support.host_packages import bundle, installed, served

HERE = Path(__file__).parent


@contextmanager
def vscode_page(folder: Path) -> Iterator[tuple[str, str]]:
    """Serve the page of the extension and that of the webview, of another origin; gives the addresses of both."""
    modules = installed("node_modules")
    bundle(HERE / "webview.js", folder / "webview.js")
    copy(modules / "requirejs" / "require.js", folder)
    for name in ("extension.html", "webview.html"):
        copy(HERE / name, folder)
    (folder / "nbextensions").symlink_to(Path(sys.prefix) / "share" / "jupyter" / "nbextensions")
    with ExitStack() as stack:
        extension, webview = (stack.enter_context(served(folder)) for _ in range(2))
        yield extension, webview
