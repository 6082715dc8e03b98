"""Figures of heads beyond those that every result has: what stands where, what is grey, what is refused."""

import dataclasses

import numpy as np
import pytest

from scope_widgets import heads, lens, patching, plots
from scope_widgets._provenance import Provenance
from scope_widgets.heads import HeadScores

RNG = np.random.default_rng(0)
MADE_UP = Provenance(model="made-up")


def scores(layers=3, n_heads=2, **more):
    return HeadScores({"induction": RNG.random((layers, n_heads)), **more}, {}, 5, MADE_UP)


def test_the_largest_scores_are_bars():
    made = scores()
    bars = made.plot("induction", 2).data[0]
    order = np.argsort(-made["induction"].ravel())[:2]
    assert bars.x == tuple(f"{at // 2}.{at % 2}" for at in order)
    np.testing.assert_allclose(bars.y, made["induction"].ravel()[order])
    with pytest.raises(KeyError, match="no statistic 'inductio'"):
        made.plot("inductio")


def test_top_heads_are_those_of_the_first_in_all_results():
    first, second = scores(), scores()
    figure = plots.top_heads({"a": first, "b": second}, "induction", n=3)
    names = [figure.layout.yaxis.labelalias[str(row)] for row in range(3)]
    assert names == [f"{layer}.{head}" for layer, head, _ in first.top("induction", 3)]
    for dots, one in zip(figure.data, (first, second), strict=True):
        np.testing.assert_allclose(dots.x, [one["induction"][tuple(map(int, name.split(".")))] for name in names])
    with pytest.raises(ValueError, match=r"as many layers and heads; got \[\(2, 2\), \(3, 2\)\]"):
        plots.top_heads({"a": first, "b": scores(2)}, "induction")
    with pytest.raises(ValueError, match="got no results"):
        plots.top_heads({}, "induction")


def test_a_map_of_heads_is_signed_where_numbers_may_be_below_zero(demo):
    trace = demo.trace("When Mary and John went to the store, John gave a drink to")
    parts = lens.direct_logit_attribution(trace, answer=" Mary", versus=" John")
    figure = plots.head_effects(parts)
    np.testing.assert_allclose(figure.data[0].z, parts.heads)
    axis = figure.layout.coloraxis
    assert axis.cmin == -axis.cmax == -np.abs(parts.heads).max()
    assert axis.colorscale[len(axis.colorscale) // 2][1] == "rgb(255,255,255)"  # 0 is the ground
    with pytest.raises(ValueError, match="this LogitLens is not that"):
        plots.head_effects(lens.logit_lens(trace))


def test_a_map_of_a_comparison_says_which_head_was_not_there():
    found = heads.compare_heads(RNG.random((4, 2, 3)), RNG.random((4, 2, 3)))
    some = {name: getattr(found, name)[:-1] for name in ("layer", "head", "effect")}
    figure = plots.head_effects(dataclasses.replace(found, **some))
    assert np.isnan(figure.data[0].z[1, 2])
    assert figure.data[1].name == "not run"
    assert np.isfinite(figure.data[1].z).sum() == 1


def test_cells_that_were_not_run_are_grey_and_no_others(demo):
    pair = [f"When Mary and John went to the store, {name} gave a drink to" for name in ("John", "Mary")]
    result = patching.attribution(demo, *pair, answer=" Mary", versus=" John", over="residual")
    values = result.values.copy()
    values[2, 3] = np.nan
    cells, grey = dataclasses.replace(result, values=values).plot().data
    assert np.isnan(cells.z[2, 3])
    assert np.argwhere(np.isfinite(grey.z)).tolist() == [[2, 3]]
    assert "not run" in grey.hovertemplate
    assert grey.showlegend


def test_a_sweep_is_drawn_as_far_as_it_has_come(demo):
    pair = [f"When Mary and John went to the store, {name} gave a drink to" for name in ("John", "Mary")]
    sweep = patching.sweep(demo, *pair, answer=" Mary", versus=" John", over="residual")
    done = sweep.plot().data[0].z
    np.testing.assert_array_equal(done, sweep.result.values)


def test_heads_at_all_positions_beyond_the_most_are_the_largest(demo):
    pair = [f"When Mary and John went to the store, {name} gave a drink to" for name in ("John", "Mary")]
    result = patching.attribution(demo, *pair, answer=" Mary", versus=" John", over="head")
    cells = result.plot(n=3).data[0]
    most = np.abs(result.values).max(-1).ravel()
    chosen = np.sort(np.argsort(-most, kind="stable")[:3])
    assert cells.y == tuple(f"{at // 4}.{at % 4}" for at in chosen)
    np.testing.assert_array_equal(cells.z, result.values.reshape(16, -1)[chosen])
