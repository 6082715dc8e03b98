"""Directions against plain NumPy on the plain model's states, planted ones, their files and their code."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from scope_widgets import Microscope, steering
from scope_widgets._provenance import Provenance
from tests.support import reference_steering as plain
from tests.support.steering_examples import IDS, OTHER, scope_of, some_direction
from tests.support.tiny_models import FAMILIES, tiny_model, tiny_tokenizer

POSITIVE = [[1, 5, 6, 7], [1, 9, 30], [1, 8, 8, 12, 60]]
NEGATIVE = [[1, 50, 51], [1, 70, 33, 41, 9], [1, 22, 80]]
TEXTS = ["w5 w6 w7", "w9 w30"], ["w50 w51", "w70 w33 w41"]


def streams(scope, ids):
    """What enters each layer, and the final norm: a list of [position, d_model]."""
    seen = []
    modules = [*plain.blocks(scope.model), plain.final_norm(scope.model)]

    def look(_, args, kwargs):
        seen.append((args[0] if args else kwargs["hidden_states"])[0].double())

    handles = [module.register_forward_pre_hook(look, with_kwargs=True) for module in modules]
    plain.logits(scope.model, ids, [])
    for handle in handles:
        handle.remove()
    return seen


def at(stream, position):
    return (stream[-1] if position == "last" else stream[1:].mean(0)).numpy()


def parallel(vector, other, within=1e-5):
    cosine = float(vector @ other / np.linalg.norm(vector) / np.linalg.norm(other))
    return cosine == pytest.approx(1, abs=within)


@pytest.fixture(scope="module")
def llama():
    return scope_of("llama")


# -- from prompts


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("position", ["last", "mean"])
def test_contrast_is_the_difference_of_means(family, position):
    scope = scope_of(family)
    positive, negative = ([streams(scope, ids) for ids in ids_of] for ids_of in (POSITIVE, NEGATIVE))
    for layer in (0, 1, scope.n_layers):
        found = steering.direction(scope, layer=layer, positive=POSITIVE, negative=NEGATIVE, positions=position)
        means = [np.mean([at(one[layer], position) for one in side], 0) for side in (positive, negative)]
        expected = means[0] - means[1]
        assert parallel(found.vector, expected)
        norms = np.sort(np.concatenate([one[layer][1:].norm(dim=-1).numpy() for one in [*positive, *negative]]))
        assert found.scale == pytest.approx(norms[(len(norms) - 1) // 2], rel=1e-5)  # the lower of two in the middle
        assert found.length == pytest.approx(np.linalg.norm(expected) / found.scale, rel=1e-4)
        assert np.linalg.norm(found.vector) == pytest.approx(1, abs=1e-6)
        assert (found.layer, found.d_model, found.provenance.model) == (layer, scope.d_model, family)


@pytest.mark.parametrize("position", ["last", "mean"])
def test_pca_is_the_first_axis_of_the_differences_of_pairs(llama, position):
    found = steering.direction(llama, layer=2, positive=POSITIVE, negative=NEGATIVE, method="pca", positions=position)
    states = [[at(streams(llama, ids)[2], position) for ids in side] for side in (POSITIVE, NEGATIVE)]
    differences = np.array(states[0]) - np.array(states[1])
    sizes, axes = np.linalg.eigh(differences.T @ differences)
    axis = axes[:, -1] * np.sign(axes[:, -1] @ differences.mean(0))
    assert parallel(found.vector, axis)
    assert found.length * found.scale == pytest.approx(np.abs(differences @ axis).mean(), rel=1e-4)
    assert f"{sizes[-1] / sizes.sum():.0%} of their square" in found.provenance.note


def test_turned_prompts_turn_the_direction(llama):
    for method in ("mean", "pca"):
        one = steering.direction(llama, layer=2, positive=POSITIVE, negative=NEGATIVE, method=method)
        other = steering.direction(llama, layer=2, positive=NEGATIVE, negative=POSITIVE, method=method)
        assert one.cosine(other) == pytest.approx(-1, abs=1e-5)
        assert one.length == pytest.approx(other.length, rel=1e-5)


def planted(noise=0.0):
    """A model whose blocks write nothing, in which words 40 to 49 are words 20 to 29 moved along one direction."""
    model = tiny_model("llama")
    draw = torch.Generator().manual_seed(0)
    direction = torch.randn(32, generator=draw)
    with torch.no_grad():
        for block in model.model.layers:
            block.self_attn.o_proj.weight.zero_()
            block.mlp.down_proj.weight.zero_()
        embedding = model.model.embed_tokens.weight
        how_far = 0.5 + torch.rand(10, 1, generator=draw)
        moved = how_far * direction + noise * torch.randn(10, 32, generator=draw)
        embedding[40:50] = embedding[20:30] + moved
    return Microscope.for_model(model, tiny_tokenizer(), "planted"), direction.numpy(), moved.numpy()


@pytest.mark.parametrize("method", ["mean", "pca"])
@pytest.mark.parametrize("layer", [0, 1, 3])
def test_a_planted_direction_is_recovered(method, layer):
    scope, direction, moved = planted()
    positive, negative = ([[1, 7, base + i] for i in range(10)] for base in (40, 20))
    found = steering.direction(scope, layer=layer, positive=positive, negative=negative, method=method)
    assert parallel(found.vector, direction)
    assert found.length * found.scale == pytest.approx(np.linalg.norm(moved, axis=1).mean(), rel=1e-4)
    noisy, direction, _ = planted(noise=0.3)
    found = steering.direction(noisy, layer=layer, positive=positive, negative=negative, method=method)
    assert parallel(found.vector, direction, within=0.05)


def test_prompts_without_a_planted_difference_give_no_direction_in_common():
    """The null: halves of prompts at random differ along no axis that another draw finds again."""
    scope, _, _ = planted()
    draw = np.random.default_rng(0)
    cosines = []
    for _ in range(8):
        order = draw.permutation(np.arange(50, 90))[:24]
        one, other = (
            steering.direction(scope, layer=1, positive=[[1, i] for i in a], negative=[[1, i] for i in b])
            for a, b in ((order[:6].tolist(), order[6:12].tolist()), (order[12:18].tolist(), order[18:].tolist()))
        )
        cosines.append(one.cosine(other))
    assert abs(np.mean(cosines)) < 3 / math.sqrt(32 * 8)
    assert max(map(abs, cosines)) < 0.7


# -- from tokens


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_give_what_moves_their_logits_apart(family):
    scope = scope_of(family)
    found = steering.direction(scope, layer=scope.n_layers, answer="w20", versus=33, positive=[IDS])
    stream = streams(scope, IDS)[-1][-1].float().requires_grad_()
    rows = scope.model.get_output_embeddings().weight
    difference = plain.final_norm(scope.model)(stream[None])[0] @ (rows[20] - rows[33])
    (gradient,) = torch.autograd.grad(difference, stream)
    # a norm takes no notice of how long the stream is: the gradient has no part along it
    along = stream.detach()
    if isinstance(plain.final_norm(scope.model), torch.nn.LayerNorm):
        along = along - along.mean()
    along = (along / along.norm()).numpy()
    seen = found.vector - (found.vector @ along) * along
    assert parallel(seen, gradient.numpy(), within=1e-4)
    assert found.name == "w20 over w33"


@pytest.mark.parametrize(("family", "centred"), [("llama", False), ("gpt2", True)])
def test_strength_moves_the_difference_by_as_much_as_it_says(family, centred):
    scope = scope_of(family)
    n = scope.n_layers
    found = steering.direction(scope, layer=n, answer="w20", versus="w33", positive=[IDS])
    session = steering.Session(scope, IDS, steering.AddDirection(found), answer="w20", versus="w33")
    stream = streams(scope, IDS)[-1][-1]
    norm, rows = plain.final_norm(scope.model), scope.model.get_output_embeddings().weight.detach().double()
    gain = norm.weight.detach().double()
    vector = torch.tensor(found.vector).double()

    def size(x):  # the scale of the norm, its mean taken off where it does
        x = x - x.mean() if centred else x
        return (x.square().mean() + (norm.eps if centred else norm.variance_epsilon)).sqrt()

    bias = norm.bias.detach().double() @ (rows[20] - rows[33]) if centred else 0.0
    before = (session.at([0.0]).difference - float(bias)) * size(stream)
    for strength in (-0.7, 0.4, 1.3):
        after = (session.at([strength]).difference - float(bias)) * size(stream + strength * found.scale * vector)
        centre = vector - vector.mean() if centred else vector
        assert float(after - before) == pytest.approx(
            strength * found.scale * float((gain * centre) @ (rows[20] - rows[33])), rel=1e-3
        )


# -- from a head


def gain_after(module, output):
    """What the norm after attention multiplies a part of its input by; 1 where there is none."""
    name = type(module).__name__
    if "RMSNorm" not in name:
        return torch.ones_like(output)
    weight = module.weight.detach().double() + ("Gemma" in name)
    eps = getattr(module, "eps", None) or module.variance_epsilon
    return weight / (output.square().mean(-1, keepdim=True) + eps).sqrt()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("position", ["last", "mean"])
@torch.no_grad()
def test_what_a_head_writes(family, position):
    scope = scope_of(family)
    layer, head, width = 1, 2, plain.sizes(scope.model)[2]
    module = plain.part(scope.model, layer, plain._OUT | {"opt": "self_attn.out_proj"}, "self_attn.o_proj")
    weight = module.weight.double() if type(module).__name__ == "Conv1D" else module.weight.double().T
    block = plain.blocks(scope.model)[layer]
    norm = getattr(block, "post_attention_layernorm", None) if hasattr(block, "post_feedforward_layernorm") else None
    expected = []
    for ids in POSITIVE:
        seen = {}
        hook = module.register_forward_hook(lambda _, args, out, seen=seen: seen.update(z=args[0], out=out))
        plain.logits(scope.model, ids, [])
        hook.remove()
        z = seen["z"].reshape(len(ids), -1).double()[:, head * width : (head + 1) * width]
        written = z @ weight[head * width : (head + 1) * width]
        expected.append(at(written * gain_after(norm, seen["out"].reshape(len(ids), -1).double()), position))
    mean = np.mean(expected, 0)
    found = steering.direction(scope, layer=2, head=(layer, head), positive=POSITIVE, positions=position)
    assert parallel(found.vector, mean)
    assert found.length * found.scale == pytest.approx(np.linalg.norm(mean), rel=1e-4)


# -- from a vector


def test_a_vector_keeps_its_length(llama):
    vector = np.random.default_rng(0).standard_normal(32)
    for given_as in (vector, vector.tolist(), torch.tensor(vector), torch.tensor(vector).float().requires_grad_()):
        found = steering.direction(llama, layer=1, vector=given_as, positive=[IDS])
        assert parallel(found.vector, vector)
        assert found.length * found.scale == pytest.approx(np.linalg.norm(vector), rel=1e-5)
    assert not found.vector.flags.writeable
    half = steering.direction(llama, layer=1, vector=torch.tensor(vector).bfloat16(), positive=[IDS])
    assert parallel(half.vector, vector, within=1e-3)


def test_vectors_of_any_size(llama):
    for size in (1e-3, 1.0, 1e6):
        assert steering.direction(llama, layer=1, vector=np.full(32, size), positive=[IDS]).length > 0


# -- files and code


def same(one, other):
    assert np.array_equal(one.vector, other.vector)
    assert (one.name, one.layer, one.scale, one.length) == (other.name, other.layer, other.scale, other.length)
    assert one.provenance.model == other.provenance.model


def several(scope):
    yield steering.direction(scope, layer=2, positive=TEXTS[0], negative=TEXTS[1], name="naïve 'π' \"\\\n")
    yield steering.direction(scope, layer=1, positive=TEXTS[0], negative=TEXTS[1], method="pca", positions="mean")
    yield steering.direction(scope, layer=1, positive=POSITIVE, negative=NEGATIVE)
    yield steering.direction(scope, layer=3, answer="w20", versus=33, positive=TEXTS[1])
    yield steering.direction(scope, layer=np.int64(3), answer=[np.int64(20)], versus="w33", positive=TEXTS[0])
    yield steering.direction(scope, layer=2, head=(1, 2), positive=TEXTS[0], positions="mean")
    yield steering.direction(scope, layer=2, head=np.array([1, 2]), positive=tuple(TEXTS[0]))
    yield steering.direction(scope, layer=2, head=(np.int64(1), 2), positive=[np.str_(one) for one in TEXTS[0]])
    yield some_direction(scope, 0)


@pytest.mark.parametrize("i", range(9))
def test_files_and_code_give_it_back_bit_for_bit(llama, tmp_path, i):
    found = list(several(llama))[i]
    assert found.save(tmp_path / "a.safetensors") == tmp_path / "a.safetensors"
    loaded = steering.Direction.load(str(tmp_path / "a.safetensors"))
    from_json = steering.Direction.from_json(found.to_json())
    for again in (loaded, from_json, eval(found.code(), {"steering": steering, "scope": llama})):
        same(again, found)
        same(eval(again.code(), {"steering": steering, "scope": llama}), found)
    assert loaded.provenance == found.provenance
    moved = [
        steering.Session(llama, IDS, steering.AddDirection(one, 0.7)).at().logits
        for one in (found, loaded, eval(found.code(), {"steering": steering, "scope": llama}))
    ]
    assert torch.equal(moved[0], moved[1])
    assert torch.equal(moved[0], moved[2])


@settings(max_examples=25, deadline=None)
@given(
    values=st.lists(st.floats(-1e3, 1e3, width=32), min_size=2, max_size=9).filter(lambda v: np.linalg.norm(v) > 1e-2),
    name=st.text(max_size=12),
    scale=st.floats(1e-6, 1e6),
)
def test_any_direction_comes_back(tmp_path_factory, values, name, scale):
    vector = np.array(values) / np.linalg.norm(values)
    found = steering.Direction(name, 3, vector, scale, 0.5, Provenance(model="m", prompts=(name,)))
    path = tmp_path_factory.mktemp("direction") / "one.safetensors"
    same(steering.Direction.load(found.save(path)), found)
    same(eval(found.code(), {"steering": steering}), found)


def damaged(found, path, change):
    found.save(path)
    tensors = load_file(path)
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        header = file.metadata()
    about = json.loads(header["about"])
    change(tensors, header, about)
    if "about" in header:
        header["about"] = json.dumps(about)
    save_file(tensors, path, header)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, header, about: tensors.update(vector=tensors["vector"] * np.float32(2)),
        lambda tensors, header, about: tensors.update(vector=tensors["vector"] * np.float32(np.nan)),
        lambda tensors, header, about: tensors.update(vector=tensors["vector"][None]),
        lambda tensors, header, about: tensors.update(vector=np.zeros(0, np.float32)),
        lambda tensors, header, about: tensors.update(other=tensors.pop("vector")),
        lambda tensors, header, about: header.update(format="pt"),
        lambda tensors, header, about: header.pop("format"),
        lambda tensors, header, about: header.pop("about"),
        lambda tensors, header, about: about.clear(),
        lambda tensors, header, about: about.pop("provenance"),
        lambda tensors, header, about: about.pop("scale"),
        lambda tensors, header, about: about.update(scale=None),
        lambda tensors, header, about: about.update(scale="long"),
        lambda tensors, header, about: about.update(scale=-1.0),
        lambda tensors, header, about: about.update(length="inf"),
        lambda tensors, header, about: about.update(layer=-1),
        lambda tensors, header, about: about.update(layer=1.5),
        lambda tensors, header, about: about.update(layer="1"),
        lambda tensors, header, about: about.update(name=3),
        lambda tensors, header, about: about.update(recipe=[1]),
        lambda tensors, header, about: about.update(provenance=[1]),
        lambda tensors, header, about: about.update(result="Sweep"),
        lambda tensors, header, about: about.update(surprise=1),
    ],
)
def test_a_damaged_file_is_refused_in_a_sentence(llama, tmp_path, change):
    path = tmp_path / "a.safetensors"
    damaged(some_direction(llama, 1), path, change)
    with pytest.raises(ValueError, match="a.safetensors' is not a direction that save"):
        steering.Direction.load(path)


def test_other_files_are_refused_in_a_sentence(llama, tmp_path):
    path = tmp_path / "one"
    for content in (b"", b"hello", b"\x80\x04N.", some_direction(llama, 1).save(path).read_bytes()[:-7]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is not a direction"):
            steering.Direction.load(path)
    save_file({"vector": np.ones(3, np.float32)}, path)
    with pytest.raises(ValueError, match="is not a direction"):
        steering.Direction.load(path)
    for nothing in (tmp_path / "none", tmp_path):
        with pytest.raises(FileNotFoundError, match="There is no file"):
            steering.Direction.load(nothing)
    for text in ("", "{}", "[]", "3", '{"vector": 3}', '{"vector": "%%%"}', "null"):
        with pytest.raises(ValueError, match="not a direction that code"):
            steering.Direction.from_code(text)


# -- bad input gets a sentence


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "none of them"),
        ({"positive": TEXTS[0]}, "none of them"),
        ({"negative": TEXTS[0]}, "positive= is a list of prompts"),
        ({"positive": [], "negative": TEXTS[0]}, "at least one"),
        ({"positive": "w4 w5", "negative": TEXTS[0]}, "is a list of prompts"),
        ({"positive": TEXTS[0], "negative": TEXTS[0]}, "zero direction.*the model represents differently"),
        ({"positive": ["w5 w6"], "negative": ["w5 w6"], "method": "pca"}, "zero direction"),
        ({"positive": ["w5"], "negative": ["w6"], "method": "lda"}, "method= is one of mean, pca"),
        ({"positive": ["w5"], "negative": ["w6"], "positions": "first"}, "positions= is one of last, mean"),
        ({"positive": ["w5", "w7"], "negative": ["w6"], "method": "pca"}, "pairs.*got 2 and 1"),
        ({"positive": [["w5", "w7"]], "negative": ["w6"]}, "Each prompt is one text"),
        ({"positive": [""], "negative": ["w6"]}, "empty|no tokens"),
        ({"vector": np.zeros(32)}, "zero direction"),
        ({"vector": np.full(32, np.nan)}, "not finite"),
        ({"vector": [math.inf] * 32}, "not finite"),
        ({"vector": np.ones(31)}, r"shape \[31\].*32 numbers"),
        ({"vector": np.ones((32, 1))}, "shape"),
        ({"vector": "up"}, "vector="),
        ({"vector": [1, "a"]}, "vector="),
        ({"vector": np.ones(32), "answer": "w5", "versus": "w6"}, "Given were vector= and answer="),
        ({"answer": "w5"}, "needs versus="),
        ({"versus": "w5"}, "none of them|answer="),
        ({"answer": "w5", "versus": "w5"}, "same token"),
        ({"answer": "w5 w6", "versus": "w5"}, "must be one token"),
        ({"answer": 500, "versus": "w5"}, "0 to 95"),
        ({"head": (1, 2)}, "head= needs positive="),
        ({"head": (3, 0), "positive": TEXTS[0]}, r"head= is \(layer, head\)"),
        ({"head": (0, 4), "positive": TEXTS[0]}, r"head= is \(layer, head\)"),
        ({"head": 3, "positive": TEXTS[0]}, r"head= is \(layer, head\)"),
        ({"head": "12", "positive": TEXTS[0]}, r"head= is \(layer, head\)"),
        ({"head": (1.0, 2), "positive": TEXTS[0]}, r"head= is \(layer, head\)"),
        ({"head": (1, None), "positive": TEXTS[0]}, r"head= is \(layer, head\)"),
        ({"layer": 4, "vector": np.ones(32)}, "layer= is a number from 0 to 3"),
        ({"layer": -1, "vector": np.ones(32)}, "layer= is a number from 0 to 3"),
        ({"layer": 1.0, "vector": np.ones(32)}, "layer= is a number from 0 to 3"),
        ({"layer": "1", "vector": np.ones(32)}, "layer= is a number from 0 to 3"),
        ({"layer": None, "vector": np.ones(32)}, "layer= is a number from 0 to 3"),
    ],
)
def test_a_sentence_says_what_is_wrong(llama, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        steering.direction(llama, **{"layer": 1, **options})


@pytest.mark.parametrize(
    "fields",
    [
        {"vector": np.ones(4)},
        {"vector": np.zeros(4)},
        {"vector": np.eye(2)},
        {"vector": np.array([np.nan, 1])},
        {"layer": -1},
        {"layer": 1.5},
        {"scale": 0.0},
        {"scale": math.nan},
        {"scale": -2.0},
        {"length": math.inf},
    ],
)
def test_a_direction_that_is_none(fields):
    good = {"name": "x", "layer": 1, "vector": np.array([0.6, 0.8]), "scale": 2.0, "length": 1.0}
    assert steering.Direction(**good, provenance=Provenance(model="m")).d_model == 2
    with pytest.raises(ValueError, match="A Direction"):
        steering.Direction(**{**good, **fields}, provenance=Provenance(model="m"))


def test_a_direction_of_another_model(llama):
    found = some_direction(llama, 3)
    gpt2 = scope_of("gpt2")
    wide = steering.Direction("x", 1, np.eye(1, 33)[0], 1.0, 1.0, Provenance(model="llama"))
    deep = steering.Direction("x", 4, np.eye(1, 32)[0], 1.0, 1.0, Provenance(model="llama"))
    for kind in (steering.AddDirection, steering.ProjectOut):
        with pytest.raises(ValueError, match=r"found in llama and the model at hand is gpt2.*moved_to"):
            steering.Session(gpt2, IDS, [kind(found, 0.5)])
        with pytest.raises(ValueError, match=r"33 numbers and the residual stream of llama 32"):
            steering.Session(llama, IDS, [kind(wide, 0.5)])
        with pytest.raises(ValueError, match=r"layer 4; llama has 0 to 3"):
            steering.Session(llama, IDS, [kind(deep, 0.5)])
    moved = found.moved_to(gpt2)
    assert moved.provenance.model == "gpt2"
    assert steering.Session(gpt2, IDS, [steering.AddDirection(moved, 0.5)]).at().kl > 0
    same(eval(moved.code(), {"steering": steering}), moved)
    with pytest.raises(ValueError, match="33 numbers"):
        wide.moved_to(llama)
    with pytest.raises(ValueError, match="32 and 33 numbers"):
        found.cosine(wide)


def test_a_stream_that_is_zero():
    scope, _, _ = planted()
    with torch.no_grad():
        scope.model.model.embed_tokens.weight.zero_()
    with pytest.raises(ValueError, match="(?i)zero"):
        steering.direction(scope, layer=1, vector=np.ones(32))


def test_what_it_says_of_itself(llama):
    found = steering.direction(llama, layer=2, positive=TEXTS[0], negative=TEXTS[1])
    assert "difference of means of 2 positive and 2 negative prompts, at the last token" in found.provenance.note
    assert found.provenance.prompts == (*TEXTS[0], *TEXTS[1])
    assert "layer 2" in repr(found)
    by_ids = steering.direction(llama, layer=2, positive=[IDS], negative=[OTHER])
    assert by_ids.provenance.prompts == (str(IDS), str(OTHER))
    assert by_ids.recipe == {}
