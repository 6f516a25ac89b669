"""The HTTP of handing out bytes: whole, a range or several, under conditions (RFC 9110 13 and 14). Knows no model."""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header, parse_etags

from retrieval.body import Body, multipart
from retrieval.ranges import Span, Unsatisfiable, requested

Pieces = Callable[[Body], AsyncIterator[bytes]]
"""Gives the bytes of a body. It is called when bytes are to be sent, and only then."""


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


def answer(entity: Entity, conditions: Conditions, pieces: Pieces, *, head: bool) -> HttpResponseBase:
    """200, 206, 304 or 416. A range is for GET alone: HEAD tells of the whole (RFC 9110 14.2)."""
    if _matches(conditions.if_none_match, entity.etag):
        return _described(HttpResponse(status=304), entity)
    try:
        spans = [] if head else _spans(entity, conditions)
    except Unsatisfiable:
        return _unsatisfiable(entity)
    headers = {"Content-Type": entity.content_type}
    body = _body(entity, spans, headers)
    headers["Content-Length"] = str(body.length)
    disposition = content_disposition_header(entity.attachment, entity.filename)
    if disposition is not None:
        headers["Content-Disposition"] = disposition
    status = 206 if spans else 200
    if head:
        return _described(HttpResponse(status=status, headers=headers), entity)
    return _described(StreamingHttpResponse(pieces(body), status=status, headers=headers), entity)


def _body(entity: Entity, spans: Sequence[Span], headers: dict[str, str]) -> Body:
    """What is sent for these ranges, and into `headers` what says so."""
    if not spans:
        return Body([(0, entity.length)])
    if len(spans) == 1:
        start, stop = spans[0]
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{entity.length}"
        return Body(spans)
    boundary = secrets.token_hex(16)
    headers["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
    return multipart(spans, entity.length, entity.content_type, boundary)


def _matches(if_none_match: str, etag: str) -> bool:
    tags = {tag.removeprefix("W/") for tag in parse_etags(if_none_match)}
    return bool(tags & {etag, "*"})


def _spans(entity: Entity, conditions: Conditions) -> list[Span]:
    """The ranges to send; none for the whole, which a server may always send (RFC 9110 14.2)."""
    current = conditions.if_range.strip() == entity.etag if conditions.if_range else entity.resumable
    return requested(conditions.range, entity.length) if current else []


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
