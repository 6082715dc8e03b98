"""Kernel messages without TCP's delay of some 40 ms, for sliders that are to feel immediate.

Jupyter's server writes what a kernel says in several small packets, and TCP holds each back until the browser has
confirmed the one before. JupyterLab and Notebook 7 stop that for all kernels when they are started so::

    jupyter lab --ServerApp.kernel_websocket_connection_class=scope_widgets.apps.jupyter.PromptConnection

or always, by a line in `~/.jupyter/jupyter_server_config.py`::

    c.ServerApp.kernel_websocket_connection_class = "scope_widgets.apps.jupyter.PromptConnection"

It is for kernels that the server itself runs, not for those behind a gateway.
"""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class PromptConnection(ZMQChannelsWebsocketConnection):
    """Jupyter's own connection of a browser to a kernel, with `TCP_NODELAY`."""

    def connect(self) -> Any:
        """Connect, and send each message at once from now on."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()
