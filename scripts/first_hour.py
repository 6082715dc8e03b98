"""Measure the first minute of a new user: an empty HOME, `pip install`, JupyterLab, and a view that is painted.

Each part in seconds of the clock, and in seconds of processors (pip, the server, the kernel and the browser together),
which other work on the machine changes little.

``python -m scripts.first_hour dist/*cp311-abi3*.whl`` (or ``scope-widgets`` of an index). What is ours is measured
apart: the installation of our wheel alone, and our cell from the key to the painted view, when torch and transformers
are imported already. It needs Chromium and playwright, as the tests do; ``--constraints`` goes to pip. With ``--uv``
that installs instead, without its cache.
"""

from __future__ import annotations

import argparse
import functools
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

#: what any model of transformers needs, which our own cell is measured without
OTHERS = "import torch, transformers.modeling_utils, nnsight, anywidget, pandas, scipy.stats, plotly, networkx"
OURS = """from scope_widgets import Microscope, widgets
scope = Microscope.load("demo")
widgets.AttentionView(scope.trace("When Mary and John went to the store, John gave a drink to"))"""
_PAINTED = """() => [...document.querySelectorAll('.sw canvas')].some((canvas) => canvas.width &&
    canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value))"""
#: flags of the tests' browser that draw more frames than a screen shows
UNBOUNDED = ("--disable-frame-rate-limit", "--disable-gpu-vsync")
#: seconds: of all, and of what is ours
LIMITS = {"all": 60.0, "ours": 10.0}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a line for each part, and return 1 where it takes longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", help="a wheel, or the name that an index has it by")
    parser.add_argument("--python", default=sys.executable, help="the Python that the environment is made with")
    parser.add_argument("--uv", action="store_true", help="install with uv, which must be installed, and not with pip")
    parser.add_argument("--constraints", help="a file of versions for pip, such as of a torch without CUDA")
    options = parser.parse_args(arguments)
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        parts = measure(options, Path(folder))
        print(f"load of this machine: {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores\n")
        print("| part | clock, s | processors, s |\n|---|---|---|")
        for name, took in parts.items():
            print(f"| {name} | {took.clock:.1f} | {took.processors:.1f} |", flush=True)
    return int(any(parts[name].clock > limit for name, limit in LIMITS.items()))


class Seconds(NamedTuple):
    """What a part took, or a moment: of the clock, and of processors."""

    clock: float
    processors: float

    @classmethod
    def now(cls) -> Seconds:
        """Return the clock, and what this process and all that it started have used."""
        import psutil

        me = psutil.Process()
        used = sum(me.cpu_times()[:4])
        for one in me.children(recursive=True):
            try:
                used += sum(one.cpu_times()[:4])  # of its own, and of what it waited for
            except psutil.NoSuchProcess:
                continue
        return cls(time.perf_counter(), used)

    def since(self, before: Seconds) -> Seconds:
        """Return what lies between two moments."""
        return Seconds(self.clock - before.clock, self.processors - before.processors)

    def plus(self, other: Seconds) -> Seconds:
        """Return the sum of two parts."""
        return Seconds(self.clock + other.clock, self.processors + other.processors)


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Seconds]:
    """Return seconds of each part, `all` and `ours`."""
    home = folder / "home"
    parts: dict[str, Seconds] = {}
    home.mkdir()
    # pip's own settings stay, all else of this user goes
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "LANG", "SSL_"))}
    environment = {**kept, "HOME": str(home), "PATH": f"{folder / 'env' / 'bin'}:/usr/bin:/bin"}
    python = folder / "env" / "bin" / "python"

    def run(*command: object) -> Seconds:
        begin = Seconds.now()
        subprocess.run([*map(str, command)], check=True, cwd=home, env=environment, stdout=subprocess.DEVNULL)
        return Seconds.now().since(begin)

    package = str(Path(options.package).resolve()) if options.package.endswith(".whl") else options.package
    constraints = ["-c", Path(options.constraints).resolve()] if options.constraints else []
    run(options.python, "-m", "venv", folder / "env")
    install: list[object] = [python, "-m", "pip", "install", "-q"]
    if options.uv:
        install = [Path(sys.executable).with_name("uv"), "pip", "install", "-q", "--python", python, "--no-cache"]
        if links := environment.get("PIP_FIND_LINKS"):
            install += ["--find-links", links]
    name = f"{'uv ' * options.uv}pip install, with all that it needs and JupyterLab"
    parts[name] = run(*install, *constraints, package, "jupyterlab")
    ours = run(*install, "--no-deps", "--force-reinstall", package)
    parts.update(_in_jupyterlab(python, home, environment))
    total = functools.reduce(Seconds.plus, parts.values())
    parts["of which our wheel alone is installed in"] = ours
    return {**parts, "all": total, "ours": ours.plus(parts["our cell, from the key to the painted view"])}


def _in_jupyterlab(python: Path, home: Path, environment: dict[str, str]) -> dict[str, Seconds]:
    """Start it, open a notebook, run the two cells; return seconds of each."""
    from playwright.sync_api import expect, sync_playwright

    from tests.support import view_page
    from tests.support.jupyter_server import free_port, open_notebook, run_cell, server_flags, write_notebook

    chromium = view_page.chromium()
    if chromium is None:
        raise FileNotFoundError("There is no Chromium here to open JupyterLab in: install it.")
    write_notebook(home / "first.ipynb", [OTHERS, OURS])
    port = free_port()
    parts: dict[str, Seconds] = {}
    began = Seconds.now()

    def since(name: str) -> None:
        nonlocal began
        now = Seconds.now()
        parts[name], began = now.since(began), now
        print(name, f"{parts[name].clock:.1f} s", file=sys.stderr, flush=True)

    command = [python, "-m", "jupyterlab", *server_flags(port)]
    with open(home / "server.log", "w") as log:
        server = subprocess.Popen([*map(str, command)], cwd=home, env=environment, stdout=log, stderr=log)
    try:
        while server.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=2)
                break
            except OSError:
                time.sleep(0.1)
        since("JupyterLab is there")
        with sync_playwright() as driver:
            # frames as a user's browser draws them, and looked at now and then: else the browser is what is measured
            flags = [flag for flag in view_page.FLAGS if flag not in UNBOUNDED]
            page = driver.chromium.launch(executable_path=chromium, args=flags).new_page()
            cells = open_notebook(page, f"http://127.0.0.1:{port}/lab/tree/first.ipynb?reset")
            since("the notebook is open, its kernel ready")
            run_cell(page, cells.nth(0))
            expect(cells.nth(0).locator(".jp-InputPrompt").first).to_have_text("[1]:", timeout=120_000)
            since("torch, transformers and nnsight are imported")
            run_cell(page, cells.nth(1))
            page.wait_for_function(_PAINTED, timeout=120_000, polling=100)
            since("our cell, from the key to the painted view")
        return parts
    finally:
        server.terminate()
        server.wait(20)


if __name__ == "__main__":
    sys.exit(main())
