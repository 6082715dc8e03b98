"""Clamped and scaled latents against plain hooks that do the same in NumPy from the weights of the autoencoder."""

import dataclasses
import math
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from scope_widgets import features, steering
from scope_widgets.experiments import sae_latent
from scope_widgets.models.execution.read_activations import read_activations
from scope_widgets.steering import ClampFeature, ScaleFeature
from tests.support import reference_steering as plain
from tests.support.latent_examples import KINDS, N, changed, codes_and_scale, some_sae
from tests.support.steering_examples import IDS, scope_of
from tests.support.tiny_models import FAMILIES

AT = ["all", "last", (2, 5), (-4, -1), (3, None)]


@pytest.fixture(scope="module")
def llama():
    return scope_of("llama")


def module_of(model, site, layer):
    """The module, and whether its input is meant, of which a site is."""
    blocks = plain.blocks(model)
    if site == "residual":
        return (blocks[layer], True) if layer < len(blocks) else (plain.final_norm(model), True)
    if site == "z":
        return plain.part(model, layer, plain._OUT, "self_attn.o_proj"), True
    name = {"attention_out": {"gpt2": "attn"}.get(plain.family(model), "self_attn"), "mlp_in": "mlp", "mlp_out": "mlp"}
    return blocks[layer].get_submodule(name[site]), site == "mlp_in"


@contextmanager
def hooked(model, sae, what, at, seen=None):
    """Change what a site has at some positions of one prompt of `IDS`."""
    positions = plain.chosen(at, len(IDS), len(IDS))

    def edited(value):
        rows = value.detach().double().numpy().copy()
        if seen is not None:
            seen.append(rows[0].copy())
        for i in positions:
            rows[0, i] = changed(sae, rows[0, i], what)
        return torch.tensor(rows).to(value.dtype)

    def before(_, args, kwargs):
        if args:
            return (edited(args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": edited(kwargs["hidden_states"])}

    def after(_, args, output):
        return (edited(output[0]), *output[1:]) if isinstance(output, tuple) else edited(output)

    module, is_input = module_of(model, sae.site, sae.layer)
    handle = (
        module.register_forward_pre_hook(before, with_kwargs=True) if is_input else module.register_forward_hook(after)
    )
    try:
        yield
    finally:
        handle.remove()


@torch.no_grad()
def logits_of(scope, sae, what, at="all", seen=None):
    with hooked(scope.model, sae, what, at, seen):
        return scope.model(input_ids=torch.tensor([IDS])).logits[0]


def fires_most(scope, sae):
    """The latent that is largest at the last position."""
    seen = []
    logits_of(scope, sae, [], seen=seen)
    return int(codes_and_scale(sae, seen[0][-1])[0].argmax())


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs.float(), atol=2e-5, rtol=1e-4)


def damaged():
    sae = some_sae("relu")
    sae.W_dec[1, 3] = math.nan
    return sae


# -- against plain hooks


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_every_kind_of_autoencoder_at_every_span(family, kind):
    scope = scope_of(family)
    sae = some_sae(kind)
    j = fires_most(scope, sae)
    own = logits_of(scope, sae, [])
    turns = [("clamp", 4.0), ("scale", 0.0), ("clamp", -1.5), ("scale", 2.5), ("clamp", 0.5)]
    for (how, number), at in zip(turns, AT, strict=True):
        expected = logits_of(scope, sae, [(j, how, number)], at)
        one = (ClampFeature if how == "clamp" else ScaleFeature)(sae, j, number, at)
        close(steering.Session(scope, IDS, [one]).at().logits, expected[-1])
        with steering.steer(scope, one), torch.no_grad():
            close(scope.model(input_ids=torch.tensor([IDS])).logits[0], expected)
        assert how == "scale" or (expected - own).abs().max() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["jumprelu", "topk"])
def test_every_family_and_the_first_and_last_stream(family, kind):
    scope = scope_of(family)
    for layer in (0, scope.n_layers):
        sae = some_sae(kind, layer=layer)
        j = fires_most(scope, sae)
        session = steering.Session(scope, IDS, [ClampFeature(sae, j, 3.0, "last"), ScaleFeature(sae, (j + 1) % N, 0.0)])
        expected = logits_of(scope, sae, [(j, "clamp", 3.0)], "last")[-1]
        close(session.at({1: 1.0}).logits, expected)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("site", ["attention_out", "mlp_in", "mlp_out", "z"])
def test_other_sites(family, site):
    scope = scope_of(family)
    for layer, at in ((1, "all"), (scope.n_layers - 1, "last")):
        sae = some_sae("topk", layer=layer, site=site)
        j = fires_most(scope, sae)
        expected = logits_of(scope, sae, [(j, "clamp", 5.0)], at)
        assert (expected[-1] - logits_of(scope, sae, [])[-1]).abs().max() > 1e-3
        close(steering.Session(scope, IDS, [ClampFeature(sae, j, 5.0, at)]).at().logits, expected[-1])
        with steering.steer(scope, ClampFeature(sae, j, 5.0, at)):
            close(scope.model(input_ids=torch.tensor([IDS])).logits[0], expected)


@pytest.mark.parametrize("kind", ["jumprelu", "topk", "topk of normed rows"])
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_transcoders_are_read_before_the_mlp_and_written_behind_it(family, kind):
    scope = scope_of(family)
    if kind == "jumprelu":
        sae = some_sae(kind, layer=2, site="mlp_in", output_site="mlp_out")
    else:
        sae = dataclasses.replace(some_sae(kind, layer=2, site="mlp_in"), subtracts_b_dec=False, output_site="mlp_out")
    j = fires_most(scope, sae)
    mlp = plain.blocks(scope.model)[2].mlp
    clamped, scaled = [(j, 4.0, True), (j + 1, 2.0, True)], [(j, 0.0, False)]
    for what, at in ((clamped, "all"), (scaled, "last")):
        positions, seen = plain.chosen(at, len(IDS), len(IDS)), []

        def before(_, args, seen=seen):
            seen[:] = [args[0].detach().double().numpy()]

        def after(_, args, output, what=what, positions=positions, seen=seen):
            new = output.detach().double().clone()
            for i in positions:
                codes, scale = codes_and_scale(sae, seen[0][0, i])
                for latent, number, held in what:
                    moved = number - codes[latent] if held else (number - 1) * codes[latent]
                    new[0, i] += moved * scale * sae.W_dec[latent].double()
            return new.to(output.dtype)

        handles = mlp.register_forward_pre_hook(before), mlp.register_forward_hook(after)
        with torch.no_grad():
            expected = scope.model(input_ids=torch.tensor([IDS])).logits[0]
        for handle in handles:
            handle.remove()
        kinds = {True: ClampFeature, False: ScaleFeature}
        given = [kinds[held](sae, latent, number, at) for latent, number, held in what]
        session = steering.Session(scope, IDS, given)
        assert session.at().kl > 1e-6
        close(session.at().logits, expected[-1])
        with steering.steer(scope, *given), torch.no_grad():
            close(scope.model(input_ids=torch.tensor([IDS])).logits[0], expected)
    own = sae.encode(read_activations(scope, [IDS], [("mlp_in", 2)])["mlp_in", 2][0]).to_dense()[:, j].max()
    assert steering.Session(scope, IDS, [ClampFeature(sae, j)]).spans[0][1] >= 3 * own


@pytest.mark.parametrize("kind", KINDS)
def test_several_latents_of_one_autoencoder_are_read_before_any_is_changed(llama, kind):
    sae = some_sae(kind)
    j = fires_most(llama, sae)
    what = [(j, "clamp", 4.0), (j + 1, "clamp", 2.0), (j + 2, "scale", 0.0), (j, "scale", 0.5)]
    given = [(ClampFeature if how == "clamp" else ScaleFeature)(sae, at, number) for at, how, number in what]
    close(steering.Session(llama, IDS, given).at().logits, logits_of(llama, sae, what)[-1])


def test_those_of_two_autoencoders_act_in_turn(llama):
    one, other = some_sae("relu"), some_sae("topk", seed=1)
    j = fires_most(llama, one)
    given = [ClampFeature(one, j, 4.0), ScaleFeature(other, j, 0.0), ClampFeature(one, j + 1, 1.0)]
    seen = []
    logits_of(llama, one, [], seen=seen)
    expected = seen[0]
    for sae, what in ((one, [(j, "clamp", 4.0)]), (other, [(j, "scale", 0.0)]), (one, [(j + 1, "clamp", 1.0)])):
        expected = np.stack([changed(sae, row, what) for row in expected])
    with steering.steer(llama, *given):
        close(llama.trace(IDS).residual(1), torch.tensor(expected))


# -- the model as it is


@pytest.mark.parametrize("kind", KINDS)
def test_neutral_strengths_are_the_model_bit_for_bit(llama, kind):
    sae = some_sae(kind)
    j = fires_most(llama, sae)
    given = [ClampFeature(sae, j, math.nan), ScaleFeature(sae, j, 1.0)]
    own = steering.Session(llama, IDS, given)
    assert own.at().kl == 0
    with steering.steer(llama, *given), torch.no_grad():
        inside = llama.model(input_ids=torch.tensor([IDS])).logits
    assert torch.equal(inside, llama.model(input_ids=torch.tensor([IDS])).logits)
    # beside a row in which something is changed it is run: the splice with what it lacks
    for row in own.grid([[math.nan, 1.0], [3.0, 1.0]])[:1]:
        torch.testing.assert_close(row.logits, own.at().unsteered.logits, atol=1e-6, rtol=1e-6)
    value = torch.randn(2, 5, 32)
    everywhere = torch.ones(2, 5, dtype=torch.bool)
    for one in given:
        assert torch.equal(one.change(value, torch.full((2,), one.strength), everywhere, everywhere.long()), value)


def test_a_clamp_to_what_it_is_changes_nothing_and_half_precision_stays_half(llama):
    sae = some_sae("jumprelu")
    value = torch.randn(1, 4, 32)
    where = torch.tensor([[True, True, False, True]])
    j = int(sae.encode(value[0]).to_dense()[0].argmax())
    own = float(sae.latent(j).activations(value[0])[0])
    one = ClampFeature(sae, j, own, (0, 1))
    found = one.change(value, torch.tensor([own]), where & (torch.arange(4) == 0), where.long())
    torch.testing.assert_close(found, value)
    half = ScaleFeature(sae, j).change(value.bfloat16(), torch.zeros(1), where, where.long())
    assert half.dtype == torch.bfloat16
    assert torch.equal(half[0, 2], value[0, 2].bfloat16())


def test_positions_that_are_left_alone_keep_what_is_not_finite():
    sae = some_sae("relu")
    value = torch.full((1, 2, 32), math.inf)
    value[0, 1] = 1.0
    where = torch.tensor([[False, True]])
    found = ClampFeature(sae, 0, 2.0).change(value, torch.tensor([2.0]), where, where.long())
    assert torch.equal(found[0, 0], value[0, 0])
    assert found[0, 1].isfinite().all()


# -- what is read of an autoencoder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_activations_are_those_of_encode(kind, dtype, monkeypatch):
    monkeypatch.setattr(sae_latent, "_AT_ONCE", 7 * N)
    sae = some_sae(kind)
    x = torch.randn(40, 32).to(dtype)
    found = torch.stack(sae_latent.activations([sae.latent(j) for j in range(N)], x), 1)
    expected = sae.encode(x).to_dense()
    assert torch.equal(found > 0, expected > 0)
    torch.testing.assert_close(found, expected)
    assert (found > 0).any(0).sum() > N / 2
    few = sae.latent(3)
    assert (few.encoders is None) == (sae.k is None)  # only ranking needs the others


def test_equal_latents_of_topk_are_ranked_as_encode_ranks_them():
    sae = some_sae("topk")
    twins = dataclasses.replace(sae, W_enc=sae.W_enc[:, :1].repeat(1, N), b_enc=torch.full((N,), 2.0), k=3)
    x = torch.randn(20, 32)
    found = torch.stack(sae_latent.activations([twins.latent(j) for j in range(N)], x), 1)
    assert torch.equal(found > 0, twins.encode(x).to_dense() > 0)


def test_a_digest_is_of_what_an_autoencoder_computes():
    sae = some_sae("topk")
    same = dataclasses.replace(sae, metadata={"a": 1}, W_dec=sae.W_dec.clone())
    others = [dataclasses.replace(sae, **one) for one in ({"layer": 2}, {"k": 5}, {"W_dec": sae.W_dec * 2})]
    found = [one.latent(0).sae for one in (sae, same, *others)]
    assert found[0] == found[1]
    assert len(set(found)) == 4
    sae.W_enc[0, 0] += 1
    assert sae.latent(0).sae != found[0]


# -- sliders, names, code


def test_ranges_are_of_the_prompt_and_of_the_stream_where_it_does_not_fire(llama):
    sae = some_sae("jumprelu")
    x = llama.trace(IDS).residual(1)
    codes = sae.encode(x).to_dense().amax(0)
    fires, silent = int(codes.argmax()), int(codes.argmin())
    sae.b_enc[silent] = -100.0
    given = [ClampFeature(sae, fires), ClampFeature(sae, silent), ScaleFeature(sae, fires)]
    spans = steering.Session(llama, IDS, given).spans
    assert 3 * codes[fires] <= spans[0][1] <= 7.5 * codes[fires]
    length = x.norm(dim=1).median() / sae.W_dec[silent].norm()
    assert length <= spans[1][1] <= 2.5 * length
    assert [low for low, _ in spans] == [0, 0, 0]
    assert spans[2] == (0, 3)


def test_an_index_knows_labels_ranges_and_what_is_dead(demo):
    index = features.FeatureIndex.load("demo")
    table = index.table
    labelled = int(table.feature[table.label.str.len() > 0].iloc[0])
    dead = int(table.feature[table.dead].iloc[0])
    given = [ClampFeature(index, labelled, 1.0), ClampFeature(index, dead, 1.0), ClampFeature(index.sae, labelled, 1.0)]
    assert given[0].name == f"latent 3.{labelled} ({table.label[labelled]})"
    assert given[1].name == f"latent 3.{dead} (dead)"
    session = steering.Session(demo, "the horse", given)
    assert session.spans[0][1] >= table["max"][labelled]
    assert session.at([math.nan, 5.0, math.nan]).kl > 0
    alone = [steering.Session(demo, "the horse", [one]).at().logits for one in (given[0], given[2])]
    assert torch.equal(*alone)
    again = eval(given[0].code(), {"steering": steering, "sae": index.sae})
    assert again.name == given[0].name
    index.sae = None
    with pytest.raises(ValueError, match="no SAE at hand"):
        ClampFeature(index, 3)


def test_a_session_of_other_latents_is_measured_anew_and_runs_less(llama):
    sae = some_sae("topk")
    session = steering.Session(llama, IDS, [ClampFeature(sae, 1, 2.0)])
    moved = session.submit_changed([session.interventions[0].with_strength(3.0)]).result()
    assert moved.spans == session.spans
    other = session.submit_changed([ClampFeature(sae, 2, 2.0)]).result()
    assert other.spans == steering.Session(llama, IDS, [ClampFeature(sae, 2, 2.0)]).spans
    assert torch.equal(other.at().logits, steering.Session(llama, IDS, [ClampFeature(sae, 2, 2.0)]).at().logits)


def test_a_sweep_and_continuations(llama):
    sae = some_sae("topk")
    session = steering.Session(llama, IDS, [ClampFeature(sae, 1, 2.0), ScaleFeature(sae, 3, 2.0)], answer=5, versus=6)
    found = steering.sweep(session, "latent 1.1")
    assert len(found.strengths) == 11
    assert np.isfinite(found.kl).all()
    texts = list(session.continuations([session.neutral, [9.0, 0.0]], max_new_tokens=4))[-1]
    with steering.steer(llama, ClampFeature(sae, 1, 9.0), ScaleFeature(sae, 3, 0.0)), torch.no_grad():
        ids = list(IDS)
        for _ in range(4):
            ids.append(int(llama.model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    assert texts[1] == llama.tokenizer.decode(ids[len(IDS) :], skip_special_tokens=True)


def test_code_makes_it_again(llama):
    sae = some_sae("gated")
    for one in (ClampFeature(sae, 7, math.nan, (1, None), "a 'name'"), ScaleFeature(sae, 3, 0.5, "last")):
        again = eval(one.code(), {"steering": steering, "sae": sae})
        assert (again.code(), again.name, again.layer) == (one.code(), one.name, one.layer)
    assert ClampFeature(sae, 7).name == "latent 1.7"
    assert ScaleFeature(sae, 7, label="dogs").name == "scale latent 1.7 (dogs)"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda scope: ClampFeature(some_sae("relu"), N), "0 to 23; got 24"),
        (lambda scope: ClampFeature(some_sae("relu"), -1), "0 to 23; got -1"),
        (lambda scope: ScaleFeature(some_sae("relu"), True), "0 to 23"),
        (lambda scope: ScaleFeature(some_sae("relu"), 1.5), "0 to 23"),
        (lambda scope: ClampFeature(torch.ones(3), 1), "Expected a sparse autoencoder"),
        (lambda scope: ClampFeature(some_sae("relu"), 1, math.inf), "finite number; latent 1.1 got inf"),
        (lambda scope: ScaleFeature(some_sae("relu"), 1, math.nan), "finite number"),
        (lambda scope: ScaleFeature(some_sae("relu"), 1, 0.0, "first"), "positions="),
        (lambda scope: ClampFeature(some_sae("relu"), 1, label=3), "label= is a text"),
        (lambda scope: ClampFeature(some_sae("relu", layer=None), 1), "of which layer"),
        (lambda scope: ClampFeature(damaged(), 1), "not finite"),
        (
            lambda scope: steering.Session(
                scope, IDS, [ClampFeature(some_sae("jumprelu", site="mlp_out", output_site="mlp_in"), 1)]
            ),
            "which a forward reaches first",
        ),
        (lambda scope: ClampFeature(ClampFeature(some_sae("relu"), 1).sae, 2), "latent 1 alone"),
        (lambda scope: steering.Session(scope, IDS, [ClampFeature(some_sae("relu", d=16), 1)]), "of another site"),
        (lambda scope: steering.Session(scope, IDS, [ClampFeature(some_sae("relu", layer=9), 1)]), "has 0 to 3"),
        (lambda scope: steering.Session(scope, IDS, [ClampFeature(some_sae("relu", model="a/b"), 1)]), "is of 'a/b'"),
        (lambda scope: steering.Session(scope, IDS, [ClampFeature(some_sae("relu", site="q"), 1)]), "'q'"),
    ],
)
def test_a_sentence_says_what_is_wrong(llama, make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make(llama)


def test_the_same_model_under_another_name_is_taken(llama):
    sae = some_sae("relu", model="someone/Llama")
    assert steering.Session(llama, IDS, [ClampFeature(sae, 1, 1.0)]).at().kl > 0


# -- directions


def test_a_direction_is_the_decoder_row(llama):
    sae = some_sae("jumprelu", model="llama")
    found = sae.direction(5)
    np.testing.assert_allclose(found.vector * found.scale, sae.W_dec[5].numpy(), rtol=1e-5)
    assert (found.layer, found.name, found.length) == (1, "latent 1.5", 1.0)
    assert sae.latent(5).sae in found.provenance.note
    added = steering.Session(llama, IDS, [steering.AddDirection(found, 2.0, "last")]).at().logits
    x = llama.trace(IDS).residual(1)
    own = float(sae.encode(x).to_dense()[-1, 5])
    clamped = steering.Session(llama, IDS, [ClampFeature(sae, 5, own + 2.0, "last")]).at().logits
    close(added, clamped)


def test_what_is_written_into_the_stream_enters_the_next_block():
    assert [some_sae("relu", site=one).direction(0).layer for one in ("residual", "attention_out", "mlp_out")] == [
        1,
        2,
        2,
    ]
    transcoder = some_sae("jumprelu", site="mlp_in", output_site="mlp_out")
    assert transcoder.direction(0).layer == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: some_sae("relu").direction(N), "got 24"),
        (lambda: some_sae("relu", layer=None).direction(0), "of which layer"),
        (lambda: some_sae("relu", site="z").direction(0), "'z'"),
        (lambda: dataclasses.replace(some_sae("relu"), W_dec=torch.zeros(N, 32)).direction(1), "writes nothing"),
    ],
)
def test_a_latent_without_a_direction_says_so(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_direction_of_an_autoencoder_that_does_not_say_its_model_is_taken(llama):
    found = some_sae("relu").direction(5)
    assert steering.Session(llama, IDS, [steering.AddDirection(found, 1.0)]).at().kl > 0
    with pytest.raises(ValueError, match=r"was found in other"):
        some_sae("relu", model="other").direction(5).check(llama)


def test_loaded_autoencoders_are_named_by_what_they_are():
    sae = features.load("demo")
    assert repr(sae.latent(3)) == f"Latent(3 of 512, residual of layer 3 of demo, SAE {sae.latent(3).sae})"
