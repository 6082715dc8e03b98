"""Rows of a recording: which are taken, whose neighbours count, and the summary of all layers."""

import types

import numpy as np
import pandas as pd
import pytest

from scope_widgets import features, geometry
from scope_widgets._partial_result import Interrupted
from scope_widgets.geometry import prepared_rows as prepared
from scope_widgets.geometry.points import points_of
from scope_widgets.geometry.summarise import _of_layer
from tests.support.shapes import rotated, sphere


class Recording:
    """Two layers of 40 texts, each in two samples of five tokens."""

    def __init__(self, seed=0, documents=True):
        draw = np.random.default_rng(seed)
        self.manifest = types.SimpleNamespace(model="demo", revision="r1", site="residual")
        self.layers = [1, 2]
        self.table = pd.DataFrame(
            {
                "sample_id": np.repeat(np.arange(80), 5),
                "token_pos": np.tile(np.arange(5), 80),
                "token_id": np.arange(400),
            }
        )
        self._rows = {layer: draw.standard_normal((400, 6)).astype(np.float32) for layer in self.layers}
        self._rows[1][3] *= 1000
        if documents:
            self.samples = pd.DataFrame({"document": np.arange(80) // 2})

    def rows(self, layer, site=None):
        return self._rows[layer]


def test_first_and_massive_tokens_are_left_out_and_prompts_are_groups():
    found = geometry.points(Recording(), 1)
    assert len(found) == 319
    assert 3 not in found.rows
    assert (found.rows % 5 > 0).all()
    np.testing.assert_array_equal(found.groups, found.rows // 10)
    assert found.provenance.note == ("layer 1, residual, 80 first tokens left out, 1 massive left out")
    assert (found.provenance.model, found.provenance.revision) == ("demo", "r1")
    assert len(geometry.points(Recording(), 1, first_tokens=True, massive=True)) == 400


def test_of_rows_whose_prompts_begin_alike_one_is_taken():
    rec = Recording()
    rec.table["token_id"] = np.random.default_rng(1).integers(0, 2, 400)
    rec.table = rec.table.iloc[np.random.default_rng(2).permutation(400)].reset_index(drop=True)
    found = geometry.points(rec, 2, massive=True)
    ids = rec.table.sort_values(["sample_id", "token_pos"])["token_id"].to_numpy().reshape(80, 5)
    seen = {tuple(row[: end + 1]) for row in ids for end in range(1, 5)}
    taken = [tuple(ids[sample][: end + 1]) for sample, end in zip(found.samples, found.positions, strict=True)]
    assert len(taken) == len(seen)
    assert set(taken) == seen
    for sample, end in zip(found.samples, found.positions, strict=True):  # the first of each
        assert (ids[:sample, : end + 1] != ids[sample, : end + 1]).any(1).all()
    assert f"{320 - len(seen)} left out whose prompt begins as an earlier one" in found.provenance.note


def test_one_token_of_each_prompt():
    found = geometry.points(Recording(), 2, tokens="one a prompt")
    assert sorted(found.rows // 10) == list(range(40))
    assert found.groups is None
    assert len(geometry.points(Recording(documents=False), 2, tokens="one a prompt")) == 80
    other = geometry.points(Recording(), 2, tokens="one a prompt", seed=1)
    assert (other.rows != found.rows).any()


def test_fewer_rows_are_drawn():
    found = geometry.points(Recording(), 2, n=50)
    assert len(found) == 50
    assert "50 of 320 rows" in found.provenance.note
    np.testing.assert_array_equal(found.x, Recording().rows(2)[found.rows])


def test_results_know_where_they_are_from():
    found = geometry.dimension(geometry.points(Recording(), 2))
    assert found.provenance.model == "demo"
    assert "neighbours of other prompts only" in found.provenance.note
    assert "other prompts" not in geometry.project(geometry.points(Recording(), 2)).provenance.note
    assert geometry.project(geometry.points(Recording(), 2)).rows.max() > 320


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tokens": "all"}, "tokens= is one of other prompts, one a prompt"),
        ({"n": 0}, "n= is a whole number from 1"),
        ({"n": 1}, "There are 1 rows of layer 1 to take"),
    ],
)
def test_bad_input_is_said(options, said):
    with pytest.raises(ValueError, match=said):
        geometry.points(Recording(), 1, **options)


@pytest.fixture(scope="module")
def summary(demo):
    return geometry.summarise(demo, Recording(), progress=False)


def test_the_summary_is_what_the_functions_give(summary):
    points = geometry.points(Recording(), 2)
    one = summary[2]
    assert one.problems == {}
    assert one.mle.value == geometry.dimension(points).value
    assert one.gride.value == geometry.dimension(points, method="gride").value
    assert one.spectrum.value == geometry.spectrum(points).value
    assert one.curvature.verdict == geometry.curvature(points).verdict
    table = summary.to_dataframe()
    assert len(table) == 16
    assert table[table["measure"] == "mle"]["value"].tolist() == summary.value.tolist()
    assert (summary.low < summary.value).all()
    with pytest.raises(KeyError, match="Layer 7 is not in this summary; there are 1, 2"):
        summary[7]


@pytest.mark.parametrize(("kind", "standardise"), [("doubled", True), ("groups", False)])
def test_what_the_measures_share_changes_no_number(kind, standardise):
    draw = np.random.default_rng(3)
    x = rotated(sphere(draw, 120, 2), draw, 1e-3, width=8) * np.linspace(1, 2, 8)
    x = np.concatenate([x, x[:50]]) if kind == "doubled" else x
    rows = points_of(x.astype(np.float32), groups=np.arange(len(x)) // 9 if kind == "groups" else None)
    shared, options = _of_layer(rows, 0, standardise, 5), {"standardise": standardise, "seed": 5}
    alone = {
        **{method: geometry.dimension(rows, method=method, **options) for method in ("mle", "twonn", "gride")},
        "spectrum": geometry.spectrum(rows, standardise=standardise),
        "curvature": geometry.curvature(rows, **options),
        "clusters": geometry.clusters(rows, **options),
        "projection": geometry.project(rows, **options),
    }
    assert shared.problems == {}
    for name, one in alone.items():
        assert getattr(shared, name).to_json() == one.to_json(), name


def test_neighbours_and_components_of_a_layer_are_computed_once(monkeypatch):
    seen = {"neighbours": [], "principal": []}
    for name, asked in seen.items():
        computed = getattr(prepared, name)
        monkeypatch.setattr(
            prepared,
            name,
            lambda points, *k, asked=asked, computed=computed: asked.append(len(points)) or computed(points, *k),
        )
    _of_layer(points_of(np.random.default_rng(4).standard_normal((400, 6))), 0, False, 0)
    assert seen == {"neighbours": [400, 200, 100], "principal": [400]}


def test_it_reads_itself_back(summary):
    read = geometry.GeometrySummary.from_json(summary.to_json())
    pd.testing.assert_frame_equal(read.to_dataframe(), summary.to_dataframe())


def test_what_cannot_be_measured_is_said(demo):
    found = geometry.summarise(demo, Recording(), layers=2, n=30, progress=False)[2]
    assert found.spectrum is not None
    assert found.curvature is None
    assert "k = 80 needs 81" in found.problems["curvature"]


def test_another_model_and_layers_that_are_not_there(demo):
    other = Recording()
    other.manifest.model = "gpt2"
    with pytest.raises(ValueError, match="This recording is of 'gpt2' and the scope of 'demo'"):
        geometry.summarise(demo, other)
    with pytest.raises(ValueError, match="Layer 5 was not recorded; there are 1, 2"):
        geometry.summarise(demo, Recording(), layers=[5])


def test_an_interrupt_keeps_what_is_done(demo):
    stopped = Recording()
    rows = stopped.rows

    def interrupted(layer, site=None):
        if layer == 2:
            raise KeyboardInterrupt
        return rows(layer)

    stopped.rows = interrupted
    with pytest.raises(Interrupted) as caught:
        geometry.summarise(demo, stopped, n=30, progress=False)
    assert [one.layer for one in caught.value.result.layers] == [1]


def test_a_real_recording(demo, tmp_path):
    texts = [f"{name} gave {other} a book" for name in ("Mary", "John", "Anna") for other in ("Tom", "Mary", "John")]
    rec = features.record(demo, texts, layers=[0, 3], folder=tmp_path / "new", progress=False)
    found = geometry.points(rec, 0)
    assert np.unique(found.groups).size == 9
    assert geometry.dimension(found, method="twonn", groups=np.arange(len(found))).duplicates > 20  # of token types
