"""A workbench whose model runs elsewhere: the same numbers, nobody waits there, and what goes wrong is said."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from scope_widgets import Microscope, steering
from scope_widgets._job import Job
from scope_widgets.apps.workbench.api.problems import Problem, refusals
from scope_widgets.apps.workbench.workspace import Workspace
from scope_widgets.models.microscope import LocalMicroscope, loaded
from scope_widgets.remote.errors import LostConnectionError, RemoteError
from scope_widgets.widgets.core.bundle import STATIC
from tests.support import workbench_server
from tests.support.fake_transport import KEY, fake_remote
from tests.support.workbench_server import Page, Served

NAME = "a-lab/its-model"
PROMPT = "When Mary and John went to the store, John gave a drink to"


class Model:
    """All that a workspace asks of a model."""

    def __init__(self, model_id: str) -> None:
        self.model_id = model_id


class Elsewhere:
    """Stands for `Microscope.load`: a model on a server, whose requests are looked at, and one of here."""

    def __init__(self, demo: LocalMicroscope) -> None:
        self.local = LocalMicroscope(demo.model, demo.tokenizer, NAME, None)
        self.scope = fake_remote(self.local)
        self.scope.listener = None  # a progress bar, as a user has it
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.lost = False
        self.waited_for_by: set[str] = set()
        transport: Any = self.scope.transport
        ask = transport.ask

        def watched(*args: Any) -> Any:
            self.waited_for_by.add(threading.current_thread().name)
            if self.lost:
                raise LostConnectionError(transport.server.silent("it said nothing for 30 s"))
            return ask(*args)

        transport.ask = watched

    def load(self, name: str, **options: Any) -> Any:
        self.asked.append((name, options))
        return self.scope if options.get("remote") else self.local


@pytest.fixture(scope="module")
def elsewhere(demo: LocalMicroscope) -> Iterator[Elsewhere]:
    one = Elsewhere(demo)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Microscope, "load", one.load)
        patch.setenv("NDIF_API_KEY", KEY)
        yield one


@pytest.fixture(scope="module")
def there(elsewhere: Elsewhere, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    if not (STATIC / "workbench.js").exists():
        pytest.skip("The bundles are not built; run `make build`.")
    folder = tmp_path_factory.mktemp("workspace")
    with workbench_server.served(folder, model=NAME, remote=True, host="http://127.0.0.1:1", allow_hub=True) as server:
        yield server


@pytest.fixture
def http(there: Served) -> Iterator[httpx.Client]:
    bearer = {"Authorization": f"Bearer {there.token}"}
    with httpx.Client(base_url=f"http://{there.host}/api/v1", headers=bearer, timeout=60) as client:
        yield client


def ended(http: httpx.Client, id: str) -> dict[str, Any]:
    """Wait for the end of a job, and return it with all that was told of it on the way."""
    said = []
    with http.stream("GET", f"/jobs/{id}/events") as events:
        for line in events.iter_lines():
            if line.startswith("data: "):
                said.append(json.loads(line[6:]))
    return {**said[-1], "told": [one["text"] for one in said]}


def test_every_panel_is_made_and_the_models_thread_waits_for_no_server(there: Served, elsewhere: Elsewhere) -> None:
    page = Page(there, "page-of-every-kind").opened()
    kinds = [one["kind"] for one in page.models["page"]["kinds"]]
    for at, kind in enumerate(kinds):
        if kind in ("features", "report"):  # there is no index of this model, and no report
            with pytest.raises(ValueError, match=r"\.$"):
                page.add(kind, f"panel{at}")
        else:
            page.add(kind, f"panel{at}")
    assert {"logit_lens", "lay_out", "slider_ranges", "read", "discover", "detect"} <= {
        *elsewhere.scope.transport.asked
    }
    assert "scope-kernel" not in elsewhere.waited_for_by
    assert KEY not in repr(page.models)
    page.close()


def test_what_comes_next_is_what_the_library_says(http: httpx.Client, elsewhere: Elsewhere) -> None:
    found = http.post("/inference", json={"text": PROMPT, "n": 3}).json()
    expected = steering.Session(elsewhere.local, PROMPT, []).at().unsteered
    assert [one["token_id"] for one in found["original"]] == list(expected.order[:3])
    got = [one["probability"] for one in found["original"]]
    assert got == pytest.approx([float(expected.probabilities[one]) for one in expected.order[:3]], rel=1e-5)
    assert "scope-kernel" not in elsewhere.waited_for_by
    (model,) = (one for one in http.get("/models").json()["items"] if one["id"] == NAME)
    assert model["server"] == elsewhere.scope.transport.address


def test_a_job_says_how_far_the_server_is_and_training_is_done_here(http: httpx.Client) -> None:
    given = {"kind": "train_sae", "name": "trained", "layer": 1, "texts": [PROMPT] * 8}
    sizes = {"steps": 2, "batch": 32, "d_sae": 64, "k": 4}
    job = http.post("/jobs", json={**given, **sizes}).json()
    assert ended(http, job["id"])["state"] == "done"


def test_a_panel_says_its_place_in_the_servers_queue(there: Served) -> None:
    page = Page(there, "page-that-waits-there").opened()
    id = page.request("add", panel="heads1", kind="heads", options={})
    said = []
    while True:
        content = page.receive()[0].get("content") or {}
        if content.get("id") == id:
            if content["kind"] != "progress":
                break
            said.append(content["text"])
    assert "queued, position 3" in said
    page.close()


def test_a_lost_connection_says_what_to_do(there: Served, http: httpx.Client, elsewhere: Elsewhere) -> None:
    page = Page(there, "page-whose-server-is-lost").opened()
    elsewhere.lost = elsewhere.scope.transport.down = True
    try:
        with pytest.raises(ValueError, match=r"The server is down\."):
            page.add("heads")
        with pytest.raises(ValueError, match=r"Check the address .*, then ask again"):
            page.add("projection")
        answer = http.post("/inference", json={"text": "Mary gave John the"})
        assert (answer.status_code, answer.headers["retry-after"]) == (502, "2")
        assert answer.json()["detail"] == "The server is down."
    finally:
        elsewhere.lost = elsewhere.scope.transport.down = False
    page.add("projection")  # the page goes on
    page.close()


def test_what_needs_weights_here_says_so(elsewhere: Elsewhere) -> None:
    with pytest.raises(Problem, match="editing a fact needs them") as refused, refusals():
        loaded(elsewhere.scope, "editing a fact")
    assert refused.value.status == 501
    with pytest.raises(Problem, match=r"needs the model in this process") as refused, refusals():
        elsewhere.scope.watch()
    assert refused.value.status == 501
    with pytest.raises(AttributeError), refusals():
        _ = object().watch  # type: ignore[attr-defined]  # a mistake of our own


def test_the_key_is_nowhere(there: Served, http: httpx.Client) -> None:
    page = Page(there, "page-that-saves-all").opened()
    page.add("attention")
    for what, name in (("notebook", "s.ipynb"), ("html", "s.html"), ("layout", "s.layout.json")):
        page.ask("layout", text="{}")
        page.ask("save", name=name, what=what)
    written = [path for path in there.workspace.files.folder.rglob("*") if path.is_file()]
    assert len(written) >= 3
    for path in written:
        assert KEY.encode() not in path.read_bytes(), path
    for address in ("/models", "/jobs", "/whoami", "/openapi.json"):
        assert KEY not in http.get(address).text
    assert "remote=True" in (there.workspace.files.folder / "s.ipynb").read_text()
    page.close()


def test_a_page_sees_where_models_run_and_loads_what_the_server_has(
    there: Served, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(elsewhere.scope), "running_models", lambda _: [NAME, "a-lab/another"])
    page = Page(there, "page-with-a-picker").opened()
    found, _ = page.ask("models")
    assert (found["there"], found["note"]) == (["a-lab/another"], "")
    assert found["servers"][NAME] == elsewhere.scope.transport.address

    def silent(_: Any) -> list[str]:
        raise RemoteError("The server is silent: ask again.")

    monkeypatch.setattr(type(elsewhere.scope), "running_models", silent)
    found, _ = page.ask("models")
    assert (found["there"], found["note"]) == ([], "The server is silent: ask again.")
    page.close()


def test_models_of_the_hub_run_there_and_others_here(
    elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(name: str, **options: Any) -> Any:
        elsewhere.asked.append((name, options))
        return Model(name)

    monkeypatch.setattr(Microscope, "load", load)
    monkeypatch.setattr("scope_widgets.apps.workbench.workspace._estimate", lambda _: SimpleNamespace(fits=True))
    workspace = Workspace(tmp_path, "a/b", remote=True, host="http://h", allow_hub=True, load_options={"device": "cpu"})
    try:
        (tmp_path / "mine").mkdir()
        elsewhere.asked.clear()
        workspace.start()
        for name in ("demo", "mine", "c/d"):
            Job(workspace.load(name)).result(progress=False)
        there, here = {"remote": True, "host": "http://h"}, {"device": "cpu"}
        mine = str(tmp_path.resolve() / "mine")
        assert elsewhere.asked == [("a/b", there), ("demo", here), (mine, here), ("c/d", there)]
        assert workspace.estimate("e/f").needed == 0  # its weights are elsewhere, and the hub is not asked
        workspace.allow_hub = False
        with pytest.raises(ValueError, match="--allow-hub"):
            Job(workspace.load("e/f")).result(progress=False)
        assert workspace.running_there() == []
    finally:
        workspace.close()
