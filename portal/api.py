"""JSON face of the search: GET /api/v1/search/ (contract of /api/v1/, see docs/api.md)."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from portal.archives.base import OBSERVATION_COLUMNS
from portal.errors import Problem
from portal.models import Observation
from portal.parameters import whole
from portal.results import Found, Row, page_of
from portal.search import Results, Search, parse

MAX_PAGE_SIZE = 1000


class ObservationSerializer(serializers.ModelSerializer[Observation]):
    """One observation row with MAST's column names, the archive it comes from, and how it may be read now."""

    class Meta:
        model = Observation
        fields = ("archive", *OBSERVATION_COLUMNS)


class RecommendedSerializer(serializers.Serializer[Any]):
    """The minimum recommended products of an observation."""

    files = serializers.IntegerField()
    bytes = serializers.IntegerField()


class ResultSerializer(ObservationSerializer):
    """An observation row, and how it may be read now."""

    access = serializers.ChoiceField(["public", "exclusive", "restricted", "planned"])
    public_on = serializers.DateField(allow_null=True)
    recommended = RecommendedSerializer()

    class Meta(ObservationSerializer.Meta):
        fields = (*ObservationSerializer.Meta.fields, "access", "public_on", "recommended")


class SearchFacetValueSerializer(serializers.Serializer[Any]):
    """One value of a facet and the observations that have it."""

    value = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the contract's name
    count = serializers.IntegerField()
    active = serializers.BooleanField()


class SearchFacetSerializer(serializers.Serializer[Any]):
    """A column that narrows the search."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the contract's name
    values = SearchFacetValueSerializer(many=True)


class FoundSerializer(serializers.Serializer[Any]):
    """One page of a search."""

    count = serializers.IntegerField()
    page = serializers.IntegerField()
    pages = serializers.IntegerField()
    page_size = serializers.IntegerField()
    resolved = serializers.CharField()
    results = ResultSerializer(many=True)
    facets = SearchFacetSerializer(many=True)


def _text(name: str, description: str, *, many: bool = False) -> OpenApiParameter:
    return OpenApiParameter(name, str, description=description, many=many)


@extend_schema(
    operation_id="search",
    parameters=[
        _text(
            "target", "Name or position, with an optional radius: M57 r=1m, 18 53 35.1 +33 01 45, 63.1 13.9 gal"
        ),
        _text("radius", "Radius, in degrees unless it ends in d, m or s; 3 arcmin when it is left out"),
        _text("ra", "Right ascension, ICRS, degrees"),
        _text("dec", "Declination, ICRS, degrees"),
        _text("program", "Program IDs, separated by commas or spaces"),
        _text("collection", "Mission, such as JWST; may be repeated", many=True),
        _text("access", "public, exclusive, restricted or planned; may be repeated", many=True),
        OpenApiParameter("page", int),
        OpenApiParameter("page_size", int, description=f"50 by default, at most {MAX_PAGE_SIZE}"),
        *(_text(name, "Observation column; * and ranges such as 1..2", many=True) for name in OBSERVATION_COLUMNS),
    ],
    responses=FoundSerializer,
)
@api_view(["GET", "HEAD"])
def search(request: Request) -> Response:
    """Observations that match. Without any criterion: all of them."""
    wanted = parse(request.query_params.getlist, request.query_params)
    page = whole("page", request.query_params.get("page", "1"))
    size = whole("page_size", request.query_params.get("page_size", "50"), MAX_PAGE_SIZE)
    found = page_of(Results(wanted, timezone.now()), page, request.user, size)
    return Response(_body(found, wanted, page, size))


def _body(found: Found, search: Search, page: int, size: int) -> dict[str, object]:
    return {
        "count": found.count,
        "page": page,
        "pages": found.pages,
        "page_size": size,
        "resolved": search.resolved,
        "results": [_row(row) for row in found.rows] if page <= found.pages else [],
        "facets": SearchFacetSerializer(found.facets, many=True).data,
    }


def _row(row: Row) -> dict[str, object]:
    values: dict[str, object] = dict(ObservationSerializer(row.observation).data)
    values["access"] = row.access
    values["public_on"] = None if row.public_on is None else row.public_on.isoformat()
    values["recommended"] = {"files": row.recommended_files, "bytes": row.recommended_bytes}
    return values


@extend_schema(exclude=True)
@api_view(["GET", "POST", "PUT", "PATCH", "DELETE"])
def nothing_here(request: Request) -> Response:
    """Any other address under /api/v1/."""
    raise Problem(
        f"There is nothing at {request.path}. The routes are listed at /api/v1/docs/.",
        code="not_found",
        status=404,
    )
