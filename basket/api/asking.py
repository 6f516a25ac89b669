"""What the JSON of the basket asks of a request: whose basket, which filters, under which condition."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

from basket import current, facets
from basket.holders import Holder
from basket.models import Basket
from basket.page import Filters, PageError
from basket.serializers import BasketSerializer
from basket.versions import etag, only_if, unchanged
from portal.errors import Problem

LONGEST_QUERY = 20_000
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag of GET basket/: write to that version or not at all",
)
CHANGED = OpenApiResponse(description="412: the basket changed since; nothing was written")


def basket_of(request: Request) -> Basket:
    """The basket that basket.middleware finds."""
    basket: Basket = request.basket  # type: ignore[attr-defined]  # set by basket.middleware
    return basket


def holder_of(request: Request) -> Holder:
    """Whoever asks."""
    basket_of(request).pk  # noqa: B018 - what a stranger chose comes in first
    return current.holder(request._request)


def filters_of(request: Request) -> Filters:
    """The filters of the address. Raises Problem: 400, and 414 for an address that is too long."""
    if len(request.META.get("QUERY_STRING", "")) > LONGEST_QUERY:
        told = f"This address is too long: its query has more than {LONGEST_QUERY:,} letters."
        raise Problem(told, code="too_long", status=414)
    try:
        return Filters.parse(request.query_params.getlist)
    except PageError as error:
        raise Problem(error.message, field=error.field) from error


def filters_in(body: Any) -> Filters:
    """Filters as JSON. Raises Problem (400)."""
    try:
        return Filters.from_json(body)
    except PageError as error:
        raise Problem(error.message, field=error.field) from error


@contextmanager
def conditional(request: Request) -> Iterator[None]:
    """What is written inside is written to the version that If-Match names. Raises Problem: 412, 400."""
    with only_if(basket_of(request), request.headers.get("If-Match")):
        yield


def numbers_of(request: Request, filters: Filters, basket: Basket | None = None) -> dict[str, Any]:
    """The body that tells a basket's numbers; its own basket where none is given."""
    told = basket_of(request) if basket is None else basket
    numbers = facets.numbers(told, filters, request.user, timezone.now())
    body = {**asdict(numbers), "stream_limit_bytes": settings.STREAM_LIMIT_BYTES}
    return {**BasketSerializer({**body, "id": told.pk, "name": told.title}).data}


def answer(request: Request, filters: Filters | None = None) -> Response:
    """The numbers after a write, or for a reader: with the tag that a next write may name, and 304 for a reader who
    has them already."""
    body = numbers_of(request, filters or Filters())
    tag = etag(basket_of(request), body["version"], body)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if request.method in {"GET", "HEAD"} and unchanged(tag, request.headers.get("If-None-Match", "")):
        return Response(status=304, headers=headers)
    return Response(body, headers=headers)
