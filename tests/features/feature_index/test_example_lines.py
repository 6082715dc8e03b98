"""Examples token by token: how strongly a latent fires on each token, by the dense activations."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, features
from scope_widgets.features import FeatureIndex

TEXTS = ["Mary and John went to the store", "the dog runs to the park", "Anna gave a book to Tom"] * 6
LAYER = 2


@pytest.fixture(scope="module", params=["topk", "jumprelu", "gated"])
def made(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    scope, folder = Microscope.load("demo"), tmp_path_factory.mktemp("lines")
    rec = features.record(scope, TEXTS, layers=LAYER, folder=folder / "rec", progress=False)
    generator = torch.Generator().manual_seed(1)
    rows = torch.nn.functional.normalize(torch.randn(24, scope.d_model, generator=generator), dim=1)
    sae = features.SAE(rows.T.contiguous(), rows, torch.zeros(24), torch.zeros(scope.d_model), layer=LAYER)
    sae = {
        "topk": replace(sae, activation="topk", k=4),
        "jumprelu": replace(sae, activation="jumprelu", threshold=torch.full((24,), 0.2)),
        "gated": replace(sae, activation="gated", gate=torch.stack([torch.full((24,), -0.1), torch.full((24,), 0.3)])),
    }[request.param]
    index = features.index(scope, sae, rec, folder=folder / "index", progress=False)
    return rec, sae, index, sae.encode(rec.rows(LAYER)[:].float()).to_dense().numpy(), folder


def test_each_token_has_the_activation_that_the_recording_gives(made: Any) -> None:
    rec, _, index, dense, _ = made
    table, seen = rec.table, 0
    for j in range(len(index)):
        rows = [*index.top(j)["row"], *index.quantiles(j)["row"]]
        lines = index.lines(j)
        assert [one.quarter for one in lines] == [None] * len(index.top(j)) + index.quantiles(j)["quarter"].tolist()
        for line, row in zip(lines, rows, strict=True):
            first = row - line.at
            np.testing.assert_allclose(line.values, dense[first : first + len(line.tokens), j], rtol=1e-4, atol=1e-5)
            assert line.values[line.at] == line.value
            assert set(table["sample_id"][first : first + len(line.tokens)]) == {line.sample}
            assert line.position == table["token_pos"][row]
            seen += 1
    assert seen


def test_without_the_recording_only_the_strongest_is_known(made: Any, tmp_path: Path) -> None:
    _, sae, index, _, folder = made
    shutil.copytree(folder / "index", tmp_path / "moved" / "index")
    alone = FeatureIndex.load(tmp_path / "moved" / "index", sae=sae)
    for j in range(len(index)):
        for line, known in zip(alone.lines(j), index.lines(j), strict=True):
            fires = known.values > 0
            fires[line.at] = False
            np.testing.assert_array_equal(np.isnan(line.values), fires)
            assert line.values[line.at] == known.value


def test_what_fires_on_a_prompt_is_said_token_by_token(made: Any) -> None:
    _, _, index, _, _ = made
    tokens, codes = index.encode("Mary gave John a book")
    assert tokens == ["Mary", "gave", "John", "a", "book"]
    np.testing.assert_allclose(codes.to_dense().numpy().max(0), index.strongest("Mary gave John a book"))


def test_rows_are_those_of_the_table(made: Any) -> None:
    index = made[2]
    some = index.rows([7, 3])
    assert some.to_dict("list") == index.table.iloc[[7, 3]].to_dict("list")
    with pytest.raises(IndexError, match="There is no latent 24"):
        index.rows([24])


def test_a_model_is_given_to_an_index_or_refused(made: Any) -> None:
    _, sae, index, _, folder = made
    bare = FeatureIndex.load(folder / "index")
    assert bare.with_model() is bare
    assert bare.with_model(index.scope, sae).encode("Mary")[0] == ["Mary"]
    with pytest.raises(TypeError, match=r"scope= is a Microscope.*got 'demo'"):
        bare.with_model("demo")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"residual of layer 2; .* is of another place"):
        bare.with_model(sae=replace(sae, layer=1))
    other = features.SAE(sae.W_enc[:, :8], sae.W_dec[:8], sae.b_enc[:8], sae.b_dec, layer=LAYER)
    with pytest.raises(ValueError, match="is of 24 latents"):
        bare.with_model(sae=other)
