"""A real model on the server: 30 layers, 9 query heads over 3 key-value heads."""

import pytest
import torch

from scope_widgets import Microscope, circuits, heads, ioi, lens, patching, steering
from tests.support.result_distance import equal

PROMPT = "When Mary and John went to the store, John gave a drink to"
FLIPPED = "When Mary and John went to the store, Mary gave a drink to"
QUESTION = {"answer": " Mary", "versus": " John"}

pytestmark = pytest.mark.smollm2


@pytest.fixture(scope="module")
def local(smollm2_folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(smollm2_folder, dtype=torch.float32)
    return Microscope.for_model(model.eval(), AutoTokenizer.from_pretrained(smollm2_folder), "ns/smollm2")


@pytest.fixture(scope="module")
def remote(local):
    scope = Microscope.load("ns/smollm2", remote=True, timeout=120)
    scope.listener = lambda status: None
    return scope


def test_a_trace(remote, local):
    theirs, ours = remote.trace(PROMPT).fetch("residual", "attention", layers=[0, 14, 29]), local.trace(PROMPT)
    for layer in (0, 14, 29):
        # that of the first token reaches 20,000, which float32 rounds to 0.001
        size = ours.residual(layer).abs().amax(-1, keepdim=True).clamp(min=1)
        equal("SmolLM2's residual stream", theirs.residual(layer) / size, ours.residual(layer) / size)
        equal("SmolLM2's attention", theirs.attention(layer), ours.attention(layer))
    equal("SmolLM2's z", theirs.z(20), ours.z(20))
    equal("SmolLM2's logits", theirs.logits, ours.logits)


ASKED = {
    "head scores": lambda scope: heads.score(scope.trace(PROMPT), null_draws=20),
    "a patching map": lambda scope: patching.activations(scope, PROMPT, FLIPPED, positions=[-1], **QUESTION),
    "direct attribution": lambda scope: lens.direct_logit_attribution(scope.trace(PROMPT), **QUESTION),
    "EAP-IG": lambda scope: circuits.discover(scope, ioi.prompts(scope, n=2, seed=1).task(), "eap-ig", steps=2),
    "a direction": lambda scope: steering.direction(scope, layer=15, **QUESTION),
}


@pytest.mark.parametrize("name", ASKED)
def test_analyses(remote, local, name):
    equal("SmolLM2: " + name, ASKED[name](remote), ASKED[name](local))


def test_a_steered_distribution(remote, local):
    direction = steering.direction(local, layer=15, **QUESTION)
    interventions = [steering.AddDirection(direction, 2.0), steering.ScaleHead(18, 6, 0.0)]
    theirs, ours = (steering.Session(scope, PROMPT, interventions, **QUESTION) for scope in (remote, local))
    for strength in (0.0, 1.0, -2.0):
        equal("SmolLM2: steered", theirs.at({0: strength}).logits, ours.at({0: strength}).logits)
