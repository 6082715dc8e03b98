"""The files of docs/hosting.md are whole, and what they start exists."""

import re

import pytest

from scope_widgets.cli import command_line
from scope_widgets.cli.ui import TOKEN
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "hosting.md").read_text(encoding="utf-8")
PORT = "8000"


@pytest.fixture(scope="module")
def manifest():
    yaml = pytest.importorskip("yaml")
    (text,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)
    return {one["kind"]: one for one in yaml.safe_load_all(text)}


@pytest.fixture(scope="module")
def pod(manifest):
    return manifest["Deployment"]["spec"]["template"]["spec"]


def test_its_parts_find_each_other(manifest, pod):
    assert set(manifest) == {"Deployment", "PersistentVolumeClaim", "Service", "Ingress"}
    deployment = manifest["Deployment"]["spec"]
    assert (deployment["replicas"], deployment["strategy"]["type"]) == (1, "Recreate")
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"] == labels == manifest["Service"]["spec"]["selector"]
    (container,) = pod["containers"]
    assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}
    claim = pod["volumes"][0]["persistentVolumeClaim"]["claimName"]
    assert claim == manifest["PersistentVolumeClaim"]["metadata"]["name"]
    (port,), (served,) = container["ports"], manifest["Service"]["spec"]["ports"]
    assert (str(port["containerPort"]), served["targetPort"]) == (PORT, port["name"])
    (rule,) = manifest["Ingress"]["spec"]["rules"]
    behind = rule["http"]["paths"][0]["backend"]["service"]
    assert (behind["name"], behind["port"]["name"]) == (manifest["Service"]["metadata"]["name"], served["name"])


def test_its_command_is_one_that_the_parser_takes(manifest, pod):
    container = pod["containers"][0]
    options = command_line._parse(container["args"])
    (rule,) = manifest["Ingress"]["spec"]["rules"]
    assert options.no_open
    assert (options.host, str(options.port)) == ("0.0.0.0", PORT)
    assert (options.allowed_host, options.root_path) == ([rule["host"]], rule["http"]["paths"][0]["path"])
    assert str(options.workspace) == container["volumeMounts"][0]["mountPath"]
    for line in re.findall(r"^    (microscope ui .*)$", PAGE, re.M):
        command_line._parse(line.split()[1:])


def test_the_token_is_a_secret_and_the_server_is_asked_by_its_name(pod):
    container = pod["containers"][0]
    (token,) = (one for one in container["env"] if one["name"] == TOKEN)
    assert set(token) == {"name", "valueFrom"}
    assert f"create secret generic {token['valueFrom']['secretKeyRef']['name']} " in PAGE
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        get = container[probe]["httpGet"]
        assert (get["path"], get["httpHeaders"]) == ("/health", [{"name": "Host", "value": f"127.0.0.1:{PORT}"}])
