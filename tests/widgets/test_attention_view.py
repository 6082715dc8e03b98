"""The Python half of AttentionView: what travels, what is refused, what a saved page holds."""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import traitlets
from PIL import Image

from scope_widgets.heads.thumbnails import head_pattern
from scope_widgets.models.microscope import Microscope
from scope_widgets.traces.attention_scoring import AttentionScoring
from scope_widgets.widgets import attention_view
from scope_widgets.widgets.attention_view import AttentionView
from scope_widgets.widgets.core.drawing.colours import MAGNITUDE
from scope_widgets.widgets.core.requests import finished
from tests.support import trace_examples
from tests.support.fake_transport import KEY, FakeTransport, fake_remote
from tests.support.jobs import gone_through, texts


class FakeTrace(trace_examples.FakeTrace):
    """Attention is random, causal, its rows sum to 1."""

    model_id = "somewhere/tiny-model"

    def __init__(self, n_layers: int = 2, n_heads: int = 3, n_tokens: int = 7, seed: int = 0) -> None:
        self.n_layers, self.n_heads = n_layers, n_heads
        self.tokens: list[Any] = [f" t{i}" for i in range(n_tokens)]
        self.prompt = "".join(self.tokens)
        self.seed = seed
        self.calls = 0

    def attention(self, layer: int) -> torch.Tensor:
        self.calls += 1
        generator = torch.Generator().manual_seed(self.seed * 1000 + layer)
        n = len(self.tokens)
        scores = 3 * torch.randn(self.n_heads, n, n, generator=generator)
        return scores.masked_fill(torch.ones(n, n).triu(1).bool(), -torch.inf).softmax(-1)


class SameLayers(FakeTrace):
    """All layers alike, so that large views are quick to make."""

    def attention(self, layer: int) -> torch.Tensor:
        if not hasattr(self, "_attention"):
            self._attention = super().attention(0)
        return self._attention


def triangle(view: AttentionView, layer: int, head: int, side: attention_view.Side = "a") -> Any:
    data, (buffer,) = finished(view.answer_head(layer, head, side))
    return data, np.frombuffer(buffer, np.float32 if data["exact"] else np.uint8)


def lower(pattern: torch.Tensor) -> Any:
    return pattern.numpy()[np.tril_indices(pattern.shape[-1])]


def message_bytes(view: AttentionView) -> int:
    state = {name: value for name, value in view.get_state().items() if name != "_esm"}
    return sum(len(v) if isinstance(v, bytes) else len(json.dumps(v)) for v in state.values())


def test_a_head_travels_exactly_row_by_row() -> None:
    trace = FakeTrace()
    data, values = triangle(AttentionView(trace), 1, 2)
    assert data["exact"]
    np.testing.assert_array_equal(values, lower(trace.attention(1)[2]))


def test_long_prompts_travel_in_steps_and_exact_rows_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_view, "EXACT_TOKENS", 5)
    trace = FakeTrace()
    view = AttentionView(trace)
    data, levels = triangle(view, 0, 1)
    exact = lower(trace.attention(0)[1])
    assert not data["exact"]
    np.testing.assert_allclose(levels * data["step"], exact, atol=data["step"] / 2 + 1e-7)
    _, (rows,) = finished(view.answer_rows(0, 1, "a", 5, 99))
    np.testing.assert_array_equal(np.frombuffer(rows, np.float32), exact[15:])


@pytest.mark.parametrize("n_tokens", [512, 1024])
def test_the_first_message_is_small_and_does_not_wait(n_tokens: int) -> None:
    view = AttentionView(SameLayers(12, 12, n_tokens))
    assert message_bytes(view) <= 2_000_000
    assert view.thumbnail_layers >= 1


@pytest.mark.parametrize("shape", [(32, 32), (80, 64)])
def test_models_with_many_heads_get_smaller_thumbnails(shape: tuple[int, int]) -> None:
    view = AttentionView(SameLayers(*shape, 40), SameLayers(*shape, 40, seed=1))
    assert message_bytes(view) <= 2_000_000
    assert len(view.thumbnails) == 2 * shape[0] * shape[1] * view.thumbnail_size**2


def test_missing_thumbnails_are_drawn_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    complete = AttentionView(FakeTrace(3))
    monkeypatch.setattr(attention_view, "PATIENCE_S", 0)
    view = AttentionView(FakeTrace(3))
    assert view.thumbnail_layers == 1
    assert view.thumbnails != complete.thumbnails
    _, (picture,) = finished(view.answer_thumbnails(1))
    assert picture == complete._pictures[:, 1].tobytes()
    assert finished(view.answer_thumbnails(2)) == ({}, [])  # the state has all of them now
    assert view.thumbnail_layers == 3
    assert view.thumbnails == complete.thumbnails


def test_thumbnails_hold_the_brightest_cell() -> None:
    trace = FakeTrace(1, 1, 7)
    view = AttentionView(trace)
    pictures = np.frombuffer(view.thumbnails, np.uint8).reshape(7, 7)
    np.testing.assert_allclose(pictures / 255, trace.attention(0)[0].numpy(), atol=1 / 500)


def test_an_opened_head_is_asked_for_once() -> None:
    trace = FakeTrace(2, 8)
    view = AttentionView(trace)
    before = trace.calls
    finished(view.answer_head(1, 3))
    finished(view.answer_rows(1, 3, "a", 0, 2))
    finished(view.answer_head(1, 3))
    assert trace.calls - before == 1


def test_nan_stays_nan_in_exact_values_and_does_not_spoil_the_rest() -> None:
    class Broken(FakeTrace):
        def attention(self, layer: int) -> torch.Tensor:
            pattern = super().attention(layer).clone()
            pattern[0, 3, 1] = torch.nan
            return pattern

    view = AttentionView(Broken())
    _, values = triangle(view, 0, 0)
    assert np.isnan(values).sum() == 1
    assert np.isnan(values[3 * 4 // 2 + 1])


def test_low_precision_attention_is_taken() -> None:
    class Half(FakeTrace):
        def attention(self, layer: int) -> torch.Tensor:
            return super().attention(layer).bfloat16()

    _, values = triangle(AttentionView(Half()), 0, 0)
    np.testing.assert_array_equal(values, lower(Half().attention(0)[0].float()))


def test_title() -> None:
    assert AttentionView(FakeTrace()).title == "Attention, tiny-model, 7 tokens"
    assert AttentionView(FakeTrace(n_tokens=1)).title == "Attention, tiny-model, 1 token"
    assert AttentionView(FakeTrace(), title="mine").title == "mine"
    assert AttentionView(FakeTrace(), FakeTrace(seed=1)).title == "Attention, tiny-model, two prompts of 7 tokens"


def test_labels_give_letters() -> None:
    class Labels:
        def letters(self) -> Mapping[tuple[int, int], str]:
            return {(0, 1): "I", (1, 2): "-"}

    assert AttentionView(FakeTrace(), labels=Labels()).letters == [[0, 1, "I"], [1, 2, "-"]]
    assert AttentionView(FakeTrace(), labels={(0, 0): "P"}).letters == [[0, 0, "P"]]
    with pytest.raises(ValueError, match=r"names head 5\.0, but there are 2 layers of 3 heads"):
        AttentionView(FakeTrace(), labels={(5, 0): "P"})


def test_what_cannot_be_shown_is_refused_in_a_sentence() -> None:
    batched = FakeTrace()
    batched.tokens = [[" a", " b"], [" c"]]
    with pytest.raises(ValueError, match=r"shows one prompt and `trace` has 2: choose one with trace\[i\]"):
        AttentionView(batched)
    with pytest.raises(ValueError, match=r"`versus` has 2: choose one with versus\[i\]"):
        AttentionView(FakeTrace(), batched)
    for count in (0, 5000):
        with pytest.raises(ValueError, match=r"1 to 4,096 tokens"):
            AttentionView(FakeTrace(n_tokens=count))
    with pytest.raises(traitlets.TraitError, match="0 <= low < high"):
        AttentionView(FakeTrace(), limits=(0.5, 0.1))
    with pytest.raises(traitlets.TraitError, match="layers 0 to 1"):
        AttentionView(FakeTrace(), selected_heads=[(9, 0)])


def test_requests_for_what_is_not_there_are_refused_in_a_sentence() -> None:
    view = AttentionView(FakeTrace())
    for answer in (view.answer_head(2, 0), view.answer_thumbnails(-1)):
        with pytest.raises(ValueError, match="There is no layer"):
            finished(answer)
    with pytest.raises(ValueError, match="There is no head 3"):
        finished(view.answer_head(0, 3))
    with pytest.raises(ValueError, match="no side 'b'"):
        finished(view.answer_head(0, 0, "b"))


class TestStatistics:
    """What heads are sorted, filtered and found by."""

    def values(self, view: AttentionView) -> dict[str, Any]:
        shape = len(view.statistics), view.n_layers, view.n_heads
        return dict(zip(view.statistics, np.frombuffer(view.statistic_values, np.float32).reshape(shape), strict=True))

    def test_they_are_those_of_heads_score(self) -> None:
        trace = FakeTrace()
        previous = torch.stack([trace.attention(layer).diagonal(-1, 1, 2).mean(-1) for layer in range(2)])
        view = AttentionView(trace)
        np.testing.assert_allclose(self.values(view)["previous_token"], previous, rtol=1e-5)
        layer, head = divmod(int(previous.argmax()), 3)
        assert view.strongest == [layer, head, "previous_token"]  # no token is there twice
        assert view.selected_heads == []

    def test_given_ones_are_taken(self) -> None:
        scores = pd.DataFrame(
            {"layer": [1, 0, 1], "head": [2, 1, 2], "effect": [3.0, -5.0, 9.0], "class": ["", "x", ""]}
        )
        view = AttentionView(FakeTrace(), scores=scores)
        (name,) = view.statistics
        expected = np.full((2, 3), np.nan, np.float32)
        expected[1, 2], expected[0, 1] = 3, -5  # of a head that is there twice the first row
        np.testing.assert_array_equal(self.values(view)[name], expected)
        assert view.strongest == [1, 2, "effect"]
        assert view.arguments == ["scores=scores"]
        with pytest.raises(ValueError, match=r"`scores` name head 2\.0, but there are 2 layers of 3 heads"):
            AttentionView(FakeTrace(), scores=scores.assign(layer=2, head=0))

    def test_they_come_on_request_where_the_cell_had_no_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(attention_view, "SCORED_AT_ONCE", 0)
        view = AttentionView(FakeTrace())
        assert (view.statistics, view.strongest) == ([], [])
        assert finished(view.answer_statistics()) == ({}, [])
        assert "previous_token" in self.values(view)
        assert finished(view.answer_statistics()) == ({}, [])

    def test_attention_that_is_not_causal_has_none_and_the_view_stands(self, tmp_path: Path) -> None:
        class Both(FakeTrace):
            scoring = [AttentionScoring(1.0, causal=False)] * 2

        view = AttentionView(Both())
        assert (view.statistics, view.strongest) == ([], [])
        with pytest.raises(ValueError, match="causal"):
            finished(view.answer_statistics())
        assert view.to_html(tmp_path / "page.html").exists()

    def test_what_a_browser_may_set_is_checked(self) -> None:
        view = AttentionView(FakeTrace(), pinned_heads=[(1, 2)])
        view.set_state({"pinned_heads": [[0, 1]], "sort": "induction", "filter": "layer < 1"})
        assert (view.pinned_heads, view.sort, view.filter) == ([(0, 1)], "induction", "layer < 1")
        view.set_state({"pinned_heads": [[9, 1]]})
        assert view.pinned_heads == [(0, 1)]
        with pytest.raises(traitlets.TraitError, match=r"9\.1 is not there"):
            AttentionView(FakeTrace(), pinned_heads=[(9, 1)])


class TestSavedPage:
    def test_short_prompts_are_saved_exactly(self) -> None:
        view = AttentionView(FakeTrace(), FakeTrace(seed=1))
        answers = list(view.saved_answers())
        assert len(answers) == 2 * 3 * 2
        name, args, data, (buffer,) = answers[1]
        assert (name, args, data["exact"]) == ("head", {"layer": 0, "head": 0, "side": "b"}, True)
        np.testing.assert_array_equal(np.frombuffer(buffer, np.float32), lower(FakeTrace(seed=1).attention(0)[0]))
        assert len(view.provenance_lines()) == 2

    def test_longer_ones_in_steps(self) -> None:
        view = AttentionView(SameLayers(6, 12, 256))
        answers = list(view.saved_answers())
        assert len(answers) == 72
        assert sum(len(buffer) for *_, buffers in answers for buffer in buffers) <= 20_000_000
        assert "255 steps" in view.provenance_lines()[-1]

    def test_long_ones_only_for_the_selected_heads(self) -> None:
        view = AttentionView(SameLayers(12, 12, 768), selected_heads=[(3, 4), (5, 6)])
        assert [(a["layer"], a["head"]) for name, a, *_ in view.saved_answers() if name == "head"] == [
            (3, 4),
            (5, 6),
        ]
        assert "only the heads that were shown (3.4, 5.6)" in " ".join(view.provenance_lines())

    def test_thumbnails_are_complete(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(attention_view, "PATIENCE_S", 0)
        view, whole = AttentionView(FakeTrace(3)), AttentionView(FakeTrace(3))
        finished(whole.answer_thumbnails(2))
        list(view.saved_answers())
        assert (view.thumbnail_layers, view.thumbnails) == (3, whole.thumbnails)


def test_the_still_picture_shows_all_heads() -> None:
    picture = AttentionView(FakeTrace()).still_image()
    assert picture.shape == (2 * 9, 3 * 9, 3)
    assert picture.dtype == np.uint8


# -- of a model on a server


def remote_view() -> tuple[AttentionView, FakeTransport]:
    scope = fake_remote(Microscope.load("demo"))
    transport = scope.transport
    transport.blocked = True
    return AttentionView(scope.trace("When Mary and John went to the store,")), transport


def local_view(view: AttentionView, transport: FakeTransport) -> AttentionView:
    return AttentionView(transport.local.trace(view.traces["a"].prompt))


def test_thumbnails_of_a_remote_model_come_with_one_request_when_they_are_shown() -> None:
    view, transport = remote_view()
    assert (view.thumbnail_layers, transport.asked) == (0, [])
    assert view.still_image() is None
    statuses, answer = gone_through(view.answer_thumbnails(0))
    assert texts(statuses) == ["sent to the server", "queued, position 3", "running on the server"]
    assert all(0 < status.pause <= 0.5 for status in statuses[:-1])
    assert answer == ({}, [])
    assert transport.asked == ["thumbnails"]
    assert (view.thumbnails, view.thumbnail_layers) == (local_view(view, transport).thumbnails, 4)
    finished(view.answer_thumbnails(1))
    assert transport.asked == ["thumbnails"]


def test_of_an_opened_head_of_a_remote_model_only_queries_and_keys_travel() -> None:
    view, transport = remote_view()
    _, (buffer,) = finished(view.answer_head(2, 1))
    pattern = transport.local.trace(view.traces["a"].prompt).attention(2)[1]
    np.testing.assert_allclose(np.frombuffer(buffer, np.float32), lower(pattern), atol=1e-6)
    _, (rows,) = finished(view.answer_rows(2, 1, "a", 2, 4))
    np.testing.assert_allclose(np.frombuffer(rows, np.float32), lower(pattern)[3:10], atol=1e-6)
    assert transport.asked == ["head_pattern"]
    found = view.traces["a"].scope.submit(head_pattern, view.traces["a"].attention_only(), 2, 1).result()
    assert (found.recorded, found.q.shape[1], found.k.shape[1]) == (None, 1, 1)


def test_a_failed_request_of_a_remote_model_is_an_error_and_can_be_asked_again() -> None:
    view, transport = remote_view()
    transport.down = True
    with pytest.raises(RuntimeError, match="down"):
        finished(view.answer_thumbnails(0))
    transport.down = False
    finished(view.answer_thumbnails(0))
    assert view.thumbnail_layers == 4


def test_a_saved_page_of_a_remote_model_waits_for_what_it_holds() -> None:
    view, transport = remote_view()
    transport.blocked = False
    saved = {(name, *args.values()): buffers for name, args, _, buffers in view.saved_answers()}
    local = local_view(view, transport)
    assert view.thumbnails == local.thumbnails
    (expected,) = finished(local.answer_head(3, 2))[1]
    np.testing.assert_allclose(
        np.frombuffer(saved["head", 3, 2, "a"][0], np.float32), np.frombuffer(expected, np.float32), atol=1e-6
    )
    assert transport.asked == ["thumbnails", "score", "read"]


def test_the_key_of_the_server_is_in_no_trait_and_no_page(tmp_path: Path) -> None:
    view, transport = remote_view()
    transport.blocked = False
    assert KEY not in repr(view.get_state()) + repr(view) + repr(view.traces)
    assert KEY not in view.to_html(tmp_path / "page.html").read_text("utf-8")


def test_a_trace_gives_the_pattern_of_one_head() -> None:
    local = Microscope.load("demo")
    recorded, remote = (scope.trace("When Mary and John went") for scope in (local, fake_remote(local)))
    for trace in (recorded, remote):
        np.testing.assert_allclose(trace.head_attention(1, 3), recorded.attention(1)[3], atol=1e-6)


@pytest.mark.parametrize(("n_layers", "n_heads", "n_tokens"), [(30, 9, 40), (12, 12, 24), (2, 3, 7)])
def test_a_still_compresses_the_thumbnails_once(
    n_layers: int, n_heads: int, n_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = AttentionView(FakeTrace(n_layers, n_heads, n_tokens))
    finished(view.answer_thumbnails(n_layers - 1))
    sizes: list[int] = []
    compress = zlib.compress
    monkeypatch.setattr(zlib, "compress", lambda data: sizes.append(len(data)) or compress(data))
    still = view._still()
    own = b64decode(still["image/png"])
    picture = b64decode(re.search(r"svg\+xml;base64,([^\"]+)", still["text/html"])[1]).decode()
    (inside,) = re.findall(r'href="data:image/png;base64,([^"]+)"', picture)
    if n_layers > 2:
        assert len(sizes) == 1
        assert b64decode(inside) == own
    else:  # a small one is enlarged for hosts that show nothing else
        assert np.asarray(Image.open(BytesIO(own))).shape[1] >= 240
    # every thumbnail stands in it in its colours, layers in columns
    drawn = np.asarray(Image.open(BytesIO(b64decode(inside))))
    x, _, wide, _ = (
        float(one)
        for one in re.search(r'<image x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', picture).groups()
    )
    frames = re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="([\d.]+)" fill="none"', picture)
    pixel, layer = wide / drawn.shape[1], 0
    side = n_tokens if n_tokens < 32 else 32
    for left, across, down in (map(float, frame) for frame in frames):
        if layer == n_layers:
            break  # frames of the opened head and of scales follow
        first = (left - x) / pixel
        assert first == pytest.approx(round(first), abs=0.1)
        for row in range(round(down / (across / n_heads))):
            for head in range(n_heads):
                at = round(first) + head * round(across / n_heads / pixel)
                much = round(across / n_heads / pixel)
                shown = drawn[row * much : (row + 1) * much, at : at + much]
                wanted = MAGNITUDE[view._pictures[0, layer, head]]
                repeats = much // side
                assert np.array_equal(shown, wanted.repeat(repeats, 0).repeat(repeats, 1)), (layer, head)
            layer += 1
    assert layer == n_layers
