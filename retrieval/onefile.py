"""One file of an archive, by its URI: what a preview, a link or a script asks for."""

import asyncio
import hashlib
import mimetypes
import os
import time
from collections.abc import AsyncIterator
from datetime import datetime

from django.db import connection
from django.http.response import HttpResponseBase
from django.utils import timezone

from portal import access
from portal.archives import archive
from portal.archives.base import StoredBytes
from portal.errors import Problem
from portal.models import Product
from portal.remote.addresses import is_remote
from portal.remote.measuring import look_at
from portal.remote.problems import StoreProblem
from portal.remote.reading import Found
from retrieval.answer import Conditions, Entity, answer
from retrieval.fetching import UNKNOWN, Reader, Sources, Unfit, batches, unreadable
from retrieval.plan import NO_BYTES
from retrieval.ranges import Span
from retrieval.rights import revoked
from retrieval.transfer import SECONDS_BETWEEN_ENTRIES, Cut, aside
from retrieval.zipplan import FileRange

SHOWN_IN_PAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
"""Types that a browser may show; anything else is saved, so that no file of an archive runs as a page of ours."""


def respond(
    uri: str, user: access.User, now: datetime, conditions: Conditions, *, head: bool = False
) -> HttpResponseBase:
    """The file, or the range asked for. Raises Problem: 404 without file or bytes, 403 without the right, 409 when
    the bytes are not as many as the catalogue says, 503 when their store does not give them at present."""
    product = Product.objects.filter(dataURI=uri).order_by("pk").first()
    if product is None:
        raise Problem(f"uri={uri} is not a file of this archive.", field="uri", code="not_found", status=404)
    verdict = access.verdict(user, product, now)
    if not verdict.ok:
        raise Problem(f"{product.productFilename}: {verdict.reason}", field="uri", code="forbidden", status=403)
    stored = archive(product.archive).locate([uri]).get(uri)
    if stored is None:
        raise Problem(f"{product.productFilename}: {NO_BYTES}", field="uri", code="not_found", status=404)
    sources, etag = _measured(product, stored)
    kind = mimetypes.guess_type(product.productFilename)[0] or "application/octet-stream"
    shown = kind in SHOWN_IN_PAGES
    entity = Entity(
        etag=etag,
        length=sources.sizes[0],
        filename=product.productFilename,
        content_type=kind if shown else "application/octet-stream",
        attachment=not shown,
    )
    user_id = user.pk if user.is_authenticated else None
    return answer(entity, conditions, lambda span: _pieces(sources, span, user_id, product.pk), head=head)


def _measured(product: Product, stored: StoredBytes) -> tuple[Sources, str]:
    found = _looked_at(product, stored)
    promised = stored.size if product.size is None else product.size
    if found.size != promised:
        raise Problem(
            f"{product.productFilename} has {found.size:,} bytes in the archive, but {promised:,} in the catalogue.",
            field="uri",
            code="changed",
            status=409,
        )
    known = (found.size, found.mtime_ns, found.etag) == (stored.size, stored.mtime_ns, stored.etag)
    sources = Sources()
    crc32 = stored.crc32 if known and stored.crc32 is not None else UNKNOWN
    sources.add(stored.path, found.size, found.mtime_ns, crc32, found.etag)
    tag = hashlib.sha256(f"{found.size} {found.mtime_ns} {found.etag}".encode()).hexdigest()
    return sources, f'"{(stored.sha256 if known and stored.sha256 else tag)[:40]}"'


def _looked_at(product: Product, stored: StoredBytes) -> Found:
    """The file as it is now; a store is waited for without a database connection."""
    try:
        if is_remote(stored.path):
            if not connection.in_atomic_block:
                connection.close()
            return look_at(stored.path)
        found = os.lstat(stored.path)  # a path as the archive gave it
    except OSError as error:
        later = isinstance(error, StoreProblem) and error.temporary
        message = f"{product.productFilename}: {unreadable(error)}"
        raise Problem(
            message, field="uri", code="unavailable" if later else "", status=503 if later else 409
        ) from error
    return Found(found.st_size, "", found.st_mtime_ns)


async def _pieces(sources: Sources, span: Span, user_id: int | None, product_id: int) -> AsyncIterator[bytes]:
    """The bytes of the file; cut when the file changes or the right to read it ends."""
    start, stop = span
    coming = [FileRange(0, start, stop - start)] if start < stop else []
    reader, due = Reader(sources, coming), time.monotonic() + SECONDS_BETWEEN_ENTRIES
    try:
        for batch in batches(coming):
            await reader.arrival(batch)
            yield await aside(reader.read, batch)
            if time.monotonic() >= due:
                if await aside(revoked, user_id, [product_id], timezone.now()):
                    raise Cut("The right to read this file has ended.")
                due = time.monotonic() + SECONDS_BETWEEN_ENTRIES
            await asyncio.sleep(0)
    except Unfit as error:
        raise Cut(error.reason) from error
    finally:
        await asyncio.shield(aside(reader.close))
