"""Families that compute attention without transformers' interface: the same numbers as the plain model, everywhere."""

import copy

import pytest
import torch
import transformers as hf
from transformers.models.falcon import modeling_falcon

from scope_widgets import Microscope
from scope_widgets.models.execution.persistent_edits import PersistentEdits, generate_with_edits
from tests.support.tiny_models import tiny_model, tiny_tokenizer

pytestmark = pytest.mark.numeric

alibi = modeling_falcon.build_alibi_tensor
IDS = [3, 17, 5, 44, 9, 17, 5, 80, 12, 3]
OTHER = [3, 17, 60, 44, 9, 31, 5]
_GPT = {"vocab_size": 96, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64, "pad_token_id": 0}
_SIZES = {"vocab_size": 96, "hidden_size": 32, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_FALCON = {**_SIZES, "num_hidden_layers": 3, "num_attention_heads": 4, "max_position_embeddings": 64}
OWN = {
    "gpt_neo": None,
    "gptj": lambda: hf.GPTJForCausalLM(hf.GPTJConfig(**_GPT, rotary_dim=4)),
    "codegen": lambda: hf.CodeGenForCausalLM(hf.CodeGenConfig(**_GPT, rotary_dim=4)),
    "bloom": lambda: hf.BloomForCausalLM(hf.BloomConfig(**_SIZES, n_layer=3, n_head=4)),
    "mpt": lambda: hf.MptForCausalLM(hf.MptConfig(d_model=32, n_heads=4, n_layers=3, max_seq_len=64, vocab_size=96)),
    "falcon": lambda: hf.FalconForCausalLM(hf.FalconConfig(**_FALCON)),
    "falcon, alibi": lambda: hf.FalconForCausalLM(hf.FalconConfig(**_FALCON, alibi=True, multi_query=False)),
    "falcon, grouped": lambda: hf.FalconForCausalLM(
        hf.FalconConfig(**_FALCON, new_decoder_architecture=True, num_kv_heads=2)
    ),
    "falcon, eager": lambda: hf.FalconForCausalLM._from_config(hf.FalconConfig(**_FALCON), attn_implementation="eager"),
    "gpt_neox_japanese": lambda: hf.GPTNeoXJapaneseForCausalLM(
        hf.GPTNeoXJapaneseConfig(
            **_SIZES,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_multiple_size=2,
            max_position_embeddings=64,
        )
    ),
    "xglm": lambda: hf.XGLMForCausalLM(
        hf.XGLMConfig(
            vocab_size=96, d_model=32, ffn_dim=48, num_layers=3, attention_heads=4, max_position_embeddings=64
        )
    ),
}


def own_model(name):
    if OWN[name] is None:
        return tiny_model(name)
    torch.manual_seed(0)
    model = OWN[name]().eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.ndim == 2 and "emb" not in key and "wte" not in key and "wpe" not in key:
                parameter.mul_(8.0)
    return model


@pytest.fixture(scope="module", params=list(OWN))
def family(request):
    """A microscope, the same model apart from it, and what that gives."""
    model = own_model(request.param)
    scope = Microscope.for_model(model, tiny_tokenizer(), request.param)
    plain = copy.deepcopy(model)
    plain.config._attn_implementation = "eager"
    return scope, plain, forward(plain, IDS)


def forward(plain, ids):
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        # with output_attentions transformers adds Falcon's ALiBi twice (once in the mask), and without it once
        patch.setattr(modeling_falcon, "build_alibi_tensor", lambda *args, **options: alibi(*args, **options) / 2)
        return plain(torch.tensor([ids]), output_attentions=True, use_cache=False)


def close(a, b, tolerance=1e-4):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def heads(value, like):
    """Keys or values for each head `[position, head, d]`."""
    return value.repeat_interleave(like // value.shape[1], dim=1)


def test_a_trace(family):
    scope, _, expected = family
    trace = scope.trace(IDS)
    close(trace.logits, expected.logits[0])
    again = scope.trace(IDS, capture=("q", "k"))
    for layer in range(scope.n_layers):
        close(trace.attention(layer), expected.attentions[layer][0], 1e-5)
        close(again.attention(layer), expected.attentions[layer][0], 1e-5)
        close(again.head_attention(layer, 3), expected.attentions[layer][0, 3], 1e-5)
        z = torch.einsum("hqk,khd->qhd", trace.attention(layer), heads(trace.v(layer), 4))
        close(trace.z(layer), z, 1e-5)
        with torch.no_grad():
            out = scope.anatomy.blocks[layer].out
            close(type(out).forward(out, z.flatten(1)), type(out).forward(out, trace.z(layer).flatten(1)))
    batch = scope.trace([IDS, OTHER])
    for ids, one in zip((IDS, OTHER), (batch[0], batch[1]), strict=True):
        alone = scope.trace(ids)
        for site in ("q", "k", "v", "attention", "z"):
            close(getattr(one, site)(2), getattr(alone, site)(2))
        close(scope.trace([IDS, OTHER], capture=("q", "k"))[1].attention(1), scope.trace(OTHER).attention(1))


def test_a_call_of_the_users_own(family):
    scope, _, _ = family
    before = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in scope.model.modules()]
    with scope.watch() as watched, torch.no_grad():
        scope.model(torch.tensor([IDS]))
    trace = scope.trace(IDS)
    for site in ("q", "k", "v", "attention", "z"):
        close(getattr(watched, site)(1), getattr(trace, site)(1))
    assert [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in scope.model.modules()] == before
    close(scope.model(torch.tensor([IDS])).logits[0], trace.logits)


def hooked(plain, module, change):
    """Logits of the plain model with a change of what a module gets."""
    handle = module.register_forward_pre_hook(lambda _, args: (change(args[0]), *args[1:]))
    found = forward(plain, IDS).logits[0]
    handle.remove()
    return found


@pytest.mark.parametrize("site", ["q", "k", "v", "scores", "attention", "z"])
def test_edits_are_what_a_change_of_the_output_matrix_input_makes(family, site):
    scope, plain, _ = family
    trace, layer = scope.trace(IDS), 1
    q, k, v, attention = (getattr(trace, name)(layer).clone() for name in ("q", "k", "v", "attention"))
    if site in ("q", "k", "v"):
        value = {"q": q, "k": k, "v": v}[site]
        value[4, 0] = value[4, 0] * 0.5 + 0.3
        attention = trace.scoring[layer].attention(q, k) if site != "v" else attention
        edit = lambda _: value[None]  # noqa: E731
    if site in ("scores", "attention"):
        attention[2, 6, 5] = 0.0
        if site == "scores":
            attention = attention / attention.sum(-1, keepdim=True)

        def edit(given):
            new = given.clone()
            new[:, 2, 6, 5] = -torch.inf if site == "scores" else 0.0
            return new

    z = torch.einsum("hqk,khd->qhd", attention, heads(v, 4))
    if site == "z":
        z[:, 1] = 0.0
        edit = lambda given: torch.cat([given[:, :, :1], 0 * given[:, :, 1:2], given[:, :, 2:]], 2)  # noqa: E731
    out = dict(scope.model.named_modules())
    name = next(name for name, module in out.items() if module is scope.anatomy.blocks[layer].out)
    expected = hooked(plain, plain.get_submodule(name), lambda given: z.flatten(1)[None].to(given))
    ours = scope.logits(torch.tensor([IDS]), {(site, layer): edit})[0]
    close(ours, expected)
    assert (ours - trace.logits).abs().max() > 1e-4


@pytest.mark.parametrize("site", ["residual", "q", "k", "v", "z"])
def test_again_from_the_middle_is_a_whole_forward(family, site):
    scope, plain, _ = family
    rows, layer, at = [IDS, OTHER], 1, torch.tensor([6, 4])
    run = scope.run(rows)
    positions = run.suffix(torch.arange(2), at)

    def change(value, positions, at):
        new = value.clone()
        new[positions == at[:, None]] *= 0.3
        return new

    ours = run.again(
        {(site, layer): lambda value: change(value, positions, at)},
        rows=torch.arange(2),
        positions=positions,
        layer=layer,
    )
    for row, ids in enumerate(rows):
        whole = torch.arange(len(ids))[None]
        one = at[row : row + 1]
        expected = scope.logits(torch.tensor([ids]), {(site, layer): lambda value: change(value, whole, one)})  # noqa: B023
        close(ours[row], expected[0, -1])
        close(run.logits[row], forward(plain, ids).logits[0, -1])
        assert (ours[row] - run.logits[row]).abs().max() > 1e-4
    same = run.again({}, rows=torch.tensor([1, 0]), positions=run.suffix(torch.tensor([1, 0]), 5), layer=0)
    close(same, run.logits[[1, 0]])


def test_gradients_are_those_of_the_plain_model(family):
    scope, _, _ = family
    kept = {}

    def leaf(value):
        kept["z"] = value.detach().requires_grad_()
        return kept["z"]

    run = scope.run([IDS])
    rows, positions = torch.tensor([0]), torch.arange(len(IDS))[None]
    logits = run.again({("v", 1): leaf}, rows=rows, positions=positions, layer=1, gradients=True)
    (gradient,) = torch.autograd.grad(logits[0, 7] - logits[0, 9], kept["z"])

    def moved(size):
        value = kept["z"].detach().clone()
        value[0, 3, 0, 2] += size
        out = scope.logits(torch.tensor([IDS]), {("v", 1): lambda _: value})[0, -1]
        return float(out[7] - out[9])

    slope = (moved(0.02) - moved(-0.02)) / 0.04
    assert float(gradient[0, 3, 0, 2]) == pytest.approx(slope, rel=0.02, abs=2e-3)


def test_generation_with_changes_is_that_of_whole_forwards(family):
    scope, _, _ = family
    edit = {("z", 1): lambda value: value * 0.2, ("attention", 2): lambda value: value * 0.5}
    persistent = PersistentEdits(scope, list(edit), lambda positions, lengths: edit, "nothing")
    ids, found = list(IDS), []
    for (token,) in generate_with_edits(scope, [ids], persistent, max_new_tokens=3):
        expected = scope.logits(torch.tensor([ids + found]), edit)[0, -1]
        assert token == int(expected.argmax())
        found.append(token)
    assert len(found) == 3


def test_what_is_no_attention_gets_a_sentence():
    scope = Microscope.for_model(own_model("gptj"), tiny_tokenizer())
    block = scope.model.transformer.h[1].attn
    block.forward = lambda hidden_states, **_: (0 * hidden_states, None)
    with pytest.raises(ValueError, match="'q' of layer 1 was not computed"):
        scope.trace(IDS)
    with pytest.raises(ValueError, match="'v' of layer 1 cannot be changed or kept: GPTJAttention has no attention"):
        scope.logits(torch.tensor([IDS]), {("v", 1): torch.zeros_like})
