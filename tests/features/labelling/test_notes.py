"""Labels and notes of one's own beside an index, and Neuronpedia's records."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scope_widgets import features
from scope_widgets.features import FeatureIndex
from scope_widgets.features.feature_index.demo_index import demo_index
from scope_widgets.features.labelling.notes import LatentNote


@pytest.fixture
def index(tmp_path: Path) -> FeatureIndex:
    shutil.copytree(demo_index(), tmp_path / "index")
    return FeatureIndex.load(tmp_path / "index")


def test_notes_are_written_changed_and_taken_away(index: FeatureIndex) -> None:
    assert index.notes == {}
    features.annotate(index, 40, note=" fires on names ")
    found = features.annotate(index, 27, label="a girl's name")
    assert list(found) == [27, 40]
    assert FeatureIndex.load(index.folder).notes == index.notes == found
    assert index.notes[40] == LatentNote("", "fires on names")
    features.annotate(index, 40, label="names")
    assert index.notes[40] == LatentNote("names", "fires on names")
    assert index.search(label="A GIRL")["feature"].tolist() == [27]
    assert list(features.annotate(index, 27, label="")) == [40]


def test_notes_stay_with_their_autoencoder(index: FeatureIndex) -> None:
    features.annotate(index, 27, label="a name")
    other = FeatureIndex(
        index.manifest,
        {**index.arrays, "neighbour": index.arrays["neighbour"][::-1]},
        index.contexts,
        {},
        folder=index.folder,
    )
    with pytest.raises(ValueError, match="they are of another autoencoder"):
        features.annotate(other, 3, label="x")
    assert "move it away" in other.widget().notice
    assert other.widget().answer_latent(27)[0]["own"] == {"label": "", "note": ""}


@pytest.mark.parametrize(
    "damage",
    [
        {"notes": []},
        {"notes": {"512": {"label": "", "note": ""}}},
        {"notes": {"1": {"label": 3, "note": ""}}},
        {"notes": {"1": {"label": "x" * 301, "note": ""}}},
        {"notes": {"x": {"label": "", "note": ""}}},
        {"more": 1},
    ],
)
def test_damaged_notes_are_refused_in_a_sentence(index: FeatureIndex, damage: dict[str, object]) -> None:
    features.annotate(index, 1, label="x")
    assert index.folder is not None
    path = index.folder / "notes.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **damage}))
    with pytest.raises(ValueError, match="does not hold notes on the latents of this index"):
        FeatureIndex.load(index.folder).notes  # noqa: B018


def test_what_cannot_be_written_is_refused(index: FeatureIndex) -> None:
    with pytest.raises(IndexError, match="There is no latent 512"):
        features.annotate(index, 512, label="x")
    with pytest.raises(ValueError, match="label= has up to 300 characters; this one has 301"):
        features.annotate(index, 1, label="x" * 301)
    with pytest.raises(ValueError, match="half a character"):
        features.annotate(index, 1, note="\ud800")
    bare = FeatureIndex(index.manifest, index.arrays, index.contexts, {})
    with pytest.raises(ValueError, match="this one has none"):
        features.annotate(bare, 1, label="x")
    assert index.notes == {}


def test_records_of_neuronpedia_say_what_the_index_says(index: FeatureIndex) -> None:
    features.annotate(index, 27, label="mine")
    (record,) = json.loads(json.dumps(features.neuronpedia(index, [27], source="3-res"), allow_nan=False))
    assert (record["modelId"], record["layer"], record["index"]) == ("demo", "3-res", "27")
    logits = index.logits(27)
    assert record["pos_str"] == logits["token"][:10].tolist()
    assert record["neg_values"][0] == logits["logit"].min()
    assert record["frac_nonzero"] == pytest.approx(index.table["rate"][27])
    assert sum(record["freq_hist_data_bar_heights"]) == index.arrays["count"][27]
    first = record["activations"][0]
    assert first["values"][first["maxValueTokenIndex"]] == first["maxValue"] == index.top(27)["value"][0]
    assert len(first["tokens"]) == len(first["values"])
    assert [one["description"] for one in record["explanations"]] == ["mine", "'Lily'"]
    assert record["topkCosSimIndices"] == index.neighbours(27)["feature"].tolist()
    with pytest.raises(IndexError):
        features.neuronpedia(index, [999])


def test_a_dead_latent_is_a_record_too(index: FeatureIndex) -> None:
    dead = int(np.flatnonzero(index.arrays["count"] == 0)[0])
    (record,) = features.neuronpedia(replace_manifest(index), [dead])
    assert (record["activations"], record["frac_nonzero"]) == ([], 0)


def replace_manifest(index: FeatureIndex) -> FeatureIndex:
    """An index of no tokens."""
    return FeatureIndex(replace(index.manifest, n_tokens=0), index.arrays, index.contexts, {}, folder=index.folder)
