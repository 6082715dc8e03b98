"""Training of transcoders finds planted codes, and nothing where there is nothing; files are read by the library."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, features
from scope_widgets.features.sae.gates import without_gate
from scope_widgets.features.sae.measures import explained_variance
from scope_widgets.features.training import run as run_module
from scope_widgets.features.training.settings import Settings
from scope_widgets.features.training.steps import sparse_step
from scope_widgets.features.training.steps.gated_step import GatedStep
from scope_widgets.features.training.steps.objective import Weights, strongest_of_all, strongest_of_each
from scope_widgets.features.training.steps.sparse_step import SparseStep
from scripts import demo_language as language
from tests.support.box_around_thresholds import Jump
from tests.support.planted_features import mean_max_cosine

ARCHITECTURES = ("batch_topk", "topk", "matryoshka", "jumprelu", "gated")


def planted(n_rows, d=24, d_out=20, n=32, k=2, seed=0):
    """Return sums of `k` of `n` directions, the same sums of others, and both sets of directions."""
    generator = torch.Generator().manual_seed(1000 + seed)  # not that of the first weights
    into, out_of = (
        torch.nn.functional.normalize(torch.randn(n, width, generator=generator), dim=1) for width in (d, d_out)
    )
    at = torch.rand(n_rows, n, generator=generator).topk(k, dim=1).indices
    values = torch.rand(n_rows, k, generator=generator) + 0.5
    codes = torch.zeros(n_rows, n).scatter_(1, at, values)
    return 3 * codes @ into + 0.7, 7 * codes @ out_of - 2, into, out_of


def train(rows, target, **options):
    options = {"d_sae": 32, "k": 2, "batch": 256, "steps": 800, **options}
    return features.train(rows, target=target, progress=False, **options)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_planted_codes_are_found(architecture):
    x, y, into, out_of = planted(20_000)
    sae = train(x[:18_000], y[:18_000], architecture=architecture)
    codes = sae.encode(x[18_000:])
    # the first latents of "matryoshka" stand for more than one direction, as they reconstruct alone too
    nested = architecture == "matryoshka"
    assert mean_max_cosine(sae.W_dec, out_of) > (0.85 if nested else 0.9)
    assert explained_variance(y[18_000:], sae.decode(codes)) > (0.75 if nested else 0.85)
    assert sae.history["validation_explained"][-1] > (0.75 if nested else 0.85)
    assert 1.2 < codes.l0 < 3
    torch.testing.assert_close(sae.W_dec.norm(dim=1), torch.ones(32), atol=1e-6, rtol=0)
    assert (sae.is_transcoder, sae.subtracts_b_dec, sae.d_in, sae.W_dec.shape[1]) == (True, False, 24, 20)
    # of each feature the latent that writes its direction fires where the feature does: the encoder is found too
    latents = (out_of @ sae.W_dec.T).argmax(1)
    dense = sae.encode(3 * into + 0.7).to_dense()  # each feature alone
    assert (dense.argmax(1) == latents).float().mean() > (0.6 if nested else 0.8)


def test_of_what_the_input_says_nothing_of_nothing_is_explained():
    x, y, _, _ = planted(20_000)
    shuffled = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(5))]
    for skip in (False, True):
        sae = train(x, shuffled, steps=300, skip=skip)
        assert -0.2 < sae.history["validation_explained"][-1] < 0.02


def test_a_linear_path_takes_what_is_linear():
    generator = torch.Generator().manual_seed(3)
    x, y, _, _ = planted(20_000, n=64)
    path = torch.randn(20, 24, generator=generator)
    x = x + torch.randn(x.shape, generator=generator)
    more = y + 5 * x @ path.T
    plain, with_path = (train(x, more, d_sae=64, steps=400, skip=skip) for skip in (False, True))
    assert plain.W_skip is None
    assert with_path.history["validation_explained"][-1] > plain.history["validation_explained"][-1] + 0.1
    cosine = torch.nn.functional.cosine_similarity(with_path.W_skip.flatten(), 5 * path.flatten(), dim=0)
    assert cosine > 0.9


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("d_out", [8, 11])  # compiled, and in torch
def test_gradients_are_those_of_autograd(architecture, skip, d_out, monkeypatch):
    monkeypatch.setattr(sparse_step, "_BANDWIDTH", 0.5)
    torch.manual_seed(0)
    n, d, n_rows, k = 40, 8, 16, 3
    settings = Settings(n, k, architecture, 10, n_rows, 0, 0.1, skip)
    kind = GatedStep if architecture == "gated" else SparseStep
    step = kind(settings, 100, torch.device("cpu"))
    step.life.steps = 9  # thresholds are the latents' own by now
    for one in step.own:
        one.copy_(torch.rand(n) - (0.2 if architecture == "gated" else 0))
    shapes = (n, d), (n, d_out), (n,), (d_out,), (d_out, d)
    given = [torch.randn(*shape, requires_grad=True) for shape in shapes]
    weights = Weights(*given[:4], skip=given[4] if skip else None, transcodes=True)
    x, y = torch.randn(n_rows, d), torch.randn(n_rows, d_out)
    thresholds = [one.clone().requires_grad_() for one in step.own]
    with torch.no_grad():
        found, measures = step.gradients(weights, x, y)
    p = x @ weights.encoder.T + weights.b_enc
    base = weights.b_dec + (x @ weights.skip.T if skip else 0)

    def error(acts, decoder=weights.decoder, base=base):
        return (acts @ decoder + base - y).square().sum(1).mean()

    if architecture == "gated":
        plain, gate = p - weights.b_enc, p - weights.b_enc + thresholds[0]
        acts = (plain * thresholds[1].exp() + weights.b_enc).relu() * (gate > 0)
        alone = error(gate.relu(), weights.decoder.detach(), base.detach())
        loss = error(acts) + alone + 0.1 * gate.relu().sum(1).mean()
    elif architecture == "jumprelu":
        acts, fires = (Jump.apply(p, thresholds[0], 0.5 * d_out**0.5, linear) for linear in (True, False))
        loss = error(acts) + d_out * (fires.sum(1).mean() / k - 1) ** 2
    else:
        chosen = torch.zeros_like(p)
        fired = strongest_of_each(weights, x, k) if architecture == "topk" else strongest_of_all(p.detach(), k, 0)
        chosen[fired.rows, fired.latents] = 1
        acts = p.relu() * chosen
        ends = [max(1, round(share * n)) for share in sparse_step.PREFIXES] if architecture == "matryoshka" else [n]
        loss = sum(error(acts[:, :end], weights.decoder[:end]) for end in ends) / len(ends)
    expected = torch.autograd.grad(loss, [*weights.all(), *thresholds])
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert measures["loss"] == pytest.approx(float(error(acts).detach()), rel=1e-4)


def test_dead_latents_learn_from_what_is_left_of_the_target():
    torch.manual_seed(0)
    n, d, d_out, n_rows, k = 40, 8, 6, 16, 3
    settings = Settings(n, k, "topk", 10, n_rows, 0, 0.1)
    weights = Weights(*(torch.randn(*shape, requires_grad=True) for shape in ((n, d), (n, d_out), (n,), (d_out,))),
                      transcodes=True)  # fmt: skip
    x, y = torch.randn(n_rows, d), torch.randn(n_rows, d_out)
    without, dead = (SparseStep(settings, 100, x.device) for _ in range(2))
    dead.life.idle[:20] = 101
    with torch.no_grad():
        added = [b - a for a, b in zip(without.gradients(weights, x, y)[0], dead.gradients(weights, x, y)[0],
                                       strict=True)]  # fmt: skip
    p = x @ weights.encoder.T + weights.b_enc
    chosen = torch.zeros_like(p).scatter_(1, p.topk(k, dim=1).indices, 1.0)
    left = (y - (p.relu() * chosen) @ weights.decoder - weights.b_dec).detach()
    nearest = torch.zeros_like(p[:, :20]).scatter_(1, p[:, :20].topk(d_out // 2, dim=1).indices, 1.0)
    loss = ((p[:, :20].relu() * nearest) @ weights.decoder[:20] - left).square().sum(1).mean() / 32
    for one, other in zip(added[:3], torch.autograd.grad(loss, weights.all()[:3]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_dead_latents_begin_anew_at_rows_and_what_is_left_of_their_targets():
    torch.manual_seed(0)
    n, d, d_out, n_rows = 12, 7, 5, 16
    step = SparseStep(Settings(n, 3, "topk", 100, n_rows, 0, 0.1), 100, torch.device("cpu"))
    weights = Weights(torch.randn(n, d), torch.randn(n, d_out), torch.ones(n), torch.zeros(d_out), transcodes=True)
    optimiser = torch.optim.Adam(weights.all(), lr=0.1)
    x, y = torch.randn(n_rows, d) + 5, torch.randn(n_rows, d_out)
    for one, gradient in zip(weights.all(), step.gradients(weights, x, y)[0], strict=True):
        one.grad = gradient
    optimiser.step()
    step.life.idle[:] = 0
    step.life.idle[2:4] = 101
    left, centred = (torch.nn.functional.normalize(one, dim=1) for one in (step.life._residual, x - x.mean(0)))
    step.life.begin_anew(weights, step.own, optimiser)
    for at in (2, 3):
        row = int((left @ weights.decoder[at]).argmax())
        torch.testing.assert_close(weights.decoder[at], left[row])
        assert torch.nn.functional.cosine_similarity(weights.encoder[at], centred[row], dim=0) > 1 - 1e-6
        torch.testing.assert_close(weights.encoder[at] @ x.mean(0) + weights.b_enc[at], torch.tensor(0.0), atol=1e-5,
                                   rtol=0)  # fmt: skip


@pytest.mark.parametrize("architecture", ["batch_topk", "gated"])
def test_a_stopped_run_goes_on_to_the_same_weights(architecture, tmp_path, monkeypatch):
    x, y, _, _ = planted(4000)
    options = {"steps": 200, "architecture": architecture, "skip": True}
    whole = train(x, y, **options)
    inner, seen = run_module.TrainingRun.step, []

    def step(run, *given):
        if len(seen) == 130:
            raise KeyboardInterrupt
        seen.append(1)
        return inner(run, *given)

    monkeypatch.setattr(run_module.TrainingRun, "step", step)
    with pytest.raises(KeyboardInterrupt, match="130 of 200 steps"):
        train(x, y, folder=tmp_path, **options)
    monkeypatch.setattr(run_module.TrainingRun, "step", inner)
    others = y.clone()
    others[-1, -1] += 1
    for targets, more in ((others, {}), (y, {"skip": False})):
        with pytest.raises(ValueError, match="another run, of other"):
            train(x, targets, folder=tmp_path, **{**options, **more})
    again = train(x, y, folder=tmp_path, **options)
    assert again.history == whole.history
    loaded = features.load(tmp_path)
    for name in ("W_enc", "W_dec", "b_enc", "b_dec", "W_skip", "threshold"):
        assert torch.equal(getattr(again, name), getattr(whole, name))
        assert torch.equal(getattr(loaded, name), getattr(whole, name))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_was_trained_is_saved_and_read(architecture, tmp_path):
    x, y, _, _ = planted(2000)
    sae = train(x, y, steps=30, architecture=architecture, skip=architecture != "jumprelu", folder=tmp_path)
    again = features.load(tmp_path)
    assert (again.site, again.output_site, again.layer) == ("mlp_in", "mlp_out", None)
    assert torch.equal(again(x[:50]), sae(x[:50]))
    weights = "sae" if architecture == "topk" else "sae_weights"
    assert (tmp_path / f"{weights}.safetensors").is_file()
    assert torch.equal(train(x, y, steps=30, architecture=architecture, skip=architecture != "jumprelu",
                             folder=tmp_path)(x[:50]), sae(x[:50]))  # fmt: skip


def test_a_gate_is_a_threshold():
    torch.manual_seed(0)
    d, n = 6, 30
    sae = features.SAE(torch.randn(d, n), torch.randn(n, d), torch.randn(n), torch.randn(d), activation="gated",
                       gate=torch.randn(2, n))  # fmt: skip
    other, x = without_gate(sae), torch.randn(200, d)
    assert other.activation == "jumprelu"
    found, expected = (one.encode(x).to_dense() for one in (other, sae))
    assert 0.1 < (expected > 0).float().mean() < 0.9
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert without_gate(other) is other


@pytest.fixture(scope="module")
def scope():
    return Microscope.load("demo")


@pytest.fixture(scope="module")
def texts():
    rng = random.Random(3)
    return [language.render(language.paragraph(rng)) for _ in range(160)]


@pytest.fixture(scope="module")
def rec(scope, texts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rec")
    return features.record(scope, texts, layers=[1, 2], site="mlp_in", target="mlp_out", folder=folder, progress=False)


def test_of_a_recording_the_mlp_is_learned_and_measured(scope, texts, rec, tmp_path):
    sae = train(rec, "mlp_out", layer=2, d_sae=128, k=12, steps=300, folder=tmp_path)
    assert (sae.site, sae.output_site, sae.layer, sae.model) == ("mlp_in", "mlp_out", 2, "demo")
    validates = np.flatnonzero(rec.table["split"] == "validation")
    x, y = (rec.rows(2, site)[validates].float() for site in ("mlp_in", "mlp_out"))
    assert sae.history["validation_explained"][-1] == pytest.approx(explained_variance(y, sae(x)), abs=1e-6)
    assert sae.history["validation_explained"][-1] > 0.7
    scores = features.evaluate(scope, features.load(tmp_path), texts[:20], progress=False)
    assert scores.variance_explained > 0.7
    assert abs(scores.nats_lost) < 0.1 * (scores.ce_mean - scores.ce)
    assert scores.error_added_back < 1e-4
    sae_of_input = features.train(rec, layer=2, d_sae=64, k=4, steps=3, progress=False)
    assert (sae_of_input.site, sae_of_input.is_transcoder) == ("mlp_in", False)


def test_two_recordings_of_the_same_texts_are_a_pair_too(scope, texts, rec, tmp_path):
    folders = {site: tmp_path / site for site in ("mlp_in", "mlp_out")}
    one, other = (features.record(scope, texts, layers=[1, 2], site=site, folder=folder, progress=False)
                  for site, folder in folders.items())  # fmt: skip
    options = {"layer": 1, "steps": 20, "folder": tmp_path / "sae"}
    pair = train(one, other, **options)
    together = train(rec, "mlp_out", layer=1, steps=20)
    assert torch.equal(pair.W_dec, together.W_dec)
    assert (pair.site, pair.output_site) == ("mlp_in", "mlp_out")
    few = features.record(scope, texts[1:], layers=[1, 2], site="mlp_out", folder=tmp_path / "few", progress=False)
    with pytest.raises(ValueError, match="other texts or tokens"):
        train(one, few, **options)
    with pytest.raises(ValueError, match="both of 'mlp_in'"):
        train(one, one, **options)
    other = features.Recording(one.folder, replace(other.manifest, revision="another"))
    with pytest.raises(ValueError, match="are of one model"):
        train(one, other, **options)
    with pytest.raises(ValueError, match="target='mlp_out' is not what this recording has"):
        train(one, "mlp_out", **options)
    with pytest.raises(TypeError, match="the name of its target, or a recording"):
        train(one, torch.zeros(len(one), 3), **options)


def test_what_is_no_target_is_said():
    x, y, _, _ = planted(300)
    for target, error, said in (
        (y[:-1], ValueError, "299 for 300"),
        (y[:, 0], ValueError, r"targets of rows are numbers \[row, d\]"),
        ("mlp_out", TypeError, "in an array is an array too"),
        (object(), TypeError, "got a object"),
        (torch.full_like(y, torch.nan), ValueError, "not finite"),
        (torch.zeros_like(y), ValueError, "all 0"),
    ):
        with pytest.raises(error, match=said):
            train(x, target, steps=2)
    with pytest.raises(ValueError, match="skip=True is of a transcoder"):
        train(x, None, steps=2, skip=True)
    assert train(x.numpy(), y.double().numpy(), steps=2).W_dec.shape == (32, 20)
