"""Files by their names, and views as pages; nothing outside of the workspace, and no pickle."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.workbench_api import PROMPT, Spoken, ended


def test_a_file_is_written_read_and_taken_away(api: Spoken) -> None:
    data = os.urandom(1000)
    entry = api.client.write_file(name="a b.bin", body=b"\x00" + data)
    assert entry["size"] == 1001
    response = api.client.read_file(name="a b.bin", raw=True)
    assert response.content == b"\x00" + data
    assert response.headers["content-disposition"] == "attachment"
    assert "a b.bin" in [one["name"] for one in api.client.list_files(limit=1000)["items"]]
    api.client.delete_file(name="a b.bin")
    assert "no file" in api.client.read_file(name="a b.bin", status=404)["detail"]


@pytest.mark.parametrize(
    "name", ["../x", "..", "/etc/passwd", "a/b", "C:x", ".hidden", "nul", "x\x00y", "con.txt", "a "]
)
def test_what_is_no_name_is_refused(api: Spoken, name: str) -> None:
    api.client.write_file(name=name, body=b"x", status=422)
    response = api.http.get(f"/api/v1/files/{quote(name, safe='')}")
    assert response.status_code in (400, 404, 422)


def test_links_that_lead_out_are_not_followed(api: Spoken, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    link = api.workspace.files.folder / "link"
    link.symlink_to(tmp_path / "secret")
    assert "leads out" in api.client.read_file(name="link", status=422)["detail"]
    link.unlink()


@pytest.mark.parametrize("name", ["model.pt", "x.safetensors", "notes.txt", "x.npy"])
def test_pickles_are_refused_by_their_first_bytes(api: Spoken, name: str) -> None:
    for protocol in (2, 3, 4, 5):
        data = pickle.dumps(io.BytesIO, protocol=protocol)
        assert "pickle" in api.client.write_file(name=name, body=data, status=422)["detail"]
    (api.workspace.files.folder / name).write_bytes(pickle.dumps([1], protocol=4))
    assert "pickle" in api.client.read_file(name=name, status=422)["detail"]
    (api.workspace.files.folder / name).unlink()


def test_a_view_of_a_trace_or_a_result_is_a_page_of_the_workspace(api: Spoken) -> None:
    trace = api.client.create_trace(body={"text": PROMPT + " <script>alert(1)</script>"})
    saved = api.client.save_view(body={"of": trace["id"], "name": "trace.html"})
    page = api.client.read_file(name="trace.html").decode()
    assert saved["size"] == len(page.encode())
    assert "default-src 'none'" in page
    assert "<script>alert" not in page
    job = api.client.find_circuit(body={"n": 4, "method": "eap", "keep": 5})
    ended(api.client, job["id"])
    api.client.save_view(body={"of": job["id"], "name": "circuit.html"})
    assert b"circuit" in api.client.read_file(name="circuit.html").lower()
    kinds = [one["kind"] for one in api.client.list_views()["items"]]
    assert {"attention", "heads"} <= set(kinds)
    api.client.save_view(body={"of": trace["id"], "name": "../x.html"}, status=422)
    api.client.save_view(body={"of": "none", "name": "x.html"}, status=404)


def test_an_autoencoder_is_loaded_from_the_workspace_only(api: Spoken, tmp_path: Path) -> None:
    for name in (str(tmp_path), "..", "openai/gpt2", "demo/../x", "file:///etc"):
        api.client.load_sae(body={"name": name}, status=422)
    api.client.load_sae(body={"name": "none"}, status=404)
    folder = api.workspace.files.folder / "pickled"
    folder.mkdir()
    (folder / "cfg.json").write_text("{}")
    (folder / "ae.pt").write_bytes(pickle.dumps([1]))
    api.client.load_sae(body={"name": "pickled"}, status=422)
