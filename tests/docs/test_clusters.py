"""docs/clusters.md: its programs run, its job files are whole, and its tables are those of the script."""

import os
import re
import subprocess
import sys

import pytest

from scope_widgets import Microscope, features
from scripts import cluster_costs
from tests.support.paths import ROOT

TEXT = cluster_costs.DOCS.read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
PROGRAMS = [text for kind, text in BLOCKS if kind == "py"]


def test_the_tables_are_those_of_the_script():
    made = cluster_costs.tables(cluster_costs.arguments().parse_args([]))
    assert cluster_costs.with_tables(TEXT, made) == TEXT, "python -m scripts.cluster_costs --write"
    with pytest.raises(ValueError, match="The docs have no tables between"):
        cluster_costs.with_tables("none", made)


def test_operations_are_those_of_the_weights():
    scope = Microscope.load("demo")
    config = scope.model.config
    blocks = [one for name, one in scope.model.named_parameters() if ".layers." in name and one.ndim == 2]
    heads, key_heads = config.num_attention_heads, getattr(config, "num_key_value_heads", config.num_attention_heads)
    shape = cluster_costs.Shape(
        "demo", 4, config.hidden_size, heads, key_heads, config.hidden_size // heads, config.intermediate_size
    )
    assert 4 * shape.of_block == sum(one.numel() for one in blocks)
    # 49,152 tokens, whose embedding is the unembedding too, and norms
    assert 30 * cluster_costs.SMOLLM2.of_block + 49_152 * 576 + 61 * 576 == 134_515_008


def test_hours_are_operations_over_rates():
    machine = cluster_costs.Machine(recording=1e12, training=2e12, price=1.0, bandwidth=1e9)
    model = cluster_costs.Shape("x", 2, 10, 2, 1, 5, 40)
    # one block of two: q and o of 100, k and v of 50, an MLP of 3 x 400
    assert machine.recording_hours(model, 3600 * 10**6) == pytest.approx(2 * (300 + 1200) * 1e6 / 1e12)
    # 80 latents: 1,600 operations a row, and 1,600 weights of 28 bytes every 2,048 rows
    assert machine.training_hours(model, 3600) == pytest.approx(1600 / 2e12 + 1600 * 28 / 2048 / 1e9)


@pytest.mark.parametrize("text", [text for kind, text in BLOCKS if kind == "bash"])
def test_job_files_of_slurm_are_read_by_bash(text):
    assert text.startswith("#!/bin/bash\n#SBATCH ")
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_files_of_kubernetes_are_whole():
    yaml = pytest.importorskip("yaml")
    found = [one for kind, text in BLOCKS if kind == "yaml" for one in yaml.safe_load_all(text)]
    assert [one["kind"] for one in found] == ["Job", "Service", "Job"]
    for job in (found[0], found[2]):
        pod = job["spec"]["template"]["spec"]
        assert job["spec"]["completionMode"] == "Indexed"
        assert {one["name"] for one in pod["containers"][0]["volumeMounts"]} == {one["name"] for one in pod["volumes"]}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """What the program records with the model of this package, in two parts."""
    folder = tmp_path_factory.mktemp("clusters")
    texts = [f"{name} gave a book to {other} and the dog runs" for name in "ABCDEFGH" for other in "KLMNOPQR"]
    (folder / "texts.txt").write_text("\n".join(texts))
    for rank in (0, 1):
        given = {
            "rank": rank,
            "world": 2,
            "model": "demo",
            "texts": folder / "texts.txt",
            "layer": 2,
            "folder": folder / "rec",
        }
        run(PROGRAMS[0], given)
    return folder, texts


def run(program, given):
    """Run a program in this process, which has imported everything."""
    argv, sys.argv = sys.argv, ["program", *(str(one) for name, value in given.items() for one in (f"--{name}", value))]
    try:
        exec(compile(program, "program", "exec"), {"__name__": "__main__"})
    finally:
        sys.argv = argv


def test_the_program_records_all_texts_in_parts(recorded):
    folder, texts = recorded
    parts = [features.Recording.load(folder / "rec" / name) for name in ("0000", "0001")]
    assert sorted(number for one in parts for number in one.samples["document"]) == list(range(len(texts)))
    assert all(one.manifest.complete for one in parts)


def test_the_program_trains_on_the_parts(recorded, monkeypatch):
    pytest.importorskip("lightning_fabric")
    folder, _ = recorded
    script = folder / "train.py"
    script.write_text(PROGRAMS[1])
    torchrun = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--local-addr", "127.0.0.1"]
    torchrun += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", str(script)]
    torchrun += ["--recordings", str(folder / "rec"), "--folder", str(folder / "sae"), "--steps", "5", "--batch", "64"]
    known = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    made = subprocess.run([sys.executable, *torchrun], env=known, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr[-3000:]
    assert features.load(folder / "sae").d_sae == 8 * 128


def test_what_is_for_ray_is_python_of_what_there_is():
    compile(PROGRAMS[2], "ray", "exec")
    assert "distributed.record(" in PROGRAMS[2]
