"""The code of the site's pages runs from the first cell to the last, in a folder of its own."""

import ast
import os
import re

import pytest

from tests.support.paths import ROOT

PAGES = ("tutorial", "howto", "exercises")
_CELL = re.compile(r"```\{code-cell\} python\n(?::tags: [^\n]*\n\n)?(.*?)```", re.S)


def cells(page):
    return _CELL.findall((ROOT / f"docs/{page}.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES)
def test_its_code_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for at, cell in enumerate(cells(page)):
        tree = ast.parse(cell)
        if isinstance(tree.body[-1], ast.Expr):  # what a cell shows
            tree.body[-1] = ast.copy_location(
                ast.Assign([ast.Name("_", ast.Store())], tree.body[-1].value), tree.body[-1]
            )
        exec(compile(ast.fix_missing_locations(tree), f"docs/{page}.md, cell {at}", "exec"), names)
    assert len(cells(page)) > 5
    assert os.listdir(tmp_path) or page == "exercises"
