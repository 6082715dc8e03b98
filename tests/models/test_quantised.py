"""Models that bitsandbytes quantises, on the CPU, against the same quantised model with plain hooks."""

import logging

import pytest
import torch
import transformers as hf

from scope_widgets import Microscope, circuits, heads, lens, patching, steering
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.matmul_dtype import matmul_dtype
from tests.support.tiny_models import quantisable_llama, tiny_tokenizer

IDS = [5, 9, 31, 44, 5, 9, 60]
OTHER = [5, 9, 31, 50, 5, 9, 60]
QUANTISED = {
    "8 bits": lambda: hf.BitsAndBytesConfig(load_in_8bit=True),
    "4 bits": lambda: hf.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4"),
}
#: by what layers multiply in, a share of the largest logit
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-3}


@pytest.fixture(scope="module", params=list(QUANTISED))
def quantised(request, tmp_path_factory):
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
    folder = tmp_path_factory.mktemp("quantised")
    quantisable_llama().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    options = {"quantization_config": QUANTISED[request.param](), "device_map": "cpu"}
    plain = hf.AutoModelForCausalLM.from_pretrained(folder, **options).eval()
    return (
        Microscope.load(folder, **options),
        plain,
        TOLERANCE[matmul_dtype(plain)] * float(last(plain, IDS).abs().max()),
    )


def test_what_layers_multiply_in_is_known(quantised):
    """A float32 model of eight bits rounds as coarsely as bfloat16, so does one of four bits where the CPU can."""
    from bitsandbytes.functional import has_avx512bf16

    _, plain, _ = quantised
    eight = any("8bit" in type(module).__name__ for module in plain.modules())
    assert matmul_dtype(plain) == (torch.bfloat16 if eight or has_avx512bf16() else torch.float32)
    whole = quantisable_llama()
    assert (matmul_dtype(whole), matmul_dtype(whole.half())) == (torch.float32, torch.float16)


def last(model, ids, module=None, hook=None, kind="register_forward_pre_hook"):
    handle = module and getattr(module, kind)(hook)
    with torch.no_grad():
        logits = model(torch.tensor([ids]), use_cache=False).logits[0, -1]
    if handle:
        handle.remove()
    return logits


def test_traces_are_the_plain_forward(quantised):
    scope, plain, tolerance = quantised
    trace = scope.trace(IDS)
    torch.testing.assert_close(trace.logits[-1], last(plain, IDS), rtol=0, atol=tolerance)
    difference = float(trace.logits[-1, 7] - trace.logits[-1, 8])
    parts = lens.direct_logit_attribution(trace, answer=7, versus=8).to_dataframe()["contribution"]
    assert parts.sum() == pytest.approx(difference, abs=tolerance)


def test_patching_and_ablation_are_what_hooks_do(quantised):
    scope, plain, tolerance = quantised
    kept = []
    clean = last(plain, IDS, plain.model.layers[1], lambda _, args: kept.append(args[0][:, 3].clone()))
    corrupted = last(plain, OTHER)

    def put(_, args):
        stream = args[0].clone()
        stream[:, 3] = kept[0]
        return (stream, *args[1:])

    def metric(logits):
        return float(logits[7] - logits[8])

    patched = metric(last(plain, OTHER, plain.model.layers[1], put))
    found = patching.activations(scope, [IDS], [OTHER], answer=7, versus=8, over="residual", positions=[3])
    table = found.to_dataframe().set_index("layer")["effect"]
    expected = (patched - metric(corrupted)) / (metric(clean) - metric(corrupted))
    assert table[1] == pytest.approx(expected, abs=20 * tolerance)

    def without(_, args):
        heads = args[0].clone()
        heads[..., 16:32] = 0
        return (heads, *args[1:])

    expected = metric(last(plain, IDS, plain.model.layers[1].self_attn.o_proj, without))
    ablated = patching.ablate(scope, [IDS], [(1, 1)], answer=7, versus=8)
    assert float(ablated.after.mean()) == pytest.approx(expected, abs=tolerance)


def test_steering_is_what_a_hook_does(quantised):
    scope, plain, tolerance = quantised
    vector = torch.linspace(-1, 1, 64)
    direction = steering.direction(scope, layer=1, vector=vector, positive=[IDS])
    added = 0.5 * direction.scale * torch.tensor(direction.vector)
    expected = last(plain, IDS, plain.model.layers[1], lambda _, args: (args[0] + added, *args[1:]))
    session = steering.Session(scope, IDS, [steering.AddDirection(direction, positions="all")])
    torch.testing.assert_close(session.at([0.5]).logits, expected, rtol=0, atol=tolerance)


def test_what_a_head_writes_is_what_the_output_matrix_makes_of_it(quantised):
    scope, plain, _ = quantised
    trace = scope.trace(IDS)
    matrix, norm = plain.model.layers[1].self_attn.o_proj, plain.model.norm
    one = torch.zeros_like(trace.z(1)[-1])
    one[2] = trace.z(1)[-1, 2]
    with torch.no_grad():
        written = (matrix(one.reshape(1, -1)) - matrix(torch.zeros(1, one.numel())))[0].double()
        final = trace.residual(3)[-1].double()
        scale = (final.square().mean() + norm.variance_epsilon).sqrt()
        expected = plain.lm_head.weight.double() @ (written / scale * norm.weight.double())
    expected = expected - expected.mean()
    found = heads.writes(trace, 1, 2, n=len(expected))
    order = torch.from_numpy(found.up_ids[0])
    torch.testing.assert_close(
        torch.from_numpy(found.up[0]), expected[order], rtol=0, atol=0.01 * float(expected.abs().max())
    )


def test_circuits_of_quantised_models_are_refused(quantised):
    scope, _, _ = quantised
    task = circuits.Task.of(scope, [IDS], [OTHER], [7], [8])
    with pytest.raises(UnsupportedModelError, match="no plain matrix"):
        circuits.discover(scope, task, "eap")
