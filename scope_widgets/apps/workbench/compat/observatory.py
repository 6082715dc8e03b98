"""Paths of the earlier alignment observatory: traces, circuits, IOI."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StrictInt

from scope_widgets import circuits, ioi
from scope_widgets._bar_steps import steps_of_bars
from scope_widgets._version import __version__
from scope_widgets.apps.workbench.api.access import Client, TheApi
from scope_widgets.apps.workbench.api.arrays import MOST_IN_JSON, plain
from scope_widgets.apps.workbench.api.fields import Id, Index, Number, OfModel, Text
from scope_widgets.apps.workbench.api.infer import check_length
from scope_widgets.apps.workbench.api.problems import Problem, refusals
from scope_widgets.apps.workbench.api.routes.traces import attention_of, make_trace, trace_answer
from scope_widgets.apps.workbench.api.tables import records
from scope_widgets.apps.workbench.api.work import FindIOI, find_ioi
from scope_widgets.apps.workbench.compat.envelope import EnvelopeRoute, ok
from scope_widgets.ioi.dataset.templates import TEMPLATES

router = APIRouter(route_class=EnvelopeRoute)

Layer = Annotated[int, Query(ge=0, le=10_000)]
ActivationSite = Literal["residual", "attention_out", "mlp_out", "mlp_hidden"]


class NewTrace(BaseModel):
    """A text that is run."""

    text: Text | None = None
    prompt: Text | None = None
    model_name: OfModel = None


class Params(BaseModel):
    """How a circuit is found."""

    method: circuits.Method = "eap-ig"
    threshold: Annotated[Number, Field(ge=0, le=1)] = 0.01
    max_nodes: Annotated[int, Field(ge=1, le=100_000)] = 100
    include_mlp: bool = True
    include_attention: bool = True
    aggregate_heads: bool = False


class Discover(BaseModel):
    """The trace is the corrupted prompt, `clean_input` the clean one, with as many tokens."""

    trace_id: Annotated[str, Field(min_length=1, max_length=200)]
    target_token_idx: Annotated[StrictInt, Field(ge=-(2**31), lt=2**31)] = -1
    params: Params = Params()
    clean_input: Text


class Sentence(BaseModel):
    """A sentence whose roles are looked for."""

    text: Text


class DetectConfig(BaseModel):
    """On how many prompts heads are looked for, and what counts."""

    n: Annotated[int, Field(ge=8, le=200)] = 20
    seed: Index = 0
    min_effect: Annotated[Number, Field(ge=0, le=1)] = 0.02


class Detect(BaseModel):
    """A sentence or a trace, whose roles are said beside the heads of the model."""

    trace_id: Annotated[str | None, Field(max_length=200)] = None
    sentence: Text | None = None
    config: DetectConfig = DetectConfig()


@router.get("/api/health")
async def health(api: TheApi) -> dict[str, Any]:
    """Say that the server is well."""
    return ok({"status": "healthy", "version": __version__})


@router.get("/api/v1/config")
async def config(api: TheApi) -> dict[str, Any]:
    """Return how the server was started."""
    return ok({"default_model": api.workspace.default, "version": __version__, "max_json_numbers": MOST_IN_JSON})


@router.post("/api/v1/traces")
async def create_trace(asked: NewTrace, api: TheApi, client: Client) -> dict[str, Any]:
    """Run a text, and keep what happened inside."""
    text = asked.text or asked.prompt
    if text is None:
        raise Problem(422, "Give the text.")
    scope = api.scope(asked.model_name)
    trace, size = await api.turn(client, scope, make_trace, scope, text, None)
    return ok(_trace(api.keep(trace, text, size)))


@router.get("/api/v1/traces")
async def list_traces(api: TheApi) -> dict[str, Any]:
    """Return the traces that are kept."""
    return ok([_trace(one) for one in api.traces.values()])


@router.get("/api/v1/traces/{id}")
async def get_trace(id: Id, api: TheApi) -> dict[str, Any]:
    """Return what is told of a trace."""
    return ok(_trace(api.trace(id)))


@router.delete("/api/v1/traces/{id}")
async def delete_trace(id: Id, api: TheApi) -> dict[str, Any]:
    """Forget a trace."""
    api.trace(id)
    del api.traces[id]
    return ok({"deleted": id})


@router.get("/api/v1/traces/{id}/attention/{layer}")
async def attention(
    id: Id,
    layer: int,
    api: TheApi,
    client: Client,
    head: Annotated[int | None, Query(ge=0, le=100_000)] = None,
    aggregate: Literal["none", "mean", "max"] = "none",
) -> dict[str, Any]:
    """Return the attention of a layer: of all heads, of one, or their mean or largest."""
    trace = api.trace(id).trace
    found = await attention_of(api, client, trace, layer)
    if head is not None:
        if head >= len(found):
            raise Problem(404, f"There is no head {head}: there are 0 to {len(found) - 1}.")
        found = found[head]
    elif aggregate != "none":
        found = found.mean(0) if aggregate == "mean" else found.amax(0)
    return ok({"layer": layer, "head": head, "aggregate": aggregate, "tokens": trace.tokens, "pattern": _json(found)})


@router.get("/api/v1/traces/{id}/activations/{layer}/{site}")
async def activations(
    id: Id,
    layer: int,
    site: ActivationSite,
    api: TheApi,
    client: Client,
    token_indices: Annotated[str | None, Query(max_length=4000, pattern=r"^\d{1,6}(,\d{1,6})*$")] = None,
) -> dict[str, Any]:
    """Return the activations of a layer, of all positions or some (`0,3,5`)."""
    trace = api.trace(id).trace
    found = await api.turn(client, trace.scope, _activation, trace, layer, site)
    if token_indices is not None:
        some = [int(one) for one in token_indices.split(",")]
        if max(some) >= len(found):
            raise Problem(422, f"This trace has {len(found)} positions, counted from 0.")
        found = found[some]
    return ok({"layer": layer, "component": site, "shape": list(found.shape), "activations": _json(found)})


@router.post("/api/v1/circuits/discover")
async def discover(asked: Discover, api: TheApi, client: Client) -> dict[str, Any]:
    """Find the circuit between two prompts, of the token that is most probable after the clean one."""
    stored = api.trace(asked.trace_id)
    scope = stored.trace.scope
    found = await api.go(client, scope, lambda: steps_of_bars(lambda: circuit_of_pair(scope, stored.trace, asked)))
    table = found.to_dataframe()
    kept = records(table[table.included])
    strength: dict[str, float] = {}
    for one in kept:
        for end in (one["sender"], one["receiver"]):
            strength[end] = max(strength.get(end, 0.0), abs(one["score"] or 0.0))
    nodes = [name for name in sorted(strength, key=lambda name: -strength[name]) if _is_wanted(name, asked.params)]
    nodes = nodes[: asked.params.max_nodes]
    edges = [one for one in kept if one["sender"] in nodes and one["receiver"] in nodes]
    return ok(
        {
            "method": found.method,
            "exact": found.exact,
            "nodes": [{"id": one, "score": strength[one]} for one in nodes],
            "edges": edges,
        }
    )


@router.get("/api/v1/circuits/methods")
async def methods() -> dict[str, Any]:
    """Return the methods that find circuits."""
    return ok([{"id": name, "description": about} for name, about in circuits.METHODS.items()])


@router.post("/api/v1/ioi/parse")
async def parse(asked: Sentence, api: TheApi) -> dict[str, Any]:
    """Return the roles in a sentence."""
    scope = api.scope(None)
    with refusals():
        return ok(_sentence(scope, asked.text))


@router.post("/api/v1/ioi/detect")
async def detect(asked: Detect, api: TheApi, client: Client) -> dict[str, Any]:
    """Find the heads of IOI, by what they cause on prompts that are drawn; takes seconds."""
    scope, text = api.scope(None), asked.sentence
    if asked.trace_id is not None:
        stored = api.trace(asked.trace_id)
        scope, text = stored.trace.scope, text or stored.text
    with refusals():
        sentence = _sentence(scope, text) if text else None
    config = asked.config
    wanted = FindIOI(n=config.n, seed=config.seed, min_effect=config.min_effect)
    found = await api.go(client, scope, lambda: find_ioi(scope, wanted))
    return ok({"sentence": sentence, "heads": records(found.to_dataframe()), "message": found.message})


@router.get("/api/v1/ioi/known-heads")
async def known_heads(model: Annotated[str, Query(max_length=200)] = "gpt2") -> dict[str, Any]:
    """Return the heads that are published."""
    with refusals():
        return ok({name: [list(one) for one in heads] for name, heads in ioi.known(model).items()})


@router.get("/api/v1/ioi/templates")
async def templates() -> dict[str, Any]:
    """Return the sentences that prompts are made of."""
    return ok(list(TEMPLATES))


def circuit_of_pair(scope: Any, trace: Any, asked: Discover) -> Any:
    """Return the circuit between the prompt of a trace (corrupted) and a clean one.

    The metric is the logit of the token that is most probable after the clean prompt, less that of the one that is most
    probable after the corrupted one; or the logit of the first alone, where both are the same.
    """
    check_length(scope, asked.clean_input)
    corrupted = trace.token_ids.tolist()
    clean = scope.trace(asked.clean_input, capture=("residual",)).token_ids.tolist()
    last = len(clean) - 1
    at = asked.target_token_idx
    if at not in (-1, last):
        if not -len(clean) <= at < len(clean):
            raise ValueError(f"target_token_idx is a position of the prompt, 0 to {last}; got {at}.")
        clean, corrupted = clean[: at % len(clean) + 1], corrupted[: at % len(clean) + 1]
    logits = [scope.logits(torch.tensor([ids]))[0, -1] for ids in (clean, corrupted)]
    answer, versus = (int(one.argmax()) for one in logits)
    names: dict[str, Any] = {"metric": "logit"} if answer == versus else {"versus": versus}
    task = circuits.Task.of(scope, [clean], [corrupted], answer, name="pair", **names)
    return circuits.discover(scope, task, asked.params.method, min_effect=asked.params.threshold)


def _is_wanted(node: str, params: Params) -> bool:
    """Return whether a node is of a kind that is asked for: heads are called a0.h1, or 0.1, MLPs m0."""
    if node.startswith("m"):
        return params.include_mlp
    return params.include_attention or node[:1] not in ("a", *"0123456789")


def _trace(stored: Any) -> dict[str, Any]:
    said = trace_answer(stored).model_dump()
    return {**said, "trace_id": stored.id, "num_layers": said["n_layers"], "num_heads": said["n_heads"]}


def _activation(trace: Any, layer: int, site: str) -> Any:
    if site != "mlp_hidden":
        return getattr(trace, site)(layer)
    point = ("neurons", layer)
    found = trace.scope.read_activations([trace.token_ids.tolist()], [point])[point]
    return found[0] if found.ndim == 3 else found


def _sentence(scope: Any, text: str) -> dict[str, Any]:
    found = ioi.IOISentence.parse(text, scope.tokenizer)
    return {
        "tokens": list(found.token_strings),
        "io": found.io,
        "s1": found.s1,
        "s2": found.s2,
        "end": found.end,
        "correct_answer": found.correct_answer,
        "distractor": found.distractor,
    }


def _json(value: Any) -> Any:
    if value.numel() > MOST_IN_JSON:
        raise Problem(413, f"{value.numel():,} numbers are not written as JSON: /api/v1/traces has them as .npy.")
    return plain(value.detach().cpu().float().numpy())
