"""What was planted between clean and corrupted prompts is found, and in a null nothing is."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import stats

from scope_widgets import Microscope, features
from scope_widgets.features.comparison import compare as compare_module
from scope_widgets.features.feature_index.feature_index import FeatureIndex
from tests.support.fake_transport import fake_remote

N_LATENTS = 500


class Planted(FeatureIndex):
    """An index whose activations in a prompt are drawn: 500 latents, of which some fire more on clean prompts."""

    def __init__(self, demo, planted, seed):
        self.manifest, self.scope = SimpleNamespace(d_sae=N_LATENTS), demo
        self.sae, self._planted = "an SAE", planted
        self._draw = np.random.default_rng(seed)

    def strongest(self, prompt):
        values = self._draw.gamma(1.0, size=N_LATENTS) * (self._draw.random(N_LATENTS) < 0.4)
        if prompt.startswith("clean"):
            values[self._planted] += self._draw.gamma(4.0, size=len(self._planted))
        return values

    def strongest_of(self, prompts):
        return np.stack([self.strongest(one) for one in prompts])


@pytest.fixture(scope="module")
def scope():
    return Microscope.load("demo")


def prompts(n):
    return [[f"{side} {at}" for at in range(n)] for side in ("clean", "corrupted")]


def test_five_planted_latents_are_recovered(scope):
    planted = [3, 50, 111, 222, 444]
    results = [features.compare(Planted(scope, planted, seed), *prompts(40)) for seed in range(20)]
    found = [one for result in results for one in result.found()]
    assert all(set(planted) <= set(result.found()) for result in results)
    assert sum(one not in planted for one in found) <= 0.1 * len(found)  # a twentieth is expected
    table = results[0].to_dataframe()
    assert sorted(table["feature"][:5]) == planted
    assert (table["difference"][:5] > 2).all()
    assert results[0].n_pairs == 40


def test_in_a_null_none_is_found(scope):
    found = [features.compare(Planted(scope, [], seed), *prompts(40)).found() for seed in range(1, 11)]
    assert sum(map(bool, found)) <= 2  # at a level of .05, of ten


def test_p_and_q_are_those_of_scipy(scope):
    result = features.compare(Planted(scope, [7], 0), *prompts(30))
    again = Planted(scope, [7], 0)
    clean, corrupted = (np.stack([again.strongest(one) for one in side], 1) for side in prompts(30))
    expected = stats.ttest_rel(clean, corrupted, axis=1).pvalue[result.feature]
    few = (clean != corrupted).sum(1)[result.feature]
    np.testing.assert_allclose(result.p, np.maximum(expected, 2.0 ** (1 - few)), rtol=1e-3)
    np.testing.assert_allclose(result.q, stats.false_discovery_control(result.p))


def test_few_equal_differences_prove_nothing():
    differences = np.zeros((3, 20))
    differences[0, :3] = 1.0
    differences[1] = 1.0  # without variance t has no bound
    assert compare_module.p_of_differences(differences).tolist() == pytest.approx([0.25, 2.0**-19, 1.0], abs=0.1)


def test_of_a_model_the_planted_direction_is_found(scope, tmp_path):
    names = ("Mary", "John", "Anna", "Tom", "Lucy")
    texts = [f"When {a} and {b} went to the store" for a in names for b in names if a != b]
    others = [text.replace("store", "dog") for text in texts]
    rec = features.record(scope, texts + others, layers=0, folder=tmp_path / "rec", progress=False)
    rows, ids = rec.rows(0)[:].float(), rec.table["token_id"].to_numpy()
    store, dog = (
        rows[np.flatnonzero(ids == scope.trace(word).token_ids[-1].item())].mean(0) for word in ("store", "dog")
    )
    direction = torch.nn.functional.normalize(store - dog, dim=0)
    W_dec = torch.stack([direction, -direction, torch.ones(128) / 128**0.5])
    sae = features.SAE(
        W_dec.T.contiguous(),
        W_dec,
        torch.tensor([-1.0, -1.0, -1e6]) * float((store - dog) @ direction) / 4,
        (store + dog) / 2,
        layer=0,
    )
    index = features.index(scope, sae, rec, folder=tmp_path / "index", progress=False)
    result = features.compare(index, texts, others)
    assert sorted(result.found()) == [0, 1]
    assert result.clean[result.feature == 0] > result.corrupted[result.feature == 0]
    assert features.compare(index, texts, texts).found() == []
    for nothing in ("", " ", []):
        with pytest.raises(ValueError, match="has no token to read"):
            features.compare(index, [*texts[:2], nothing], [*others[:2], texts[0]])
    with pytest.raises(TypeError, match="are lists of prompts"):
        features.compare(index, texts[0], others[0])
    index.sae = None
    with pytest.raises(ValueError, match="needs the SAE"):
        features.compare(index, texts, others)
    with pytest.raises(ValueError, match="are pairs, 2 at least; got 1 and 2"):
        features.compare(index, texts[:1], others[:2])


def test_pairs_are_one_request_on_a_server(scope):
    index = FeatureIndex.load("demo", scope=scope)
    remote = fake_remote(scope)
    texts = ["Mary gave John a book", "the dog runs", "John went to the store"]
    here, there = (features.compare(one, texts, texts[::-1]) for one in (index, index.with_model(remote, None)))
    assert remote.transport.asked == ["read"]
    np.testing.assert_array_equal(there.feature, here.feature)
    np.testing.assert_allclose(there.clean, here.clean, atol=1e-4)
    with pytest.raises(ValueError, match="prompts= is empty"):
        index.strongest_of([])
