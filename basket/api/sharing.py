"""JSON of shared baskets: to make, list and end a link, to look at what one leads to and to copy it."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from basket import sharing
from basket.api.asking import basket_of, filters_of, holder_of, numbers_of
from basket.api.manager import FILTERS
from basket.models import Share
from basket.serializers import (
    BasketSerializer,
    CopiedSerializer,
    LinkSerializer,
    LinksSerializer,
    NameSerializer,
)


@extend_schema(methods=["GET"], operation_id="basket_shares", responses=LinksSerializer)
@extend_schema(
    methods=["POST"], operation_id="basket_share", request=NameSerializer, responses={201: LinkSerializer}
)
@api_view(["GET", "HEAD", "POST"])
def shares(request: Request) -> Response:
    """Your links; POST makes one to the basket as it is now. Whoever has it may look, and copy."""
    holder = holder_of(request)
    if request.method == "POST":
        wanted = NameSerializer(data=request.data if isinstance(request.data, dict) else {})
        wanted.is_valid(raise_exception=True)
        return Response(_told(sharing.share(basket_of(request), holder, wanted.validated_data["name"])), 201)
    return Response({"shares": [_told(row) for row in sharing.shares(holder)]})


@extend_schema(operation_id="basket_share_end", responses={204: None})
@api_view(["DELETE"])
def share(request: Request, pk: int) -> Response:
    """End a link, at once and for good."""
    sharing.revoke(holder_of(request), pk, timezone.now())
    return Response(status=204)


@extend_schema(operation_id="basket_shared", parameters=FILTERS, responses=BasketSerializer)
@api_view(["GET", "HEAD"])
def shared(request: Request, token: str) -> Response:
    """The numbers of a shared basket; what is denied is told for you, not for whoever shared it."""
    found = sharing.opened(token)
    headers = {"Cache-Control": "private, no-store", "X-Robots-Tag": "noindex, nofollow"}
    return Response(numbers_of(request, filters_of(request), found.basket), headers=headers)


@extend_schema(operation_id="basket_shared_copy", request=None, responses=CopiedSerializer)
@api_view(["POST"])
def copy(request: Request, token: str) -> Response:
    """Copy a shared basket into your own: files and selection. A second time changes nothing."""
    joined = sharing.copy(basket_of(request), sharing.opened(token))
    body = {
        "added": joined.observations,
        "already": joined.already,
        "files": joined.files,
        "joining": joined.joining,
    }
    return Response(CopiedSerializer(body).data)


def _told(share: Share) -> dict[str, Any]:
    body = {
        "id": share.pk,
        "url": sharing.url(share) or None,
        "name": share.name,
        "created": share.created,
        "revoked": share.revoked,
        "observations": share.observations,
        "files": share.files,
        "bytes": share.bytes,
    }
    return {**LinkSerializer(body).data}
