"""What a call is given that a user makes and we watch."""

import pytest
import torch

from scope_widgets import Microscope
from tests.support.tiny_models import CONFIGS, tiny_model, tiny_tokenizer

IDS = [5, 6, 7]


@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_embeddings_in_place_of_tokens_are_refused(family):
    scope = Microscope.for_model(tiny_model(family), tiny_tokenizer())
    embeddings = scope.model.get_input_embeddings()(torch.tensor([IDS])).detach()
    with pytest.raises(ValueError, match=r"records a call with input_ids; this one had none"), scope.watch():
        scope.model(inputs_embeds=embeddings)
    with scope.watch() as trace:
        scope.model(torch.tensor([IDS]))
    assert trace.token_ids.tolist() == IDS, "the model is as it was"


@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_padding_on_the_left_has_the_numbers_of_each_prompt_alone(family):
    scope = Microscope.for_model(tiny_model(family), tiny_tokenizer())
    ids, mask = torch.tensor([[0, 0, *IDS], [3, 4, *IDS]]), torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
    positions = {"position_ids": (mask.cumsum(-1) - 1).clamp(min=0)} if family != "opt" else {}
    with scope.watch() as trace, torch.no_grad():
        scope.model(input_ids=ids, attention_mask=mask, **positions)
    for row, prompt in enumerate([IDS, [3, 4, *IDS]]):
        alone = scope.trace(prompt)
        assert trace[row].token_ids.tolist() == prompt
        torch.testing.assert_close(trace[row].logits, alone.logits, rtol=1e-4, atol=1e-4)
        for site in alone.captured:
            for layer in range(scope.n_layers):
                found, expected = (getattr(one, site)(layer) for one in (trace[row], alone))
                torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
