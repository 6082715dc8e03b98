"""Training finds planted features, goes on where it was stopped, and its gradients are those of autograd."""

import math

import pytest
import torch

from scope_widgets import Microscope, features
from scope_widgets._kernels import _compiled
from scope_widgets.features.sae import ranked_encoder as ranking
from scope_widgets.features.sae.measures import explained_variance
from scope_widgets.features.training import run as run_module
from scope_widgets.features.training.checkpoint import Checkpoint
from scope_widgets.features.training.first_weights import geometric_median
from scope_widgets.features.training.settings import Settings
from scope_widgets.features.training.steps import sparse_step
from scope_widgets.features.training.steps.objective import (
    Weights,
    decode,
    strongest_of_all,
    strongest_of_all_ranked,
    strongest_of_each,
    write_gradients,
    write_nested_gradients,
)
from scope_widgets.features.training.steps.sparse_step import SparseStep
from scope_widgets.features.training.training_rows import TrainingRows, as_one
from tests.support.box_around_thresholds import Jump
from tests.support.planted_features import matched_cosine, mean_max_cosine

ARCHITECTURES = ("batch_topk", "topk", "matryoshka", "jumprelu", "gated")


def planted(n_rows, d=24, n=32, k=2, seed=0):
    """Return rows that are sums of `k` of `n` directions, and the directions."""
    generator = torch.Generator().manual_seed(1000 + seed)  # not that of the first weights
    directions = torch.nn.functional.normalize(torch.randn(n, d, generator=generator), dim=1)
    at = torch.rand(n_rows, n, generator=generator).topk(k, dim=1).indices
    values = torch.rand(n_rows, k, generator=generator) + 0.5
    return 3 * torch.zeros(n_rows, n).scatter_(1, at, values) @ directions + 0.7, directions


def train(rows, **options):
    return features.train(rows, progress=False, **{"d_sae": 32, "k": 2, "batch": 256, "steps": 1200, **options})


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_planted_directions_are_found(architecture):
    rows, directions = planted(20_000)
    sae = train(rows, architecture=architecture, d_sae=48)  # half as many latents again as there are directions
    others = rows[-2000:]
    codes = sae.encode(others)
    # the first latents of "matryoshka" stand for more than one direction, as they reconstruct alone too
    assert mean_max_cosine(sae.W_dec, directions) > (0.9 if architecture == "matryoshka" else 0.95)
    assert 1.2 < codes.l0 < 3
    assert explained_variance(others, sae.decode(codes)) > 0.75
    torch.testing.assert_close(sae.W_dec.norm(dim=1), torch.ones(48), atol=1e-6, rtol=0)
    assert sae.history["validation_explained"][-1] > 0.75
    assert matched_cosine(sae.W_dec, directions) > (0.9 if architecture == "matryoshka" else 0.95)


def test_in_noise_nothing_is_found():
    generator = torch.Generator().manual_seed(0)
    sae = train(torch.randn(8000, 24, generator=generator), steps=600)
    _, directions = planted(1)
    by_chance = mean_max_cosine(torch.randn(32, 24, generator=generator), directions)
    assert mean_max_cosine(sae.W_dec, directions) < by_chance + 0.1
    assert sae.history["validation_explained"][-1] < 0.35


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])  # in torch, and compiled
def test_gradients_are_those_of_autograd(dtype):
    torch.manual_seed(0)
    n, d, n_rows, k = 40, 8, 16, 3
    weights = Weights(*(torch.randn(*s, dtype=dtype, requires_grad=True) for s in ((n, d), (n, d), (n,), (d,))))
    x = torch.randn(n_rows, d, dtype=dtype)
    p = (x - weights.b_dec) @ weights.encoder.T + weights.b_enc
    for fired in (strongest_of_all(p.detach(), k, 0.5), strongest_of_each(weights, x - weights.b_dec, k)):
        chosen = torch.zeros_like(p)
        chosen[fired.rows, fired.latents] = 1
        loss = ((p.relu() * chosen) @ weights.decoder + weights.b_dec - x).square().sum(1).mean()
        expected = torch.autograd.grad(loss, weights.all(), retain_graph=True)
        found = [torch.full_like(one, torch.nan) for one in weights.all()]
        with torch.no_grad():
            error = (decode(fired, weights.decoder, weights.b_dec, n_rows) - x) * 2 / n_rows
            write_gradients(weights, found, fired, x - weights.b_dec, error)
        tolerance = {} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 1e-4}
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, **tolerance)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_nested_gradients_are_those_of_autograd(dtype):
    torch.manual_seed(0)
    n, d, n_rows, ends = 40, 8, 16, [1, 5, 20, 40]
    weights = Weights(*(torch.randn(*s, dtype=dtype, requires_grad=True) for s in ((n, d), (n, d), (n,), (d,))))
    x = torch.randn(n_rows, d, dtype=dtype)
    p = (x - weights.b_dec) @ weights.encoder.T + weights.b_enc
    fired = strongest_of_all(p.detach(), 3, 0.5)
    chosen = torch.zeros_like(p)
    chosen[fired.rows, fired.latents] = 1
    acts = p.relu() * chosen
    errors = [acts[:, :end] @ weights.decoder[:end] + weights.b_dec - x for end in ends]
    loss = sum(one.square().sum(1).mean() for one in errors) / len(ends)
    expected = torch.autograd.grad(loss, weights.all())
    found = [torch.full_like(one, torch.nan) for one in weights.all()]
    with torch.no_grad():
        residual = write_nested_gradients(weights, found, fired, x - weights.b_dec, x, ends)
    tolerance = {} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(residual, errors[-1].detach(), **tolerance)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, **tolerance)


def test_gradients_of_thresholds_are_those_of_a_box_around_them(monkeypatch):
    monkeypatch.setattr(sparse_step, "_BANDWIDTH", 0.5)
    torch.manual_seed(0)
    n, d, n_rows, k = 40, 8, 16, 3
    settings = Settings(d_sae=n, k=k, architecture="jumprelu", steps=10, batch=n_rows, seed=0, learning_rate=0.1)
    step = SparseStep(settings, 100, torch.device("cpu"))
    step.life.steps = 9  # thresholds are the latents' own by now
    step.own[0].copy_(torch.rand(n) + 0.5)
    weights = Weights(*(torch.randn(*shape, requires_grad=True) for shape in ((n, d), (n, d), (n,), (d,))))
    x = torch.randn(n_rows, d)
    with torch.no_grad():
        found, _ = step.gradients(weights, x, x)
    threshold, width = step.own[0].clone().requires_grad_(), 0.5 * d**0.5
    p = (x - weights.b_dec) @ weights.encoder.T + weights.b_enc
    acts, fires = (Jump.apply(p, threshold, width, linear) for linear in (True, False))
    error = (acts @ weights.decoder + weights.b_dec - x).square().sum(1).mean()
    loss = error + d * (fires.sum(1).mean() / k - 1) ** 2
    for one, other in zip(found, torch.autograd.grad(loss, [*weights.all(), threshold]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("guess", [0.0, 0.3, 5.0])
def test_the_strongest_of_a_batch_are_those_of_a_sort(guess):
    p = torch.randn(30, 50, generator=torch.Generator().manual_seed(0))
    fired = strongest_of_all(p, 4, guess)
    expected = p.flatten().topk(120).values.sort().values
    torch.testing.assert_close(fired.values.sort().values, expected)
    assert torch.equal(p[fired.rows, fired.latents], fired.values)
    assert (fired.rows.diff() >= 0).all()


@pytest.mark.skipif(not hasattr(_compiled.autoencoder, "above_scored"), reason="it is not built")
def test_the_strongest_of_a_batch_are_the_same_where_they_are_ranked(monkeypatch):
    monkeypatch.setattr(ranking, "_WORTH", 0)
    monkeypatch.setattr(ranking, "bfloat16_is_fast", lambda: True)
    torch.manual_seed(0)
    n, d, n_rows, k = 300, 24, 64, 6
    weights = Weights(torch.randn(n, d), torch.randn(n, d), torch.randn(n), torch.zeros(d))
    x = torch.randn(n_rows, d)
    expected = strongest_of_all(torch.addmm(weights.b_enc, x, weights.encoder.T), k, 0)
    least = float(expected.values.min())
    for guess in (0.01, 0.9 * least):
        found = strongest_of_all_ranked(weights, x, k, guess)
        if found is not None:
            assert torch.equal(found.rows, expected.rows)
            assert torch.equal(found.latents, expected.latents)
            torch.testing.assert_close(found.values, expected.values)
    assert strongest_of_all_ranked(weights, x, k, 0.9 * least) is not None
    for guess in (0.0, 1.1 * least, torch.inf):
        assert strongest_of_all_ranked(weights, x, k, guess) is None
    assert (
        strongest_of_all_ranked(weights, x[:1].expand(n_rows, d) * 9, k, 0.01) is None
    )  # more in a row than there is room for


@pytest.mark.parametrize("architecture", ["batch_topk", "matryoshka", "jumprelu"])
def test_training_that_ranks_goes_on_to_the_same_weights(architecture, tmp_path, monkeypatch):
    rows, _ = planted(2000)
    options = {"architecture": architecture, "steps": 90}
    plain = train(rows, **options)
    monkeypatch.setattr(ranking, "_WORTH", 0)
    monkeypatch.setattr(ranking, "bfloat16_is_fast", lambda: True)
    dense, inner = [], sparse_step.strongest_of_all
    monkeypatch.setattr(sparse_step, "strongest_of_all", lambda *given: dense.append(1) or inner(*given))
    whole = train(rows, **options)
    if hasattr(_compiled.autoencoder, "above_scored"):
        assert len(dense) < 30
    torch.testing.assert_close(whole.W_dec, plain.W_dec, rtol=0, atol=1e-3)
    step, seen = run_module.TrainingRun.step, []

    def stopped(*given):
        if len(seen) == 31:
            raise KeyboardInterrupt
        seen.append(1)
        return step(*given)

    with monkeypatch.context() as patch:
        patch.setattr(run_module.TrainingRun, "step", stopped)
        with pytest.raises(KeyboardInterrupt):
            train(rows, folder=tmp_path, **options)
    again = train(rows, folder=tmp_path, **options)
    assert torch.equal(again.W_enc, whole.W_enc)
    assert torch.equal(again.threshold, whole.threshold)


def test_the_geometric_median_is_the_point_of_least_distance():
    rows = torch.cat([torch.randn(200, 3, generator=torch.Generator().manual_seed(0)), torch.full((20, 3), 100.0)])
    at = geometric_median(rows)

    def distance(point):
        return float((rows.double() - point).norm(dim=1).sum())

    assert all(distance(at) <= distance(at + 0.01 * torch.eye(3)[i] * sign) for i in range(3) for sign in (1, -1))
    assert at.abs().max() < 1 < rows.mean(0).abs().max()


def test_a_stopped_run_goes_on_to_the_same_curve(tmp_path, monkeypatch):
    rows, _ = planted(4000)
    monkeypatch.setattr(run_module, "_VALIDATE", 50)
    whole = train(rows, steps=300)
    inner, seen = run_module.TrainingRun.step, []

    def step(run, x, y):
        if len(seen) == 130:
            raise KeyboardInterrupt
        seen.append(1)
        return inner(run, x, y)

    monkeypatch.setattr(run_module.TrainingRun, "step", step)
    with pytest.raises(KeyboardInterrupt, match="130 of 300 steps: the same call goes on") as caught:
        train(rows, steps=300, folder=tmp_path)
    assert caught.value.result.d_sae == 32
    monkeypatch.setattr(run_module.TrainingRun, "step", inner)
    with pytest.raises(ValueError, match="another run"):
        train(rows, steps=301, folder=tmp_path)
    with pytest.raises(ValueError, match="another run"):
        train(rows + 1, steps=300, folder=tmp_path)
    again = train(rows, steps=300, folder=tmp_path)
    assert again.history == whole.history
    assert torch.equal(again.W_dec, whole.W_dec)
    assert torch.equal(features.load(tmp_path).W_enc, whole.W_enc)


def test_a_checkpoint_that_does_not_say_its_rows_is_refused(tmp_path):
    settings = {"settings": {}, "step": 1, "state": {}, "history": {}}
    Checkpoint(settings, {"idle": torch.zeros(2)}).write(tmp_path)
    with pytest.raises(ValueError, match="it does not say what it is of"):
        Checkpoint.read(tmp_path)


def test_a_finished_run_is_returned_and_of_other_rows_refused(tmp_path, monkeypatch):
    rows, _ = planted(1000)
    sae = train(rows, steps=20, folder=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(run_module.TrainingRun, "step", lambda *_: pytest.fail("it was trained again"))
    again = train(rows, steps=20, folder=tmp_path)
    assert (again.history, torch.equal(again.W_dec, sae.W_dec)) == (sae.history, True)
    last = rows.clone()
    last[-1, -1] += 1  # a single number, whatever rows a checkpoint holds
    for others, options in ((last, {}), (rows[:-1], {}), (rows, {"seed": 1}), (rows, {"k": 3})):
        with pytest.raises(ValueError, match="checkpoint of another run"):
            train(others, steps=20, folder=tmp_path, **options)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    sae.save(tmp_path / "saved")
    with pytest.raises(ValueError, match="without the checkpoint of its training"):
        train(rows, steps=20, folder=tmp_path / "saved")


def test_recordings_of_other_texts_or_layers_are_other_rows(tmp_path):
    scope = Microscope.load("demo")
    texts = [f"{name} went to the store" for name in ("Mary", "John", "Anna", "Tom")] * 10
    recs = [
        features.record(scope, some, layers=[1, 2], folder=tmp_path / f"{at}", progress=False)
        for at, some in enumerate((texts, [*texts[:-1], "the dog runs"]))
    ]
    options = {"steps": 5, "batch": 32, "folder": tmp_path / "sae"}
    train(recs[0], layer=1, **options)
    for rec, layer in ((recs[0], 2), (recs[1], 1)):
        with pytest.raises(ValueError, match=r"another run, of (other arguments .*)?other rows"):
            train(rec, layer=layer, **options)


def test_what_are_no_rows_is_said(tmp_path):
    for source, said in ((str(tmp_path), r"Recording\.load"), (tmp_path, r"Recording\.load"), (object(), "object")):
        with pytest.raises(TypeError, match=said):
            train(source)
    rows = planted(300)[0]
    rows[:] = torch.nan
    with pytest.raises(ValueError, match="300 of the 300 rows"):
        train(rows, steps=2)


def test_dead_latents_learn_from_what_the_others_leave_over():
    torch.manual_seed(0)
    n, d, n_rows, k = 40, 8, 16, 3
    settings = Settings(d_sae=n, k=k, architecture="topk", steps=10, batch=n_rows, seed=0, learning_rate=0.1)
    weights = Weights(*(torch.randn(*shape, requires_grad=True) for shape in ((n, d), (n, d), (n,), (d,))))
    x = torch.randn(n_rows, d)
    without, dead = SparseStep(settings, 100, x.device), SparseStep(settings, 100, x.device)
    dead.life.idle[:20] = 101
    with torch.no_grad():
        added = [
            b - a for a, b in zip(without.gradients(weights, x, x)[0], dead.gradients(weights, x, x)[0], strict=True)
        ]
    p = (x - weights.b_dec.detach()) @ weights.encoder.T + weights.b_enc
    chosen = torch.zeros_like(p).scatter_(1, p.topk(k, dim=1).indices, 1.0)
    left = (x - (p.relu() * chosen) @ weights.decoder - weights.b_dec).detach()
    nearest = torch.zeros_like(p[:, :20]).scatter_(1, p[:, :20].topk(d // 2, dim=1).indices, 1.0)
    loss = ((p[:, :20].relu() * nearest) @ weights.decoder[:20] - left).square().sum(1).mean() / 32
    expected = torch.autograd.grad(loss, weights.all()[:3])
    for one, other in zip(added[:3], expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_dead_latents_begin_anew_at_what_is_left_over():
    torch.manual_seed(0)
    n, d, n_rows = 12, 6, 16
    settings = Settings(d_sae=n, k=3, architecture="jumprelu", steps=100, batch=n_rows, seed=0, learning_rate=0.1)
    step = SparseStep(settings, 100, torch.device("cpu"))
    weights = Weights(torch.randn(n, d), torch.randn(n, d), torch.ones(n), torch.zeros(d))
    parameters = [*weights.all(), *step.own]
    optimiser = torch.optim.Adam(parameters, lr=0.1)
    x = torch.randn(n_rows, d)
    gradients, _ = step.gradients(weights, x, x)
    for one, gradient in zip(parameters, gradients, strict=True):
        one.grad = gradient
    optimiser.step()
    step.life.idle[:] = 0
    step.life.idle[2:4] = 101
    before = [one.clone() for one in weights.all()]
    left = torch.nn.functional.normalize(step.life._residual, dim=1)
    step.life.begin_anew(weights, step.own, optimiser)
    others = [at for at in range(n) if at not in (2, 3)]
    assert all(torch.equal(one[others], old[others]) for one, old in zip(weights.all()[:3], before, strict=False))
    assert ((weights.decoder[2:4] @ left.T).amax(1) > 1 - 1e-6).all()
    assert not torch.equal(weights.decoder[2], weights.decoder[3])
    assert not optimiser.state[weights.encoder]["exp_avg"][2:4].any()
    assert not len(step.life.dead)
    step.life.idle[2:4] = 101
    step.life.steps = 50  # in the second half nothing begins anew
    before = weights.decoder.clone()
    step.life.begin_anew(weights, step.own, optimiser)
    assert torch.equal(weights.decoder, before)


def test_a_recording_is_trained_on_and_named(tmp_path):
    scope = Microscope.load("demo")
    texts = [f"{a} and {b} went to the store" for a in ("Mary", "John", "Anna") for b in ("Tom", "Lucy")] * 8
    rec = features.record(scope, texts, layers=[1, 2], folder=tmp_path / "rec", progress=False)
    with pytest.raises(ValueError, match="say which one"):
        train(rec, steps=3)
    sae = train(rec, layer=2, steps=30, batch=64)
    assert (sae.layer, sae.site, sae.model) == (2, "residual", "demo")
    again = features.load(sae.save(tmp_path / "sae"))
    assert (again.layer, again.site, again.model) == (2, "residual", "demo")
    assert math.isfinite(sae.history["validation_explained"][-1])
    assert torch.equal(again(rec.rows(2)[:5]), sae(rec.rows(2)[:5]))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"d_sae": 0}, "d_sae="),
        ({"k": 33}, "k=33"),
        ({"architecture": "vanilla"}, "architecture="),
        ({"steps": 0}, "steps="),
        ({"batch": 0}, "batch="),
        ({"batch": "many", "steps": None}, "batch="),
        ({"d_sae": "many"}, "d_sae="),
        ({"learning_rate": -1.0}, "learning_rate="),
        ({"learning_rate": "fast"}, "learning_rate="),
        ({"device": "banana"}, "device='banana' is none of this machine's"),
        ({"device": "meta"}, "no numbers to train on"),
        ({"fabric": 3}, "is a launched lightning_fabric.Fabric; got 3"),
        ({"fabric": type("Fabric", (), {"all_reduce": None})}, "is a launched lightning_fabric.Fabric"),
        ({"layer": "last"}, "layer="),
        ({"layer": 1.5}, "layer="),
        ({"seed": -1}, "seed="),
    ],
)
def test_bad_arguments_are_said(options, said):
    with pytest.raises((TypeError, ValueError), match=said):
        train(planted(300)[0], **options)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (torch.zeros(100, 4), "all 0"),
        (torch.full((100, 4), torch.nan), "not finite"),
        (torch.zeros(100), r"\[row, d\]"),
        (torch.zeros(100, 4, dtype=torch.int64), r"\[row, d\]"),
    ],
)
def test_rows_that_nothing_can_be_trained_on_are_refused(rows, said):
    with pytest.raises(ValueError, match=said):
        train(rows, steps=5)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_row_that_is_not_finite_is_found_among_many(bad):
    rows = torch.randn(20_000, 4, generator=torch.Generator().manual_seed(0))
    rows[12_345, 2] = bad
    for seed in range(3):  # whether it is of those that are drawn or not
        with pytest.raises(ValueError, match="1 of the 20,000 rows hold a number that is not finite"):
            train(rows, steps=5, seed=seed)


def test_recordings_are_trained_on_as_one(tmp_path):
    scope = Microscope.load("demo")
    texts = [f"{name} gave a book to {other}" for name in ("Mary", "John", "Anna") for other in ("Tom", "Lucy")] * 5
    options = {"d_sae": 16, "k": 2, "batch": 32, "steps": 10}
    parts = [
        features.record(scope, texts, layers=2, folder=tmp_path / str(at), shard=(at, 2), progress=False)
        for at in (0, 1)
    ]
    sae = train(parts, folder=tmp_path / "sae", **options)
    assert (sae.layer, sae.model) == (2, "demo")
    rows = TrainingRows(as_one(parts), 2, 0)
    assert rows.n == sum((one.table["split"] == "train").sum() for one in parts) > 0
    assert torch.equal(train(parts, folder=tmp_path / "sae", **options).W_dec, sae.W_dec)  # it has ended
    with pytest.raises(ValueError, match="a checkpoint of another run, of other rows"):
        train(parts[::-1], folder=tmp_path / "sae", **options)
    more = features.record(scope, texts[:9], layers=[1, 2], folder=tmp_path / "more", progress=False)
    assert train([more, *parts], **options).layer == 2  # the one that all have
    for wrong, said in (([], "no recording"), ([*parts, "rec"], "and here 'rec' too")):
        with pytest.raises((TypeError, ValueError), match=said):
            train(wrong, **options)


def test_a_checkpoint_that_lies_is_refused(tmp_path):
    options = {"d_sae": 16, "k": 2, "batch": 32, "steps": 20, "folder": tmp_path}
    train(rows := planted(300)[0], **options)
    whole = Checkpoint.read(tmp_path)
    wrong = [whole.about | {"step": step} for step in (-5, 10**9)]
    wrong += [whole.about | {"history": {"loss": ["low"]}}, whole.about | {"state": {}}]
    lying = [Checkpoint(about, whole.tensors) for about in wrong]
    for name in ("parameter.0", "adam.1.exp_avg", "idle"):
        one = whole.tensors[name]
        for other in (one[:1], torch.full(one.shape, torch.nan)):
            lying.append(Checkpoint(whole.about, whole.tensors | {name: other}))
        lying.append(Checkpoint(whole.about, {key: one for key, one in whole.tensors.items() if key != name}))
    for one in lying:
        one.write(tmp_path)
        with pytest.raises(ValueError, match="is no checkpoint of this run: "):
            train(rows, **options)
