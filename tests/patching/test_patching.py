"""Patching against the plain loop, brute-force path patching, and models whose answer is known."""

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, patching
from scope_widgets.patching import PatchingResult
from tests.support import reference_patching as plain
from tests.support.tiny_models import FAMILIES, tiny_model, tiny_tokenizer

pytestmark = pytest.mark.numeric

CLEAN = [1, *range(3, 12)]
CORRUPTED = [1, 3, 4, 60, 6, 7, 30, 9, 10, 11]
ANSWER, VERSUS = 20, 33
QUESTION = {"answer": ANSWER, "versus": VERSUS}
SITE_OF = {
    "residual": "residual",
    "attention_out": "attention_out",
    "mlp_out": "mlp_out",
    "head": "z",
    "k": "k",
    "v": "v",
}
PROMPT = "When Mary and John went to the store, John gave a drink to"
FLIPPED = "When Mary and John went to the store, Mary gave a drink to"


@pytest.fixture(scope="module")
def llama():
    return tiny_model("llama")


@pytest.fixture(scope="module")
def scope(llama):
    return Microscope.for_model(llama, tiny_tokenizer(), "tiny llama")


def plain_map(model, base, source, over, heads):
    """The metric of every cell, one plain forward each: [layer, (head,) position]."""
    site = SITE_OF[over]
    layers = 3 + (over == "residual")
    theirs = plain.values(model, source, [(site, layer) for layer in range(layers)])
    width = model.config.head_dim
    found = np.empty((layers, heads or 1, len(base)))
    for layer in range(layers):
        for head in range(heads or 1):
            columns = slice(head * width, (head + 1) * width) if heads else slice(None)
            for position in range(len(base)):
                change = plain.put(theirs[site, layer], [position], columns)
                logits = plain.forward(model, base, {(site, layer): change})
                found[layer, head, position] = plain.difference(logits, ANSWER, VERSUS)
    return found if heads else found[:, 0]


@pytest.mark.parametrize("over", list(SITE_OF))
@pytest.mark.parametrize("direction", ["denoising", "noising"])
def test_the_same_numbers_as_the_plain_loop(llama, scope, over, direction):
    base, source = (CORRUPTED, CLEAN) if direction == "denoising" else (CLEAN, CORRUPTED)
    heads = {"head": 4, "k": 2, "v": 2}.get(over, 0)
    loop = plain_map(llama, base, source, over, heads)
    m_base, m_source = (plain.difference(plain.forward(llama, ids, {}), ANSWER, VERSUS) for ids in (base, source))
    result = patching.activations(scope, CLEAN, CORRUPTED, **QUESTION, over=over, direction=direction)
    np.testing.assert_allclose(result.values, (loop - m_base) / (m_source - m_base), atol=1e-4)
    first = next(at for at, (one, other) in enumerate(zip(CLEAN, CORRUPTED, strict=True)) if one != other)
    np.testing.assert_array_equal(np.argwhere(result.by_construction)[:, -1] < first, True)
    assert result.done == result.values.size * (1 - first / 10) > 0
    assert np.abs(loop[..., :first] - m_base).max() < 1e-4  # as said: the plain loop finds nothing there
    assert result.positions == scope.trace(CLEAN).tokens


@pytest.mark.parametrize("family", FAMILIES)
def test_everything_patched_is_everything_and_nothing_is_nothing(family):
    scope = Microscope.for_model(tiny_model(family), tiny_tokenizer(), family)
    whole = patching.activations(scope, CLEAN, CORRUPTED, **QUESTION, over="residual", positions="all")
    np.testing.assert_allclose(whole.values[[0, -1]], 1, atol=1e-4)
    each = patching.activations(scope, CLEAN, CORRUPTED, **QUESTION, over="attention")
    assert (each.values[..., :3] == 0).all()  # the prompts are the same up to there
    ends = patching.activations(scope, CLEAN, CORRUPTED, **QUESTION, over="residual")
    assert ends.values[-1, -1] == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(ends.values[-1, :-1], 0, atol=1e-4)


def test_queries_and_patterns_against_whole_forwards(scope):
    ids = torch.tensor([CORRUPTED])
    clean = scope.trace(CLEAN)
    result = {
        over: patching.activations(scope, CLEAN, CORRUPTED, **QUESTION, over=over, positions=[5, -1])
        for over in ("q", "attention")
    }
    m_clean, m_corrupted = (
        plain.difference(scope.logits(torch.tensor([x]))[0], ANSWER, VERSUS) for x in (CLEAN, CORRUPTED)
    )
    for layer, head, (column, position) in [(0, 1, (0, 5)), (1, 3, (1, 9)), (2, 0, (1, 9))]:

        def query(value):
            value = value.clone()
            value[0, position, head] = clean.q(layer)[position, head]  # noqa: B023
            return value

        def pattern(value):
            value = value.clone()
            value[0, head, position] = clean.attention(layer)[head, position]  # noqa: B023
            return value

        for over, edit in (("q", query), ("attention", pattern)):
            logits = scope.logits(ids, {(over, layer): edit})[0]
            expected = (plain.difference(logits, ANSWER, VERSUS) - m_corrupted) / (m_clean - m_corrupted)
            assert result[over].values[layer, head, column] == pytest.approx(expected, abs=1e-4)


def test_several_prompts_of_several_lengths_by_their_roles(scope):
    clean = [CLEAN, [*CLEAN[:6], *CLEAN[7:]], CLEAN[::-1]]
    corrupted = [CORRUPTED, [*CORRUPTED[:6], *CORRUPTED[7:]], CORRUPTED[::-1]]
    roles = {"changed": [3, 3, 6], "end": [9, 8, 9]}
    both = patching.activations(scope, clean, corrupted, **QUESTION, roles=roles)
    assert both.values.shape == (3, 4, 2)
    assert both.positions == ["changed", "end"]
    alone = [
        patching.activations(scope, c, d, **QUESTION, positions=[roles["changed"][i], roles["end"][i]])
        for i, (c, d) in enumerate(zip(clean, corrupted, strict=True))
    ]
    scale = np.mean([float(one.clean[0] - one.corrupted[0]) for one in alone])
    expected = np.stack([one.values * float(one.clean[0] - one.corrupted[0]) / scale for one in alone])
    np.testing.assert_allclose(both.per_prompt, expected, atol=1e-4)
    np.testing.assert_allclose(both.values, expected.mean(0), atol=1e-4)
    ended = patching.activations(scope, clean, corrupted, **QUESTION, roles=roles, positions="end")
    np.testing.assert_allclose(ended.values[..., 0], both.values[..., 1], atol=1e-5)


def test_unequal_lengths_are_refused_by_both_lengths_or_aligned(scope):
    longer = [*CORRUPTED[:5], 50, *CORRUPTED[5:]]
    with pytest.raises(ValueError, match="Prompt 0 has 10 tokens clean and 11 corrupted"):
        patching.activations(scope, CLEAN, longer, **QUESTION)
    result = patching.activations(
        scope, CLEAN, longer, **QUESTION, over="residual", roles={"end": [9]}, corrupted_roles={"end": [10]}
    )
    assert result.values[-1, 0] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("metric", ["logit", "probability", "log_probability", "kl"])
def test_other_metrics(llama, scope, metric):
    versus = {} if metric != "logit" else {"versus": None}
    result = patching.activations(
        scope, CLEAN, CORRUPTED, answer=ANSWER, metric=metric, over="mlp_out", positions=[6], **versus
    )
    clean = plain.forward(llama, CLEAN, {})[-1]

    def measured(logits):
        if metric == "kl":
            return float((clean.softmax(-1) * (clean.log_softmax(-1) - logits.log_softmax(-1))).sum())
        return float(
            {"logit": logits, "probability": logits.softmax(-1), "log_probability": logits.log_softmax(-1)}[metric][
                ANSWER
            ]
        )

    base = measured(plain.forward(llama, CORRUPTED, {})[-1])
    theirs = plain.values(llama, CLEAN, [("mlp_out", 1)])["mlp_out", 1]
    patched = measured(plain.forward(llama, CORRUPTED, {("mlp_out", 1): plain.put(theirs, [6], slice(None))})[-1])
    assert result.values[1, 0] == pytest.approx((patched - base) / (measured(clean) - base), abs=2e-4)


def test_a_metric_of_ones_own(scope):
    def margin(logits):
        return logits[ANSWER] - logits[VERSUS]

    own = patching.activations(scope, CLEAN, CORRUPTED, metric=margin, over="mlp_out")
    named = patching.activations(scope, CLEAN, CORRUPTED, **QUESTION, over="mlp_out")
    np.testing.assert_allclose(own.values, named.values, atol=1e-5)
    assert own.metric == "margin"
    with pytest.raises(ValueError, match="must give one number .* it gave 96"):
        patching.activations(scope, CLEAN, CORRUPTED, metric=lambda logits: logits)
    with pytest.raises(ValueError, match="is nan for clean prompt 0|is nan for corrupted prompt 0"):
        patching.activations(scope, CLEAN, CORRUPTED, metric=lambda logits: logits[0] * np.nan)


def test_a_vanishing_denominator_is_nan_and_a_sentence(scope):
    result = patching.activations(scope, CLEAN, CLEAN, **QUESTION)
    assert np.isnan(result.values).all()
    assert "in both runs" in result.message
    assert "every cell is NaN" in result.message


def test_interrupted_work_is_kept_and_gone_on_with(scope, monkeypatch):
    from scope_widgets.patching import patching_experiment as module

    whole = patching.activations(scope, CLEAN, CORRUPTED, **QUESTION)
    plain_run, calls = module.run_cells, []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain_run(*args)

    monkeypatch.setattr(module, "MOST", 64)
    monkeypatch.setattr(module, "run_cells", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"Interrupted: \d+ of \d+ cells were run") as raised:
        patching.activations(scope, CLEAN, CORRUPTED, **QUESTION)
    part = raised.value.result
    said = f"{part.done} of {(~part.by_construction).sum()} cells were run"
    assert said in repr(part)
    assert said in part.widget().message
    assert 0 < np.isfinite(part.values).sum() < part.values.size
    seen = np.isfinite(part.values)
    np.testing.assert_allclose(part.values[seen], whole.values[seen], atol=1e-5)
    again = patching.activations(scope, CLEAN, CORRUPTED, **QUESTION, resume=part)
    np.testing.assert_allclose(again.values, whole.values, atol=1e-5)
    with pytest.raises(ValueError, match="another experiment"):
        patching.activations(scope, CLEAN, CORRUPTED, **QUESTION, over="k", resume=part)


def test_a_sweep_begins_with_the_most_promising_and_can_be_left(scope):
    work = patching.sweep(scope, CLEAN, CORRUPTED, **QUESTION)
    assert work.result.estimate.shape == (3, 4, 10)
    assert work.done == 0  # cells before the first difference are 0 by construction, and not run
    assert work.total == (~work.result.by_construction).sum() < work.result.values.size
    job = work.submit()
    first = next(status.partial for status in job if status.partial is not None)
    job.cancel()
    assert work.done == len(first)
    assert np.isfinite(work.result.values.ravel()[first]).all()
    assert np.abs(work.result.estimate).max() == np.abs(work.result.estimate.ravel()[first]).max()
    work.submit().result()
    assert work.done == work.total
    whole = patching.activations(scope, CLEAN, CORRUPTED, **QUESTION)
    np.testing.assert_allclose(work.result.values, whole.values, atol=1e-5)


@pytest.mark.parametrize("over", ["residual", "head", "q", "k", "v", "attention", "mlp_out", "attention_out"])
def test_the_estimate_is_the_gradient(scope, over):
    """The estimate of a cell is the exact effect of a small step towards the source, scaled up."""
    estimate = patching.attribution(scope, CLEAN, CORRUPTED, **QUESTION, over=over)
    assert not estimate.exact
    site = {"head": "z"}.get(over, over)
    base, source = scope.run([CORRUPTED], (site,)), scope.run([CLEAN], (site,))
    rows, positions = torch.tensor([0]), torch.arange(10)[None]
    step = 0.02
    for layer, position in ((1, 3), (2, 9)):
        head = 1

        def moved(sign):
            def edit(value):
                change = torch.zeros_like(value)
                target = source.values[site][layer] - value  # noqa: B023
                index = (0, head, position) if over == "attention" else (0, position, head)  # noqa: B023
                index = index if len(estimate.axes) == 3 else (0, position)  # noqa: B023
                change[index] = sign * step * target[index]
                return value + change

            logits = base.again({(site, layer): edit}, rows=rows, positions=positions)  # noqa: B023
            return float(logits[0, ANSWER] - logits[0, VERSUS])

        slope = (moved(1) - moved(-1)) / (2 * step) / float(estimate.clean[0] - estimate.corrupted[0])
        cell = (layer, head, position) if len(estimate.axes) == 3 else (layer, position)
        assert estimate.values[cell] == pytest.approx(slope, abs=5e-3)


def test_estimates_of_all_positions_are_the_sum_of_each(scope):
    each = patching.attribution(scope, CLEAN, CORRUPTED, **QUESTION)
    whole = patching.attribution(scope, CLEAN, CORRUPTED, **QUESTION, positions="all")
    np.testing.assert_allclose(whole.values, each.values.sum(-1), atol=1e-6)
    with pytest.raises(ValueError, match="has no gradient"):
        patching.attribution(scope, CLEAN, CORRUPTED, metric=lambda logits: float(logits[ANSWER]))


RECEIVERS = [
    None,
    [(2, 1, "q")],
    [(2, 0, "q"), (2, 3, "q")],
    [(1, 2, "k"), (2, 1, "v")],
    [("mlp", 1)],
    [("mlp", 2), (2, 0, "k")],
]


@pytest.mark.parametrize("receivers", RECEIVERS)
@pytest.mark.parametrize("position", [None, 6, 9])
def test_paths_against_brute_force(llama, scope, receivers, position):
    result = patching.paths(
        scope, CLEAN, CORRUPTED, **QUESTION,
        receivers="logits" if receivers is None else receivers,
        positions="all" if position is None else position,
    )  # fmt: skip
    m_clean, m_corrupted = float(result.clean[0]), float(result.corrupted[0])
    for sender in [(0, 0), (0, 3), (1, 1), (1, 2), (2, 0)]:
        measured = plain.path(llama, 4, CLEAN, CORRUPTED, sender, receivers, ANSWER, VERSUS, position)
        assert result.values[sender] == pytest.approx((measured - m_clean) / (m_corrupted - m_clean), abs=1e-4)


def test_a_direct_path_of_the_last_layer_is_the_whole_effect(scope):
    direct = patching.paths(scope, CLEAN, CORRUPTED, **QUESTION, positions=9)
    total = patching.activations(scope, CLEAN, CORRUPTED, **QUESTION, positions=[9], direction="noising")
    np.testing.assert_allclose(direct.values[-1], total.values[-1, :, 0], atol=1e-4)
    assert (np.abs(direct.values[0] - total.values[0, :, 0]) > 1e-3).any()


def test_where_no_path_leads_there_is_no_effect(scope):
    result = patching.paths(scope, CLEAN, CORRUPTED, **QUESTION, receivers=[(1, 0, "q")])
    assert (result.values[1:] == 0).all()
    assert (result.values[0] != 0).any()
    some = patching.paths(scope, CLEAN, CORRUPTED, **QUESTION, senders=[(0, 2), (1, 1)])
    assert np.isfinite(some.values).sum() == 2
    mlps = patching.paths(scope, CLEAN, CORRUPTED, **QUESTION, senders="mlps")
    assert mlps.values.shape == (3,)


def test_the_demo_model_does_ioi_through_the_heads_that_it_was_trained_to_use(demo):
    question = {"answer": " Mary", "versus": " John"}
    heads = patching.activations(demo, PROMPT, FLIPPED, **question)
    assert heads.top(2)[["layer", "head", "token"]].to_numpy().tolist() == [[2, 2, "to"], [3, 1, "to"]]
    direct = patching.paths(demo, PROMPT, FLIPPED, **question)
    assert np.unravel_index(np.abs(direct.values).argmax(), direct.values.shape) == (3, 1)
    queries = patching.paths(demo, PROMPT, FLIPPED, **question, receivers=[(3, 1, "q")])
    assert np.unravel_index(np.abs(queries.values).argmax(), queries.values.shape) == (2, 2)
    for over in ("residual", "mlp_out"):
        result = patching.activations(demo, PROMPT, FLIPPED, **question, over=over)
        assert np.isfinite(result.values).all()


def test_results_travel_as_json_and_table(scope):
    result = patching.sweep(scope, CLEAN, CORRUPTED, **QUESTION).result
    back = PatchingResult.from_json(result.to_json())
    np.testing.assert_array_equal(back.values, result.values)
    assert back.call == result.call
    table = result.to_dataframe()
    assert list(table) == ["layer", "head", "position", "token", "effect", "estimate"]
    assert len(table) == 120
    assert result.code(1, 2, 3).endswith("result.values[1, 2, 3]")
    assert f"patching.activations(scope, {CLEAN}" in result.code()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"over": "neurons"}, "over= is one of residual, .*; got 'neurons'"),
        ({"positions": [10]}, "Position 10 is out of range: the prompts have 10 tokens"),
        ({"positions": ["S2"]}, "asks for the role 'S2' but there are no roles"),
        ({"positions": ["S2"], "roles": {"END": [9]}}, "no role 'S2'; roles= has END"),
        ({"roles": {"END": [9, 9]}}, "Role 'END' has 2 positions for 1 prompts"),
        ({"roles": {"END": [10]}}, "Role 'END' is at position 10 of prompt 0, which has 10 tokens"),
        ({"direction": "up"}, "direction= is one of denoising, noising; got 'up'"),
        ({"metric": "loss"}, "metric= is one of logit_difference"),
        ({"answer": None, "versus": None}, "needs answer="),
        ({"versus": ANSWER}, "the same token"),
        ({"answer": "w3 w4"}, "must be one token, and 'w3 w4' is 2"),
        ({"answer": 96}, "0 to 95"),
    ],
)
def test_bad_input_gets_a_sentence(scope, options, message):
    with pytest.raises(ValueError, match=message):
        patching.activations(scope, CLEAN, CORRUPTED, **{**QUESTION, **options})


def test_more_bad_input_gets_a_sentence(scope):
    with pytest.raises(ValueError, match="clean= is an empty set of prompts"):
        patching.activations(scope, [], [], **QUESTION)
    with pytest.raises(ValueError, match="There are 2 clean and 1 corrupted prompts"):
        patching.activations(scope, [CLEAN, CLEAN], [CORRUPTED], **QUESTION)
    with pytest.raises(ValueError, match="The prompts have 9, 10 tokens"):
        patching.activations(scope, [CLEAN, CLEAN[1:]], [CORRUPTED, CORRUPTED[1:]], **QUESTION)
    with pytest.raises(ValueError, match="There is no head 3.0: tiny llama has layers 0 to 2"):
        patching.paths(scope, CLEAN, CORRUPTED, **QUESTION, senders=[(3, 0)])
    with pytest.raises(ValueError, match="receivers= is 'logits' or a list"):
        patching.paths(scope, CLEAN, CORRUPTED, **QUESTION, receivers=[(1, 2, "z")])
