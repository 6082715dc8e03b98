"""The user's own call, recorded."""

import copy

import pytest
import torch

from scope_widgets import Microscope, Trace
from scope_widgets.traces.trace import TRACE_SITES
from tests.support.tiny_models import CONFIGS, tiny_model, tiny_tokenizer

IDS = [3, 17, 5, 44, 9, 17, 5, 80, 12, 3]


@pytest.fixture(scope="module", params=sorted(CONFIGS))
def family(request):
    """A model as a user has it (default attention), the same in eager mode, and its plain forward."""
    model = tiny_model(request.param)
    eager = copy.deepcopy(model)
    if request.param != "gpt_neo":
        eager.set_attn_implementation("eager")
    with torch.no_grad():
        plain = eager(torch.tensor([IDS]), output_hidden_states=True, output_attentions=True)
    scope = Microscope.for_model(model, tiny_tokenizer())
    return scope, plain, scope.trace(IDS)


def close(a, b, tolerance=1e-5):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def test_watch_records_the_users_own_call(family):
    scope, _, trace = family
    with scope.watch() as watched, torch.no_grad():
        output = scope.model(input_ids=torch.tensor([IDS]))
    assert type(watched) is Trace
    assert torch.equal(watched.logits, output.logits[0])
    for site in TRACE_SITES:
        for layer in range(scope.n_layers):
            close(getattr(watched, site)(layer), getattr(trace, site)(layer))


def snapshot(model, tokenizer):
    def value(x):
        return len(x) if isinstance(x, dict) else id(x)

    modules = [(name, {k: value(v) for k, v in vars(module).items()}) for name, module in model.named_modules()]
    return modules, model.config._attn_implementation, tokenizer.pad_token, tokenizer.padding_side


def test_left_padding_of_the_users_call():
    scope = Microscope.for_model(tiny_model("llama"), tiny_tokenizer())
    ids = torch.tensor([[0, 0, 5, 6, 7], [3, 4, 5, 6, 7]])
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
    with scope.watch() as trace, torch.no_grad():
        scope.model(input_ids=ids, attention_mask=mask)
    assert trace[0].tokens == ["w5", "w6", "w7"]
    close(trace[0].attention(1), scope.trace([5, 6, 7]).attention(1))
    close(trace[1].logits, scope.trace([3, 4, 5, 6, 7]).logits)
    for call in (
        lambda: scope.model(ids[:1], mask[:1]),
        lambda: scope.model(input_ids=ids[:1], attention_mask=mask[:1]),
    ):
        with scope.watch() as one, torch.no_grad():
            call()
        assert one.tokens == ["w5", "w6", "w7"]
        assert one.token_ids.tolist() == [5, 6, 7]
        close(one.attention(1), scope.trace([5, 6, 7]).attention(1))
        close(one.logits, scope.trace([5, 6, 7]).logits)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma3", "opt", "phi3"])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("by", ["call", "generate"])
def test_prompts_of_a_batch_have_the_numbers_that_they_have_alone(family, side, by):
    if (side, by) == ("right", "generate"):
        pytest.skip("generate() wants its padding on the left")
    scope = Microscope.for_model(tiny_model(family), tiny_tokenizer())
    prompts = [IDS, [7, 8, 9], [4], [12, 11, 10, 9, 8, 7]]
    empty = [[0] * (len(IDS) - len(prompt)) for prompt in prompts]
    rows = [e + p if side == "left" else p + e for p, e in zip(prompts, empty, strict=True)]
    inputs = {"input_ids": torch.tensor(rows), "attention_mask": (torch.tensor(rows) > 0).long()}
    with scope.watch() as trace, torch.no_grad():
        if by == "generate":
            scope.model.generate(**inputs, max_new_tokens=2, do_sample=False)
        else:
            # without them a model counts the padding: GPT-2 then gives other numbers by itself
            positions = (inputs["attention_mask"].cumsum(-1) - 1).clamp_min(0)
            scope.model(**inputs, position_ids=positions)
    for row, prompt in zip(range(len(prompts)), prompts, strict=True):
        one, alone = trace[row], scope.trace(prompt)
        assert one.token_ids.tolist() == prompt
        assert one.tokens == alone.tokens
        for site in TRACE_SITES:
            for layer in range(scope.n_layers + (site == "residual")):
                close(getattr(one, site)(layer), getattr(alone, site)(layer), 1e-4)
        last = slice(-1, None) if by == "generate" else slice(None)
        close(one.logits[last], alone.logits[last], 1e-4)
    for row, prompt in enumerate(prompts):
        close(scope.trace(prompts)[row].residual(2), scope.trace(prompt).residual(2), 1e-4)


def test_watching_a_generation_records_the_prompt():
    scope = Microscope.for_model(tiny_model("llama"), tiny_tokenizer())
    with scope.watch() as trace:
        scope.generate("w5 w6 w7", max_new_tokens=3)
    whole = scope.trace("w5 w6 w7")
    assert trace.tokens == whole.tokens
    close(trace.residual(2), whole.residual(2))
    close(trace.logits[-1], whole.logits[-1])
    assert torch.isnan(trace.logits[:-1]).all(), "generate() computes the last logits only"


def test_one_whole_forward_is_recorded():
    scope = Microscope.for_model(tiny_model("llama"), tiny_tokenizer())
    a, b = torch.tensor([IDS]), torch.tensor([[7, 8, 9]])
    handle = scope.model.model.layers[2].register_forward_pre_hook(
        lambda module, args: 1 / fuse.pop() if fuse else None
    )
    fuse = [0]
    with scope.watch() as trace, torch.no_grad():
        with pytest.raises(ZeroDivisionError):
            scope.model(a)
        scope.model(b)
        scope.model(a)
    handle.remove()
    alone = scope.trace([7, 8, 9])
    for site in TRACE_SITES:
        for layer in range(3):
            close(getattr(trace, site)(layer), getattr(alone, site)(layer))
    with pytest.raises(RuntimeError, match="being watched"), scope.watch():
        scope.trace(IDS)


def test_a_call_that_is_no_whole_forward_gets_a_sentence():
    scope = Microscope.for_model(tiny_model("llama"), tiny_tokenizer())
    with torch.no_grad():
        past = scope.model(torch.tensor([IDS]), use_cache=True).past_key_values
    with pytest.raises(ValueError, match="went on from a cache"), scope.watch(), torch.no_grad():
        scope.model(torch.tensor([[4]]), past_key_values=past)
    embeddings = torch.zeros(1, 3, 32)
    with pytest.raises(ValueError, match="this one had none"), scope.watch(), torch.no_grad():
        scope.model(inputs_embeds=embeddings)
    with pytest.raises(ValueError, match="attention_mask"), scope.watch(), torch.no_grad():
        scope.model(torch.tensor([[4, 5]]), attention_mask=torch.zeros(1, 1, 2, 2))


def test_a_mask_that_leaves_causality_to_the_attention_function():
    from scope_widgets.models.attention.attention_function import attention

    q, k, v = (torch.randn(1, heads, 5, 8) for heads in (4, 2, 2))
    z, weights = attention(torch.nn.Identity(), q, k, v, None)
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    close(z.transpose(1, 2), expected)
    assert torch.equal(weights, weights.tril())


def test_traces_of_ones_own_and_ours_take_turns():
    import nnsight  # not above: a user's own import before ours would change what is tested elsewhere

    model = tiny_model("llama")
    before = snapshot(model, tiny_tokenizer())
    scope = Microscope.for_model(model, tiny_tokenizer())
    expected = scope.trace(IDS)
    with scope.nnsight() as inner:
        assert torch.equal(scope.trace(IDS).logits, expected.logits)
        with torch.no_grad(), inner.trace(torch.tensor([IDS])):
            stream = nnsight.save(inner.layers[1].input)
        assert torch.equal(scope.trace(IDS).residual(2), expected.residual(2))
    close(stream[0], expected.residual(1))  # under the attention that the model was loaded with
    assert snapshot(model, tiny_tokenizer()) == before
