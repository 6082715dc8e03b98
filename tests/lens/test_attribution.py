"""Direct logit attribution against NumPy, for every family."""

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, lens
from scope_widgets.experiments.statistics.rounding import logit_floor
from scope_widgets.lens import Attribution
from scope_widgets.traces.not_captured import NotCapturedError
from tests.support.reference_lens import IDS, PROMPTS, array, norm_parts, normed, numpy_logits, shaken_model
from tests.support.tiny_models import FAMILIES, tiny_tokenizer


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


def test_the_parts_are_those_of_numpy_and_add_up(family):
    scope, plain, trace = family
    result = lens.direct_logit_attribution(trace, answer="w7", versus=44)
    before_cap = numpy_logits(scope, array(trace.residual(trace.n_layers)), cap=False)
    difference = before_cap[-1, 7] - before_cap[-1, 44]
    capped = scope.model.config.model_type == "gemma2"
    if not capped:
        assert result.total == pytest.approx([float(plain[-1, 7] - plain[-1, 44])], abs=logit_floor(scope, plain))
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
    batch = lens.direct_logit_attribution(scope.trace(PROMPTS), answer=answers, versus=versus)
    assert batch.answer == ["w7", "w8", "w9"]
    assert batch.versus == ["w10", "w11", "w12"]
    for i, prompt in enumerate(PROMPTS):
        alone = lens.direct_logit_attribution(scope.trace(prompt), answer=answers[i], versus=versus[i])
        np.testing.assert_allclose(batch.per_prompt[i], alone.contribution, atol=1e-5)
        assert batch.total[i] == pytest.approx(alone.total[0], abs=1e-5)
    np.testing.assert_allclose(batch.contribution, batch.per_prompt.mean(0))
    assert batch.residue < 1e-4


def test_one_answer_and_other_positions(llama):
    trace = llama.trace(PROMPTS)
    for position in (-1, 2, -4):
        result = lens.direct_logit_attribution(trace, answer=7, position=position)
        assert result.versus == []
        logits = [trace[i].logits[position, 7].item() for i in range(3)]
        assert result.total == pytest.approx(logits, abs=1e-6)
        assert result.per_prompt.sum(1) == pytest.approx(logits, abs=1e-4)
    assert "at position -4" in result.provenance.note


def test_what_a_user_watched(llama):
    ids = torch.tensor([[0, 0, 5, 6, 7], [3, 4, 5, 6, 7]])
    with llama.watch() as trace, torch.no_grad():
        llama.model(input_ids=ids, attention_mask=torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]]))
    watched = lens.direct_logit_attribution(trace, answer=8, versus=9)
    for i, prompt in enumerate(([5, 6, 7], [3, 4, 5, 6, 7])):
        alone = lens.direct_logit_attribution(llama.trace(prompt), answer=8, versus=9)
        np.testing.assert_allclose(watched.per_prompt[i], alone.contribution, atol=1e-5)
    with llama.watch() as generated:
        llama.model.generate(torch.tensor([IDS]), max_new_tokens=1, do_sample=False)
    # generate() gives the last logits only
    result = lens.direct_logit_attribution(generated, answer=8, versus=9, position=3)
    expected = llama.trace(IDS).logits[3].double()
    assert result.total == pytest.approx([float(expected[8] - expected[9])], abs=1e-5)
    assert lens.logit_lens(generated).top_ids[-1].tolist() == lens.logit_lens(llama.trace(IDS)).top_ids[-1].tolist()


def test_the_largest_parts_and_json(llama):
    result = lens.direct_logit_attribution(llama.trace(PROMPTS), answer=7, versus=8)
    sizes = result.top(4).contribution.abs().tolist()
    assert sizes == sorted(np.abs(result.contribution), reverse=True)[:4]
    again = Attribution.from_json(result.to_json())
    assert again.component == result.component
    np.testing.assert_array_equal(again.per_prompt, result.per_prompt)
    assert again.residue == result.residue


def test_half_precision():
    scope = Microscope.for_model(shaken_model("gpt2").to(torch.bfloat16), tiny_tokenizer())
    trace = scope.trace(IDS)
    result = lens.direct_logit_attribution(trace, answer=7, versus=8)
    assert result.residue < 0.05 * np.abs(result.contribution).max()
    assert np.isfinite(lens.logit_lens(trace).kl).all()


def test_attribution_errors_are_sentences(llama):
    trace = llama.trace(PROMPTS)
    with pytest.raises(ValueError, match="Prompt 1: answer and versus are the same token, 'w8'"):
        lens.direct_logit_attribution(trace, answer=[7, 8, 9], versus="w8")
    with pytest.raises(ValueError, match="versus= has 2 entries for 3 prompts"):
        lens.direct_logit_attribution(trace, answer=7, versus=[8, 9])
    with pytest.raises(IndexError, match="the shortest prompt has 4 tokens"):
        lens.direct_logit_attribution(trace, answer=7, position=4)
    with pytest.raises(NotCapturedError, match="did not capture 'z'"):
        lens.direct_logit_attribution(llama.trace(IDS, capture=("residual",)), answer=7)
