"""JSON face of the retrievals (/api/v1/retrievals/…): ask for files, follow, download, and ask again."""

from dataclasses import asdict
from math import isfinite
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import QueryDict
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import api_view
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.errors import Problem
from portal.parameters import whole
from retrieval import accounting, delivery, history, packs, plan, progress
from retrieval.answer import Conditions
from retrieval.current import address_of, basket_of, known_key, lasting_key, uris_in
from retrieval.models import Outcome, Phase, Retrieval, RetrievalFile
from retrieval.scripts.entry import PACK_BYTES, PACK_FILES
from retrieval.serializers import (
    ChangesSerializer,
    CreateSerializer,
    PackSerializer,
    RetrievalFilePageSerializer,
    RetrievalFileSerializer,
    RetrievalPageSerializer,
    RetrievalSerializer,
)
from retrieval.tasks import start

PAGE_SIZE = 50
FILES_PAGE_SIZE = 200
LARGEST_PAGE = 1000


def _paging(default: int) -> list[OpenApiParameter]:
    size = f"{default} by default, at most {LARGEST_PAGE}"
    return [OpenApiParameter("page", int), OpenApiParameter("page_size", int, description=size)]


def _found(request: Request, retrieval_id: str) -> Retrieval:
    return history.find(request.user, known_key(request), retrieval_id)


def _body(request: Request, retrieval: Retrieval) -> dict[str, Any]:
    download = reverse("api:retrievals:download", args=[retrieval.pk])
    sending = progress.of(retrieval, timezone.now())
    values = {
        "id": retrieval.pk,
        "url": request.build_absolute_uri(reverse("api:retrievals:show", args=[retrieval.pk])),
        "page": request.build_absolute_uri(reverse("retrieval:show", args=[retrieval.pk])),
        "counts": {"requested": retrieval.requested, "pending": retrieval.pending}
        | {name: getattr(retrieval, name) for name in ("delivered", "denied", "failed", "skipped")},
        "download_url": request.build_absolute_uri(download) if history.is_ready(retrieval) else None,
        "prepared": retrieval.frozen,
        "part": _part(request, retrieval),
        "rate": sending.rate if sending else 0.0,
        "seconds_left": sending.seconds_left if sending else None,
        "expires": None,
        "message": history.headline(retrieval),
    }
    same = (
        "name",
        "method",
        "script",
        "phase",
        "duplicates",
        "bytes",
        "bytes_sent",
        "length",
        "created",
        "started",
        "ended",
    )
    values |= {name: getattr(retrieval, name) for name in same}
    return dict(RetrievalSerializer(values).data)


def _part(request: Request, retrieval: Retrieval) -> dict[str, Any] | None:
    if retrieval.split_id is None:
        return None
    urls = [reverse("api:retrievals:show", args=[one.pk]) for one in history.siblings(retrieval)]
    return {
        "number": retrieval.part,
        "of": retrieval.parts,
        "name": retrieval.name.rpartition("_part")[0],
        "urls": [request.build_absolute_uri(url) for url in urls],
    }


def _created(request: Request, retrieval: Retrieval) -> Response:
    start(retrieval)
    answer = _body(request, retrieval)
    return Response(answer, status=201, headers={"Location": answer["url"]})


@extend_schema(
    methods=["GET"], operation_id="retrievals", parameters=_paging(PAGE_SIZE), responses=RetrievalPageSerializer
)
@extend_schema(
    methods=["POST"],
    operation_id="retrieve",
    request=CreateSerializer,
    responses={201: RetrievalSerializer, 413: OpenApiTypes.OBJECT, 422: OpenApiTypes.OBJECT},
)
@api_view(["GET", "HEAD", "POST"])
def index(request: Request) -> Response:
    """Your retrievals, newest first; POST retrieves the selected files of the basket."""
    if request.method == "POST":
        wanted = CreateSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        retrieval = plan.freeze(
            basket_of(request), request.user, timezone.now(), **wanted.validated_data, key=lasting_key(request)
        )
        return _created(request, retrieval)
    page, size = _page_of(request, PAGE_SIZE)
    mine = history.visible(request.user, known_key(request))
    return Response(_page(mine, page, size, lambda retrieval: _body(request, retrieval)))


@extend_schema(
    operation_id="retrieval",
    parameters=[
        OpenApiParameter(
            "wait", float, description="Answer only when the phase changes, or after so many seconds"
        ),
        OpenApiParameter("phase", str, enum=Phase.values, description="The phase to wait for the end of"),
    ],
    responses=RetrievalSerializer,
)
@api_view(["GET", "HEAD"])
def show(request: Request, retrieval_id: str) -> Response:
    """One retrieval. With `wait` and `phase`: when it has left that phase, or can be downloaded (UWS WAIT, PHASE)."""
    retrieval = _found(request, retrieval_id)
    seconds = _seconds(request.query_params.get("wait", "0"))
    phase = request.query_params.get("phase", retrieval.phase)
    if phase not in Phase.values:
        raise Problem(f"phase={phase} is none of: {', '.join(Phase.values)}.", field="phase")
    history.wait_while(retrieval, phase, seconds)
    return Response(_body(request, retrieval))


@extend_schema(
    operation_id="retrieval_files",
    parameters=[
        *_paging(FILES_PAGE_SIZE),
        OpenApiParameter("outcome", str, enum=Outcome.values, description="Only files with this outcome"),
    ],
    responses=RetrievalFilePageSerializer,
)
@api_view(["GET", "HEAD"])
def files(request: Request, retrieval_id: str) -> Response:
    """The files of a retrieval and what became of each."""
    page, size = _page_of(request, FILES_PAGE_SIZE)
    listed = _found(request, retrieval_id).files.order_by("position")
    outcome = request.query_params.get("outcome", "")
    if outcome and outcome not in Outcome.values:
        raise Problem(f"outcome={outcome} is none of: {', '.join(Outcome.values)}.", field="outcome")
    if outcome:
        listed = listed.filter(outcome=outcome)
    return Response(_page(listed, page, size, _file))


def _file(file: RetrievalFile) -> dict[str, Any]:
    return dict(RetrievalFileSerializer(file).data)


@extend_schema(operation_id="retrieval_cancel", request=None, responses=RetrievalSerializer)
@api_view(["POST"])
def cancel(request: Request, retrieval_id: str) -> Response:
    """Stop a retrieval; a download that is under way is cut."""
    return Response(_body(request, accounting.cancel(_found(request, retrieval_id), timezone.now())))


@extend_schema(operation_id="retrieval_retry", request=None, responses={201: RetrievalSerializer})
@api_view(["POST"])
def retry(request: Request, retrieval_id: str) -> Response:
    """A new retrieval of the files that failed or were not sent."""
    old = _found(request, retrieval_id)
    return _created(request, plan.again(old, request.user, timezone.now(), missing_only=True))


@extend_schema(operation_id="retrieval_again", request=None, responses={201: RetrievalSerializer})
@api_view(["POST"])
def again(request: Request, retrieval_id: str) -> Response:
    """A new retrieval of the same files, as the archive has them now."""
    return _created(request, plan.again(_found(request, retrieval_id), request.user, timezone.now()))


@extend_schema(operation_id="retrieval_changes", responses=ChangesSerializer)
@api_view(["GET", "HEAD"])
def changes(request: Request, retrieval_id: str) -> Response:
    """What the archive changed since the files were requested."""
    found = history.changes(_found(request, retrieval_id), request.user, timezone.now())
    return Response(ChangesSerializer(asdict(found)).data)


class Indifferent(BaseContentNegotiation):
    """A bundle is a bundle, whatever the client says it accepts."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """The first."""
        del request
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The first."""
        del request, format_suffix
        return renderers[0], renderers[0].media_type


class Download(APIView):
    """The bundle or script; HEAD gives its headers alone."""

    content_negotiation_class = Indifferent

    @extend_schema(
        operation_id="retrieval_download",
        parameters=[
            OpenApiParameter("Range", str, OpenApiParameter.HEADER, description="Ranges of bytes"),
            OpenApiParameter(
                "If-Range", str, OpenApiParameter.HEADER, description="The ETag of what there is already"
            ),
        ],
        responses={
            (200, "application/zip"): OpenApiTypes.BINARY,
            (206, "application/zip"): OpenApiTypes.BINARY,
            (200, "application/x-tar"): OpenApiTypes.BINARY,
            (206, "application/x-tar"): OpenApiTypes.BINARY,
            (200, "application/gzip"): OpenApiTypes.BINARY,
            (206, "application/gzip"): OpenApiTypes.BINARY,
            (200, "text/x-shellscript"): OpenApiTypes.BINARY,
            304: OpenApiResponse(description="The client has it already (If-None-Match)"),
            (206, "multipart/byteranges"): OpenApiTypes.BINARY,
            409: OpenApiTypes.OBJECT,
            416: OpenApiResponse(description="The ranges lie behind the end"),
            429: OpenApiTypes.OBJECT,
            503: OpenApiResponse(description="A remote store does not answer at present (Retry-After)"),
        },
    )
    def get(self, request: Request, retrieval_id: str) -> HttpResponseBase:
        """The bundle, with an exact length; it resumes (Range, If-Range). Or the script, written while it is sent.

        409 says why it cannot be had (yet).
        """
        retrieval = _found(request, retrieval_id)
        headers = request.headers
        conditions = Conditions(
            range=headers.get("Range", ""),
            if_range=headers.get("If-Range", ""),
            if_none_match=headers.get("If-None-Match", ""),
        )
        return delivery.respond(
            retrieval,
            request.user,
            timezone.now(),
            conditions,
            head=request.method == "HEAD",
            address=address_of(request),
        )


class Uris(BaseParser):
    """A form that repeats the field `uri` more often than Django reads fields."""

    media_type = "application/x-www-form-urlencoded"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> QueryDict:
        """The form, with that field alone."""
        del media_type, parser_context
        form = QueryDict(mutable=True)
        form.setlist("uri", uris_in(stream, packs.MOST_BYTES))
        return form


class Pack(APIView):
    """Small files together: what a script asks for. Writes nothing down."""

    content_negotiation_class = Indifferent
    parser_classes = [Uris]

    @extend_schema(
        operation_id="retrieval_pack",
        description=f"At most {PACK_FILES:,} files, together at most {PACK_BYTES:,} bytes.",
        request={"application/x-www-form-urlencoded": PackSerializer},
        responses={(200, "application/x-tar"): OpenApiTypes.BINARY, 413: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> HttpResponseBase:
        """A tar whose members are named by their places in the request: 0, 1, …; what cannot be had is left out."""
        uris = request.data.getlist("uri") if isinstance(request.data, QueryDict) else []
        return packs.respond(uris, request.user, timezone.now())


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not isfinite(seconds) or seconds < 0:
        raise Problem(f"wait={text} is not a number of seconds, such as wait=30.", field="wait")
    return seconds


def _page_of(request: Request, default_size: int) -> tuple[int, int]:
    query = request.query_params
    size = whole("page_size", query.get("page_size", str(default_size)), LARGEST_PAGE)
    return whole("page", query.get("page", "1")), size


def _page(rows: QuerySet[Any], number: int, size: int, shape: Any) -> dict[str, Any]:
    pages = Paginator(rows, size)
    shown = pages.page(number).object_list if number <= pages.num_pages else []
    return {
        "count": pages.count,
        "page": number,
        "pages": pages.num_pages,
        "page_size": size,
        "results": [shape(row) for row in shown],
    }
