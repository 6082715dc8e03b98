"""Models as people have them: adapters, parts on the disk, beside a vision model, not whole, with code of their own."""

import json
import shutil

import numpy as np
import peft
import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

from scope_widgets import Microscope, circuits, heads, lens, patching, steering
from scope_widgets.models import loading
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.input_device import input_device
from scope_widgets.models.loading import ModelNotFoundError
from tests.support.tiny_models import VOCAB, quantisable_llama, tiny_model, tiny_tokenizer

IDS = [3, 17, 5, 44, 9, 17]
OTHER = [3, 18, 5, 44, 9, 17]


def saved(model, folder):
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def llama(tmp_path):
    return saved(tiny_model("llama"), tmp_path / "tiny-llama")


def lora(model, seed=0, **options):
    torch.manual_seed(seed)
    options = {"target_modules": ["q_proj", "o_proj", "down_proj"], "r": 2, "init_lora_weights": False} | options
    return peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **options)).eval()


def plain(model, ids=IDS):
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0]


def close(a, b, tolerance=1e-5):
    torch.testing.assert_close(a.float(), b.float(), rtol=tolerance, atol=tolerance)


# --- weights ----------------------------------------------------------------------------------------------------------


def change(folder, how):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    how(tensors)
    save_file(tensors, path, {"format": "pt"})


def test_weights_that_lack_a_tensor_are_refused_by_name(llama):
    names = ["model.layers.1.mlp.up_proj.weight", "model.norm.weight"]
    change(llama, lambda tensors: [tensors.pop(name) for name in names])
    with pytest.raises(ModelNotFoundError, match="lack 2 of the tensors of a LlamaForCausalLM") as error:
        Microscope.load(llama)
    assert all(name in str(error.value) for name in names)


def test_weights_of_other_shapes_and_damaged_ones_get_a_sentence(llama):
    change(llama, lambda tensors: tensors.update({"model.norm.weight": torch.ones(7)}))
    with pytest.raises(ModelNotFoundError, match="tiny-llama could not be loaded"):
        Microscope.load(llama)
    (llama / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelNotFoundError, match="tiny-llama could not be loaded"):
        Microscope.load(llama)


def test_tied_weights_are_no_lack(tmp_path):
    model = tiny_model("gpt2")
    assert model.config.tie_word_embeddings
    folder = saved(model, tmp_path / "tied")
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")
    close(Microscope.load(folder).trace(IDS).logits, plain(model))


# --- code of its own --------------------------------------------------------------------------------------------------

CODE = """
from transformers import LlamaConfig, LlamaForCausalLM
class OwnConfig(LlamaConfig):
    model_type = "own"
class OwnModel(LlamaForCausalLM):
    config_class = OwnConfig
"""


def test_code_of_its_own_runs_only_where_it_is_trusted(llama, monkeypatch, tmp_path):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question was asked"))
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    config = json.loads((llama / "config.json").read_text())
    config |= {"model_type": "own", "architectures": ["OwnModel"]}
    config["auto_map"] = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    (llama / "config.json").write_text(json.dumps(config))
    (llama / "own.py").write_text(CODE)
    with pytest.raises(ModelNotFoundError, match=r"code of its own.*trust_remote_code=True.*Microscope.for_model"):
        Microscope.load(llama)
    scope = Microscope.load(llama, trust_remote_code=True)
    assert type(scope.model).__name__ == "OwnModel"
    close(scope.trace(IDS).logits, plain(tiny_model("llama")))


# --- options that pass through ----------------------------------------------------------------------------------------


def test_options_pass_through(llama):
    assert Microscope.load(llama, attn_implementation="eager").model.config._attn_implementation == "eager"
    assert Microscope.load(llama, dtype="float64").model.dtype == torch.float64
    assert Microscope.load(llama, device="cpu", dtype=torch.bfloat16).model.dtype == torch.bfloat16
    with pytest.raises(ValueError, match="device='cpu' and device_map='auto' both say where the model goes"):
        Microscope.load(llama, device="cpu", device_map="auto")
    for options in ({"device_map": "auto"}, {"trust_remote_code": True}, {"attn_implementation": "eager"}):
        with pytest.raises(ValueError, match="device, dtype, .* trust_remote_code are the server's choice"):
            Microscope.load(str(llama), remote=True, **options)


@pytest.mark.parametrize("where", ["disk", "cpu"])
def test_offloaded_weights(llama, where, tmp_path):
    pytest.importorskip("accelerate")
    names = [
        "model.embed_tokens",
        "model.norm",
        "model.rotary_emb",
        "lm_head",
        *(f"model.layers.{i}" for i in range(3)),
    ]
    kept = {"model.layers.1"} if where == "disk" else set(names)
    device_map = {name: "cpu" if name in kept else "disk" for name in names}
    scope = Microscope.load(llama, device_map=device_map)
    whole = Microscope.for_model(tiny_model("llama"), tiny_tokenizer())
    if where == "disk":
        assert scope.model.device.type == "meta"
    assert input_device(scope.model) == torch.device("cpu")
    ours, theirs = scope.trace(IDS), whole.trace(IDS)
    for site in ours.captured:
        for layer in range(3):
            close(getattr(ours, site)(layer), getattr(theirs, site)(layer))
    close(ours.logits, theirs.logits)
    close(scope.logits(torch.tensor([IDS]), {("mlp_out", 1): torch.zeros_like}),
          whole.logits(torch.tensor([IDS]), {("mlp_out", 1): torch.zeros_like}))  # fmt: skip
    assert scope.generate(IDS, max_new_tokens=3) == whole.generate(IDS, max_new_tokens=3)
    assert scope.estimate(IDS).remote is False
    with scope.watch() as watched, torch.no_grad():
        scope.model(input_ids=torch.tensor([IDS]))
    close(watched.residual(3), theirs.residual(3))
    patched, expected = (
        patching.activations(one, IDS, OTHER, answer=7, versus=8, over="residual").values for one in (scope, whole)
    )
    np.testing.assert_allclose(patched, expected, atol=1e-3)
    sessions = [
        steering.Session(
            one,
            IDS,
            [steering.AddDirection(steering.direction(one, vector=np.ones(32), layer=1, name="x", positive=["w3 w4"]))],
        )
        for one in (scope, whole)
    ]
    close(*(session.at([0.5]).logits for session in sessions))
    close(*(torch.tensor(session.losses([[0.5]], [3, 4])) for session in sessions))
    written = [list(session.continuations([[0.5]], max_new_tokens=2))[-1] for session in sessions]
    assert written[0] == written[1]
    if where == "disk":
        with pytest.raises(UnsupportedModelError, match="not in this process"):
            lens.logit_lens(ours)


# --- what is no plain decoder -----------------------------------------------------------------------------------------


TEXT = {
    "vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip
VISION = {
    "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 8,
    "patch_size": 4,
}  # fmt: skip
QWEN_VISION = {
    "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 32, "patch_size": 4,
    "fullatt_block_indexes": [0],
}  # fmt: skip


def of_other_kinds():
    """Tiny models whose text is read by no class for causal language models alone."""
    images = {"text_config": TEXT, "vision_config": VISION}
    rotary = {"rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2]}}
    yield hf.Gemma3ForConditionalGeneration(
        hf.Gemma3Config(**images, mm_tokens_per_image=1, image_token_id=5, boi_token_index=6, eoi_token_index=7)
    )
    clip, pixtral = hf.CLIPVisionConfig(**VISION), hf.PixtralVisionConfig(**VISION)
    yield hf.LlavaForConditionalGeneration(
        hf.LlavaConfig(text_config=hf.LlamaConfig(**TEXT), vision_config=clip, image_token_id=5)
    )
    yield hf.Mistral3ForConditionalGeneration(
        hf.Mistral3Config(text_config=hf.MistralConfig(**TEXT), vision_config=pixtral, image_token_id=5)
    )
    yield hf.Qwen2_5_VLForConditionalGeneration(
        hf.Qwen2_5_VLConfig(text_config=TEXT | rotary, vision_config=QWEN_VISION, image_token_id=5, video_token_id=6)
    )
    yield hf.BertForMaskedLM(hf.BertConfig(**{name: value for name, value in TEXT.items() if name != "head_dim"}))


@pytest.mark.parametrize("model", of_other_kinds(), ids=lambda model: type(model).__name__)
def test_the_class_is_the_architectures_own(model, tmp_path):
    loaded = loading.load(saved(model.eval(), tmp_path / "model"), loading.Options())
    assert type(loaded.model) is type(model)
    close(plain(loaded.model), plain(model))


def test_an_encoder_without_its_head_is_refused_by_name(tmp_path):
    model = hf.BertModel(hf.BertConfig(vocab_size=VOCAB, hidden_size=32, intermediate_size=48, num_hidden_layers=1,
                                       num_attention_heads=4))  # fmt: skip
    with pytest.raises(ModelNotFoundError, match="lack .* of a BertForMaskedLM"):
        loading.load(saved(model, tmp_path / "bare"), loading.Options())


# --- tokenizers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["qwen3", "gemma3", "gpt_neox", "phi3", "olmo2"])
def test_weights_without_a_tokenizer_are_refused(family, tmp_path):
    """Of some families transformers makes a tokenizer without files, to which every text is empty."""
    tiny_model(family).save_pretrained(tmp_path / "bare")
    with pytest.raises(ModelNotFoundError, match=r"bare could not be loaded: no tokenizer .*save_pretrained\(folder\)"):
        Microscope.load(tmp_path / "bare")


def test_what_is_no_name_or_type_of_numbers_gets_a_sentence(llama):
    with pytest.raises(TypeError, match=r"by its name.*got a LlamaForCausalLM.*Microscope\.for_model"):
        Microscope.load(tiny_model("llama"))
    for given in ("bf16", "nn", 16):
        with pytest.raises(ValueError, match=rf"dtype='{given}' names no type of numbers"):
            Microscope.load(llama, dtype=given)
    assert Microscope.load(llama, dtype="auto").model.dtype == torch.float32
    assert Microscope.load(llama, dtype=torch.bfloat16).model.dtype == torch.bfloat16


# --- adapters ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def adapted(llama, tmp_path):
    """A folder of an adapter, and the model with it, from PEFT alone."""
    model = lora(hf.AutoModelForCausalLM.from_pretrained(llama))
    model.save_pretrained(tmp_path / "my.lora")
    assert not (tmp_path / "my.lora" / "config.json").exists()
    return tmp_path / "my.lora", model


def test_an_adapter_is_loaded_on_its_base(adapted, llama):
    folder, model = adapted
    scope = Microscope.load(folder)
    assert scope.model_id == "tiny-llama + my_lora"
    trace = scope.trace(IDS)
    close(trace.logits, plain(model))
    assert not torch.allclose(trace.logits, Microscope.load(llama).trace(IDS).logits, atol=0.1)
    assert trace.provenance.model == scope.model_id
    assert heads.importance(scope, IDS).provenance.model == scope.model_id
    found = steering.direction(scope, vector=np.ones(32), layer=1, name="ones", positive=["w3 w4"])
    found.check(scope)
    with pytest.raises(ValueError, match=r"found in tiny-llama \+ my_lora and the model at hand is tiny-llama\."):
        found.check(Microscope.load(llama))
    with pytest.raises(ValueError, match="the model at hand is tiny-llama"):
        found.check(Microscope.for_model(lora(tiny_model("llama")), scope.tokenizer, "tiny-llama"))


def test_an_adapter_whose_base_is_not_there(adapted, llama):
    folder, _ = adapted
    shutil.rmtree(llama)
    with pytest.raises(ModelNotFoundError, match=r"my.lora could not be loaded.*tiny-llama"):
        Microscope.load(folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": None}))
    with pytest.raises(ModelNotFoundError, match="names no base model"):
        Microscope.load(folder)


def test_an_adapter_without_peft_says_what_to_install(adapted, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(ModelNotFoundError, match=r"pip install 'scope-widgets\[peft\]'"):
        Microscope.load(adapted[0])


def test_an_adapters_own_tokenizer_is_taken(adapted):
    folder, _ = adapted
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "of the adapter"
    tokenizer.save_pretrained(folder)
    assert Microscope.load(folder).tokenizer.chat_template == "of the adapter"


@pytest.mark.parametrize("family", ["qwen3", "gemma3"])  # transformers makes tokenizers of these without files
def test_an_adapter_without_a_tokenizer_has_that_of_its_base(family, tmp_path):
    base = saved(tiny_model(family), tmp_path / "base")
    lora(hf.AutoModelForCausalLM.from_pretrained(base)).save_pretrained(tmp_path / "bare")
    assert Microscope.load(tmp_path / "bare").trace("w3 w17").token_ids.tolist() == [3, 17]


def test_a_model_in_pefts_wrapper_is_traced_steered_and_patched(llama):
    base = hf.AutoModelForCausalLM.from_pretrained(llama)
    model = lora(base)
    scope = Microscope.for_model(model, tiny_tokenizer())
    assert scope.model_id.endswith("tiny-llama + default")
    merged = Microscope.for_model(
        lora(hf.AutoModelForCausalLM.from_pretrained(llama)).merge_and_unload(), tiny_tokenizer(), "merged by hand"
    )
    close(scope.trace(IDS).logits, plain(model))
    with scope.watch() as watched, torch.no_grad():
        model(input_ids=torch.tensor([IDS]))
    close(watched.residual(2), merged.trace(IDS).residual(2))
    close(scope.trace(IDS).z(1), merged.trace(IDS).z(1), 1e-4)
    np.testing.assert_allclose(
        *(patching.activations(one, IDS, OTHER, answer=7, versus=8).values for one in (scope, merged)), atol=1e-3
    )
    np.testing.assert_allclose(*(heads.importance(one, IDS)["kl"] for one in (scope, merged)), atol=1e-4)
    sessions = [
        steering.Session(
            one,
            IDS,
            [steering.AddDirection(steering.direction(one, vector=np.ones(32), layer=1, name="x", positive=["w3 w4"]))],
        )
        for one in (scope, merged)
    ]
    close(*(session.at([0.5]).logits for session in sessions), 1e-4)
    ours, theirs = (lens.direct_logit_attribution(one.trace(IDS), answer=7, versus=8) for one in (scope, merged))
    np.testing.assert_allclose(ours.contribution, theirs.contribution, atol=1e-3)
    np.testing.assert_allclose(*(heads.composition(one).values for one in (scope, merged)), atol=1e-4)
    with pytest.warns(UserWarning, match="each layer is one node"):  # their heads' matrices are not plain
        circuits.discover(scope, circuits.Task.of(scope, [IDS], [OTHER], [7], [8]), "eap")


def test_the_name_follows_the_adapters(llama):
    base = hf.AutoModelForCausalLM.from_pretrained(llama)
    scope = Microscope.for_model(base, tiny_tokenizer(), "base")
    assert scope.model_id == "base"
    model = lora(base)  # PEFT changes the model that it is given
    assert scope.model_id == "base + default"
    model.add_adapter("other", peft.LoraConfig(target_modules=["q_proj"], r=2, init_lora_weights=False))
    model.set_adapter("other")
    assert scope.trace(IDS).provenance.model == "base + other"
    with model.disable_adapter():
        assert scope.trace(IDS).provenance.model == "base + other (off)"
        close(scope.trace(IDS).logits, plain(tiny_model("llama")))
    model.merge_adapter()
    assert scope.model_id == "base + other"
    model.merge_and_unload()
    assert scope.model_id == "base + other", "its weights are no longer the base's"


def test_an_adapter_that_is_not_in_the_layers_is_refused():
    model = peft.get_peft_model(
        tiny_model("llama"), peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    ).eval()
    with pytest.raises(UnsupportedModelError, match="PROMPT_TUNING.* is not in the layers"):
        Microscope.for_model(model, tiny_tokenizer())


def test_an_adapter_on_the_unembedding_never_gives_the_bases_numbers():
    model = lora(tiny_model("llama"), target_modules=["lm_head"])
    scope = Microscope.for_model(model, tiny_tokenizer())
    trace = scope.trace(IDS)
    close(trace.logits, plain(model))
    merged = Microscope.for_model(
        lora(tiny_model("llama"), target_modules=["lm_head"]).merge_and_unload(), tiny_tokenizer()
    )
    for one in (scope, merged):
        one.effects = patching.activations(one, IDS, OTHER, answer=7, versus=8).values
    np.testing.assert_allclose(scope.effects, merged.effects, atol=1e-3)
    try:
        ours = lens.direct_logit_attribution(trace, answer=7, versus=8)
    except UnsupportedModelError:
        return
    theirs = lens.direct_logit_attribution(merged.trace(IDS), answer=7, versus=8)
    np.testing.assert_allclose(ours.contribution, theirs.contribution, atol=1e-3)


# --- quantised --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [4, 8])
def test_quantised_weights(tmp_path, bits):
    """Where bitsandbytes runs: against the same model through transformers alone."""
    pytest.importorskip("bitsandbytes")
    llama = saved(quantisable_llama(), tmp_path / "tiny-llama")
    options = {4: {"load_in_4bit": True, "bnb_4bit_compute_dtype": torch.float32}, 8: {"load_in_8bit": True}}[bits]
    quantised = hf.BitsAndBytesConfig(**options)
    scope = Microscope.load(llama, quantization_config=quantised, device="cpu")
    model = hf.AutoModelForCausalLM.from_pretrained(llama, quantization_config=quantised, device_map={"": "cpu"})
    close(scope.trace(IDS).logits, plain(model), 1e-3)
    with torch.no_grad():
        hidden = model(input_ids=torch.tensor([IDS]), output_hidden_states=True).hidden_states
    close(scope.trace(IDS).residual(1), hidden[1][0], 1e-3)
    assert np.isfinite(patching.activations(scope, IDS, OTHER, answer=7, versus=8, over="residual").values).all()
    found = steering.direction(scope, vector=np.ones(64), layer=1, name="x", positive=["w3 w4"])
    session = steering.Session(scope, IDS, [steering.AddDirection(found)])
    handle = model.model.layers[1].register_forward_pre_hook(
        lambda _, args: (args[0] + 0.5 * found.scale * torch.tensor(found.vector),)
    )
    expected = plain(model)[-1]
    handle.remove()
    close(session.at([0.5]).logits, expected, 1e-2)
    with pytest.raises(UnsupportedModelError, match="no plain matrix .quantised"):
        circuits.discover(scope, circuits.Task.of(scope, [IDS], [OTHER], [7], [8]), "eap")


# --- GGUF -------------------------------------------------------------------------------------------------------------


def test_a_gguf_file_has_the_weights_that_were_written(tmp_path):
    """A Llama of one layer by hand, from the tensors that the file holds."""
    gguf = pytest.importorskip("gguf")
    from tests.support.tiny_gguf import write_tiny_gguf

    write_tiny_gguf(tmp_path / "tiny.gguf")
    held = {one.name: torch.tensor(one.data.copy()) for one in gguf.GGUFReader(tmp_path / "tiny.gguf").tensors}

    def weight(name):
        return held[f"{name}.weight"]

    def normed(x, name):
        return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * weight(name)

    def turned(x, positions):
        """Turn pairs that lie side by side, as GGUF's Llama stores them, by the angles of rotary positions."""
        angles = positions[:, None] / 10_000 ** (torch.arange(4) / 4)
        sine, cosine = angles.sin()[:, None], angles.cos()[:, None]
        even, odd = x[..., 0::2], x[..., 1::2]
        return torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], -1).flatten(-2)

    ids, positions = torch.tensor([5, 9, 40, 7]), torch.arange(4.0)
    x = weight("token_embd")[ids]
    read = normed(x, "blk.0.attn_norm")
    q, k, v = ((read @ weight(f"blk.0.attn_{one}").T).reshape(4, 4, 8) for one in "qkv")
    q, k = turned(q, positions), turned(k, positions)
    scores = torch.einsum("qhd,khd->hqk", q, k) / 8**0.5
    pattern = scores.masked_fill(torch.ones(4, 4).triu(1).bool(), -torch.inf).softmax(-1)
    z = torch.einsum("hqk,khd->qhd", pattern, v).reshape(4, 32)
    x = x + z @ weight("blk.0.attn_output").T
    read = normed(x, "blk.0.ffn_norm")
    gate = torch.nn.functional.silu(read @ weight("blk.0.ffn_gate").T)
    x = x + (gate * (read @ weight("blk.0.ffn_up").T)) @ weight("blk.0.ffn_down").T
    expected = normed(x, "output_norm") @ weight("output").T
    trace = Microscope.load(tmp_path / "tiny.gguf").trace(ids.tolist())
    torch.testing.assert_close(trace.attention(0), pattern, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(trace.logits, expected, rtol=1e-4, atol=1e-3)


def test_a_gguf_file_has_its_own_tokenizer(tmp_path):
    pytest.importorskip("gguf")
    from tests.support.tiny_gguf import write_tiny_gguf

    folder = tmp_path / "folder"
    folder.mkdir()
    write_tiny_gguf(folder / "tiny.gguf")
    alone = Microscope.load(folder / "tiny.gguf")
    assert alone.trace("Hello", prepend_bos=False).tokens == ["Hello"]
    tiny_tokenizer().save_pretrained(folder)  # of another model, in the same folder of downloads
    (folder / "config.json").write_text(json.dumps(tiny_model("gpt2").config.to_dict()))
    beside = Microscope.load(folder / "tiny.gguf")
    assert beside.trace("Hello", prepend_bos=False).tokens == ["Hello"]
    assert torch.equal(beside.trace("Hello").logits, alone.trace("Hello").logits)
    assert (beside.model_id, beside.model.config._name_or_path) == ("tiny", str(folder / "tiny.gguf"))
