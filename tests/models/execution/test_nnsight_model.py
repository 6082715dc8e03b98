"""What a run leaves behind: nothing."""

import copy
import gc
import threading

import psutil
import pytest
import torch

from scope_widgets import Microscope
from tests.support.tiny_models import CONFIGS, tiny_model, tiny_tokenizer

IDS = [3, 17, 5, 44, 9, 17, 5, 80, 12, 3]


def close(a, b, tolerance=1e-5):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_nothing_stays_on_the_model(name):
    model, tokenizer = tiny_model(name), tiny_tokenizer()
    tokenizer.pad_token = None
    before = snapshot(model, tokenizer)
    scope = Microscope.for_model(model, tokenizer)
    scope.trace(IDS, modules=["lm_head"])
    assert snapshot(model, tokenizer) == before
    with pytest.raises(ValueError, match="Nothing was recorded"), scope.watch():
        pass
    with pytest.raises(ZeroDivisionError), scope.watch():
        raise ZeroDivisionError
    handle = scope.anatomy.blocks[1].mlp.register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        scope.trace(IDS)
    handle.remove()
    assert snapshot(model, tokenizer) == before
    assert torch.isfinite(scope.trace(IDS).logits).all()


def snapshot(model, tokenizer):
    def value(x):
        return len(x) if isinstance(x, dict) else id(x)

    modules = [(name, {k: value(v) for k, v in vars(module).items()}) for name, module in model.named_modules()]
    return modules, model.config._attn_implementation, tokenizer.pad_token, tokenizer.padding_side


def test_changes_of_the_user_are_seen_and_kept():
    model = tiny_model("llama")
    scope = Microscope.for_model(model, tiny_tokenizer())
    scope.trace(IDS)
    mlp = model.model.layers[1].mlp
    original = mlp.forward
    mlp.forward = lambda x: 2 * original(x)
    with torch.no_grad():
        plain = model(torch.tensor([IDS])).logits[0]
    trace = scope.trace(IDS)
    close(trace.logits, plain)
    close(trace.residual(1) + trace.attention_out(1) + trace.mlp_out(1), trace.residual(2))
    assert "forward" in vars(mlp)
    model.model.layers[1].mlp = copy.deepcopy(model.model.layers[0].mlp)
    with scope.watch() as watched, torch.no_grad():
        model(torch.tensor([IDS]))
    again = scope.trace(IDS)
    assert torch.equal(again.mlp_out(1), watched.mlp_out(1))
    close(again.residual(1) + again.attention_out(1) + again.mlp_out(1), again.residual(2))


def test_backward_is_left_as_it_was():
    x = torch.ones(2, requires_grad=True)
    # on one line: nnsight's Tensor.backward takes it for a trace of gradients
    with torch.enable_grad(): (2 * x).sum().backward()  # fmt: skip  # noqa: E701
    assert x.grad.tolist() == [2, 2]


def test_several_threads():
    scope = Microscope.for_model(tiny_model("llama"), tiny_tokenizer())
    prompts = [[3 + i, 4, 5 + 2 * i, 6] for i in range(4)]
    expected = [scope.trace(prompt).logits for prompt in prompts]
    wrong = []

    def work(i):
        try:
            for turn in range(15):
                scope.generate("w3 w4", max_new_tokens=1) if turn % 5 == 4 else None
                if not torch.equal(scope.trace(prompts[i]).logits, expected[i]):
                    wrong.append(i)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("n", [100, pytest.param(1000, marks=pytest.mark.soak)])
def test_memory_does_not_grow(n):
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    process = psutil.Process()

    def used(count):
        for _ in range(count):
            scope.trace(IDS)
        gc.collect()
        return process.memory_info().rss

    start = used(n // 5)
    assert used(n) - start < 8 * 2**10 * n
