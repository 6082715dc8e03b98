"""What mypy and pyright say of the blocks of README, tour, tutorial and how-to, against an installed wheel.

``python -m scripts.check_types dist/*cp311-abi3*.whl``: the wheel is unpacked into an environment of its own, which
sees the other packages of this one, so that types come from the wheel (py.typed, stubs of kernels) and not from the
sources. pyright is run by npx, where Node is there.
"""

from __future__ import annotations

import re
import shutil
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
#: pages whose blocks are one program each
PAGES = ("README.md", "docs/tour.md", "docs/tutorial.md", "docs/howto.md")

#: transformers has functions without types, which are not ours to mend
STRICT = ("--strict", "--untyped-calls-exclude", "transformers")


def main(wheel: str) -> int:
    """Check; return 1 where one of them found something."""
    passed = True
    with TemporaryDirectory() as name:
        folder = Path(name)
        venv.create(folder / "env")
        python = folder / "env" / "bin" / "python"
        packages = next((folder / "env").glob("lib/python*/site-packages"))
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages)
        (packages / "others.pth").write_text(f"{site.getsitepackages()[0]}\n")
        files = write_blocks(folder)
        checks = {"mypy": [sys.executable, "-m", "mypy", *STRICT, "--python-executable", python, *files]}
        if npx := shutil.which("npx"):
            checks["pyright"] = [npx, "--yes", "pyright", "--level", "error", "--pythonpath", python, *files]
        for name, command in checks.items():
            done = subprocess.run([*map(str, command)], cwd=folder, capture_output=True, text=True)
            print(f"{name}: {done.stdout.strip() or done.stderr.strip()}", flush=True)
            passed &= done.returncode == 0
    return 0 if passed else 1


def write_blocks(folder: Path) -> list[str]:
    """Write the blocks of each page as a program into a folder, and return their names."""
    for page in map(ROOT.joinpath, PAGES):
        found = re.findall(r"```(?:\{code-cell\} )?python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        code = re.sub(r"^:tags:.*\n", "", "\n".join(found), flags=re.MULTILINE)  # of a cell, to MyST
        (folder / f"{page.stem.lower()}_blocks.py").write_text(code)
    return sorted(path.name for path in folder.glob("*_blocks.py"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
