"""The nodes of a circuit taken out of every forward, beside runs with the same values set to zero."""

import pytest
import torch

from scope_widgets import circuits, features
from scope_widgets.experiments.applied_to import applied_to

PROMPT = "When Mary and John went to the store, John gave a drink to"


def without(heads):
    def edit(z):
        z = z.clone()
        z[:, :, heads] = 0
        return z

    return edit


@pytest.mark.parametrize("keep", [False, True])
def test_is_a_run_with_zeros(demo, ioi_circuit, keep):
    out = circuits.AblatedNodes(ioi_circuit.keep(n_edges=12), keep=keep)
    heads, mlps = out.nodes(demo)
    edits = {("mlp_out", layer): torch.zeros_like for layer in mlps}
    for layer in {layer for layer, _ in heads}:
        edits["z", layer] = without([head for of, head in heads if of == layer])
    ids = demo.trace(PROMPT).token_ids[None]
    expected = demo.logits(ids, edits)[0]
    before = demo.trace(PROMPT).logits
    with applied_to(out, demo):
        torch.testing.assert_close(demo.trace(PROMPT).logits, expected, atol=1e-4, rtol=1e-4)
    assert torch.equal(demo.trace(PROMPT).logits, before)
    assert not torch.allclose(before, expected, atol=0.1)


def test_all_nodes_are_in_one_of_both(demo, ioi_circuit):
    circuit = ioi_circuit.keep(n_edges=12)
    gone, kept = (circuits.AblatedNodes(circuit, keep=keep).nodes(demo) for keep in (False, True))
    assert not set(gone[0]) & set(kept[0])
    assert len(gone[0]) + len(kept[0]) == demo.n_layers * demo.n_heads
    assert sorted(gone[1] + kept[1]) == list(range(demo.n_layers))


def test_refuses(demo, ioi_circuit):
    with pytest.raises(TypeError, match=r"takes a Circuit; got str"):
        circuits.AblatedNodes("ioi")
    latents = circuits.discover(demo, circuits.task(demo, "ioi", n=4), saes=features.load("demo"), steps=1, n_nodes=6)
    with pytest.raises(ValueError, match=r"are latents"):
        circuits.AblatedNodes(latents)
    with pytest.raises(TypeError, match=r"Nothing is known of how a str"):
        applied_to("x", demo)
