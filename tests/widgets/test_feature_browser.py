"""The Python half of FeatureBrowser: what travels, what is answered, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import traitlets

from scope_widgets import Microscope, features
from scope_widgets._job import Job
from scope_widgets.features import FeatureIndex
from scope_widgets.remote.errors import ServerDownError
from scope_widgets.widgets import FeatureBrowser, Selection
from scope_widgets.widgets.core.requests import finished
from tests.support.fake_transport import fake_remote

EVIL = "<img src=x onerror=window.evil=1>"


@pytest.fixture(scope="module")
def index() -> FeatureIndex:
    return FeatureIndex.load("demo", scope=Microscope.load("demo"))


def floats(buffer: bytes) -> Any:
    return np.frombuffer(buffer, "<f4")


def ints(buffer: bytes) -> Any:
    return np.frombuffer(buffer, "<i4")


def test_an_index_displays_as_this_view(index: FeatureIndex) -> None:
    view = index.widget()
    assert isinstance(view, FeatureBrowser)
    assert view.title == "Features, residual of layer 3 of demo, 512 latents"
    table = index.table
    np.testing.assert_allclose(np.frombuffer(view.counts, "<u4") / view.n_tokens, table["rate"])
    np.testing.assert_array_equal(floats(view.maxima), table["max"].astype(np.float32))
    np.testing.assert_allclose(np.frombuffer(view.means, "<f2") * floats(view.maxima), table["mean"], rtol=1e-3)
    assert index.labels is not None
    scores = np.full(512, np.nan)
    labelled = list(index.labels.labelled())
    frame = index.labels.to_dataframe().set_index("feature")
    scores[labelled] = frame["detection"][labelled]
    np.testing.assert_allclose(np.frombuffer(view.scores, "<f2"), scores, rtol=1e-3)
    assert FeatureBrowser(FeatureIndex.load("demo")).latent is None


def test_a_page_says_what_the_methods_of_the_index_say(index: FeatureIndex) -> None:
    page = FeatureBrowser(index).answer_latent(27)[0]
    json.dumps(page, allow_nan=False)
    assert page["neighbours"] == index.neighbours(27).to_numpy().tolist()
    assert [one[0] for one in page["tokens"]] == index.tokens(27)["token"].tolist()
    logits = index.logits(27)
    assert [one[0] for one in page["promotes"]] == logits["token"][:10].tolist()
    assert page["suppresses"][0][1] == logits["logit"].min()
    assert sum(one[2] for one in page["histogram"]) == page["count"]
    assert len(page["lines"]) == len(index.top(27)) + len(index.quantiles(27))
    assert page["label"]["text"] == index.table["label"][27]
    assert index.labels is not None
    assert page["label"]["null_detection"] == index.labels.null_detection[27]


def test_searches_are_those_of_the_index(index: FeatureIndex) -> None:
    view = FeatureBrowser(index)
    for by, what in (("token", "Lily"), ("label", "Lily"), ("promotes", "father"), ("text", "Lily")):
        latents, match = view.answer_find(by, what)[1]
        found = index.search(**{by: what}, n=10_000)  # type: ignore[arg-type]
        np.testing.assert_array_equal(ints(latents), found["feature"])
        np.testing.assert_array_equal(floats(match), found["match"].astype(np.float32))
    with pytest.raises(ValueError, match="is in no list of tokens of this index"):
        view.answer_find("token", "xyzzy")
    with pytest.raises(ValueError, match="searched by token, text, label, promotes"):
        view.answer_find("rate", "x")


def test_what_fires_on_a_text_is_what_the_autoencoder_says(index: FeatureIndex) -> None:
    text = "Mary gave John a book"
    data, (at, latents, values) = finished(FeatureBrowser(index).answer_fires(text))
    tokens, codes = index.encode(text)
    dense = np.zeros((len(tokens), 512))
    dense[ints(at), ints(latents)] = floats(values)
    assert data["tokens"] == tokens
    np.testing.assert_array_equal(dense, codes.to_dense().numpy())


def test_some_latents_alone(index: FeatureIndex, tmp_path: Path) -> None:
    view = FeatureBrowser(index, latents=[40, 27, 40], latent=40)
    assert ints(view.latents).tolist() == [40, 27]
    assert len(view.counts) == 2 * 4
    assert set(ints(finished(view.answer_fires("Lily ran to Mary"))[1][1])) <= {27, 40}
    with pytest.raises(traitlets.TraitError, match="Latent 3 is not among the 2"):
        view.latent = 3
    saved = [(name, args) for name, args, *_ in view.saved_answers()]
    assert saved.pop(0) == ("identity", {})
    assert saved == [
        (name, args) for j in (40, 27) for name, args in (("latent", {"latent": j}), ("words", {"latents": [j]}))
    ]
    assert "latents=[40, 27]" in view.arguments
    assert view.to_html(tmp_path / "page.html").stat().st_size < 1_000_000


def test_selection_is_read_and_set_from_python(index: FeatureIndex) -> None:
    seen: list[Any] = []
    view = FeatureBrowser(index, selection=Selection(tokens=[2]))
    view.observe(
        lambda change: seen.append((change["name"], change["new"])), names=["latent", "sort", "filter", "search"]
    )
    view.set_state(
        {"latent": 27, "sort": ["max", "ascending"], "filter": "rate > .1", "search": "Mary", "search_by": "token"}
    )
    assert seen == [("latent", 27), ("sort", ["max", "ascending"]), ("filter", "rate > .1"), ("search", "Mary")]
    assert view.selected_tokens == [2]
    view.set_state({"latent": 512})
    assert view.latent == 27
    view.latent = None
    assert "FeatureIndex.load" in view.made_by


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"latent": 512}, "There is no latent 512: there are 0 to 511"),
        ({"sort": ("size", "ascending")}, "a column of latent, rate"),
        ({"sort": ("rate", "up")}, "'ascending' or 'descending'"),
        ({"search": "x" * 20_001}, "up to 20,000 characters"),
        ({"search_by": "size"}, "search_by"),
        ({"latents": [1, 999]}, "numbers from 0 to 511; got 999"),
        ({"latents": []}, "names no latent"),
        ({"colour": "red"}, "has no option colour"),
        ({"scope": "demo"}, "scope= is a Microscope"),
        ({"sae": 3}, "sae= is an SAE"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(index: FeatureIndex, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises((traitlets.TraitError, TypeError, ValueError), match=sentence):
        FeatureBrowser(index, **given)


def test_another_thing_than_an_index_is_refused() -> None:
    with pytest.raises(TypeError, match=r"shows a FeatureIndex, as features.index makes it, not 'demo'"):
        FeatureBrowser("demo")  # type: ignore[arg-type]


def test_without_a_model_browsing_works_and_running_says_what_it_needs() -> None:
    view = FeatureBrowser(FeatureIndex.load("demo"))
    assert view.answer_latent(3)[0]["lines"]
    assert view.cannot_run == "What fires on a text needs the model: FeatureBrowser(index, scope=scope)."
    with pytest.raises(ValueError, match="needs the model"):
        finished(view.answer_fires("Mary"))
    assert finished(view.answer_warm_up()) == ({}, [])


def test_a_dead_latent_has_a_page(index: FeatureIndex) -> None:
    dead = int(np.flatnonzero(index.arrays["count"] == 0)[0])
    view = FeatureBrowser(index, latent=dead)
    page = view.answer_latent(dead)[0]
    assert (page["count"], page["lines"], page["tokens"]) == (0, [], [])
    json.dumps(page, allow_nan=False)
    assert "Dead: it fired on none of 20,741 tokens" in drawn(view)


def drawn(view: FeatureBrowser) -> str:
    from scope_widgets.widgets.core.drawing.svg_sheet import Paper

    paper = Paper(440)
    view.draw(paper)
    return paper.svg()


def test_texts_that_are_missing_or_hostile_are_shown_as_texts(index: FeatureIndex) -> None:
    bare = FeatureIndex(index.manifest, index.arrays, index.contexts, {})
    view = FeatureBrowser(bare, latent=27)
    assert "no texts of tokens" in view.notice
    assert view.answer_latent(27)[0]["lines"][0]["tokens"][0].startswith("<")
    evil = FeatureIndex(index.manifest, index.arrays, index.contexts, dict.fromkeys(range(1000), EVIL))
    view = FeatureBrowser(evil, latent=27)
    assert EVIL not in drawn(view)
    assert EVIL not in view._still()["text/html"]
    assert FeatureBrowser(index).notice == ""


def test_figures_and_stills(index: FeatureIndex) -> None:
    view = FeatureBrowser(index)
    header, rows = view.still_table() or ([], [])
    assert header == ["latent", "rate", "max", "top tokens", "label"]
    assert [row[0] for row in rows] == [
        str(j) for j in index.table.sort_values("rate", ascending=False, kind="stable")["feature"][:12]
    ]
    assert "and 472 more" in drawn(view)
    view.latent = 27
    assert "Latent 27: 'Lily'" in drawn(view).replace("&#x27;", "'")
    assert "20,741 tokens of 800 texts" in view.caption()


def test_numbers_of_many_latents_fit_into_a_message() -> None:
    packed = 131_072 * (4 + 4 + 2 + 2 + 1)  # with labels and a comparison; definitions and texts are 0.2 MB
    assert packed < 1_750_000


def test_notes_are_written_from_the_page(tmp_path: Path) -> None:
    import shutil

    from scope_widgets.features.feature_index.demo_index import demo_index

    shutil.copytree(demo_index(), tmp_path / "index")
    index = FeatureIndex.load(tmp_path / "index")
    view = FeatureBrowser(index)
    assert view.can_write
    assert not FeatureBrowser(FeatureIndex.load("demo")).can_write
    view.answer_annotate(27, "mine", "a note")
    assert view.answer_words([27])[0]["labels"] == ["mine"]
    assert view.answer_latent(27)[0]["own"] == {"label": "mine", "note": "a note"}
    (record,) = json.loads(view.answer_json([27])[1][0])
    assert record["explanations"][0]["description"] == "mine"
    with pytest.raises(ValueError, match="up to 300 characters"):
        view.answer_annotate(27, "x" * 301, "")


def test_a_latent_is_touched_in_a_steering_panel(index: FeatureIndex) -> None:
    view = FeatureBrowser(index)
    sent: list[Any] = []
    view.send = lambda content, buffers=None: sent.append(content)  # type: ignore[method-assign]
    traits = view.answer_touch(27, "When Mary and Lily went to")[0]["traits"]
    json.dumps(traits, allow_nan=False)
    assert traits["strengths"] == [None, 1.0]
    assert [one["name"] for one in traits["interventions"]] == ["latent 3.27 ('Lily')", "scale latent 3.27 ('Lily')"]
    assert view.panel is not None
    view._touched.hear({"v": 1, "kind": "panel", "set": {"strengths": [None, 0.0]}})
    assert view.panel.session.strengths[1] == 0.0
    message = {"v": 1, "kind": "req", "id": "a", "name": "steer", "args": {"strengths": [None, 0.0]}}
    view._touched.hear({"v": 1, "kind": "panel", "message": message})
    answer = sent[-1]["message"]
    assert (answer["kind"], answer["id"]) == ("res", "a")
    assert answer["data"]["kl"] > 0
    same = view.panel
    assert len(view.answer_touch(33, "")[0]["traits"]["interventions"]) == 4
    assert len(view.answer_touch(27, "")[0]["traits"]["interventions"]) == 4
    assert view.panel is same
    view._touched.hear({"v": 1, "kind": "panel", "set": {"interventions": []}})  # the browser may not
    assert len(view.panel.interventions) == 4
    view.answer_touch(27, "Another text")
    assert view.panel is not same
    view.close()
    assert view.panel is None


def test_a_latent_is_touched_on_its_strongest_example_or_not_at_all(index: FeatureIndex) -> None:
    view = FeatureBrowser(index)
    assert view.answer_touch(27, "")[0]["traits"]["prompt_tokens"][-1] == "Lily"
    dead = int(np.flatnonzero(index.arrays["count"] == 0)[0])
    view = FeatureBrowser(index)
    with pytest.raises(ValueError, match="has no example to touch it on: type a text"):
        view.answer_touch(dead, "")
    assert len(view.answer_touch(dead, "Lily ran")[0]["traits"]["interventions"]) == 2
    with pytest.raises(ValueError, match=r"needs the model and its SAE: FeatureBrowser\(index, scope=scope\)"):
        FeatureBrowser(FeatureIndex.load("demo")).answer_touch(27, "")


def test_why_a_latent_fires_is_what_provenance_finds(index: FeatureIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    view = FeatureBrowser(index)
    text = "Lily ran"
    (data, _), said = answered(view.answer_why(27, f" {text} "))
    assert index.scope is not None
    assert index.sae is not None
    found = features.provenance(index.scope, index.sae, 3, 27, [text], depth=1).to_dataframe()
    assert view.why is not None
    rows = {row["name"]: row for row in data["rows"]}
    assert len(rows) == len(found) == len(said)
    assert [row["confirmed"] for row in data["rows"]] == sorted(found["included"], reverse=True)
    for row in found.to_dict("records"):
        shown = rows[row["sender"]]
        pairs = {"effect": "score", "estimate": "attribution", "p_null": "p_null", "null": "null", "low": "low"}
        for name, column in pairs.items():
            np.testing.assert_equal(np.nan if shown[name] is None else shown[name], row[column])
    json.dumps(data, allow_nan=False)
    # the line that is copied makes the same circuit
    names: dict[str, Any] = {"features": features, "scope": index.scope, "index": index}
    exec(data["code"], names)
    np.testing.assert_array_equal(names["circuit"].scores, view.why.scores)
    assert view.explained == [27, text]
    assert ("why", {"latent": 27, "text": text}, data, []) in list(view.saved_answers())


def test_why_on_examples_and_with_earlier_autoencoders(index: FeatureIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    from scope_widgets.widgets.feature_browser import why_it_fires

    asked: list[Any] = []

    def submitted(_function: Any, *args: Any, **options: Any) -> Any:
        asked.append((args, options))
        raise ValueError("asked")

    monkeypatch.setattr(why_it_fires, "submit", submitted)
    own = index.sae
    assert own is not None
    earlier = features.SAE(own.W_enc, own.W_dec, own.b_enc, own.b_dec, "relu", layer=1, model="demo")
    view = FeatureBrowser(index, saes=[earlier, own])
    with pytest.raises(ValueError, match="asked"):
        answered(view.answer_why(27, ""))
    (_, saes, layer, j, prompts), options = asked[0]
    assert (saes, layer, j) == ([earlier, own], 3, 27)
    assert options == {"depth": 1, "site": "residual"}
    windows = index.arrays["example_window"][27, :8, :16]
    assert prompts == index.prompts(27, 8) == [[2, *(one for one in row.tolist() if one >= 0)] for row in windows]
    assert "saes=saes" in view.arguments
    assert "saes = [...]" in view.made_by
    assert "[*saes, index.sae], 3, 27, index.prompts(27, n=8), depth=1)" in view._why.code(27, "")


def test_what_why_cannot_do_is_said(index: FeatureIndex) -> None:
    with pytest.raises(ValueError, match=r"Why a latent fires needs the model: FeatureBrowser\(index, scope=scope\)"):
        answered(FeatureBrowser(FeatureIndex.load("demo")).answer_why(27, ""))
    dead = int(np.flatnonzero(index.arrays["count"] == 0)[0])
    view = FeatureBrowser(index)
    with pytest.raises(ValueError, match="has no example to explain: type a text"):
        answered(view.answer_why(dead, ""))
    with pytest.raises(ValueError, match="in none of the 1 prompts"):
        answered(view.answer_why(27, "Adam ran"))
    with pytest.raises(ValueError, match="no latent 512"):
        answered(view.answer_why(512, ""))
    with pytest.raises(TypeError, match="saes= are SAEs of earlier layers"):
        FeatureBrowser(index, saes=["demo"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="Prompts of a latent need the model"):
        FeatureIndex.load("demo").prompts(27)


def answered(steps: Any) -> tuple[Any, list[Any]]:
    """Return an answer that takes long, and what was said of the ablations meanwhile."""
    said = []
    while True:
        try:
            status = next(steps)
        except StopIteration as end:
            return end.value, said
        if status.done:
            said.append(status.text)


def test_latents_are_selected_in_all_views_that_share(index: FeatureIndex) -> None:
    chosen = Selection()
    first, second = FeatureBrowser(index, selection=chosen), FeatureBrowser(index, latents=[27, 40], selection=chosen)
    first.latent = 27
    assert (chosen.latents, second.latent) == (["3.27"], 27)
    chosen.latents = ["1.5", "3.residual.33"]
    assert chosen.latents == ["1.5", "3.33"]
    assert (first.latent, second.latent) == (33, 27)  # of the two only the first lists it
    chosen.latents = ["3.mlp_out.40", "3.9999"]
    assert first.latent == 33
    first.set_state({"latent": 40})  # the browser says by itself what is selected
    assert chosen.latents == ["3.mlp_out.40", "3.9999"]
    first.set_state({"selected_latents": ["3.40"]})
    assert (chosen.latents, second.latent) == (["3.40"], 40)
    first.latent = None
    assert chosen.latents == []
    assert second.latent == 40
    assert FeatureBrowser(index, selection=Selection(latents=["3.27"])).latent == 27


def test_latents_stand_beside_those_of_another_autoencoder(index: FeatureIndex) -> None:
    assert index.sae is not None
    found = features.nearest(index.sae, index.sae, n=3)
    view = FeatureBrowser(index, compared=found, other=index, sort=("other", "ascending"))
    levels = np.frombuffer(view.others, np.uint8) / 127.5 - 1
    np.testing.assert_allclose(levels, found.cosines[:, 0], atol=1 / 127)
    latent, cosine, words, mutual = view.answer_latent(27)[0]["others"][0]
    assert (latent, round(cosine, 3), words, mutual) == (27, 1.0, "'Lily'", True)
    assert FeatureBrowser(index, compared=found).answer_latent(27)[0]["others"][0][2] == ""
    assert view.still_table()
    few = features.NearestLatents(found.latents[:3], found.cosines[:3], found.back_latents, found.back_cosines)
    for options, sentence in (
        ({"compared": 3}, "what features.nearest"),
        ({"compared": few}, "is of 3 latents, and this index of 512"),
        ({"other": index}, "do not belong together"),
        ({"other": "demo", "compared": found}, "FeatureIndex of the other SAE"),
    ):
        with pytest.raises((TypeError, ValueError), match=sentence):
            FeatureBrowser(index, **options)


def test_a_typed_text_on_a_server_holds_no_kernel(index: FeatureIndex) -> None:
    """It says its place in the queue, can be left, and says when the server is lost."""
    assert index.scope is not None
    remote = fake_remote(index.scope)
    remote.transport.blocked = True
    view, text = FeatureBrowser(index.with_model(remote, None)), "Mary gave John a book"
    job: Job[Any] = Job(view.answer_fires(text))
    texts = [status.text for status in job]
    assert "queued, position 3" in texts
    (data, buffers), (expected, own) = job.result(), finished(FeatureBrowser(index).answer_fires(text))
    assert data == expected
    np.testing.assert_allclose(floats(buffers[2]), floats(own[2]), atol=1e-5)
    assert remote.transport.asked == ["read"]
    left: Job[Any] = Job(view.answer_fires(text + " and a horse"))
    next(left)
    left.cancel()
    assert remote.transport.asked == ["read"]
    remote.transport.down = True
    with pytest.raises(ServerDownError, match="server is down"):
        finished(view.answer_fires("the dog runs"))
