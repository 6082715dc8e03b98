"""`microscope ui`: the workbench in a browser."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = commands.add_parser("ui", help="open the workbench in a browser")
    parser.add_argument("--model", default="demo", help="demo, a folder, a .gguf file or a hub id")
    parser.add_argument("--sae-dir", type=Path, help="a folder of features.index(..., folder=), or of several by model")
    parser.add_argument(
        "--workspace", type=Path, default=Path("workbench"), help="the folder whose files pages read and write"
    )
    parser.add_argument("--port", type=int, default=0, help="0: one that is free")
    parser.add_argument(
        "--host", default="127.0.0.1", help="another one needs --allowed-host, and is reached by others"
    )
    parser.add_argument(
        "--allowed-host", action="append", default=[], metavar="NAME[:PORT]", help="a name that it is reached by"
    )
    parser.add_argument("--root-path", default="", help="prefix of a reverse proxy, such as /workbench")
    parser.add_argument("--allow-hub", action="store_true", help="let pages have models fetched from the hub")
    parser.add_argument("--no-open", action="store_true", help="print the address and open no browser")
    parser.add_argument("--device", help="such as cuda")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if not 0 <= options.port < 2**16:
        raise ValueError(f"--port is 0 to 65535, not {options.port}.")
    try:
        from scope_widgets.apps.workbench.serve import check_host, serve
    except ModuleNotFoundError as missing:
        raise RuntimeError(
            f"The workbench needs {missing.name}: install it with pip install 'scope-widgets[ui]'."
        ) from None
    check_host(options.host, options.allowed_host)
    from scope_widgets.apps.workbench.workspace import Workspace

    workspace = Workspace(
        options.workspace,
        options.model,
        sae_dir=options.sae_dir,
        allow_hub=options.allow_hub,
        load_options={"device": options.device} if options.device else {},
    )
    serve(
        workspace,
        host=options.host,
        port=options.port,
        allowed_hosts=options.allowed_host,
        root_path=options.root_path,
        open_browser=not options.no_open and not os.environ.get("CI"),
    )
