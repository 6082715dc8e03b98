"""Answers kept on disk, by model revision, prompt and request; and jobs that are still under way."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from scope_widgets._untrusted import parse_json, read_text

#: bytes of all answers; the ones that were not used for longest go first
MOST_BYTES = 2_000_000_000
#: seconds that a server keeps the answer of a job
STORED_S = 3600.0
#: how folders are called in which an answer is being written
_WRITING = "writing-"


def cache_folder() -> Path | None:
    """Return where answers are kept, a folder in SCOPE_WIDGETS_CACHE or in the user's cache; None without a home."""
    given = os.environ.get("SCOPE_WIDGETS_CACHE")
    try:
        return (Path(given) if given else Path.home() / ".cache" / "scope-widgets") / "remote"
    except RuntimeError:
        return None


class ResponseCache:
    """The answers in a folder.

    What cannot be written is not kept, what is damaged is not found, and nothing fails: the server is asked again.
    """

    def __init__(self, where: Path) -> None:
        self._where = where

    def find(self, key: str) -> Any:
        """Give an answer, or None."""
        path = self._where / f"{key}.safetensors"
        try:
            whole = path.read_bytes()  # at once: another process may put a new file in its place
            written = parse_json(whole[8 : 8 + int.from_bytes(whole[:8], "little")])["__metadata__"]
            found = load(whole)
            tensors = [found[str(i)] for i in range(len(found))]
            if written["digest"] != key_of([written["answer"], tensors]):
                return None
            os.utime(path)
            return _whole(json.loads(written["answer"]), tensors)
        except Exception:  # the readers raise anything on a damaged file
            return None

    def keep(self, key: str, answer: Any) -> None:
        """Keep an answer, and forget its job."""
        tensors: list[Tensor] = []
        header = json.dumps(_apart(answer, tensors))
        try:
            self._where.mkdir(parents=True, exist_ok=True)
            # whoever reads sees all of it or nothing
            with tempfile.TemporaryDirectory(prefix=_WRITING, dir=self._where) as beside:
                part = Path(beside) / "part"
                named = {str(i): tensor for i, tensor in enumerate(tensors)}
                save_file(named, part, {"answer": header, "digest": str(key_of([header, tensors]))})
                os.replace(part, self._where / f"{key}.safetensors")
            self._make_room()
        except (OSError, SafetensorError, KeyError):  # KeyError: a dtype that these files do not know
            pass
        self.forget_job(key)

    def job(self, key: str) -> str | None:
        """Give the job that was sent for this and may still be under way."""
        try:
            found = parse_json(read_text(self._where / f"{key}.job", most=10_000))
            return found["id"] if time.time() - found["at"] < STORED_S and str(found["id"]).isprintable() else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep_job(self, key: str, job: str) -> None:
        """Note that a job was sent."""
        try:
            self._where.mkdir(parents=True, exist_ok=True)
            (self._where / f"{key}.job").write_text(json.dumps({"id": job, "at": time.time()}))
        except OSError:
            return

    def forget_job(self, key: str) -> None:
        """Forget a job that has ended."""
        with suppress(OSError):
            (self._where / f"{key}.job").unlink(missing_ok=True)

    def _make_room(self) -> None:
        for left in self._where.glob(f"{_WRITING}*"):  # by a process that was killed
            if time.time() - left.stat().st_mtime > STORED_S:
                shutil.rmtree(left, ignore_errors=True)
        files = sorted(self._where.glob("*.safetensors"), key=lambda path: path.stat().st_mtime, reverse=True)
        total = 0
        for path in files:
            total += path.stat().st_size
            if total > MOST_BYTES:
                path.unlink(missing_ok=True)


class CacheEntry:
    """The answer to one request in a cache; nothing is kept without a cache, or without a key."""

    def __init__(self, cache: ResponseCache | None, key: str | None) -> None:
        self._cache = None if key is None else cache
        self._key = key or ""

    def find(self) -> Any:
        """Return the answer, or None."""
        return None if self._cache is None else self._cache.find(self._key)

    def keep(self, answer: dict[str, Any]) -> None:
        """Keep an answer; of one that is an error, only forget that its job was under way."""
        if self._cache is not None and ("raised" in answer or "too_large" in answer):
            self._cache.forget_job(self._key)
        elif self._cache is not None:
            self._cache.keep(self._key, answer)

    def job(self) -> str | None:
        """Return the job that was sent for this and may still be under way."""
        return None if self._cache is None else self._cache.job(self._key)

    def keep_job(self, job: str) -> None:
        """Note that a job was sent."""
        if self._cache is not None:
            self._cache.keep_job(self._key, job)

    def forget_job(self) -> None:
        """Forget a job that has ended."""
        if self._cache is not None:
            self._cache.forget_job(self._key)


def key_of(request: Any) -> str | None:
    """Name a plain request; None where it holds a function of the user's, whose meaning no name holds."""
    whole = hashlib.sha256()

    def take(part: Any) -> bool:
        if isinstance(part, Tensor):
            whole.update(f"{part.dtype}{tuple(part.shape)}".encode())
            whole.update(part.contiguous().flatten().view(torch.uint8).numpy().tobytes())
        elif isinstance(part, dict):
            if part.get("$") == "function":
                return False
            whole.update(f"{{{len(part)}".encode())
            return all(take(name) and take(one) for name, one in part.items())
        elif isinstance(part, list):
            whole.update(f"[{len(part)}".encode())
            return all(map(take, part))
        else:
            whole.update(f"{type(part).__name__} {part!r};".encode())
        return True

    return whole.hexdigest()[:32] if take(request) else None


def _apart(plain: Any, tensors: list[Tensor]) -> Any:
    """Take the tensors out; numbers that JSON does not know go as text."""
    if isinstance(plain, Tensor):
        tensors.append(plain.clone(memory_format=torch.contiguous_format))  # no two in one storage: save_file refuses
        return {"tensor": len(tensors) - 1}
    if isinstance(plain, dict):
        return {"dict": {key: _apart(one, tensors) for key, one in plain.items()}}
    if isinstance(plain, list):
        return [_apart(one, tensors) for one in plain]
    return {"float": repr(plain)} if isinstance(plain, float) else plain


def _whole(header: Any, tensors: list[Tensor]) -> Any:
    if isinstance(header, list):
        return [_whole(one, tensors) for one in header]
    if not isinstance(header, dict):
        return header
    ((kind, of),) = header.items()
    if kind == "tensor":
        return tensors[of]
    return float(of) if kind == "float" else {key: _whole(one, tensors) for key, one in of.items()}
