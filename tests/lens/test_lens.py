"""Logit lens and direct logit attribution against the plain Hugging Face forward and NumPy, for every family."""

import re
import sys

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, Trace, lens
from scope_widgets.experiments.answer_tokens import answer_ids, check_distinct
from scope_widgets.lens import Attribution, LogitLens
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.architecture.unembedding import freeze, head_writes
from scope_widgets.traces.trace import NotCapturedError
from tests.support.tiny_models import FAMILIES, VOCAB, tiny_model, tiny_tokenizer

IDS = [3, 17, 5, 44, 9, 17, 5, 80, 12, 3]
PROMPTS = [IDS, IDS[:4], IDS[2:9]]
CAP = 0.15  # small enough to bend a tiny Gemma 2's logits


def shaken_model(family):
    """A tiny model whose gains and biases are random: no 1 and no 0 hides an error."""
    model = tiny_model(family)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.4)
    if family == "gemma2":
        model.config.final_logit_softcapping = CAP
    return model


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def family(request):
    model = shaken_model(request.param)
    with torch.no_grad():
        plain = model(torch.tensor([IDS])).logits[0]
    scope = Microscope.for_model(model, tiny_tokenizer())
    return scope, plain, scope.trace(IDS)


@pytest.fixture(scope="module")
def llama():
    return Microscope.for_model(shaken_model("llama"), tiny_tokenizer())


# --- plain NumPy ----------------------------------------------------------------------------------------------------


def array(tensor):
    return tensor.detach().double().numpy()


def norm_parts(norm):
    """Gain, bias, epsilon and whether it centres, read off a norm's own parameters."""
    gain = array(norm.weight) + ("Gemma" in type(norm).__name__)
    bias = array(norm.bias) if getattr(norm, "bias", None) is not None else np.zeros_like(gain)
    eps = getattr(norm, "variance_epsilon", getattr(norm, "eps", None))
    return gain, bias, eps, isinstance(norm, torch.nn.LayerNorm)


def normed(norm, x, at=None):
    """The norm of x; with `at`, linear in x, with the scale that it has at `at`."""
    gain, bias, eps, centres = norm_parts(norm)
    at_centred = x if at is None else at
    if centres:
        x, at_centred = (a - a.mean(-1, keepdims=True) for a in (x, at_centred))
    return gain * x / np.sqrt((at_centred**2).mean(-1, keepdims=True) + eps) + (bias if at is None else 0)


def numpy_logits(scope, residual, cap=True):
    unembed = scope.anatomy.unembed
    logits = normed(scope.anatomy.final_norm, residual) @ array(unembed.weight).T
    logits = logits + (0 if unembed.bias is None else array(unembed.bias))
    softcap = getattr(scope.model.config, "final_logit_softcapping", None)
    return np.tanh(logits / softcap) * softcap if softcap and cap else logits


def softmax(logits):
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def output_matrix(block):
    weight = array(block.out.weight)
    return weight.T if isinstance(block.out, torch.nn.Linear) else weight


def numpy_attribution(scope, trace, answer, versus):
    """Contributions in the order of `Attribution` at the last position of one prompt."""
    anatomy = scope.anatomy
    final = array(trace.residual(trace.n_layers)[-1])
    rows = array(anatomy.unembed.weight)
    direction = rows[answer] - rows[versus]

    def through(part):
        return normed(anatomy.final_norm, part, final) @ direction

    found = [through(array(trace.residual(0)[-1]))]
    for layer, block in enumerate(anatomy.blocks):
        matrix, z = output_matrix(block), array(trace.z(layer)[-1])
        bias = getattr(block.out, "bias", None)
        bias = np.zeros(scope.d_model) if bias is None else array(bias)
        writes = [z[head] @ matrix[head * z.shape[1] : (head + 1) * z.shape[1]] for head in range(len(z))]
        if block.attention_out is not block.attention:
            whole = sum(writes) + bias
            writes = [normed(block.attention_out, write, whole) for write in writes]
            bias = normed(block.attention_out, bias, whole)
        found += [through(write) for write in writes] + [through(bias), through(array(trace.mlp_out(layer)[-1]))]
    bias = anatomy.unembed.bias
    return np.array(
        [
            *found,
            norm_parts(anatomy.final_norm)[1] @ direction,
            0 if bias is None else array(bias)[answer] - array(bias)[versus],
        ]
    )


# --- the unembedding


def test_heads_and_bias_are_what_attention_adds(family):
    scope, _, trace = family
    for layer in range(scope.n_layers):
        heads, bias = head_writes(scope, trace.z(layer), layer)
        assert heads.shape == (len(IDS), scope.n_heads, scope.d_model)
        np.testing.assert_allclose(heads.sum(1) + bias, trace.attention_out(layer), rtol=1e-4, atol=1e-5)


def test_a_frozen_norm_is_linear_and_true(family):
    scope, _, trace = family
    at = trace.residual(2)
    frozen = freeze(scope.anatomy.final_norm, at)
    with torch.no_grad():
        np.testing.assert_allclose(frozen(at.double()) + frozen.bias, scope.anatomy.final_norm(at), atol=1e-5)
    part = torch.randn(at.shape, dtype=torch.float64)
    expected = normed(scope.anatomy.final_norm, part.numpy(), array(at))
    np.testing.assert_allclose(frozen(part), expected, rtol=1e-4, atol=1e-5)


def test_no_norm_and_an_odd_width():
    at = torch.randn(4, 7)
    frozen = freeze(None, at)
    assert torch.equal(frozen(at.double()) + frozen.bias, at.double())
    norm = torch.nn.LayerNorm(7)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    frozen = freeze(norm, at)
    np.testing.assert_allclose(frozen(at.double()) + frozen.bias, norm(at).detach(), atol=1e-5)


def test_a_readout_that_is_not_the_models():
    class Scaled(type(tiny_model("llama"))):
        def forward(self, *args, **kwargs):
            output = super().forward(*args, **kwargs)
            output.logits = output.logits * 0.3
            return output

    model = tiny_model("llama")
    model.__class__ = Scaled
    trace = Microscope.for_model(model, tiny_tokenizer()).trace(IDS)
    with pytest.raises(UnsupportedModelError, match="this family does something between them"):
        lens.logit_lens(trace)
    with pytest.raises(UnsupportedModelError, match="do not make the trace's logits"):
        lens.direct_logit_attribution(trace, 5)


def test_an_unembedding_of_another_width():
    options = {**FAMILIES["opt"][2], "word_embed_proj_dim": 16}
    scope = Microscope.for_model(FAMILIES["opt"][1](FAMILIES["opt"][0](**options)).eval(), tiny_tokenizer())
    with pytest.raises(UnsupportedModelError, match="residual stream of 32 numbers and an unembedding of 16"):
        lens.logit_lens(scope.trace(IDS))


# --- logit lens -----------------------------------------------------------------------------------------------------


def test_the_last_layer_is_the_models_own_prediction(family):
    _, plain, trace = family
    result = lens.logit_lens(trace, k=VOCAB)
    order = np.argsort(result.top_ids[-1], axis=-1)
    chances = np.take_along_axis(result.top_probabilities[-1], order, -1)
    np.testing.assert_allclose(chances, plain.softmax(-1), rtol=1e-4)
    assert result.top_ids[-1, :, 0].tolist() == plain.argmax(-1).tolist()
    assert np.abs(result.kl[-1]).max() < 1e-6
    assert result.watched == [int(plain[-1].argmax())]
    assert result.watched_ranks[0, -1, -1] == 0


def test_every_layer_is_final_norm_and_unembedding(family):
    scope, plain, trace = family
    result = lens.logit_lens(trace, watch=[7, "w44"])
    final = array(plain.softmax(-1))
    assert result.layers == list(range(scope.n_layers + 1))
    for layer in result.layers:
        logits = numpy_logits(scope, array(trace.residual(layer)))
        p = softmax(logits)
        np.testing.assert_allclose(result.top_probabilities[layer], -np.sort(-p, -1)[:, :5], rtol=1e-4)
        np.testing.assert_allclose(
            np.take_along_axis(p, result.top_ids[layer], -1), result.top_probabilities[layer], rtol=1e-4
        )
        np.testing.assert_allclose(result.entropy[layer], -(p * np.log(p)).sum(-1), rtol=1e-4)
        np.testing.assert_allclose(result.kl[layer], (final * np.log(final / p)).sum(-1), rtol=1e-3, atol=1e-6)
        for i, token in enumerate((7, 44)):
            np.testing.assert_allclose(result.watched_probabilities[i, layer], p[:, token], rtol=1e-4)
            assert result.watched_ranks[i, layer].tolist() == (logits > logits[:, [token]]).sum(-1).tolist()


def test_in_pieces_it_is_the_same(llama, monkeypatch):
    trace = llama.trace(IDS)
    whole = lens.logit_lens(trace)
    monkeypatch.setattr(sys.modules["scope_widgets.lens.logit_lens"], "_AT_ONCE", 3 * VOCAB)
    pieces = lens.logit_lens(trace)
    assert np.array_equal(whole.top_ids, pieces.top_ids)
    np.testing.assert_allclose(whole.kl, pieces.kl, atol=1e-6)
    np.testing.assert_allclose(whole.watched_probabilities, pieces.watched_probabilities, rtol=1e-5)


def test_tables_and_json(llama):
    result = lens.logit_lens(llama.trace(IDS), k=2, watch="w5")
    table = result.to_dataframe()
    assert len(table) == 4 * len(IDS)
    row = table[(table.layer == 2) & (table.position == 4)].iloc[0]
    assert (row.token, row.top_id, row.top_token) == ("w9", result.top_ids[2, 4, 0], f"w{result.top_ids[2, 4, 0]}")
    assert row["rank of 'w5'"] == result.watched_ranks[0, 2, 4]
    assert row["probability of 'w5'"] == result.watched_probabilities[0, 2, 4]
    again = LogitLens.from_json(result.to_json())
    assert again.texts == result.texts
    assert again.watched == [5]
    assert np.array_equal(again.top_ids, result.top_ids)
    np.testing.assert_array_equal(again.entropy, result.entropy)
    assert "Logit lens" in result.provenance.note
    assert lens.logit_lens(llama.trace(IDS), watch=[]).watched_ranks.shape == (0, 4, len(IDS))
    assert lens.logit_lens(llama.trace(IDS), watch=torch.tensor([5, 6, 5])).watched == [5, 6]
    assert set(result.texts) == {str(i) for i in {*result.top_ids.ravel().tolist(), 5}}


def test_ever_on_top():
    result = LogitLens(
        tokens=["a", "b"],
        layers=[0, 1, 2, 3],
        top_ids=np.array([[[9], [4]], [[9], [7]], [[9], [4]], [[9], [7]]]),
        top_probabilities=np.array([[[0.5], [0.2]], [[0.5], [0.9]], [[0.5], [0.3]], [[0.5], [0.6]]]),
        entropy=np.zeros((4, 2)),
        kl=np.zeros((4, 2)),
        texts={"4": "four", "7": "seven", "9": "nine"},
        watched=[],
        watched_ranks=np.zeros((0, 4, 2), dtype=int),
        watched_probabilities=np.zeros((0, 4, 2)),
        provenance=None,
    )
    assert result.ever_on_top().to_numpy().tolist() == [[4, "four", 0, 2, 2, 0.3], [7, "seven", 1, 3, 2, 0.9]]
    assert result.ever_on_top(0).to_numpy().tolist() == [[9, "nine", 0, 3, 4, 0.5]]
    with pytest.raises(IndexError, match="the prompt has 2 tokens"):
        result.ever_on_top(2)


def test_lens_errors_are_sentences(llama, tmp_path):
    trace = llama.trace(IDS)
    with pytest.raises(ValueError, match="this trace has 3: choose one with trace"):
        lens.logit_lens(llama.trace(PROMPTS))
    with pytest.raises(ValueError, match="1 to 96; got 97"):
        lens.logit_lens(trace, k=97)
    with pytest.raises(ValueError, match="watch='zebra' is not in the vocabulary"):
        lens.logit_lens(trace, watch="zebra")
    with pytest.raises(NotCapturedError, match="did not capture 'residual'"):
        lens.logit_lens(llama.trace(IDS, capture=("z",)))
    trace.save(tmp_path / "trace")
    loaded = Trace.load(tmp_path / "trace")
    with pytest.raises(ValueError, match="read from a file, without the model's weights: give scope="):
        lens.logit_lens(loaded)
    assert np.array_equal(lens.logit_lens(loaded, scope=llama).top_ids, lens.logit_lens(trace).top_ids)
    with pytest.raises(ValueError, match="a model with 3 layers of 4 heads, and scope= has 4 of 4"):
        lens.logit_lens(loaded, scope=Microscope.for_model(tiny_model("gpt_neo"), tiny_tokenizer()))
    with pytest.raises(UnsupportedModelError, match="give scope= the model that made it"):
        lens.logit_lens(loaded, scope=Microscope.for_model(tiny_model("llama", seed=1), tiny_tokenizer()))


def test_the_demo_model_settles_on_its_answer():
    scope = Microscope.load("demo")
    result = lens.logit_lens(scope.trace("When Mary and John went to the store, John gave a drink to"))
    assert result.texts[str(result.watched[0])] == "Mary"
    assert result.ever_on_top().text.iloc[-1] == "Mary"


# --- direct logit attribution ---------------------------------------------------------------------------------------


def test_the_parts_are_those_of_numpy_and_add_up(family):
    scope, plain, trace = family
    result = lens.direct_logit_attribution(trace, "w7", 44)
    before_cap = numpy_logits(scope, array(trace.residual(trace.n_layers)), cap=False)
    difference = before_cap[-1, 7] - before_cap[-1, 44]
    capped = scope.model.config.model_type == "gemma2"
    if not capped:
        assert result.total == pytest.approx([float(plain[-1, 7] - plain[-1, 44])], abs=1e-6)
    assert ("soft-capped" in result.provenance.note) == capped
    assert result.total == pytest.approx([difference], abs=1e-5)
    np.testing.assert_allclose(result.contribution, numpy_attribution(scope, trace, 7, 44), atol=1e-5)
    assert result.to_dataframe().contribution.sum() == pytest.approx(difference, abs=1e-4)
    assert result.residue == pytest.approx(abs(result.contribution.sum() - result.total[0]))
    assert result.residue < 1e-5
    n_layers, n_heads = scope.n_layers, scope.n_heads
    one_layer = ["attention"] * n_heads + ["attention_bias", "mlp"]
    assert result.component == ["embedding", *one_layer * n_layers, "final_norm_bias", "unembedding_bias"]
    assert result.heads.shape == (n_layers, n_heads)
    assert result.mlps.shape == (n_layers,)
    table = result.to_dataframe()
    for _, row in table[table.component == "attention"].iterrows():
        assert result.heads[row.layer, row["head"]] == row.contribution
    assert (table[table.component != "attention"]["head"] == -1).all()


def test_a_batch_is_its_prompts(family):
    scope, *_ = family
    answers, versus = ["w7", 8, "w9"], [10, 11, "w12"]
    batch = lens.direct_logit_attribution(scope.trace(PROMPTS), answers, versus)
    assert batch.answer == ["w7", "w8", "w9"]
    assert batch.versus == ["w10", "w11", "w12"]
    for i, prompt in enumerate(PROMPTS):
        alone = lens.direct_logit_attribution(scope.trace(prompt), answers[i], versus[i])
        np.testing.assert_allclose(batch.per_prompt[i], alone.contribution, atol=1e-5)
        assert batch.total[i] == pytest.approx(alone.total[0], abs=1e-5)
    np.testing.assert_allclose(batch.contribution, batch.per_prompt.mean(0))
    assert batch.residue < 1e-4


def test_one_answer_and_other_positions(llama):
    trace = llama.trace(PROMPTS)
    for position in (-1, 2, -4):
        result = lens.direct_logit_attribution(trace, 7, position=position)
        assert result.versus == []
        logits = [trace[i].logits[position, 7].item() for i in range(3)]
        assert result.total == pytest.approx(logits, abs=1e-6)
        assert result.per_prompt.sum(1) == pytest.approx(logits, abs=1e-4)
    assert "at position -4" in result.provenance.note


def test_what_a_user_watched(llama):
    ids = torch.tensor([[0, 0, 5, 6, 7], [3, 4, 5, 6, 7]])
    with llama.watch() as trace, torch.no_grad():
        llama.model(input_ids=ids, attention_mask=torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]]))
    watched = lens.direct_logit_attribution(trace, 8, 9)
    for i, prompt in enumerate(([5, 6, 7], [3, 4, 5, 6, 7])):
        alone = lens.direct_logit_attribution(llama.trace(prompt), 8, 9)
        np.testing.assert_allclose(watched.per_prompt[i], alone.contribution, atol=1e-5)
    with llama.watch() as generated:
        llama.model.generate(torch.tensor([IDS]), max_new_tokens=1, do_sample=False)
    result = lens.direct_logit_attribution(generated, 8, 9, position=3)  # generate() gives the last logits only
    expected = llama.trace(IDS).logits[3].double()
    assert result.total == pytest.approx([float(expected[8] - expected[9])], abs=1e-5)
    assert lens.logit_lens(generated).top_ids[-1].tolist() == lens.logit_lens(llama.trace(IDS)).top_ids[-1].tolist()


def test_the_largest_parts_and_json(llama):
    result = lens.direct_logit_attribution(llama.trace(PROMPTS), 7, 8)
    sizes = result.top(4).contribution.abs().tolist()
    assert sizes == sorted(np.abs(result.contribution), reverse=True)[:4]
    again = Attribution.from_json(result.to_json())
    assert again.component == result.component
    np.testing.assert_array_equal(again.per_prompt, result.per_prompt)
    assert again.residue == result.residue


def test_half_precision():
    scope = Microscope.for_model(shaken_model("gpt2").to(torch.bfloat16), tiny_tokenizer())
    trace = scope.trace(IDS)
    result = lens.direct_logit_attribution(trace, 7, 8)
    assert result.residue < 0.05 * np.abs(result.contribution).max()
    assert np.isfinite(lens.logit_lens(trace).kl).all()


def test_attribution_errors_are_sentences(llama):
    trace = llama.trace(PROMPTS)
    with pytest.raises(ValueError, match="Prompt 1: answer and versus are the same token, 'w8'"):
        lens.direct_logit_attribution(trace, [7, 8, 9], "w8")
    with pytest.raises(ValueError, match="versus= has 2 entries for 3 prompts"):
        lens.direct_logit_attribution(trace, 7, [8, 9])
    with pytest.raises(IndexError, match="the shortest prompt has 4 tokens"):
        lens.direct_logit_attribution(trace, 7, position=4)
    with pytest.raises(NotCapturedError, match="did not capture 'z'"):
        lens.direct_logit_attribution(llama.trace(IDS, capture=("residual",)), 7)


# --- answers --------------------------------------------------------------------------------------------------------


def test_answers_of_a_word_tokenizer():
    tokenizer = tiny_tokenizer()
    assert answer_ids(tokenizer, " w7", 2).tolist() == [7, 7]
    assert answer_ids(tokenizer, ["w7", 8], 2).tolist() == [7, 8]
    assert answer_ids(tokenizer, torch.tensor([9]), 1).tolist() == [9]
    assert answer_ids(tokenizer, "<eos>", 1).tolist() == [2]
    for answer, error, words in [
        ("zebra", ValueError, "answer='zebra' is not in the vocabulary of this tokenizer, which reads it as '<pad>'"),
        ("w7 w8", ValueError, "'w7 w8' is 2 for this tokenizer: 'w7' + 'w8'"),
        ("", ValueError, "is 0 for this tokenizer: nothing"),
        (96, ValueError, "token id 96; this tokenizer has 0 to 95"),
        (True, TypeError, "got True"),
        (7.0, TypeError, "got 7.0"),
        ([7, 8, 9], ValueError, "answer= has 3 entries for 1 prompt"),
    ]:
        with pytest.raises(error, match=re.escape(words)):
            answer_ids(tokenizer, answer, 1)
    check_distinct(tokenizer, torch.tensor([1, 2]), torch.tensor([2, 1]))


@pytest.fixture(scope="module")
def byte_tokenizer():
    """Byte-level BPE as GPT-2's, that knows " Mary" with its space and "Mary" without as different tokens."""
    import transformers as hf
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("M", "a"), ("r", "y"), ("Ma", "ry"), ("Ġ", "Mary")]
    vocabulary = {piece: i for i, piece in enumerate([*alphabet, *("".join(pair) for pair in merges)])}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer)


@pytest.fixture(scope="module")
def sentencepiece_tokenizer():
    """As Llama 2's: a space before every text, spaces as "▁"."""
    import transformers as hf
    from tokenizers import Tokenizer, decoders, models, normalizers

    pieces = ["<unk>", "▁", *"Maryn", "Ma", "ry", "Mary", "▁Mary"]
    merges = [("M", "a"), ("r", "y"), ("Ma", "ry"), ("▁", "Mary")]
    tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Replace("▁", " ")
    return hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


def test_answers_and_spaces(byte_tokenizer, sentencepiece_tokenizer):
    def piece(tokenizer, text):
        return tokenizer.convert_ids_to_tokens(int(answer_ids(tokenizer, text, 1)[0]))

    assert piece(byte_tokenizer, " Mary") == "ĠMary"
    assert piece(byte_tokenizer, "Mary") == "Mary"
    with pytest.raises(ValueError, match="' Mar' is 3 for this tokenizer: ' ' \\+ 'Ma' \\+ 'r'"):
        answer_ids(byte_tokenizer, " Mar", 1)
    assert piece(sentencepiece_tokenizer, " Mary") == "▁Mary"
    with pytest.raises(ValueError, match="' Maryn' is 2 for this tokenizer: ' Mary' \\+ 'n'"):
        answer_ids(sentencepiece_tokenizer, " Maryn", 1)
