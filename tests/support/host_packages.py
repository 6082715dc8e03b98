"""Where `scripts/install_hosts.sh` puts the packages of other hosts, and a skip where it has not."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.support.paths import ROOT

FOLDER = ROOT / "build" / "hosts"


def installed(path: str) -> Path:
    """Return a file or folder of them; the test is skipped where it is not there."""
    found = FOLDER / path
    if not found.exists():
        pytest.skip(f"{path} is not in {FOLDER}: `make test-heavy` puts it there by scripts/install_hosts.sh.")
    return found


def bundle(script: Path, out: Path) -> None:
    """Bundle a script with the packages that it names."""
    modules = installed("node_modules")
    command = [ROOT / "js/node_modules/.bin/esbuild", script, "--bundle", "--format=esm", f"--outfile={out}"]
    command += ["--log-level=error", "--define:process.env={}", "--define:global=globalThis"]
    subprocess.run(command, check=True, env={"NODE_PATH": str(modules), "PATH": "/usr/bin:/bin"})


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; gives the address, with a slash."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


class _Files(SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")  # as for files that VS Code gives to a webview
        super().end_headers()

    def log_message(self, *args: Any) -> None:
        pass
