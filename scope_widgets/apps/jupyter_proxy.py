"""The workbench in the launcher of JupyterLab and JupyterHub, where jupyter-server-proxy is installed.

The proxy asks who somebody is, as for all of Jupyter, and starts a workbench for each at the first click. The token of
the workbench is made with Jupyter's server, and is in the address that its launcher opens.
"""

from __future__ import annotations

import secrets
import sys
from typing import Any

NAME = "microscope"


def workbench() -> dict[str, Any]:
    """Return how jupyter-server-proxy starts a workbench, and what it puts into the launcher.

    Examples
    --------
    >>> workbench()["launcher_entry"]["title"]
    'Microscope'
    """
    token = secrets.token_urlsafe(32)
    here = "127.0.0.1:{port}"
    command = [sys.executable, "-m", "scope_widgets.cli", "ui", "--no-open", "--port", "{port}"]
    return {
        "command": [*command, "--root-path", f"{{base_url}}{NAME}"],
        "environment": {"MICROSCOPE_UI_TOKEN": token},
        # a server behind a hub does not know by which name browsers reach it; the proxy and the token look after that
        "request_headers_override": {"Host": here, "Origin": f"http://{here}"},
        "timeout": 60.0,
        "new_browser_tab": True,  # it is not to be framed
        "launcher_entry": {"title": "Microscope", "path_info": f"{NAME}/#token={token}"},
    }
