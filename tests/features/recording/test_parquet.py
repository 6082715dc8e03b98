"""Parquet files hold what the recording holds, a row group at a time."""

import numpy as np
import pytest

from scope_widgets import Microscope, features
from scope_widgets.features.recording import parquet as parquet_module
from scope_widgets.features.recording import record as recording_module

parquet = pytest.importorskip("pyarrow.parquet")
TEXTS = [
    f"{name} gave a book to {other} and the dog runs" for name in ("Mary", "Tom") for other in ("Anna", "John")
] * 6


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_parquet_holds_the_recording(dtype, tmp_path, monkeypatch):
    monkeypatch.setattr(recording_module, "_SHARD", 100)
    monkeypatch.setattr(parquet_module, "_NUMBERS", 128 * 40)  # several groups a shard
    monkeypatch.setattr(parquet_module, "_SNIPPET", 30)
    scope = Microscope.load("demo")
    rec = features.record(scope, TEXTS, layers=[1, 3], folder=tmp_path / "rec", dtype=dtype, progress=False)
    assert rec.to_parquet(tmp_path / "out") == tmp_path / "out"
    rows, samples = (parquet.ParquetFile(tmp_path / "out" / f"{name}.parquet") for name in ("rows", "samples"))
    assert [rows.metadata.row_group(i).num_rows for i in range(2)] == [40, 40]
    assert samples.metadata.num_row_groups == len(rec.manifest.shards) > 1
    table = rows.read().to_pandas()
    assert len(table) == 2 * len(rec)
    texts = rec.samples["text"]
    for layer in (1, 3):
        of_layer = table[table["layer_idx"] == layer]
        for name in rec.table:
            assert of_layer[name].tolist() == rec.table[name].tolist()
        np.testing.assert_array_equal(np.stack(of_layer["activation"]), rec.rows(layer)[:].float())
        assert of_layer["text_snippet"].tolist() == [texts[at][:30] for at in of_layer["sample_id"]]
    found = samples.read().to_pandas()
    assert found["sample_id"].tolist() == list(range(len(rec.samples)))
    for name in rec.samples:
        assert found[name].tolist() == rec.samples[name].tolist()
    assert list(features.recording.texts.texts_of(tmp_path / "out" / "samples.parquet")) == rec.samples["text"].tolist()
    before = (tmp_path / "out" / "rows.parquet").read_bytes()
    monkeypatch.setattr(parquet_module, "_lists", lambda rows: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        rec.to_parquet(tmp_path / "out")
    assert (tmp_path / "out" / "rows.parquet").read_bytes() == before  # whole or not at all


def test_rows_of_the_target_have_a_column(tmp_path):
    scope = Microscope.load("demo")
    options = {"site": "residual", "target": "neurons", "layers": [1, 2], "folder": tmp_path / "rec"}
    rec = features.record(scope, TEXTS[:3], progress=False, **options)
    table = parquet.read_table(rec.to_parquet(tmp_path / "out") / "rows.parquet").to_pandas()
    for column, site in (("activation", "residual"), ("target", "neurons")):
        for layer in (1, 2):
            found = np.stack(table[column][table["layer_idx"] == layer])
            np.testing.assert_array_equal(found, rec.rows(layer, site)[:].float())
