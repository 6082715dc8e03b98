"""What waits for a browser: in order, the latest of what was overtaken, bounded, and sent again after a loss."""

from __future__ import annotations

from typing import Any

import pytest

from scope_widgets.apps.workbench import send_queue as module
from scope_widgets.apps.workbench.send_queue import SendQueue
from scope_widgets.apps.workbench.socket_messages import decode


def update(view: str, **state: Any) -> tuple[dict[str, Any], list[Any]]:
    plain = {name: one for name, one in state.items() if not isinstance(one, bytes)}
    binary = {name: one for name, one in state.items() if isinstance(one, bytes)}
    return {"kind": "update", "id": view, "state": plain, "buffer_paths": [[name] for name in binary]}, [
        *binary.values()
    ]


def custom(view: str, kind: str, request: str = "r", **content: Any) -> tuple[dict[str, Any], list[Any]]:
    return {"kind": "custom", "id": view, "content": {"v": 1, "kind": kind, "id": request, **content}}, []


def taken(box: SendQueue) -> list[tuple[dict[str, Any], list[bytes]]]:
    found = []
    while (frame := box.take()) is not None:
        found.append(decode(frame))
    return found


def test_a_trait_that_changes_again_goes_once() -> None:
    box = SendQueue(lambda: None)
    box.put(*update("a", x=1, y=1, z=b"old"))
    box.put(*update("b", x=5))
    box.put(*update("a", x=2, z=b"new"))
    (first, buffers), (second, _) = taken(box)
    assert first["state"] == {"y": 1, "x": 2}
    assert buffers == [b"new"]
    assert first["buffer_paths"] == [["z"]]
    assert second["id"] == "b"


def test_an_answer_keeps_its_place_among_changes() -> None:
    box = SendQueue(lambda: None)
    box.put(*update("a", x=1))
    box.put(*custom("a", "res"))
    box.put(*update("a", x=2))
    assert [head["kind"] for head, _ in taken(box)] == ["update", "custom", "update"]


def test_only_the_latest_progress_of_a_request_goes() -> None:
    box = SendQueue(lambda: None)
    for done in range(100):
        box.put(*custom("a", "progress", "one", done=done))
        box.put(*custom("a", "progress", "two", done=done))
    box.put(*custom("a", "res", "one"))
    assert [(head["content"]["kind"], head["content"].get("done")) for head, _ in taken(box)] == [
        ("progress", 99),
        ("progress", 99),
        ("res", None),
    ]


def test_what_was_on_its_way_is_sent_again() -> None:
    box = SendQueue(lambda: None)
    for at in range(5):
        box.put(*custom("a", "res", str(at)))
    taken(box)
    box.arrived(2)
    again = box.again(3)
    assert again is not None
    assert [decode(frame)[0]["content"]["id"] for frame in again] == ["3", "4"]
    assert box.again(3) == again
    assert box.again(1) is None, "what has come is forgotten"
    assert box.again(9) is None


def test_a_browser_that_takes_nothing_costs_no_more_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 10_000)
    box = SendQueue(lambda: None)
    for _ in range(30):
        box.put({"kind": "custom", "id": "a", "content": {}}, [bytes(1000)])
    assert box.overflowed
    assert box.take() is None
    assert box.again(0) is None
    box.clear()
    box.put(*update("a", x=1))
    ((head, _),) = taken(box)
    assert head["n"] == 1


def test_what_a_page_set_since_is_not_told_anew() -> None:
    box = SendQueue(lambda: None)
    box.put(*update("a", x=1, y=1, z=b"old"))
    box.put(*update("b", x=1))
    box.hear(update("a", x=5, z=b"new")[0] | {"state": {"x": 5, "z": None}}, 3)
    box.put(*update("a", y=2))
    (first, buffers), (second, _) = taken(box)
    assert (first["state"], buffers, first["heard"]) == ({"y": 2}, [], 3)
    assert (second["state"], second["heard"]) == ({"x": 1}, 0)  # the page knows that it was said before


def test_what_was_said_before_a_page_was_heard_says_so() -> None:
    box = SendQueue(lambda: None)
    box.put(*update("a", x=1))
    (sent, _), *_ = taken(box)
    box.hear({"kind": "custom", "id": "a", "content": {}}, 1)
    box.put(*update("a", x=2))
    assert (sent["heard"], taken(box)[0][0]["heard"]) == (0, 1)
