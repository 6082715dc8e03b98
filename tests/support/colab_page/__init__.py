"""A stand-in for Colab by its widget manager's source (googlecolab/colab-cdn-widget-manager); Colab cannot run here.

Each output is in a sandboxed frame of another origin, with a manager of its own that knows models by asking the page
for their state. Messages pass through `postMessage`, what the views say through JSON before.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import copy

from tests.support.host_packages import bundle, served

HERE = Path(__file__).parent


@contextmanager
def colab_page(folder: Path) -> Iterator[tuple[str, str]]:
    """Serve the notebook's page and that of its frames, of another origin; gives the addresses of both."""
    bundle(HERE / "frame.js", folder / "frame.js")
    for name in ("notebook.html", "frame.html"):
        copy(HERE / name, folder)
    copy(Path(sys.prefix) / "share" / "jupyter" / "nbextensions" / "anywidget" / "index.js", folder / "anywidget.js")
    with ExitStack() as stack:
        notebook, frames = (stack.enter_context(served(folder)) for _ in range(2))
        yield notebook, frames
