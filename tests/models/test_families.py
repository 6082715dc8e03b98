"""Families of every kind of part against the plain Hugging Face forward: right, or a sentence."""

import copy
import warnings

import numpy as np
import pytest
import torch
import transformers as hf

from scope_widgets import Microscope, Trace, circuits, lens, patching, steering
from scope_widgets.heads import thumbnails
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.architecture.unembedding import Unembedding, head_writes
from scope_widgets.traces.not_captured import NotCapturedError
from tests.support.family_models import OTHER_FAMILIES, family_model
from tests.support.tiny_models import tiny_model, tiny_tokenizer

IDS = [5, 9, 31, 44, 5, 9, 60, 17, 23, 71]
OTHER = [5, 9, 31, 50, 5, 9, 60, 12, 23, 71]
LAYER = 1
#: what is refused, and a word of the sentence that says why
REFUSED = {
    "bert": {"attribution": "is the sum of what is written", "circuit": "is the sum of what is written"},
    "post_norm_opt": {"attribution": "is the sum of what is written", "circuit": "is the sum of what is written"},
    "roberta_prelayernorm": {"attribution": "do not make the trace's logits"},
}


#: whose logits are made of the last residual stream by more than a norm and the unembedding
NO_READOUT = {"roberta_prelayernorm"}
#: whose blocks are one node of a circuit, some or all, and a word of the warning that says why
ONE_NODE = {
    "qwen3_next": ([0, 1, 2], "no attention"),
    "deepseek_v3": ([0, 1, 2], "none of the matrices"),
    "mamba": ([0, 1, 2], "no attention"),
    "lfm2": ([0, 2], "no attention"),
    "recurrent_gemma": ([0, 1], "no attention"),
}


def close(found, expected, tolerance=1e-4):
    torch.testing.assert_close(
        found.double(), expected.double(), rtol=tolerance, atol=tolerance * float(expected.abs().max())
    )


@pytest.fixture(scope="module", params=sorted(OTHER_FAMILIES))
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


def test_what_an_mlp_gets_is_what_a_hook_sees_and_changes(family):
    _, scope, plain = family
    names = {module: name for name, module in scope.model.named_modules()}
    layer = scope.n_layers - 1  # in which a run of the last position leaves out the others
    mlp = scope.anatomy.blocks[layer].mlp
    ids = torch.tensor([IDS])
    if not scope.anatomy.has("mlp_in", layer):
        with pytest.raises(ValueError, match="There is no 'mlp_in' in layer"):
            scope.logits(ids, {("mlp_in", layer): torch.zeros_like})
        return
    seen = []

    def double(_, args, kwargs):
        seen.append(args[0] if args else kwargs["hidden_states"])
        return ((2 * args[0], *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": 2 * seen[0]})

    handle = plain.get_submodule(names[mlp]).register_forward_pre_hook(double, with_kwargs=True)
    expected = run(plain, IDS).logits
    handle.remove()
    found = []
    changed = scope.logits(ids, {("mlp_in", layer): lambda value: found.append(value.clone()) or 2 * value})
    close(found[0], seen[0].reshape(found[0].shape))
    close(changed, expected)
    alone = scope.run([IDS], edits={("mlp_in", layer): lambda value: 2 * value})
    close(alone.logits[0], expected[0, -1])


def test_circuits_are_the_whole_model_or_a_sentence(family):
    name, scope, plain = family
    logits = run(plain, IDS).logits[0, -1]
    difference = float(logits[7] - logits[8])
    task = circuits.Task.of(scope, [IDS], [OTHER], [7], [8])
    layers, why = ONE_NODE.get(name, ([], ""))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        found = refused(name, "circuit", lambda: circuits.discover(scope, task, "eap"))
    if found is None:
        return
    sentences = [str(one.message) for one in warned if "is one node" in str(one.message)]
    assert list(found.graph.whole) == layers
    assert all(why in sentence for sentence in sentences)
    assert bool(sentences) == bool(layers)
    whole = circuits.faithfulness(scope, found.keep(n_edges=found.graph.n_edges), task=task, draws=0)
    assert abs(float(whole.metric.mean()) - difference) < 1e-3 * float(logits.abs().max())
    # a circuit without one MLP's edges to the logits is the model in which the logits do not see what it wrote
    edge = found.graph.find("m0", "logits")
    mask = np.ones(found.graph.n_edges, dtype=bool)
    mask[edge] = False
    one = circuits.faithfulness(scope, found.with_edges(mask), task=task, draws=0)
    trace, corrupted = scope.trace(IDS), scope.trace(OTHER)

    def written(one):
        return one.residual(1)[-1] - one.residual(0)[-1] if 0 in layers else one.mlp_out(0)[-1]

    stream = trace.residual(scope.n_layers)[-1] - written(trace) + written(corrupted)
    expected = Unembedding(scope.model, scope.anatomy).logits(stream)
    if name not in NO_READOUT:
        assert abs(float(one.metric.mean()) - float(expected[7] - expected[8])) < 1e-3 * float(logits.abs().max())


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


@pytest.fixture(scope="module")
def falcon():
    """Falcon adds what attention writes to the tensor that its MLP gave."""
    config = hf.FalconConfig(
        vocab_size=96, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, bos_token_id=1, eos_token_id=2
    )
    torch.manual_seed(0)
    plain = hf.FalconForCausalLM(config).eval()
    return Microscope.for_model(copy.deepcopy(plain), tiny_tokenizer()), plain


def hooked(plain, ids, layer, hook):
    """The last logits of a plain forward, with a hook on an MLP."""
    handle = plain.transformer.h[layer].mlp.register_forward_hook(hook)
    try:
        return run(plain, ids).logits[0, -1]
    finally:
        handle.remove()


def mlps(plain, ids):
    written = []
    for layer in range(3):
        hooked(plain, ids, layer, lambda _, args, output: written.append(output.clone()))
    return written


def test_what_is_changed_in_place_is_recorded_as_it_was(falcon):
    scope, plain = falcon
    logits = run(plain, IDS).logits[0, -1]
    with scope.watch() as watched:
        run(scope.model, IDS)
    for trace in (scope.trace(IDS), watched):
        for layer, value in enumerate(mlps(plain, IDS)):
            close(trace.mlp_out(layer), value[0])
        parts = lens.direct_logit_attribution(trace, answer=7, versus=8).to_dataframe()["contribution"]
        assert parts.sum() == pytest.approx(float(logits[7] - logits[8]), abs=1e-4)
    for layer, value in enumerate(scope.run(IDS, capture=["mlp_out"]).values["mlp_out"]):
        close(value[0], mlps(plain, IDS)[layer][0])


def test_what_is_patched_in_is_not_changed_in_place(falcon):
    scope, plain = falcon
    places, clean, metric = [3, 9], mlps(plain, IDS), lambda logits: float(logits[7] - logits[8])
    found = patching.activations(scope, [IDS], [OTHER], answer=7, versus=8, over="mlp_out", positions=places)
    table = found.to_dataframe().set_index(["layer", "position"])["effect"]
    first, last = metric(run(plain, OTHER).logits[0, -1]), metric(run(plain, IDS).logits[0, -1])
    for layer, position in table.index:

        def put(_, args, output, layer=layer, at=places[position]):
            output = output.clone()
            output[:, at] = clean[layer][:, at]
            return output

        effect = (metric(hooked(plain, OTHER, layer, put)) - first) / (last - first)
        assert table[layer, position] == pytest.approx(effect, abs=1e-3)


def test_an_edit_may_give_the_same_tensor_twice_or_a_view(falcon):
    scope, plain = falcon
    ids, given = torch.tensor([IDS]), torch.full((1, len(IDS), 32), 0.1)
    expected = hooked(plain, IDS, 0, lambda _, args, output: given.clone())
    mean = hooked(plain, IDS, 0, lambda _, args, output: output.mean(1, keepdim=True).repeat(1, len(IDS), 1))
    for _ in range(2):
        close(scope.logits(ids, {("mlp_out", 0): lambda value: given})[0, -1], expected)
    view = scope.logits(ids, {("mlp_out", 0): lambda value: value.mean(1, keepdim=True).expand_as(value)})
    close(view[0, -1], mean)


def test_models_are_measured_under_inference_mode(falcon):
    _, plain = falcon
    with torch.inference_mode():
        scope = Microscope.for_model(copy.deepcopy(plain), tiny_tokenizer())
    close(scope.trace(IDS).logits, run(plain, IDS).logits[0])


def test_other_parts_in_their_place_are_seen():
    scope = Microscope.for_model(tiny_model("llama"), tiny_tokenizer())
    scope.trace(IDS)
    scope.model.model = copy.deepcopy(scope.model.model)
    expected = run(scope.model, IDS, output_attentions=True).logits[0]
    close(scope.trace(IDS).logits, expected)


def test_experts_have_no_neurons():
    scope = Microscope.for_model(family_model("mixtral"), tiny_tokenizer())
    with pytest.raises(UnsupportedModelError, match="is a MixtralSparseMoeBlock, .* there are no 'neurons'"):
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


def test_language_models_with_eyes_are_taken_with_text():
    text = {
        **OTHER_FAMILIES["glm4"][2],
        "sliding_window": 5,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
    }
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2}
    config = hf.Gemma3Config(
        text_config={**text, "num_hidden_layers": 4}, vision_config={**vision, "image_size": 28, "patch_size": 14}
    )
    torch.manual_seed(0)
    model = hf.Gemma3ForConditionalGeneration(config).eval()
    trace = Microscope.for_model(model, tiny_tokenizer()).trace(IDS)
    expected = run(model, IDS, output_hidden_states=True)
    close(trace.logits, expected.logits[0])
    for layer in range(4):
        close(trace.residual(layer), expected.hidden_states[layer][0])
    assert abs(lens.direct_logit_attribution(trace, answer=7).contribution.sum() - expected.logits[0, -1, 7]) < 1e-4


def test_adapters_on_a_model_are_part_of_it():
    peft = pytest.importorskip("peft")
    model = tiny_model("llama")
    lora = peft.LoraConfig(r=2, target_modules=["q_proj", "o_proj", "down_proj"], init_lora_weights=False)
    model = peft.get_peft_model(model, lora).eval()
    scope = Microscope.for_model(model, tiny_tokenizer())
    expected = run(model, IDS).logits[0]
    trace = scope.trace(IDS)
    close(trace.logits, expected)
    for layer in range(scope.n_layers):
        heads, bias = head_writes(scope, trace.z(layer), layer)
        close(heads.sum(1) + bias, trace.attention_out(layer))
        close(trace.residual(layer) + trace.attention_out(layer) + trace.mlp_out(layer), trace.residual(layer + 1))
    parts = lens.direct_logit_attribution(trace, answer=7, versus=8)
    assert abs(parts.contribution.sum() - float(expected[-1, 7] - expected[-1, 8])) < 1e-3 * float(expected.abs().max())
    patched = patching.activations(scope, [IDS], [OTHER], answer=7, versus=8, over="residual", positions=[3, 7])
    assert patched.values.shape == (scope.n_layers + 1, 2)


@pytest.mark.parametrize("name", ["lfm2", "mamba", "qwen3_next"])
def test_traces_of_hybrids_are_kept_and_batched(name, tmp_path):
    scope = Microscope.for_model(family_model(name), tiny_tokenizer())
    trace = scope.trace(IDS)
    trace.save(tmp_path)
    for one in (Trace.load(tmp_path), Trace.from_json(trace.to_json())):
        assert [one.attends(layer) for layer in range(3)] == [trace.attends(layer) for layer in range(3)]
        assert torch.equal(one.attention_out(2), trace.attention_out(2))
        with pytest.raises(NotCapturedError, match="Layer 0 of local does not have 'z'"):
            one.z(0)
    pictures = thumbnails.thumbnails(trace, 8)
    assert pictures.shape == (3, scope.n_heads, 8, 8)
    assert pictures.any((1, 2, 3)).tolist() == [trace.attends(layer) for layer in range(3)]
    both = scope.trace([IDS, OTHER[:4]])
    for one, ids in ((both[0], IDS), (both[1], OTHER[:4])):
        alone = scope.trace(ids)
        close(one.logits, alone.logits)
        close(one.attention_out(0), alone.attention_out(0))
    assert trace.activation_statistics("residual").shape[0] == 4
    if not any(map(trace.attends, range(3))):
        with pytest.raises(NotCapturedError, match="There is no 'z' in layer 0"):
            trace.activation_statistics("z")
