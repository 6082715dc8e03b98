"""Encoder-decoder models, compared with the plain Hugging Face forward with `decoder_input_ids`."""

from __future__ import annotations

from functools import cache, partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf

from scope_widgets import editing, lens, patching, steering
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.edges.find_edges import graph_of
from scope_widgets.models.encoder_decoder.source import EncodedSource
from scope_widgets.models.microscope import LocalMicroscope, Microscope
from scope_widgets.remote.microscope import RemoteMicroscope
from scope_widgets.traces.not_captured import NotCapturedError
from scope_widgets.traces.trace import Trace
from tests.support.tiny_models import GROUPED, VOCAB, tiny_tokenizer

_SIZES: dict[str, Any] = {
    "vocab_size": VOCAB, "d_model": 32, "encoder_layers": 3, "decoder_layers": 2, "encoder_attention_heads": 2,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 40, "decoder_ffn_dim": 48, "max_position_embeddings": 64,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2, "forced_eos_token_id": None,
}  # fmt: skip
_T5: dict[str, Any] = {
    "vocab_size": VOCAB, "d_model": 32, "d_kv": 6, "d_ff": 48, "num_layers": 3, "num_decoder_layers": 2, "num_heads": 4,
    "pad_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 0, "relative_attention_num_buckets": 8,
}  # fmt: skip

#: name -> configuration, model, options
FAMILIES: dict[str, tuple[type[Any], type[Any], dict[str, Any]]] = {
    "bart": (hf.BartConfig, hf.BartForConditionalGeneration, _SIZES),
    "mbart": (hf.MBartConfig, hf.MBartForConditionalGeneration, _SIZES),
    "pegasus": (hf.PegasusConfig, hf.PegasusForConditionalGeneration, {**_SIZES, "decoder_start_token_id": 0}),
    "marian": (hf.MarianConfig, hf.MarianMTModel, {**_SIZES, "decoder_start_token_id": 0}),
    "t5": (hf.T5Config, hf.T5ForConditionalGeneration, _T5),
    "t5_gated": (
        hf.T5Config,
        hf.T5ForConditionalGeneration,
        {**_T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    ),
}
_GEMMA = {**GROUPED, "num_hidden_layers": 2, "query_pre_attn_scalar": 8, "sliding_window": 4}
FAMILIES["t5gemma"] = (
    hf.T5GemmaConfig,
    hf.T5GemmaForConditionalGeneration,
    {"encoder": {**_GEMMA, "num_hidden_layers": 1}, "decoder": _GEMMA, "vocab_size": VOCAB},
)
#: whose residual stream is a sum, with no norm after each part
SUMS = ["mbart", "pegasus", "t5", "t5_gated", "t5gemma"]
SOURCE = [11, 12, 13, 14, 15, 2]
#: of other lengths
PROMPTS = [[2, 5, 9, 31, 44], [2, 7, 8]]


def tiny(family: str) -> Any:
    """Make a random model whose attention is far from uniform, its gains and biases random too."""
    config, kind, options = FAMILIES[family]
    torch.manual_seed(0)
    model = kind._from_config(config(**options)).float().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and not any(part in name for part in ("emb", "shared", "lm_head", "relative")):
                parameter.mul_(1.0 if family.startswith("t5") else 4.0)
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.3)
        if hasattr(model, "final_logits_bias"):
            model.final_logits_bias += torch.randn_like(model.final_logits_bias)
    return model


@cache
def scope_of(family: str) -> LocalMicroscope:
    return Microscope.for_model(tiny(family), tiny_tokenizer(), source=SOURCE)


def plain(model: Any, prompt: list[int], source: list[int] = SOURCE, **options: Any) -> Any:
    """Run the whole model as transformers does."""
    ids, decoder_ids = torch.tensor([source]), torch.tensor([prompt])
    with torch.no_grad():
        return model(input_ids=ids, decoder_input_ids=decoder_ids, use_cache=False, **options)


def _note_input(inputs: list[torch.Tensor], module: Any, args: Any) -> None:
    inputs.append(args[0])


def close(found: Any, expected: Any, off: float = 2e-5) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=off * float(expected.abs().max().clamp_min(1)))


@pytest.mark.parametrize("family", FAMILIES)
def test_without_a_source_an_encoder_decoder_model_is_refused(family):
    with pytest.raises(UnsupportedModelError, match="say what its encoder reads"):
        Microscope.for_model(tiny(family), tiny_tokenizer())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_trace_has_what_the_plain_forward_has(family):
    scope = scope_of(family)
    model = scope.model
    model.set_attn_implementation("eager")
    trace = scope.trace(PROMPTS)
    stack = model.get_decoder()
    blocks = stack.block if family in ("t5", "t5_gated") else stack.layers
    for row, prompt in enumerate(PROMPTS):
        streams: list[torch.Tensor] = []
        note = partial(_note_input, streams)
        hooks = [block.register_forward_pre_hook(note) for block in blocks]
        out = plain(model, prompt, output_attentions=True)
        for hook in hooks:
            hook.remove()
        one = trace[row]
        close(one.logits, out.logits[0])
        for layer in range(2):
            close(one.attention(layer), out.decoder_attentions[layer][0])
            close(one.cross_attention(layer), out.cross_attentions[layer][0])
            close(one.residual(layer), streams[layer][0])
            assert one.cross_attention(layer).shape == (4, len(prompt), len(SOURCE))
    assert trace.cross_attention(0)[1, :, 3:].isnan().all()
    assert len(trace.source_tokens) == len(SOURCE)
    assert trace.source_tokens[0] == "w11"


@pytest.mark.parametrize("family", FAMILIES)
def test_an_edit_is_what_a_plain_hook_makes(family):
    scope, prompt = scope_of(family), PROMPTS[0]
    block = scope.anatomy.blocks[1].block

    def halve(_: Any, args: Any) -> Any:
        return (args[0] * 0.5, *args[1:])

    with_hook = block.register_forward_pre_hook(halve)
    expected = plain(scope.model, prompt).logits
    with_hook.remove()
    close(scope.logits(torch.tensor([prompt]), {("residual", 1): lambda value: value * 0.5}), expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_patching_is_exact(family):
    scope = scope_of(family)
    clean, corrupted = [2, 5, 9, 31, 44], [2, 5, 7, 31, 44]
    result = patching.activations(scope, clean, corrupted, answer=20, versus=21, over="residual")
    block = scope.anatomy.blocks[1].block
    kept: list[torch.Tensor] = []
    hook = block.register_forward_pre_hook(lambda _, args: kept.append(args[0]))
    logits = [plain(scope.model, prompt).logits[0, -1] for prompt in (clean, corrupted)]
    hook.remove()

    def put(_: Any, args: Any) -> Any:
        new = args[0].clone()
        new[:, 2] = kept[0][:, 2]
        return (new, *args[1:])

    hook = block.register_forward_pre_hook(put)
    patched = plain(scope.model, corrupted).logits[0, -1]
    hook.remove()
    of_clean, of_corrupted, of_patched = (float(one[20] - one[21]) for one in (*logits, patched))
    effect = (of_patched - of_corrupted) / (of_clean - of_corrupted)
    assert np.isclose(np.asarray(result.values)[1, 2], effect, atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_attribution_sums_to_the_logit_difference(family):
    trace = scope_of(family).trace(PROMPTS)
    if family not in SUMS:
        with pytest.raises(UnsupportedModelError, match="is the sum of what is written to it"):
            lens.direct_logit_attribution(trace, answer=20, versus=21)
        return
    parts = lens.direct_logit_attribution(trace, answer=20, versus=21)
    for row, prompt in enumerate(PROMPTS):
        logits = plain(scope_of(family).model, prompt).logits[0, -1]
        assert np.isclose(parts.per_prompt[row].sum(), float(logits[20] - logits[21]), atol=1e-3)
    cross = parts.to_dataframe().query("component == 'cross-attention'")
    assert cross.layer.tolist() == [0, 1]
    assert (cross.contribution.abs() > 1e-4).all()
    neurons = lens.neuron_attribution(trace, 1, answer=20, versus=21)
    mlp = parts.per_prompt[:, [at for at, name in enumerate(parts.component) if name == "mlp"][1]]
    np.testing.assert_allclose(neurons.per_prompt.sum(1) + neurons.bias, mlp, atol=1e-4)


def test_parts_in_two_precisions_sum():
    model = tiny("t5_gated").half()
    for name, module in model.named_modules():
        if name.endswith(".wo"):  # as transformers loads it
            module.float()
    trace = Microscope.for_model(model, tiny_tokenizer(), source=SOURCE).trace(PROMPTS)
    parts = lens.direct_logit_attribution(trace, answer=20, versus=21)
    assert parts.residue < 5e-2 * np.abs(parts.per_prompt).max()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_lens_ends_in_the_logits(family):
    found = lens.logit_lens(scope_of(family).trace(PROMPTS[0]))
    logits = plain(scope_of(family).model, PROMPTS[0]).logits[0, -1]
    assert int(found.top_ids[-1, -1, 0]) == int(logits.argmax())


@pytest.mark.parametrize("family", ["bart", "t5"])
def test_texts_begin_with_the_start_token_once(family):
    scope = scope_of(family)
    start = scope.model.config.decoder_start_token_id
    assert scope.trace("w5 w9").token_ids.tolist() == [start, 5, 9]
    assert scope.trace("w5 w9", prepend_bos=True).token_ids.tolist() == [start, 5, 9]
    assert scope.trace("w5 w9", prepend_bos=False).token_ids.tolist() == [5, 9]
    assert scope.trace([start, 5, 9], prepend_bos=True).token_ids.tolist() == [start, 5, 9]
    assert scope.trace([5, 9]).token_ids.tolist() == [5, 9]
    assert scope.trace(scope.tokenizer.bos_token + " w5").token_ids.tolist() == [start, 5]


@pytest.mark.parametrize("family", ["bart", "t5"])
def test_generate_continues_what_the_decoder_reads(family):
    scope, prompt = scope_of(family), PROMPTS[0]
    ids = list(prompt)
    for _ in range(3):
        ids.append(int(plain(scope.model, ids).logits[0, -1].argmax()))
    expected = scope.tokenizer.decode(ids[len(prompt) :], skip_special_tokens=True)
    assert scope.generate(prompt, max_new_tokens=3) == expected
    assert scope.generate([5, 9], max_new_tokens=1) == scope.tokenizer.decode(
        int(plain(scope.model, [5, 9]).logits[0, -1].argmax()), skip_special_tokens=True
    )


@pytest.mark.parametrize("family", ["bart", "t5"])
def test_steering_is_what_a_plain_hook_makes(family):
    scope, prompt = scope_of(family), PROMPTS[0]
    vector = np.zeros(32, dtype=np.float32)
    vector[3] = 1.0
    added = steering.AddDirection(steering.direction(scope, vector=vector, layer=1), 0.7)
    session = steering.Session(scope, prompt, [added])

    def add(_: Any, args: Any) -> Any:
        change = torch.tensor(added.direction.vector) * added.direction.scale * 0.7
        return (args[0] + change, *args[1:])

    hook = scope.anatomy.blocks[1].block.register_forward_pre_hook(add)
    ids = list(prompt)
    logits = plain(scope.model, ids).logits[0]
    for _ in range(3):
        ids.append(int(plain(scope.model, ids).logits[0, -1].argmax()))
    hook.remove()
    close(torch.as_tensor(session.at([0.7]).logits), logits[-1])
    expected = scope.tokenizer.decode(ids[len(prompt) :], skip_special_tokens=True)
    *_, written = session.continuations([[0.7]], max_new_tokens=3)
    assert written == [expected]
    with steering.steer(scope, added):
        close(scope.trace(prompt).logits, logits)
        assert scope.generate(prompt, max_new_tokens=3) == expected


@pytest.mark.parametrize("family", ["bart", "t5"])
def test_steering_at_the_last_position_knows_where_the_prompt_of_the_decoder_ends(family):
    scope, prompt = scope_of(family), [scope_of(family).tokenizer.bos_token_id]
    vector = np.eye(32, dtype=np.float32)[3]
    added = steering.AddDirection(steering.direction(scope, vector=vector, layer=1), 1.5, positions="last")

    def add(_: Any, args: Any) -> Any:
        new = args[0].clone()
        new[:, 0] += torch.tensor(added.direction.vector) * added.direction.scale * 1.5
        return (new, *args[1:])

    hook = scope.anatomy.blocks[1].block.register_forward_pre_hook(add)
    ids = list(prompt)
    for _ in range(3):
        ids.append(int(plain(scope.model, ids).logits[0, -1].argmax()))
    hook.remove()
    with steering.steer(scope, added):
        found = scope.model.generate(torch.tensor([SOURCE]), do_sample=False, num_beams=1, max_new_tokens=3)
    assert found[0].tolist() == ids


@pytest.mark.parametrize("family", ["bart", "t5"])
def test_watch_records_a_call_of_the_whole_model(family):
    scope = scope_of(family)
    with scope.watch() as trace:
        plain(scope.model, PROMPTS[0])
    own = scope.trace(PROMPTS[0])
    for site in ("residual", "attention", "cross_attention", "cross_attention_out", "mlp_out"):
        close(getattr(trace, site)(1), getattr(own, site)(1))
    with pytest.raises(ValueError, match="another source"), scope.watch():
        plain(scope.model, PROMPTS[0], source=[11, 12])
    padded = {"attention_mask": torch.tensor([[1] * len(SOURCE) + [0]])}
    with pytest.raises(ValueError, match="or pads it"), scope.watch():
        plain(scope.model, PROMPTS[0], source=[*SOURCE, 0], **padded)
    with pytest.raises(ValueError, match="give decoder_input_ids"), scope.watch():
        scope.model(encoder_outputs=[scope.source.states()], labels=torch.tensor([[5, 6]]))


@pytest.mark.parametrize("family", ["bart", "t5"])
def test_watch_records_the_first_forward_of_generate(family):
    scope, prompt = scope_of(family), torch.tensor(PROMPTS[:1])
    start = {"decoder_start_token_id": PROMPTS[0][0]}  # else generate puts its own before the prompt
    with scope.watch() as trace:
        scope.model.generate(torch.tensor([SOURCE]), decoder_input_ids=prompt, max_new_tokens=2, **start)
    assert trace.token_ids.tolist() == PROMPTS[0]
    close(trace.cross_attention(1), scope.trace(PROMPTS[0]).cross_attention(1))


def test_a_remote_one_is_refused():
    described = SimpleNamespace(_module=tiny("t5"), to_model_key=str)
    with pytest.raises(UnsupportedModelError, match="not run on a server"):
        RemoteMicroscope(described, tiny_tokenizer(), "t5", None, SimpleNamespace(address="here"))


def test_a_decoder_without_a_known_cross_attention_has_another_writer():
    sizes = {"vocab_size": VOCAB, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
             "intermediate_size": 40}  # fmt: skip
    decoder = {"vocab_size": VOCAB, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
    config = hf.EncoderDecoderConfig.from_encoder_decoder_configs(hf.BertConfig(**sizes), hf.GPT2Config(**decoder))
    config.decoder_start_token_id = 1
    torch.manual_seed(0)
    model = hf.EncoderDecoderModel(config).eval()
    scope = Microscope.for_model(model, tiny_tokenizer(), source=SOURCE)
    trace = scope.trace(PROMPTS[0])
    close(trace.logits, plain(model, PROMPTS[0]).logits[0])
    with pytest.raises(NotCapturedError, match="it has no such part"):
        trace.cross_attention(0)
    assert "beside" in lens.direct_logit_attribution(trace, answer=20, versus=21).component


def test_the_encoder_runs_in_each_run_and_not_where_one_goes_on() -> None:
    scope = Microscope.for_model(tiny("t5"), tiny_tokenizer(), source="w11 w12")
    scope.run(PROMPTS[0])  # how a run is gone on with is measured at the first
    calls: list[int] = []
    scope.model.encoder.register_forward_hook(lambda *_: calls.append(1))
    begun = scope.run(PROMPTS[0])
    assert len(calls) == 1
    begun.again({}, rows=torch.tensor([0]), positions=torch.tensor([[0, 1, 2]]), layer=1)
    assert len(calls) == 1
    scope.trace(PROMPTS[0])
    assert len(calls) == 2


def test_what_is_done_to_the_encoder_is_seen() -> None:
    scope = Microscope.for_model(tiny("t5"), tiny_tokenizer(), source="w11 w12")
    block = scope.model.encoder.block[1].layer[0]

    def check() -> None:
        close(scope.trace(PROMPTS[0]).logits, plain(scope.model, PROMPTS[0], [11, 12]).logits[0])

    check()
    with torch.no_grad():
        block.SelfAttention.q.weight.mul_(1.5)
    check()
    block.SelfAttention.v.weight.data.mul_(-5)
    check()
    block.register_forward_hook(lambda _, args, output: (0 * output[0], *output[1:]))
    check()


def test_what_is_no_source_is_refused():
    model = tiny("bart")
    for source, sentence in (([[5], [6]], "got 2"), ([500], "must be 0 to 95"), ([5] * 65, "reads at most 64")):
        with pytest.raises(ValueError, match=sentence):
            Microscope.for_model(model, tiny_tokenizer(), source=source)
    with pytest.raises(ValueError, match="has none: leave it out"):
        Microscope.load("demo", source="w5")


def test_a_model_without_an_encoder_has_no_cross_attention():
    demo = Microscope.load("demo")
    with pytest.raises(NotCapturedError, match="has no encoder"):
        demo.trace("the horse").cross_attention(0)
    with pytest.raises(ValueError, match="the quantities known are"):
        demo.trace("the horse", capture=("cross_attention",))


def test_a_trace_is_saved_with_its_source(tmp_path):
    trace = scope_of("t5").trace(PROMPTS[0])
    trace.save(tmp_path / "trace")
    again = Trace.load(tmp_path / "trace")
    assert again.source_tokens == trace.source_tokens
    assert torch.equal(again.cross_attention(1), trace.cross_attention(1))


def test_path_patching_is_refused():
    with pytest.raises(UnsupportedModelError, match="those of cross-attention cannot be held"):
        patching.paths(scope_of("t5"), [2, 5, 9, 31], [2, 5, 7, 31], answer=20, versus=21)


def test_a_folder_is_loaded_with_a_source(tmp_path):
    model = tiny("t5")
    model.save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    scope = Microscope.load(tmp_path, source="w11 w12")
    close(scope.trace([0, 5]).logits, plain(model, [0, 5], [11, 12]).logits[0])
    with pytest.raises(UnsupportedModelError, match="say what its encoder reads"):
        Microscope.load(tmp_path)


def test_padding_of_a_tokenizer_is_no_part_of_a_source():
    given = {"input_ids": [[11, 12, 0]], "attention_mask": [[1, 1, 0]]}
    assert EncodedSource(tiny("bart"), tiny_tokenizer(), given).token_ids == [11, 12]


def test_blocks_are_one_node_in_circuits_and_keep_their_weights():
    scope = scope_of("t5")
    with pytest.warns(UserWarning, match="cross-attention in T5Block writes"):
        assert graph_of(scope).whole == (0, 1)
    vector = np.eye(32, dtype=np.float32)[3]
    with pytest.raises(UnsupportedModelError, match="Something else than attention and MLP"):
        editing.orthogonalise(scope, steering.direction(scope, vector=vector, layer=1), layers=[0])
