"""Sparse autoencoders: their latents, what fires on a text, and what makes a latent fire."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from scope_widgets.apps.workbench.api.access import Client, StoredSAE, TheApi
from scope_widgets.apps.workbench.api.arrays import ARROW, NPY, RESPONSES, array_response, check_size
from scope_widgets.apps.workbench.api.features_page import Sort, order_of
from scope_widgets.apps.workbench.api.fields import Given, Id, Index, Name, OfModel, Seed, Text
from scope_widgets.apps.workbench.api.infer import check_length
from scope_widgets.apps.workbench.api.job_answers import ACCEPTED, JobAnswer, accepted
from scope_widgets.apps.workbench.api.json_body import CheckedRoute
from scope_widgets.apps.workbench.api.paging import Cursor, Limit, Page, counted_page
from scope_widgets.apps.workbench.api.problems import Problem, refusals
from scope_widgets.apps.workbench.api.tables import records
from scope_widgets.apps.workbench.api.work import FindProvenance
from scope_widgets.features.sae.prompt_codes import prompt_codes
from scope_widgets.models.tokens import encode, token_texts

router = APIRouter(tags=["saes"], route_class=CheckedRoute)

Latent = Annotated[int, Path(ge=0, lt=2**31)]


class SAEAnswer(BaseModel):
    """An autoencoder. Without an index its latents have neither examples nor labels."""

    id: str
    model: str
    layer: int | None
    site: str | None
    d_in: int
    d_sae: int
    activation: str
    has_index: bool
    tokens: int


class SAERequest(Given):
    """A folder of the workspace that holds an autoencoder."""

    name: Name
    model: OfModel = None


class Feature(BaseModel):
    """A latent: share of the tokens on which it fires, its mean and largest activation there."""

    feature: int
    rate: float | None
    mean: float | None
    max: float | None
    dead: bool
    top_tokens: str
    label: str


class FeatureDetails(Feature):
    """A latent with its examples, tokens, what it promotes, neighbours and activations.

    Columns are those of the methods of `FeatureIndex`: top, quantiles, tokens, logits, neighbours, coactivation,
    histogram.
    """

    examples: list[dict[str, Any]]
    quantiles: list[dict[str, Any]]
    tokens: list[dict[str, Any]]
    logits: list[dict[str, Any]]
    neighbours: list[dict[str, Any]]
    coactivations: list[dict[str, Any]]
    histogram: list[dict[str, Any]]


class EncodingRequest(Given):
    """A text, and how many latents of each token."""

    text: Text
    n: Annotated[int, Field(ge=1, le=1000)] = 20


class Activation(BaseModel):
    """How strongly a latent fires."""

    feature: int
    activation: float


class TokenCodes(BaseModel):
    """The latents that fire on a token, the strongest first, and how many there are."""

    token: str
    n_active: int
    features: list[Activation]


class Encoding(BaseModel):
    """What fires on a text, token by token; special tokens are left out."""

    sae: str
    tokens: list[TokenCodes]


class Provenance(Given):
    """Prompts on which to look (the latent's strongest examples where there are none), and how far."""

    prompts: Annotated[list[Text] | None, Field(min_length=1, max_length=64)] = None
    depth: Annotated[int, Field(ge=1, le=4)] = 2
    candidates: Annotated[int, Field(ge=1, le=200)] = 20
    follow: Annotated[int, Field(ge=1, le=50)] = 5
    draws: Annotated[int, Field(ge=1, le=200)] = 20
    seed: Seed = 0


class Partner(BaseModel):
    """A latent that fires in the same rows: how often together, share of the latent's rows, lift."""

    feature: int
    together: int
    share: float
    lift: float


class Coactivations(BaseModel):
    """The latents that fire most in the same rows as one."""

    sae: str
    feature: int
    items: list[Partner]


def sae_answer(stored: StoredSAE) -> SAEAnswer:
    """Return what is told of an autoencoder."""
    sae, index = stored.sae, stored.index
    return SAEAnswer(
        id=stored.id,
        model=stored.model,
        layer=sae.layer,
        site=sae.site,
        d_in=sae.d_in,
        d_sae=sae.d_sae,
        activation=sae.activation,
        has_index=index is not None,
        tokens=0 if index is None else int(index.manifest.n_tokens),
    )


def indexed(stored: StoredSAE) -> Any:
    """Return the index of an autoencoder, or raise a `Problem`."""
    if stored.index is None:
        raise Problem(409, "This autoencoder has no index of its latents: train it with index=true.")
    return stored.index


def feature_rows(index: Any, of: Any) -> list[dict[str, Any]]:
    """Return latents as answers: the fields of `Feature`."""
    rows = index.rows(of)
    return records(rows if "label" in rows else rows.assign(label=""))


def feature_details(index: Any, j: int) -> FeatureDetails:
    """Return all that an index knows of a latent."""
    return FeatureDetails(
        **feature_rows(index, [j])[0],
        examples=records(index.top(j)),
        quantiles=records(index.quantiles(j)),
        tokens=records(index.tokens(j)),
        logits=records(index.logits(j)),
        neighbours=records(index.neighbours(j)),
        coactivations=records(index.coactivation(j)),
        histogram=records(index.histogram(j)),
    )


def encoded(scope: Any, stored: StoredSAE, text: str) -> tuple[list[str], Any]:
    """Return the tokens of a text, special ones left out, and the codes of each."""
    check_length(scope, text)
    if stored.index is not None:
        return stored.index.encode(text)
    special = scope.tokenizer.all_special_ids
    ids = encode(scope.tokenizer, text, None)[0][0]
    codes = prompt_codes(scope, [ids], stored.sae, special=special)
    return token_texts(scope.tokenizer, [one for one in ids if one not in special]), codes[0]


def strongest(codes: Any, row: int, n: int) -> tuple[int, list[Activation]]:
    """Return how many latents fire in a row, and the strongest of them."""
    start, end = int(codes.indptr[row]), int(codes.indptr[row + 1])
    found = sorted(
        zip(codes.values[start:end].tolist(), codes.indices[start:end].tolist(), strict=True),
        key=lambda one: (-one[0], one[1]),
    )
    return end - start, [Activation(feature=j, activation=value) for value, j in found[:n]]


@router.get("/saes", operation_id="list_saes")
async def list_saes(api: TheApi, limit: Limit = 100, cursor: Cursor = None) -> Page[SAEAnswer]:
    """Return the autoencoders that are at hand."""
    found = [sae_answer(one) for one in await api.saes()]
    return counted_page(len(found), limit, cursor, lambda start, end: found[start:end], "saes")


@router.post("/saes", operation_id="load_sae", status_code=201)
async def load_sae(asked: SAERequest, api: TheApi, response: Response) -> SAEAnswer:
    """Load an autoencoder of the workspace."""
    stored = await api.load_sae(asked.name, asked.model)
    response.headers["Location"] = f"/api/v1/saes/{stored.id}"
    return sae_answer(stored)


@router.get("/saes/{id}", operation_id="get_sae")
async def get_sae(id: Id, api: TheApi) -> SAEAnswer:
    """Return what is told of an autoencoder."""
    return sae_answer(await api.sae(id))


@router.get("/saes/{id}/features", operation_id="list_features", response_model=Page[Feature])
async def list_features(
    id: Id,
    api: TheApi,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    cursor: Cursor = None,
    sort: Sort = "feature",
    descending: bool = False,
    search: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
    dead: bool | None = None,
) -> Response:
    """Return latents in an order, those whose label, tokens or examples hold a text where one is given."""
    index = indexed(await api.sae(id))
    question = ("features", id, sort, descending, search, dead)

    def page() -> Page[Any]:
        of = order_of(index, sort=sort, descending=descending, search=search, dead=dead)
        return counted_page(len(of), limit, cursor, lambda start, end: feature_rows(index, of[start:end]), *question)

    return JSONResponse(dict(await api.aside(page)))  # as it is: ten thousand rows are not checked one by one


@router.get("/saes/{id}/features/{feature}", operation_id="get_feature")
async def get_feature(id: Id, feature: Latent, api: TheApi) -> FeatureDetails:
    """Return all that is known of a latent."""
    index = indexed(await api.sae(id))
    if feature >= len(index):
        raise Problem(404, f"There is no latent {feature}: there are 0 to {len(index) - 1}.")
    return await api.aside(feature_details, index, feature)


@router.post(
    "/saes/{id}/features/{feature}/provenance",
    operation_id="feature_provenance",
    status_code=202,
    responses=ACCEPTED,
)
async def feature_provenance(
    id: Id, feature: Latent, asked: Provenance, api: TheApi, client: Client, response: Response
) -> JobAnswer:
    """Find what makes a latent fire, as a job."""
    whole = FindProvenance(sae=id, feature=feature, **asked.model_dump())
    return await accepted(api, whole, client, response)


@router.post(
    "/saes/{id}/encodings",
    operation_id="encode_text",
    response_model=Encoding,
    responses={200: {"content": RESPONSES[200]["content"]}},
)
async def encode_text(id: Id, asked: EncodingRequest, api: TheApi, client: Client, request: Request) -> Any:
    """Return what fires on a text; as .npy or Arrow all activations, `[token, latent]`."""
    stored = await api.sae(id)
    scope = api.scope(stored.model)
    tokens, codes = await api.turn(client, scope, encoded, scope, stored, asked.text)
    accept = request.headers.get("accept", "")
    if NPY in accept or ARROW in accept:
        check_size(len(codes), codes.n_latents)
        return array_response(request, codes.to_dense(), ["token", "latent"])
    rows = [strongest(codes, row, asked.n) for row in range(len(tokens))]
    return Encoding(
        sae=id,
        tokens=[
            TokenCodes(token=token, n_active=n, features=found) for token, (n, found) in zip(tokens, rows, strict=True)
        ],
    )


@router.get("/saes/{id}/coactivations", operation_id="coactivations")
async def coactivations(
    id: Id, api: TheApi, feature: Annotated[Index, Query(ge=0, lt=2**31)], n: Limit = 20
) -> Coactivations:
    """Return the latents that fire most in the same rows as one."""
    index = indexed(await api.sae(id))
    if feature >= len(index):
        raise Problem(404, f"There is no latent {feature}: there are 0 to {len(index) - 1}.")
    with refusals():
        found = await api.aside(lambda: records(index.coactivation(feature).head(n)))
    return Coactivations(sae=id, feature=feature, items=[Partner(**one) for one in found])
