"""Real language models: SmolLM2-135M from PyPI, and a real model without induction heads where there is one."""

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, heads
from scope_widgets.models.loading import ModelNotFoundError
from scripts import get_smollm2
from tests.support.paths import ROOT

PROMPT = "When Mary and John went to the store, John gave a drink to"


@pytest.mark.smollm2
def test_smollm2_is_the_plain_forward(smollm2):
    trace = smollm2.trace(PROMPT)
    ids = smollm2.tokenizer(PROMPT, return_tensors="pt")["input_ids"]
    smollm2.model.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            plain = smollm2.model(ids, output_hidden_states=True, output_attentions=True)
    finally:
        smollm2.model.set_attn_implementation("sdpa")
    for layer in range(30):
        assert torch.equal(trace.residual(layer), plain.hidden_states[layer][0])
        torch.testing.assert_close(trace.attention(layer), plain.attentions[layer][0], rtol=1e-5, atol=1e-5)
    assert trace.tokens[1] == " Mary"


@pytest.mark.smollm2
def test_smollm2_has_its_known_heads(smollm2):
    scores = heads.score_repeated_tokens(smollm2, n=4, length=50)
    labels = heads.label(scores)
    for head in [(18, 6), (17, 3), (17, 4), (17, 5), (18, 7)]:
        assert "induction" in labels.of(*head), head
    assert [where[:2] for where in scores.top("induction", 3)] == [(18, 6), (17, 3), (17, 4)]
    assert scores["induction"][18, 6] == pytest.approx(0.9, abs=0.08)
    for head in [(16, 0), (11, 1)]:
        assert "previous_token" in labels.of(*head), head
    assert [where[:2] for where in scores.top("previous_token", 2)] == [(16, 0), (11, 1)]
    losses = scores.provenance.note.split("cross-entropy ")[1].split("half, ")
    first, second = (float(part.split()[0]) for part in losses)
    assert first > 12
    assert second < 4


@pytest.mark.smollm2
def test_a_batch_with_padding_on_a_real_model(smollm2):
    prompts = [PROMPT, "The cat sat"]
    batch = smollm2.trace(prompts)
    for i, prompt in enumerate(prompts):
        alone = smollm2.trace(prompt)
        torch.testing.assert_close(batch[i].logits, alone.logits, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(batch[i].attention(20), alone.attention(20), rtol=1e-3, atol=1e-4)


@pytest.mark.smollm2
def test_long_prompts_are_scored_in_tiles(smollm2):
    ids = np.random.default_rng(0).integers(100, 40_000, 300).tolist()
    whole = heads.score(smollm2.trace(ids, capture=("attention",)), null_draws=0)
    tiled = heads.score(smollm2.trace(ids, capture=("q", "k")))
    for name in whole.statistics:
        np.testing.assert_allclose(tiled[name], whole[name], atol=1e-4, err_msg=name)


def test_a_real_model_without_induction_heads():
    folder = ROOT.parent / "shared" / "models" / "stories260k"
    if not folder.exists():
        pytest.skip("The stories260k model is not beside this checkout.")
    scores = heads.score_repeated_tokens(Microscope.load(folder))
    assert "induction" not in heads.label(scores).label
    assert scores["induction"].max() < 0.1
    assert scores.top("previous_token", 1)[0][2] > 0.6


def test_loading_by_name(tmp_path):
    with pytest.raises(ModelNotFoundError, match=r"No model 'gpt-seventeen': it is not 'demo'.*asking the hub.*failed"):
        Microscope.load("gpt-seventeen")
    with pytest.raises(ModelNotFoundError, match="holds no model: expected a config.json"):
        Microscope.load(tmp_path)
    with pytest.raises(ModelNotFoundError, match="on no server: load it without remote"):
        Microscope.load("demo", remote=True)


@pytest.mark.heavy
@pytest.mark.smollm2
def test_a_gguf_file(smollm2):
    scope = Microscope.load(get_smollm2.gguf_file())
    assert scope.model_id == "SmolLM2-135M-Instruct-4bit"
    torch.testing.assert_close(scope.trace(PROMPT).logits, smollm2.trace(PROMPT).logits, rtol=1e-4, atol=1e-4)


def test_a_folder_and_a_damaged_file(tmp_path):
    demo = Microscope.load("demo")
    demo.model.save_pretrained(tmp_path / "copy")
    demo.tokenizer.save_pretrained(tmp_path / "copy")
    again = Microscope.load(tmp_path / "copy")
    assert again.model_id == "copy"
    assert torch.equal(again.trace(PROMPT).logits, demo.trace(PROMPT).logits)
    assert demo.generate(PROMPT, max_new_tokens=1) == again.generate(PROMPT, max_new_tokens=1) == "Mary"
    (tmp_path / "damaged.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelNotFoundError, match="could not be read as a GGUF model"):
        Microscope.load(tmp_path / "damaged.gguf")
