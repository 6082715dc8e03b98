"""Views of a model on a real NDIF server, in a real Chromium; skipped where there is no server on loopback."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

BESIDE_A_SERVER = os.environ.get("NDIF_HOST", "").startswith("http://127.0.0.1:")
if BESIDE_A_SERVER and "huggingface_hub" not in sys.modules:
    os.environ.pop("HF_HUB_OFFLINE", None)  # the hub is on loopback too

from scope_widgets import patching, steering  # noqa: E402
from scope_widgets.models.microscope import Microscope  # noqa: E402
from scope_widgets.widgets import AttentionView, PatchingMap, SteeringPanel  # noqa: E402
from scope_widgets.widgets.core import requests  # noqa: E402
from tests.support.kernel_loop import Loop  # noqa: E402

pytestmark = [
    pytest.mark.browser,
    pytest.mark.remote,
    pytest.mark.skipif(not BESIDE_A_SERVER, reason="No NDIF server on loopback (NDIF_HOST): run make test-remote."),
]

CLEAN = "When Mary and John went to the store, John gave a drink to"
CORRUPTED = "When Mary and John went to the store, Mary gave a drink to"
KEY = "a-key-that-nobody-may-see"


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    loop = Loop()
    monkeypatch.setattr(requests, "asyncio", SimpleNamespace(get_running_loop=lambda: loop))
    return loop


@pytest.fixture
def remote(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SCOPE_WIDGETS_CACHE", str(tmp_path))
    scope = Microscope.load("demo/ioi", remote=True, api_key=KEY, timeout=120)
    scope.listener = lambda status: None
    return scope


def text(place: Any, selector: str) -> str:
    return str(place.locator(selector).first.inner_text())


def both_themes(page: Any, screenshot: Callable[..., Any], name: str) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(50)
        screenshot(page, f"{name}-{scheme}", compared=False)


def test_attention_comes_small_and_says_where_it_is(
    remote: Any, loop: Loop, browser_page: Any, mount: Callable[..., list[Any]], screenshot: Callable[..., Any]
) -> None:
    prompt = [remote.tokenizer(CLEAN)["input_ids"][i % 14 + 1] for i in range(250)]
    view = AttentionView(remote.trace(prompt))
    assert remote.transport.server.traffic.requests == 0
    (place,) = mount(browser_page, view)
    line = place.locator(".av-drawing")
    loop.run(browser_page, line.is_visible)
    assert text(place, ".av-drawing").startswith("Thumbnails: ")
    both_themes(browser_page, screenshot, "remote-attention-waiting")
    took = loop.run(browser_page, lambda: view.thumbnail_layers == 4)
    loop.run(browser_page, line.is_hidden)
    state = sum(len(value) if isinstance(value, bytes) else len(repr(value)) for value in view.get_state().values())
    received = remote.transport.server.traffic.received
    print(f"\nfirst paint: state {state:,} B, from the server {received:,} B in 1 request, {took:.2f} s")
    assert remote.transport.server.traffic.requests == 1
    assert state - len(view._esm) + received <= 2_000_000
    place.locator(".av-cells").click(position={"x": 5, "y": 5})
    took = loop.run(browser_page, lambda: not text(place, ".av-name").endswith(("server", "values …", "sent")))
    print(f"an opened head: {remote.transport.server.traffic.received - received:,} B, {took:.2f} s")
    local = Microscope.load("demo").trace(prompt).attention(0)[0].numpy()
    _, (values,) = requests.finished(view.answer_head(0, 0))
    np.testing.assert_allclose(np.frombuffer(values, np.float32), local[np.tril_indices(len(local))], atol=1e-4)


def test_a_map_says_where_it_is_stops_at_once_and_goes_on(
    remote: Any, loop: Loop, browser_page: Any, mount: Callable[..., list[Any]], screenshot: Callable[..., Any]
) -> None:
    view = PatchingMap(patching.sweep(remote, CLEAN, CORRUPTED, answer=" Mary", versus=" John", over="head"))
    jobs = remote.transport.server.traffic.requests
    (place,) = mount(browser_page, view)
    loop.run(browser_page, lambda: bool(view.waiting))
    loop.run(browser_page, lambda: text(place, ".pm-server") == view.waiting != "")
    both_themes(browser_page, screenshot, "remote-map-waiting")
    place.locator(".pm-run").click()
    assert not view.running
    assert text(place, ".pm-run") == "Run"
    place.locator(".pm-run").click()
    took = loop.run(browser_page, lambda: view.done == view.total and not view.running)
    jobs = remote.transport.server.traffic.requests - jobs
    print(f"\na map of {view.total} cells: {jobs} jobs, {took:.2f} s after it was stopped")
    assert jobs <= 4
    local = patching.activations(Microscope.load("demo"), CLEAN, CORRUPTED, answer=" Mary", versus=" John", over="head")
    np.testing.assert_allclose(view.result.values, local.values, atol=1e-4)


def test_a_server_that_is_gone_is_said_and_a_map_goes_on(
    remote: Any,
    loop: Loop,
    browser_page: Any,
    mount: Callable[..., list[Any]],
    screenshot: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    view = PatchingMap(
        patching.sweep(remote, CLEAN, CORRUPTED, answer=" Mary", versus=" John", over="mlp_out"), start=False
    )
    host = remote.transport.server.host
    monkeypatch.setattr(remote.transport.server, "host", "http://127.0.0.1:9")
    (place,) = mount(browser_page, view)
    place.locator(".pm-run").click()
    loop.run(browser_page, lambda: bool(view.problem))
    assert "cannot be reached" in text(place, ".pm-server")
    assert text(place, ".pm-run") == "Go on"
    both_themes(browser_page, screenshot, "remote-map-problem")
    monkeypatch.setattr(remote.transport.server, "host", host)
    place.locator(".pm-run").click()
    loop.run(browser_page, lambda: view.done == view.total and not view.running)
    assert view.problem == ""
    assert KEY not in place.inner_text()


def test_a_slider_moves_by_interpolation_and_ends_exactly(
    remote: Any, loop: Loop, browser_page: Any, mount: Callable[..., list[Any]], screenshot: Callable[..., Any]
) -> None:
    demo = Microscope.load("demo")
    local = Microscope.for_model(demo.model, demo.tokenizer, "demo/ioi")
    direction = steering.direction(remote, answer=" Mary", versus=" John", layer=2, name="Mary − John")
    view = SteeringPanel(remote, CLEAN, directions=[direction], heads=[(3, 1)], answer=" Mary", versus=" John")
    same = SteeringPanel(local, CLEAN, directions=[direction], heads=[(3, 1)], answer=" Mary", versus=" John")
    jobs = remote.transport.server.traffic.requests
    (place,) = mount(browser_page, view)
    browser_page.evaluate("addEventListener('steering-painted', ({detail}) => (window.events ??= []).push(detail))")
    loop.run(browser_page, lambda: remote.transport.server.traffic.requests == jobs + 1)
    loop.run(browser_page, lambda: not loop._waiting)
    thumb = place.get_by_role("slider", name="add Mary − John")
    track, at = thumb.locator("..").bounding_box(), thumb.bounding_box()
    y = track["y"] + track["height"] / 2
    browser_page.mouse.move(at["x"] + at["width"] / 2, y)
    browser_page.mouse.down()
    began = time.monotonic()
    for step in range(120):
        browser_page.mouse.move(track["x"] + (0.5 + 0.35 * np.sin(step / 20)) * track["width"], y)
    seconds = time.monotonic() - began
    browser_page.wait_for_timeout(60)
    updates = browser_page.evaluate("window.events.length")
    assert "interpolated between" in text(place, ".sp-status")
    both_themes(browser_page, screenshot, "remote-steering-interpolated")
    assert remote.transport.server.traffic.requests == jobs + 1
    print(f"\ndragging: {updates / seconds:.0f} updates a second")
    assert updates / seconds >= 15
    browser_page.mouse.up()
    took = loop.run(browser_page, lambda: text(place, ".sp-status") == "")
    print(f"from release to exact: {took:.2f} s, {remote.transport.server.traffic.requests - jobs - 1} job")
    assert remote.transport.server.traffic.requests == jobs + 2
    same.strengths = view.strengths
    assert [one["id"] for one in view.start["tokens"]] == [one["id"] for one in same.start["tokens"]]
    assert view.start["strengths"] == same.start["strengths"]
    assert view.start["kl"] == pytest.approx(same.start["kl"], abs=1e-4)
    assert KEY not in repr(view.get_state())
