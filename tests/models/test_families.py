"""Families of every kind of part against the plain Hugging Face forward: right, or a sentence."""

import copy

import pytest
import torch

from scope_widgets import Microscope, circuits, lens, patching, steering
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.architecture.unembedding import head_writes
from scope_widgets.traces.trace import NotCapturedError
from tests.support.family_models import FAMILIES, family_model
from tests.support.tiny_models import tiny_tokenizer

IDS = [5, 9, 31, 44, 5, 9, 60, 17, 23, 71]
OTHER = [5, 9, 31, 50, 5, 9, 60, 12, 23, 71]
LAYER = 1
#: what is refused, and a word of the sentence that says why
REFUSED = {
    "qwen3_next": {"circuit": "no attention"},
    "deepseek_v3": {"circuit": "none of the matrices"},
    "mamba": {"circuit": "no attention"},
    "lfm2": {"circuit": "no attention"},
    "recurrent_gemma": {"circuit": "no attention"},
    "bert": {"attribution": "is the sum of what is written", "circuit": "is the sum of what is written"},
    "post_norm_opt": {"attribution": "is the sum of what is written", "circuit": "is the sum of what is written"},
    "roberta_prelayernorm": {"attribution": "do not make the trace's logits"},
}


def close(found, expected, tolerance=1e-4):
    torch.testing.assert_close(
        found.double(), expected.double(), rtol=tolerance, atol=tolerance * float(expected.abs().max())
    )


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def family(request):
    model = family_model(request.param)
    plain = copy.deepcopy(model)
    plain.set_attn_implementation("eager")
    return request.param, Microscope.for_model(model, tiny_tokenizer()), plain


def run(model, ids, **options):
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids]), use_cache=False, **options)


def refused(name, what, call):
    """Return what a call gives, or None where it is refused as it is to be."""
    sentence = REFUSED.get(name, {}).get(what)
    if sentence is None:
        return call()
    with pytest.raises(UnsupportedModelError, match=sentence):
        call()
    return None


def blocks_of(scope, plain):
    """The blocks of the plain copy."""
    names = {module: name for name, module in scope.model.named_modules()}
    return [plain.get_submodule(names[block.block]) for block in scope.anatomy.blocks]


def test_traces_are_the_plain_forward(family):
    _, scope, plain = family
    streams, handles = {}, []
    for layer, block in enumerate(blocks_of(scope, plain)):

        def keep(_, args, kwargs, output, layer=layer):
            streams[layer] = (args[0] if args else kwargs["hidden_states"]).clone()
            streams[layer + 1] = (output[0] if isinstance(output, tuple) else output).clone()

        handles.append(block.register_forward_hook(keep, with_kwargs=True))
    expected = run(plain, IDS, output_attentions=True)
    for handle in handles:
        handle.remove()
    trace = scope.trace(IDS)
    close(trace.logits, expected.logits[0])
    for layer, stream in streams.items():
        close(trace.residual(layer), stream[0])
    attends = [layer for layer, block in enumerate(scope.anatomy.blocks) if block.attention is not None]
    patterns = [one for one in getattr(expected, "attentions", None) or () if one is not None]
    for layer, pattern in zip(attends, patterns, strict=len(patterns) > 0):
        close(trace.attention(layer), pattern[0])
    for layer in set(range(scope.n_layers)) - set(attends):
        with pytest.raises(NotCapturedError, match=f"There is no 'attention' in layer {layer}: it has no attention"):
            trace.attention(layer)


def test_what_is_added_adds_up(family):
    _, scope, _ = family
    trace = scope.trace(IDS)
    for layer, block in enumerate(scope.anatomy.blocks):
        if block.out is not None and not scope.anatomy.not_a_sum:
            heads, bias = head_writes(scope, trace.z(layer), layer)
            close(heads.sum(1) + bias, trace.attention_out(layer))
        if scope.anatomy.not_a_sum:
            continue
        total = trace.residual(layer) + trace.attention_out(layer)
        total = total + trace.mlp_out(layer) if block.mlp_out is not None else total
        close(total, trace.residual(layer + 1))


def test_attribution_sums_to_the_plain_difference(family):
    name, scope, plain = family
    trace = scope.trace(IDS)
    logits = run(plain, IDS).logits[0, -1]
    parts = refused(name, "attribution", lambda: lens.direct_logit_attribution(trace, answer=7, versus=8))
    if parts is not None:
        assert abs(parts.contribution.sum() - float(logits[7] - logits[8])) < 1e-3 * max(1, float(logits.abs().max()))
        stream = lens.logit_lens(trace)
        assert int(stream.top_ids[-1, -1, 0]) == int(logits.argmax())


def test_patching_is_what_hooks_do(family):
    _, scope, plain = family
    block = blocks_of(scope, plain)[LAYER]
    kept = {}

    def keep(_, args, kwargs):
        kept["x"] = (args[0] if args else kwargs["hidden_states"]).clone()

    def put(_, args, kwargs):
        x = (args[0] if args else kwargs["hidden_states"]).clone()
        x[:, 3] = kept["x"][:, 3]
        return ((x, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": x})

    def difference(ids, hook=None):
        handle = block.register_forward_pre_hook(hook, with_kwargs=True) if hook else None
        logits = run(plain, ids).logits[0, -1]
        if handle:
            handle.remove()
        return float(logits[7] - logits[8])

    clean, corrupted = difference(IDS, keep), difference(OTHER)
    expected = (difference(OTHER, put) - corrupted) / (clean - corrupted)
    found = patching.activations(scope, [IDS], [OTHER], answer=7, versus=8, over="residual", positions=[3, 7])
    assert abs(float(found.values[LAYER, 0]) - expected) < 1e-3 * max(1, abs(expected))


def test_circuits_are_the_whole_model_or_a_sentence(family):
    name, scope, plain = family
    logits = run(plain, IDS).logits[0, -1]
    task = circuits.Task.of(scope, [IDS], [OTHER], [7], [8])
    found = refused(name, "circuit", lambda: circuits.discover(scope, task, "eap"))
    if found is not None:
        whole = circuits.faithfulness(scope, found.keep(n_edges=found.graph.n_edges), task=task, draws=0)
        assert abs(float(whole.metric.mean()) - float(logits[7] - logits[8])) < 1e-3 * float(logits.abs().max())
        one = circuits.faithfulness(scope, found.keep(n_edges=found.graph.n_edges - 3), task=task, draws=0)
        assert torch.isfinite(torch.as_tensor(one.metric)).all()


def test_heads_are_scaled_where_they_write(family):
    _, scope, plain = family
    layer = next((at for at, block in enumerate(scope.anatomy.blocks) if block.out is not None), None)
    if layer is None:
        with pytest.raises(ValueError, match="There is no 'z' in layer 0"):
            scope.logits(torch.tensor([IDS]), {("z", 0): torch.zeros_like})
        return
    names = {module: one for one, module in scope.model.named_modules()}
    out = plain.get_submodule(names[scope.anatomy.blocks[layer].out])

    def without_head(_, args):
        heads = args[0].unflatten(-1, (scope.n_heads, -1)).clone()
        heads[..., 1, :] = 0
        return (heads.flatten(-2),)

    handle = out.register_forward_pre_hook(without_head)
    expected = run(plain, IDS).logits[0]
    handle.remove()

    def zero(z):
        z = z.clone()
        z[:, :, 1] = 0
        return z

    close(scope.logits(torch.tensor([IDS]), {("z", layer): zero})[0], expected)
    with steering.steer(scope, [steering.ScaleHead(layer, 1, 0.0)]):
        steered = run(scope.model, IDS).logits[0]
    close(steered, expected)


def test_experts_have_no_neurons():
    scope = Microscope.for_model(family_model("mixtral"), tiny_tokenizer())
    with pytest.raises(
        ValueError, match="There is no 'neurons' in layer 0: its MixtralSparseMoeBlock writes with no one"
    ):
        steering.ClampNeuron(0, 3, 1.0).check(scope)


@pytest.mark.parametrize("name", ["granite", "glm4", "cohere", "qwen3_next", "lfm2"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_measured_alike(name, dtype):
    exact = Microscope.for_model(family_model(name), tiny_tokenizer()).anatomy
    half = Microscope.for_model(family_model(name, dtype), tiny_tokenizer()).anatomy
    assert (exact.not_a_sum, exact.logit_scale) == (half.not_a_sum, half.logit_scale)
    for one, other in zip(exact.blocks, half.blocks, strict=True):
        assert (one.attention_scale, one.mlp_scale, one.gated) == (other.attention_scale, other.mlp_scale, other.gated)
        assert (one.attention is None, one.down is None) == (other.attention is None, other.down is None)
