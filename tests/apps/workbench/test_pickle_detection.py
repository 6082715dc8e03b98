"""Pickles of all protocols are known, and what is none is not taken for one."""

from __future__ import annotations

import collections
import datetime
import io
import os
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scope_widgets.apps.workbench.pickle_detection import is_pickle
from scope_widgets.models.loading import DEMO

THINGS = [
    {"a": 1},
    [1, [2, {"b": (1, 2, 3)}]],
    (),
    None,
    2.5,
    "text\n",
    b"bytes",
    os.system,
    np.arange(3),
    collections.OrderedDict(a=1),
    datetime.date(2020, 1, 1),
    2**100,
    list(range(30_000)),
    "x" * 100_000,
]
TEXTS = [
    b"",
    b".",
    b"N.B.: this is a text.",
    b"cats\ndogs\nbirds\n",
    b"computers are\nmany things\nRight.",
    b"(a list)",
    b"I am here.\nI go.",
    b"Some say so.\n",
    b"}{",
    b'[{"text": "a"}]',
    b"1.5,2\n3,4\n",
    b"<!doctype html>",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"GGUF\x03\0\0\0\x10\0\0\0\0\0\0\0",
    b"PAR1\x15\x04\x15",
]


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_of_any_protocol_is_one(protocol: int) -> None:
    for thing in THINGS:
        assert is_pickle(pickle.dumps(thing, protocol)), thing


@pytest.mark.parametrize("text", TEXTS)
def test_texts_and_the_formats_that_are_taken_are_none(text: bytes) -> None:
    assert not is_pickle(text)


def test_the_files_here_and_arrays_of_any_length_are_none() -> None:
    for path in [*Path(__file__).parent.glob("*.py"), *DEMO.iterdir()]:
        assert not is_pickle(path.read_bytes()), path
    for n in range(0, 600, 7):
        file = io.BytesIO()
        np.save(file, np.zeros((n, 3)), allow_pickle=False)
        assert not is_pickle(file.getvalue())
        header = b'{"a":{"dtype":"F32"}}'.ljust(n)
        assert not is_pickle(len(header).to_bytes(8, "little") + header)


def test_bytes_that_mean_nothing_are_no_error() -> None:
    draw = random.Random(0)
    some: Any = b"\x80\x00\x01(.cNRbsSVIL]})t\n'01aeqhXUTJMKG\x95\x94\x8c\x93\xff"
    for _ in range(5000):
        is_pickle(bytes(draw.choices(some, k=draw.randrange(30))))
