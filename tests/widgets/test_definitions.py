"""What the views say their words mean: one table, equal to what the functions that compute them say."""

from __future__ import annotations

import re
from typing import Any

import pytest

from scope_widgets import heads, lens
from scope_widgets.steering import Steered
from scope_widgets.widgets.core.definitions import DEFINITIONS
from scope_widgets.widgets.head_table.columns import HELP
from tests.support.every_view import every_view
from tests.support.paths import ROOT


def plain(text: str) -> str:
    return " ".join(re.sub(r"\(.*?\)", "", text.replace("`", "")).split()).rstrip(" .,")


def test_statistics_are_defined_as_their_docstring_has_them() -> None:
    rows = dict(re.findall(r"^ {8}(\w+) +(\S.*)$", heads.score.__doc__ or "", re.M))
    rows = {name: row for name, row in rows.items() if name in DEFINITIONS}
    assert len(rows) == 8
    for name in rows:
        assert plain(DEFINITIONS[name].formula) == plain(rows[name]), name
        for author in re.findall(r"[A-Z]\w+ et al\. \d{4}|TransformerLens", rows[name]):
            assert author in DEFINITIONS[name].source, name


def test_thresholds_are_those_of_the_labels() -> None:
    said = DEFINITIONS["threshold"].meaning
    assert {float(number) for number in re.findall(r"\d\.\d+", said)} == set(heads.THRESHOLDS.values())


def test_quantities_are_defined_as_the_glossary_and_the_functions_have_them() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    faithfulness = DEFINITIONS["faithfulness"].formula.replace("m(empty)", "empty").replace("m(M)", "full")
    assert f"| faithfulness | `{faithfulness}` |" in glossary
    assert f"| effect | `{DEFINITIONS['patching'].formula}` |" in glossary
    assert f"`{DEFINITIONS['contribution'].formula}`" in (lens.direct_logit_attribution.__doc__ or "")
    assert f"`{DEFINITIONS['kl'].formula}`" in (Steered.kl.func.__doc__ or "")


@pytest.mark.parametrize("view", every_view().values(), ids=lambda view: type(view).__name__)
def test_each_view_explains_its_words(view: Any) -> None:
    assert len(view.definitions) >= 3
    for term, meaning, _, source in view.definitions:
        assert term
        assert len(meaning) > 20
        assert not source or re.search(r"\d{4}|TransformerLens|convention", source)
    if type(view).__name__ == "HeadTable":
        shown = {column["name"] for column in view.columns} & set(HELP)
        assert {DEFINITIONS[name].term for name in shown} <= {term for term, *_ in view.definitions}
