"""A planted label is found where it is written and not before; random labels are not found; what a probe is worth is
said beside it.
"""

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, probing, steering
from scope_widgets.experiments.probes import pooled_residuals
from scope_widgets.experiments.statistics.auc import auc
from scope_widgets.probing import fit as fit_function
from scope_widgets.probing.split import groups_of, held_out_texts
from tests.support.fake_transport import fake_remote
from tests.support.planted_labels import ANSWER, LAST, N_LAYERS, VERSUS, WORDS, WRITES, planted, prompts

AFTER = list(range(WRITES + 1, N_LAYERS + 1))


@pytest.fixture(scope="module")
def scope():
    return planted()


@pytest.fixture(scope="module")
def logistic(scope):
    rows, labels, _ = prompts()
    return probing.fit(scope, rows, labels, progress=False)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("method", ["logistic", "difference_of_means", "whitened"])
def test_a_label_is_found_where_it_is_written_and_not_before(scope, method, seed):
    rows, labels, _ = prompts(seed=seed)
    permutations = 40 if method == "logistic" else 200
    found = probing.fit(scope, rows, labels, method=method, seed=seed, permutations=permutations, progress=False)
    assert found.decodable() == AFTER
    assert found.auc[0] == 0.5  # the last token is the same everywhere, and its noise is rounding
    assert found.auc[WRITES + 1 :].min() > 0.75
    if method != "difference_of_means":
        assert found.auc[WRITES + 1 :].min() > max(0.9, found.tokens)
        assert found.selectivity[WRITES + 1 :].min() > 0.2
    assert (found.low < found.auc).all()
    assert (found.embedding, found.n, found.n_fitted) == (0.5, 40, 40)


def test_all_that_is_said_of_a_layer_is_that_of_a_plain_reading(scope, logistic):
    rows, labels, _ = prompts()
    x = np.stack([scope.trace([row]).residual(4)[0, -1].double().numpy() for row in rows])
    labels = np.array(labels)
    held = held_out_texts(labels, groups_of([tuple(row) for row in rows], None), 0.5, 0)
    scores = logistic.scores(4, x)
    assert logistic.auc[4] == pytest.approx(auc(scores[held], labels[held]))
    np.testing.assert_allclose(logistic.scores(4, torch.tensor(x)), scores)
    np.testing.assert_allclose(
        logistic.difference[4], x[~held & labels].mean(0) - x[~held & ~labels].mean(0), atol=1e-4
    )
    score = logistic.scores(4, x[~held])
    covariance = (x[~held] - x[~held].mean(0)).T @ (score - score.mean()) / 40
    np.testing.assert_allclose(logistic.covariance[4], covariance, atol=1e-3 * abs(covariance).max())
    assert logistic.null.shape == (7, 100)
    assert logistic.p[4] == (1 + (logistic.null[4] >= logistic.auc[4]).sum()) / 101
    order = np.sort(logistic.p)
    assert logistic.q[logistic.p.argmin()] == pytest.approx(min(order * 7 / np.arange(1, 8)))


def test_the_sentence_says_encodes_only_after_the_causal_test(scope, logistic):
    rows, _, unused = prompts()
    options = {"answer": ANSWER, "versus": VERSUS, "layer": 4, "draws": 20}
    assert "is decodable at layers 3, 4, 5, 6" in logistic.text()
    assert "encodes" not in logistic.text() + logistic.text(4) + repr(logistic)
    test = probing.causal_test(scope, logistic, rows[:6], **options)
    assert test.passed
    assert test.low > 0
    assert "layer 4 encodes 'False' against 'True'" in test.text()
    tested = logistic.with_test(test)
    assert "layer 4 encodes" in tested.text()
    assert "layer 4 encodes" in tested.text(4)
    assert "encodes" not in tested.text(5)
    assert tested.to_dataframe()["tested"].tolist() == [None, None, None, None, True, None, None]

    of_unused = probing.fit(scope, rows, unused, method="whitened", progress=False)
    assert of_unused.decodable() == AFTER  # as decodable as the other one, and nothing reads it
    test = probing.causal_test(scope, of_unused, rows[:6], **options)
    assert not test.passed
    tested = of_unused.with_test(test)
    assert "encodes" not in tested.text() + tested.text(4) + test.text()
    assert "nothing says that the model uses what is decodable" in tested.text(4)
    with pytest.raises(ValueError, match="of other probes than these"):
        probing.fit(scope, rows, ["a" if one else "b" for one in unused], layers=[4], permutations=5).with_test(test)


def test_effects_are_those_of_steering(scope, logistic):
    rows, _, _ = prompts()
    test = probing.causal_test(scope, logistic, rows[:4], answer=ANSWER, versus=VERSUS, layer=3, draws=5)
    direction = logistic.direction(3)
    for row, effect in zip(rows[:4], test.effects, strict=True):
        said = []
        for sign in (1, -1):
            add = steering.AddDirection(direction, sign * direction.length, positions="last")
            with steering.steer(scope, add):
                logits = scope.trace([row]).logits[0, -1]
            said.append(float(logits[ANSWER] - logits[VERSUS]))
        assert effect == pytest.approx(said[0] - said[1], rel=1e-4)
    assert test.effect == pytest.approx(test.effects.mean())


def test_what_steers_is_how_activations_move(scope, logistic):
    """Weights are made blind to what else is there; covariance points where the label was written."""
    written = np.zeros(64)
    written[2] = 1
    assert logistic.direction(4).vector @ written > 0.7
    assert logistic.direction(4, along="weights").vector @ written < 0.5
    means = probing.fit(scope, *prompts()[:2], method="difference_of_means", layers=[4], permutations=5)
    np.testing.assert_array_equal(means.direction(4).vector, means.direction(4, along="weights").vector)
    assert means.direction(4).length * means.scale[0] == pytest.approx(np.linalg.norm(means.difference[0]), rel=1e-5)
    with pytest.raises(ValueError, match="reads nothing: all texts are alike there"):
        logistic.direction(0)
    with pytest.raises(ValueError, match="There is no probe of layer 9; there are of 0, 1"):
        logistic.direction(9)


def random_labels_report(scope, seeds, method):
    """Return how many of so many runs with random labels report any layer."""
    rows, _, _ = prompts()
    reported = 0
    for seed in seeds:
        labels = np.random.default_rng(10_000 + seed).permutation([True, False] * 40).tolist()
        reported += bool(probing.fit(scope, rows, labels, method=method, seed=seed, progress=False).decodable())
    return reported


def test_random_labels_are_not_found(scope):
    assert random_labels_report(scope, range(25), "difference_of_means") <= 4  # 5 of 25 at 5 % have p .007


@pytest.mark.heavy  # minutes
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("method", "runs"), [("logistic", 200), ("whitened", 400), ("difference_of_means", 400)])
def test_random_labels_are_found_no_oftener_than_said(scope, method, runs):
    reported = random_labels_report(scope, range(runs), method)
    print(f"{method}: {reported} of {runs} runs with random labels report a layer")
    assert reported / runs <= 0.05 + 2 * (0.05 * 0.95 / runs) ** 0.5


def test_labels_of_groups_are_not_found_by_their_groups(scope):
    """Each group has words of its own, and a random label: what is learnt of some groups says nothing of others."""
    rng, reported, apart = np.random.default_rng(0), 0, 0
    for seed in range(10):
        of_group = rng.permutation([True, False] * 10)
        group = np.repeat(np.arange(20), 5)
        words = rng.choice(WORDS.ravel(), (20, 3))
        rows = [[*rng.permutation(words[one]).tolist(), int(rng.choice(WORDS.ravel())), LAST] for one in group]
        labels = of_group[group].tolist()
        options = {"method": "whitened", "positions": "mean", "layers": [0, 3], "seed": seed, "progress": False}
        reported += bool(probing.fit(scope, rows, labels, groups=group, **options).decodable())
        apart += bool(probing.fit(scope, rows, labels, **options).decodable())  # words of a group in both halves
    assert reported <= 2
    assert apart >= 8


def test_unbalanced_labels(scope):
    rows, labels, _ = prompts(n=200)
    kept = [at for at, one in enumerate(labels) if not one or at % 10 == 1]
    rows, labels = [rows[at] for at in kept], [labels[at] for at in kept]
    assert (sum(labels), len(labels)) == (20, 120)
    found = probing.fit(scope, rows, labels, method="whitened", progress=False)
    assert found.decodable() == AFTER
    assert found.auc[4] > 0.9
    assert found.high[4] - found.low[4] > 0.05  # ten of the smaller class are held out
    said = found.scores(4, np.stack([scope.trace([row]).residual(4)[0, -1].numpy() for row in rows])) > 0
    right = said == np.array(labels)
    assert min(right[labels].mean(), right[~np.array(labels)].mean()) > 0.6  # neither class is given up


def test_ccs_says_that_labels_chose_its_sign(scope):
    rng = np.random.default_rng(0)
    pairs, labels = [], []
    for at in range(60):
        row = WORDS[rng.integers(12, size=5), 1, rng.integers(2, size=5)].tolist()
        other = WORDS[rng.integers(12, size=5), 0, rng.integers(2, size=5)].tolist()
        pairs.append(([*row, LAST], [*other, LAST]) if at % 2 else ([*other, LAST], [*row, LAST]))
        labels.append(bool(at % 2))
    found = probing.fit(scope, pairs, labels, method="ccs", layers=[0, 4], progress=False)
    assert found.auc[0] == 0.5
    assert found.auc[1] > 0.9
    assert found.p[0] == 1
    assert "its sign was chosen by the labels of the fitted prompts" in found.provenance.note
    assert np.isnan(found.control).all()
    assert found.direction(4).vector[2] > 0.5
    with pytest.raises(ValueError, match=r"takes pairs of texts, \(yes, no\); text 0 is 'the dog'"):
        probing.fit(scope, ["the dog", "a"], [0, 1], method="ccs")


def test_labels_and_texts_that_cannot_be_probed_are_said(scope):
    rows, labels, _ = prompts(n=30)
    for given, said in (
        ([True] * 30, "are of two kinds; got 1: True"),
        ([0, 1, 2] * 10, r"are of two kinds; got 3: 0, 1, 2\. Probe one against the others: \[one == 0 for one in"),
        (labels[:7], "one label of each text; got 7 of 30 texts"),
        ([0.5, 1.5] * 15, "are bools, whole numbers or texts; got 0.5"),
        ([True] * 3 + [False] * 27, "Of one class there are 1 prompts to fit.* give 8 of each class at least"),
    ):
        with pytest.raises(ValueError, match=said):
            probing.fit(scope, rows, given)
    for options, said in (
        ({"method": "svm"}, "method= is one of logistic, difference_of_means, whitened, ccs; got 'svm'"),
        ({"layers": [7]}, "layers= are numbers from 0 to 6"),
        ({"layers": []}, "layers= are numbers from 0 to 6"),
        ({"positions": "first"}, 'positions= is "last", "mean" or a position; got \'first\''),
        ({"positions": 8}, "text 0 has 8 tokens. Leave it and its label out"),
        ({"groups": [1, 2]}, "one group of each text; got 2 of 30 texts"),
        ({"groups": [0, 1] * 15}, "Of one class there are . groups"),
        ({"held_out": 1.0}, "held_out= is a share between 0 and 1; got 1.0"),
        ({"permutations": 0}, "permutations= is a whole number from 1"),
        ({"seed": -1}, "seed= is a whole number"),
    ):
        with pytest.raises(ValueError, match=said):
            probing.fit(scope, rows, labels, **options)
    with pytest.raises(ValueError, match="Of one class there are"):
        probing.fit(scope, [rows[0]] * 15 + [rows[1]] * 15, [0] * 15 + [1] * 15)  # one prompt of each, many times
    with pytest.raises(ValueError, match="Text 3 cannot be read: The prompt is empty"):
        probing.fit(scope, [*rows[:3], [], *rows[4:]], labels)


def test_activations_that_are_no_numbers_are_said():
    scope = planted()
    with torch.no_grad():
        scope.model.transformer.h[3].mlp.c_proj.bias[5] = float("nan")
    rows, labels, _ = prompts(n=30)
    with pytest.raises(ValueError, match="at layer 4 is NaN or infinite on text 0. In float16"):
        probing.fit(scope, rows, labels, progress=False)


def test_causal_tests_that_cannot_be_are_said(scope, logistic):
    rows, _, _ = prompts()
    options = {"answer": ANSWER, "versus": VERSUS}
    with pytest.raises(ValueError, match="prompts= are 4 at least"):
        probing.causal_test(scope, logistic, rows[:3], **options)
    with pytest.raises(ValueError, match="the same"):
        probing.causal_test(scope, logistic, [rows[0]] * 4, **options)
    with pytest.raises(ValueError, match="same"):
        probing.causal_test(scope, logistic, rows[:4], answer=ANSWER, versus=ANSWER)
    with pytest.raises(ValueError, match="of another model"):
        probing.causal_test(Microscope.load("demo"), logistic, ["the dog"] * 4, answer=5, versus=6)


def test_it_does_not_ask_where_the_model_is(scope):
    rows, labels, _ = prompts(n=40)
    elsewhere = fake_remote(scope)
    options = {"method": "whitened", "layers": [0, 4], "permutations": 20, "progress": False}
    here, there = (probing.fit(one, rows, labels, **options) for one in (scope, elsewhere))
    for name in ("auc", "null", "control", "weights"):
        np.testing.assert_allclose(getattr(there, name), getattr(here, name), rtol=1e-5)
    tests = [
        probing.causal_test(one, here, rows[:4], answer=ANSWER, versus=VERSUS, draws=5, layer=4)
        for one in (scope, elsewhere)
    ]
    np.testing.assert_allclose(tests[0].effects, tests[1].effects, rtol=1e-5)
    assert elsewhere.transport.asked == ["_pooled", "_pooled", "_effects"]


def test_one_forward_is_for_all_layers(scope, monkeypatch):
    asked = []
    real = fit_function.__globals__["pooled_residuals"]
    monkeypatch.setitem(fit_function.__globals__, "pooled_residuals", lambda *a: asked.append(a[3]) or real(*a))
    rows, labels, _ = prompts(n=40)
    probing.fit(scope, rows, labels, method="difference_of_means", permutations=5, progress=False)
    assert asked == [list(range(7))]


def test_where_memory_does_not_suffice_a_batch_is_run_in_halves(scope, monkeypatch):
    rows, labels, _ = prompts(n=40)
    options = {"method": "difference_of_means", "permutations": 5, "progress": False}
    whole, of_batch, sizes = probing.fit(scope, rows, labels, **options), pooled_residuals._pooled, []

    def short_of_memory(model, some, *rest):
        sizes.append(len(some))
        if len(some) > 15:
            raise MemoryError
        return of_batch(model, some, *rest)

    monkeypatch.setattr(pooled_residuals, "_pooled", short_of_memory)
    halved = probing.fit(scope, rows, labels, **options)
    assert sizes == [40, 20, 10, 10, 10, 10]
    np.testing.assert_allclose(halved.difference, whole.difference, atol=1e-4)


def test_positions_are_those_asked_for(scope):
    rows, labels, _ = prompts(n=40)
    rows = [[*row, LAST] for row in rows]
    options = {"method": "difference_of_means", "layers": [3], "permutations": 5, "progress": False}
    read = {"last": [-1], "mean": list(range(1, 9)), 2: [2], -3: [-3]}
    for positions, at in read.items():
        found = probing.fit(scope, rows, labels, positions=positions, **options)
        x = np.stack([scope.trace([row]).residual(3)[0, at].double().mean(0).numpy() for row in rows])
        held = held_out_texts(np.array(labels), groups_of([tuple(row) for row in rows], None), 0.5, 0)
        difference = x[~held & labels].mean(0) - x[~held & ~np.array(labels)].mean(0)
        np.testing.assert_allclose(found.difference[0], difference, atol=1e-4)
