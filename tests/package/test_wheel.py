"""Wheel and sdist install and work without Node; the wheel without a compiler too."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from scripts import check_types
from tests.support.paths import ROOT

BUNDLES = {f"scope_widgets/static/{name}.js" for name in ("attention_view", "head_table", "saved_page")}


def build(source, kind, out):
    """Build without Node on the path, as an installer would."""
    command = [sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", out, source]
    path = os.pathsep.join(
        folder for folder in os.environ["PATH"].split(os.pathsep) if not (Path(folder) / "node").exists()
    )
    # gcc may live beside node: a folder of what a build needs keeps them apart. It does not optimise, which is most of
    # the work: the kernels that every other test runs are optimised
    tools = out / "tools"
    tools.mkdir(exist_ok=True)
    for tool in ("gcc", "cc", "x86_64-linux-gnu-gcc"):
        if (found := shutil.which(tool)) and not (tools / tool).exists():
            (tools / tool).write_text(f'#!/bin/sh\nexec "{found}" "$@" -O0 -g0\n')
            (tools / tool).chmod(0o755)
    for tool in ("as", "ld"):
        if (found := shutil.which(tool)) and not (tools / tool).exists():
            (tools / tool).symlink_to(found)
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{path}"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return next(out.glob("*.whl" if kind == "wheel" else "*.tar.gz"))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist of this checkout, and the wheel built from it."""
    out = tmp_path_factory.mktemp("dist")
    sdist = build(ROOT, "sdist", out)
    with tarfile.open(sdist) as archive:
        archive.extractall(out / "source", filter="data")
    return sdist, build(next((out / "source").iterdir()), "wheel", out)


def test_both_carry_what_is_needed(built):
    sdist, wheel = built
    with tarfile.open(sdist) as archive:
        carried = {name.partition("/")[2] for name in archive.getnames()}
    assert carried >= BUNDLES | {"cython_ext/statistics.pyx", "js/src/attention_view.ts", "LICENSE"}
    names = set(zipfile.ZipFile(wheel).namelist())
    assert names >= BUNDLES | {"scope_widgets/py.typed", "scope_widgets/models/demo/model.safetensors"}
    assert [name for name in names if name.startswith("scope_widgets/_kernels/statistics.") and ".pyi" not in name]
    assert not [name for name in names if name.endswith((".c", ".pyx", ".ts"))]


def test_wheel_works_without_node_or_compiler_and_leaves_others_as_they_are(built, tmp_path):
    """In a new Python, as a user meets it: nnsight hangs nothing on every object, so that marimo can be imported."""
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", tmp_path, built[1]]
    subprocess.run(install, check=True, capture_output=True)
    code = (
        "import scope_widgets; from scope_widgets import Microscope, heads, widgets\n"
        f"assert scope_widgets.__file__.startswith({str(tmp_path)!r}), scope_widgets.__file__\n"
        "scope = Microscope.load('demo'); trace = scope.trace('Mary and John went to the store')\n"
        "heads.score(trace); widgets.save_html([trace], 'out.html')\n"
        "assert not hasattr(object(), 'save')\n"
        "import marimo"
    )
    environment = {"PATH": "", "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "out.html").stat().st_size > 30_000


@pytest.mark.heavy  # mypy and pyright without their caches
def test_blocks_of_the_docs_are_typed_against_the_wheel(built, capfd):
    passed = check_types.main(str(built[1])) == 0
    said = capfd.readouterr().out
    assert passed, said
    assert "mypy: Success" in said


@pytest.fixture(scope="module")
def cloned(tmp_path_factory):
    """Sources as in a repository: without the browser half."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("cython_ext", "js/src", "scope_widgets"):
        ignored = shutil.ignore_patterns("__pycache__", "static", "*.so", "*.c", "demo")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in", "js/package.json"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def setup(folder, command, path):
    """Run a command of setup.py with a PATH of one folder."""
    environment = {**os.environ, "PATH": str(path)}
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", *command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stderr


def test_without_node_the_build_says_what_will_be_missing(cloned, tmp_path):
    said = setup(cloned, ["build_py", "--build-lib", tmp_path, "sdist", "--dist-dir", tmp_path], tmp_path)
    assert "the browser half of the views is not in this build, because there is no Node" in said
    assert (tmp_path / "scope_widgets" / "py.typed").exists()
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        names = archive.getnames()
    assert [name for name in names if name.endswith("js/src/attention_view.ts")]
    assert not [name for name in names if "/static/" in name]


def test_with_node_the_build_makes_the_browser_half(cloned, tmp_path):
    """By these commands; that they do is what made the bundles that the other tests show."""
    tools, static = tmp_path / "tools", cloned / "scope_widgets" / "static"
    tools.mkdir()
    for name, does in (("node", "exit 0"), ("npm", f'[ "$1" = ci ] || echo "// $*" > {static}/attention_view.js')):
        (tools / name).write_text(f"#!/bin/sh\n{does}\n")
        (tools / name).chmod(0o755)
    static.mkdir()
    assert "not in this build" not in setup(cloned, ["build_py", "--build-lib", tmp_path], tools)
    assert (tmp_path / "scope_widgets" / "static" / "attention_view.js").read_text() == "// run build\n"
    (static / "attention_view.js").unlink()
    (tools / "npm").write_text("#!/bin/sh\nexit 1\n")
    assert "because npm ci failed" in setup(cloned, ["build_py", "--build-lib", tmp_path], tools)
