"""Running again from the middle: the same numbers as the plain model with a plain hook, in every family."""

import numpy as np
import pytest
import torch

from scope_widgets import Microscope
from tests.support.family_models import family_model
from tests.support.tiny_models import CONFIGS, tiny_model, tiny_tokenizer

pytestmark = pytest.mark.numeric

ROWS = [[1, *range(3, 14)], [1, *range(20, 27)], [1, *range(40, 50)]]


def scope_of(family):
    model = tiny_model(family) if family in CONFIGS else family_model(family)
    return Microscope.for_model(model, tiny_tokenizer(), family)


def changed(site, at):
    """A change at position `at` [row] that a plain forward can make too."""

    def edit(value, positions):
        here = positions == at[:, None]
        new = value.clone()
        new[here] = new[here] * 0.5 + 3.0
        return new

    return edit


SITES = [(family, site) for family in CONFIGS for site in ("residual", "z", "attention_out", "mlp_out")]
SITES += [(family, site) for family in CONFIGS for site in ("q", "k", "v")]
#: families that go on by whole prompts, or from their first layer
OTHER_MODES = {"mamba": "prompts", "lfm2": "prompts", "qwen3_next": "prompts"}
SITES += [(family, site) for family in ("mamba", "lfm2", "qwen3_next") for site in ("residual", "attention_out")]


@pytest.mark.parametrize(("family", "site"), SITES)
def test_the_same_as_a_whole_forward_of_each_prompt(family, site):
    scope = scope_of(family)
    run = scope.run(ROWS)
    layer, at = 1, torch.tensor([9, 5, 8])
    edit = changed(site, at)
    rows = torch.arange(3)
    positions = run.suffix(rows, at)
    ours = run.again({(site, layer): lambda value: edit(value, positions)}, rows=rows, positions=positions, layer=layer)
    for row, ids in enumerate(ROWS):
        whole = torch.arange(len(ids))[None]
        one = changed(site, at[row : row + 1])
        expected = scope.logits(torch.tensor([ids]), {(site, layer): lambda value: one(value, whole)})  # noqa: B023
        torch.testing.assert_close(ours[row], expected[0, -1], atol=2e-4, rtol=1e-4)
        assert (ours[row] - run.logits[row]).abs().max() > 1e-4


@pytest.mark.parametrize("family", list(CONFIGS))
def test_nothing_changed_is_nothing_changed(family):
    scope = scope_of(family)
    run = scope.run(ROWS)
    for row, ids in enumerate(ROWS):
        torch.testing.assert_close(run.logits[row], scope.trace(ids).logits[-1], atol=1e-4, rtol=1e-4)
    rows = torch.tensor([2, 0, 1, 0])
    for layer in range(scope.n_layers):
        for start in (0, 3, torch.tensor([5, 11, 2, 7])):
            again = run.again({}, rows=rows, positions=run.suffix(rows, start), layer=layer)
            torch.testing.assert_close(again, run.logits[rows], atol=1e-4, rtol=1e-4)


def test_an_edit_outside_of_attention_is_what_a_plain_hook_makes():
    model = tiny_model("llama")
    scope = Microscope.for_model(model, tiny_tokenizer())
    ids = torch.tensor([ROWS[0]])
    handle = model.model.layers[1].mlp.register_forward_hook(lambda module, args, output: output * 2)
    expected = model(ids).logits
    handle.remove()
    ours = scope.logits(ids, {("mlp_out", 1): lambda value: value * 2})
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)
    last = scope.logits(ids, {("residual", 3): torch.zeros_like})
    torch.testing.assert_close(last, model.lm_head(model.model.norm(torch.zeros(1, 12, 32))), atol=1e-6, rtol=0)


def test_gradients_are_those_of_a_finite_difference():
    scope = scope_of("gpt2")
    run = scope.run(ROWS[:1], capture=("z",))
    kept = {}

    def leaf(value):
        kept["z"] = value.detach().requires_grad_()
        return kept["z"]

    rows, positions = torch.tensor([0]), torch.arange(12)[None]
    logits = run.again({("z", 1): leaf}, rows=rows, positions=positions, layer=1, gradients=True)
    (gradient,) = torch.autograd.grad(logits[0, 7] - logits[0, 9], kept["z"])

    def bumped(size):
        def bump(value):
            new = value.clone()
            new[0, 5, 2, 3] += size
            return new

        out = run.again({("z", 1): bump}, rows=rows, positions=positions, layer=1)
        return float(out[0, 7] - out[0, 9])

    assert float(gradient[0, 5, 2, 3]) == pytest.approx((bumped(0.05) - bumped(-0.05)) / 0.1, rel=0.05, abs=1e-3)


def test_knocked_out_scores_renormalise():
    scope = scope_of("llama")
    seen = {}

    def knock(scores):
        scores = scores.clone()
        scores[:, 1, 6, 2] = -torch.inf
        return scores

    scope.logits(torch.tensor([ROWS[0]]), {("scores", 0): knock, ("attention", 0): lambda a: seen.setdefault("a", a)})
    whole = scope.trace(ROWS[0]).attention(0)[1, 6]
    expected = whole.clone()
    expected[2] = 0
    torch.testing.assert_close(seen["a"][0, 1, 6], expected / expected.sum(), atol=1e-6, rtol=1e-5)


def test_bad_places_get_a_sentence():
    scope = scope_of("gpt2")
    ids = torch.tensor([ROWS[0]])
    with pytest.raises(ValueError, match="no quantity 'zz' to edit; there are residual, q"):
        scope.logits(ids, {("zz", 0): torch.zeros_like})
    with pytest.raises(ValueError, match="Layer 3 of 'z' is out of range: this model has 0 to 2"):
        scope.logits(ids, {("z", 3): torch.zeros_like})
    with pytest.raises(ValueError, match=r"got a str\. Those of a prompt are scope.trace"):
        scope.logits("w3 w4")
    for edits, said in [
        ([("z", torch.zeros_like)], r"such as \{\('z', 3\): function\}; got a list"),
        ({"blocks.2.hook_resid_post": torch.zeros_like}, "got 'blocks.2.hook_resid_post' in the place"),
        ({("z", "0"): torch.zeros_like}, "got tuple in the place"),
        ({("z", 0): torch.zeros(3)}, "got a Tensor in the place of a function"),
    ]:
        with pytest.raises(TypeError, match=said):
            scope.logits(ids, edits)
    for edit, said in [(lambda z: None, "a NoneType"), (lambda z: z[0], "a tensor of shape")]:
        with pytest.raises(ValueError, match=rf"The edit of \('z', 1\) got .* and returned {said}"):
            scope.logits(ids, {("z", 1): edit})
    assert scope.logits(ids, {("z", np.int64(1)): torch.zeros_like}).shape[:2] == ids.shape
    with pytest.raises(TypeError, match=r"by the number of a prompt; got tuple.*to_transformer_lens_cache"):
        scope.trace(ROWS[0])["pattern", 0]


def test_a_run_with_changes_keeps_what_they_make():
    scope = scope_of("llama")
    run = scope.run(ROWS, ("z",), {("z", 1): torch.zeros_like})
    assert not run.values["z"][1].any()
    ids = torch.tensor([ROWS[0]])
    expected = scope.logits(ids, {("z", 1): torch.zeros_like})[0, -1]
    torch.testing.assert_close(run.logits[0], expected, atol=1e-5, rtol=1e-5)
    rows = torch.arange(3)
    again = run.again({}, rows=rows, positions=run.suffix(rows, 4), layer=2)
    torch.testing.assert_close(again, run.logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", sorted(OTHER_MODES))
def test_what_mixes_positions_otherwise_runs_whole_prompts(family):
    scope = scope_of(family)
    run = scope.run(ROWS)
    assert run._mode == OTHER_MODES[family]
    rows = torch.tensor([1, 0])
    positions = run.suffix(rows, torch.tensor([2, 5]))
    last = run.again({}, rows=rows, positions=positions, layer=1, keep=3)
    for row, ids in zip(last, (ROWS[1], ROWS[0]), strict=True):
        torch.testing.assert_close(row, scope.trace(ids).logits[-3:], atol=1e-4, rtol=1e-4)
