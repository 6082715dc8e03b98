"""What "Copy as code" copies makes the same numbers in a kernel that knows nothing."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from scope_widgets import (
    Microscope,
    Provenance,
    circuits,
    editing,
    features,
    heads,
    ioi,
    lens,
    patching,
    steering,
    widgets,
)
from scope_widgets.widgets.core.reproducing_code import made_by
from scope_widgets.widgets.steering_panel import sliders
from tests.support.tiny_models import tiny_model, tiny_tokenizer

PROMPT = "When Mary and John went to the store, John gave a drink to"
CORRUPTED = "When Mary and John went to the store, Mary gave a drink to"
ASKED = {"answer": " Mary", "versus": " John"}


def again(view, call):
    """The view that the copied text makes: the lines of Python, then the call that the browser writes."""
    names = {}
    exec(f"{view.made_by}view = {call}\n", names)
    return names["view"]


def same_arrays(found, expected):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)


@pytest.fixture(scope="module")
def demo():
    """Return a demo model of this file's own: where weights were written, nothing claims that a load makes it again."""
    return Microscope.load("demo")


def test_attention(demo):
    ids = demo.trace(PROMPT).token_ids.tolist()
    traces = [
        demo.trace(PROMPT),
        demo.trace(PROMPT, capture=("q", "k"), logits=None, prepend_bos=False),
        demo.trace(ids),
        demo.trace(demo.trace(PROMPT).token_ids),
        demo.trace(["the dog", PROMPT])[1],
    ]
    for trace in traces:
        view = widgets.AttentionView(trace)
        made = again(view, "AttentionView(trace, labels={(1, 2): 'N'}, selected_heads=[(3, 1)])")
        assert made.letters == [[1, 2, "N"]]
        assert (made.tokens, made.title, made.selected_heads) == (view.tokens, view.title, [(3, 1)])
        assert made.traces["a"].captured == trace.captured
        for layer in range(trace.n_layers):
            same_arrays(made.traces["a"].attention(layer).numpy(), trace.attention(layer).numpy())


def test_two_prompts(demo):
    view = widgets.AttentionView(demo.trace(PROMPT), demo.trace(CORRUPTED))
    made = again(view, "AttentionView(trace, versus)")
    assert view.made_by.count("Microscope.load") == 1
    assert (made.tokens, made.versus_tokens) == (view.tokens, view.versus_tokens)
    for side in ("a", "b"):
        same_arrays(made.traces[side].attention(3).numpy(), view.traces[side].attention(3).numpy())


def test_logit_lens_in_another_process(demo, tmp_path):
    view = widgets.LogitLensView(lens.logit_lens(demo.trace(PROMPT), n=3, watch=[" Mary", " John"]))
    text = f"{view.made_by}view = LogitLensView(result, colour='rank', token={view.watched[1]})\n"
    text += "open('found', 'wb').write(view.top_probabilities + view.top_ids)\n"
    subprocess.run(
        [sys.executable, "-c", text], check=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.getcwd()}
    )
    found = (tmp_path / "found").read_bytes()
    half = len(view.top_probabilities)
    same_arrays(np.frombuffer(found[:half], "<f4"), np.frombuffer(view.top_probabilities, "<f4"))
    assert found[half:] == view.top_ids
    made = again(view, "LogitLensView(result, colour='rank', chart='probability')")
    same_arrays(made.lens.watched_probabilities, view.lens.watched_probabilities)


def test_head_scores_and_labels(demo):
    trace = demo.trace([PROMPT, "one two one two"])
    for scores in (
        heads.score(trace, null_draws=20, seed=3),
        heads.score_repeated_tokens(demo, n=1, length=12, seed=None, null_draws=10),
    ):
        labels = heads.label(scores, thresholds={"induction": 0.2}, max_null_p=0.3)
        view = widgets.HeadTable(scores, labels, columns=["entropy", "label"], thresholds={"entropy": 0.5})
        made = again(view, f"HeadTable(scores, labels, {', '.join(view.arguments)})")
        same_arrays(np.frombuffer(made.numbers, "u1"), np.frombuffer(view.numbers, "u1"))
        assert (made.evidence, made.letters, made.columns) == (view.evidence, view.letters, view.columns)
        assert view.made_by.count("heads.score") == 1
        alone = again(widgets.HeadTable(labels), "HeadTable(scores)")
        assert alone.texts == widgets.HeadTable(labels).texts


@pytest.mark.parametrize(
    "make",
    [
        lambda scope: patching.activations(scope, PROMPT, CORRUPTED, **ASKED, over="residual", positions=[9, 14]),
        lambda scope: patching.sweep(scope, [PROMPT], [CORRUPTED], **ASKED, over="mlp_out", positions="all").result,
        lambda scope: patching.attribution(scope, PROMPT, CORRUPTED, answer=[554], versus=" John", over="q"),
        lambda scope: patching.paths(scope, PROMPT, CORRUPTED, **ASKED, receivers=[(3, 1, "q")], positions=-1),
        lambda scope: patching.attribution(
            scope, [PROMPT] * 2, [CORRUPTED] * 2, **ASKED, roles={"end": np.array([14, 14])}, metric="logit_difference"
        ),
        lambda scope: lens.direct_logit_attribution(scope.trace([PROMPT, CORRUPTED]), answer=[" Mary", " John"]),
    ],
)
def test_maps(demo, make):
    result = make(demo)
    view = widgets.PatchingMap(result)
    made = again(view, "PatchingMap(result, threshold=0.1)")
    finite = np.isfinite(np.frombuffer(view.values))  # of a sweep that was not run
    same_arrays(np.frombuffer(made.values)[finite], np.frombuffer(view.values)[finite])
    assert (made.axes, made.shape, made.positions, made.title) == (view.axes, view.shape, view.positions, view.title)


def test_an_attribution_and_a_text(demo):
    parts = lens.direct_logit_attribution(demo.trace([PROMPT, CORRUPTED]), answer=[" Mary", " John"], position=-2)
    view = widgets.AttributionView(parts)
    made = again(view, "AttributionView(result, selected_heads=[(3, 1)], mlp=2)")
    same_arrays(np.frombuffer(made.contributions), np.frombuffer(view.contributions))
    assert (made.steps[3][:2], made.answer, made.mlp, made.title) == (view.steps[3][:2], view.answer, 2, view.title)
    losses = lens.token_loss(demo.trace(PROMPT))
    for text, argument in ((widgets.TokenView(losses), "losses"), (widgets.TokenView(demo.trace(PROMPT)), "trace")):
        assert text.arguments == [argument]
        made = again(text, f'TokenView({argument}, column="entropy", selected_tokens=[3])')
        same_arrays(np.nan_to_num(np.frombuffer(made.values)), np.nan_to_num(np.frombuffer(text.values)))
        assert (made.tokens, made.title, made.column) == (text.tokens, text.title, "entropy")


def test_a_text_of_anything_a_token(demo):
    trace, sae = demo.trace(PROMPT), features.load("demo")
    maps = patching.attribution(demo, PROMPT, CORRUPTED, **ASKED, over="residual")
    for source, argument in (
        (trace.show("loss", "norm", layer=[0, 2], neuron=[(3, 10), (2, 5)], head=(3, 1), position=3, to=0), "numbers"),
        (lens.token_values(trace, neuron=(3, 10)), "numbers"),
        (features.latent_values(trace, sae, [450, 12]), "numbers"),
        (features.FeatureIndex.load("demo").example(12, 1), "numbers"),
        (maps, "result"),
    ):
        text = widgets.TokenView(source)
        assert text.arguments == [argument]
        assert "..." not in text.made_by
        column = text.columns[-1]["name"]
        made = again(text, f"TokenView({argument}, column={column!r}, selected_tokens=[3])")
        same_arrays(np.nan_to_num(np.frombuffer(made.values)), np.nan_to_num(np.frombuffer(text.values)))
        assert (made.tokens, made.columns, made.title) == (text.tokens, text.columns, text.title)


def test_circuits(demo):
    task = circuits.task(demo, "ioi", n=6)
    found = circuits.discover(demo, task, "eap").keep(20).remove(("input", "m0"))
    weak = found.graph.names(int(found.order()[40]))
    changed = found.add(weak).without("a0.h1")
    named = circuits.discover(demo, "ioi", "eap-ig", steps=2, min_effect=0.05, seed=1)
    for circuit, other in ((changed, found), (named, None)):
        view = widgets.CircuitGraph(circuit, demo, compare=other, kept=9)
        made = again(view, f"CircuitGraph(circuit, scope{', compare=other' if other else ''}, kept=9)")
        same_arrays(np.nan_to_num(floats(made)), np.nan_to_num(floats(view)))
        assert (made.given, made.other, made.senders) == (view.given, view.other, view.senders)
        assert (made.title, made.facts, made.names, made.live) == (view.title, view.facts, view.names, True)
    assert "scope = " not in widgets.CircuitGraph(replace(changed, provenance=Provenance("x"))).made_by


def floats(view):
    return np.frombuffer(view.scores, "<f4")


def test_a_panel(demo):
    plural = steering.direction(demo, positive=["the dogs"], negative=["the dog"], layer=3, name="plu'ral")
    given = steering.direction(demo, vector=plural.vector, layer=2)
    view = widgets.SteeringPanel(
        demo, PROMPT, directions=[plural, given], heads=[(3, 1)], neurons=[(1, 4)], answer=" Mary", versus=554, seed=3
    )
    view.strengths = [0.25, None, 0.4, 0.5]
    view.enabled = [True, True, False, True]
    effective = [sliders.number(one) for one in view._effective()]
    code = view.answer_code(effective)[0]["text"]
    assert "answer='Mary', versus='run'" in code  # as texts: each is one token
    assert code.splitlines()[-1].startswith("SteeringPanel(scope, ")
    names = {}
    exec(code.replace("\nSteeringPanel(", "\nview = SteeringPanel("), names)
    made = names["view"]
    assert (made.strengths, made.enabled, made.seed, made.answers) == (view.strengths, view.enabled, 3, view.answers)
    assert made.interventions == view.interventions
    same_arrays(made.steered.logits.numpy(), view.steered.logits.numpy())


def test_what_cannot_be_written_out_is_said(demo):
    own = Microscope.for_model(tiny_model("llama"), tiny_tokenizer(), "of my own\n")
    trace = own.trace([1, 2, 3])
    assert "scope = ...  # your model 'of my own\\n', which" in trace.widget().made_by
    result = patching.attribution(demo, PROMPT, CORRUPTED, metric=lambda logits: logits[3])
    lines = widgets.PatchingMap(result).made_by.splitlines()
    assert any(line.startswith("metric = ...  # your metric=") for line in lines)


def test_a_model_that_was_changed_is_not_loaded_again():
    scope = Microscope.load("demo")
    assert scope.calls == ("Microscope.load('demo')",)
    parameter = next(scope.model.parameters())
    parameter.requires_grad_(False).add_(0.1)
    assert scope.calls == ()
    assert "scope = ...  # your model 'demo'" in scope.trace("the dog").widget().made_by


def test_a_watched_forward_is_not_said_to_be_a_trace(demo):
    ids = demo.trace("the dog").token_ids[None]
    with demo.watch() as trace:
        demo.model(input_ids=ids)
    assert "Microscope" not in trace.widget().made_by
    assert "trace = ..." in trace.widget().made_by


def test_what_is_made_of_a_trace_in_a_way_that_has_no_call_is_not_said_to_be_the_trace(demo):
    found = heads.attention_patterns.entropy(demo.trace(PROMPT), 2)
    assert found.provenance.calls[-1].startswith("scope.trace(")
    assert made_by("HeadTable", scores=found).splitlines()[-1].startswith("scores = ...")


def test_precision_is_loaded_again():
    scope = Microscope.load("demo", dtype="float64")
    assert scope.calls == ("Microscope.load('demo', dtype='float64')",)


def test_what_a_load_does_not_make_again_is_not_claimed(demo):
    plain = demo.trace(PROMPT)
    with steering.steer(demo, [steering.ScaleHead(3, 1, 0.0)]):
        steered = demo.trace(PROMPT)
    hook = demo.model.model.layers[0].register_forward_hook(lambda module, args, output: None)
    hooked = demo.trace(PROMPT)
    hook.remove()
    demo.model(torch.tensor([[5, 9]]), output_hidden_states=True)  # for which transformers leaves hooks of its own
    for trace, known in ((plain, True), (steered, False), (hooked, False), (demo.trace(PROMPT), True)):
        assert (trace.provenance.calls[0] == "Microscope.load('demo')") == known
        assert ("scope = ...  # your model" in trace.widget().made_by) != known


def result_again(result):
    """What the calls in a result's provenance make, in a namespace and with a model of their own."""
    names = {}
    exec(made_by("HeadTable", result=result), names)
    assert "..." not in made_by("HeadTable", result=result)
    assert "scope" in names
    return names["result"]


RESULTS = {
    "importance": lambda demo, _: heads.importance(demo, PROMPT, ablation="mean"),
    "importance of token ids": lambda demo, _: heads.importance(demo, demo.trace(PROMPT).token_ids),
    "composition": lambda demo, _: heads.composition(demo, kind="q"),
    "ablation": lambda demo, _: patching.ablate(demo, [PROMPT, CORRUPTED], [(3, 1), ("mlp", 0)], **ASKED),
    "resampled": lambda demo, _: patching.ablate(
        demo, PROMPT, [(3, 1)], ablation="resample", reference=[CORRUPTED, PROMPT], positions=[-1], seed=3
    ),
    "detection": lambda demo, prompts: ioi.detect(demo, prompts, min_effect=0.03),
    "detection on some": lambda demo, prompts: ioi.detect(demo, prompts[2:16], seed=2),
    "ablated heads": lambda demo, prompts: ioi.ablate_heads(demo, prompts[:8], [(3, 1)], avoid=[(2, 0)], draws=2),
}


@pytest.mark.parametrize("name", RESULTS)
def test_results_are_made_again_by_their_calls(demo, name):
    result = RESULTS[name](demo, ioi.prompts(demo, n=16, order="ABBA", seed=5))
    made = result_again(result)
    assert type(made) is type(result)
    assert made.provenance.calls == result.provenance.calls
    found, expected = made.to_dataframe(), result.to_dataframe()
    assert list(found) == list(expected)
    assert len(found) == len(expected) > 0
    for column in expected:
        if expected[column].dtype.kind == "f":
            same_arrays(found[column].to_numpy(), expected[column].to_numpy())
        else:
            assert found[column].tolist() == expected[column].tolist()


def test_prompts_of_nobody_knows_where_have_no_calls(demo):
    prompts = ioi.prompts(demo, n=8)
    assert prompts.corrupted("abc").calls == prompts[::2].calls == ()
    lost = replace(prompts, calls=())
    assert ioi.ablate_heads(demo, lost, [(3, 1)], draws=0).provenance.calls == ()


def test_weights_that_were_put_back_are_those_that_were_loaded():
    scope = Microscope.load("demo")
    call, found = (
        scope.calls,
        steering.direction(scope, layer=2, vector=np.arange(1.0, scope.d_model + 1), positive=[PROMPT]),
    )
    assert call == ("Microscope.load('demo')",)
    for _ in range(2):
        with editing.orthogonalise(scope, found):
            assert scope.calls == ()
            with editing.orthogonalise(scope, found, layers=[1]):
                assert scope.calls == ()
            assert scope.calls == ()
        assert scope.calls == call
    patch = editing.orthogonalise(scope, found)
    weight = scope.model.get_output_embeddings().weight
    with pytest.warns(UserWarning, match="were overwritten"), torch.no_grad(), patch:
        weight.mul_(2.0)  # by somebody else
    assert scope.calls == ()
