"""The Python half of ProjectionView: what travels, what it says of itself, what is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import traitlets

from scope_widgets import geometry
from scope_widgets._provenance import Provenance
from scope_widgets.geometry.procrustes import align_layers
from scope_widgets.widgets import ProjectionView, Selection
from scope_widgets.widgets.core.selection import MOST_POINTS
from scope_widgets.widgets.figures.projection import HUES, OTHER, dotted, table
from tests.support.projection_examples import projected


def places_of(view: ProjectionView) -> Any:
    return np.frombuffer(view.places, "<f4").reshape(len(view.held_layers), view.n_points, 2)


def values_of(view: ProjectionView) -> dict[str, Any]:
    values = np.frombuffer(view.values, "<f4").reshape(len(view.held_columns), view.n_points)
    return dict(zip(view.held_columns, values, strict=True))


def bytes_of(view: ProjectionView) -> int:
    state = {name: one for name, one in view.get_state().items() if name != "_esm"}
    return sum(len(one) if isinstance(one, bytes) else len(str(one)) for one in state.values())


def test_one_picture_stays_as_it_is() -> None:
    given = projected(300)
    view = ProjectionView(**given)
    np.testing.assert_array_equal(places_of(view)[0], given["points"].astype(np.float32))
    assert (view.layers, view.layer, view.held_layers) == ([], 0, [0])
    left, bottom, right, top = view.frame
    assert (left, top) == (given["points"][:, 0].min(), given["points"][:, 1].max())
    assert (right, bottom) == (given["points"][:, 0].max(), given["points"][:, 1].min())
    assert view.title == "Projection by UMAP, 300 points"
    tensor = ProjectionView(torch.tensor(given["points"], requires_grad=True))
    assert places_of(tensor).tolist() == places_of(view).tolist()


def of_layers(seed: int = 0) -> list[geometry.Projection]:
    """Return projections of two layers, of which the second lacks a row; rows are tokens 1 and 2 of 20 texts."""
    draw = np.random.default_rng(seed)
    found = []
    for layer in (1, 4):
        rows = np.arange(40)
        texts = tuple(("", f" a{text}", f" b{text}") for text in range(20))
        made = geometry.Points(
            draw.normal(size=(40, 5)), rows, None, Provenance("demo"), layer, rows // 2, 1 + rows % 2, texts
        )
        found.append(geometry.project(made if layer == 1 else made.taken(np.arange(1, 40)), k=3))
    return found


def test_a_projection_says_its_own_options() -> None:
    projection = of_layers()[0]
    view = projection.widget()
    np.testing.assert_array_equal(places_of(view)[0], projection.coordinates.astype(np.float32))
    assert (view.colour, values_of(view)["norm"].tolist()) == ("norm", projection.norms.astype(np.float32).tolist())
    assert view._texts.token(3) == " b1" == projection.tokens()[3]
    assert view.axes[0].startswith("component 1, ")
    assert "Of a point's 3 nearest neighbours" in view.fidelity[0]
    assert view.title == "Projection by PCA, demo, 40 points"
    named = ProjectionView(projection, colours={"x": np.arange(40.0)}, method="mine", layer=0)
    assert (named.colour, named.title) == ("x", "Projection by mine, demo, 40 points")
    assert len(ProjectionView(geometry.project(np.eye(12), n=3, k=2)).axes) == 2


def test_layers_share_the_rows_that_all_have() -> None:
    first, second = of_layers()
    view = ProjectionView([first, second], colours={"row": np.arange(40.0)}, align=False)
    assert (view.layers, view.n_points) == ([1, 4], 39)
    np.testing.assert_array_equal(values_of(view)["row"], np.arange(1, 40))
    np.testing.assert_array_equal(places_of(view)[1], second.coordinates.astype(np.float32))
    np.testing.assert_array_equal(places_of(view)[0], first.coordinates[1:].astype(np.float32))
    assert view._texts.token(0) == " b0"
    assert "1 point not in every layer left out." in view.fidelity[0]
    assert view.arguments == ["[projection_1, projection_4]", "colours=colours", "align=False"]
    with pytest.raises(TypeError, match="one is of type int"):
        ProjectionView([first, 3])
    with pytest.raises(ValueError, match="no row in common"):
        ProjectionView([first, geometry.project(dataclasses.replace(_points(), rows=np.arange(60, 100)), k=3)])


def _points() -> geometry.Points:
    return geometry.Points(np.random.default_rng(0).normal(size=(40, 5)), np.arange(40), None, Provenance("demo"))


def test_code_makes_the_projection_again() -> None:
    view = geometry.project(np.random.default_rng(0).normal(size=(40, 5)), k=3).widget()
    assert "projection = geometry.project(x, k=3)" in view.made_by
    assert "from scope_widgets import geometry\n" in view.made_by
    assert view.arguments == ["projection"]


def test_points_of_one_text_are_the_tokens_that_views_share() -> None:
    shared = Selection(tokens=[1, 7])
    view = ProjectionView(np.eye(4, 2), texts=[["a", "b", "c", "d"]], selection=shared)
    assert view.selected_points == [(0, 1)]
    assert shared.tokens == [1, 7]
    view.selected_points = [(0, 3), (0, 2)]
    assert shared.tokens == [3, 2]
    shared.tokens = [0]
    assert view.selected_points == [(0, 0)]
    two = ProjectionView(np.eye(4, 2), texts=[["a", "b"], ["c", "d"]], selected_points=[(1, 0)])
    assert two.selected_tokens == []


def test_layers_are_aligned_unless_it_is_said() -> None:
    given = projected(200, layers=3)
    view = ProjectionView(**given, layers=[0, 4, 8], layer=4)
    np.testing.assert_allclose(places_of(view), align_layers(given["points"]), rtol=1e-5, atol=1e-6)
    assert (view.layers, view.layer, view.held_layers) == ([0, 4, 8], 4, [0, 4, 8])
    assert "turned onto the layer before" in view.fidelity[0]
    assert "layers, aligned" in [term for term, *_ in view.definitions]
    plain = ProjectionView(**given, align=False)
    np.testing.assert_array_equal(places_of(plain), given["points"].astype(np.float32))
    assert "turned" not in plain.fidelity[0]
    with pytest.raises(traitlets.TraitError, match="There is no layer 5: there are 0, 4, 8"):
        view.layer = 5


def test_each_point_is_a_token_in_its_text() -> None:
    given = projected(60)
    view = ProjectionView(**given)
    ids, starts = np.frombuffer(view.word_ids, "<u2"), np.frombuffer(view.text_starts, "<i4")
    samples, positions = np.frombuffer(view.samples, "<u2"), np.frombuffer(view.positions, "<u2")
    for point in (0, 24, 25, 59):
        expected = given["texts"][point // 25][point % 25]
        assert view.words[ids[starts[samples[point]] + positions[point]]] == expected
        assert view._texts.token(point) == expected
    named = ProjectionView(np.eye(2), tokens=["a", "b"])
    assert (named.text_starts, named._texts.token(1)) == (b"", "b")
    whole = ProjectionView(np.zeros((3, 2)), texts=[["a"], ["b", "c"]])  # every token, in order
    assert np.frombuffer(whole.samples, "<u2").tolist() == [0, 1, 1]
    assert np.frombuffer(whole.positions, "<u2").tolist() == [0, 0, 1]
    far = ProjectionView(np.eye(2), samples=[0, 70_000], positions=[1, 2])
    assert np.frombuffer(far.samples, "<i4").tolist() == [0, 70_000]


def test_colours_are_classes_or_numbers() -> None:
    given = projected(300)
    view = ProjectionView(**given)
    kind, norm, effect, sample = view.columns
    assert kind["classes"] is not None
    assert kind["counts"] == sorted(kind["counts"], reverse=True)
    values = values_of(view)
    assert [kind["classes"][int(at)] for at in values["kind"]] == given["colours"]["kind"].tolist()
    assert (norm["classes"], norm["missing"], norm["signed"]) == (None, 3, False)
    np.testing.assert_array_equal(values["norm"], given["colours"]["norm"].astype(np.float32))
    assert effect["signed"]
    assert effect["low"] == -effect["high"]
    assert sample["classes"] == [str(one) for one in range(12)]  # whole numbers in their order
    frame = pd.DataFrame({"flag": [True, False, True], "name": ["x", None, "y"], "many": [1.5, np.nan, 2]})
    found = {one["name"]: one for one in ProjectionView(np.zeros((3, 2)), colours=frame).columns}
    assert found["flag"]["classes"] == ["True", "False"]
    assert (found["name"]["classes"], found["name"]["missing"]) == (["x", "y"], 1)
    assert found["many"]["missing"] == 1
    assert view.colour == "kind"
    with pytest.raises(traitlets.TraitError, match="no column 'loss' to colour by: there are kind, norm"):
        view.colour = "loss"


def test_the_colours_on_paper() -> None:
    given = projected(400)
    view = ProjectionView(**given)
    kind = view.columns[0]["classes"]
    colours = view._shown().colours()
    for at in (0, 100, 399):
        assert colours[at].tolist() == HUES[kind.index(given["colours"]["kind"][at])].tolist()
    view.colour = "norm"
    colours = view._shown().colours()
    assert colours[0].tolist() == OTHER.tolist()  # NaN
    assert colours[int(np.nanargmax(given["colours"]["norm"]))].tolist() == table(False)[-1].tolist()
    assert table(True)[len(table(True)) // 2].tolist() == OTHER.tolist()  # zero is seen on white
    many = ProjectionView(np.zeros((30, 2)), tokens=["t"] * 30, colours={"word": [str(at) for at in range(30)]})
    assert (many._shown().colours() == OTHER).all(1).sum() == 23
    assert "23 others (23)" in many.to_svg()
    assert 'fill="none" stroke="#9aa0a8"' not in many.to_svg()
    assert view._shown().missing().sum() == np.isnan(given["colours"]["norm"]).sum()
    assert 'fill="none" stroke="#9aa0a8"' in view.to_svg()  # what has no number is a ring, 0 a disc


def test_on_a_picture_what_has_no_number_is_a_ring() -> None:
    view = ProjectionView([[0.0, 0.0], [1.0, 0.0]], colours={"number": [np.nan, 0.0]})
    picture = dotted(view._shown(), 60, 20, 3)
    drawn = (picture != 255).any(2)
    middle = [int(column) for column in (6, 54)]
    assert [int(drawn[:, :30].sum()), int(drawn[:, 30:].sum())] == [8, 9]
    assert [bool(drawn[10, column]) for column in middle] == [False, True]


def test_it_says_how_well_neighbours_are_kept_and_by_which_method() -> None:
    points = np.zeros((4, 2))
    assert "UMAP. Of a point's 15 nearest neighbours, 43 %" in ProjectionView(**projected(50)).caption()
    assert "was not measured" in ProjectionView(points).fidelity[0]
    pca = ProjectionView(points, method="pca", explained=[0.5, 0.25], kept=0.9)
    assert pca.fidelity == [
        "PCA: the two axes hold 75 % of the variance. Of a point's nearest neighbours, 90 % are among its nearest here."
    ]
    assert pca.axes == ["component 1, 50.0% of variance", "component 2, 25.0% of variance"]
    layers = ProjectionView(np.zeros((2, 4, 2)), kept=[0.1, 0.2])
    assert ["10 %" in layers.fidelity[0], "20 %" in layers.fidelity[1]] == [True, True]
    without = ProjectionView(points, left_out="The first token has no point.")
    assert without.fidelity[0].endswith("need not be near. The first token has no point.")
    assert "The first token has no point." in without.caption()
    assert "left_out='The first token has no point.'" in without.arguments
    made = Provenance("org/model", prompts=("a", "b"))
    view = ProjectionView(points, provenance=made)
    assert "Model org/model; 2 prompts" in view.caption()
    assert view.title == "Projection, model, 4 points"


def test_points_are_selected_by_sample_and_position() -> None:
    chosen = Selection(points=[(1, 3)])
    view = ProjectionView(**projected(100), selection=chosen)
    assert view.selected_points == [(1, 3)]
    assert view.selected_rows().tolist() == [28]
    view.set_state({"selected_points": "0 2 0 2 3 1"})
    for refused in ("0", "0 x", "0 -1", [[0, 1]], "0 99999999999", "٣ 1"):
        view.set_state({"selected_points": refused})
    assert chosen.points == [(0, 2), (3, 1)]
    assert view.get_state()["selected_points"] == "0 2 3 1"
    assert view.selected_rows().tolist() == [2, 76]
    chosen.points = [(99, 0)]  # of another view
    assert view.selected_rows().tolist() == []
    chosen.clear()
    assert view.selected_points == []
    with pytest.raises(traitlets.TraitError, match=r"A point is a pair \(sample, position\) of integers, not 3"):
        chosen.points = [3]
    with pytest.raises(traitlets.TraitError, match="count from 0"):
        chosen.points = [(-1, 0)]
    with pytest.raises(traitlets.TraitError, match=f"Up to {MOST_POINTS:,} points"):
        chosen.points = [(0, 0)] * (MOST_POINTS + 1)


def test_100_000_points_begin_with_two_megabytes() -> None:
    rng = np.random.default_rng(0)
    n = MOST_POINTS
    words = [f" word{at}" for at in range(3000)]
    texts = [[words[at] for at in row] for row in rng.integers(0, 3000, (n // 100, 100))]
    colours = {"group": rng.integers(0, 5, n), "norm": rng.normal(size=n)}
    view = ProjectionView(rng.normal(size=(3, n, 2)), texts=texts, colours=colours)
    assert bytes_of(view) < 2_000_000
    assert (view.held_layers, view.held_columns) == ([0], ["group"])
    _, (places,) = view.answer_layer(2)
    np.testing.assert_allclose(np.frombuffer(places, "<f4").reshape(n, 2), view.points[2], rtol=1e-6)
    _, (values,) = view.answer_column("norm")
    np.testing.assert_array_equal(np.frombuffer(values, "<f4"), colours["norm"].astype(np.float32))
    asked = [(name, args) for name, args, *_ in view.saved_answers()]
    assert asked == [("layer", {"layer": 1}), ("layer", {"layer": 2}), ("column", {"name": "norm"})]
    svg = view.to_svg()
    assert "All 100,000 points, as a picture" in svg
    assert len(svg) < 1_500_000
    with pytest.raises(ValueError, match="There is no layer 3"):
        view.answer_layer(3)
    with pytest.raises(ValueError, match="no such column"):
        view.answer_column("x")


def test_hostile_texts_stay_texts() -> None:
    evil = "</text><script>alert(1)</script>\x00\u202e"
    view = ProjectionView(np.eye(2), tokens=[evil, "a"], colours={evil: [evil, "b"]}, selected_points=[(0, 0)])
    assert "<script" not in view.to_svg()
    assert "<script" not in view._repr_mimebundle_()[0]["text/html"]


def test_no_points_and_one_point() -> None:
    none = ProjectionView(np.zeros((0, 2)), tokens=[], colours={"a": []})
    assert "no points" in none.to_svg()
    assert none.still_image() is None
    assert places_of(ProjectionView(np.ones((1, 2)))).tolist() == [[[1, 1]]]
    assert "<circle" in ProjectionView(np.ones((2, 2)), colours={"a": [1.0, 1.0]}).to_svg()


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"points": np.zeros((3, 3))}, ValueError, r"not an array of shape \[3, 3\]: project them first"),
        ({"points": ["a"]}, TypeError, "takes an array of numbers"),
        ({"points": [[0, np.nan]]}, ValueError, "NaN or infinite"),
        ({"points": np.zeros((MOST_POINTS + 1, 2))}, ValueError, "up to 100,000 points"),
        ({"points": np.zeros((3, 2)), "tokens": ["a"]}, ValueError, "There are 3 points, and tokens= has 1"),
        ({"points": np.zeros((1, 2)), "tokens": [1]}, TypeError, "Tokens are texts"),
        ({"points": np.zeros((1, 2)), "tokens": ["a"], "texts": [["a"]]}, ValueError, "not both"),
        ({"points": np.zeros((2, 2)), "texts": [["a"]]}, ValueError, "1 tokens and there are 2 points"),
        ({"points": np.zeros((1, 2)), "samples": [0]}, ValueError, "give positions= too"),
        ({"points": np.zeros((1, 2)), "texts": [["a"]], "positions": [1]}, ValueError, "does not have"),
        ({"points": np.zeros((2, 2)), "positions": [1, 1]}, ValueError, "give each once"),
        ({"points": np.zeros((1, 2)), "positions": [-1]}, ValueError, "counts from 0"),
        ({"points": np.zeros((1, 2)), "positions": [0.5]}, ValueError, "one integer a point"),
        ({"points": np.zeros((1, 2)), "colours": [1]}, TypeError, "Colours are given by name"),
        ({"points": np.zeros((1, 2)), "colours": {"a": [1, 2]}}, ValueError, r"'a' are of shape \[2\]"),
        ({"points": np.zeros((1, 2)), "kept": 1.5}, ValueError, "shares from 0 to 1"),
        ({"points": np.zeros((2, 1, 2)), "layers": [3]}, ValueError, "points has 2 layers"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused_in_a_sentence(given: dict[str, Any], error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        ProjectionView(**given)
