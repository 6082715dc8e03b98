"""Planted latents get the labels that they were planted as; random ones get none, and labels of others score .5."""

import csv
import json
import random
import re

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, features
from scope_widgets.features.indexing import index as index_module
from scripts import demo_language as language

LAYER, N_RANDOM = 2, 40
SET = ["is", "with", "because", "that"]
#: latents that are planted: what each fires on, of the texts of a sample and a position in it
PLANTED = {
    0: lambda said, at: said[at] == "likes",
    1: lambda said, at: at > 0 and said[at - 1] == "a",
    2: lambda said, at: at > 0 and (said[at - 1], said[at]) == ("was", "a"),
    3: lambda said, at: said[at] in SET,
    4: lambda said, at: not said[at].isalpha(),
    5: lambda said, at: at == 0,
    6: lambda said, at: at + 1 < len(said) and said[at + 1] == "because",
    7: lambda said, at: False,
    8: lambda said, at: said[at] == "likes",  # and on one token more, most strongly
}
EXPECTED = {0: "'likes'", 1: "after 'a'", 2: "'a' after 'was'", 4: "punctuation", 5: "after the beginning",
            6: "before 'because'"}  # fmt: skip


@pytest.fixture(scope="module")
def scope():
    return Microscope.load("demo")


def missed_row(table):
    """Return a row of a stretch of 21 tokens without 'likes', which is a random context that all latents share."""
    for _, sample in table.groupby("sample_id"):
        if len(sample) > 42 and "likes" not in sample["text"].tolist():
            return sample.index[30]
    raise AssertionError("every text has it")


@pytest.fixture(scope="module")
def made(scope, tmp_path_factory):
    """An index of planted latents, and its labels."""
    folder = tmp_path_factory.mktemp("label")
    rng = random.Random(3)
    texts = [language.render(language.paragraph(rng)) for _ in range(250)]
    rec = features.record(scope, texts, layers=LAYER, folder=folder / "rec", progress=False)
    table = rec.table
    said = dict(enumerate(scope.tokenizer.convert_ids_to_tokens(range(len(scope.tokenizer)))))
    table["text"] = table["token_id"].map(said)
    dense = np.zeros((len(table), len(PLANTED) + N_RANDOM), dtype=np.float32)
    draw = np.random.default_rng(8)
    for _, sample in table.groupby("sample_id"):
        tokens = sample["text"].tolist()
        for at, row in enumerate(sample.index):
            for j, fires in PLANTED.items():
                dense[row, j] = fires(tokens, at)
    rates = np.geomspace(0.005, 0.1, N_RANDOM)
    dense[:, len(PLANTED) :] = draw.random((len(table), N_RANDOM)) < rates
    dense *= 0.5 + draw.random(dense.shape, dtype=np.float32)
    dense[missed_row(table), 8] = 9
    rows = torch.randn(dense.shape[1], 128, generator=torch.Generator().manual_seed(0))
    sae = features.SAE(rows.T.contiguous(), rows, torch.zeros(len(rows)), torch.zeros(128), layer=LAYER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_module, "_codes", lambda *_: features.SparseCodes.from_dense(torch.from_numpy(dense)))
        index = features.index(scope, sae, rec, folder=folder / "index", progress=False)
    return index, features.label(index, progress=False), dense, rec


def test_where_a_latent_fires_is_kept_with_examples_and_random_contexts(made):
    index, _, dense, rec = made
    ids, samples = rec.table["token_id"].to_numpy(), rec.table["sample_id"].to_numpy()
    for j in (0, 1, 20):
        for row, bits, window in zip(*(index.arrays[f"example_{one}"][j] for one in ("row", "fires", "window")),
                                     strict=True):  # fmt: skip
            if row < 0:
                continue
            for at, token in enumerate(window):
                there = row - 15 + at
                inside = 0 <= there < len(ids) and samples[there] == samples[row]
                assert token == (ids[there] if inside else -1)
                assert (bits >> at & 1) == (inside and dense[there, j] > 0)
    contexts = index.contexts
    assert len(contexts.windows) > 300
    scored = []
    for number, (window, sample) in enumerate(zip(contexts.windows, contexts.samples, strict=True)):
        rows = np.flatnonzero(samples == sample)
        text = ids[rows].tolist()
        wanted = [one for one in window[2:].tolist() if one >= 0]
        at = next(at for at in range(0, len(text), 21) if text[at : at + 22] == wanted)
        assert window[:2].tolist() == [-1, -1] if at == 0 else window[:2].tolist() == text[at - 2 : at]
        scored.append(rows[at : at + 21])
        assert contexts.rows[number] == rows[at]
        for j in (0, 1, 20):
            fires = dense[rows[at : at + 22], j] > 0
            assert contexts.fires(j)[number, 2 : 2 + len(fires)].tolist() == fires.tolist()
    assert len(np.unique(np.concatenate(scored))) == sum(map(len, scored))  # none overlap


def test_planted_labels_are_found(made):
    _, labels, _, _ = made
    table = labels.to_dataframe().set_index("feature")
    assert 7 not in table.index  # it never fires
    for j, label in EXPECTED.items():
        assert table["label"][j] == label
    assert set(table["label"][3].split(" or ")) == set(map(repr, SET))
    planted = table.loc[[*EXPECTED, 3]]
    assert np.isnan(planted["detection"][4])  # there is punctuation in every passage
    assert (planted["detection"].drop(4) > 0.97).all()
    assert (planted["fuzzing"] > 0.97).all()
    assert (planted["low"] > 0.8).all()
    assert (planted["n"] > 100).all()
    assert "of all text it fires on" in table["evidence"][0]


def test_random_latents_are_unlabelled_and_other_labels_score_a_half(made):
    _, labels, _, _ = made
    table = labels.to_dataframe()
    at_random = table[table["feature"] >= len(PLANTED)]
    assert (at_random["label"] != "unlabelled").sum() <= 3  # of 40; one in 40 by chance
    assert abs(at_random["fuzzing"].mean() - 0.5) < 0.02
    # long passages have more tokens that fire and more on which a label holds: .5 is not the null of detection
    assert abs((at_random["detection"] - at_random["null_detection"]).mean()) < 0.03
    assert abs(table["null_fuzzing"] - 0.5).max() < 0.1
    assert at_random["evidence"].str.contains("not better than chance|no rule").mean() > 0.9


def first_half(index, seed=0):
    """Return of each sample whether rules are fitted on it, as the seed says."""
    rng = np.random.default_rng(seed)
    rng.permutation(len(index.contexts.windows))
    known = np.unique(np.concatenate([index.contexts.samples, index.arrays["example_sample"].ravel()]))
    return dict(zip(known.tolist(), (rng.permutation(len(known)) % 2 == 0).tolist(), strict=True))


def scored_passages(made, j, seed=0):
    """Return the rows of each passage that is scored, found in the recording alone, and the number of all contexts."""
    index, _, _, rec = made
    ids, samples = rec.table["token_id"].to_numpy(), rec.table["sample_id"].to_numpy()
    fitted = first_half(index, seed)
    passages = []
    for row in index.arrays["example_row"][j]:
        if row >= 0 and not fitted[samples[row]]:
            passages.append([one for one in range(max(row - 13, 0), row + 8)
                             if one < len(ids) and samples[one] == samples[row]])  # fmt: skip
    seen, n_all = {one for some in passages for one in some}, len(passages)
    for window, sample in zip(index.contexts.windows.tolist(), index.contexts.samples.tolist(), strict=True):
        rows = np.flatnonzero(samples == sample)
        wanted = [one for one in window[2:] if one >= 0]
        if fitted[sample]:
            continue
        n_all += 1
        at = next(at for at in range(0, len(rows), 21) if ids[rows[at : at + 22]].tolist() == wanted)
        if seen.isdisjoint(rows[at : at + 21].tolist()):
            passages.append(rows[at : at + 21].tolist())
    return passages, n_all


@pytest.mark.parametrize(("j", "word"), [(0, "likes"), (2, "a"), (6, "is"), (8, "likes"), (20, "with")])
def test_scores_are_those_of_counting_each_token_once(made, j, word):
    index, _, dense, rec = made
    passages, n_all = scored_passages(made, j)
    rows = np.concatenate(passages)
    assert len(np.unique(rows)) == len(rows)
    assert len(passages) < n_all  # some contexts hold an example
    own = features.label(index, labels={j: repr(word)}, progress=False)
    assert own.n.tolist() == [len(passages)]
    said = [index.text(one) == word for one in rec.table["token_id"]]
    said, true = np.array(said), dense[:, j] > 0
    of_passages = [np.array([column[some].any() for some in passages]) for column in (said, true)]
    for value, (yes, is_so) in ((own.fuzzing, (said[rows], true[rows])), (own.detection, of_passages)):
        assert value[0] == pytest.approx((yes[is_so].mean() + (~yes[~is_so]).mean()) / 2)
    assert (own.null_fuzzing[0], own.null_detection[0]) == (0.5, 0.5)  # there are no others
    right, of = (of_passages[0] & of_passages[1]).sum(), of_passages[1].sum()
    assert f"right on {right} of {of} passages in which it fires" in own.evidence[0]


def test_a_single_miss_counts_once(made):
    index, _, _, rec = made
    row = missed_row(rec.table.assign(text=[index.text(one) for one in rec.table["token_id"]]))
    assert row in index.arrays["example_row"][8]
    sample = rec.table["sample_id"][row]
    held_out = [seed for seed in range(6) if not first_half(index, seed)[sample]]
    assert 0 < len(held_out) < 6
    for seed in range(6):
        own = features.label(index, labels={8: "'likes'"}, seed=seed, progress=False)
        right, of = map(
            int, re.match(r".*?right on (\d+) of (\d+) passages in which it fires", own.evidence[0]).groups()
        )
        assert of - right == (seed in held_out)


def test_labels_of_ones_own_are_scored_alike(made, tmp_path):
    index, labels, _, _ = made
    given = labels.labelled()
    again = features.label(index, labels=given, progress=False)
    of = np.isin(labels.feature, again.feature)
    for name in ("detection", "fuzzing", "low", "high", "n"):
        np.testing.assert_array_equal(getattr(again, name), getattr(labels, name)[of])
    (tmp_path / "own.json").write_text(json.dumps(given))
    with (tmp_path / "own.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("latent", "label"), *given.items()])
    for name in ("own.json", "own.csv"):
        assert features.label(index, labels=tmp_path / name, progress=False).to_json() == again.to_json()
    free = features.label(index, labels={0: "verbs of liking"}, progress=False)
    assert free.label == ("verbs of liking",)
    assert np.isnan(free.detection[0])
    assert "predict= is needed" in free.evidence[0]


def test_a_function_may_say_where_a_label_fires(made):
    index, labels, _, _ = made
    asked = []

    def predict(label, passages):
        asked.append(label)
        return [[token in label.split() for token in passage] for passage in passages]

    own = {0: "likes", 2: "a", 3: " ".join(SET), 9: "nothing of this"}
    found = features.label(index, labels=own, predict=predict, progress=False).to_dataframe().set_index("feature")
    assert found["label"].tolist() == ["likes", "a", own[3], "unlabelled"]
    assert found["fuzzing"][0] == labels.fuzzing[labels.feature == 0]
    assert set(asked) == set(own.values())
    few = features.label(index, labels=own, predict=predict, contexts=50, progress=False)
    assert (few.n < 80).all()
    for wrong in (lambda *_: [], lambda *_: None, lambda _, passages: [[True]] * len(passages)):
        with pytest.raises(ValueError, match="a bool for each token of each of the"):
            features.label(index, labels=own, predict=wrong, progress=False)


def test_labels_stand_beside_the_index_and_are_searched(made):
    index, labels, _, _ = made
    features.label(index, progress=False)
    again = features.FeatureIndex.load(index.folder)
    assert again.labels.to_json() == labels.to_json()
    assert index.labels.to_json() == labels.to_json()
    assert again.table["label"].tolist()[6:8] == ["before 'because'", ""]
    assert again.search(label="AFTER 'WAS'")["feature"].tolist() == [2]
    found = again.search(label="'")
    assert found["match"].is_monotonic_decreasing
    assert 0 in found["feature"].tolist()
    whole = (index.folder / "labels.json").read_text()
    scalar = whole.replace('"shape": [48]', '"shape": [48, 1]', 1)
    assert scalar != whole
    impossible = []
    for name, value in (("p", 7.0), ("fuzzing", -1.0), ("n", -1), ("firing", -3)):
        given = json.loads(whole)
        given[name]["values"][0] = value
        impossible.append(json.dumps(given))
    for text in (*impossible, "{}", scalar, whole.replace('"values": [0', '"values": [99999', 1), whole[:100]):
        (index.folder / "labels.json").write_text(text)
        with pytest.raises(ValueError, match="does not hold labels of this index"):
            features.FeatureIndex.load(index.folder).search(label="a")
    (index.folder / "labels.json").unlink()
    with pytest.raises(ValueError, match="there are none yet"):
        features.FeatureIndex.load(index.folder).search(label="a")


def test_the_same_seed_gives_the_same_labels(made):
    index, labels, _, _ = made
    some = features.label(index, latents=[2, 0], progress=False)
    assert some.feature.tolist() == [0, 2]
    assert some.label == ("'likes'", "'a' after 'was'")
    assert features.label(index, progress=False).to_json() == labels.to_json()
    assert features.label(index, progress=False, seed=4).detection.tolist() != labels.detection.tolist()


def test_what_is_no_label_is_refused(made, tmp_path):
    index = made[0]
    for labels, said in (
        ({99: "a"}, "names latent 99"),
        ({1: ""}, "no text for latent 1"),
        ({"x": "a"}, "names latent"),
    ):
        with pytest.raises(ValueError, match=said):
            features.label(index, labels=labels)
    for text in ("a,b\n1,2", "latent,label\n99,a", "latent,label\n1"):
        (tmp_path / "own.csv").write_text(text)
        with pytest.raises(ValueError, match="is no file of labels"):
            features.label(index, labels=tmp_path / "own.csv")
    (tmp_path / "own.json").write_text("[1]")
    with pytest.raises(ValueError, match="is no file of labels"):
        features.label(index, labels=tmp_path / "own.json")
    with pytest.raises(FileNotFoundError, match="no file"):
        features.label(index, labels=tmp_path / "none.json")
    with pytest.raises(ValueError, match="latents= names 100"):
        features.label(index, latents=[100])
    with pytest.raises(ValueError, match="null_draws= is a number"):
        features.label(index, null_draws=-1)
