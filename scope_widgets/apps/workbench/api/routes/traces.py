"""Traces: a forward that is kept, and its arrays."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, model_validator

from scope_widgets import heads
from scope_widgets.apps.workbench.api.access import Api, Client, StoredTrace, TheApi
from scope_widgets.apps.workbench.api.arrays import MOST_BYTES, RESPONSES, array_response, check_size
from scope_widgets.apps.workbench.api.fields import Given, Id, OfModel, Text, TokenIds
from scope_widgets.apps.workbench.api.infer import check_length
from scope_widgets.apps.workbench.api.json_body import CheckedRoute
from scope_widgets.apps.workbench.api.paging import Cursor, Limit, Page, numbered_page
from scope_widgets.apps.workbench.api.problems import Problem, refusals
from scope_widgets.apps.workbench.api.tables import records

router = APIRouter(tags=["traces"], route_class=CheckedRoute)

Site = Literal["residual", "q", "k", "v", "z", "attention_out", "mlp_out"]
Quantity = Literal["residual", "q", "k", "v", "attention", "z", "attention_out", "mlp_out"]
_AXES = {
    "residual": ["position", "d_model"],
    "attention_out": ["position", "d_model"],
    "mlp_out": ["position", "d_model"],
    "q": ["position", "head", "d_head"],
    "z": ["position", "head", "d_head"],
    "k": ["position", "kv_head", "d_head"],
    "v": ["position", "kv_head", "d_head"],
}


class TraceRequest(Given):
    """What is run and kept: a text or token ids, and quantities; all of them by default."""

    text: Text | None = None
    token_ids: TokenIds | None = None
    model: OfModel = None
    capture: Annotated[list[Quantity], Field(min_length=1, max_length=16)] | None = None

    @model_validator(mode="after")
    def _one_prompt(self) -> TraceRequest:
        if (self.text is None) == (self.token_ids is None):
            raise ValueError("give text or token_ids")
        return self


class TraceAnswer(BaseModel):
    """A trace that is kept; the oldest are forgotten for newer ones. `created` in seconds since 1970."""

    id: str
    model: str
    text: str
    tokens: list[str]
    token_ids: list[int]
    n_layers: int
    n_heads: int
    n_kv_heads: int
    captured: list[str]
    bytes: int
    created: float


class HeadTable(BaseModel):
    """The statistics of all heads on a prompt, as `heads.score(trace)` has them."""

    n_layers: int
    n_heads: int
    statistics: list[str]
    heads: list[dict[str, Any]]


def trace_answer(stored: StoredTrace) -> TraceAnswer:
    """Return what is told of a trace."""
    trace = stored.trace
    return TraceAnswer(
        id=stored.id,
        model=trace.model_id,
        text=stored.text,
        tokens=list(trace.tokens),
        token_ids=trace.token_ids.tolist(),
        n_layers=trace.n_layers,
        n_heads=trace.n_heads,
        n_kv_heads=trace.n_kv_heads,
        captured=list(trace.captured),
        bytes=stored.bytes,
        created=stored.created,
    )


def make_trace(scope: Any, prompt: str | list[int], capture: Any) -> tuple[Any, int]:
    """Return a trace, and its bytes; raise a `Problem` where these would be more than one may take."""
    n = check_length(scope, prompt)
    a = scope.anatomy
    attention = a.n_layers * a.n_heads * n * n * 4 if capture is None or "attention" in capture else 0
    rest = a.n_layers * n * a.d_model * 4 * 8 + n * int(scope.model.get_output_embeddings().weight.shape[0]) * 4
    if attention + rest > MOST_BYTES:
        raise Problem(413, f"A trace of {n:,} tokens takes more than {MOST_BYTES:,} bytes: capture less, or run fewer.")
    trace = scope.trace(prompt, capture=None if capture is None else tuple(dict.fromkeys(capture)))
    kept = [one for layers in trace.values.values() for one in layers if isinstance(one, torch.Tensor)]
    logits = [] if trace.kept_logits is None else [trace.kept_logits]
    return trace, sum(one.numel() * one.element_size() for one in [*kept, *logits])


@router.get("/traces", operation_id="list_traces")
async def list_traces(api: TheApi, limit: Limit = 100, cursor: Cursor = None) -> Page[TraceAnswer]:
    """Return the traces that are kept."""
    listed = [(one.number, one) for one in api.traces.values()]
    found, total, more = numbered_page(listed, limit, cursor, "traces")
    return Page(items=[trace_answer(one) for one in found], total=total, next_cursor=more)


@router.post("/traces", operation_id="create_trace", status_code=201)
async def create_trace(asked: TraceRequest, api: TheApi, client: Client, response: Response) -> TraceAnswer:
    """Run a prompt, and keep what happened inside."""
    scope = api.scope(asked.model)
    prompt: Any = asked.text if asked.text is not None else asked.token_ids
    trace, size = await api.turn(client, scope, make_trace, scope, prompt, asked.capture)
    stored = api.keep(trace, asked.text or "", size)
    response.headers["Location"] = f"/api/v1/traces/{stored.id}"
    return trace_answer(stored)


@router.get("/traces/{id}", operation_id="get_trace")
async def get_trace(id: Id, api: TheApi) -> TraceAnswer:
    """Return what is told of a trace."""
    return trace_answer(api.trace(id))


@router.delete("/traces/{id}", operation_id="delete_trace", status_code=204)
async def delete_trace(id: Id, api: TheApi) -> None:
    """Forget a trace."""
    api.trace(id)
    del api.traces[id]


@router.get("/traces/{id}/attention", operation_id="trace_attention", response_model=None, responses=RESPONSES)
async def trace_attention(
    id: Id,
    api: TheApi,
    client: Client,
    request: Request,
    layer: Annotated[int, Query(ge=0, lt=10_000)],
    head: Annotated[int | None, Query(ge=0, lt=100_000)] = None,
) -> Response:
    """Return the attention of a layer, `[head, query, key]`, or of one head of it, `[query, key]`."""
    trace = api.trace(id).trace
    found = await _of(api, client, trace, "attention", layer)
    if head is None:
        return array_response(request, found, ["head", "query", "key"])
    if head >= len(found):
        raise Problem(404, f"There is no head {head}: there are 0 to {len(found) - 1}.")
    return array_response(request, found[head], ["query", "key"])


@router.get("/traces/{id}/activations", operation_id="trace_activations", response_model=None, responses=RESPONSES)
async def trace_activations(
    id: Id,
    api: TheApi,
    client: Client,
    request: Request,
    layer: Annotated[int, Query(ge=0, lt=10_000)],
    site: Site = "residual",
    positions: Annotated[list[Annotated[int, Query(ge=0, lt=2**31)]] | None, Query(max_length=4096)] = None,
) -> Response:
    """Return the activations of a layer, of all positions or some, `[position, ...]`."""
    trace = api.trace(id).trace
    found = await _of(api, client, trace, site, layer)
    if positions is not None:
        if max(positions, default=0) >= len(found):
            raise Problem(422, f"This trace has {len(found)} positions, counted from 0.")
        found = found[positions]
    return array_response(request, found, _AXES[site])


@router.get("/traces/{id}/heads", operation_id="trace_heads")
async def trace_heads(
    id: Id,
    api: TheApi,
    client: Client,
    seed: Annotated[int, Query(ge=0, lt=2**31)] = 0,
    null_draws: Annotated[int, Query(ge=0, le=1000)] = 200,
) -> HeadTable:
    """Return the statistics of all heads on the prompt."""
    trace = api.trace(id).trace
    scores = await api.turn(client, trace.scope, heads.score, trace, null_draws=null_draws, seed=seed)
    return HeadTable(
        n_layers=scores.n_layers,
        n_heads=scores.n_heads,
        statistics=list(scores.statistics),
        heads=records(scores.to_dataframe()),
    )


async def _of(api: Api, client: str, trace: Any, quantity: str, layer: int) -> Any:
    """Return a quantity of a layer, which may have to be computed."""
    if quantity != "attention":
        with refusals():
            return getattr(trace, quantity)(layer)
    return await attention_of(api, client, trace, layer)


async def attention_of(api: Api, client: str, trace: Any, layer: int) -> Any:
    """Return the attention of a layer, `[head, query, key]`; raise a `Problem` where it takes too many bytes."""
    check_size(trace.n_heads, len(trace.tokens), len(trace.tokens))
    return await api.turn(client, trace.scope, trace.attention, layer)
