"""Answers kept on disk, by model revision, prompt and request; and jobs that are still under way."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

#: bytes of all answers; the ones that were not used for longest go first
MOST_BYTES = 2_000_000_000
#: seconds that a server keeps the answer of a job
STORED_S = 3600.0


def folder() -> Path:
    """Give where answers are kept: SCOPE_WIDGETS_CACHE, or the user's cache folder."""
    given = os.environ.get("SCOPE_WIDGETS_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "scope-widgets" / "remote"


class Kept:
    """The answers in a folder; a folder that cannot be written keeps nothing, and nothing fails."""

    def __init__(self, where: Path) -> None:
        self._where = where

    def find(self, key: str) -> Any:
        """Give an answer, or None."""
        path = self._where / f"{key}.safetensors"
        try:
            with safe_open(str(path), "pt") as file:
                found = _whole(json.loads(file.metadata()["answer"]), file.get_tensor)
            os.utime(path)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError):
            return None
        return found

    def keep(self, key: str, answer: Any) -> None:
        """Keep an answer, and forget its job."""
        tensors: dict[str, Tensor] = {}
        header = json.dumps(_apart(answer, tensors))
        try:
            self._where.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._where) as beside:  # whoever reads sees all of it or nothing
                part = Path(beside) / "part"
                save_file(tensors, part, {"answer": header})
                os.replace(part, self._where / f"{key}.safetensors")
            self.forget_job(key)
            self._make_room()
        except OSError:
            return

    def job(self, key: str) -> str | None:
        """Give the job that was sent for this and may still be under way."""
        try:
            found = json.loads((self._where / f"{key}.job").read_text())
            return str(found["id"]) if time.time() - found["at"] < STORED_S else None
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
        (self._where / f"{key}.job").unlink(missing_ok=True)

    def _make_room(self) -> None:
        files = sorted(self._where.glob("*.safetensors"), key=lambda path: path.stat().st_mtime, reverse=True)
        total = 0
        for path in files:
            total += path.stat().st_size
            if total > MOST_BYTES:
                path.unlink(missing_ok=True)


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
            whole.update(b"{")
            return all(take(name) and take(one) for name, one in part.items())
        elif isinstance(part, list):
            whole.update(f"[{len(part)}".encode())
            return all(map(take, part))
        else:
            whole.update(f"{type(part).__name__} {part!r};".encode())
        return True

    return whole.hexdigest()[:32] if take(request) else None


def _apart(plain: Any, tensors: dict[str, Tensor]) -> Any:
    """Take the tensors out; numbers that JSON does not know go as text."""
    if isinstance(plain, Tensor):
        name = str(len(tensors))
        tensors[name] = plain.contiguous()
        return {"tensor": name}
    if isinstance(plain, dict):
        return {"dict": {key: _apart(one, tensors) for key, one in plain.items()}}
    if isinstance(plain, list):
        return [_apart(one, tensors) for one in plain]
    return {"float": repr(plain)} if isinstance(plain, float) else plain


def _whole(header: Any, tensor: Any) -> Any:
    if isinstance(header, list):
        return [_whole(one, tensor) for one in header]
    if not isinstance(header, dict):
        return header
    ((kind, of),) = header.items()
    if kind == "tensor":
        return tensor(of)
    return float(of) if kind == "float" else {key: _whole(one, tensor) for key, one in of.items()}
