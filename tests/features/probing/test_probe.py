"""A planted latent tells classes apart, shuffled labels are not told, and every number is that of a plain reading."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import f_oneway

from scope_widgets import Microscope, features
from scope_widgets.experiments.probes import logistic
from scope_widgets.features.probing.f_scores import f_scores
from scope_widgets.features.probing.pooled_activations import halves
from scripts import demo_language as language

LAYER = 0


@pytest.fixture(scope="module")
def scope():
    return Microscope.load("demo")


@pytest.fixture(scope="module")
def planted(scope):
    """Texts of two classes, with "dog" or with "cat", and an autoencoder of which latent 3 fires on "dog"."""
    rng, texts, labels = random.Random(2), [], []
    for at in range(80):
        said = language.render(language.paragraph(rng)).split()[:12]
        said.insert(rng.randrange(len(said)), "dog" if at % 2 else "cat")
        texts.append(" ".join(said))
        labels.append(bool(at % 2))
    rows = [scope.trace(word).residual(LAYER)[-1] for word in ("dog", "cat")]
    generator = torch.Generator().manual_seed(5)
    W_dec = torch.nn.functional.normalize(torch.randn(24, 128, generator=generator), dim=1)
    W_dec[3] = torch.nn.functional.normalize(rows[0] - rows[1], dim=0)
    b_enc = torch.full((24,), -0.05)
    # positions are added to what words are: half of the difference is between them
    b_enc[3] = -float((rows[0] + rows[1]) / 2 @ W_dec[3]) - 0.25 * float((rows[0] - rows[1]).norm())
    return texts, labels, features.SAE(W_dec.T.contiguous(), W_dec, b_enc, torch.zeros(128), layer=LAYER)


def test_a_planted_latent_is_found_and_tells_classes_apart(scope, planted):
    texts, labels, sae = planted
    found = features.probe(scope, sae, texts, labels, progress=False)
    table = found.to_dataframe()
    assert table["probe"].tolist() == ["latents"] * 3 + ["random latents"] * 3 + ["dense"]
    assert table["k"].tolist() == [1, 2, 5, 1, 2, 5, 128]
    assert found.latents[0] == (3,)
    assert found.latents[2][:2] == found.latents[1]
    assert found.accuracy[0] == 1.0
    assert found.accuracy[0] > found.high[3]
    assert found.low[0] == pytest.approx(1 / (1 + 1.959964**2 / 40))
    assert (found.n, found.n_fitted, found.larger_class) == (40, 40, 0.5)
    assert found.classes == ("False", "True")
    assert found.accuracy[-1] > 0.7


def test_shuffled_labels_are_not_told_apart(scope, planted):
    texts, _, sae = planted
    accuracies = []
    for seed in range(8):
        labels = np.random.default_rng(seed).permutation([True, False] * 40).tolist()
        found = features.probe(scope, sae, texts, labels, seed=seed, progress=False)
        accuracies.append(found.accuracy)
    assert abs(np.mean(accuracies, axis=0) - 0.5).max() < 0.1


def test_numbers_are_those_of_a_plain_reading(scope, planted):
    texts, labels, sae = planted
    texts, labels = [*texts[:40], texts[0]], ["b" if one else "a" for one in labels[:40]] + ["a"]
    found = features.probe(scope, sae, texts, labels, k=[2], seed=3, penalty=0.5, progress=False)
    special = scope.tokenizer.all_special_ids
    dense, latents, ids = [], [], []
    for text in texts:
        trace = scope.trace(text)
        ids.append(tuple(trace.token_ids.tolist()))
        x = trace.residual(LAYER)[[one not in special for one in ids[-1]]]
        dense.append(x.double().mean(0).numpy())
        latents.append(sae.encode(x).to_dense().double().mean(0).numpy())
    dense, latents, truth = np.stack(dense), np.stack(latents), np.array(labels) == "b"
    fits = halves(truth, ids, 3)
    assert fits[0] == fits[-1]
    a, b = latents[fits & ~truth], latents[fits & truth]
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = np.nan_to_num(f_oneway(a, b).statistic)
    best = np.argsort(-scores)[:2]
    assert found.latents[0] == tuple(best.tolist())
    for at, x in ((0, latents[:, best]), (2, dense)):
        x = (x - x[fits].mean(0)) / x[fits].std(0)
        sign = np.where(truth, 1, -1)

        def loss(w, x=x, sign=sign):
            return np.logaddexp(0, -sign * (x @ w[:-1] + w[-1]))[fits].sum() + 0.25 * w[:-1] @ w[:-1]

        w = minimize(loss, np.zeros(x.shape[1] + 1), method="L-BFGS-B", options={"maxfun": 10**6}).x
        said = x[~fits] @ w[:-1] + w[-1] > 0
        assert found.accuracy[at] == pytest.approx((said == truth[~fits]).mean())
    assert found.classes == ("a", "b")
    assert found.n == (~fits).sum()


def test_the_regression_is_at_its_least():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4))
    y = x @ [1.0, -2.0, 0.0, 0.5] + rng.logistic(size=200) + 0.3 > 0
    weights, bias = logistic.fit(x, y, penalty=2.0)
    # Newton's steps from there change nothing
    w = np.append(weights, bias)
    design = np.column_stack([x, np.ones(200)])
    p = 1 / (1 + np.exp(-design @ w))
    ridge = np.diag([2.0] * 4 + [0.0])
    step = np.linalg.solve(design.T * (p * (1 - p)) @ design + ridge, design.T @ (p - y) + ridge @ w)
    assert abs(step).max() < 1e-5
    separable = logistic.fit(x[:, :1], x[:, 0] > 0)
    assert np.isfinite(separable[0]).all()


def test_f_is_that_of_scipy():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(9, 5)), rng.normal(0.5, size=(14, 5))
    a[:, 3] = b[:, 3] = 0  # never fires
    a[:, 4], b[:, 4] = 0, 1  # perfect
    sums, squares = (np.stack([f(a).sum(0), f(b).sum(0)]) for f in (lambda x: x, np.square))
    found = f_scores(sums, squares, np.array([9, 14]))
    np.testing.assert_allclose(found[:3], f_oneway(a[:, :3], b[:, :3]).statistic)
    assert found[3] == 0
    assert found[4] > 1e9


def test_what_cannot_be_probed_is_said(scope, planted):
    texts, labels, sae = planted
    probe = features.probe
    with pytest.raises(ValueError, match="one label of each text; got 3 of 80"):
        probe(scope, sae, texts, labels[:3])
    with pytest.raises(ValueError, match="are of two kinds; got 3"):
        probe(scope, sae, texts[:4], [0, 1, 2, 0])
    with pytest.raises(ValueError, match="bools, whole numbers or texts"):
        probe(scope, sae, texts[:2], [0.5, 1.5])
    with pytest.raises(ValueError, match="there are 1 texts"):
        probe(scope, sae, texts[:5], labels[:5], progress=False)
    with pytest.raises(ValueError, match="Text 1 has no token"):
        probe(scope, sae, ["a", " ", "the"], [0, 1, 0], progress=False)
    for k in ((), (0,), (25,), (1.5,), 0, 25, 1.5, True, "3", None):
        with pytest.raises(ValueError, match="k= is a number of latents, or a list of some, 1 to 24"):
            probe(scope, sae, texts, labels, k=k)
    with pytest.raises(ValueError, match="penalty= is a number above 0"):
        probe(scope, sae, texts, labels, penalty=0)


def test_one_size_is_a_list_of_one_and_another_model_is_said(scope, planted):
    texts, labels, sae = planted
    options = {"progress": False, "k": 2}
    one = features.probe(scope, sae, texts[:40], labels[:40], **options)
    many = features.probe(scope, sae, texts[:40], labels[:40], **options | {"k": [2]})
    assert one.k.tolist() == many.k.tolist()
    np.testing.assert_array_equal(one.accuracy, many.accuracy)
    with pytest.warns(UserWarning, match="is of 'gpt2', and is used with 'demo'"):
        features.probe(scope, replace(sae, model="gpt2"), texts[:40], labels[:40], **options)
