"""Ablations against plain weights and plain hooks, and what they must leave alone."""

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, patching
from scope_widgets.patching import Ablation
from scope_widgets.patching.ablation.ablation_values import Replacement
from tests.support import reference_patching as plain
from tests.support.tiny_models import FAMILIES, tiny_model, tiny_tokenizer

pytestmark = pytest.mark.numeric

IDS = [1, *range(3, 12)]
QUESTION = {"answer": 20, "versus": 33}


@pytest.fixture(scope="module")
def llama():
    return tiny_model("llama")


@pytest.fixture(scope="module")
def scope(llama):
    return Microscope.for_model(llama, tiny_tokenizer(), "tiny llama")


def after(model, changes, ids=IDS):
    return plain.difference(plain.forward(model, ids, changes), 20, 33)


def test_zero_of_a_head_is_a_zero_slice_of_its_output_matrix(scope):
    result = patching.ablate(scope, IDS, [(1, 2)], **QUESTION)
    changed = tiny_model("llama")
    with torch.no_grad():
        changed.model.layers[1].self_attn.o_proj.weight[:, 16:24] = 0
    assert result.after[0] == pytest.approx(after(changed, {}), abs=1e-5)
    assert result.after[0] != pytest.approx(result.before[0], abs=1e-3)
    assert result.metric == "logit_difference"


def test_means_are_the_means_of_what_they_are_said_to_be(llama, scope):
    others = [[1, *range(a, a + 9)] for a in (30, 50, 70)]
    columns = slice(16, 24)
    own = plain.values(llama, IDS, [("z", 1)])["z", 1]
    over_positions = own.mean(0, keepdim=True).expand_as(own)
    result = patching.ablate(scope, IDS, [(1, 2)], ablation="mean", **QUESTION)
    change = {("z", 1): plain.put(over_positions, range(10), columns)}
    assert result.after[0] == pytest.approx(after(llama, change), abs=1e-5)
    theirs = torch.stack([plain.values(llama, ids, [("z", 1)])["z", 1] for ids in others]).mean(0)
    result = patching.ablate(scope, IDS, [(1, 2)], ablation="mean", reference=others, positions=[4, -1], **QUESTION)
    assert result.after[0] == pytest.approx(after(llama, {("z", 1): plain.put(theirs, [4, 9], columns)}), abs=1e-5)
    assert "mean over 3 reference prompts" in result.what


def test_means_of_a_template_come_from_that_template(llama, scope):
    prompts = [IDS, IDS[:8]]
    reference = [[1, *range(30, 39)], [1, *range(40, 47)], [1, *range(50, 57)]]
    result = patching.ablate(
        scope, prompts, [("mlp", 0)], ablation="mean", reference=reference, groups=["a", "b"],
        reference_groups=["a", "b", "b"], **QUESTION,
    )  # fmt: skip
    for at, some in enumerate(([0], [1, 2])):
        mean = torch.stack([plain.values(llama, reference[i], [("mlp_out", 0)])["mlp_out", 0] for i in some]).mean(0)
        change = {("mlp_out", 0): plain.put(mean, range(len(prompts[at])), slice(None))}
        assert result.after[at] == pytest.approx(after(llama, change, prompts[at]), abs=1e-5)
    drawn = patching.ablate(
        scope, prompts[1], [("mlp", 0)], ablation="resample", reference=reference[1:], seed=3, **QUESTION
    )
    each = [
        patching.ablate(scope, prompts[1], [("mlp", 0)], ablation="resample", reference=[one], **QUESTION).after[0]
        for one in reference[1:]
    ]
    assert drawn.after[0] in [pytest.approx(one, abs=1e-6) for one in each]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_layer_taken_out_leaves_the_residual_stream_as_it_came(family):
    scope = Microscope.for_model(tiny_model(family), tiny_tokenizer(), family)
    result = patching.ablate(scope, IDS, [("layer", 1)], **QUESTION)
    seen = {}
    edits = {("attention_out", 1): torch.zeros_like, ("mlp_out", 1): torch.zeros_like}
    looks = {("residual", at): lambda value, at=at: seen.setdefault(at, value) for at in (1, 2)}
    logits = scope.logits(torch.tensor([IDS]), {**edits, **looks})
    torch.testing.assert_close(seen[2], seen[1], atol=1e-6, rtol=0)
    assert result.after[0] == pytest.approx(float(logits[0, -1, 20] - logits[0, -1, 33]), abs=1e-5)


def test_divergence_and_loss_are_those_of_the_plain_logits(llama, scope):
    result = patching.ablate(scope, IDS, [("mlp", 1)])
    assert result.metric == "kl"
    plain_logits, changed = (plain.forward(llama, IDS, c).double() for c in ({}, {("mlp_out", 1): torch.zeros_like}))
    p, q = plain_logits[-1].log_softmax(-1), changed[-1].log_softmax(-1)
    assert result.kl[0] == pytest.approx(float((p.exp() * (p - q)).sum()), rel=1e-3)
    targets = torch.tensor(IDS[1:])
    loss = torch.nn.functional.cross_entropy
    assert result.loss[0] == pytest.approx(
        float(loss(changed[:-1], targets) - loss(plain_logits[:-1], targets)), abs=1e-4
    )


def test_noise_has_the_mean_and_spread_that_were_asked_for(scope):
    noise = Replacement("noise", None, None, [], 0.0, 2.5, torch.Generator().manual_seed(1))
    noisy = noise.at(("z", 0))(torch.zeros(1000, 1000))
    assert float(noisy.mean()) == pytest.approx(0, abs=0.02 * 2.5)
    assert float(noisy.std()) == pytest.approx(2.5, rel=0.02)
    first, again, other = (
        patching.ablate(scope, IDS, [(0, 1)], ablation="noise", std=1.0, seed=seed, **QUESTION) for seed in (1, 1, 2)
    )
    assert first.after[0] == again.after[0] != other.after[0]


def test_counterfactual_takes_the_value_of_the_prompts_own_corrupted_version(scope):
    other = [IDS[::-1], IDS[1:] + IDS[:1]]
    both = patching.ablate(scope, [IDS, IDS], [(1, 0)], ablation="counterfactual", reference=other, **QUESTION)
    each = [patching.ablate(scope, IDS, [(1, 0)], ablation="mean", reference=[one], **QUESTION) for one in other]
    np.testing.assert_allclose(both.after, [one.after[0] for one in each], atol=1e-5)
    assert "counterfactual from 2 reference prompts" in both.provenance.ablation


def test_scale_and_functions_of_ones_own(scope):
    nothing = patching.ablate(scope, IDS, [(1, 0), ("mlp", 2)], ablation="scale", factor=1.0, **QUESTION)
    np.testing.assert_allclose(nothing.after, nothing.before, atol=1e-5)
    none = patching.ablate(scope, IDS, [(1, 0)], ablation="scale", factor=0.0, **QUESTION)
    zero = patching.ablate(scope, IDS, [(1, 0)], **QUESTION)
    own = patching.ablate(scope, IDS, [(1, 0)], ablation=lambda value: value * 0, **QUESTION)
    np.testing.assert_allclose(none.after, zero.after)
    np.testing.assert_allclose(own.after, zero.after)
    assert zero.lost == pytest.approx(1 - zero.after[0] / zero.before[0])


def test_knockout_of_every_edge_is_finite_and_only_its_own(scope):
    base = scope.trace(IDS)
    for query in range(1, 10):
        for key in range(query + 1):
            result = patching.attention_knockout(scope, IDS, [(query, key)], layers=[1], **QUESTION)
            assert np.isfinite(result.after).all()
    logits = scope.logits(torch.tensor([IDS]), {("scores", 2): lambda s: s})
    torch.testing.assert_close(logits[0], base.logits, atol=1e-5, rtol=1e-5)


def test_knockout_renormalises_as_a_masked_softmax(llama, scope):
    result = patching.attention_knockout(scope, IDS, [(-1, 4), (-1, 5)], heads=[(2, 1)], **QUESTION)
    trace = scope.trace(IDS)
    pattern = trace.attention(2)[1, -1].clone()
    pattern[[4, 5]] = 0
    pattern /= pattern.sum()
    value = trace.v(2)[:, 0]  # the key-value head of head 1
    z = torch.zeros(10, 32)
    z[9, 8:16] = pattern @ value
    change = {("z", 2): plain.put(z, [9], slice(8, 16))}
    assert result.after[0] == pytest.approx(after(llama, change), abs=1e-5)


def test_results_travel(scope):
    result = patching.ablate(scope, [IDS, IDS[:5]], [(0, 0)], **QUESTION)
    back = Ablation.from_json(result.to_json())
    np.testing.assert_array_equal(back.after, result.after)
    assert list(result.to_dataframe()) == ["prompt", "before", "after", "change", "kl", "loss"]
    assert "0.0: zero, all positions" in repr(result)
    assert "<table" in result._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: patching.ablate(s, IDS, []), "components= is empty"),
        (lambda s: patching.ablate(s, IDS, [(3, 0)]), "There is no head 3.0"),
        (lambda s: patching.ablate(s, IDS, [("mlp", 3)]), "There is no layer 3"),
        (lambda s: patching.ablate(s, IDS, [("norm", 1)]), "A component is"),
        (lambda s: patching.ablate(s, IDS, [(0, 0)], ablation="remove"), "ablation= is one of zero, mean"),
        (lambda s: patching.ablate(s, IDS, [(0, 0)], ablation="resample"), "reference= prompts: give some"),
        (lambda s: patching.ablate(s, IDS, [(0, 0)], ablation="mean", reference=[IDS[:4]]), "Prompt 0 has 10 tokens"),
        (
            lambda s: patching.ablate(s, IDS, [(0, 0)], ablation="counterfactual", reference=[IDS, IDS]),
            "reference prompts: 1 and 2 were given",
        ),
        (lambda s: patching.ablate(s, IDS, [(0, 0)], positions=[12]), "Position 12 is out of range"),
        (lambda s: patching.ablate(s, IDS, [(0, 0)], positions="END"), "there are no roles="),
        (lambda s: patching.attention_knockout(s, IDS, [(3, 5)]), "does not attend to position 5, which is later"),
        (lambda s: patching.attention_knockout(s, IDS, [(0, 0)]), "Every key of query 0 of prompt 0"),
        (lambda s: patching.attention_knockout(s, IDS, []), "edges= is an empty list"),
        (lambda s: patching.attention_knockout(s, IDS, [(3, 1)], layers=[0], heads=[(0, 0)]), "not both"),
    ],
)
def test_bad_input_gets_a_sentence(scope, call, message):
    with pytest.raises(ValueError, match=message):
        call(scope)
