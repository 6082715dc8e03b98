"""The package with kernels of one lane, the portable path of `simd.h` that Windows has, built on this machine.

``python -m scripts.one_lane FOLDER`` makes it; ``pytest -o pythonpath="FOLDER ." tests/kernels`` tests it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def build(folder: str | Path, flags: str = "") -> Path:
    """Make `folder` a place to import scope_widgets from: this checkout's, but for its kernels.

    Parameters
    ----------
    folder : path
        Made anew where it is there.
    flags : str
        More for the compiler, such as ``"-O0"``, which takes half of the time.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    RuntimeError
        Where the kernels cannot be built, with the end of what the compiler said.
    """
    folder = Path(folder).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    source, package = folder / "source", folder / "scope_widgets"
    shutil.copytree(ROOT / "cython_ext", source / "cython_ext", ignore=shutil.ignore_patterns("*.c"))
    shutil.copy(ROOT / "setup.py", source)
    (source / "scope_widgets" / "_kernels").mkdir(parents=True)
    environment = {**os.environ, "SCOPE_WIDGETS_ONE_LANE": "1", "CFLAGS": f"{os.environ.get('CFLAGS', '')} {flags}"}
    command = [sys.executable, "setup.py", "build_ext", "--inplace"]
    done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"The kernels of one lane are not built:\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}")
    kernels = package / "_kernels"
    kernels.mkdir(parents=True)
    _link(ROOT / "scope_widgets", package, besides=frozenset({"_kernels"}))
    _link(ROOT / "scope_widgets" / "_kernels", kernels)
    for module in (source / "scope_widgets" / "_kernels").iterdir():
        module.rename(kernels / module.name)
    return folder


def _link(source: Path, folder: Path, besides: frozenset[str] = frozenset()) -> None:
    """Link to all that `source` has, but compiled modules and what is named."""
    for path in source.iterdir():
        if path.suffix not in {".so", ".pyd"} and path.name not in besides | {"__pycache__"}:
            (folder / path.name).symlink_to(path)


if __name__ == "__main__":
    print(build(sys.argv[1]))
