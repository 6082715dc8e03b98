"""Files of a release say what pyproject.toml and the version say."""

import re
import sys

import pytest

from scope_widgets._version import __version__
from tests.support.paths import ROOT

tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has no tomllib")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
#: where conda has another name, and how it says when something is needed
CONDA = {"torch": "pytorch"}
ONLY = {"; python_version < '3.11'": "  # [py<311]"}


def test_the_version_is_the_same_everywhere():
    assert re.search(r"(?m)^version: (.*)$", (ROOT / "CITATION.cff").read_text())[1] == __version__
    assert re.search(r'set version = "(.*?)"', (ROOT / "recipe" / "meta.yaml").read_text())[1] == __version__
    assert f"## {__version__} (" in (ROOT / "CHANGELOG.md").read_text()


def test_the_recipe_needs_what_the_package_needs():
    recipe = (ROOT / "recipe" / "meta.yaml").read_text()
    said = re.findall(r"^    - ([\w-]+) *(.*)$", recipe.partition("  run:\n")[2].partition("\ntest:")[0], re.MULTILINE)
    dependencies = "\n".join(PROJECT["project"]["dependencies"])
    for here, there in ONLY.items():
        dependencies = dependencies.replace(here, there)
    needed = [re.match(r"([\w-]+)(.*)", one).groups() for one in dependencies.split("\n")]
    python = ("python", PROJECT["project"]["requires-python"])
    assert said == [python, *((CONDA.get(name, name), bounds) for name, bounds in needed)]


def test_every_kernel_has_types_for_those_who_call_it():
    """The extension's own types, without which mypy and editors see nothing of it."""
    kernels = ROOT / "scope_widgets" / "_kernels"
    assert {path.stem for path in kernels.glob("*.pyi")} == {path.stem for path in (ROOT / "cython_ext").glob("*.pyx")}


def test_forms_and_workflows_are_well_formed():
    yaml = pytest.importorskip("yaml")
    for path in (ROOT / ".github").rglob("*.yml"):
        content = yaml.safe_load(path.read_text())
        if path.parent.name == "ISSUE_TEMPLATE" and path.name != "config.yml":
            assert {"name", "description", "body"} <= set(content), path
            assert all({"type", "attributes"} <= set(field) for field in content["body"])
        if path.parent.name == "workflows":
            assert {"permissions", "jobs"} <= set(content)
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["cff-version"] == "1.2.0"


def test_the_wheels_of_the_workflow_are_those_that_the_package_says():
    built = PROJECT["tool"]["cibuildwheel"]["build"]
    assert built == ["cp310-*", "cp311-*"]
    assert PROJECT["project"]["requires-python"] == ">=3.10"
    assert sys.version_info >= (3, 10)
