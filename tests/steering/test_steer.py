"""Steering whatever a block runs, against plain hooks on the plain model, and what must be left when it ends."""

import signal
import threading

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, patching, steering
from scope_widgets.models.attention.attention_function import _running
from scope_widgets.models.guards.locks import _hooked
from tests.support import reference_steering as plain
from tests.support.steering_examples import IDS, OTHER, made, mixed, scope_of
from tests.support.tiny_models import FAMILIES, tiny_model, tiny_tokenizer

PROMPTS = [IDS, OTHER, [1, 30, 31]]


def state(model):
    hooks = [dict(getattr(m, name)) for m in model.modules() for name in vars(m) if name.endswith("_hooks")]
    return hooks, model.config._attn_implementation, [sorted(vars(m)) for m in model.modules()]


@pytest.fixture
def llama():
    """A model that must be as it was when the test ends."""
    scope = Microscope.for_model(tiny_model("llama"), tiny_tokenizer(), "llama")
    before = state(scope.model)
    assert scope.model.config._attn_implementation == "sdpa"
    yield scope
    assert state(scope.model) == before
    assert scope.model not in _hooked
    assert getattr(_running, "hooks", None) is None
    own = plain.logits(scope.model, IDS, [])
    torch.testing.assert_close(scope.trace(IDS).logits, own, atol=1e-5, rtol=1e-5)


def batch(side):
    longest = max(map(len, PROMPTS))
    ids, mask, rows = [], [], []
    for prompt in PROMPTS:
        empty = [0] * (longest - len(prompt))
        ids.append(empty + prompt if side == "left" else prompt + empty)
        mask.append([0] * len(empty) + [1] * len(prompt) if side == "left" else [1] * len(prompt) + [0] * len(empty))
        rows.append((len(empty) if side == "left" else 0, len(prompt)))
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}, rows


def close(ours, theirs, atol=5e-6):
    torch.testing.assert_close(ours.detach(), theirs.detach(), atol=atol, rtol=1e-5)


# -- the model's own call


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("side", ["left", "right"])
@torch.no_grad()
def test_padded_batches(family, side):
    scope = scope_of(family)
    inputs, rows = batch(side)
    total = inputs["input_ids"].shape[1]
    mask = inputs["attention_mask"].bool()
    unsteered = scope.model(**inputs).logits
    several = mixed(scope)
    for given in [*([pair] for pair in several), several]:
        with steering.steer(scope, *[ours for ours, _ in given]):
            found = scope.model(**inputs, use_cache=False).logits
        with plain.changing(scope.model, [theirs for _, theirs in given], rows, (0, total)):
            expected = scope.model(**inputs, use_cache=False).logits
        close(found[mask], expected[mask])
    assert (found - unsteered)[mask].abs().max() > 1e-2


@pytest.mark.parametrize("family", ["gpt2", "gpt_neo", "opt", "gemma3"])
@torch.no_grad()
def test_however_the_model_is_called(family):
    scope = scope_of(family)
    ours, theirs = made(scope, "add", 0.7, (2, -1))
    expected = plain.logits(scope.model, IDS, [theirs])
    ids = torch.tensor([IDS])
    with steering.steer(scope, ours):
        for call in (
            lambda: scope.model(ids),
            lambda: scope.model(input_ids=ids, use_cache=False),
            lambda: scope.model(input_ids=ids, attention_mask=torch.ones_like(ids)),
            lambda: scope.model(inputs_embeds=scope.model.get_input_embeddings()(ids)),
            lambda: scope.model(ids, logits_to_keep=4),
        ):
            found = call().logits[0]
            if not (family == "gemma3" and found.shape == expected.shape):
                close(found, expected[-len(found) :])


@torch.no_grad()
def test_the_inner_model_is_steered_as_well(llama):
    ours, theirs = made(llama, "add", 0.7, (2, -1))
    expected = plain.logits(llama.model, OTHER, [theirs])
    with steering.steer(llama, ours):
        llama.model(torch.tensor([IDS]))
        stream = llama.model.model(torch.tensor([OTHER])).last_hidden_state
        close(llama.model.lm_head(stream)[0], expected)


@torch.no_grad()
def test_a_prompt_in_two_parts_through_a_cache(llama):
    for ours, theirs in (made(llama, "add", 0.7, (2, None)), made(llama, "scale", 0.0), made(llama, "project", 1.0)):
        with steering.steer(llama, ours):
            first = llama.model(torch.tensor([IDS[:6]]), use_cache=True)
            second = llama.model(torch.tensor([IDS[6:]]), past_key_values=first.past_key_values)
        close(second.logits[0], plain.logits(llama.model, IDS, [theirs])[6:], atol=1e-5)


def test_gradients_are_those_under_plain_hooks(llama):
    given = [made(llama, "add", 0.7), made(llama, "scale", 0.5, (1, None), layer=2), made(llama, "swap", 0.5)]
    weight = llama.model.model.embed_tokens.weight
    with steering.steer(llama, *[ours for ours, _ in given]):
        (ours,) = torch.autograd.grad(llama.model(torch.tensor([IDS])).logits[0, -1, 5], weight)
    with plain.changing(llama.model, [theirs for _, theirs in given], [(0, len(IDS))], (0, len(IDS))):
        (theirs,) = torch.autograd.grad(llama.model(torch.tensor([IDS])).logits[0, -1, 5], weight)
    close(ours, theirs, atol=2e-5)


# -- generate


def banded(n, width):
    pattern = np.tril(np.random.default_rng(3).random((n, n)).astype(np.float32))
    pattern = pattern - np.tril(pattern, -width)
    return pattern / pattern.sum(1, keepdims=True)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_generate_with_a_cache_is_a_loop_without_one(family):
    scope = scope_of(family)
    ids = torch.tensor([IDS])
    for given in mixed(scope):
        if given[0].kind == "swap":  # a window that slides holds no more than four keys
            pattern = banded(16, 4)
            given = (
                steering.SwapAttention(1, 3, pattern, 0.8, "all"),
                ("swap", 1, 3, torch.tensor(pattern), 0.8, "all"),
            )
        ours, theirs = given
        with steering.steer(scope, ours):
            found = scope.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
        expected = plain.greedy(scope.model, IDS, [theirs], 8, {2})
        assert found[0, len(IDS) :].tolist() == expected


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("cache", ["dynamic", "static"])
@torch.no_grad()
def test_generate_with_padding_on_the_left_is_each_prompt_alone(family, cache):
    if (family, cache) == ("gpt_neo", "static"):
        pytest.skip("GPT-Neo has no static cache")
    scope = scope_of(family)
    inputs, _ = batch("left")
    pattern = banded(16, 4)
    several = [
        made(scope, "add", 0.8, "last"),
        made(scope, "scale", 2.0, (-2, None), part=3),
        made(scope, "clamp", 1.5, (1, 3)),
    ]
    several.append((steering.SwapAttention(2, 1, pattern), ("swap", 2, 1, torch.tensor(pattern), 1.0, "all")))
    with steering.steer(scope, *[ours for ours, _ in several]):
        options = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": None, "cache_implementation": cache}
        found = scope.model.generate(**inputs, **options)
        again = scope.model.generate(**inputs, **options)
    assert torch.equal(found, again)
    for row, prompt in zip(found, PROMPTS, strict=True):
        expected = plain.greedy(scope.model, prompt, [theirs for _, theirs in several], 6)
        assert row[-6:].tolist() == expected


@torch.no_grad()
def test_generate_with_beams(llama):
    ours, _ = made(llama, "add", 0.9)
    vector = torch.tensor(ours.direction.vector) * ours.direction.scale * 0.9
    options = {"max_new_tokens": 6, "num_beams": 3, "do_sample": False}
    inputs, _ = batch("left")
    with steering.steer(llama, ours):
        found = llama.model.generate(**inputs, **options)
    hook = llama.model.model.layers[1].register_forward_pre_hook(lambda _, args: (args[0] + vector, *args[1:]))
    expected = llama.model.generate(**inputs, **options)
    hook.remove()
    assert torch.equal(found, expected)


def test_the_microscopes_generate(llama):
    ours, theirs = made(llama, "add", 0.8, "last")
    text = "w5 w6 w7 w8"
    ids = llama.tokenizer(text)["input_ids"]
    with steering.steer(llama, ours):
        found = llama.generate(text, max_new_tokens=6)
    expected = plain.greedy(llama.model, ids, [theirs], 6, {2})
    assert found == llama.tokenizer.decode(expected, skip_special_tokens=True)
    *_, (continued,) = steering.Session(llama, text, ours).continuations([[0.8]], max_new_tokens=6)
    assert continued == found


# -- trace and watch


@pytest.mark.parametrize("family", FAMILIES)
def test_traces_show_what_was_steered(family):
    scope = scope_of(family)
    given = mixed(scope)
    with steering.steer(scope, *[ours for ours, _ in given]):
        trace = scope.trace(IDS)
        several = scope.trace(PROMPTS)
        with scope.watch() as watched, torch.no_grad():
            scope.model(torch.tensor([IDS]))
    expected = plain.logits(scope.model, IDS, [theirs for _, theirs in given])
    close(trace.logits, expected)
    close(watched.logits, expected)
    close(several[0].logits, expected)
    changes = [theirs for _, theirs in given]
    close(several[1].logits, plain.logits(scope.model, PROMPTS[1], changes))
    vector = given[0][1][2]
    for layer in range(scope.n_layers + 1):
        close(watched.residual(layer), trace.residual(layer))
    add, _ = given[0]
    with steering.steer(scope, *[ours for ours, _ in given[1:]]):
        without = scope.trace(IDS)
    moved = trace.residual(add.layer) - without.residual(add.layer)
    close(moved[-1], vector, atol=1e-4)
    close(moved[:-1], torch.zeros_like(moved[:-1]))


@pytest.mark.parametrize("family", FAMILIES)
def test_traces_show_a_swapped_pattern_and_a_scaled_head(family):
    scope = scope_of(family)
    own = scope.trace(IDS)
    swap = steering.SwapAttention.of(scope, OTHER, 1, 2, strength=1.0, positions=(0, 7))
    other = scope.trace(OTHER, capture=("attention",)).attention(1)[2]
    with steering.steer(scope, swap, steering.ScaleHead(1, 0, 3.0)):
        trace = scope.trace(IDS)
    close(trace.attention(1)[2, :7, :8], other[:7])
    close(trace.attention(1)[2, 7:], own.attention(1)[2, 7:])
    close(trace.attention(1)[[0, 1, 3]], own.attention(1)[[0, 1, 3]])
    close(trace.z(1)[:, 0], 3 * own.z(1)[:, 0])


@pytest.mark.parametrize("family", ["gpt2", "llama", "opt"])
def test_traces_show_what_a_hook_of_the_users_own_makes_of_the_last_stream(family):
    scope = scope_of(family)
    last = scope.trace(IDS).residual(scope.n_layers)

    def doubled(_, args, output):
        return (2 * output[0], *output[1:]) if isinstance(output, tuple) else 2 * output

    hook = plain.blocks(scope.model)[-1].register_forward_hook(doubled)
    with scope.watch() as watched, torch.no_grad():
        scope.model(torch.tensor([IDS]))
    trace = scope.trace(IDS)
    hook.remove()
    close(trace.residual(scope.n_layers), 2 * last)
    close(watched.residual(scope.n_layers), 2 * last)


def test_a_pattern_given_back_to_its_own_prompt_changes_nothing(llama):
    swap = steering.SwapAttention.of(llama, IDS, 1, 2)
    assert steering.Session(llama, IDS, swap).at().kl == pytest.approx(0, abs=1e-7)


# -- what is refused, and what is left behind


def test_what_goes_on_from_the_middle_is_refused_inside(llama):
    ours, _ = made(llama, "add", 0.8)
    session = steering.Session(llama, IDS, ours)
    known = session.at([0.5]).logits
    with steering.steer(llama, ours):
        for run in (
            lambda: llama.run(IDS),
            lambda: llama.logits(torch.tensor([IDS])),
            lambda: steering.Session(llama, IDS, ours),
            lambda: session.at([0.6]),
            lambda: next(session.continuations([[0.6]])),
            lambda: steering.sweep(session),
            lambda: patching.activations(llama, IDS, [1, 40, *IDS[2:]], answer=5, versus=6, over="residual"),
            lambda: steering.steer(llama, ours).__enter__(),
        ):
            with pytest.raises(RuntimeError, match="being steered.*leave the block"):
                run()
        assert torch.equal(session.at([0.5]).logits, known)  # known before
    session.at([0.6])
    with llama.watch():
        llama.model(torch.tensor([IDS]))
        with pytest.raises(RuntimeError, match="being watched"):
            steering.steer(llama, ours).__enter__()


def test_interventions_of_another_model_are_refused_before_anything_is_done(llama):
    other = scope_of("gpt2")
    with pytest.raises(ValueError, match="found in gpt2 and the model at hand is llama"):
        steering.steer(llama, made(other, "add", 1.0)[0]).__enter__()
    with pytest.raises(TypeError, match="Expected interventions"):
        steering.steer(llama, "up").__enter__()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_in_the_block(llama, error):
    def breaks():
        llama.model(torch.tensor([IDS]))
        raise error

    with pytest.raises(error), steering.steer(llama, *[ours for ours, _ in mixed(llama)]):
        breaks()


@pytest.mark.parametrize("module", ["", "model", "model.layers.1", "model.layers.1.self_attn.o_proj"])
@pytest.mark.parametrize("fails", ["error", "interrupt"])
def test_an_error_within_a_forward(llama, module, fails):
    given = [ours for ours, _ in mixed(llama)]

    def breaks(*_):
        if fails == "error":
            raise ZeroDivisionError
        signal.raise_signal(signal.SIGINT)

    hook = llama.model.get_submodule(module).register_forward_pre_hook(breaks)
    try:
        for run in (
            lambda: llama.model(torch.tensor([IDS])),
            lambda: llama.trace(IDS),
            lambda: llama.generate("w4 w5", max_new_tokens=3),
        ):
            with pytest.raises((ZeroDivisionError, KeyboardInterrupt)), steering.steer(llama, *given):
                run()
    finally:
        hook.remove()


def test_an_error_within_a_continuation_and_a_session(llama):
    session = steering.Session(llama, IDS, [made(llama, "add", 0.8)[0]])
    steps = session.continuations([[0.8]])
    next(steps)

    def breaks(*_):
        raise ZeroDivisionError

    hook = llama.model.model.layers[2].register_forward_pre_hook(breaks)
    for run in (lambda: next(steps), lambda: session.at([0.3])):
        with pytest.raises(ZeroDivisionError):
            run()
    hook.remove()
    found = session.at([0.3]).logits
    close(found, plain.logits(llama.model, IDS, [made(llama, "add", 0.3)[1]])[-1])


def test_a_wrong_batch_leaves_nothing(llama):
    with pytest.raises(IndexError), steering.steer(llama, made(llama, "add", 0.8)[0]):
        llama.model(torch.tensor([[1, 5000]]))


def test_neutral_strengths_put_nothing_on_the_model(llama):
    before = state(llama.model)
    neutral = [ours.with_strength(ours.neutral) for ours, _ in mixed(llama)]
    with steering.steer(llama, *neutral):
        assert state(llama.model) == before
        close(llama.run(IDS).logits[0], plain.logits(llama.model, IDS, [])[-1])


# -- threads


def in_a_thread(run):
    found = []
    thread = threading.Thread(target=lambda: found.append(run()))
    thread.start()
    return thread, found


@torch.no_grad()
def test_another_thread_is_not_steered(llama):
    given = [ours for ours, _ in mixed(llama)]
    own = plain.logits(llama.model, IDS, [])
    with steering.steer(llama, *given):
        llama.model(torch.tensor([IDS]))  # what it left must not be used by the other
        thread, found = in_a_thread(lambda: plain.logits(llama.model, IDS, []))
        thread.join(30)
        close(found[0], own, atol=1e-5)
        waiting, traced = in_a_thread(lambda: llama.trace(IDS).logits)
        waiting.join(0.3)
        assert waiting.is_alive()  # until the block has ended
    waiting.join(30)
    close(traced[0], own, atol=1e-5)


def test_sessions_of_several_threads(llama):
    expected = {x: plain.logits(llama.model, IDS, [made(llama, "add", x)[1]])[-1] for x in (0.2, 0.5, 0.9)}
    session = steering.Session(llama, IDS, [made(llama, "add", 0.0)[0]])
    wrong = []

    def work(x):
        for _ in range(5):
            session.clear_cache()
            mine = steering.Session(llama, IDS, [made(llama, "add", x)[0]])
            for found in (session.at([x]).logits, mine.at().logits, session.grid([[x], [0.0]])[0].logits):
                if not torch.allclose(found, expected[x], atol=1e-4):
                    wrong.append(x)
            list(session.continuations([[x]], max_new_tokens=2))

    threads = [threading.Thread(target=work, args=(x,)) for x in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
