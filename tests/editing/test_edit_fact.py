"""Rank-one fact edits: the formula by hand, what is measured, and what the demo model and SmolLM2 say after one."""

import copy

import numpy as np
import pytest
import torch

from scope_widgets import Microscope
from scope_widgets.editing import optimise_value
from scope_widgets.editing.edit_fact import FactEdit, edit_fact
from scope_widgets.editing.fact_effect import FactEffect
from scope_widgets.editing.feature_patch import FeaturePatch
from scope_widgets.editing.mlp_keys import sample_texts
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from tests.support.tiny_models import FAMILIES, tiny_model, tiny_tokenizer

PROMPT, SUBJECT, ANSWER = "w9 w20 w21 w30 w31", "w20 w21", "w50"
CORPUS = [[1, *range(3 + i, 19 + i)] for i in range(0, 70, 5)]
REFUSED = ("gemma2", "gemma3", "olmo2")
IOI = "When Mary and John went to the store, John gave a drink to"


def scope_of(family):
    return Microscope.for_model(tiny_model(family), tiny_tokenizer(), family)


def edited(scope, **options):
    return edit_fact(scope, PROMPT, SUBJECT, ANSWER, **{"corpus": CORPUS, "layer": 1, "steps": 3} | options)


def weights_version(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same_state(model, state):
    return all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def plain_keys(scope, row, layer=1):
    """What the MLP's last matrix reads, by a plain hook."""
    kept = []
    handle = scope.anatomy.blocks[layer].down.register_forward_pre_hook(lambda _, args: kept.append(args[0]))
    with torch.no_grad():
        logits = scope.model(torch.tensor([row])).logits[0, -1]
    handle.remove()
    return kept[0].reshape(len(row), -1).double().numpy(), logits.log_softmax(-1)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in REFUSED])
def test_it_is_the_formula_of_the_paper(family):
    scope = scope_of(family)
    state, down = weights_version(scope.model), scope.anatomy.blocks[1].down
    edit = edited(scope)
    assert same_state(scope.model, state)
    assert not edit.enabled
    row = scope.tokenizer(PROMPT)["input_ids"]
    bare = row[1:] if row[0] == 1 else row
    contexts = [row] + [one[:8] + bare for one in CORPUS[:10]]
    runs = [plain_keys(scope, one) for one in contexts]
    at = row.index(21) - len(row)
    key = np.mean([keys[at] for keys, _ in runs], axis=0)
    assert edit.effect.losses[0] == pytest.approx(-np.mean([float(log_p[50]) for _, log_p in runs]), abs=1e-4)

    every = np.concatenate([plain_keys(scope, one)[0] for one in CORPUS])
    moment = every.T @ every / len(every)
    moment += 0.01 * np.trace(moment) / len(moment) * np.eye(len(moment))
    inverse = np.linalg.inv(moment) @ key
    addition = np.outer(edit.output_vector.numpy(), inverse / (inverse @ key))
    with edit:
        change = down.weight.detach() - state[next(n for n, p in scope.model.named_parameters() if p is down.weight)]
    change = change.numpy() if family == "gpt2" else change.numpy().T
    np.testing.assert_allclose(change.T, addition, atol=1e-4)
    np.testing.assert_allclose(key @ change, edit.output_vector.numpy(), atol=1e-3)
    assert same_state(scope.model, state)


@pytest.mark.parametrize("family", ["gpt2", "llama", "phi"])
def test_what_is_measured_is_what_a_model_with_such_weights_says(family):
    scope = scope_of(family)
    edit = edited(
        scope, steps=10, paraphrases=["w3 w20 w21 w7"], neighbours=["w60 w61 w62"], other_subjects=["w40", "w41 w42"]
    )
    effect, by_hand = edit.effect, copy.deepcopy(scope.model)
    assert effect.kinds == ["prompt", "paraphrase", "neighbour", "neighbour", "neighbour"]
    assert effect.texts[3:] == ["w9 w40 w30 w31", "w9 w41 w42 w30 w31"]
    weight = by_hand.get_submodule(edit.target).weight
    addition = torch.outer(edit.output_vector, edit.input_vector)
    weight.data += addition.T if family == "gpt2" else addition
    same = []
    for i, text in enumerate(effect.texts):
        ids = torch.tensor([scope.tokenizer(text)["input_ids"]])
        with torch.no_grad():
            before, after = (model(ids).logits[0, -1].log_softmax(-1) for model in (scope.model, by_hand))
        assert effect.before[i] == pytest.approx(float(before[50].exp()), abs=1e-5)
        assert effect.after[i] == pytest.approx(float(after[50].exp()), abs=1e-5)
        assert effect.kl[i] == pytest.approx(float((before.exp() * (before - after)).sum()), abs=1e-4)
        assert effect.top_after[i] == f"w{int(after.argmax())}"
        same.append(bool(before.argmax() == after.argmax()))
    assert effect.specificity == np.mean(same[2:])
    assert effect.neighbour_kl == pytest.approx(effect.kl[2:].mean())
    assert effect.after[0] > effect.before[0]
    assert list(effect.to_dataframe().columns) == ["text", "kind", "before", "after", "top_before", "top_after", "kl"]
    again = FactEffect.from_json(effect.to_json())
    assert (again.texts, again.specificity) == (effect.texts, effect.specificity)


def test_on_off_and_a_file(tmp_path):
    scope = scope_of("gpt2")
    state, ids = weights_version(scope.model), torch.tensor([[1, 9, 20, 21, 30, 31]])
    edit = edited(scope)
    with torch.no_grad():
        base = scope.model(ids).logits
        edit.enable()
        changed = scope.model(ids).logits
        edit.undo()
    assert not torch.equal(base, changed)
    assert same_state(scope.model, state)
    edit.export(tmp_path)
    with FeaturePatch.load(scope, tmp_path), torch.no_grad():
        torch.testing.assert_close(scope.model(ids).logits, changed, atol=1e-5, rtol=1e-5)
    edit.remove()
    with pytest.raises(RuntimeError, match="was removed"):
        edit.enable()


def test_texts_are_drawn_from_the_model_and_the_seed_tells_them():
    scope = scope_of("llama")
    before = torch.random.get_rng_state()
    texts = sample_texts(scope, 5, 12, 3)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert texts == sample_texts(scope, 5, 12, 3) != sample_texts(scope, 5, 12, 4)
    assert [len(row) for row in texts] == [12] * 5
    assert all(row[0] == 1 for row in texts)
    scope.tokenizer.bos_token = None
    assert len({row[0] for row in sample_texts(scope, 20, 4, 0)}) > 3
    with torch.no_grad():
        likely = scope.model(torch.tensor(texts)[:, :-1]).logits.topk(50).indices
    assert all(row[i + 1] in likely[n, i] for n, row in enumerate(texts) for i in range(11))


def test_the_demo_model_takes_one_name_for_another(monkeypatch):
    scope = Microscope.load("demo")
    state = weights_version(scope.model)
    edit = edit_fact(
        scope,
        IOI,
        "Mary",
        " Sarah",
        paraphrases=["After John and Mary went to the school, John gave a book to"],
        other_subjects=["Lisa", "Peter", "Anna", "Paul", "James", "David"],
    )
    effect = edit.effect
    print(effect, effect.after[:2], effect.size)
    assert effect.top_before[0] == effect.top_before[1] == "Mary"
    assert effect.top_after[0] == effect.top_after[1] == effect.answer
    assert effect.before[0] < 0.01 < 0.9 < effect.after[0]
    assert effect.specificity == 1
    assert effect.neighbour_kl < 0.1
    with edit:
        assert scope.generate(IOI, max_new_tokens=1).strip() == "Sarah"
    assert scope.generate(IOI, max_new_tokens=1).strip() == "Mary"
    assert same_state(scope.model, state)
    with pytest.raises(ValueError, match="take an earlier layer"):
        edit_fact(scope, IOI, "Mary", " Sarah", layer=3, steps=2)
    monkeypatch.setattr(optimise_value, "_ENOUGH", 0.5)
    with pytest.raises(ValueError, match="gives this answer already"):
        edit_fact(scope, IOI, "Mary", " Mary", corpus=[IOI])


@pytest.mark.heavy
@pytest.mark.smollm2
def test_smollm2_learns_another_capital(smollm2):
    countries = ["Germany", "Spain", "Japan", "Austria", "Greece", "Norway", "Poland", "Russia", "Ireland", "Portugal"]
    edit = edit_fact(
        smollm2,
        "The capital of France is",
        "France",
        " Rome",
        paraphrases=["The capital of France is the city of", "Everyone knows that the capital of France is"],
        neighbours=["The Eiffel Tower is in the city of"],
        other_subjects=countries,
        corpus=sample_texts(smollm2, 12, 20, 0),
        steps=30,
    )
    effect = edit.effect
    print(effect, effect.after[:3])
    assert effect.top_before[:3] == [" Paris"] * 3
    assert effect.top_after[:3] == [" Rome"] * 3
    assert effect.before[0] < 0.01 < 0.5 < effect.after[0]
    assert effect.specificity >= 0.9
    assert effect.neighbour_kl < 0.2
    with edit:
        assert smollm2.generate("The capital of France is", max_new_tokens=1) == " Rome"
    assert smollm2.generate("The capital of France is", max_new_tokens=1) == " Paris"


@pytest.mark.parametrize("family", REFUSED)
def test_families_that_are_refused(family):
    with pytest.raises(UnsupportedModelError, match="A norm follows the MLP"):
        edited(scope_of(family))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": 3}, "layer= is a block of llama, 0 to 2; got 3"),
        ({"layer": True}, "layer= is a block"),
        ({"steps": 0}, "steps= is a number from 1"),
        ({"ridge": 0}, "ridge= is a number above 0"),
        ({"ridge": float("nan")}, "ridge= is a number above 0"),
        ({"essence": "w3"}, "must be in 'w3' once"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        edited(scope_of("llama"), **options)


def test_wrong_prompts():
    scope = scope_of("llama")
    with pytest.raises(ValueError, match="must be in .* once"):
        edit_fact(scope, "w3 w4", "w5", ANSWER)
    with pytest.raises(ValueError, match="must be in .* once"):
        edit_fact(scope, "w3 w4 w3", "w3", ANSWER)
    with pytest.raises(ValueError, match="does not end a token where"):
        edit_fact(scope, "w34 w4", "w3", ANSWER)
    with pytest.raises(TypeError, match="prompt= and subject= are texts"):
        edit_fact(scope, [3, 4], "w3", ANSWER)
    with pytest.raises(TypeError, match="prompt= and subject= are texts"):
        edit_fact(scope, "w3 w4", "", ANSWER)
    with pytest.raises(ValueError, match="answer"):
        edit_fact(scope, "w3 w4", "w3", "w5 w6")
    for name in ("paraphrases", "neighbours", "other_subjects"):
        with pytest.raises(TypeError, match=f"{name}= is a list of texts"):
            edit_fact(scope, "w3 w4", "w3", ANSWER, **{name: "w5"})
    with pytest.raises(ValueError, match="empty"):
        edit_fact(scope, "w3 w4", "w3", ANSWER, neighbours=[""])


def test_without_neighbours_there_is_no_specificity():
    edit = edited(scope_of("llama"))
    assert isinstance(edit, FactEdit)
    assert np.isnan(edit.effect.specificity)
    assert np.isnan(edit.effect.neighbour_kl)
    assert "neighbours" not in repr(edit.effect)
