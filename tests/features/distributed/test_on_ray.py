"""What workers of Ray record and index is what one process does, to the last byte: `make test-heavy` installs Ray."""

import errno
import hashlib
import shutil

import psutil
import pytest
import torch

from scope_widgets import Microscope, features
from scope_widgets.features import distributed
from scope_widgets.features.distributed.workers import mapped, ray_here
from scope_widgets.features.indexing import index as index_module
from scope_widgets.features.recording import record as recording_module

pytest.importorskip("ray")
pytestmark = pytest.mark.heavy

TEXTS = [f"When {a} and {b} went to the store, {b} gave a book to {a}" for a in "ABCDEFG" for b in "HIJKLMN"]


@pytest.fixture(scope="module", autouse=True)
def begun():
    """Ray on this machine, once for all tests: it takes seconds to begin."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a worker of one core
    with ray_here(2):
        yield
    torch.set_num_threads(threads)


def bytes_of(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_a_recording_and_its_index_are_those_of_one_process(tmp_path, monkeypatch):
    monkeypatch.setattr(recording_module, "_SHARD", 150)
    scope = Microscope.load("demo")
    options = {"layers": [1, 3], "max_tokens": 500, "progress": False}
    alone = features.record(scope, TEXTS, folder=tmp_path / "alone" / "rec", **options)
    # what is there already, of one process, is gone on with
    shutil.copytree(alone.folder, tmp_path / "several" / "rec")
    (tmp_path / "several" / "rec" / "000001.safetensors").unlink()
    several = distributed.record(scope, TEXTS, folder=tmp_path / "several" / "rec", **options)
    assert len(alone.manifest.shards) > 2
    assert len(several) == 500
    assert bytes_of(several.folder) == bytes_of(alone.folder)

    sae = features.train(alone, layer=3, d_sae=64, k=4, steps=20, batch=64, progress=False)
    features.index(scope, sae, alone, folder=tmp_path / "alone" / "index", progress=False)
    assert len(alone) < index_module.ROWS  # one part, or else ROWS would be read where the workers are
    distributed.index(scope, sae, several, folder=tmp_path / "several" / "index", progress=False)
    assert bytes_of(tmp_path / "several" / "index") == bytes_of(tmp_path / "alone" / "index")


def test_nothing_listens_beyond_this_machine():
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    listening = [
        one.laddr.ip
        for process in processes
        for one in process.net_connections(kind="inet")
        if one.status == psutil.CONN_LISTEN
    ]
    assert len(listening) > 3
    assert {ip.removeprefix("::ffff:") for ip in listening} <= {"127.0.0.1", "::1"}


class Refusing:
    def __init__(self, known=True):
        if not known:
            raise ValueError("This worker is not made.")

    def __call__(self, number):
        if number == 2:
            raise OSError(errno.ENOSPC, "No space left")
        return {"twice": 2 * number}


def test_answers_are_in_the_order_of_the_jobs_and_refusals_are_sentences():
    jobs = [{"number": at} for at in (0, 1, 3, 4)]
    assert [found["twice"] for found in mapped(Refusing, {}, jobs, 2, 1, 0)] == [0, 2, 6, 8]
    with pytest.raises(OSError, match="No space left") as caught:
        list(mapped(Refusing, {}, [{"number": 2}], 1, 1, 0))
    assert caught.value.errno == errno.ENOSPC
    with pytest.raises(ValueError, match=r"^This worker is not made\.$"):
        list(mapped(Refusing, {"known": False}, [{"number": 2}], 1, 1, 0))
