"""Many small files in one answer: a tar whose members are named by their places in the request.

What a script asks for from far away, where each file alone costs a round trip. Rights are those of a single file,
asked for each; a file that cannot be had is left out, and the script, fetching it alone, is told why.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime

from django.http.response import HttpResponseBase

from portal import access
from portal.archives.base import StoredBytes
from portal.errors import Problem
from portal.models import Product
from portal.quantities import format_size
from retrieval import streams
from retrieval.answer import Conditions, Entity, answer
from retrieval.body import Body
from retrieval.bundle import Bundle
from retrieval.by_uri import described
from retrieval.fetching import UNKNOWN, Sources, difference
from retrieval.ledger import BundleLedger
from retrieval.scripts.entry import PACK_BYTES, PACK_FILES
from retrieval.tarplan import TarPlan
from retrieval.transfer import Transfer
from retrieval.virtual import Member

MOST_BYTES = 4 * 1024 * 1024
"""Of the request: the URIs of PACK_FILES files."""


def respond(uris: Sequence[str], user: access.User, now: datetime) -> HttpResponseBase:
    """The tar. Raises Problem: 422 without a `uri`, 413 above PACK_FILES files or PACK_BYTES bytes."""
    if not uris:
        message = "There is no uri. Repeat the field for each file: uri=mast:JWST/product/…&uri=…"
        raise Problem(message, field="uri", status=422)
    if len(uris) > PACK_FILES:
        message = f"{len(uris):,} files at once are too many: at most {PACK_FILES:,}."
        raise Problem(message, field="uri", code="too_large", status=413)
    bundle, guarded = _laid_out(uris, user, now)
    if bundle.bytes > PACK_BYTES:
        message = (
            f"These files hold {format_size(bundle.bytes)}; at most {format_size(PACK_BYTES)} travel together."
        )
        raise Problem(message, field="uri", code="too_large", status=413)
    entity = Entity(bundle.plan.etag, bundle.plan.length, "pack.tar", "application/x-tar")

    def pieces(body: Body) -> AsyncIterator[bytes]:
        user_id = user.pk if user.is_authenticated else None
        ledger = BundleLedger("", bundle, user_id, guarded, streams.NOWHERE, tracked=False)
        return Transfer(bundle.reader(*body.spans(0, body.length)), bundle.plan.segments, body, ledger).pieces()

    return answer(entity, Conditions(), pieces, head=False)


def _laid_out(uris: Sequence[str], user: access.User, now: datetime) -> tuple[Bundle, set[int]]:
    """The files that can be had, and the products to ask about while they are sent."""
    sources, members, places, keys, guarded = Sources(), list[Member](), list[int](), list[int](), set[int]()
    for place, product, stored, is_public in _readable(uris, user, now):
        known = stored.crc32 if stored.crc32 is not None else UNKNOWN
        sources.add(stored.path, stored.size, stored.mtime_ns, known)
        members.append(Member(str(place), stored.size, max(known, 0)))
        places.append(place)
        keys.append(product.pk)
        if not is_public:
            guarded.add(product.pk)
    return Bundle(TarPlan(members), sources, places, keys, sum(sources.sizes)), guarded


def _readable(
    uris: Sequence[str], user: access.User, now: datetime
) -> Iterator[tuple[int, Product, StoredBytes, bool]]:
    granted = access.granted_programs(user, now)
    for place, (_, product, stored) in enumerate(described(uris)):
        if product is None or stored is None or product.size not in {None, stored.size}:
            continue
        is_public = access.judge(product, set(), now).ok
        if not is_public and not access.judge(product, granted, now).ok:
            continue
        if not difference(stored.path, stored.size, stored.mtime_ns):
            yield place, product, stored, is_public
