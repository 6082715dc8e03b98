"""Every class of results: its table, its JSON and back, its HTML file, its display, its repr, its figure."""

import dataclasses
import importlib
import pkgutil
import re
import tempfile

import numpy as np
import pytest
import torch

import scope_widgets
from scope_widgets import (
    Microscope,
    circuits,
    editing,
    evals,
    features,
    geometry,
    heads,
    ioi,
    lens,
    patching,
    probing,
    report,
    steering,
)
from scope_widgets._result import Result
from tests.support.plotted_numbers import check_plot

PROMPT = "When Mary and John went to the store, John gave a drink to"
CORRUPTED = "When Mary and John went to the store, Mary gave a drink to"
QUESTION = {"answer": " Mary", "versus": " John"}
NAMES = ("Mary", "John", "Anna")
PROBED = [f"the {animal} {verb}" for verb in ("runs", "sleeps") for animal in ("dog", "cat", "horse", "bird")]
_TEXTS = [f"{start} {text}" for start in ("today", "later", "then", "here") for text in PROBED]
TO_PROBE = _TEXTS, ["runs" in text for text in _TEXTS]
FACTS = heads.FactSet(
    [heads.Fact(name, "gift", "drink") for name in NAMES],
    {"gift": "When {subject} went to the store, someone gave a drink to"},
)


def subject_attention(scope):
    prompts = [prompt.text for prompt in FACTS.prompts()]
    positions = [heads.subject_positions(scope, text, name) for text, name in zip(prompts, NAMES, strict=True)]
    return heads.subject_attention(scope.trace(prompts), positions)


def comparison(scope):
    attention = subject_attention(scope)
    return heads.compare_heads(attention, attention.control)


def circuit(scope):
    return circuits.discover(scope, circuits.task(scope, "ioi", n=6), "eap").keep(30)


def attribution_graph(scope):
    made = dataclasses.replace(an_sae(), subtracts_b_dec=False, site="mlp_in", output_site="mlp_out")
    return circuits.attribution_graph(scope, PROMPT, made, n_logits=2, n_features=8)


def latent_faithfulness(scope):
    found = circuits.discover(scope, circuits.task(scope, "ioi", n=4), saes=features.load("demo"), steps=1, n_nodes=6)
    return circuits.latent_faithfulness(scope, found, features.load("demo"), draws=1)


def direction(scope):
    return steering.direction(scope, positive=["the dogs"], negative=["the dog"], layer=3, name="plural")


def an_sae():
    rows = torch.randn(64, 128, generator=torch.Generator().manual_seed(0))
    return dataclasses.replace(features.train(rows, d_sae=32, k=4, steps=3, batch=32, progress=False), layer=2)


def of_an_index(scope, function):
    with tempfile.TemporaryDirectory() as folder:
        rec = features.record(scope, ["the dog runs", "the cat sleeps"], layers=2, folder=f"{folder}/rec")
        return function(features.index(scope, an_sae(), rec, folder=f"{folder}/index"))


def comparison_of_features(scope):
    sides = ["the dog runs", "Mary"], ["the cat sleeps", "John"]
    return of_an_index(scope, lambda index: features.compare(index, *sides))


def points(scope):
    """Rows of a recording of two prompts for each of four names."""
    texts = [f"{name} gave {other} a book" for name in ("Mary", "John", "Anna", "Tom") for other in ("Mary", "John")]
    with tempfile.TemporaryDirectory() as folder:
        rec = features.record(scope, texts, layers=2, folder=f"{folder}/rec", progress=False)
        return geometry.points(rec, 2)


def geometry_summary(scope):
    with tempfile.TemporaryDirectory() as folder:
        rec = features.record(scope, [PROMPT, CORRUPTED], layers=[1, 2], folder=f"{folder}/rec", progress=False)
        return geometry.summarise(scope, rec, progress=False)


def session(scope):
    return steering.Session(scope, "the horse", [steering.AddDirection(direction(scope), 0.1)], answer=" run", versus=5)


def fact_edit(scope):
    options = {"layer": 1, "corpus": ["the dog runs", "the cat sleeps"], "neighbours": ["the horse"], "steps": 1}
    return editing.edit_fact(scope, "When Mary went to the store, she gave a drink to", "Mary", " Anna", **options)


def documentation(scope):
    entry = report.Entry("head", ("a3.h1",), "ioi", {"depends_on": ["IO", "S"]})
    return report.document(scope, [entry])


def probes(scope):
    return probing.fit(scope, *TO_PROBE, layers=[2], permutations=9)


def causal_test(scope):
    return probing.causal_test(scope, probes(scope), PROBED[:4], answer=" the", versus=" a", draws=3)


#: class -> how one is made on the demo model
MAKERS = {
    "Ablation": lambda scope: patching.ablate(scope, [PROMPT, CORRUPTED], [(3, 1)], **QUESTION),
    "Architecture": report.architecture,
    "ActivationStatistics": lambda scope: geometry.statistics(points(scope)),
    "AttentionEntropy": lambda scope: heads.entropy(scope.trace(PROMPT), 1),
    "AttentionRollout": lambda scope: heads.rollout(scope.trace(PROMPT)),
    "AttributionGraph": attribution_graph,
    "Attribution": lambda scope: lens.direct_logit_attribution(scope.trace(PROMPT), answer=" Mary", versus=" John"),
    "CausalTest": causal_test,
    "Circuit": circuit,
    "Comparison": lambda scope: evals.compare(scope, "bias", steering.ScaleHead(3, 1, 0.5), n=6, progress=False),
    "Clusters": lambda scope: geometry.clusters(points(scope), k=2),
    "Completeness": lambda scope: circuits.completeness(scope, circuit(scope), greedy=1),
    "CompositionScores": lambda scope: heads.composition(scope),
    "Curvature": lambda scope: geometry.curvature(points(scope), k=8),
    "Curve": lambda scope: circuits.curve(scope, circuit(scope), shares=(0.1, 1.0), draws=1),
    "Documentation": documentation,
    "EdgePositions": lambda scope: circuits.by_position(scope, circuit(scope), task=circuit(scope).task[:1], steps=1),
    "Faithfulness": lambda scope: circuits.faithfulness(scope, circuit(scope), draws=1),
    "FeatureComparison": comparison_of_features,
    "FeatureLabels": lambda scope: of_an_index(scope, lambda index: features.label(index, latents=[0, 1])),
    "Dimension": lambda scope: geometry.dimension(points(scope), method="twonn"),
    "GeometrySummary": geometry_summary,
    "HeadAblation": lambda scope: ioi.ablate_heads(scope, ioi.prompts(scope, n=8), [(3, 1)], draws=2),
    "Direction": direction,
    "EvalResult": lambda scope: evals.run(scope, ["perplexity", "fluency"], n=4, max_new_tokens=3, progress=False),
    "FactEffect": lambda scope: fact_edit(scope).effect,
    "HeadComparison": comparison,
    "HeadLabels": lambda scope: heads.label(heads.score(scope.trace(PROMPT), null_draws=20)),
    "HeadScores": lambda scope: heads.score(scope.trace(PROMPT), null_draws=20),
    "HeadTokens": lambda scope: heads.writes(scope.trace(PROMPT), 3, 1),
    "IOIResult": lambda scope: ioi.detect(scope, ioi.prompts(scope, n=20)),
    "LatentFaithfulness": latent_faithfulness,
    "LogitLens": lambda scope: lens.logit_lens(scope.trace(PROMPT)),
    "Minimality": lambda scope: circuits.minimality(scope, circuit(scope)),
    "NeuronAttribution": lambda scope: lens.neuron_attribution(scope.trace(PROMPT), 1, answer=" Mary", versus=" John"),
    "PatchingResult": lambda scope: patching.attribution(scope, PROMPT, CORRUPTED, **QUESTION),
    "Probes": probes,
    "Projection": lambda scope: geometry.project(points(scope)),
    "RecallHeads": lambda scope: heads.recall_heads(subject_attention(scope)),
    "ReferenceComparison": lambda scope: ioi.detect(scope, ioi.prompts(scope, n=20)).compare("gpt2"),
    "SAEScores": lambda scope: features.evaluate(scope, an_sae(), ["Mary gave John a book", "the dog runs"]),
    "SparseProbes": lambda scope: features.probe(scope, an_sae(), PROBED, [0, 0, 0, 0, 1, 1, 1, 1], k=[1, 2]),
    "Spectrum": lambda scope: geometry.spectrum(points(scope)),
    "Steered": lambda scope: session(scope).at(),
    "StrengthSweep": lambda scope: steering.sweep(session(scope), strengths=[-0.1, 0, 0.1]),
    "SubjectAttention": subject_attention,
    "TokenLoss": lambda scope: lens.token_loss(scope.trace(PROMPT)),
    "TokenValues": lambda scope: lens.token_values(scope.trace(PROMPT), "loss", neuron=(3, 10)),
    "TransparencyScore": lambda scope: report.document(scope, []).verify(scope).score,
    "TopAttended": lambda scope: heads.top_attended(scope.trace(PROMPT), 3, n=2),
    "ValueWeightedAttention": lambda scope: heads.value_weighted_attention(scope.trace(PROMPT), 3, 1),
}


def all_results():
    """Return every class of results in the package, by name."""
    for module in pkgutil.walk_packages(scope_widgets.__path__, "scope_widgets."):
        if not module.name.startswith(("scope_widgets.apps", "scope_widgets.widgets")):
            importlib.import_module(module.name)
    found, todo = {}, [Result]
    while todo:
        todo += (below := todo.pop().__subclasses__())
        found |= {one.__name__: one for one in below if dataclasses.is_dataclass(one)}
    return {name: one for name, one in found.items() if one.__module__.startswith("scope_widgets.")}


RESULTS = all_results()
#: classes without a maker yet
TO_COME: set[str] = set()


def same(one, other):
    """Whether two values are equal down to dtypes, shapes and NaN."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and np.array_equal(*map(comparable, (one, other)))
    if dataclasses.is_dataclass(one):
        return type(one) is type(other) and all(
            same(getattr(one, field.name), getattr(other, field.name))
            for field in dataclasses.fields(one)
            if field.compare
        )
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return one == other or (one != one and other != other)


def comparable(array):
    return np.nan_to_num(array, nan=-7e77) if array.dtype.kind == "f" and array.dtype.itemsize > 4 else array.tolist()


@pytest.fixture(scope="module")
def scope():
    return Microscope.load("demo")


def test_every_class_of_results_is_walked():
    assert set(RESULTS) <= set(MAKERS) | TO_COME


@pytest.mark.parametrize("name", MAKERS)
def test_a_result_shows_writes_and_reads_itself(name, scope, tmp_path):
    result = MAKERS[name](scope)
    assert type(result) is RESULTS[name]
    assert result.provenance.model == "demo"
    assert len(result.to_dataframe())
    assert same(RESULTS[name].from_json(result.to_json()), result)
    page = result.to_html(tmp_path / "result.html")
    assert page.read_text(encoding="utf-8").lower().startswith("<!doctype html>")
    shown = result._repr_mimebundle_()
    shown = shown[0] if isinstance(shown, tuple) else shown
    assert shown["text/plain"]
    check_plot(name, result)
    said = repr(result)
    assert len(said) < 3000
    # a size alone says nothing: each array has its name, and the range of its numbers
    sizes = re.findall(r"(\w+=)?<(?:float|int|uint|bool)\d* \[[\d, ]*\](, [^>]+)?>", said)
    assert all(name and numbers for name, numbers in sizes), said
    with pytest.raises(ValueError, match=f"not a {name} written by"):
        RESULTS[name].from_json("{}")


#: what the repr of a class with words of its own says, and a number of it
SAID = {
    "Attribution": (
        r"logit of 'Mary' without 'John': {:.3f}, of 27 parts; most: attention 3.1 \+\d.\d+, .*; demo, 1 prompt",
        lambda result: result.total[0],
    ),
    "FeatureComparison": (
        r"\d latents on 2 pairs, 0 with q below .05; surest: {}, \S+ on corrupted and \S+ on clean prompts, q \d",
        lambda result: result.feature[0],
    ),
    "FeatureLabels": (r"{} latents, 0 labelled; demo", len),
    "HeadTokens": (
        r"head 3.1 writes at 'to': up 'Mary' \{:+.3f}, .*; down '\S+' -\d+.\d+, .*; demo, 1 prompt",
        lambda result: result.up[0, 0],
    ),
    "SparseProbes": (
        r"'1' against '0', right of 4 texts: latents \(k 2\) {:.3f}, random latents \(k 2\) .*, dense \(k 128\) ",
        lambda result: result.accuracy[1],
    ),
    "TokenLoss": (
        r"15 tokens, mean loss {:.3f} nats; largest: \d.\d+ of '\S+', token \d+; demo, 1 prompt",
        lambda result: result.mean,
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_a_repr_says_what_was_found(name, scope):
    result = MAKERS[name](scope)
    said, number = SAID[name]
    assert re.match(rf"{name}\({said.format(number(result))}", repr(result)), repr(result)


def test_labels_name_the_best():
    labels = features.FeatureIndex.load("demo").labels
    labelled = [at for at, one in enumerate(labels.label) if one != "unlabelled"]
    best = max(labelled, key=lambda at: labels.fuzzing[at])
    median = np.median(labels.fuzzing[labelled])
    said = f"{len(labels)} latents, {len(labelled)} labelled, fuzzing {median:.2f} in the median"
    assert repr(labels).startswith(f"FeatureLabels({said}; best: {labels.feature[best]}, {labels.label[best][:20]}")


def test_a_long_field_is_named_by_its_size_or_kind(scope):
    result = MAKERS["PatchingResult"](scope)
    long = dataclasses.replace(result.question, answer=("x" * 200,))
    assert "question=<Question>" in repr(dataclasses.replace(result, question=long))
