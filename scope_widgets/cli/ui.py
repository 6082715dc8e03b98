"""`microscope ui`: the workbench in a browser."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from scope_widgets.cli.conventions import options as take
from scope_widgets.cli.conventions import schema
from scope_widgets.cli.conventions.answer import Answer
from scope_widgets.cli.conventions.command_parser import UsageError, add_command

EXAMPLE = "microscope ui --model demo --no-open"
ANSWER = {
    "address": schema.text(
        "where it is served, with the token that pages need where it was made here; printed once it can be reached"
    )
}
#: the token, for whoever starts the server for others: no argument, which all users of a machine see
TOKEN = "MICROSCOPE_UI_TOKEN"


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = add_command(
        commands,
        "ui",
        _run,
        help="open the workbench in a browser",
        description="Serves on this machine alone, until Ctrl-C. Without options the demo model and its autoencoder "
        f"are there. {TOKEN} in the environment is the token that pages need; without it a new one is made.",
        example=EXAMPLE,
        answer=ANSWER,
    )
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
    take.add_model(parser, remote=False)
    parser.add_argument(
        "--remote",
        nargs="?",
        type=take.address,
        const=True,
        metavar="HOST",
        help="run --model on the NDIF server at HOST, or of NDIF_HOST; the key is that of NDIF_API_KEY",
    )


def _run(options: argparse.Namespace) -> None:
    if not 0 <= options.port < 2**16:
        raise UsageError(f"--port is 0 to 65535, not {options.port}.")
    _check_where(options)
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
        load_options={name: value for name in ("device", "dtype") if (value := getattr(options, name))},
        remote=bool(options.remote),
        host=options.remote if isinstance(options.remote, str) else None,
    )
    serve(
        workspace,
        host=options.host,
        port=options.port,
        allowed_hosts=options.allowed_host,
        root_path=options.root_path,
        open_browser=not options.no_open and not os.environ.get("CI"),
        token=os.environ.pop(TOKEN, None),  # no process that is begun from here has it
        say=lambda address: print(Answer({"address": address}, "").to_json("ui") if options.json else address),
    )


def _check_where(options: argparse.Namespace) -> None:
    if not options.remote:
        return
    if options.device or options.dtype:
        raise UsageError("--device and --dtype are the server's choice: leave them out with --remote.")
    if options.model == "demo" or Path(options.model).expanduser().exists():
        raise UsageError(
            f"--remote runs a model of the hub, and {options.model!r} is here: name one that the server has, --model "
            "owner/name."
        )
