"""Pages at the socket of a real server: what they see is the library's, they come back, and do not harm each other."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from scope_widgets import lens
from scope_widgets.apps.workbench import open_pages, send_queue, socket
from scope_widgets.apps.workbench.socket_messages import MOST_INBOUND
from scope_widgets.apps.workbench.workspace import Workspace
from tests.support import workbench_server
from tests.support.workbench_server import Page, Served

PROMPT = "When Mary and John went to the store, John gave a drink to"
OTHER = "When Anna and Paul went to the park, Paul gave a book to"
NUMBERS = count()


def new_id() -> str:
    return f"page-of-a-test-{next(NUMBERS):04}"


@pytest.fixture
def page(served: Served) -> Iterator[Page]:
    one = Page(served, new_id()).opened()
    yield one
    one.close()


def test_a_view_has_the_librarys_numbers_and_follows_the_prompt(served: Served, page: Page) -> None:
    view = page.add("tokens")
    assert page.bundles[view] == "token_view"
    assert not {"_esm", "layout", "_model_name"} & set(page.models[view])
    scope = served.workspace.scope("demo")
    for prompt in (PROMPT, OTHER):
        if prompt != PROMPT:
            page.ask("prompt", of=page.bar, text=prompt)
            page.until(lambda: page.models["page"]["sides"]["a"]["prompt"] == OTHER)
            view = page.models["page"]["panels"][0]["view"]
        losses = served.workspace.kernel.call(lambda prompt=prompt: lens.token_loss(scope.trace(prompt)))
        state = page.models[view]
        at = [one["name"] for one in state["columns"]].index("loss")
        shown = np.frombuffer(state["values"]).reshape(len(state["columns"]), -1)[at]
        np.testing.assert_allclose(shown, np.asarray(losses.loss, dtype=np.float64), equal_nan=True, atol=1e-6)
    assert page.models["page"]["sides"]["a"]["tokens"][2:5] == ["Anna", "and", "Paul"]


def test_requests_of_views_are_answered_and_traits_are_set(page: Page) -> None:
    view = page.add("attention")
    assert page.ask("ping", of=view) == ({}, [])
    page.send({"kind": "update", "id": view, "state": {"selected_heads": [[2, 1]]}, "buffer_paths": []})
    page.until(lambda: page.models[page.bar]["selected_heads"] == [[2, 1]])  # the others hear of it
    with pytest.raises(ValueError, match="no answer to 'nothing'"):
        page.ask("nothing", of=view)
    with pytest.raises(ValueError, match="no panel 'nothing'"):
        page.ask("add", panel="panel2", kind="nothing")
    page.ask("remove", panel="panel1")
    page.until(lambda: view not in page.models)


def test_a_page_that_reloads_is_as_it_was(served: Served, page: Page) -> None:
    view = page.add("attention")
    page.send({"kind": "update", "id": view, "state": {"selected_heads": [[3, 1]]}, "buffer_paths": []})
    page.ask("prompt", of=page.bar, text=OTHER)
    page.ask("layout", text='{"v":1}')
    page.close()
    again = Page(served, page.id).opened()
    again.until(lambda: len(again.models) == 3)
    assert again.models[view]["selected_heads"] == [[3, 1]]
    assert again.models["page"]["layout"] == '{"v":1}'
    assert again.models["page"]["sides"]["a"]["prompt"] == OTHER
    assert again.ask("ping", of=view) == ({}, [])
    again.close()


def test_what_was_on_its_way_comes_when_the_connection_is_back(served: Served, page: Page) -> None:
    view = page.add("attention")
    seen, session = page.got, page.hello["session"]
    request = page.request("ping", of=view)
    page.answer(request)
    page.got = seen  # as a browser that it did not come to
    waiting = page.request("add", panel="panel2", kind="lens")
    page.close()
    again = Page(served, page.id, session=session, n=seen, known=[*page.models])
    assert again.hello["resumed"]
    assert again.hello["session"] == session
    again.sent = page.sent
    assert again.answer(request) == ({}, [])
    if again.hello["got"] < page.sent:  # the last was lost: the browser sends it again
        again.sent -= 1
        content = {"v": 1, "id": waiting, "kind": "req", "name": "add", "args": {"panel": "panel2", "kind": "lens"}}
        again.send({"kind": "custom", "id": "page", "content": content})
    again.answer(waiting)
    again.close()


def test_nothing_is_done_twice(page: Page) -> None:
    page.add("attention")
    page.sent -= 1  # as a browser that does not know whether it came
    content = {"v": 1, "id": "again", "kind": "req", "name": "add", "args": {"panel": "panel2", "kind": "lens"}}
    page.send({"kind": "custom", "id": "page", "content": content})
    page.ask("ping")
    assert [one["id"] for one in page.models["page"]["panels"]] == ["panel1"]


def test_a_page_that_fell_behind_is_told_everything_anew(
    served: Served, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = page.add("attention")
    open_page = next(one for one in served.app.app.state.open_pages.all() if one.id == page.id)
    seen, session = page.got, page.hello["session"]
    page.close()
    with monkeypatch.context() as small:
        small.setattr(send_queue, "MOST_MESSAGES", 1)
        for at in range(5):
            open_page.send_queue.put({"kind": "custom", "id": view, "content": at}, [])
    assert open_page.send_queue.overflowed
    again = Page(served, page.id, session=session, n=seen, known=["page", view, "gone"])
    assert not again.hello["resumed"]
    again.until(lambda: {"page", view} <= set(again.models))
    assert again.ask("ping", of=view) == ({}, []) if again.hello["got"] == 0 else True
    again.close()


def test_the_second_tab_of_a_page_takes_it_over(served: Served, page: Page) -> None:
    from websockets.exceptions import ConnectionClosed

    other = Page(served, page.id).opened()
    with pytest.raises(ConnectionClosed) as closed:
        page.until(lambda: False)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == socket.TAKEN_OVER
    assert other.ask("ping") == ({}, [])
    other.close()


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x00" * 8,
        b"[" * 1000,
        "text",
        b"\x01\x00\x00\x00\x02\x00\x00\x00{}",
    ],
)
def test_what_is_no_message_ends_only_its_own_socket(served: Served, page: Page, message: Any) -> None:
    from websockets.exceptions import ConnectionClosed

    broken = Page(served, new_id())
    broken.socket.send(message)
    with pytest.raises(ConnectionClosed):
        broken.until(lambda: False)
    assert page.ask("ping") == ({}, [])


def test_a_message_that_is_too_long_ends_its_socket(served: Served, page: Page) -> None:
    from websockets.exceptions import ConnectionClosed

    broken = Page(served, new_id()).opened()
    with contextlib.suppress(ConnectionClosed):
        broken.socket.send(bytes(MOST_INBOUND + 1))
    with pytest.raises(ConnectionClosed):
        broken.until(lambda: False)
    assert page.ask("ping") == ({}, [])


@pytest.mark.parametrize("hello", [{"page": "short"}, {"page": "../../../etc/passwd"}, {"known": "x"}, {"n": "1"}])
def test_a_hello_of_no_page_is_refused(served: Served, hello: dict[str, Any]) -> None:
    from websockets.exceptions import ConnectionClosed

    with pytest.raises(ConnectionClosed):
        Page(served, new_id(), **hello)


def test_there_are_no_more_sockets_than_are_served(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from websockets.exceptions import ConnectionClosed

    monkeypatch.setattr(socket, "MOST_SOCKETS", 0)
    with pytest.raises(ConnectionClosed):
        Page(served, new_id())


def test_health_is_answered_while_the_kernel_is_busy(served: Served) -> None:
    free = threading.Event()
    started = threading.Event()
    served.workspace.kernel.soon(lambda: (started.set(), free.wait(60)))
    assert started.wait(60)
    try:
        assert httpx.get(f"http://{served.host}/health", timeout=30).json() == {"status": "ok"}
        held = Page.__new__(Page)  # a page that has to wait for the kernel does not hold up the next question
        thread = threading.Thread(target=held.__init__, args=(served, new_id()), daemon=True)  # type: ignore[misc]
        thread.start()
        assert httpx.get(f"http://{served.host}/health", timeout=30).json() == {"status": "ok"}
    finally:
        free.set()
    thread.join(60)
    held.close()


def test_ten_browsers_at_once_lose_nothing(served: Served) -> None:
    scope = served.workspace.scope("demo")
    names = "Mary", "John", "Anna", "Paul", "Lucy", "Fred", "Scott", "Angela", "Olivia", "Eric"
    prompts = [f"{name} went to the store" for name in names]

    def open_page(prompt: str) -> tuple[str, list[int], int]:
        one = Page(served, new_id()).opened()
        one.ask("prompt", of=one.bar, text=prompt)
        view = one.add("lens")
        requests = [one.request("ping", of=view) for _ in range(50)]
        for request in requests:
            one.answer(request)
        tokens = one.models["page"]["sides"]["a"]["tokens"]
        n = len(one.models[view]["tokens"])
        one.close()
        return one.models["page"]["sides"]["a"]["prompt"], [len(tokens), n], len(requests)

    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(open_page, prompts))
    for prompt, (shown, lengths, answered) in zip(prompts, found, strict=True):
        n = len(served.workspace.kernel.call(scope.trace, prompt).token_ids)
        assert (shown, lengths, answered) == (prompt, [n, n], 50)


def test_a_flood_of_one_page_does_not_keep_another_waiting(served: Served, page: Page) -> None:
    other = Page(served, new_id()).opened()
    free = threading.Event()
    served.workspace.kernel.soon(free.wait, 60)  # so that all of it waits
    flood = [page.request("suggest") for _ in range(300)]
    asked = other.request("ping")
    state = served.app.app.state.open_pages
    mine, others = (next(one for one in state.all() if one.id == id) for id in (page.id, other.id))
    while len(mine.messages) < 299 or not others.messages:
        pass
    free.set()
    other.answer(asked)
    assert mine.messages, "the other page did not have its turn"
    for request in flood:
        page.answer(request)
    other.close()


def test_a_cancel_overtakes_what_waits(served: Served, page: Page) -> None:
    free = threading.Event()
    served.workspace.kernel.soon(free.wait, 60)
    cancelled = page.request("add", panel="panel1", kind="attention")
    page.send({"kind": "custom", "id": "page", "content": {"v": 1, "id": cancelled, "kind": "cancel"}})
    asked = page.request("ping")
    mine = next(one for one in served.app.app.state.open_pages.all() if one.id == page.id)
    while not any(open_pages._request_of(head) == asked for head, _ in list(mine.messages)):
        pass
    free.set()
    page.answer(asked)
    assert page.models["page"]["panels"] == []


def test_a_page_that_nobody_looks_at_is_closed_without_another_one(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(open_pages, "_SWEEP_S", 0.01)
    with workbench_server.served(tmp_path) as server:
        one = Page(server, new_id()).opened()
        kept = server.app.app.state.open_pages
        assert len(kept.all()) == 1
        one.close()
        monkeypatch.setattr(open_pages, "KEPT_S", 0.0)
        while kept.all():
            time.sleep(0.01)


HOSTILE = "</script><img src=x onerror=alert(1)> \u202e ${x} {{x}} ' \" \\ \n\t javascript:alert(1)"


def test_hostile_texts_stay_texts_in_every_panel(served: Served, page: Page) -> None:
    page.ask("prompt", of=page.bar, text=HOSTILE)
    for at, kind in enumerate(("attention", "heads", "lens", "attribution", "tokens", "steering")):
        page.add(kind, f"panel{at}")
    assert page.models["page"]["sides"]["a"]["prompt"] == HOSTILE
    _, (text,) = page.ask("notebook")
    source = ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
    assert any(f"scope.trace({HOSTILE!r})" in one for one in source)
    _, (html,) = page.ask("html")
    assert b"<img src=x" not in html


def test_files_are_the_workspaces(served: Served, page: Page) -> None:
    page.add("lens")
    for name, what in (("a.ipynb", "notebook"), ("a.html", "html"), ("a.layout.json", "layout")):
        assert page.ask("save", name=name, what=what)[0]["name"] == name
    names = [one["name"] for one in page.ask("files")[0]["files"]]
    assert {"a.ipynb", "a.html", "a.layout.json"} <= set(names)
    assert page.ask("read", name="a.html")[1][0].startswith(b"<!doctype html>")
    for name in ("../a.ipynb", "/etc/passwd", "..", "a/b"):
        with pytest.raises(ValueError, match="no name of a file"):
            page.ask("read", name=name)
        with pytest.raises(ValueError, match="no name of a file"):
            page.ask("save", name=name, what="layout")


@pytest.mark.parametrize("name", ["../demo", "/etc", "openai-community/gpt2", "https://example.org/x", "a.txt", ""])
def test_no_model_is_loaded_from_elsewhere(page: Page, name: str) -> None:
    with pytest.raises(ValueError, match=r"neither 'demo' nor a model|no name of a file"):
        page.ask("load", name=name)


def test_two_prompts_stand_side_by_side(page: Page) -> None:
    page.ask("compare", text=OTHER)
    page.ask("add", panel="panel1", kind="lens", side="a")
    page.ask("add", panel="panel2", kind="lens", side="b")
    page.until(lambda: len(page.models["page"]["panels"]) == 2)
    page.ask("prompt", of=page.models["page"]["sides"]["b"]["bar"], text=PROMPT)
    page.until(lambda: page.models["page"]["sides"]["b"]["prompt"] == PROMPT)
    page.ask("prompt", of=page.models["page"]["sides"]["b"]["bar"], text="I think")
    page.until(lambda: page.models["page"]["sides"]["b"]["prompt"] == "I think")
    assert page.models["page"]["sides"]["a"]["prompt"] == PROMPT  # the same text does not bind them
    page.ask("single")
    page.until(lambda: list(page.models["page"]["sides"]) == ["a"])
    assert [one["id"] for one in page.models["page"]["panels"]] == ["panel1"]


def test_the_last_layout_is_in_the_workspace_for_other_windows_and_servers(served: Served) -> None:
    page = Page(served, new_id()).opened()
    page.ask("layout", text='{"v":1,"layout":7}')
    other = Page(served, new_id()).opened()
    assert other.models["page"]["before"] == '{"v":1,"layout":7}'
    assert other.models["page"]["layout"] == ""  # which is its own
    page.close()
    other.close()
    workspace = Workspace(served.workspace.files.folder)  # as another server on the same folder has it
    assert workspace.last_layout() == '{"v":1,"layout":7}'
    workspace.kernel.close()
