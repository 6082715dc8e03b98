"""Arrays as answers: JSON where they are small, .npy or an Arrow stream where the request accepts one."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import numpy as np
from fastapi import Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response
from torch import Tensor

from scope_widgets._types import Array
from scope_widgets.apps.workbench.api.problems import Problem

#: numbers that JSON holds at most, and bytes that one array may take
MOST_IN_JSON, MOST_BYTES = 10_000, 2**29
NPY, ARROW, JSON = "application/x-npy", "application/vnd.apache.arrow.stream", "application/json"


class ArrayAnswer(BaseModel):
    """An array: values nested as its shape says, null for what is not a number."""

    axes: list[str]
    shape: list[int]
    dtype: str
    values: list[Any]


#: what an operation that answers with an array says of itself
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": ArrayAnswer,
        "description": f"JSON up to {MOST_IN_JSON:,} numbers, .npy and Arrow {MOST_BYTES:,} bytes, as `Accept` asks.",
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in (NPY, ARROW)},
    }
}


def array_response(request: Request, value: Array | Tensor, axes: list[str]) -> Response:
    """Return an array in the first form that the request accepts.

    Raises
    ------
    Problem
        406 where it accepts JSON only and the array is large, or a form that is not installed.
    """
    array = value.detach().cpu().float().numpy() if isinstance(value, Tensor) else np.asarray(value)
    kind = _accepted(request.headers.get("accept", "*/*"))
    if kind == NPY:
        file = io.BytesIO()
        np.save(file, np.ascontiguousarray(array), allow_pickle=False)
        return Response(file.getvalue(), media_type=NPY)
    if kind == ARROW:
        return Response(_arrow(array, axes), media_type=ARROW)
    if array.size > MOST_IN_JSON:
        raise Problem(
            406, f"{array.size:,} numbers are not written as JSON: ask with Accept: {NPY} or Accept: {ARROW}."
        )
    answer = ArrayAnswer(axes=axes, shape=list(array.shape), dtype=array.dtype.name, values=plain(array))
    return JSONResponse(answer.model_dump())


def check_size(*shape: int, itemsize: int = 4) -> None:
    """Raise a `Problem` where an array, which is not there yet, would take more bytes than one may."""
    if (size := math.prod(shape) * itemsize) > MOST_BYTES:
        lengths = " x ".join(f"{n:,}" for n in shape)
        raise Problem(413, f"{lengths} numbers take {size:,} bytes, and {MOST_BYTES:,} are allowed: ask for fewer.")


def plain(array: Array) -> Any:
    """Return the numbers of an array as JSON has them, None for NaN and infinities."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        boxed = array.astype(object)
        boxed[~np.isfinite(array)] = None
        return boxed.tolist()
    return array.tolist()


def _accepted(accept: str) -> str:
    """Return the form with the highest weight in an Accept header, JSON where any will do."""
    best, weight = "", 0.0
    for part in accept.split(",")[:32]:
        kind, *options = (one.strip() for one in part.split(";"))
        known = JSON if kind in ("*/*", "application/*", "") else kind.lower()
        given = next((one[2:] for one in options if one.startswith("q=")), "1")
        q = float(given) if given.replace(".", "", 1).isdigit() else 0.0
        if known in (NPY, ARROW, JSON) and q > weight:
            best, weight = known, q
    if not best:
        raise Problem(406, f"Arrays are sent as {JSON}, {NPY} or {ARROW}.")
    return best


def _arrow(array: Array, axes: list[str]) -> bytes:
    """Return a stream of one column, `values`, in the order of C; the schema's metadata has shape and axes."""
    try:
        import pyarrow
    except ModuleNotFoundError:
        raise Problem(406, f"Arrow needs pip install 'scope-widgets[features]' on the server: ask for {NPY}.") from None
    about = {"shape": json.dumps(list(array.shape)), "axes": json.dumps(axes)}
    table = pyarrow.table({"values": np.ascontiguousarray(array).reshape(-1)}).replace_schema_metadata(about)
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    found: bytes = sink.getvalue().to_pybytes()
    return found
