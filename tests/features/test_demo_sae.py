"""The SAE that is in the package: its latents against what the text's generator knows, and against shuffled truth."""

import random
from itertools import islice

import numpy as np
import pytest
import torch
from scipy.stats import rankdata

from scope_widgets import features
from scope_widgets.models.execution.read_activations import read_activations
from scripts import demo_language as language
from scripts import demo_words as words

SINGULAR, PLURAL = ({pair[at] for pair in words.ANIMALS} for at in (0, 1))


def auc(scores, truth):
    """Area under the ROC curve of each column `[token, latent]`: the chance that a true token has the larger score."""
    n_true = truth.sum()
    ranks = rankdata(scores, axis=0)[truth].sum(0)
    return (ranks - n_true * (n_true + 1) / 2) / (n_true * (~truth).sum())


@pytest.fixture(scope="module")
def tokens(demo):
    """The words of new texts, which of them are a name's second mention, and the stream before layer 3."""
    prompts = language.held_out_ioi_prompts(80, seed=3)
    texts = [(list(one.words), one.s) for one in prompts]
    rng = random.Random(4)
    texts += [(language.paragraph(rng), "") for _ in range(100)]
    sentences = (language.ordinary_sentence(rng) for _ in range(10_000))
    of_animals = (one for one in sentences if (SINGULAR | PLURAL) & set(one))  # few are
    texts += [(one, "") for one in islice(of_animals, 100)]
    said, second, rows, at = [], [], [], []
    for number, (these, subject) in enumerate(texts):  # halves: every other text
        ids = demo.tokenizer(language.render(these))["input_ids"][:200]
        these = these[: len(ids) - 1]
        rows.append(ids)
        at += [number] * len(these)
        said += these
        second += [word == subject and word in these[:i] for i, word in enumerate(these)]
    layer = features.load("demo").layer
    found = [read_activations(demo, [ids], [("residual", layer)])["residual", layer][0, 1:] for ids in rows]
    return np.array(said), np.array(second), np.array(at) % 2 == 0, torch.cat(found).float()


VARIABLES = {
    "name": lambda said, second: (np.isin(said, words.NAMES), np.ones(len(said), bool)),
    "place": lambda said, second: (np.isin(said, words.PLACES), np.ones(len(said), bool)),
    "number of a noun": lambda said, second: (np.isin(said, list(PLURAL)), np.isin(said, list(SINGULAR | PLURAL))),
    "second mention": lambda said, second: (second, np.isin(said, words.NAMES)),
}


def best(sae, tokens, variable):
    """Return the AUC on one half of the texts of the latent that is best on the other half."""
    said, second, first_half, x = tokens
    truth, counted = VARIABLES[variable](said, second)
    codes = sae.encode(x).to_dense().numpy()
    halves = [counted & half for half in (first_half, ~first_half)]
    latent = auc(codes[halves[0]], truth[halves[0]]).argmax()
    return auc(codes[halves[1]][:, [latent]], truth[halves[1]])[0]


def test_it_says_where_it_belongs(demo):
    sae = features.load("demo")
    assert (sae.model, sae.site, sae.d_in) == ("demo", "residual", 128)


@pytest.mark.parametrize("variable", VARIABLES)
def test_latents_stand_for_what_the_text_was_made_of(tokens, variable):
    assert best(features.load("demo"), tokens, variable) >= 0.9


@pytest.mark.parametrize("variable", VARIABLES)
def test_shuffled_truth_is_not_found(tokens, variable):
    said, second, half, x = tokens
    order = np.random.default_rng(0).permutation(len(said))
    shuffled = said[order], second[order], half, x
    assert abs(best(features.load("demo"), shuffled, variable) - 0.5) < 0.15


def test_its_figures_are_those_of_its_card(demo):
    sae = features.load("demo")
    rng = random.Random(9)
    texts = [language.render(language.paragraph(rng)) for _ in range(40)]
    scores = features.evaluate(demo, sae, texts, progress=False)
    assert scores.variance_explained > 0.9
    assert scores.ce_score_mean > 0.9 > scores.random["ce_score_mean"]
    assert scores.dead_share < 0.5


def test_the_index_in_the_package_is_of_the_sae_and_its_labels_are_true(demo, tokens):
    """What a label says is what the latent fires on, in texts that were neither indexed nor labelled."""
    index = features.FeatureIndex.load("demo", scope=demo)
    assert (len(index), index.manifest.layer) == (index.sae.d_sae, index.sae.layer)
    said, _, _, x = tokens
    codes = index.sae.encode(x).to_dense()
    label_of = dict(zip(index.labels.feature.tolist(), index.labels.label, strict=True))
    names = {j: {word.strip("'") for word in text.split(" or ")} for j, text in label_of.items()}
    names = {j: some for j, some in names.items() if some <= set(words.NAMES)}
    assert len(names) > 10
    hits = []
    for j, some in names.items():
        wanted, fires = np.isin(said, list(some)), codes[:, j].numpy() > 0
        assert fires[~wanted].mean() < 0.05, some
        hits += fires[wanted].tolist()
    assert np.mean(hits) > 0.8
    found = index.search(fires_on="When Mary and John went to the store, John gave a drink to", label="Mary")
    assert len(found) > 0
    assert found["match"].iloc[0] > 0
