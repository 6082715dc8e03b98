"""The induction circuit of the demo model, and none in random weights."""

import numpy as np
import pytest
import torch
import transformers as hf

from scope_widgets import Microscope, circuits

pytestmark = pytest.mark.numeric


def test_the_induction_circuit_of_the_demo_model(demo):
    circuit = circuits.induction_circuit(demo)
    assert ("a2.h0", "a3.h1<k>") in circuit.edges
    assert all(receiver.endswith("<k>") for _, receiver in circuit.edges)
    assert np.isfinite(circuit.scores).sum() < 20
    assert "edges cut" in circuit.provenance.note


def test_random_weights_have_no_induction_circuit(demo):
    torch.manual_seed(0)
    model = hf.LlamaForCausalLM(demo.model.config).eval()
    circuit = circuits.induction_circuit(Microscope.for_model(model, demo.tokenizer, demo.model_id))
    assert circuit.n_edges == 0
