"""Each point of docs/decisions/day_of_use.md is held by a test that is there."""

import re

import pytest

from tests.support.paths import ROOT

NAMED = re.findall(r"`(tests/\S+\.py)::(\w+)`", (ROOT / "docs/decisions/day_of_use.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_it_is_held(file, name):
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
