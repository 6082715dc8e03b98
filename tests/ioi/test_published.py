"""The heads of the paper, comparison with them, and drawings."""

import shutil
import subprocess

import numpy as np
import pytest

from scope_widgets.ioi.comparison import compare
from scope_widgets.ioi.graphviz import to_dot
from scope_widgets.ioi.published import CLASSES, known


def test_the_paper_has_26_heads():
    heads = known("gpt2")
    assert tuple(heads) == tuple(name for name in CLASSES if name != "subject_suppressor")  # the paper has none
    assert [len(some) for some in heads.values()] == [3, 2, 4, 4, 3, 2, 8]
    assert len({head for some in heads.values() for head in some}) == 26
    assert all(0 <= layer < 12 and 0 <= head < 12 for some in heads.values() for layer, head in some)
    assert known("openai-community/gpt2") == heads
    with pytest.raises(ValueError, match="No published IOI circuit is known for 'gpt2-xl'; there is one for 'gpt2'"):
        known("gpt2-xl")


def test_the_exact_sets_score_one():
    table = compare(known("gpt2"), "gpt2").to_dataframe()
    assert list(table["class"]) == [*known("gpt2"), "all"]
    assert (table[["precision", "recall", "f1"]] == 1.0).all(axis=None)
    assert set(table["missed"]) == set(table["extra"]) == {""}


def test_comparison_by_hand():
    found = {"name_mover": [(9, 9), (10, 10), (9, 9), np.array([9, 6])], "induction": [], "previous_token": [[10, 0]]}
    result = compare(found, "gpt2")
    rows = result.to_dataframe().set_index("class")
    mover = rows.loc["name_mover"]
    assert (mover["found"], mover["reference"], mover["true_positives"]) == (3, 3, 2)
    assert mover["precision"] == mover["recall"] == mover["f1"] == pytest.approx(2 / 3)
    assert (mover["missed"], mover["extra"]) == ("10.0", "10.10")
    induction = rows.loc["induction"]
    assert np.isnan(induction["precision"])
    assert induction["recall"] == induction["f1"] == 0
    assert induction["missed"] == "5.5 5.8 5.9 6.9"
    # 10.0 is found in the wrong class: wrong there, right among all
    assert rows.loc["previous_token", "precision"] == 0
    everything = rows.loc["all"]
    assert (everything["found"], everything["reference"], everything["true_positives"]) == (4, 26, 4)
    assert everything["f1"] == pytest.approx(2 * 4 / 30)
    assert "Comparison with gpt2" in repr(result)
    assert "<table" in result._repr_mimebundle_()["text/html"]


def test_comparison_with_heads_of_the_users_own():
    rows = compare({"induction": [(1, 2)]}, {"previous_token": [(0, 3)]}).to_dataframe().set_index("class")
    assert list(rows.index) == ["induction", "previous_token", "all"]
    assert np.isnan(rows.loc["induction", "recall"])
    assert np.isnan(rows.loc["previous_token", "precision"])
    assert rows["f1"].tolist() == [0, 0, 0]
    nothing = compare({}, {}).to_dataframe()
    assert nothing["class"].tolist() == ["all"]
    assert nothing[["precision", "recall", "f1"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("found", "reference", "message"),
    [
        ({"name_movers": []}, "gpt2", "found= has the class 'name_movers', which is not known; there are name_mover"),
        ({}, {"mover": []}, "reference= has the class 'mover'"),
        ({}, "pythia", "No published IOI circuit is known for 'pythia'"),
        ({"induction": [3]}, "gpt2", r"found\['induction'\] holds heads as \(layer, head\).*got 3"),
        ({"induction": [(1, 2, 3)]}, "gpt2", r"got \(1, 2, 3\)"),
        ({"induction": [(-1, 2)]}, "gpt2", r"counted from 0; got \(-1, 2\)"),
        ([(1, 2)], "gpt2", "got list"),
    ],
)
def test_comparisons_that_cannot_be(found, reference, message):
    with pytest.raises((TypeError, ValueError), match=message):
        compare(found, reference)


def svg_of(dot):
    """Draw with Graphviz; gives the titles of nodes and edges."""
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not on this machine: install it to check the drawing (apt-get install graphviz).")
    import xml.etree.ElementTree as ElementTree

    done = subprocess.run(["dot", "-Tsvg"], input=dot, text=True, capture_output=True, check=True)
    assert done.stderr == ""
    groups = ElementTree.fromstring(done.stdout).iter("{http://www.w3.org/2000/svg}g")
    found = {"node": {}, "edge": [], "text": done.stdout}
    for group in groups:
        title = group.findtext("{http://www.w3.org/2000/svg}title")
        if group.get("class") == "node":
            found["node"][title] = group
        elif group.get("class") == "edge":
            found["edge"].append(tuple(title.split("->")))
    return found


def height(group):
    return float(next(group.iter("{http://www.w3.org/2000/svg}ellipse")).get("cy"))


def test_the_drawing_of_the_paper():
    drawn = svg_of(to_dot(known("gpt2"), title='The "paper" \\ <b>&\nnew line'))
    assert len(drawn["node"]) == 26
    assert ("2.2", "5.5") in drawn["edge"]
    assert ("8.6", "9.9") in drawn["edge"]
    assert ("9.9", "8.6") not in drawn["edge"]
    assert "The &quot;paper&quot; \\ &lt;b&gt;&amp;" in drawn["text"]
    by_layer = sorted((int(name.split(".")[0]), height(group)) for name, group in drawn["node"].items())
    heights = {}
    for layer, y in by_layer:
        assert heights.setdefault(layer, y) == y
    assert list(heights.values()) == sorted(heights.values(), reverse=True)


def test_drawings_of_some_heads():
    some = svg_of(to_dot({"induction": [(1, 2)], "name_mover": [(3, 1), (1, 2)]}, title=""))
    assert set(some["node"]) == {"1.2", "3.1"}
    text = "".join(some["node"]["1.2"].itertext())
    assert "NI" in text
    assert "N name mover, I induction" in some["text"]
    assert len(svg_of(to_dot({}))["node"]) == 0
    edges = [((0, 1), (3, 3)), ((0, 1), (3, 3))]
    given = svg_of(to_dot({"duplicate_token": [(0, 1)], "name_mover": [(3, 3), (5, 0)]}, edges=edges))
    assert given["edge"] == [("0.1", "3.3")]
    assert height(given["node"]["5.0"]) < height(given["node"]["3.3"]) < height(given["node"]["0.1"])
    with pytest.raises(ValueError, match=r"to or from \(9, 9\), which is no head of classes="):
        to_dot({"name_mover": [(3, 3)]}, edges=[((3, 3), (9, 9))])
    with pytest.raises(ValueError, match="classes= has the class 'mover'"):
        to_dot({"mover": [(3, 3)]})
