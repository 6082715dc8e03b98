"""An error says where the documentation has it, and there is such a place."""

import ast
import importlib.util
import re
import sys
from importlib import import_module, metadata
from types import SimpleNamespace

import pytest

from scope_widgets import _error_index
from scope_widgets._check_choice import checked_count
from scope_widgets.cli import main
from tests.support.paths import ROOT


@pytest.fixture
def index(monkeypatch):
    """The page, as the site has them."""
    monkeypatch.setenv("SCOPE_DOCS_ROOT", str(ROOT))
    spec = importlib.util.spec_from_file_location("generated_pages", ROOT / "docs/_extension/generated_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.errors()


def raised(call):
    with pytest.raises(Exception) as caught:
        call()
    return caught.value


def test_each_module_that_raises_has_one_anchor(index):
    anchors = re.findall(r'<a id="([\w.]+)"></a>', index)
    assert len(anchors) == len(set(anchors)) > 200
    for anchor in anchors:
        if not anchor.startswith(("apps.jupyter", "apps.workbench")) and not anchor.endswith("__main__"):
            assert import_module(f"scope_widgets.{anchor}")  # so that a frame's own name is the anchor
    for path in (ROOT / "scope_widgets").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT / "scope_widgets").with_suffix("").parts).removesuffix(".__init__")
        raises = any(isinstance(node, ast.Raise) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        assert (module in anchors) == raises, module


def test_an_error_leads_to_its_place(index):
    error = raised(lambda: checked_count("n", 0))
    assert _error_index.see(error) == "See errors.html#_check_choice in the docs."
    below = index.partition('<a id="_check_choice"></a>')[2].partition("<a id=")[0]
    assert "- `ValueError`: ⟨…⟩= is a whole number from 1; got ⟨…⟩." in below
    assert _error_index.see(raised(lambda: int("x"))) == ""  # another's
    assert _error_index.see(ValueError("never raised")) == ""


def test_a_documentation_that_is_named_makes_it_an_address(monkeypatch):
    urls = ["Source, https://a.org/b", "Documentation, https://a.org/docs/"]
    monkeypatch.setattr(metadata, "metadata", lambda name: SimpleNamespace(get_all=lambda key: urls))
    error = raised(lambda: checked_count("n", 0))
    assert _error_index.see(error) == "See https://a.org/docs/errors.html#_check_choice."


def test_a_command_says_it_in_its_line(capsys):
    assert main(["trace", "--model", "no/such/model", "a prompt"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert re.search(r"See errors\.html#models\.loading in the docs\.\n$", said)


def test_a_notebook_says_it_below(monkeypatch, capsys):
    registered = {}
    shell = SimpleNamespace(events=SimpleNamespace(register=registered.__setitem__))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    _error_index.tell_in_notebooks()
    tell = registered["post_run_cell"]
    tell(SimpleNamespace(error_in_exec=None))
    tell(SimpleNamespace(error_in_exec=raised(lambda: int("x"))))
    assert capsys.readouterr().err == ""
    tell(SimpleNamespace(error_in_exec=raised(lambda: checked_count("n", 0))))
    assert capsys.readouterr().err == "See errors.html#_check_choice in the docs.\n"
