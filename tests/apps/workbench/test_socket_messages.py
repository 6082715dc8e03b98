"""Messages as bytes: what is sent is read, and what is no message is refused with a sentence."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scope_widgets.apps.workbench.socket_messages import MOST_INBOUND, decode, encode


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=9)), st.lists(st.binary(max_size=40)))
@settings(max_examples=60, deadline=None)
def test_a_message_is_read_as_it_was_written(state: dict[str, int | str], buffers: list[bytes]) -> None:
    head = {"kind": "update", "id": "x", "state": state}
    try:
        repr(state).encode()
    except UnicodeEncodeError:
        return
    frame = encode(head, buffers)
    assert len(frame) % 8 == 0
    if all(not isinstance(one, int) or abs(one) < 2**53 for one in state.values()):
        assert decode(frame) == (head, buffers)


def test_buffers_stand_at_multiples_of_eight() -> None:
    frame = encode({"kind": "custom"}, [b"abc", b"12345678"])
    assert frame.index(b"abc") % 8 == 0
    assert frame.index(b"12345678") % 8 == 0


def test_what_json_does_not_know_is_null() -> None:
    assert decode(encode({"kind": "update", "state": {"a": [math.nan, 1.0], "b": math.inf}}, []))[0]["state"] == {
        "a": [None, 1.0],
        "b": None,
    }


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_a_message_or_a_sentence(frame: bytes) -> None:
    with pytest.raises(ValueError, match=r"\."):
        decode(frame)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        struct.pack("<II", 2, 2) + b"{}      ",
        struct.pack("<II", 1, 2**32 - 1),
        struct.pack("<II", 1, 2) + b"[]      ",
        struct.pack("<II", 1, 2) + b"{}      ",
        encode({"kind": "custom"}, [b"x" * 16])[:-8],
        struct.pack("<II", 1, 30) + b'{"kind":"a","buffers":[10000]}',
        struct.pack("<II", 1, 27) + b'{"kind":"a","buffers":[-8]}',
        struct.pack("<II", 1, 27) + b'{"kind":"a","buffers":[1e3]}'[:27],
        struct.pack("<II", 1, 1000) + b"[" * 1000,
        bytes(MOST_INBOUND + 8),
    ],
)
def test_damaged_messages_are_refused(frame: bytes) -> None:
    with pytest.raises(ValueError, match=r"\."):
        decode(frame)
