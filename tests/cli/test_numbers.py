"""What the commands answer is what the functions return."""

import numpy as np
import pytest

from scope_widgets import Trace, features, heads, ioi, lens, patching, steering

CLEAN = "When Mary and John went to the store, John gave a drink to"
CORRUPTED = "When Mary and John went to the store, Mary gave a drink to"


def column(rows, name):
    return np.array([row[name] for row in rows], dtype=float)


def test_trace(demo, workplace, ask_json):
    found = ask_json("trace", CLEAN, "the dog", "--layers", "0,3-4", "--top", "2")
    for prompt, said in zip((CLEAN, "the dog"), found["prompts"], strict=True):
        trace = demo.trace(prompt)
        assert (said["tokens"], said["token_ids"]) == (trace.tokens, trace.token_ids.tolist())
        best = trace.logits[-1].double().softmax(-1).topk(2)
        assert [one["token_id"] for one in said["predictions"]] == best.indices.tolist()
        np.testing.assert_allclose(column(said["predictions"], "probability"), best.values, rtol=1e-4)
        table = lens.logit_lens(trace, n=2).to_dataframe()
        np.testing.assert_allclose(column(said["table"], "kl"), table[table.layer.isin((0, 3, 4))].kl, atol=1e-6)
    assert found["files"] == []


def test_a_trace_is_kept(demo, workplace, ask_json):
    assert ask_json("trace", CLEAN, "--out", "kept")["files"]
    kept = Trace.load("kept")
    np.testing.assert_allclose(kept.attention(2), demo.trace(CLEAN).attention(2), atol=1e-6)


def test_activations_of_texts_are_recorded_with_the_flags_of_earlier_tools(demo, workplace, ask_json):
    given = ("--model", "demo", "--layer", "2", "--dataset", "texts.txt", "--max-samples", "3", "--out", "rec")
    found = ask_json("trace", *given)
    rec = features.Recording.load("rec")
    assert (found["recording"]["layers"], found["recording"]["tokens"]) == ([2], len(rec))
    assert len(rec.samples) == 3
    texts = (workplace / "texts.txt").read_text().splitlines()[:3]
    again = features.record(demo, texts, layers=2, folder="again", progress=False)
    np.testing.assert_array_equal(rec.rows(2)[:], again.rows(2)[:])


def test_heads(demo, workplace, ask_json):
    found = ask_json("heads", "--repeated", "--seed", "3", "--out", "out")
    scores = heads.score_repeated_tokens(demo, seed=3)
    np.testing.assert_allclose(column(found["scores"], "induction"), scores["induction"].ravel(), atol=1e-6)
    assert [one["label"] for one in found["labels"]] == heads.label(scores).label
    assert heads.HeadScores.from_json((workplace / "out" / "scores.json").read_text()).n_prompts == 4
    of_one = ask_json("heads", CLEAN, "--layers", "1")["scores"]
    np.testing.assert_allclose(column(of_one, "entropy"), heads.score(demo.trace(CLEAN))["entropy"][1], atol=1e-6)


def test_ioi(demo, workplace, ask_json):
    found = ask_json("ioi", "--n", "20", "--seed", "1", "--compare", "gpt2", "--out", "out")
    table = ioi.detect(demo, ioi.prompts(demo, n=20, seed=1), seed=1).to_dataframe()
    assert [row["class"] for row in found["heads"]] == table["class"].tolist()
    np.testing.assert_allclose(column(found["heads"], "effect"), table["effect"], atol=1e-5)
    assert found["comparison"][-1]["class"] == "all"
    assert {path.name for path in (workplace / "out").iterdir()} == {"ioi.json", "ioi.csv", "ioi.html", "heads.dot"}


@pytest.mark.parametrize("method", ["activations", "attribution"])
def test_patch(method, demo, workplace, ask_json):
    given = ("--clean", CLEAN, "--corrupted", CORRUPTED, "--answer", " Mary", "--versus", " John")
    found = ask_json("patch", *given, "--over", "mlp_out", "--method", method)
    result = getattr(patching, method)(demo, CLEAN, CORRUPTED, answer=" Mary", versus=" John", over="mlp_out")
    np.testing.assert_allclose(column(found["effects"], "effect"), result.values.ravel(), atol=1e-5)


def test_steer(demo, workplace, ask_json):
    texts = ("--positive", "the dogs", "--negative", "the dog", "--layer", "3")
    found = ask_json("steer", "the horse", *texts, "--strength", "0", "0.5", "--save", "plural.safetensors")
    plural = steering.direction(demo, positive=["the dogs"], negative=["the dog"], layer=3)
    session = steering.Session(demo, "the horse", [steering.AddDirection(plural)])
    assert found["steered"][0]["kl"] == pytest.approx(0, abs=1e-9)
    assert found["steered"][1]["kl"] == pytest.approx(session.at([0.5]).kl, rel=1e-4)
    assert found["steered"][0]["text"] == demo.generate("the horse")
    from_file = ask_json("steer", "the horse", "--direction", "plural.safetensors", "--strength", "0.5")
    assert from_file["steered"][0]["kl"] == pytest.approx(found["steered"][1]["kl"], rel=1e-4)


def test_a_latent_is_clamped(demo, workplace, ask_json):
    given = ("--sae", "demo", "--latent", "7", "--strength", "4")
    found = ask_json("steer", "the horse", *given)["steered"][0]
    session = steering.Session(demo, "the horse", [steering.ClampFeature(features.load("demo"), 7, 4.0)])
    assert found["kl"] == pytest.approx(session.at([4.0]).kl, rel=1e-4)


def test_eval_of_texts_and_of_a_recording(demo, workplace, ask_json):
    found = ask_json("eval", "--sae", "demo", "--texts", "texts.txt")
    scores = features.evaluate(demo, features.load("demo"), "texts.txt", progress=False)
    by_name = {row["measure"]: row["value"] for row in found["measures"]}
    assert by_name["variance_explained"] == pytest.approx(scores.variance_explained, rel=1e-5)
    assert found["tokens"] == scores.n_tokens
    ask_json("trace", "--texts", "texts.txt", "--layers", "3", "--out", "rec")
    former = ("--sae-path", "demo", "--activations", "rec", "--layer", "3", "--output", "out", "--device", "cpu")
    again = ask_json("eval", *former)
    assert {row["measure"]: row["value"] for row in again["measures"]}["l0"] == pytest.approx(by_name["l0"], rel=1e-5)


def test_an_index_is_made_and_read(demo, workplace, ask_json):
    made = ask_json("index", "--sae", "demo", "--texts", "texts.txt", "--out", "index")
    index = features.FeatureIndex.load("index")
    assert (made["latents"], made["tokens"]) == (len(index), index.manifest.n_tokens)
    assert made["dead"] == index.table.dead.sum()
    most = ask_json("features", "--index", "index", "--n", "3")["features"]
    assert [row["rate"] for row in most] == sorted(index.table.rate, reverse=True)[:3]
    latent = ask_json("features", "--index", "index", "--latent", most[0]["feature"], "--n", "2")["latent"]
    assert column(latent["examples"], "value").tolist() == index.top(most[0]["feature"], 2)["value"].tolist()


@pytest.mark.parametrize(
    ("flags", "asked"),
    [
        (("--token", "Mary"), {"token": "Mary"}),
        (("--label", "capitalised", "--rate", "0.05", "1"), {"label": "capitalised", "rate": (0.05, 1.0)}),
        (("--like", "3"), {"like": 3}),
        (("--fires-on", "the dog"), {"fires_on": "the dog"}),
    ],
)
def test_features_are_searched(flags, asked, demo, workplace, ask_json):
    found = ask_json("features", *flags, "--n", "5")["features"]
    table = features.FeatureIndex.load("demo", scope=demo).search(**asked, n=5)
    assert [row["feature"] for row in found] == table["feature"].tolist()


def test_training_with_the_flags_of_earlier_tools(workplace, ask, ask_json):
    ask_json("trace", "--texts", "texts.txt", "--layers", "2", "--out", "rec")
    former = ("--activations", "rec", "--layer", "2", "--latent-dim", "64", "--sparsity-coef", "0.1", "--out", "sae")
    mine = ("--k", "4", "--steps", "20", "--batch", "64")
    found = ask_json("train", *former, *mine)
    assert (found["saes"][0]["d_sae"], found["saes"][0]["layer"]) == (64, 2)
    assert (features.load("sae").d_sae, features.load("sae").layer) == (64, 2)
    assert "--sparsity-coef is left out" in ask("train", *former, *mine).out
