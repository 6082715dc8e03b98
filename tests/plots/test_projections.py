"""Points of projections: where they are, their kinds and scales, what is refused."""

import numpy as np
import pytest

from scope_widgets import plots

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(30, 2))


def test_points_stand_where_they_are_with_their_labels():
    labels = [f" token{at}" for at in range(30)]
    dots = plots.projection(POINTS, labels=labels).data[0]
    np.testing.assert_array_equal(dots.x, POINTS[:, 0])
    np.testing.assert_array_equal(dots.y, POINTS[:, 1])
    assert dots.hovertext[7] == "·token7"


def test_texts_are_kinds_with_a_hue_and_a_shape_each():
    kinds = ["noun", "verb", "name"] * 10
    figure = plots.projection(POINTS, colours=kinds)
    assert [one.name for one in figure.data] == ["noun", "verb", "name"]
    np.testing.assert_array_equal(figure.data[1].x, POINTS[1::3, 0])
    looks = {(one.marker.color, one.marker.symbol) for one in figure.data}
    assert len(looks) == len({one.marker.symbol for one in figure.data}) == 3


def test_kinds_beyond_the_most_are_other():
    points = RNG.normal(size=(200, 2))
    figure = plots.projection(points, colours=[f"kind {at % 40}" for at in range(200)])
    assert figure.data[-1].name == "other"
    assert len(figure.data) == 25
    assert len({(one.marker.color, one.marker.symbol) for one in figure.data}) == 25
    assert sum(len(one.x) for one in figure.data) == 200


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_numbers_are_a_scale_that_is_signed_where_some_are_below_zero(low):
    values = RNG.uniform(low, 1, size=30)
    figure = plots.projection(POINTS, colours=values, colour_name="norm")
    np.testing.assert_array_equal(figure.data[0].marker.color, values)
    axis = figure.layout.coloraxis
    assert axis.cmin == (-np.abs(values).max() if low < 0 else 0)


def test_many_points_are_drawn_by_webgl_and_three_dimensions_in_a_scene():
    assert plots.projection(RNG.normal(size=(10_001, 2))).data[0].type == "scattergl"
    assert plots.projection(POINTS).data[0].type == "scatter"
    assert plots.projection(RNG.normal(size=(5, 3))).data[0].type == "scatter3d"


def test_spaces_have_a_panel_each_of_the_same_points():
    other = RNG.normal(size=(30, 2))
    figure = plots.spaces({"layer 0": POINTS, "layer 3": other}, colours=["a", "b"] * 15)
    assert [one.text for one in figure.layout.annotations] == ["layer 0", "layer 3"]
    np.testing.assert_array_equal(figure.data[2].x, other[::2, 0])
    assert [one.showlegend for one in figure.data] == [True, True, False, False]


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(ValueError, match=r"\[point, 2\] or \[point, 3\]; got \[30\]"):
        plots.projection(POINTS[:, 0])
    with pytest.raises(ValueError, match="labels= has one for each point: there are 30 points, not 3"):
        plots.projection(POINTS, labels=list("abc"))
    with pytest.raises(ValueError, match="the same points each; got a .30, 2., b .29, 2."):
        plots.spaces({"a": POINTS, "b": POINTS[1:]})
    with pytest.raises(ValueError, match="got none"):
        plots.spaces({})
