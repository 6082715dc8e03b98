"""The question of a picture as text: tokens that stand one below the other, with the spaces that a prompt has."""

from __future__ import annotations

from typing import Any

import pytest

from scope_widgets.widgets.core.question import question_text


@pytest.mark.parametrize(
    ("pairs", "wanted"),
    [
        ([["When"], ["Mary", "Jo"], ["went"]], ["clean     When Mary went", "corrupted      Jo"]),
        ([["When"], [" Mary", " Jo"], [" went"]], ["clean     When·Mary·went", "corrupted     ·Jo"]),
        ([["a"], ["b", ""], 40, ["c"]], ["clean     a b  (… 40 tokens that are the same …)  c", "corrupted"]),
    ],
)
def test_words_without_spaces_are_joined_by_them(pairs: Any, wanted: list[str]) -> None:
    asked = {
        "pairs": pairs,
        "answer": ["x"],
        "versus": ["y"],
        "same_for_all": True,
        "metric": "logit difference",
        "n_pairs": 1,
        "facts": "",
    }
    assert question_text(asked).split("\n") == [*wanted, "logit difference x − y"]
