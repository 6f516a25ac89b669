"""JSON face of what is being added to a basket in the background."""

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from basket import fillings
from basket.api.asking import holder_of
from basket.models import Filling
from basket.serializers import FillingSerializer, StartedSerializer
from basket.tasks import start


def started(filling: Filling, not_found: list[str]) -> Response:
    """202: a worker adds the observations; the address tells how far it is."""
    start(filling)
    body = {"filling": reverse("api:basket:filling", args=[filling.key]), "not_found": not_found}
    return Response(StartedSerializer(body).data, 202)


@extend_schema(operation_id="basket_filling", responses=FillingSerializer)
@api_view(["GET", "HEAD"])
def show(request: Request, key: str) -> Response:
    """How far it is."""
    return _answer(fillings.held(holder_of(request), key))


@extend_schema(operation_id="basket_filling_cancel", request=None, responses=FillingSerializer)
@api_view(["POST"])
def cancel(request: Request, key: str) -> Response:
    """Add no more. What came in stays; one that has ended stays as it is."""
    filling = fillings.held(holder_of(request), key)
    fillings.cancel(filling)
    return _answer(filling)


@extend_schema(operation_id="basket_filling_retry", request=None, responses={202: StartedSerializer})
@api_view(["POST"])
def retry(request: Request, key: str) -> Response:
    """Add what had to be left out. Asked again it is the same attempt."""
    return started(fillings.retry(fillings.held(holder_of(request), key)), [])


def _answer(filling: Filling) -> Response:
    failures = [{"observation": name, "reason": reason} for _, name, reason in filling.failures]
    columns = ("phase", "total", "done", "added", "already", "files", "rows", "duplicates")
    told = {name: getattr(filling, name) for name in columns}
    return Response(FillingSerializer({**told, "failures": failures}).data)
