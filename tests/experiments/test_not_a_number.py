"""NaN is never made a number: it stays NaN in a cell, and what all else is compared with is refused in a sentence."""

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, circuits, heads, lens, patching, steering
from scope_widgets.editing.fact_effect import predict
from scope_widgets.experiments.check_logits import check_logits
from scope_widgets.experiments.metric import divergence
from scope_widgets.ioi.detection.effect_statistics import evidence
from tests.support.fake_transport import fake_remote
from tests.support.tiny_models import tiny_model, tiny_tokenizer

IDS = [3, 17, 5, 44, 9]
OTHER = [3, 18, 5, 44, 9]


def overflowing():
    """A float16 model that overflows in its last layer."""
    model = tiny_model("llama").half()
    with torch.no_grad():
        model.model.layers[2].mlp.down_proj.weight.fill_(6e4)
        model.model.layers[2].mlp.up_proj.weight.mul_(64)
    return Microscope.for_model(model, tiny_tokenizer())


def test_divergence_is_brute_force_and_keeps_nan():
    inf = torch.inf
    p, q = torch.tensor([[0.0, 1.0, -inf, -inf]]).log_softmax(-1), torch.tensor([[1.0, 0.0, 2.0, -inf]]).log_softmax(-1)
    brute = sum(float(p[0, i].exp() * (p[0, i] - q[0, i])) for i in range(2))
    assert float(divergence(p, q)) == pytest.approx(brute, rel=1e-6)
    assert float(divergence(q, p)) == inf
    for at in range(4):
        for one, other in ((p.clone(), q.clone()), (p, q)):
            one = one.clone()
            one[0, at] = torch.nan
            assert divergence(one, other).isnan().all()
            assert divergence(other, one).isnan().all()


def test_logits_that_are_no_distribution_are_refused():
    check_logits(torch.tensor([[0.0, -torch.inf]]), "of a model")
    for wrong in (torch.nan, torch.inf):
        with pytest.raises(ValueError, match="logits of a model are NaN or infinite .1 of 2 distributions.*bfloat16"):
            check_logits(torch.tensor([[0.0, 1.0], [wrong, 1.0]]), "of a model")
    with pytest.raises(ValueError, match="NaN or infinite, so nothing"):
        check_logits(torch.tensor([-torch.inf, -torch.inf]), "of a model")


def test_a_trace_shows_where_nan_begins():
    trace = overflowing().trace(IDS)
    assert trace.residual(2).isfinite().all()
    assert not trace.logits.isfinite().any()


@pytest.mark.parametrize(
    "measure",
    [
        lambda scope: heads.importance(scope, IDS),
        lambda scope: lens.logit_lens(scope.trace(IDS)),
        lambda scope: lens.direct_logit_attribution(scope.trace(IDS), answer=7, versus=8),
        lambda scope: patching.ablate(scope, [IDS], [(0, 1)]),
        lambda scope: patching.ablate(scope, [IDS], [(0, 1)], answer=7),
        lambda scope: patching.attention_knockout(scope, [IDS], [(-1, 1)]),
        lambda scope: patching.activations(scope, IDS, OTHER, answer=7, versus=8),
        lambda scope: patching.attribution(scope, IDS, OTHER, answer=7, metric="probability"),
        lambda scope: patching.paths(scope, IDS, OTHER, answer=7, versus=8),
        lambda scope: steering.Session(scope, IDS),
        lambda scope: steering.direction(scope, positive=[IDS], negative=[OTHER], layer=3),
        lambda scope: circuits.discover(scope, circuits.Task.of(scope, [IDS], [OTHER], [7], [8]), "eap"),
        lambda scope: predict(scope, ["w3 w4"]),
    ],
)
def test_an_overflowing_model_is_refused(measure):
    scope = overflowing()
    with pytest.raises(ValueError, match=r"NaN|nan|infinite"):
        measure(scope)


def test_where_one_head_alone_overflows_its_cell_is_nan():
    scope = Microscope.for_model(tiny_model("llama").half(), tiny_tokenizer())
    d = scope.anatomy.d_head

    def overflow(module, args, output):
        without = (args[0][..., d : 2 * d] == 0).all(-1).all(-1)
        return output + torch.where(without, torch.inf, 0.0)[:, None, None].half()

    handle = scope.anatomy.blocks[2].out.register_forward_hook(overflow)
    scores = heads.importance(scope, IDS)
    handle.remove()
    assert np.argwhere(np.isnan(scores["kl"])).tolist() == [[2, 1]]
    assert np.argwhere(np.isnan(scores["loss"])).tolist() == [[2, 1]]


def test_steering_that_overflows_is_refused_at_those_strengths_only():
    scope = Microscope.for_model(tiny_model("llama").half(), tiny_tokenizer())
    direction = steering.direction(scope, vector=np.ones(32), layer=1, name="ones", positive=["w3 w4"])
    for one in (scope, fake_remote(scope)):
        session = steering.Session(one, IDS, [steering.AddDirection(direction)])
        assert np.isfinite(session.at([0.5]).kl)
        with pytest.raises(ValueError, match="logits of the next token are NaN or infinite"):
            session.at([1e6])
        assert np.isfinite(session.at([0.4]).kl)


def test_heads_that_write_nan_have_no_copying_score():
    scope = Microscope.for_model(tiny_model("llama"), tiny_tokenizer())
    expected = heads.copying(scope, [5, 6, 7])
    with torch.no_grad():
        scope.anatomy.blocks[1].out.weight.fill_(torch.inf)
    found = heads.copying(scope, [5, 6, 7])
    for name in ("copying", "negative_copying"):
        assert np.isnan(found[name][1]).all()
        np.testing.assert_array_equal(found[name][0], expected[name][0])


def test_nan_effects_are_no_evidence():
    effects = np.random.default_rng(0).normal(1, 0.1, (1, 3, 8))
    effects[0, 1, 2], effects[0, 2] = np.nan, 0.0
    found = evidence(effects, np.ones((1, 3), dtype=bool), 0)
    assert found.p[0, 1] == found.p[0, 2] == 1
    assert np.isnan(found.low[0, 1])
    assert found.found(0.1, 0.05).tolist() == [[True, False, False]]
