"""A text is found over tokens as in the joined text."""

import numpy as np

from scope_widgets.features.feature_index import text_search


def test_texts_are_found_as_in_the_joined_text(monkeypatch):
    monkeypatch.setattr(text_search, "_ROWS", 70)
    rng = np.random.default_rng(0)
    texts = {3 * at: "".join(rng.choice(list("abc"), size=rng.integers(0, 4))) for at in range(40)}
    rows = rng.integers(-1, 120, (300, 9))
    joined = ["".join(texts.get(int(one), "") for one in row) for row in rows]
    for wanted in ("a", "aba", "aabaa", "abcabc", "cc", "dead", "bbbbbb"):
        found = text_search.rows_with_text(rows, texts, wanted)
        assert found.tolist() == [wanted in text for text in joined]
    assert not text_search.rows_with_text(rows, {}, "a").any()
