"""The script of a retrieval: written from its rows while it is sent, a slice of rows at a time.

A million files need neither a worker nor memory: what is held is one slice, and no database connection between two
pieces. A stream that cannot finish is cut, and every script says on its last line that it is whole.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from itertools import count
from typing import NamedTuple

from django.conf import settings
from django.db.models import Count, Q, Sum
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.http import content_disposition_header

from portal import access
from portal.errors import Problem
from portal.models import Product
from retrieval import accounting, addresses
from retrieval.models import Phase, Retrieval
from retrieval.scripts import EMITTERS
from retrieval.scripts.entry import Emitter, Entry, Header
from retrieval.transfer import aside

ROWS_AT_ONCE = 5000
PIECE_CHARACTERS = 256_000
"""About so much text is written and sent at a time."""


class Row(NamedTuple):
    """The columns of a frozen file that its entry needs."""

    product_id: int
    uri: str
    path: str
    size: int | None
    sha256: str
    access: str


def respond(retrieval: Retrieval, now: datetime, *, head: bool = False) -> HttpResponseBase:
    """The script as an attachment. Raises Problem (409) for a retrieval that was cancelled."""
    if retrieval.phase in {Phase.PENDING, Phase.ABORTED, Phase.ARCHIVED}:
        message = f"{retrieval.name} is {retrieval.phase}. Its page can retrieve the same files again."
        raise Problem(message, code="conflict", status=409)
    emitter, whole = EMITTERS[retrieval.script], header_of(retrieval, now)

    async def pieces() -> AsyncIterator[bytes]:
        async for piece in written(emitter, whole, entries_of(retrieval, now)):
            yield piece
        await aside(accounting.handed_over, retrieval.pk, timezone.now())

    return attachment(retrieval.name, emitter, None if head else pieces())


def how_to_run(retrieval: Retrieval) -> str:
    """The command that a person types to run the script; blank for what is no script."""
    emitter = EMITTERS.get(retrieval.script)
    return emitter.run.format(file=f"{retrieval.name}.{emitter.extension}") if emitter else ""


def attachment(name: str, emitter: Emitter, pieces: AsyncIterator[bytes] | None) -> HttpResponseBase:
    """An answer to save as `<name>.<extension>`; None: its headers alone."""
    response = HttpResponse() if pieces is None else StreamingHttpResponse(pieces)
    response.headers["Content-Type"] = emitter.content_type
    disposition = content_disposition_header(True, f"{name}.{emitter.extension}")  # noqa: FBT003  # Django's
    response.headers["Content-Disposition"] = str(disposition)
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["X-Accel-Buffering"] = "no"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


async def written(emitter: Emitter, header: Header, entries: Iterator[Entry]) -> AsyncIterator[bytes]:
    """The text of a script in pieces, each written in a thread."""
    lines = emitter.lines(header, entries)

    def piece() -> bytes:
        parts, length = list[str](), 0
        for line in lines:
            parts.append(line)
            length += len(line)
            if length >= PIECE_CHARACTERS:
                break
        return "".join(parts).encode()

    while text := await aside(piece):
        yield text
        await asyncio.sleep(0)


def header_of(retrieval: Retrieval, now: datetime) -> Header:
    """What the script says of the whole; reads its rows once, by counting."""
    known = retrieval.files.aggregate(bytes=Sum("size", default=0), unknown=Count("pk", filter=Q(size=None)))
    exclusive = Product.objects.filter(access.may_be_denied(now))
    protected = retrieval.files.filter(product_id__in=exclusive.values("pk"))
    return header(
        retrieval.name,
        now,
        user=retrieval.owner.get_username() if retrieval.owner else "anonymous",
        files=retrieval.requested,
        bytes=known["bytes"],
        unknown_sizes=known["unknown"],
        protected=protected.count(),
        duplicates=retrieval.duplicates,
        archives=set(exclusive.filter(pk__in=protected.values("product_id")).values_list("archive", flat=True)),
    )


def header(
    name: str,
    now: datetime,
    *,
    user: str,
    files: int,
    bytes: int,  # noqa: A002  # the header's word
    unknown_sizes: int,
    protected: int,
    duplicates: int,
    archives: set[str],
) -> Header:
    """A header with this site's addresses; `archives` are those of the protected files."""
    return Header(
        name=name,
        created=now,
        origins=_origins(archives),
        token_check=addresses.token_check(),
        user=user,
        files=files,
        bytes=bytes,
        unknown_sizes=unknown_sizes,
        protected=protected,
        duplicates=duplicates,
        pack=addresses.pack(),
        source=f"Skybasket {settings.VERSION}",
        token_page=addresses.token_page(),
    )


def _origins(archives: set[str]) -> tuple[str, ...]:
    """One token is for one place: ours, or that of the archive whose servers give the protected files."""
    origins = {addresses.origin(addresses.of_file(name, "")) for name in archives}
    elsewhere = sorted(origins - {addresses.origin(settings.SITE_URL)})
    return (elsewhere[0],) if elsewhere else (addresses.origin(settings.SITE_URL),)


def entries_of(retrieval: Retrieval, now: datetime) -> Iterator[Entry]:
    """Every file of the retrieval, denied and failed ones too: they may be had with a token, or later."""
    rows = retrieval.files.order_by("position")
    for start in count(0, ROWS_AT_ONCE):
        portion = rows.filter(position__gte=start, position__lt=start + ROWS_AT_ONCE)
        found = [Row(*row) for row in portion.values_list(*Row._fields)]
        if not found:
            return
        products = Product.objects.in_bulk([row.product_id for row in found])
        for row in found:
            yield _entry(row, products.get(row.product_id), now)


def _entry(row: Row, product: Product | None, now: datetime) -> Entry:
    verdict = access.OK if product is None else access.judge(product, set(), now)
    return Entry(
        url=addresses.of_file(product.archive if product else "", row.uri),
        uri=row.uri,
        path=row.path,
        size=row.size,
        sha256=row.sha256,
        protected=not verdict.ok,
        public_on=verdict.public_on,
        access=row.access,
    )
