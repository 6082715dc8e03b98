"""Models of the workspace are loaded, asked, and forgotten with what is of them."""

from __future__ import annotations

import gc
import shutil
import weakref

import pytest

from scope_widgets import Microscope, steering
from scope_widgets.apps.workbench import workspace
from scope_widgets.features.formats.load import DEMO as SAE_DEMO
from scope_widgets.models.loading import DEMO
from tests.support.workbench_api import PROMPT, Spoken, ended


def loaded(api: Spoken, name: str) -> None:
    if not (api.workspace.files.folder / name).exists():
        shutil.copytree(DEMO, api.workspace.files.folder / name)
    job = ended(api.client, api.client.load_model(body={"name": name})["id"])
    assert job["state"] == "done", job
    assert job["result"]["table"] == [{"id": name}]


def test_a_model_of_the_workspace_is_loaded_asked_and_forgotten(api: Spoken) -> None:
    loaded(api, "second")
    assert [one["id"] for one in api.client.list_models()["items"]] == ["demo", "second"]
    patch = api.client.create_patch(
        body={"kind": "scale_head", "layer": 3, "head": 1, "strength": 0.0, "model": "second"}
    )
    there = api.client.inference(body={"text": PROMPT, "model": "second"})
    found = steering.Session(api.workspace.scope("second"), PROMPT, [steering.ScaleHead(3, 1, 0.0)]).at()
    assert there["kl"] == found.kl > 0
    here = api.client.inference(body={"text": PROMPT})
    assert (here["patches"], here["kl"]) == ([], 0.0), "a patch is of its model"
    api.client.inference(body={"text": PROMPT, "patches": [patch["id"]]}, status=422)
    trace = api.client.create_trace(body={"text": PROMPT, "model": "second"})
    model = weakref.ref(api.workspace.scope("second").model)
    del found
    api.client.unload_model(id="second", raw=True)
    api.client.get_model(id="second", status=404)
    api.client.get_patch(id=patch["id"], status=404)
    api.client.get_trace(id=trace["id"], status=404)
    gc.collect()
    assert model() is None, "its memory is free"
    assert "second" in api.client.list_models()["available"]


def test_an_idle_model_makes_room_when_another_is_asked_for(api: Spoken, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded(api, "second")
    api.client.inference(body={"text": PROMPT, "model": "second"})
    loaded(api, "third")
    assert "second" in api.workspace.models, "it was used a moment ago"
    monkeypatch.setattr(workspace, "IDLE_S", -1.0)
    loaded(api, "fourth")
    assert set(api.workspace.models) == {"demo", "fourth"}
    monkeypatch.undo()
    api.client.unload_model(id="fourth")


def test_a_model_that_does_not_fit_is_refused(api: Spoken, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(DEMO, api.workspace.files.folder / "large", dirs_exist_ok=True)
    monkeypatch.setattr("scope_widgets.models.load_estimate.free_host_memory", lambda: 1000)
    assert not api.client.estimate_model(name="large")["fits"]
    job = ended(api.client, api.client.load_model(body={"name": "large"})["id"])
    assert job["state"] == "failed"
    assert "are free" in job["error"]
    assert isinstance(api.scope, Microscope)


def test_of_five_models_the_one_not_used_for_longest_goes_with_all_that_is_of_it(api: Spoken) -> None:
    names = ["second", "third", "fourth"]
    for name in names:
        loaded(api, name)
    body = {"kind": "scale_head", "layer": 3, "head": 1, "strength": 0.0, "model": "second"}
    patch = api.client.create_patch(body=body)
    trace = api.client.create_trace(body={"text": PROMPT, "model": "second"})
    for name in names:
        api.client.inference(body={"text": PROMPT, "model": name})
    loaded(api, "fifth")
    assert set(api.workspace.models) == {"demo", "third", "fourth", "fifth"}
    api.client.get_patch(id=patch["id"], status=404)
    api.client.get_trace(id=trace["id"], status=404)
    assert all(one["model"] != "second" for one in api.client.list_saes()["items"])
    loaded(api, "second")
    assert not api.client.inference(body={"text": PROMPT, "model": "second"})["cached"]
    for name in set(api.workspace.models) - {"demo"}:
        api.client.unload_model(id=name)


def test_a_model_has_no_answers_of_one_that_was_called_as_it_is(api: Spoken) -> None:
    for _ in range(3):  # one of them may lie where the one before did
        loaded(api, "second")
        assert not api.client.inference(body={"text": PROMPT, "model": "second"})["cached"]
        assert api.client.inference(body={"text": PROMPT, "model": "second"})["cached"]
        state = api.app.app.state.api
        number = api.workspace.number(api.workspace.scope("second"))
        assert number in [key[0] for key in state.answers._known]
        api.client.unload_model(id="second")


def test_autoencoders_of_names_that_are_written_alike_have_ids_of_their_own(api: Spoken) -> None:
    names = ["a b", "a+b", "a--b", "demo"]
    for name in names:
        shutil.copytree(SAE_DEMO, api.workspace.files.folder / name)
    ids = [api.client.load_sae(body={"name": name})["id"] for name in names]
    assert ids == ["a--b", "a--b-2", "a--b-3", "demo-2"]
    assert api.client.load_sae(body={"name": "a+b"})["id"] == "a--b-2"
    for id in ids:
        assert api.client.get_sae(id=id)["id"] == id
    assert api.client.get_sae(id="demo")["has_index"]
