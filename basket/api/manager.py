"""JSON face of the basket (/api/v1/basket/…): the same numbers, filters and laws as the pages."""

from collections.abc import Sequence
from dataclasses import asdict

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from basket import facets, fillings, merging, removal, selection, tree
from basket.api.asking import CHANGED, IF_MATCH, answer, basket_of, conditional, filters_in, filters_of, holder_of
from basket.api.fillings import started
from basket.details import file_details
from basket.models import Filling
from basket.page import MOST_ROWS
from basket.serializers import (
    AddedSerializer,
    AddSerializer,
    BasketSerializer,
    FacetsSerializer,
    FileSerializer,
    RemoveSerializer,
    SelectionSerializer,
    StartedSerializer,
    SummarySerializer,
    TreeSerializer,
    UndoSerializer,
)
from basket.summary import summary
from portal.errors import Problem
from portal.models import Observation
from portal.parameters import whole

FILTERS = [
    OpenApiParameter(
        "mrp", int, description="1 (default): Minimum Recommended Products only; 0: all", enum=[0, 1]
    ),
    *(
        OpenApiParameter(name, str, many=True, description=f"{label}; may be repeated, blank stands for no value")
        for name, label in [
            ("category", "Product Category (productType)"),
            ("type", "Product Type (dataproduct_type)"),
            ("ext", "Extension"),
            ("batch", "Batch Available: 1 or 0"),
            ("group", "Group (productSubGroupDescription)"),
        ]
    ),
    OpenApiParameter("q", str, description="Part of the file name"),
]


@extend_schema(methods=["GET"], operation_id="basket", parameters=FILTERS, responses=BasketSerializer)
@extend_schema(
    methods=["DELETE"],
    operation_id="basket_empty",
    parameters=[IF_MATCH],
    responses={200: BasketSerializer, 412: CHANGED},
)
@api_view(["GET", "HEAD", "DELETE"])
def show(request: Request) -> Response:
    """The numbers of the basket, with an ETag that changes when they do (304 for If-None-Match); DELETE empties it."""
    if request.method == "DELETE":
        with conditional(request):
            removal.clear(basket_of(request))
        return answer(request)
    return answer(request, filters_of(request))


@extend_schema(
    operation_id="basket_undo",
    request=UndoSerializer,
    parameters=[IF_MATCH],
    responses={200: BasketSerializer, 412: CHANGED},
)
@api_view(["POST"])
def undo(request: Request) -> Response:
    """Bring back what the last removal took out, or the one that is named; or undo what came in (`joining`)."""
    body = request.data if str(request.content_type).startswith("application/json") else {}
    wanted = UndoSerializer(data=body)
    wanted.is_valid(raise_exception=True)
    if "joining" in wanted.validated_data:
        merging.undo(holder_of(request), wanted.validated_data["joining"], timezone.now())
    else:
        with conditional(request):
            removal.undo(basket_of(request), wanted.validated_data.get("removal"))
    return answer(request)


@extend_schema(
    methods=["POST"],
    operation_id="basket_add",
    request=AddSerializer,
    parameters=[IF_MATCH],
    responses={200: AddedSerializer, 202: StartedSerializer, 412: CHANGED},
)
@extend_schema(
    methods=["DELETE"],
    operation_id="basket_remove",
    request=RemoveSerializer,
    parameters=[IF_MATCH],
    responses={200: BasketSerializer, 412: CHANGED},
)
@api_view(["POST", "DELETE"])
def observations(request: Request) -> Response:
    """Put observations in, by their obsid: at once, or in the background (202) where that takes longer than about a
    second. DELETE takes observations, or the selected files, out."""
    if request.method == "DELETE":
        return _remove(request)
    wanted = AddSerializer(data=request.data)
    wanted.is_valid(raise_exception=True)
    obsids = list(dict.fromkeys(wanted.validated_data["obsids"]))
    keys = _keys(wanted.validated_data["archive"], obsids)
    with conditional(request):
        added = fillings.add(basket_of(request), list(keys.values()))
    not_found = [obsid for obsid in obsids if obsid not in keys]
    if isinstance(added, Filling):
        return started(added, not_found)
    return Response(AddedSerializer({**asdict(added), "not_found": not_found}).data)


def _remove(request: Request) -> Response:
    wanted = RemoveSerializer(data=request.data)
    wanted.is_valid(raise_exception=True)
    with conditional(request):
        if wanted.validated_data["selected"]:
            removal.remove_selected(basket_of(request))
        elif "obsids" in wanted.validated_data:
            keys = _keys(wanted.validated_data["archive"], wanted.validated_data["obsids"])
            removal.remove_observations(basket_of(request), list(keys.values()))
        else:
            raise Problem('Say what to remove: {"obsids": ["…"]} or {"selected": true}.', field="obsids")
    return answer(request)


def _keys(archive: str, obsids: Sequence[str]) -> dict[str, int]:
    """Primary keys of the observations that exist, in the order asked for."""
    if archive not in settings.ARCHIVES:
        raise Problem(f"archive={archive} is none of: {', '.join(settings.ARCHIVES)}.", field="archive")
    found = dict(Observation.objects.filter(archive=archive, obsid__in=obsids).values_list("obsid", "pk"))
    return {obsid: found[obsid] for obsid in obsids if obsid in found}


@extend_schema(operation_id="basket_facets", parameters=FILTERS, responses=FacetsSerializer)
@api_view(["GET", "HEAD"])
def facet_counts(request: Request) -> Response:
    """Every filter with its values: `total` counts distinct files, `shown` those that pass all filters."""
    found = facets.facets(basket_of(request), filters_of(request))
    return Response({"facets": [asdict(facet) for facet in found]})


@extend_schema(operation_id="basket_summary", responses=SummarySerializer)
@api_view(["GET", "HEAD"])
def summarise(request: Request) -> Response:
    """What is selected by mission, category, size and access, and which ways of getting it fit."""
    told = summary(basket_of(request), request.user, timezone.now(), settings.STREAM_LIMIT_BYTES)
    refusals = [{**asdict(one), "sentence": one.sentence} for one in told.access.refusals]
    return Response(SummarySerializer({**asdict(told), "refusals": refusals}).data)


@extend_schema(
    operation_id="basket_tree",
    parameters=[
        *FILTERS,
        OpenApiParameter("path", str, description="A node's path; blank is the top"),
        OpenApiParameter("cursor", str, description="The `next` of the page before"),
        OpenApiParameter("limit", int, description="At most 200; 100 by default"),
    ],
    responses=TreeSerializer,
)
@api_view(["GET", "HEAD"])
def tree_level(request: Request) -> Response:
    """One level of the files tree."""
    query = request.query_params
    limit = whole("limit", query.get("limit", "100"), MOST_ROWS)
    level = tree.nodes(
        basket_of(request), query.get("path", ""), filters_of(request), query.get("cursor", ""), limit
    )
    return Response(TreeSerializer(level).data)


@extend_schema(
    operation_id="basket_select",
    request=SelectionSerializer,
    parameters=[IF_MATCH],
    responses={200: BasketSerializer, 412: CHANGED},
)
@api_view(["POST"])
def select(request: Request) -> Response:
    """Select or deselect: only files that pass the filters change."""
    body = request.data
    if not isinstance(body, dict):
        raise Problem('The body is an object, for example {"action": "select", "path": "", "filters": {}}.')
    wanted = SelectionSerializer(data={key: value for key, value in body.items() if key != "filters"})
    wanted.is_valid(raise_exception=True)
    filters, action = filters_in(body.get("filters") or {}), wanted.validated_data["action"]
    with conditional(request):
        selection.select(basket_of(request), wanted.validated_data["path"], filters, value=action == "select")
    return answer(request, filters)


@extend_schema(operation_id="basket_file", responses=FileSerializer)
@api_view(["GET", "HEAD"])
def file(request: Request, product_id: int) -> Response:
    """One file of the basket: every product column, and whether you may read its bytes now."""
    details = file_details(basket_of(request), product_id, request.user, timezone.now())
    return Response({**details, "public_on": details["public_on"] and str(details["public_on"])})
