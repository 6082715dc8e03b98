"""Measures are NumPy's formulas, splicing is a plain hook, and adding the error back changes nothing."""

import dataclasses
import warnings

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, features
from scope_widgets.features.evaluation import evaluate as evaluate_module
from scope_widgets.features.sae import prompt_codes
from scope_widgets.remote.serialization import n_bytes
from tests.support.fake_transport import fake_remote
from tests.support.tiny_models import tiny_model, tiny_tokenizer

LAYER = 1
TEXTS = [" ".join(f"w{3 + (7 * at + 5 * i * (at + 1)) % 90}" for i in range(4 + at % 5)) for at in range(12)]


@pytest.fixture(scope="module")
def scope():
    return Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())


def an_sae(site="residual", d=32, n=48, **options):
    generator = torch.Generator().manual_seed(3)
    W_enc, W_dec = (torch.randn(*shape, generator=generator) / 6 for shape in ((d, n), (n, d)))
    zeros = torch.zeros(n), torch.full((d,), 0.1)
    return features.SAE(W_enc, W_dec, *zeros, site=site, layer=LAYER, **options)


def rows_of(scope, special):
    """Token ids of each text, and which of them are no special tokens."""
    ids = [scope.trace(text).token_ids.tolist() for text in TEXTS]
    return ids, [np.array([special or i not in scope.tokenizer.all_special_ids for i in row]) for row in ids]


def plain(scope, ids, keep, new):
    """The logits of a plain Hugging Face forward, with a hook that puts something in."""

    def hook(module, args, kwargs):
        value, *rest = args
        value = value.clone()
        value[0, keep] = new(value[0, keep])
        return (value, *rest), kwargs

    block = scope.model.transformer.h[LAYER]
    handle = block.register_forward_pre_hook(hook, with_kwargs=True)
    with torch.no_grad():
        out = scope.model(torch.tensor([ids])).logits[0].double()
    handle.remove()
    return out


def expected(scope, sae, special):
    """Every measure by a plain forward of each text and NumPy."""
    ids, keeps = rows_of(scope, special)
    x = torch.cat(
        [scope.trace(row).residual(LAYER)[torch.from_numpy(keep)] for row, keep in zip(ids, keeps, strict=True)]
    )
    made = sae(x)
    mean = x.double().mean(0)
    new = {
        "": lambda v: v,
        "_spliced": sae,
        "_zero": torch.zeros_like,
        "_mean": lambda v: mean.float().expand_as(v),
    }
    ce, kl = {name: [] for name in new}, {name: [] for name in new}
    for row, keep in zip(ids, keeps, strict=True):
        own = plain(scope, row, keep, new[""]).log_softmax(-1)
        at = [i for i in range(len(row) - 1) if keep[i] and keep[i + 1]]
        for name, what in new.items():
            log_p = plain(scope, row, keep, what).log_softmax(-1)
            ce[name] += [-float(log_p[i, row[i + 1]]) for i in at]
            kl[name] += [float((own[i].exp() * (own[i] - log_p[i])).sum()) for i in at]
    ce, kl = ({name: np.mean(one) for name, one in some.items()} for some in (ce, kl))
    x, made = x.double().numpy(), made.double().numpy()
    error = ((x - made) ** 2).sum(1)
    fvu = error.mean() / ((x**2).sum(1).mean() - (x.mean(0) ** 2).sum())
    dense = sae.encode(torch.from_numpy(x).float()).to_dense().numpy()
    norms = np.linalg.norm(x, axis=1), np.linalg.norm(made, axis=1)
    return {
        "nats_lost": ce["_spliced"] - ce[""],
        **{f"ce{name}": ce[name] for name in ce},
        "ce_score_zero": (ce["_zero"] - ce["_spliced"]) / (ce["_zero"] - ce[""]),
        "ce_score_mean": (ce["_mean"] - ce["_spliced"]) / (ce["_mean"] - ce[""]),
        "kl": kl["_spliced"],
        "kl_zero": kl["_zero"],
        "kl_mean": kl["_mean"],
        "kl_score_zero": 1 - kl["_spliced"] / kl["_zero"],
        "kl_score_mean": 1 - kl["_spliced"] / kl["_mean"],
        "fvu": fvu,
        "variance_explained": 1 - fvu,
        "variance_explained_per_token": (1 - error / ((x - x.mean(0)) ** 2).sum(1)).mean(),
        "mse": ((((x - made) / x.std(0)) ** 2).mean()),
        "l0": (dense > 0).sum(1).mean(),
        "l1": dense.sum(1).mean(),
        "cosine": ((x * made).sum(1) / norms[0] / norms[1]).mean(),
        "norm_ratio": (norms[1] / norms[0]).mean(),
        "dead_share": (dense == 0).all(0).mean(),
    }


@pytest.mark.parametrize("special", [False, True])
def test_every_measure_is_the_formula_over_plain_forwards(scope, special, monkeypatch):
    monkeypatch.setattr(evaluate_module, "_AT_ONCE", 20)  # several batches
    sae = an_sae()
    scores = features.evaluate(scope, sae, TEXTS, special_tokens=special, progress=False)
    wanted = expected(scope, sae, special)
    assert set(wanted) == set(scores.values)
    for name, value in wanted.items():
        assert scores.values[name] == pytest.approx(value, rel=2e-4, abs=1e-5), name
    _, keeps = rows_of(scope, special)
    assert scores.n_tokens == sum(one.sum() for one in keeps)
    assert scores.n_special == sum((~one).sum() for one in keeps)
    assert scores.n_documents == len(TEXTS)
    assert scores.rates.sum() == round((1 - scores.dead_share) * sae.d_sae)
    assert scores.error_added_back < 1e-4


SITES = {"attention_out": 32, "mlp_in": 32, "mlp_out": 32, "neurons": 128, "z": 32}


@pytest.mark.parametrize(("site", "d"), SITES.items(), ids=SITES)
def test_adding_the_error_back_is_exact_at_every_site(scope, site, d):
    sae = an_sae(site, d)
    scores = features.evaluate(scope, sae, TEXTS[:4], progress=False, random=False)
    assert scores.error_added_back < 1e-4
    assert abs(scores.nats_lost) > 1e-3
    assert scores.random == {}


def test_a_transcoder_is_measured_by_what_its_mlp_writes(scope):
    """One that reads nothing and writes its bias is the mean ablation of the MLP."""
    of_texts = zip(*rows_of(scope, False), strict=True)
    mean = torch.cat([scope.trace(ids).mlp_out(LAYER)[torch.from_numpy(keep)] for ids, keep in of_texts]).mean(0)
    nothing = {"W_enc": torch.zeros(32, 4), "W_dec": torch.zeros(4, 32), "b_enc": torch.full((4,), -1.0)}
    sae = features.SAE(**nothing, b_dec=mean, subtracts_b_dec=False, layer=LAYER, site="mlp_in", output_site="mlp_out")
    scores = features.evaluate(scope, sae, TEXTS, progress=False)
    assert scores.variance_explained == pytest.approx(0, abs=1e-5)
    assert (scores.ce_spliced, scores.l0, scores.random) == (pytest.approx(scores.ce_mean, abs=1e-5), 0, {})
    assert scores.error_added_back < 1e-4


def test_a_perfect_autoencoder_loses_nothing_and_random_latents_lose(scope):
    eye = torch.eye(32)
    sae = features.SAE(torch.cat([eye, -eye], 1), torch.cat([eye, -eye]), torch.zeros(64), torch.zeros(32), layer=LAYER)
    scores = features.evaluate(scope, sae, TEXTS, progress=False)
    assert scores.variance_explained == pytest.approx(1, abs=1e-10)
    assert (scores.nats_lost, scores.kl) == pytest.approx((0, 0), abs=1e-5)
    assert (scores.ce_score_mean, scores.cosine, scores.norm_ratio) == pytest.approx((1, 1, 1), abs=1e-4)
    assert 0 < scores.random["variance_explained"] < 0.9
    assert scores.random["nats_lost"] > 0
    assert 25 < scores.random["l0"] <= 32  # of the strongest some are below 0
    assert scores.random["ce"] == scores.ce


def test_intervals_are_those_of_resampled_documents(scope):
    scores = features.evaluate(scope, an_sae(), TEXTS, progress=False, random=False)
    again = features.evaluate(scope, an_sae(), iter(TEXTS), progress=False, random=False)
    assert scores.to_json() == again.to_json()
    assert all(scores.low[name] <= scores.values[name] <= scores.high[name] for name in ("fvu", "l0", "nats_lost"))
    # of a mean over tokens: the ratio of sums of documents drawn with replacement
    ids, keeps = rows_of(scope, False)
    sums = np.array(
        [
            [int(keep.sum()), len(an_sae().encode(scope.trace(row).residual(LAYER)[torch.from_numpy(keep)]).indices)]
            for row, keep in zip(ids, keeps, strict=True)
        ]
    )
    rng = np.random.default_rng(5)
    drawn = [sums[rng.integers(0, len(sums), len(sums))].sum(0) for _ in range(4000)]
    low, high = np.percentile([fired / n for n, fired in drawn], [2.5, 97.5])
    assert (scores.low["l0"], scores.high["l0"]) == pytest.approx((low, high), rel=0.02)
    one = features.evaluate(scope, an_sae(), TEXTS[:1], progress=False, random=False)
    assert np.isnan(one.low["fvu"])


def test_a_transcoder_is_measured_at_its_output(scope):
    sae = dataclasses.replace(an_sae("residual"), output_site="mlp_out")
    scores = features.evaluate(scope, sae, TEXTS, progress=False)
    ids, keeps = rows_of(scope, False)
    traces = [(scope.trace(row), torch.from_numpy(keep)) for row, keep in zip(ids, keeps, strict=True)]
    x, y = (torch.cat([getattr(t, site)(LAYER)[k] for t, k in traces]) for site in ("residual", "mlp_out"))
    error = (sae(x) - y).double().square().sum(1).mean()
    assert scores.fvu == pytest.approx(
        float(error / (y.double() - y.double().mean(0)).square().sum(1).mean()), rel=1e-4
    )
    assert scores.error_added_back < 1e-4
    assert scores.random == {}


def test_beside_a_server_the_numbers_are_the_same(scope):
    here = features.evaluate(scope, an_sae(), TEXTS[:5], progress=False)
    there = features.evaluate(fake_remote(scope), an_sae(), TEXTS[:5], progress=False)
    assert here.values == pytest.approx(there.values, nan_ok=True)


def test_many_texts_are_one_request_from_which_measures_come(scope, monkeypatch):
    monkeypatch.setattr(prompt_codes, "_MODULES", -(10**9))  # as if the texts were many
    sae = dataclasses.replace(an_sae(), history={"loss": [1.0] * 1000})
    remote = fake_remote(scope)
    sizes, answer = [], remote.transport._answer

    def measured(request):
        found = answer(request)
        sizes.append((n_bytes(request), n_bytes(found)))
        return found

    remote.transport._answer = measured
    here, there = (features.evaluate(one, sae, TEXTS, progress=False) for one in (scope, remote))
    assert remote.transport.asked == ["_measured"]
    for name in ("values", "low", "high", "random"):
        assert getattr(there, name) == pytest.approx(getattr(here, name), nan_ok=True)
    assert there.provenance.note == here.provenance.note
    ((up, down),) = sizes
    assert up < 4 * (2 * sae.W_enc.numel() + 200)
    assert down < 4000


def test_what_cannot_be_measured_is_said(scope):
    with pytest.raises(ValueError, match="not say of which layer"):
        features.evaluate(scope, dataclasses.replace(an_sae(), layer=None), TEXTS)
    with pytest.raises(ValueError, match="'q' of layer 1; what can be replaced"):
        features.evaluate(scope, an_sae("q"), TEXTS)
    with pytest.raises(ValueError, match="width 16"):
        features.evaluate(scope, an_sae(d=16), TEXTS, progress=False)
    with pytest.raises(ValueError, match="No text has a token"):
        features.evaluate(scope, an_sae(), ["", " "], progress=False)
    with pytest.raises(AttributeError, match="no 'ce_score'; the measures are nats_lost"):
        features.evaluate(scope, an_sae(), TEXTS[:2], progress=False).ce_score  # noqa: B018


def test_a_null_on_a_randomised_model_is_measured_as_there(scope):
    null = features.randomise(scope, seed=1)
    other = dataclasses.replace(an_sae(n=40), b_dec=torch.full((32,), 0.3))
    scores = features.evaluate(scope, an_sae(), TEXTS, randomised=(null, other), progress=False)
    alone = features.evaluate(scope, an_sae(), TEXTS, progress=False)
    there = features.evaluate(null, other, TEXTS, random=False, progress=False)
    assert scores.values == alone.values
    assert alone.randomised == {}
    measured = {name for name in there.values if not name.startswith(("ce", "kl", "nats"))}
    assert set(scores.randomised) == measured
    assert scores.randomised == pytest.approx({name: there.values[name] for name in measured})
    table = scores.to_dataframe().set_index("measure")
    assert table["randomised"]["fvu"] == scores.randomised["fvu"]
    assert np.isnan(table["randomised"]["nats_lost"])
    with pytest.raises(ValueError, match="itself: make the null"):
        features.evaluate(scope, an_sae(), TEXTS, randomised=(scope, an_sae()))
    with pytest.raises(ValueError, match="of another place than"):
        features.evaluate(scope, an_sae(), TEXTS, randomised=(null, an_sae("mlp_out")))


def test_an_sae_of_another_model_is_measured_with_a_warning(scope):
    """A null is such a case; its numbers are there, and the warning says of what they are."""
    own = an_sae(model=scope.model_id)
    null = features.randomise(scope, seed=1)
    options = {"random": False, "progress": False}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features.evaluate(scope, own, TEXTS[:2], **options)
        features.evaluate(scope, an_sae(), TEXTS[:2], **options)
    with pytest.warns(UserWarning, match="with shuffled weights"):
        assert features.evaluate(null, own, TEXTS[:2], **options).n_tokens
    other = dataclasses.replace(own, model="another")
    with pytest.warns(UserWarning, match="is of 'another', and is used with"):
        features.evaluate(scope, own, TEXTS[:2], randomised=(null, other), **options)
