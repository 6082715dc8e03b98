"""Figures of attention: the trace's own patterns, keys after their query left out, prompts aligned."""

import numpy as np
import pytest

from scope_widgets import heads, plots

PROMPT = "When Mary and John went to the store, John gave a drink to"


@pytest.fixture(scope="module")
def trace(demo):
    return demo.trace(PROMPT)


def pattern(trace, layer, head):
    values = trace.attention(layer)[head].numpy()
    return np.where(np.tri(len(values), dtype=bool), values, np.nan)


def test_a_pattern_is_that_of_the_trace(trace):
    cells = trace.plot(3, 1).data[0]
    np.testing.assert_array_equal(cells.z, pattern(trace, 3, 1))
    assert cells.zsmooth is False
    assert not cells.hoverongaps


def test_all_heads_of_a_layer_and_of_the_model_have_a_map_each_on_one_scale(trace):
    layer, model = trace.plot(2), trace.plot()
    assert (len(layer.data), len(model.data)) == (4, 16)
    for head, cells in enumerate(layer.data):
        np.testing.assert_array_equal(cells.z, pattern(trace, 2, head))
    np.testing.assert_array_equal(model.data[9].z, pattern(trace, 2, 1))
    assert {one.coloraxis for one in model.data} == {"coloraxis"}
    assert (model.layout.coloraxis.cmin, model.layout.coloraxis.cmax) == (0, 1)
    assert [one.text for one in layer.layout.annotations] == ["2.0", "2.1", "2.2", "2.3"]


def test_the_tokens_stand_on_the_axes_where_one_comes_twice_too(trace):
    axis = trace.plot(3, 1).layout.xaxis
    assert [axis.labelalias[str(at)] for at in (2, 4, 10)] == ["Mary", "John", "John"]


def test_a_comparison_shows_b_less_a(demo, trace):
    other = demo.trace(PROMPT.replace("Mary", "Anna"))
    a, b, difference = plots.attention_comparison(trace, other, 3, 1).data
    np.testing.assert_array_equal(a.z, pattern(trace, 3, 1))
    np.testing.assert_array_equal(b.z, pattern(other, 3, 1))
    np.testing.assert_allclose(difference.z, pattern(other, 3, 1) - pattern(trace, 3, 1))


def test_prompts_of_other_lengths_are_aligned_and_what_has_no_partner_is_grey(demo, trace):
    longer = demo.trace(PROMPT.replace("the store", "the old store"))
    _, _, difference, grey = plots.attention_comparison(longer, trace, 3, 1).data
    added = longer.tokens.index("store") - 1
    kept = [at for at in range(len(longer.tokens)) if at != added]
    expected = pattern(trace, 3, 1) - pattern(longer, 3, 1)[np.ix_(kept, kept)]
    np.testing.assert_allclose(difference.z[np.ix_(kept, kept)], expected)
    assert grey.name == "not run"
    unpaired = np.zeros(difference.z.shape, dtype=bool)
    unpaired[added, : added + 1] = unpaired[added:, added] = True
    np.testing.assert_array_equal(np.isfinite(grey.z), unpaired)


def test_a_flow_draws_the_largest_and_the_map_has_all(trace):
    rollout = heads.rollout(trace)
    figure = rollout.plot(n=7)
    lines, values = figure.data[:-1], np.tril(rollout.values, -1)
    assert len(lines) == 7
    ends = [(round(float(line.y[-1])), round(float(line.y[0]))) for line in lines]  # query, key
    assert sorted(values[end] for end in ends) == sorted(np.sort(values.ravel())[-7:])
    widths = [line.line.width for line in lines]
    assert widths == sorted(widths)


def test_what_has_no_figure_is_said_in_a_sentence(demo, trace):
    both = demo.trace([PROMPT, "the dog runs"])
    for call in (lambda: both.plot(3, 1), lambda: both.plot(), lambda: plots.token_norms(both)):
        with pytest.raises(ValueError, match=r"the trace has 2: choose one with trace\[i\]"):
            call()
    with pytest.raises(ValueError, match="head=1 is a head of which layer"):
        trace.plot(head=1)
    with pytest.raises(ValueError, match="theme"):
        trace.plot(3, 1, theme="blue")
    with pytest.raises(IndexError):
        trace.plot(9, 1)


def test_norms_are_those_of_the_trace(trace):
    cells = plots.token_norms(trace).data[0]
    expected = np.stack([np.linalg.norm(trace.residual(layer).numpy(), axis=-1) for layer in range(5)])
    np.testing.assert_allclose(cells.customdata, expected, rtol=1e-5)
    np.testing.assert_allclose(10**cells.z, expected, rtol=1e-5)


def test_statistics_of_activations_are_those_of_each_trace(demo, trace):
    other = demo.trace("the dog runs")
    figure = plots.activation_statistics({"a": trace, "b": other}, site="mlp_out", statistic="std")
    for line, one in zip(figure.data, (trace, other), strict=True):
        expected = [one.mlp_out(layer).numpy().std() for layer in range(4)]
        np.testing.assert_allclose(line.y, expected, rtol=1e-4)
    with pytest.raises(ValueError, match="There is no trace to plot"):
        plots.activation_statistics({})
    with pytest.raises(ValueError, match="statistic"):
        plots.activation_statistics(trace, statistic="median")
