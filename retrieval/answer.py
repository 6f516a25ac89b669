"""The HTTP of handing out bytes: whole or a range, under conditions (RFC 9110 13 and 14). Knows no model."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header, parse_etags

from retrieval.ranges import Span, Unsatisfiable, requested


@dataclass(frozen=True, slots=True)
class Conditions:
    """The headers of a request that decide what is sent."""

    range: str = ""
    if_range: str = ""
    if_none_match: str = ""


@dataclass(frozen=True, slots=True)
class Entity:
    """What is handed out: `length` in bytes, `etag` strong and quoted, `resumable` to a client without If-Range."""

    etag: str
    length: int
    filename: str
    content_type: str
    attachment: bool = True
    resumable: bool = True


def answer(
    entity: Entity, conditions: Conditions, pieces: Callable[[Span], AsyncIterator[bytes]], *, head: bool
) -> HttpResponseBase:
    """200, 206, 304 or 416. `pieces` is called, with the span to send, only when bytes are to be sent."""
    if _matches(conditions.if_none_match, entity.etag):
        return _described(HttpResponse(status=304), entity)
    try:
        span = _span(entity, conditions)
    except Unsatisfiable:
        return _unsatisfiable(entity)
    start, stop = span or (0, entity.length)
    response = HttpResponse() if head else StreamingHttpResponse(pieces((start, stop)))
    if span is not None:
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{entity.length}"
    response.headers["Content-Length"] = str(stop - start)
    response.headers["Content-Type"] = entity.content_type
    disposition = content_disposition_header(entity.attachment, entity.filename)
    if disposition is not None:
        response.headers["Content-Disposition"] = disposition
    return _described(response, entity)


def _matches(if_none_match: str, etag: str) -> bool:
    tags = {tag.removeprefix("W/") for tag in parse_etags(if_none_match)}
    return bool(tags & {etag, "*"})


def _span(entity: Entity, conditions: Conditions) -> Span | None:
    """The range to send; None for the whole, which a server may always send (RFC 9110 14.2)."""
    current = conditions.if_range.strip() == entity.etag if conditions.if_range else entity.resumable
    return requested(conditions.range, entity.length) if current else None


def _unsatisfiable(entity: Entity) -> HttpResponseBase:
    response = HttpResponse(status=416, content_type="text/plain")
    response.headers["Content-Range"] = f"bytes */{entity.length}"
    return _described(response, entity)


def _described(response: HttpResponseBase, entity: Entity) -> HttpResponseBase:
    response.headers["ETag"] = entity.etag
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["X-Accel-Buffering"] = "no"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
