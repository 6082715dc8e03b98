"""Before and after: what changes is found, what does nothing is not, and the model is as it was."""

import contextlib
import dataclasses

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, circuits, editing, evals, steering
from scope_widgets._partial_result import Interrupted
from scope_widgets.evals.eval_result import intervals
from scope_widgets.evals.measures import perplexity
from scope_widgets.evals.metrics import METRICS, TaskScores

SMALL = {"n": 6, "samples": 1, "max_new_tokens": 4, "progress": False}
TEXT = "The dog walked to the store"


@pytest.fixture(scope="module")
def plural(demo):
    return steering.direction(demo, positive=["the dogs"], negative=["the dog"], layer=2)


@pytest.fixture(scope="module")
def result(demo):
    return evals.run(demo, **SMALL)


def logits(scope):
    return scope.trace(TEXT).logits


def test_run_has_every_metric(result):
    names = {one.metric.rpartition(".")[2] for one in result.tasks}
    assert names == set(METRICS) - {"accuracy", "pair_margin"}
    assert result["perplexity.nats_per_token"].value > 0
    table = result.to_dataframe()
    assert (table.low <= table.value + 1e-9).all()
    assert (table.value <= table.high + 1e-9).all()
    assert "unknown to this tokenizer" in result.provenance.note
    assert len(result.outputs) == 3 * 6
    with pytest.raises(KeyError, match=r"There is no 'facts.x'; there are facts.efficacy"):
        result["facts.x"]


def test_metrics_by_hand(demo):
    suite = evals.Suite(
        "mine",
        "facts",
        (
            evals.Fact("the dog", " runs", (" run", " Mary"), "a", "a", ("the cat",)),
            evals.Fact("the dogs", " run", (" runs",), "b", "b"),
        ),
    )
    found = evals.run(demo, suite, progress=False)

    def log_p(prompt, word):
        ids = demo.tokenizer(word)["input_ids"][-1]
        return float(demo.trace(prompt).logits[-1].log_softmax(-1)[ids])

    margins = [
        log_p("the dog", "runs") - max(log_p("the dog", "run"), log_p("the dog", "Mary")),
        log_p("the dogs", "run") - log_p("the dogs", "runs"),
    ]
    np.testing.assert_allclose(found["mine.margin"].values, margins, atol=1e-4)
    assert found["mine.efficacy"].values.tolist() == [float(one > 0) for one in margins]
    written = [demo.generate(prompt, max_new_tokens=8).split() for prompt in ("the dog", "the dogs")]
    said = [float(word in text) for word, text in zip(("runs", "run"), written, strict=True)]
    assert found["mine.generation"].values.tolist() == said
    documents = evals.Suite("d", "perplexity", (evals.Document("x", TEXT), evals.Document("y", "the dog runs.")))
    surprise = evals.run(demo, documents, progress=False)
    rows = [demo.tokenizer(text)["input_ids"] for text in (TEXT, "the dog runs.")]
    losses = [
        -sum(demo.trace(row).logits.log_softmax(-1)[i, row[i + 1]].item() for i in range(len(row) - 1)) for row in rows
    ]
    n_tokens = sum(len(row) - 1 for row in rows)
    assert surprise["d.nats_per_token"].value == pytest.approx(sum(losses) / n_tokens, abs=1e-4)
    n_bytes = len(TEXT) + len("the dog runs.")
    assert surprise["d.bits_per_byte"].value == pytest.approx(sum(losses) / n_bytes / np.log(2), abs=1e-4)


def test_a_planted_change_is_found(demo, plural):
    done = evals.compare(demo, "perplexity", steering.AddDirection(plural, 2.0), progress=False)
    assert done.verdicts == ("changed", "changed")
    row = done["perplexity.nats_per_token"]
    assert row["low"] > 0.05
    assert row["before"] < row["after"]
    assert "Changed: perplexity.nats_per_token" in done.text()
    assert "2 changed" in repr(done)


def test_what_does_nothing_changes_nothing_and_keeps_all_of_many_items(demo):
    done = evals.compare(demo, ["perplexity", "bias"], contextlib.nullcontext(), progress=False)
    assert (done.difference == 0).all()
    assert (done.p == 1).all()
    assert set(done.verdicts) == {"kept"}
    few = evals.compare(demo, "bias", contextlib.nullcontext(), n=6, progress=False)
    assert few["bias.stereotyped"]["verdict"] == "not shown"  # six answers do not show that a share is kept
    assert few["bias.stereotyped"]["detectable"] > 0.2


ANIMALS = ("dog", "cat", "horse", "bird", "cow", "duck", "rabbit", "bear", "farmer", "king", "queen", "doctor")
STARTS = tuple(f"{the} {animal}" for animal in ANIMALS for the in ("the", "my", "this"))


@pytest.mark.parametrize("stop", [6, pytest.param(200, marks=pytest.mark.heavy)])
def test_another_seed_alone_shows_no_difference(demo, stop):
    """What is sampled differs by its seed; before and after are drawn from one model."""
    starts = evals.Suite("starts", "fluency", tuple(evals.Beginning(text, "", text) for text in STARTS))
    found = 0
    for seed in range(stop):
        sides = [evals.run(demo, starts, seed=at, max_new_tokens=6, progress=False) for at in (seed, 10_000 + seed)]
        sides[1] = dataclasses.replace(sides[1], provenance=sides[0].provenance)
        assert sides[0].outputs != sides[1].outputs
        found += "changed" in evals.compared(*sides).verdicts
    assert found <= max(1, 0.05 * stop)


@pytest.mark.parametrize("stop", [20, pytest.param(200, marks=pytest.mark.heavy)])
def test_sides_exchanged_at_random_show_no_difference(demo, plural, stop):
    """Before and after of a real intervention, exchanged cluster by cluster: neither side is after the other."""
    changed = steering.AddDirection(plural, 1.0)
    before, after = (evals.run(demo, "bias", intervention=one, progress=False) for one in (None, changed))
    found = 0
    for seed in range(stop):
        generator = np.random.default_rng(seed)
        tasks = ([], [])
        names = sorted(set(before.tasks[0].clusters))
        exchanged = dict(zip(names, generator.integers(0, 2, len(names)).astype(bool), strict=True))
        for one, other in zip(before.tasks, after.tasks, strict=True):
            swap = np.array([exchanged[cluster] for cluster in one.clusters])
            for side, (first, second) in zip(tasks, ((one, other), (other, one)), strict=True):
                side.append(dataclasses.replace(one, values=np.where(swap, second.values, first.values)))
        sides = [dataclasses.replace(before, tasks=tuple(side)) for side in tasks]
        found += "changed" in evals.compared(*sides).verdicts
    assert found <= max(2, 0.05 * stop)


@pytest.mark.parametrize("kind", ["intervention", "several", "block", "function", "patch", "circuit", "model", "mixed"])
def test_every_kind_of_intervention(demo, plural, ioi_circuit, kind, tmp_path):
    add, head = steering.AddDirection(plural, 1.0), steering.ScaleHead(3, 1, 0.0)
    patch = editing.FeaturePatch(demo, plural, strength=3.0)
    given = {
        "intervention": add,
        "several": [add, head],
        "block": steering.steer(demo, add),
        "function": lambda scope: steering.steer(scope, add),
        "patch": patch,
        "circuit": circuits.AblatedNodes(ioi_circuit.keep(n_edges=10)),
        "model": None,
        "mixed": [patch, add, head],
    }[kind]
    if kind == "model":
        demo.model.save_pretrained(tmp_path)
        demo.tokenizer.save_pretrained(tmp_path)
        given = Microscope.load(tmp_path)
        with torch.no_grad():
            given.model.model.layers[1].mlp.down_proj.weight.zero_()
    before = logits(demo)
    done = evals.compare(demo, "perplexity", given, n=5, progress=False)
    assert (done.difference != 0).all()
    assert done.what
    assert torch.equal(logits(demo), before)


def test_several_act_at_once(demo, plural):
    add, head = steering.AddDirection(plural, 1.0), steering.ScaleHead(3, 1, 0.0)
    values = [
        evals.run(demo, "perplexity", intervention=one, n=4, progress=False).tasks[0].values
        for one in ([add, head], lambda scope: steering.steer(scope, add, head), add)
    ]
    np.testing.assert_allclose(values[0], values[1], atol=1e-5)
    assert not np.allclose(values[0], values[2], atol=1e-3)


def test_the_model_is_put_back(demo, plural):
    before = logits(demo)

    def scorer(texts):
        raise KeyboardInterrupt

    def broken(texts):
        raise ArithmeticError

    add = steering.AddDirection(plural, 1.0)
    with pytest.raises(ArithmeticError):
        evals.run(demo, "toxicity", intervention=add, scorer=broken, **SMALL)
    assert torch.equal(logits(demo), before)
    with pytest.raises(Interrupted) as stopped:
        evals.run(demo, ["perplexity", "toxicity"], intervention=add, scorer=scorer, **SMALL)
    assert torch.equal(logits(demo), before)
    assert [one.suite for one in stopped.value.result.tasks] == ["perplexity", "perplexity", "toxicity"]


def test_interrupted_within_a_block_keeps_what_was_computed(demo, plural, monkeypatch):
    before = logits(demo)
    ran = []

    def measure(suite, *rest):
        ran.append(suite.name)
        if len(ran) == 4:  # the second suite of the second side
            raise KeyboardInterrupt
        return measured(suite, *rest)

    measured = perplexity.measure
    monkeypatch.setattr(perplexity, "measure", measure)
    suites = [evals.load("perplexity"), dataclasses.replace(evals.load("perplexity"), name="again")]
    with pytest.raises(Interrupted) as stopped:
        evals.compare(demo, suites, steering.AddDirection(plural, 1.0), n=4, progress=False)
    assert torch.equal(logits(demo), before)
    assert stopped.value.result.names == ("perplexity.nats_per_token", "perplexity.bits_per_byte")
    assert "Stopped after 1 of 2 suites" in str(stopped.value)


def test_another_tokenizer_compares_bytes_and_not_tokens(demo):
    before = evals.run(demo, "perplexity", n=5, progress=False)
    tasks = [before.tasks[0], before.tasks[1]]
    tasks[0] = dataclasses.replace(tasks[0], weights=tasks[0].weights + 1)
    done = evals.compared(before, dataclasses.replace(before, tasks=tuple(tasks)))
    assert done.names == ("perplexity.bits_per_byte",)
    assert "nats_per_token: not compared" in done.provenance.note


def task(values, yes_no=False, clusters=None, unit="share of samples"):
    ids = tuple(map(str, range(len(values))))
    values = np.array(values, dtype=float)
    return TaskScores("s", "share", unit, "lower", yes_no, 0.05, np.nan, ids, tuple(clusters or ids), values)


def side(result, *tasks):
    nothing = np.zeros(len(tasks))
    return dataclasses.replace(result, tasks=tasks, low=nothing, high=nothing)


def test_not_shown_is_not_kept(result):
    rare = evals.compared(side(result, task([0.0] * 10)), side(result, task([0.0] * 10)))
    assert rare.verdicts == ("not shown",)  # ten zeros say little of what is rare
    assert rare.high[0] > 0.05
    many = evals.compared(side(result, task([0.0] * 200)), side(result, task([0.0] * 200)))
    assert many.verdicts == ("kept",)
    generator = np.random.default_rng(0)
    noisy = evals.compared(side(result, task(generator.random(12))), side(result, task(generator.random(12))))
    assert noisy.verdicts == ("not shown",)


def test_clusters_and_not_items_show_that_shares_are_kept(result):
    """Two hundred answers of ten templates are ten samples."""
    clusters = [f"template {at % 10}" for at in range(200)]
    same = side(result, task([0.0, 1.0] * 100, yes_no=True, clusters=clusters))
    assert evals.compared(same, same).verdicts == ("not shown",)
    none = side(result, task([0.0] * 200, clusters=clusters))
    assert evals.compared(none, none).verdicts == ("not shown",)
    same = side(result, task([0.0, 1.0] * 100, yes_no=True))
    assert evals.compared(same, same).verdicts == ("kept",)


def test_one_rare_event_does_not_show_that_rare_ones_are_kept(result):
    rare = task([0.25] + [0.0] * 29)
    none = task([0.0] * 30)
    found = evals.compared(side(result, rare), side(result, none))
    assert found.verdicts == ("not shown",)
    assert found.low[0] < -0.05
    ((low,), (high,)) = intervals((rare,), seed=0)
    assert low < rare.value < 0.1 < high


def test_two_items_that_did_not_move_show_nothing(result):
    few, many = (side(result, task([-3.0, -20.0] * n, unit="nats")) for n in (1, 20))
    assert evals.compared(few, few).verdicts == ("not shown",)
    assert evals.compared(many, many).verdicts == ("kept",)


def test_rounding_is_no_difference(result):
    before = -np.random.default_rng(0).uniform(20, 60, 40)
    done = evals.compared(side(result, task(before, unit="nats")), side(result, task(before + 1e-5, unit="nats")))
    assert (done.difference[0], done.p[0]) == (0.0, 1.0)
    assert evals.compared(
        side(result, task(before, unit="nats")), side(result, task(before + 1e-2, unit="nats"))
    ).verdicts == ("changed",)


def test_ties_are_half_and_not_no(demo):
    """Words that a tokenizer does not know are one token."""
    same = evals.Pair("same", "same", "the xylophone ran", "the zeppelin ran")
    other = evals.Pair("other", "other", "the dogs run", "the dogs runs")
    fact = evals.Fact("the dogs", " xylophone", (" zeppelin", " quartz"), "a", "a")
    found = evals.run(demo, evals.Suite("pairs", "pairs", (same, other)), progress=False)
    assert found["pairs.accuracy"].values.tolist() == [0.5, 1.0]
    found = evals.run(demo, evals.Suite("facts", "facts", (fact,)), progress=False)
    assert found["facts.efficacy"].values.tolist() == [pytest.approx(1 / 3)]


def test_a_share_without_exceptions_has_an_interval():
    none = task([0.0] * 10)
    low, high = intervals((none, task([1.0] * 40, yes_no=True)), seed=0)
    assert low[0] == 0
    assert 0.2 < high[0] < 0.35
    assert (low[1] < 0.95, high[1]) == (True, 1.0)


def test_one_cluster_shows_nothing(result):
    for yes_no in (False, True):
        sides = [side(result, task([value] * 9, yes_no, clusters=["a"] * 9)) for value in (0.0, 1.0)]
        same = evals.compared(*sides)
        assert same.verdicts == ("not shown",)
        assert np.isnan(same.p).all()


def test_bounds(demo):
    done = evals.compare(
        demo, "bias", contextlib.nullcontext(), bounds={"bias.stereotyped": 0.5, "difference": 1}, **SMALL
    )
    assert done.bound.tolist() == [0.5, 1.0]
    with pytest.raises(ValueError, match=r"bounds= names 'x'"):
        evals.compare(demo, "bias", contextlib.nullcontext(), bounds={"x": 0.5}, **SMALL)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ethics", None), r"There is no suite and no file 'ethics'; the package has facts"),
        (([], None), r"suites= is empty"),
        ((["bias", "bias"], None), r"Two suites are called 'bias'"),
        ((3, None), r"not iterable|A suite is a name"),
        (("bias", "steer"), r"An intervention is .*; got str"),
        (("bias", lambda scope: None), r"returned NoneType, so nothing could take the change off"),
        (("bias", steering.AddDirection), r"got the class AddDirection itself"),
    ],
)
def test_refuses(demo, arguments, said):
    suites, intervention = arguments
    with pytest.raises((ValueError, TypeError), match=said):
        evals.run(demo, suites, intervention=intervention, **SMALL)


def test_refuses_more(demo, plural):
    with pytest.raises(TypeError, match=r"make steering.AddDirection"):
        evals.run(demo, "bias", intervention=plural, **SMALL)
    with pytest.raises(TypeError, match=r"compare\(\) needs an intervention"):
        evals.compare(demo, "bias", None, **SMALL)
    with pytest.raises(ValueError, match=r"alpha= is a number between 0 and 1"):
        evals.compare(demo, "bias", contextlib.nullcontext(), alpha=2, **SMALL)
    with editing.FeaturePatch(demo, plural) as patch, pytest.raises(ValueError, match=r"is on already"):
        evals.compare(demo, "bias", patch, **SMALL)
    with pytest.raises(ValueError, match=r"samples= is a whole number from 0"):
        evals.run(demo, "toxicity", samples=-1)
    with pytest.raises(ValueError, match=r"same seed on both sides"):
        evals.compared(*(evals.run(demo, "bias", n=4, seed=seed, progress=False) for seed in (0, 1)))
    with pytest.raises(TypeError, match=r"Another model is an intervention by itself"):
        evals.run(demo, "bias", intervention=[demo, plural], **SMALL)
