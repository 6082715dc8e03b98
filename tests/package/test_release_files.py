"""Files of a release say what pyproject.toml and the version say."""

import re
import sys

import pytest
import yaml

from scope_widgets._version import __version__
from tests.support.paths import ROOT

tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has no tomllib")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
#: where conda has another name
CONDA = {"torch": "pytorch"}


def recipe():
    return yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text())


def test_the_version_is_the_same_everywhere():
    assert re.search(r"(?m)^version: (.*)$", (ROOT / "CITATION.cff").read_text())[1] == __version__
    assert recipe()["context"]["version"] == __version__
    assert f"## {__version__} (" in (ROOT / "CHANGELOG.md").read_text()


def test_the_recipe_needs_what_the_package_needs():
    needed = [f"python {PROJECT['project']['requires-python']}"]
    for dependency in PROJECT["project"]["dependencies"]:
        name, bounds, version = re.fullmatch(r"([\w-]+)([^;]*)(?:; python_version < '(.*)')?", dependency).groups()
        one = f"{CONDA.get(name, name)} {bounds}"
        needed.append({"if": f'match(python, "<{version}")', "then": one} if version else one)
    assert recipe()["requirements"]["run"] == needed


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
