"""What was wrong once in patching: numbers, what is left behind, sentences."""

import logging
import os
import signal
import threading
import time

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, patching
from scope_widgets.experiments.metric import metric_of
from scope_widgets.patching import patching_experiment as experiment
from tests.support.tiny_models import tiny_model, tiny_tokenizer

CLEAN = [1, *range(3, 12)]


CORRUPTED = [1, 3, 4, 60, 6, 7, 30, 9, 10, 11]


QUESTION = {"answer": 20, "versus": 33}


@pytest.fixture
def scope():
    return Microscope.for_model(tiny_model("llama"), tiny_tokenizer(), "tiny llama")


def test_a_resumed_map_is_of_the_same_positions_though_their_tokens_are_alike(scope):
    clean, corrupted = [1, 5, 7, 5, 9], [1, 6, 8, 6, 10]
    first = patching.activations(scope, clean, corrupted, **QUESTION, positions=[3])
    with pytest.raises(ValueError, match="another experiment"):
        patching.activations(scope, clean, corrupted, **QUESTION, positions=[1], resume=first)
    again = patching.activations(scope, clean, corrupted, **QUESTION, positions=[3], resume=first)
    np.testing.assert_array_equal(again.values, first.values)


@pytest.mark.parametrize("longer", [[], [50]])
def test_a_pattern_is_not_put_where_it_would_look_at_later_keys(scope, longer):
    roles = {"roles": {"a": [5]}, "corrupted_roles": {"a": [6]}}
    for method in (patching.activations, patching.attribution, patching.sweep):
        with pytest.raises(ValueError, match="the same length and the same positions, and those of pair 0 have not"):
            method(scope, CLEAN, CORRUPTED + longer, **QUESTION, over="attention", **roles)


@pytest.mark.parametrize("family", ["mistral", "gemma2"])
def test_a_knockout_of_all_that_a_window_shows_is_refused(family):
    scope = Microscope.for_model(tiny_model(family), tiny_tokenizer(), family)
    window = [(9, key) for key in range(6, 10)]  # of 4 tokens
    with pytest.raises(ValueError, match="Every key of query 9 of prompt 0 that layer 0 sees would be cut"):
        patching.attention_knockout(scope, CLEAN, window, layers=[0], **QUESTION)
    assert np.isfinite(patching.attention_knockout(scope, CLEAN, window[1:], layers=[0], **QUESTION).after).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_difference_of_half_precision_logits_is_not_rounded(dtype):
    logits = torch.tensor([[20.125, -0.0123]], dtype=dtype)
    both = metric_of("logit_difference", tiny_tokenizer(), 0, 1, 1).of(logits, torch.tensor([0]))
    assert float(both) == float(logits[0, 0]) - float(logits[0, 1])


def test_a_metric_of_ones_own_may_use_numpy_under_half_precision():
    scope = Microscope.for_model(tiny_model("llama").to(torch.bfloat16), tiny_tokenizer(), "half")

    def difference(logits):
        logits = logits.numpy()
        return logits[20] - logits[33]

    own = patching.activations(scope, CLEAN, CORRUPTED, metric=difference, over="mlp_out")
    named = patching.activations(scope, CLEAN, CORRUPTED, **QUESTION, over="mlp_out")
    np.testing.assert_allclose(own.values, named.values, atol=0.05)


def test_a_model_in_training_mode_is_refused(scope):
    scope.model.train()
    for method in (patching.activations, patching.attribution, patching.paths):
        with pytest.raises(ValueError, match="call model.eval"):
            method(scope, CLEAN, CORRUPTED, **QUESTION)
    with pytest.raises(ValueError, match="call model.eval"):
        patching.ablate(scope, CLEAN, [(0, 0)], **QUESTION)


def test_interrupts_at_any_moment_leave_the_model_as_it_was(scope, monkeypatch):
    monkeypatch.setattr(experiment, "MOST", 10)
    start = time.perf_counter()
    whole = patching.activations(scope, CLEAN, CORRUPTED, **QUESTION, over="residual")
    took = time.perf_counter() - start
    before = {name: set(vars(module)) for name, module in scope.model.named_modules()}
    expected = scope.model(torch.tensor([CLEAN])).logits
    partial = 0
    for share in np.linspace(0.05, 1, 12):
        timer = threading.Timer(share * took, os.kill, (os.getpid(), signal.SIGINT))
        result = None
        try:
            timer.start()
            result = patching.activations(scope, CLEAN, CORRUPTED, **QUESTION, over="residual")
            timer.join()
        except KeyboardInterrupt as error:
            timer.join()
            result = getattr(error, "result", None)
        assert {name: set(vars(module)) for name, module in scope.model.named_modules()} == before
        assert torch.equal(scope.model(torch.tensor([CLEAN])).logits, expected)
        if result is not None:
            seen = np.isfinite(result.values)
            partial += not seen.all()
            np.testing.assert_allclose(result.values[seen], whole.values[seen], atol=1e-5)
    assert partial


def test_a_forward_that_ends_before_the_final_norm_is_computed_to_there(scope):
    seen = {}
    run = scope.run(CLEAN, ("z",))
    rows, positions = torch.tensor([0]), torch.arange(10)[None]
    run.again({("z", 2): lambda value: seen.setdefault("z", value)}, rows=rows, positions=positions, end=scope.n_layers)
    torch.testing.assert_close(seen["z"], run.values["z"][2], atol=1e-5, rtol=1e-5)


def test_prompts_of_several_lengths_raise_no_warning_of_padding(caplog):
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer(), "tiny gpt2")
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    try:
        run = scope.run([CLEAN, CLEAN[:4]])
    finally:
        logger.removeHandler(caplog.handler)
    assert run.token_ids[1].tolist() == [*CLEAN[:4], *[CLEAN[3]] * 6]
    assert not caplog.records


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: a(positions=[]), r"positions= is a position, a role, a list of these.* got \[\]"),
        (lambda a: a(positions=None), "positions= is a position.* got None"),
        (lambda a: a(positions=[2.5]), r"positions= is a position.* got \[2.5\]"),
        (lambda a: a(roles={}), "roles= is empty"),
        (lambda a: a(metric=lambda logits: None), "must give one number .* it gave None"),
        (lambda a: a(metric=lambda logits: "high"), "must give one number .* it gave 'high'"),
    ],
)
def test_bad_patching_gets_a_sentence(scope, call, message):
    with pytest.raises(ValueError, match=message):
        call(lambda **given: patching.activations(scope, CLEAN, CORRUPTED, **{**QUESTION, **given}))


def test_prompts_that_are_none_get_a_sentence(scope):
    with pytest.raises(TypeError, match="A prompt is a text, a list of texts, or token ids"):
        patching.activations(scope, None, CORRUPTED, **QUESTION)


def test_a_position_by_itself_is_a_list_of_one(scope):
    one = patching.activations(scope, CLEAN, CORRUPTED, **QUESTION, positions=5)
    listed = patching.activations(scope, CLEAN, CORRUPTED, **QUESTION, positions=[5])
    np.testing.assert_array_equal(one.values, listed.values)
    ablated = patching.ablate(scope, CLEAN, [(2, 1)], positions=np.int64(9), **QUESTION)
    assert ablated.after == patching.ablate(scope, CLEAN, [(2, 1)], positions=[9], **QUESTION).after


def test_the_gradient_of_a_metric_that_goes_through_numpy_is_refused_in_a_sentence(scope):
    with pytest.raises(ValueError, match="has no gradient: it must be made of torch operations"):
        patching.attribution(scope, CLEAN, CORRUPTED, metric=lambda logits: logits.numpy()[3])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"senders": (0, 1)}, r"senders= is 'heads', 'mlps' or a list of \(layer, head\); got \(0, 1\)"),
        ({"senders": [("mlp", 1)]}, "senders= is 'heads'"),
        ({"senders": []}, "senders= is 'heads'"),
        ({"senders": [(3, 0)]}, "There is no head 3.0"),
        ({"receivers": (2, 1, "q")}, r"receivers= is 'logits' or a list .* got \(2, 1, 'q'\)"),
        ({"receivers": [("mlp", "last")]}, "receivers= is 'logits' or a list"),
        ({"receivers": [("mlp", 3)]}, "There is no MLP of layer 3"),
        ({"positions": [3]}, r"positions= is 'all', one position or one role, .* got \[3\]"),
    ],
)
def test_bad_paths_get_a_sentence(scope, given, message):
    with pytest.raises(ValueError, match=message):
        patching.paths(scope, CLEAN, CORRUPTED, **QUESTION, **given)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: patching.ablate(s, CLEAN, (2, 1)), r"A component is \(layer, head\).* got \(2, 1\)"),
        (lambda s: patching.ablate(s, CLEAN, "mlp"), "A component is .* got 'mlp'"),
        (lambda s: patching.ablate(s, CLEAN, [("mlp", "2")]), "A layer is a number from 0 to 2; got '2'"),
        (lambda s: patching.ablate(s, CLEAN, [(2, 1)], positions=[]), "positions= is a position"),
        (
            lambda s: patching.ablate(s, CLEAN, [(2, 1)], ablation=lambda value: value[:, :2]),
            "of the shape that it gets",
        ),
        (lambda s: patching.ablate(s, CLEAN, [("mlp", 1)], ablation=lambda value: None), "it gave None"),
        (lambda s: patching.attention_knockout(s, CLEAN, (-1, 3)), r"edges= is a list of \(query, key\) pairs"),
        (lambda s: patching.attention_knockout(s, CLEAN, [(3, 1)], layers=1), "layers= is a list of layers"),
        (lambda s: patching.attention_knockout(s, CLEAN, [(3, 1)], layers=[]), "layers= is a list of layers"),
        (
            lambda s: patching.attention_knockout(s, CLEAN, [(3, 1)], heads=(1, 2)),
            r"heads= is a list of \(layer, head\)",
        ),
        (lambda s: patching.attention_knockout(s, CLEAN, [(3, 1)], heads=[]), r"heads= is a list of \(layer, head\)"),
    ],
)
def test_bad_ablations_get_a_sentence(scope, call, message):
    with pytest.raises(ValueError, match=message):
        call(scope)


def test_the_code_of_a_result_can_be_run_where_roles_are_arrays(scope):
    result = patching.activations(scope, CLEAN, CORRUPTED, **QUESTION, roles={"a": np.array([5])})
    again = eval(result.call, {"patching": patching, "scope": scope})
    np.testing.assert_array_equal(again.values, result.values)


@pytest.mark.parametrize("over", ["head", "q", "attention", "attention_out", "mlp_out"])
def test_a_block_is_run_at_the_patched_positions_alone(over):
    scope = Microscope.for_model(tiny_model("llama"), tiny_tokenizer())
    clean, corrupted = [5, 9, 31, 44, 5, 9, 5, 9], [6, 9, 31, 44, 5, 9, 5, 9]
    sweep = patching.sweep(scope, clean, corrupted, answer=7, versus=8, over=over, positions=[2, 6], estimate=False)
    widths = {layer: [] for layer in range(3)}
    handles = [
        block.mlp.register_forward_hook(lambda _, args, out, layer=layer: widths[layer].append(out.shape[1]))
        for layer, block in enumerate(scope.model.model.layers)
    ]
    sweep.submit().result(progress=False)
    for handle in handles:
        handle.remove()
    assert set(widths[0]) == set(widths[2]) == {1}
    assert 1 < max(widths[1]) <= 6, "what comes after the patched position, from layer 0"
