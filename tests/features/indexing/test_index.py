"""Everything in an index is what brute force over dense activations finds."""

import dataclasses
import itertools
import json
import math
from collections import Counter

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from scope_widgets import Microscope, features
from scope_widgets.features import FeatureIndex
from scope_widgets.features.indexing import directions
from scope_widgets.features.sae import ranked_encoder as ranking
from tests.support.fake_transport import fake_remote

NAMES = ("Mary", "John", "Anna", "Tom", "Lucy")
TEXTS = [
    f"When {a} and {b} went to the store, {b} gave a book to {a}" + " and the dog runs" * (at % 3)
    for at, (a, b) in enumerate(itertools.permutations(NAMES, 2))
] * 2  # each text twice: copies
LAYER = 2


@pytest.fixture(scope="module")
def scope():
    return Microscope.load("demo")


@pytest.fixture(scope="module")
def made(scope, tmp_path_factory):
    """A recording, an autoencoder, its index, and the dense activations."""
    folder = tmp_path_factory.mktemp("index")
    rec = features.record(scope, TEXTS, layers=LAYER, folder=folder / "rec", progress=False)
    generator = torch.Generator().manual_seed(0)
    W_dec = torch.nn.functional.normalize(torch.randn(40, 128, generator=generator), dim=1)
    W_dec[7] = -W_dec[6]
    b_enc = torch.zeros(40)
    b_enc[5] = -1e6  # never fires
    sae = features.SAE(W_dec.T.contiguous(), W_dec, b_enc, torch.zeros(128), "topk", 4, layer=LAYER)
    index = features.index(scope, sae, rec, folder=folder / "index", progress=False)
    dense = sae.encode(rec.rows(LAYER)[:].float()).to_dense().numpy()
    return rec, sae, index, dense, folder / "index"


def test_the_table_is_that_of_dense_activations(made):
    rec, _, index, dense, _ = made
    table = index.table
    fires = dense > 0
    np.testing.assert_allclose(table["rate"], fires.mean(0))
    assert table["dead"].tolist() == (~fires.any(0)).tolist()
    assert table["dead"][5]
    alive = ~table["dead"]
    means = dense.sum(0)[alive] / fires.sum(0)[alive]
    np.testing.assert_allclose(table["mean"][alive], means, rtol=1e-5)
    np.testing.assert_allclose(table["max"], dense.max(0), rtol=1e-6)
    assert f"{len(rec):,} tokens" in repr(index)


def test_examples_are_the_strongest_without_copies(made):
    rec, _, index, dense, _ = made
    table = rec.table
    for j in range(40):
        samples, seen, expected = set(), set(), []
        for row in sorted(np.flatnonzero(dense[:, j] > 0), key=lambda r: (-dense[r, j], r)):
            sample = table["sample_id"][row]
            ids = [
                table["token_id"][r] if r >= 0 and table["sample_id"][r] == sample else -1
                for r in range(row - 5, row + 1)
            ]
            if sample in samples or tuple(ids) in seen:
                continue
            samples.add(sample)
            seen.add(tuple(ids))
            expected.append(row)
        top = index.top(j)
        assert top["row"].tolist() == expected[:20]
        np.testing.assert_allclose(top["value"], dense[top["row"], j], rtol=1e-6)
        assert index.top(j, 3)["row"].tolist() == expected[:3]
        for one in top.itertuples():
            text = "".join(rec.samples["text"][one.sample_id].split())
            assert "".join(f"{one.before}{one.token}{one.behind}".split()) in text
            assert table["token_pos"][one.row] == one.token_pos
        quantiles = index.quantiles(j)
        ranks = np.argsort(np.lexsort((np.arange(len(dense)), -dense[:, j])))
        n_fires = (dense[:, j] > 0).sum()
        for one in quantiles.itertuples():
            assert one.sample_id not in set(top["sample_id"])
            parts = [len(part) for part in np.array_split(np.arange(n_fires), 4)]
            assert sum(parts[: one.quarter]) <= ranks[one.row] < sum(parts[: one.quarter + 1])


def test_top_tokens_are_those_of_counting(made):
    rec, _, index, dense, _ = made
    ids = rec.table["token_id"].tolist()
    everywhere = Counter(ids)
    for j in np.flatnonzero((dense > 0).any(0)):
        counts = Counter(ids[row] for row in np.flatnonzero(dense[:, j] > 0))
        total = sum(counts.values())
        lifts = {i: count / total / (everywhere[i] / len(ids)) for i, count in counts.items()}
        order = sorted(counts, key=lambda i: (-counts[i] * math.log(lifts[i]), i))
        expected = [i for i in order[:10] if lifts[i] > 1]
        tokens = index.tokens(j)
        assert tokens["token_id"].tolist() == expected
        assert tokens["count"].tolist() == [counts[i] for i in expected]
        np.testing.assert_allclose(tokens["lift"], [lifts[i] for i in expected], rtol=1e-6)


def test_partners_neighbours_and_histograms_are_those_of_dense_products(made):
    _, sae, index, dense, _ = made
    fires = (dense > 0).astype(int)
    together = fires.T @ fires
    unit = torch.nn.functional.normalize(sae.W_dec, dim=1)
    cosines = (unit @ unit.T).numpy()
    for j in np.flatnonzero(fires.any(0)):
        expected = sorted((i for i in range(40) if i != j and together[j, i]), key=lambda i: (-together[j, i], i))[:10]
        found = index.coactivation(j)
        assert found["feature"].tolist() == expected
        assert found["together"].tolist() == [together[j, i] for i in expected]
        np.testing.assert_allclose(found["lift"], found["share"] / fires.mean(0)[expected])
        near = index.neighbours(j)
        others = np.delete(np.arange(40), j)
        np.testing.assert_allclose(near["cosine"], np.sort(cosines[j, others])[::-1][:10], atol=1e-6)
        np.testing.assert_allclose(cosines[j, near["feature"]], near["cosine"], atol=1e-6)
        histogram = index.histogram(j)
        values = dense[dense[:, j] > 0, j]
        edges = [0, *histogram["high"]]
        edges[-1] *= 1.001
        assert abs(histogram["count"] - np.histogram(values, edges)[0]).sum() <= 2  # values at an edge
        assert histogram["count"].sum() == len(values)


def test_promoted_tokens_are_those_of_the_model_itself(scope, made, monkeypatch):
    _, sae, index, _, _ = made
    norm, unembed = scope.anatomy.final_norm, scope.model.get_output_embeddings()
    with torch.no_grad():
        # the slope of the model's own norm and unembedding along each row, at a stream of mean square 1
        at = torch.ones(128)
        at[::2] = -1
        along = (sae.W_dec @ at / 128)[:, None]  # this part of a row the norm takes out, its scale being that of `at`
        step = 0.05 * (sae.W_dec - along * at)
        slopes = (unembed(norm(at + step)) - unembed(norm(at - step))) / 0.1
        slopes += along * (unembed(norm(at)) - unembed(norm(0 * at)))
    for j in range(40):
        found = index.logits(j)
        np.testing.assert_allclose(found["logit"], slopes[j, found["token_id"]], rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(
            found["logit"][:10], slopes[j].sort(descending=True).values[:10], rtol=1e-3, atol=1e-4
        )
        np.testing.assert_allclose(found["logit"][10:], slopes[j].sort().values[:10].flip(0), rtol=1e-3, atol=1e-4)
    for fast in (False, True):
        monkeypatch.setattr(ranking, "_WORTH", 0)
        monkeypatch.setattr(ranking, "bfloat16_is_fast", lambda fast=fast: fast)
        monkeypatch.setattr(directions, "_AT_ONCE", 400)  # several parts
        monkeypatch.setattr(directions, "_TOKENS", 70)
        again = directions.promoted(scope, sae.W_dec, 10)
        for name in ("promoted_by", "suppressed_by"):
            np.testing.assert_allclose(again[name], index.arrays[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("fast", [False, True])
def test_neighbours_are_those_of_all_cosines(monkeypatch, fast):
    monkeypatch.setattr(ranking, "_WORTH", 0)
    monkeypatch.setattr(ranking, "bfloat16_is_fast", lambda: fast)
    monkeypatch.setattr(directions, "_AT_ONCE", 3000)
    rows = torch.randn(300, 12, generator=torch.Generator().manual_seed(0))
    rows[50:60] = 2 * rows[40]  # more copies than neighbours
    latents, cosines = directions.neighbours(rows, 6)
    unit = torch.nn.functional.normalize(rows, dim=1)
    expected = (unit @ unit.T).fill_diagonal_(-2)
    torch.testing.assert_close(cosines, expected.topk(6, dim=1).values)
    torch.testing.assert_close(expected.gather(1, latents.long()), cosines)


def test_search_finds_what_the_parts_say(scope, made):
    _, sae, index, dense, _ = made
    found = index.search(token="book")
    expected = [j for j in range(40) if "book" in index.tokens(j)["token"].tolist()]
    assert sorted(found["feature"]) == expected
    assert len(expected)
    assert found["match"].is_monotonic_decreasing
    rates = (dense > 0).mean(0)
    assert (
        sorted(index.search(rate=(0.05, 0.2))["feature"]) == np.flatnonzero((rates >= 0.05) & (rates <= 0.2)).tolist()
    )
    assert index.search(rate=(0, 0))["feature"].tolist() == np.flatnonzero(rates == 0).tolist()
    word = index.logits(3)["token"][0]
    assert 3 in index.search(promotes=word)["feature"].tolist()
    assert index.search(like=6)["feature"].tolist() == index.neighbours(6)["feature"].tolist()
    near = index.search(like=sae.W_dec[6], n=40)
    assert (near["feature"].iloc[0], near["feature"].iloc[-1]) == (6, 7)
    wanted = "ANNA WENT"
    said = [
        j
        for j in range(40)
        if any("anna went" in f"{one.before} {one.token} {one.behind}".lower() for one in index.top(j, 5).itertuples())
    ]
    assert sorted(index.search(text=wanted)["feature"]) == said
    prompt = "the dog runs"
    trace = scope.trace(prompt)
    codes = sae.encode(trace.residual(LAYER)[1:]).to_dense().amax(0)
    found = index.search(fires_on=prompt)
    assert sorted(found["feature"]) == codes.nonzero().flatten().tolist()
    np.testing.assert_allclose(found["match"], codes[found["feature"].tolist()], rtol=1e-4)
    both = index.search(fires_on=prompt, rate=(0.0, 0.1))
    assert set(both["feature"]) == set(found["feature"]) & set(index.search(rate=(0.0, 0.1))["feature"])
    assert len(index.search(rate=(0, 1), n=3)) == 3
    remote = FeatureIndex(index.manifest, index.arrays, index.contexts, {}, fake_remote(scope), sae)
    assert remote.search(fires_on=prompt)["feature"].tolist() == found["feature"].tolist()


def test_what_cannot_be_searched_is_said(made):
    index = made[2]
    text = index.tokens(int(np.argmax(index.arrays["count"])))["token"][0].strip()
    listed = {index.text(one) for one in np.unique(index.arrays["token"]) if one >= 0}
    other = next(one for one in (text, f" {text}", text.upper()) if one not in listed)
    with pytest.raises(ValueError, match=rf"token={other!r} is in no list .*; there is .*{text}'"):
        index.search(token=other)
    with pytest.raises(ValueError, match=r"token='zzz' is in no list of tokens of this index\.$"):
        index.search(token="zzz")
    with pytest.raises(ValueError, match="promotes='zzz' is in no list"):
        index.search(promotes="zzz")
    for condition, said in (
        ({"token": ""}, "token= is the text or the id of one token"),
        ({"token": 1.5}, "token= is the text or the id"),
        ({"text": " "}, "text= is what to look for"),
        ({"text": 3}, "text= is what to look for"),
        ({"rate": 0.5}, r"rate= is \(low, high\)"),
        ({"rate": "ab"}, r"rate= is \(low, high\)"),
        ({"rate": (0.5, 0.1)}, r"rate= is \(low, high\)"),
        ({"fires_on": ""}, "has no token to read"),
        ({"fires_on": []}, "has no token to read"),
        ({"fires_on": ["a", "b"]}, "one text, or a list of token ids; got list of 2, the first 'a'"),
        ({"fires_on": "the dog", "n": 0}, "n= is a whole number from 1; got 0"),
        ({"rate": (0, 1), "n": -1}, "n= is a whole number from 1"),
        ({"rate": (0, 1), "n": 1.5}, "n= is a whole number from 1"),
    ):
        with pytest.raises(ValueError, match=said):
            index.search(**condition)
    for j in ("a", 1.5, None, True):
        with pytest.raises(TypeError, match="A latent is a whole number, 0 to 39"):
            index.top(j)
    with pytest.raises(TypeError, match="like= is a latent or a direction"):
        index.search(like="a")
    with pytest.raises(IndexError, match="no latent 40"):
        index.top(40)
    with pytest.raises(ValueError, match="n= is a whole number from 1"):
        index.top(1, -1)
    assert index.top(np.int64(1)).equals(index.top(1))


def test_an_sae_of_another_model_is_said(scope, made):
    _, sae, _, _, folder = made
    with pytest.warns(UserWarning, match="is of 'another', and is used with 'demo'"):
        FeatureIndex.load(folder, scope=scope, sae=dataclasses.replace(sae, model="another"))


def test_an_index_is_read_again_and_small(made):
    _, sae, index, _, folder = made
    again = FeatureIndex.load(folder)
    assert again.table.equals(index.table)
    assert again.top(3).equals(index.top(3))
    assert (folder / "latents.safetensors").stat().st_size < 4600 * len(again)
    with pytest.raises(ValueError, match="fires on a prompt needs the SAE"):
        again.search(fires_on="the dog")
    with pytest.raises(ValueError, match="like=direction needs the SAE"):
        again.search(like=sae.W_dec[0])
    with pytest.raises(ValueError, match="Say what to search"):
        again.search()
    with pytest.raises(ValueError, match="shares of tokens"):
        again.search(rate=(0, 2))
    with pytest.raises(IndexError, match="no latent 40"):
        again.top(40)


def test_a_damaged_folder_is_refused(made, tmp_path):
    folder = made[-1]
    for name in ("index.json", "tokens.json", "latents.safetensors", "contexts.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    manifest = json.loads((folder / "index.json").read_text())
    for change in ({"d_sae": 41}, {"d_sae": -1}, {"d_sae": 1e99}, {"layer": "2"}, {"more": 1}, {"model": None}):
        (tmp_path / "index.json").write_text(json.dumps(manifest | change))
        with pytest.raises(ValueError, match="manifest of an index|arrays of this index"):
            FeatureIndex.load(tmp_path)
    (tmp_path / "index.json").write_text(json.dumps(manifest))
    arrays = load_file(folder / "latents.safetensors")
    for change in (
        {"max": arrays["max"].double()},
        {"token": arrays["token"][:, :3].contiguous()},
        {"x": torch.zeros(1)},
    ):
        save_file(arrays | change, tmp_path / "latents.safetensors")
        with pytest.raises(ValueError, match="arrays of this index"):
            FeatureIndex.load(tmp_path)
    save_file(arrays, tmp_path / "latents.safetensors")
    FeatureIndex.load(tmp_path)
    for text in (
        "[]",
        '{"ids": [1], "texts": []}',
        '{"ids": ["1"], "texts": ["a"]}',
        f'{{"ids": [{10**20}], "texts": ["a"]}}',
        "{",
    ):
        (tmp_path / "tokens.json").write_text(text)
        with pytest.raises(ValueError, match="texts of tokens"):
            FeatureIndex.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="no index"):
        FeatureIndex.load(tmp_path / "nothing")


def test_what_does_not_belong_together_is_said(scope, made, tmp_path):
    rec, sae, _, _, folder = made
    other = features.SAE(sae.W_enc, sae.W_dec, sae.b_enc, sae.b_dec, layer=3)
    with pytest.raises(ValueError, match="does not hold"):
        features.index(scope, other, rec, folder=tmp_path)
    with pytest.raises(ValueError, match="not say of which layer"):
        features.index(scope, features.SAE(sae.W_enc, sae.W_dec, sae.b_enc, sae.b_dec), rec, folder=tmp_path)
    small = features.SAE(sae.W_enc[:, :8], sae.W_dec[:8], sae.b_enc[:8], sae.b_dec, layer=LAYER)
    with pytest.raises(ValueError, match="is of 40 latents"):
        FeatureIndex.load(folder, sae=small)
