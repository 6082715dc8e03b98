"""The one reader of what others wrote: size, depth, types, shapes and numbers are known before memory is asked for."""

from __future__ import annotations

import io
import json
import math
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.lib import format as npy

#: bytes of a text, lists and objects in it, and how deep they may lie in each other
MOST_TEXT, MOST_PARTS, MOST_DEPTH = 500_000_000, 2_000_000, 64
#: numbers of one array, and the length of an axis where another one is empty
MOST_NUMBERS = 2_000_000_000
#: the most layers, heads, positions, ... of anything that a file describes and does not hold
MOST_COUNT = 100_000
_FLOATS = ("float16", "float32", "float64")
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
#: dtypes of the arrays that files may hold
DTYPES = ("bool", *_INTEGERS, *_FLOATS)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Raise one ValueError, that begins with `what`, for whatever comes of reading damaged input.

    Examples
    --------
    >>> with reading("This text is not a list of names"):
    ...     parse_json("[1, 2")
    Traceback (most recent call last):
    ValueError: This text is not a list of names: ...
    """
    try:
        yield
    except Exception as error:  # each library has its own for what is damaged
        raise ValueError(f"{what}: {why(error)}.") from error


def why(error: BaseException) -> str:
    """Return the reason that an error of a reader gives, as the end of a sentence without its full stop."""
    if isinstance(error, RecursionError):
        return f"lists lie in each other more than {MOST_DEPTH} deep"
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    if isinstance(error, KeyError) and error.args:
        return f"it lacks {opening(error.args[0])}"
    said = " ".join(str(error).encode("utf-8", "replace").decode().split())[:400].rstrip(".")
    return said if isinstance(error, ValueError) and said else f"{type(error).__name__} {said}".rstrip()


def opening(given: Any) -> str:
    """Return the beginning of what was given, for a sentence: escaped, and not long."""
    if isinstance(given, (str, bytes)):
        return repr(given[:40])
    text = repr(given) if isinstance(given, (int, float, type(None))) and given != math.inf else type(given).__name__
    return text if len(text) <= 40 else f"{text[:37]}..."


def check_name(path: str | Path) -> Path:
    """Return a path as it is; raise ValueError where no file can be called so, on any system, TypeError for no path."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"A file or folder is given by its path, a text or a Path; got {opening(path)}.")
    text = os.fspath(path)
    longest = max((len(part.encode("utf-8", "replace")) for part in Path(text).parts), default=0)
    if "\0" in text or longest > 255:
        raise ValueError(f"{opening(text)} is no name of a file: it has up to 255 bytes, none of them a null.")
    try:
        check_text(text)
    except ValueError as error:
        raise ValueError(f"{opening(text)} is no name of a file: {why(error)}.") from None
    return Path(path)


def read_bytes(path: str | Path, most: int = MOST_TEXT) -> bytes:
    """Return what a file holds.

    Raises
    ------
    FileNotFoundError
        Where there is none.
    ValueError
        Where it is no file (a device or a pipe has no end), cannot be opened, or is longer than `most` bytes.
    """
    with _opening(path) as (shown, size):
        if size > most:
            raise ValueError(f"{shown!r} has {size:,} bytes; a file of its kind has {most:,} at most.")
        return Path(path).read_bytes()


def lines_of(path: str | Path, longest: int) -> Iterator[bytes | None]:
    """Yield the lines of a file of any length, without their ends; None for one of more than `longest` bytes.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_bytes`.
    """
    with _opening(path), open(path, "rb") as file:
        while line := file.readline(longest + 1):
            if line.endswith(b"\n") or len(line) <= longest:
                yield line.removesuffix(b"\n")
                continue
            yield None
            while line and not line.endswith(b"\n"):
                line = file.readline(longest + 1)


@contextmanager
def _opening(path: str | Path) -> Iterator[tuple[str, int]]:
    """Yield the name of a file and its bytes; raise as `read_bytes` does for what is none, or cannot be read."""
    shown = os.fspath(check_name(path))
    try:
        about = os.stat(path)
        if not stat.S_ISREG(about.st_mode):
            raise ValueError(f"{shown!r} is no file: give the path of one.")
        yield shown, about.st_size
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {shown!r}.") from None
    except OSError as error:
        raise ValueError(f"{shown[:200]!r} cannot be read: {error.strerror or type(error).__name__}.") from None


def read_text(path: str | Path, most: int = MOST_TEXT) -> str:
    """Return the text of a UTF-8 file; raise as `read_bytes` does, and ValueError for other bytes."""
    try:
        return read_bytes(path, most).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{os.fspath(path)!r} is no UTF-8 text (byte {error.start}): save it as UTF-8.") from None


def parse_json(text: str | bytes, *, finite: bool = True) -> Any:
    """Return the value of a JSON text.

    Parameters
    ----------
    text : str or bytes of UTF-8
    finite : bool, default True
        Refuse NaN and infinities, which JSON does not know; other packages' files have them.

    Raises
    ------
    ValueError
        Where it is none, too long or deep, or holds numbers or texts that cannot be shown or written again.
    """
    if not isinstance(text, (str, bytes)):
        raise ValueError(f"JSON is a text, and this is a {type(text).__name__}")
    _check_length(text)
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    check_text(text)
    _check_count_of_parts(text)
    try:
        found = json.loads(text, parse_constant=_no_number if finite else float)
    except RecursionError:
        raise ValueError(f"its lists lie in each other more than {MOST_DEPTH} deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON ({error})") from None
    _check_parts(found, escaped="\\ud" in text or "\\uD" in text, finite=finite)
    return found


def json_text(value: Any, what: str, instead: str, **options: Any) -> str:
    """Return a value as a JSON text that `parse_json` will take.

    Parameters
    ----------
    value : what JSON knows
    what : str
        What it is, for the sentence of the error.
    instead : str
        What to do where it is too large, as a sentence.
    **options
        Those of `json.dumps`.

    Raises
    ------
    ValueError
        Where it is larger than what is read, or holds half a character.

    Examples
    --------
    >>> json_text({"a": [1]}, "This list", "Write fewer.")
    '{"a": [1]}'
    """
    text = json.dumps(value, allow_nan=False, **options)
    try:
        check_text(text)
        _check_length(text if text.isascii() else text.encode())
        _check_count_of_parts(text)
        if "\\ud" in text:
            _check_parts(value, escaped=True, finite=False)
    except ValueError as error:
        raise ValueError(f"{what} cannot be written as JSON that can be read again: {why(error)}. {instead}") from None
    return text


def _check_length(text: str | bytes) -> None:
    if len(text) > MOST_TEXT:
        raise ValueError(f"it has {len(text):,} characters, and {MOST_TEXT:,} are allowed")


def _check_count_of_parts(text: str) -> None:
    if (parts := text.count("[") + text.count("{")) > MOST_PARTS:
        raise ValueError(f"it has {parts:,} lists and objects, and {MOST_PARTS:,} are allowed")


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"it holds {word}, which is no number of JSON's")


def _check_parts(root: Any, *, escaped: bool, finite: bool) -> None:
    level: list[Any] = [[root]]
    for _ in range(MOST_DEPTH + 1):
        below: list[Any] = []
        for part in level:
            items = part.values() if isinstance(part, dict) else part
            kinds = set(map(type, items))
            if finite and float in kinds and (math.inf in items or -math.inf in items):
                raise ValueError("it holds a number that is too large")
            if escaped:
                for text in (*(part if isinstance(part, dict) else ()), *items):
                    if isinstance(text, str):
                        check_text(text)
            if list in kinds or dict in kinds:
                below += [one for one in items if type(one) in (list, dict)]
        if not below:
            return
        level = below
    raise ValueError(f"its lists lie in each other more than {MOST_DEPTH} deep")


def check_plain(value: Any) -> None:
    """Raise ValueError where a value is no JSON, or holds numbers or texts that cannot be shown or sent."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (ValueError, TypeError, RecursionError) as error:
        not_finite = isinstance(error, ValueError) and "Out of range" in str(error)
        raise ValueError("it holds a number that is not finite" if not_finite else why(error)) from None
    parse_json(text)


def check_text(text: str) -> str:
    """Return a text as it is; raise ValueError where it holds half a character, which nothing can show or write."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"A text holds half a character (a lone surrogate, {text[error.start]!r}, at {error.start}): take it out."
        ) from None
    return text


def check_shape(shape: Any, count: int) -> tuple[int, ...]:
    """Return the shape of an array of `count` numbers; raise ValueError where it is that of another."""
    if not (isinstance(shape, (list, tuple)) and len(shape) <= 16 and all(type(n) is int and n >= 0 for n in shape)):
        raise ValueError("the shape of an array is no list of lengths")
    if math.prod(shape) != count or max(shape, default=0) > MOST_NUMBERS:
        raise ValueError(f"an array of shape {[*shape]} has {count:,} numbers")
    return tuple(shape)


def array(entry: Any) -> np.ndarray[Any, Any]:
    """Return the array of `{"dtype": ..., "shape": ..., "values": ...}`, null for NaN, infinities as words.

    Raises
    ------
    ValueError
        For another dtype than numbers and bools have, and numbers that are not of it, or not as many as the shape says.
    """
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "values"}:
        raise ValueError("an array is an object of dtype, shape and values")
    dtype, values = entry["dtype"], entry["values"]
    if dtype not in DTYPES:
        raise ValueError(f"an array is of {opening(dtype)}; known are {', '.join(DTYPES)}")
    if not isinstance(values, list):
        raise ValueError("the values of an array are no list")
    given = numbers(values, dtype)
    with np.errstate(over="ignore"):
        found = np.array(given, dtype)
    if dtype in _FLOATS and np.isinf(found).sum() != given.count(math.inf) + given.count(-math.inf):
        raise ValueError(f"an array of {dtype} holds a number that is too large")
    return found.reshape(check_shape(entry["shape"], len(values)))


def npy_array(data: bytes) -> np.ndarray[Any, Any]:
    """Return the array of an .npy file; raise ValueError where its header asks for more than there is."""
    file = io.BytesIO(data)
    shape, by_columns, dtype = npy_header(file, len(data))
    flat = np.frombuffer(bytearray(data[file.tell() :]), dtype)
    return flat.reshape(shape, order="F" if by_columns else "C")


def npy_header(file: BinaryIO, size: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return the shape, whether it is by columns, and the dtype of an .npy file, of which no number is read.

    Parameters
    ----------
    file : binary file
        At its begin; it is left at its numbers.
    size : int
        Bytes of the whole of it.

    Raises
    ------
    ValueError
        Where the header asks for more, or less, than there is.
    """
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[npy.read_magic(file)]
    shape, by_columns, dtype = read(file)
    if dtype.name not in DTYPES or math.prod(shape) * dtype.itemsize != size - file.tell():
        raise ValueError(f"an array of {dtype.name} {list(shape)} is not as long as its shape says")
    return shape, by_columns, dtype


def numbers(values: list[Any], dtype: str) -> list[Any]:
    """Return the numbers of a list that are of a dtype: NaN for null, infinities for their words."""
    known: Collection[type] = {bool} if dtype == "bool" else {int} if dtype in _INTEGERS else {int, float}
    kinds = set(map(type, values))
    if kinds <= set(known):
        if int in kinds and dtype in _INTEGERS:
            limits = np.iinfo(dtype)
            if not limits.min <= min(values) <= max(values) <= limits.max:
                raise ValueError(f"an array of {dtype} holds a number that is none")
        elif int in kinds and max(max(values), -min(values)) > 2**63:
            raise ValueError(f"an array of {dtype} holds a number that is too large")
        return values
    words = {None: math.nan, "nan": math.nan, "inf": math.inf, "-inf": -math.inf}
    if kinds <= {*known, str, type(None)} and float in known:
        made = [words.get(one, one) if one is None or isinstance(one, str) else one for one in values]
        if str not in set(map(type, made)):
            return numbers(made, dtype)
    raise ValueError(f"an array of {dtype} holds something else")


def check_count(name: str, value: Any, most: int = MOST_COUNT) -> int:
    """Return a number of things that a file names and does not hold; raise ValueError where it is none, or too many."""
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{name} is {opening(value)}; it is a whole number up to {most:,}")
    return value
