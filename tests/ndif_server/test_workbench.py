"""The workbench on a model of the real server: its pictures and numbers, a server that is lost, and no key anywhere."""

import httpx
import pytest

pytest.importorskip("fastapi", reason="The extra [ui] is not installed.")

from scope_widgets import lens
from scope_widgets.widgets.core.bundle import STATIC
from tests.support import workbench_server
from tests.support.result_distance import equal
from tests.support.workbench_server import Page

KEY = "11111111-2222-3333-4444-555555555555"
PROMPT = "When Mary and John went to the store, John gave a drink to"


@pytest.mark.timeout(300)
@pytest.mark.skipif(not (STATIC / "workbench.js").exists(), reason="The bundles are not built; run `make build`.")
def test_a_page_on_the_server(local, tmp_path, monkeypatch):
    monkeypatch.setattr("nnsight.CONFIG.API.APIKEY", KEY)
    with workbench_server.served(tmp_path / "files", model="demo/ioi", remote=True, allow_hub=True) as there:
        page = Page(there, "page-on-the-server").opened()
        server = there.workspace.models["demo/ioi"].transport.server
        assert server.headers["ndif-api-key"] == KEY
        for at, kind in enumerate(("attention", "heads", "lens", "steering", "projection", "patching", "ioi")):
            page.add(kind, f"panel{at}", **({"prompts": 8} if kind == "ioi" else {}))
        found, _ = page.ask("models")
        assert (found["servers"], found["note"]) == ({"demo/ioi": server.host}, "")
        assert "demo/ioi" not in found["there"]

        bearer = {"Authorization": f"Bearer {there.token}"}
        http = httpx.Client(base_url=f"http://{there.host}/api/v1", headers=bearer, timeout=120)
        (model,) = http.get("/models").json()["items"]
        assert (model["server"], model["d_model"], model["parameters"] > 0) == (server.host, 128, True)
        trace = http.post("/traces", json={"text": PROMPT, "capture": ["residual"]}).json()
        where = f"/traces/{trace['id']}/activations"
        answer = http.get(where, params={"site": "residual", "layer": 2}, headers={"Accept": "application/json"})
        assert answer.status_code == 200, answer.text
        shown = next(one for one in page.models["page"]["panels"] if one["kind"] == "lens")
        assert page.models[shown["view"]]
        theirs = lens.logit_lens(there.workspace.models["demo/ioi"].trace(PROMPT))
        equal(
            "a lens of the workbench", theirs.top_probabilities, lens.logit_lens(local.trace(PROMPT)).top_probabilities
        )

        page.ask("save", name="all.ipynb", what="notebook")
        page.ask("save", name="all.html", what="html")
        host, server.host, server.patience = server.host, "http://127.0.0.1:9", 1
        with pytest.raises(ValueError, match=r"cannot be reached: .* Check the address"):
            page.add("tokens", "lost1")
        server.host = host
        page.add("tokens", "found1")
        assert KEY not in repr(page.models)
        for path in (tmp_path / "files").rglob("*"):
            assert not path.is_file() or KEY.encode() not in path.read_bytes(), path
        http.close()
        page.close()
