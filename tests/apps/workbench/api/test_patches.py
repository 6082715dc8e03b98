"""Patches are made, changed and put on and off, and what inference remembers is of them."""

from __future__ import annotations

from tests.support.workbench_api import PROMPT, Spoken

HEAD = {"kind": "scale_head", "layer": 3, "head": 1, "strength": 0.0}


def test_a_patch_is_made_changed_and_taken_off(api: Spoken) -> None:
    response = api.client.create_patch(body=HEAD, raw=True)
    made = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"/api/v1/patches/{made['id']}"
    assert (made["name"], made["enabled"], made["model"]) == ("scale head 3.1", True, "demo")
    changed = api.client.change_patch(id=made["id"], body={"strength": 0.5, "description": "half"})
    assert (changed["strength"], changed["description"], changed["enabled"]) == (0.5, "half", True)
    assert api.client.toggle_patch(id=made["id"])["enabled"] is False
    assert api.client.get_patch(id=made["id"])["enabled"] is False
    assert api.client.export(id="patches") == [api.client.get_patch(id=made["id"])]
    api.client.delete_patch(id=made["id"])
    api.client.get_patch(id=made["id"], status=404)
    api.client.toggle_patch(id=made["id"], status=404)


def test_what_is_remembered_is_of_the_patches_as_they_are(api: Spoken) -> None:
    api.client.clear_cache()
    plain = api.client.inference(body={"text": PROMPT})
    assert not plain["cached"]
    assert api.client.inference(body={"text": PROMPT})["cached"]
    made = api.client.create_patch(body=HEAD)
    ablated = api.client.inference(body={"text": PROMPT})
    assert not ablated["cached"]
    assert ablated["patches"] == [made["id"]]
    assert ablated["patched"] != ablated["original"] == plain["original"]
    api.client.change_patch(id=made["id"], body={"strength": 0.5})
    halved = api.client.inference(body={"text": PROMPT})
    assert not halved["cached"]
    assert halved["patched"] not in (ablated["patched"], plain["patched"])
    api.client.toggle_patch(id=made["id"])
    off = api.client.inference(body={"text": PROMPT})
    assert off["cached"]
    assert off["patched"] == plain["patched"]
    assert api.client.inference(body={"text": PROMPT, "patches": [made["id"]]})["patched"] == halved["patched"]
    assert api.client.inference(body={"text": PROMPT, "patches": "none"})["patched"] == plain["patched"]
    counts = api.client.cache()
    assert (counts["misses"], counts["size"]) == (3, 3)
    assert counts["hits"] == 4
    assert api.client.clear_cache()["size"] == 0


def test_the_order_of_patches_is_kept(api: Spoken) -> None:
    first = api.client.create_patch(body={"kind": "clamp", "sae": "demo", "feature": 341, "strength": 2.0})
    second = api.client.create_patch(body={"kind": "scale", "sae": "demo", "feature": 341, "strength": 3.0})
    one = api.client.inference(body={"text": PROMPT, "patches": [first["id"], second["id"]]})
    other = api.client.inference(body={"text": PROMPT, "patches": [second["id"], first["id"]]})
    assert one["patched"] != other["patched"]
    assert one["original"] == other["original"]
