"""The page of hosts names tests that are there."""

import ast

import pytest

from scripts import hosts_table
from tests.support.paths import ROOT


def test_the_page_is_what_the_script_writes() -> None:
    written = hosts_table.TARGET.read_text(encoding="utf-8")
    assert written == hosts_table.page(), "Run `python -m scripts.hosts_table`."


@pytest.mark.parametrize("name", hosts_table.tests_and_reasons()[0])
def test_a_test_that_it_names_is_there(name: str) -> None:
    path, test = name.split("::")
    found = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    assert test in [one.name for one in found if isinstance(one, ast.FunctionDef)]


def test_what_was_not_run_says_why() -> None:
    for host, cells in hosts_table.HOSTS.items():
        assert len(cells) == len(hosts_table.COLUMNS), host
    for reason in hosts_table.tests_and_reasons()[1]:
        assert reason.startswith("Not run, because ")
