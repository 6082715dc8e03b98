"""Activations in the place of others, held to plain hooks; and sessions that are made of others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from scope_widgets import steering
from scope_widgets.steering import PatchActivation, ScaleHead, Session
from tests.support.steering_examples import IDS, scope_of

OTHER = [1, 40, 7, 7, 52, 61, 8, 9, 5, 6]


def plain(scope: Any, ids: list[int], layer: int, head: int | None, change: Any) -> torch.Tensor:
    """Return all logits of a Llama with a plain hook before `o_proj`, or before a block."""
    block = scope.model.model.layers[layer]
    size = scope.d_model // scope.n_heads

    def hook(_: Any, args: Any, kwargs: Any) -> Any:
        value = (args[0] if args else kwargs["hidden_states"]).clone()
        own = value if head is None else value[..., head * size : (head + 1) * size]
        own[:] = change(own[0])
        return ((value, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": value})

    module = block if head is None else block.self_attn.o_proj
    handle = module.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        with torch.no_grad():
            return scope.model(torch.tensor([ids])).logits[0]
    finally:
        handle.remove()


@pytest.mark.parametrize("head", [None, 2])
@pytest.mark.parametrize(("strength", "span"), [(1.0, (0, 10)), (0.25, (3, 6))])
def test_values_of_another_prompt_are_put_in(head: int | None, strength: float, span: tuple[int, int]) -> None:
    scope = scope_of("llama")
    seen: list[torch.Tensor] = []
    plain(scope, OTHER, 1, head, lambda own: seen.append(own.clone()) or own)
    start, stop = span

    def change(own: torch.Tensor) -> torch.Tensor:
        own[start:stop] += strength * (seen[0][start:stop] - own[start:stop])
        return own

    expected = plain(scope, IDS, 1, head, change)[-1]
    patched = PatchActivation.of(scope, OTHER, 1, head, strength, span)
    assert torch.allclose(Session(scope, IDS, [patched]).at().logits, expected, atol=1e-5)
    np.testing.assert_allclose(patched.values, seen[0].numpy(), atol=1e-6)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_one_number_is_for_all_and_own_values_change_nothing(family: str) -> None:
    scope = scope_of(family)
    session = Session(scope, IDS)
    zeroed, scaled = PatchActivation(1, 0.0, 2), ScaleHead(1, 2, 0.0)
    found = [session.submit_changed([one]).result().at().logits for one in (zeroed, scaled)]
    assert torch.allclose(*found, atol=1e-6)
    frozen = [PatchActivation.of(scope, IDS, 1, head) for head in (None, 2)]
    assert session.submit_changed(frozen).result().at().kl == pytest.approx(0, abs=1e-9)
    off = session.submit_changed([PatchActivation(1, 5.0, strength=0.0)]).result()
    assert torch.equal(off.at().logits, session.at().logits)


def test_what_is_generated_and_what_is_padded_has_its_own() -> None:
    scope = scope_of("llama")
    patched = PatchActivation.of(scope, OTHER[:4], 1, label="corrupted")
    with steering.steer(scope, patched):
        alone = scope.generate(IDS, max_new_tokens=3)
    written = Session(scope, IDS, [patched])
    assert list(written.continuations([[1.0]], max_new_tokens=3))[-1][0] in alone


def test_a_session_of_a_session_is_as_one_that_is_made_anew_and_runs_less(monkeypatch: pytest.MonkeyPatch) -> None:
    scope = scope_of("llama")
    first = Session(scope, IDS, [ScaleHead(0, 1)], answer=3, versus=4)
    before = first.at()
    monkeypatch.setattr(Session, "_unsteered_logits", None)  # the model as it is, is known
    given = [ScaleHead(1, 2, 0.5), *first.interventions, steering.ClampNeuron(0, 3, 1.5)]
    changed = first.submit_changed(given).result()
    again = changed.at()
    monkeypatch.undo()
    anew = Session(scope, IDS, given, answer=3, versus=4)
    assert torch.allclose(again.logits, anew.at().logits, atol=1e-6)
    assert (changed.spans, changed.interventions) == (anew.spans, anew.interventions)
    assert torch.equal(first.at().logits, before.logits)
    moved = changed.submit_changed([one.with_strength(one.neutral) for one in changed.interventions]).result()
    assert moved.spans == changed.spans
    assert moved.at().kl == 0


def test_tensors_of_a_model_are_values() -> None:
    for values in (torch.ones(2, 3, dtype=torch.bfloat16), torch.ones(2, 3, requires_grad=True)):
        assert PatchActivation(1, values).values.tolist() == [[1.0] * 3] * 2


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda s: PatchActivation("1", 0.0), "are numbers"),
        (lambda s: PatchActivation(1, [1.0, 2.0]), "position, width"),
        (lambda s: PatchActivation(1, np.nan), "finite"),
        (lambda s: PatchActivation(1, 1e300), "finite"),
        (lambda s: PatchActivation(1, "zero"), "are numbers .*got 'zero'"),
        (lambda s: PatchActivation(1, [[1.0], [1.0, 2.0]]), "are numbers .*got list"),
        (lambda s: PatchActivation(1, 2j), "are numbers"),
        (lambda s: PatchActivation(1, 0.0, label=3), "label= is a text"),
        (lambda s: Session(s, IDS).submit_changed(3), "Expected interventions"),
        (lambda s: PatchActivation.of(s, [IDS, IDS], 1), "one prompt"),
        (lambda s: PatchActivation.of(s, IDS, 1, 99), "heads 0 to"),
        (lambda s: Session(s, IDS, [PatchActivation(9, 0.0, 1)]), "layers 0 to"),
        (lambda s: Session(s, IDS, [PatchActivation(1, np.ones((3, 5)))]).at(), "width 5"),
    ],
)
def test_a_sentence_says_what_is_wrong(wrong: Any, sentence: str) -> None:
    with pytest.raises((TypeError, ValueError), match=sentence):
        wrong(scope_of("llama"))
