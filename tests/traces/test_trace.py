"""Traces against the plain Hugging Face forward, for every family."""

import copy
import gc
import threading

import numpy as np
import psutil
import pytest
import torch

from scope_widgets import Microscope, Trace
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.traces.trace import SITES, NotCapturedError
from tests.support.tiny_models import FAMILIES, tiny_model, tiny_tokenizer

IDS = [3, 17, 5, 44, 9, 17, 5, 80, 12, 3]


@pytest.fixture(scope="module", params=sorted(FAMILIES))
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


def test_sizes(family):
    scope, _, _ = family
    config = scope.model.config
    assert scope.n_layers == config.num_hidden_layers
    assert scope.n_heads == config.num_attention_heads
    assert scope.d_model == config.hidden_size


def test_residual_is_hidden_states(family):
    scope, plain, trace = family
    for layer in range(scope.n_layers):
        assert torch.equal(trace.residual(layer), plain.hidden_states[layer][0])
        close(trace.token_norms(layer), plain.hidden_states[layer][0].norm(dim=-1))
    final_norm = scope.anatomy.final_norm
    close(final_norm(trace.residual(scope.n_layers)), plain.hidden_states[-1][0])
    assert torch.equal(trace.logits, plain.logits[0])


def test_attention_is_eager_attention(family):
    scope, plain, trace = family
    for layer in range(scope.n_layers):
        close(trace.attention(layer), plain.attentions[layer][0], 1e-6)
        close(trace.attention(layer).sum(-1), torch.ones(scope.n_heads, len(IDS)))


def test_attention_again_from_queries_and_keys(family):
    scope, plain, _ = family
    trace = scope.trace(IDS, capture=("q", "k"))
    for layer in range(scope.n_layers):
        close(trace.attention(layer), plain.attentions[layer][0])


def test_z_reassembles_the_attention_output(family):
    scope, _, trace = family
    for layer, block in enumerate(scope.anatomy.blocks):
        with torch.no_grad():
            written = block.out(trace.z(layer).flatten(-2))
            if block.attention_out is not block.attention:
                written = block.attention_out(written)
        close(written, trace.attention_out(layer))


def test_blocks_add_to_the_residual_stream(family):
    scope, _, trace = family
    for layer in range(scope.n_layers):
        total = trace.residual(layer) + trace.attention_out(layer) + trace.mlp_out(layer)
        close(total, trace.residual(layer + 1))


def test_values_make_z(family):
    scope, _, trace = family
    group = scope.n_heads // scope.anatomy.n_kv_heads
    for layer in range(scope.n_layers):
        v = trace.v(layer).repeat_interleave(group, dim=1)
        close(torch.einsum("hqk,khd->qhd", trace.attention(layer), v), trace.z(layer))


def test_padded_batch_equals_single_prompts(family):
    scope, _, _ = family
    prompts = [IDS, IDS[:4], IDS[2:9]]
    batch = scope.trace(prompts)
    assert batch.batched
    assert batch.lengths == [10, 4, 7]
    assert torch.isnan(batch.residual(1)[1, 4:]).all()
    for i, prompt in enumerate(prompts):
        alone, cut = scope.trace(prompt), batch[i]
        assert cut.tokens == alone.tokens == batch.tokens[i]
        close(cut.logits, alone.logits, 1e-4)
        for site in SITES:
            for layer in range(scope.n_layers):
                close(getattr(cut, site)(layer), getattr(alone, site)(layer), 1e-4)


def test_watch_records_the_users_own_call(family):
    scope, _, trace = family
    with scope.watch() as watched, torch.no_grad():
        output = scope.model(input_ids=torch.tensor([IDS]))
    assert type(watched) is Trace
    assert torch.equal(watched.logits, output.logits[0])
    for site in SITES:
        for layer in range(scope.n_layers):
            close(getattr(watched, site)(layer), getattr(trace, site)(layer))


@pytest.mark.parametrize("name", sorted(FAMILIES))
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


def test_attention_under_sdpa():
    for family in ("gpt2", "llama", "opt"):
        model = tiny_model(family, "sdpa")
        trace = Microscope.for_model(model, tiny_tokenizer()).trace(IDS)
        assert model.config._attn_implementation == "sdpa"
        model.set_attn_implementation("eager")
        with torch.no_grad():
            plain = model(torch.tensor([IDS]), output_attentions=True)
        close(trace.attention(2), plain.attentions[2][0], 1e-6)


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
    for site in SITES:
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


def test_a_model_in_training_mode():
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    scope.model.train()
    with pytest.raises(ValueError, match=r"training mode.*call model.eval"):
        scope.trace(IDS)
    with scope.watch() as trace:
        scope.model(torch.tensor([IDS]))
    assert trace.provenance.note == "the model was in training mode"


def test_a_mask_that_leaves_causality_to_the_attention_function():
    from scope_widgets.models.execution.attention import attention

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


def test_backward_is_left_as_it_was():
    x = torch.ones(2, requires_grad=True)
    # on one line: nnsight's Tensor.backward takes it for a trace of gradients
    with torch.enable_grad(): (2 * x).sum().backward()  # fmt: skip  # noqa: E701
    assert x.grad.tolist() == [2, 2]


def test_capture_only_what_is_asked_for():
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    trace = scope.trace(IDS, capture=("residual", "attention"))
    assert trace.captured == ("residual", "attention")
    with pytest.raises(NotCapturedError, match=r"did not capture 'z'.*capture="):
        trace.z(0)
    with pytest.raises(ValueError, match="'neurons'.*known are residual"):
        scope.trace(IDS, capture=("neurons",))
    with pytest.raises(IndexError, match="Layer 3 is out of range: this quantity has layers 0 to 2"):
        trace.attention(3)
    assert torch.equal(trace.attention(-1), trace.attention(2))


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("", "prompt is empty"),
        ([], "prompt is empty"),
        (["w3 w4", ""], "prompt is empty"),
        ("w3 " * 65, "65 tokens and local reads at most 64"),
        ([3, 96], "must be 0 to 95 for local; got 96"),
        ([-1, 5], "must be 0 to 95 for local; got -1"),
    ],
)
def test_bad_prompts_get_a_sentence(prompt, message):
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer(), "local")
    with pytest.raises(ValueError, match=message):
        scope.trace(prompt)
    with pytest.raises(ValueError, match="Expected token ids .batch, position., got"):
        scope.logits(torch.tensor([3, 4]))
    with pytest.raises(ValueError, match="continues one prompt; got 2"):
        scope.generate(["w3", "w4"])
    with pytest.raises(TypeError, match="Expected the model's Hugging Face tokenizer, got NoneType"):
        Microscope.for_model(scope.model, None)


@pytest.mark.parametrize("prompt", [3.5, None, [True, False], [[3.9, 4.2]], ["w3", 3], [["w3"]], b"abc", [[[3]]]])
def test_what_is_no_prompt_gets_a_sentence(prompt):
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    with pytest.raises(TypeError, match="A prompt is a text, a list of texts, or token ids"):
        scope.trace(prompt)


def test_prompt_forms_agree():
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    forms = ["w3 w4 w5", [3, 4, 5], torch.tensor([3, 4, 5]), np.array([3, 4, 5]), list(np.array([3, 4, 5]))]
    logits = [scope.trace(form).logits for form in forms]
    assert all(torch.equal(logits[0], other) for other in logits[1:])
    assert scope.trace("w3 unknown w5").prompt == "w3 unknown w5", "the prompt as it was given, not what became of it"
    assert scope.trace("w3 w4", prepend_bos=True).tokens == ["<bos>", "w3", "w4"]
    assert scope.trace(["w3 w4"]).logits.shape == (1, 2, 96)


def test_models_that_do_not_fit_get_a_sentence():
    with pytest.raises(UnsupportedModelError, match="Expected a Hugging Face causal language model"):
        Microscope.for_model(torch.nn.Linear(2, 2), None)
    import transformers

    config = transformers.MambaConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, state_size=4)
    with pytest.raises(UnsupportedModelError, match=r"MambaForCausalLM has no part '\w+' that this package knows"):
        Microscope.for_model(transformers.MambaForCausalLM(config), None)


SIZES = {"vocab_size": 96, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
GROUPED = {**SIZES, "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0}


def test_untested_families_are_checked_before_anything_is_said():
    import transformers as hf

    experts = hf.MixtralForCausalLM(hf.MixtralConfig(**GROUPED, num_local_experts=2)).eval()
    trace = Microscope.for_model(experts, tiny_tokenizer()).trace(IDS)
    close(trace.residual(0) + trace.attention_out(0) + trace.mlp_out(0), trace.residual(1))
    gptj = hf.GPTJConfig(vocab_size=96, n_embd=32, n_layer=2, n_head=4, rotary_dim=4)
    refused = [
        (hf.Glm4ForCausalLM, hf.Glm4Config(**GROUPED), "do not add up"),
        (hf.GraniteForCausalLM, hf.GraniteConfig(**GROUPED, residual_multiplier=0.3), "do not add up"),
        (hf.GptOssForCausalLM, hf.GptOssConfig(**GROUPED, num_local_experts=2, num_experts_per_tok=1), "sinks"),
        (hf.GPTJForCausalLM, gptj, "was not computed"),
    ]
    for model_class, config, sentence in refused:
        torch.manual_seed(0)
        with pytest.raises(UnsupportedModelError, match=sentence):
            Microscope.for_model(model_class(config).eval(), tiny_tokenizer())
    post_norm = hf.OPTConfig(**{**FAMILIES["opt"][2], "do_layer_norm_before": False})
    with pytest.raises(UnsupportedModelError, match="do not add up"):
        Microscope.for_model(hf.OPTForCausalLM(post_norm).eval(), tiny_tokenizer())


def test_modules_by_name(tmp_path):
    scope = Microscope.for_model(tiny_model("llama"), tiny_tokenizer())
    trace = scope.trace(IDS, capture=(), modules=["model.layers.1.mlp"])
    assert list(trace.modules) == ["model.layers.1.mlp"]
    assert torch.equal(trace.modules["model.layers.1.mlp"], scope.trace(IDS).mlp_out(1))
    trace.save(tmp_path)
    assert torch.equal(Trace.load(tmp_path).modules["model.layers.1.mlp"], trace.modules["model.layers.1.mlp"])
    with scope.watch(modules=["model.layers.*.mlp", "lm_head"]) as watched, torch.no_grad():
        scope.model(torch.tensor([IDS]))
    assert list(watched.modules) == [*(f"model.layers.{layer}.mlp" for layer in range(3)), "lm_head"]
    assert torch.equal(watched.modules["lm_head"], watched.logits)
    assert not any(module._forward_hooks for module in scope.model.modules())
    batch = scope.trace([IDS, IDS[:3]], modules=["lm_head"])
    assert batch[1].modules["lm_head"].shape == (3, 96)
    opt = Microscope.for_model(tiny_model("opt"), tiny_tokenizer())
    assert opt.trace(IDS, modules=["*.layers.0.fc2"]).modules["model.decoder.layers.0.fc2"].shape == (10, 32)
    gpt2 = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    assert gpt2.trace([IDS, IDS[:3]], modules=["transformer.wpe"])[1].modules["transformer.wpe"].ndim >= 2
    with pytest.raises(ValueError, match="not a tensor"):
        scope.trace(IDS, modules=["model"])
    with pytest.raises(ValueError, match="did not run: model.layers"):
        scope.trace(IDS, modules=["model.layers"])
    with pytest.raises(ValueError, match="No module of the model is named 'model.layer.1.mlp'. Names are"):
        scope.trace(IDS, modules=["model.layer.1.mlp"])


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


def test_memory_does_not_grow_over_1000_traces():
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    process = psutil.Process()

    def used(count):
        for _ in range(count):
            scope.trace(IDS)
        gc.collect()
        return process.memory_info().rss

    start = used(200)
    assert used(1000) - start < 8 * 2**20


@pytest.mark.parametrize("batch", [False, True])
def test_files_round_trip(tmp_path, batch):
    scope = Microscope.for_model(tiny_model("gemma2"), tiny_tokenizer())
    trace = scope.trace([IDS, IDS[:3]] if batch else IDS)
    trace.save(tmp_path / "folder")
    trace.to_npz(tmp_path / "trace.npz")
    for again in (
        Trace.load(tmp_path / "folder"),
        Trace.from_npz(tmp_path / "trace.npz"),
        Trace.from_json(trace.to_json()),
    ):
        assert again.tokens == trace.tokens
        assert again.provenance == trace.provenance
        assert again.scoring == trace.scoring
        assert torch.equal(again.token_ids, trace.token_ids)
        torch.testing.assert_close(again.logits, trace.logits, rtol=0, atol=0, equal_nan=True)
        for site in SITES:
            for layer in range(trace.n_layers):
                a, b = getattr(again, site)(layer), getattr(trace, site)(layer)
                torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


def test_damaged_files_get_a_sentence(tmp_path):
    trace = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer()).trace(IDS)
    trace.save(tmp_path)
    (tmp_path / "tensors.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="is not a whole trace folder"):
        Trace.load(tmp_path)
    with pytest.raises(ValueError, match="is not a whole trace folder"):
        Trace.load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="is not a trace written by"):
        Trace.from_json("{}")
    (tmp_path / "x.npz").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="is not a trace written by"):
        Trace.from_npz(tmp_path / "x.npz")
    trace.to_npz(tmp_path / "y.npz")
    (tmp_path / "y.npz").write_bytes((tmp_path / "y.npz").read_bytes()[:-200])
    with pytest.raises(ValueError, match="is not a trace written by"):
        Trace.from_npz(tmp_path / "y.npz")


def test_infinite_logits_survive_json():
    trace = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer()).trace(IDS)
    trace.logits[0, :2] = torch.tensor([-torch.inf, torch.inf])
    assert torch.equal(Trace.from_json(trace.to_json()).logits, trace.logits)


def test_activation_statistics_equal_numpy():
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    batch = scope.trace([IDS, IDS[:3]])
    table = batch.activation_statistics("residual")
    for layer in range(scope.n_layers + 1):
        valid = np.concatenate([batch[i].residual(layer).double().numpy() for i in range(2)])
        row = table.iloc[layer]
        np.testing.assert_allclose(
            [row["mean"], row["std"], row["min"], row["max"], row["mean_norm"]],
            [valid.mean(), valid.std(), valid.min(), valid.max(), np.linalg.norm(valid, axis=-1).mean()],
            rtol=1e-9,
        )
