"""Answers that are kept on disk: found again whole, by what they depend on, or not at all."""

import json
import math
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from scope_widgets.remote.client import response_cache
from scope_widgets.remote.client.response_cache import ResponseCache, key_of
from tests.support.forked import Forked

ANSWER = {
    "result": {"$": "tuple", "of": [torch.arange(6.0).reshape(2, 3), torch.tensor(True), [1, "a", None, -0.0]]},
    "numbers": [math.inf, -math.inf, math.nan, 1e-300, 2**70],
    "warnings": [],
    "": {"kind": "tensor", "of": "0"},
}
REQUEST = {
    "function": "scope_widgets.heads.score:score",
    "args": [[1, 2, 3], torch.tensor([1.0, 2.0])],
    "kwargs": {"$": "dict", "of": [["layer", 2]]},
    "revision": "abc",
}


def same(one, other):
    """Whether two answers are equal, down to types, NaN and the sign of 0."""
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other)


@pytest.fixture
def store(tmp_path):
    return ResponseCache(tmp_path / "answers")


def files(store):
    return sorted(path.name for path in store._where.iterdir())


def test_an_answer_comes_back_as_it_was(store):
    assert store.find("a") is None
    store.keep("a", ANSWER)
    assert same(ANSWER, store.find("a"))
    assert files(store) == ["a.safetensors"]


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor(1.5),
        torch.empty(0, 3),
        torch.randn(4, 5).T,
        torch.randn(3, dtype=torch.float64),
        torch.randn(3).to(torch.bfloat16),
        torch.randn(3).half(),
        torch.tensor([True, False]),
        torch.arange(5, dtype=torch.uint8),
        torch.randn(100)[::7],
    ],
)
def test_every_kind_of_tensor_comes_back(store, tensor):
    store.keep("a", {"twice": [tensor, tensor]})
    assert same([tensor.contiguous()] * 2, store.find("a")["twice"])


def test_changing_what_was_found_changes_nothing_on_disk(store):
    store.keep("a", ANSWER)
    store.find("a")["result"]["of"][0].zero_()
    assert same(ANSWER, store.find("a"))


# -- what names a request


def changed(**parts):
    return {**REQUEST, **parts}


OTHERS = {
    "another revision": changed(revision="abd"),
    "no revision": changed(revision=None),
    "another prompt": changed(args=[[1, 2, 4], torch.tensor([1.0, 2.0])]),
    "a longer prompt": changed(args=[[1, 2, 3, 4], torch.tensor([1.0, 2.0])]),
    "two prompts": changed(args=[[[1, 2, 3]], torch.tensor([1.0, 2.0])]),
    "a prompt as text": changed(args=[["1", "2", "3"], torch.tensor([1.0, 2.0])]),
    "another number": changed(args=[[1, 2, 3], torch.tensor([1.0, 2.5])]),
    "another dtype": changed(args=[[1, 2, 3], torch.tensor([1.0, 2.0], dtype=torch.float64)]),
    "a dtype of the same bytes": changed(args=[[1, 2, 3], torch.tensor([1.0, 2.0]).view(torch.int32)]),
    "another shape": changed(args=[[1, 2, 3], torch.tensor([[1.0, 2.0]])]),
    "another order": changed(args=[torch.tensor([1.0, 2.0]), [1, 2, 3]]),
    "another function": changed(function="scope_widgets.heads.score:score_repeated_tokens"),
    "another option": changed(kwargs={"$": "dict", "of": [["layer", 3]]}),
    "true for one": changed(args=[[True, 2, 3], torch.tensor([1.0, 2.0])]),
    "a fraction for one": changed(args=[[1.0, 2, 3], torch.tensor([1.0, 2.0])]),
    "more": changed(most=1),
}


def test_every_difference_names_another_request():
    keys = {name: key_of(request) for name, request in {**OTHERS, "itself": REQUEST}.items()}
    assert len(set(keys.values())) == len(keys)
    again = {**REQUEST, "args": [[1, 2, 3], torch.tensor([[1.0, 2.0], [0.0, 0.0]])[0]]}
    assert key_of(again) == keys["itself"]


def test_where_things_stand_counts():
    assert key_of({"a": {"b": 1}, "c": 2}) != key_of({"a": {"b": 1, "c": 2}})
    assert key_of([[1], 2]) != key_of([[1, 2]])
    assert key_of(["a", "b"]) != key_of(["a b"])
    assert key_of(["1;int 2"]) != key_of([1, 2])
    assert key_of([-0.0]) != key_of([0.0])


def test_the_same_name_in_another_process():
    code = (
        "import torch\nfrom scope_widgets.remote.client.response_cache import key_of\n"
        "print(key_of([{'a': torch.ones(2)}, 'b']))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == key_of([{"a": torch.ones(2)}, "b"])


def test_a_function_of_the_users_has_no_name():
    assert key_of(changed(kwargs={"$": "dict", "of": [["metric", {"$": "function", "of": len}]]})) is None


# -- damage


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_half_a_file_is_no_answer(store, share):
    store.keep("a", ANSWER)
    path = store._where / "a.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert store.find("a") is None
    store.keep("a", ANSWER)
    assert same(ANSWER, store.find("a"))


def test_no_changed_byte_goes_unseen(store):
    store.keep("a", {"result": torch.arange(4.0), "text": "abc"})
    path = store._where / "a.safetensors"
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x11]) + whole[at + 1 :])
        found = store.find("a")
        # white space of the header may change without changing what it says
        assert found is None or same(found, {"result": torch.arange(4.0), "text": "abc"}), at


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\0" * 100, b"\xff" * 8, json.dumps({"a": 1}).encode()])
def test_another_file_in_its_place_is_no_answer(store, content):
    store._where.mkdir()
    (store._where / "a.safetensors").write_bytes(content)
    (store._where / "a.job").write_bytes(content)
    assert store.find("a") is None
    assert store.job("a") is None


def test_a_folder_in_its_place_is_no_answer(store):
    (store._where / "a.safetensors").mkdir(parents=True)
    assert store.find("a") is None
    store.keep("a", ANSWER)
    assert store.find("a") is None


# -- jobs


def test_a_job_is_remembered_until_its_answer_has_come(store, monkeypatch):
    assert store.job("a") is None
    store.keep_job("a", "job-1")
    assert store.job("a") == "job-1"
    assert ResponseCache(store._where).job("a") == "job-1"
    store.keep("a", ANSWER)
    assert store.job("a") is None
    store.keep_job("b", "job-2")
    store.forget_job("b")
    store.forget_job("b")
    assert store.job("b") is None
    store.keep_job("c", "job-3")
    later = time.time() + response_cache.STORED_S + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert store.job("c") is None


# -- the folder


def test_the_folder_is_one_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv("SCOPE_WIDGETS_CACHE", str(tmp_path))
    assert response_cache.cache_folder() == tmp_path / "remote"
    monkeypatch.delenv("SCOPE_WIDGETS_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert response_cache.cache_folder() == tmp_path / ".cache" / "scope-widgets" / "remote"


def test_what_was_not_used_for_longest_goes_first(store, monkeypatch):
    big = {"result": torch.zeros(1000)}
    for age, key in enumerate("dcba"):
        store.keep(key, big)
        os.utime(store._where / f"{key}.safetensors", times=(1e9 + age, 1e9 + age))
    size = (store._where / "a.safetensors").stat().st_size
    assert store.find("d") is not None  # used now
    monkeypatch.setattr(response_cache, "MOST_BYTES", int(3.5 * size))
    store.keep("e", big)
    assert files(store) == ["a.safetensors", "d.safetensors", "e.safetensors"]


def test_what_a_killed_process_left_goes_after_an_hour(store):
    for name, age in (("writing-old", 2 * response_cache.STORED_S), ("writing-new", 0)):
        (store._where / name).mkdir(parents=True)
        (store._where / name / "part").write_bytes(b"half")
        os.utime(store._where / name, times=(time.time() - age,) * 2)
    store.keep("a", ANSWER)
    assert files(store) == ["a.safetensors", "writing-new"]


def test_an_unwritable_folder_keeps_nothing_and_nothing_fails(tmp_path):
    (tmp_path / "file").write_text("no folder")
    store = ResponseCache(tmp_path / "file" / "answers")  # root may write anywhere but below a file
    store.keep_job("a", "job")
    store.keep("a", ANSWER)
    store.forget_job("a")
    assert store.find("a") is None
    assert store.job("a") is None


def test_a_read_only_folder_is_read(store):
    store.keep("a", ANSWER)
    store.keep_job("a", "job")
    store._where.chmod(0o500)
    try:
        assert same(ANSWER, store.find("a"))
        store.keep("b", ANSWER)
        store.forget_job("a")
    finally:
        store._where.chmod(0o700)


def keep_without_room(store):
    """Keep an answer that is larger than a file may be, and a small one."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    store.keep("a", {"result": torch.zeros(100_000)})
    assert store.find("a") is None
    store.keep("b", {"result": torch.zeros(2)})
    assert store.find("b") is not None


def test_a_full_disk_keeps_nothing_and_nothing_fails(store):
    pytest.importorskip("resource", reason="Windows has no limit of a file's size to stand for a full disk.")
    Forked(lambda: keep_without_room(store)).result()
    assert files(store) == ["b.safetensors"]


def test_what_these_files_do_not_know_is_not_kept_and_nothing_fails(store):
    store.keep("a", {"result": torch.zeros(2, dtype=torch.complex128)})
    assert store.find("a") is None


def write_often(store):
    """Write and read 60 answers under one name."""
    for i in range(60):
        store.keep("a", {"result": torch.full((50_000,), float(i)), "i": i})
        found = store.find("a")
        assert (found["result"] == found["i"]).all()


def test_two_processes_write_the_same_answer(store):
    other = Forked(lambda: write_often(store))
    seen = 0
    while not other.ended:
        store.keep("a", {"result": torch.full((50_000,), -1.0), "i": -1})
        found = store.find("a")
        assert (found["result"] == found["i"]).all()
        seen += found["i"] >= 0
    other.result()
    assert seen
    assert files(store) == ["a.safetensors"]
