"""JSON of what is kept beside the open basket: other baskets, saved filters, removals (/api/v1/baskets/ and more)."""

from dataclasses import asdict
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from basket import keeping, recently_removed, saved_filters
from basket.api.asking import filters_in, holder_of
from basket.models import SavedFilters
from basket.serializers import (
    KeptBasketsSerializer,
    KeptChangeSerializer,
    KeptSerializer,
    NameSerializer,
    RemovalsSerializer,
    SavedFiltersListSerializer,
    SavedFiltersSerializer,
    SaveFiltersSerializer,
)
from portal.errors import Problem
from portal.parameters import whole

LISTED = 100


@extend_schema(methods=["GET"], operation_id="baskets", responses=KeptBasketsSerializer)
@extend_schema(
    methods=["POST"], operation_id="baskets_new", request=NameSerializer, responses={201: KeptSerializer}
)
@api_view(["GET", "HEAD", "POST"])
def baskets(request: Request) -> Response:
    """Your baskets, the open one first; POST makes a new one and opens it."""
    holder = holder_of(request)
    if request.method == "POST":
        wanted = NameSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        made = keeping.new(holder, wanted.validated_data["name"], timezone.now())
        return Response(_kept(request, made.pk), 201)
    return Response({"baskets": [asdict(one) for one in keeping.listed(holder)]})


@extend_schema(
    methods=["PATCH"], operation_id="baskets_change", request=KeptChangeSerializer, responses=KeptSerializer
)
@extend_schema(methods=["DELETE"], operation_id="baskets_remove", responses={204: None})
@api_view(["PATCH", "DELETE"])
def basket(request: Request, pk: int) -> Response:
    """Rename or open a basket; DELETE takes it away, to be brought back for thirty days."""
    holder, now = holder_of(request), timezone.now()
    if request.method == "DELETE":
        keeping.remove(holder, pk, now)
        return Response(status=204)
    wanted = KeptChangeSerializer(data=request.data)
    wanted.is_valid(raise_exception=True)
    if "name" in wanted.validated_data:
        keeping.rename(holder, pk, wanted.validated_data["name"])
    if wanted.validated_data.get("open"):
        keeping.switch(holder, pk, now)
    return Response(_kept(request, pk))


@extend_schema(operation_id="baskets_bring_back", request=None, responses=KeptSerializer)
@api_view(["POST"])
def bring_back(request: Request, pk: int) -> Response:
    """Bring back a basket that was taken away."""
    keeping.bring_back(holder_of(request), pk)
    return Response(_kept(request, pk))


@extend_schema(methods=["GET"], operation_id="basket_filters", responses=SavedFiltersListSerializer)
@extend_schema(
    methods=["POST"],
    operation_id="basket_filters_save",
    request=SaveFiltersSerializer,
    responses={201: SavedFiltersSerializer},
)
@api_view(["GET", "HEAD", "POST"])
def filters(request: Request) -> Response:
    """Your saved filters; POST saves a set under a name."""
    holder = holder_of(request)
    if request.method == "POST":
        body = request.data if isinstance(request.data, dict) else {}
        wanted = NameSerializer(data={"name": body.get("name", "")})
        wanted.is_valid(raise_exception=True)
        chosen = filters_in(body.get("filters") or {})
        return Response(_saved(saved_filters.save(holder, wanted.validated_data["name"], chosen)), 201)
    return Response({"filters": [_saved(row) for row in saved_filters.saved(holder)]})


@extend_schema(
    methods=["PATCH"],
    operation_id="basket_filters_rename",
    request=NameSerializer,
    responses=SavedFiltersSerializer,
)
@extend_schema(methods=["DELETE"], operation_id="basket_filters_remove", responses={204: None})
@api_view(["PATCH", "DELETE"])
def filter_set(request: Request, pk: int) -> Response:
    """Rename a set of filters; DELETE takes it away."""
    holder = holder_of(request)
    if request.method == "DELETE":
        saved_filters.remove(holder, pk, timezone.now())
        return Response(status=204)
    wanted = NameSerializer(data=request.data)
    wanted.is_valid(raise_exception=True)
    return Response(_saved(saved_filters.rename(holder, pk, wanted.validated_data["name"])))


@extend_schema(
    operation_id="basket_removals",
    parameters=[OpenApiParameter("page", int, description="100 removals each, the last first")],
    responses=RemovalsSerializer,
)
@api_view(["GET", "HEAD"])
def removals(request: Request) -> Response:
    """What was taken away in the last thirty days. POST basket/undo/ with its `removal` brings files back."""
    holder, now = holder_of(request), timezone.now()
    place = LISTED * (whole("page", request.query_params.get("page", "1"), 1_000_000) - 1)
    rows = recently_removed.removals(holder, now)
    body: dict[str, Any] = {
        "count": rows.count(),
        "removals": [asdict(one) for one in recently_removed.described(list(rows[place : place + LISTED]))],
        "baskets": [
            {"id": one.pk, "name": one.title, "removed": one.removed}
            for one in recently_removed.baskets(holder, now)
        ],
        "joinings": [
            {"id": one.pk, "when": one.created, "basket": one.basket_id, "files": one.files}
            for one in recently_removed.joinings(holder, now)
        ],
    }
    return Response(RemovalsSerializer(body).data)


def _kept(request: Request, pk: int) -> dict[str, Any]:
    found = [asdict(one) for one in keeping.listed(holder_of(request)) if one.id == pk]
    if not found:
        raise Problem("There is no such basket among yours.", code="not_found", status=404)
    return found[0]


def _saved(row: SavedFilters) -> dict[str, Any]:
    return {"id": row.pk, "name": row.name, "filters": asdict(saved_filters.read(row))}
