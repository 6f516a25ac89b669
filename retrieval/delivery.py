"""Sending a bundle: checked whole before its first byte, watched while it leaves, cut when it cannot be finished.

What Content-Length promises is sent, or the connection breaks: no client sees a well-formed short archive.
"""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime

from django.db import connection, transaction
from django.http.response import HttpResponseBase

from portal import access
from portal.errors import Problem
from portal.quantities import counted
from retrieval import accounting, scripted, streams
from retrieval import bundle as layouts
from retrieval.accounting import Fault, Superseded
from retrieval.answer import Conditions, Entity, answer
from retrieval.body import Body
from retrieval.bundle import Bundle
from retrieval.fetching import Unfit
from retrieval.ledger import BundleLedger
from retrieval.models import Method, Outcome, Phase, Retrieval
from retrieval.rights import refused
from retrieval.transfer import Transfer

RETRY_SECONDS = 5
CONTENT_TYPES = {
    Method.ZIP: "application/zip",
    Method.TAR: "application/x-tar",
    Method.TAR_GZ: "application/gzip",
}


class NotReady(Problem):
    """Its files are still being measured: ask again after RETRY_SECONDS."""

    status = 409
    code = "not_ready"
    retry_after = RETRY_SECONDS


class Unavailable(NotReady):
    """A store does not give a file at present: ask again after RETRY_SECONDS."""

    status = 503
    code = "unavailable"


def respond(
    retrieval: Retrieval,
    user: access.User,
    now: datetime,
    conditions: Conditions,
    *,
    head: bool = False,
    address: str = "",
) -> HttpResponseBase:
    """The bundle, or the ranges asked for, where `address` is the client's; or the script, which has no ranges.

    Raises Problem (409) when it cannot be sent, naming the file at fault and what to do; NotReady while its files
    are being measured; Unavailable while a store cannot be read; TooManyStreams (429).
    """
    if retrieval.method == Method.SCRIPT:
        return scripted.respond(retrieval, now, head=head)
    bundle, guarded = prepare(retrieval, user, now)
    entity = Entity(
        etag=bundle.plan.etag,
        length=bundle.plan.length,
        filename=f"{retrieval.name}.{retrieval.method}",
        content_type=CONTENT_TYPES[Method(retrieval.method)],
        resumable=_is_resumable(retrieval),
    )

    def pieces(body: Body) -> AsyncIterator[bytes]:
        person = f"user {user.pk}" if user.is_authenticated else f"key {retrieval.key}"
        place = streams.enter(person, address, now)
        try:
            tracked = _begin(retrieval, entity.etag, now)
        except Problem:
            place.leave()
            raise
        user_id = user.pk if user.is_authenticated else None
        ledger = BundleLedger(retrieval.pk, bundle, user_id, guarded, place, tracked=tracked)
        return Transfer(bundle.reader(*body.spans(0, body.length)), bundle.plan.segments, body, ledger).pieces()

    return answer(entity, conditions, pieces, head=head)


def prepare(retrieval: Retrieval, user: access.User, now: datetime) -> tuple[Bundle, set[int]]:
    """The laid-out bundle, every file of it looked at just now, and the products to ask about while it is sent."""
    _refuse_unready(retrieval)
    bundle = layouts.load(retrieval)
    if bundle.plan.etag != retrieval.etag:
        bundle = _laid_out_again(retrieval)
    faults, guarded = refused(retrieval, bundle.product_ids, user, now)
    known = {fault.position for fault in faults}
    for unfit in _looked_at(bundle):
        if unfit.temporary:
            raise _unavailable(retrieval, bundle.positions[unfit.index], unfit.reason)
        if bundle.positions[unfit.index] not in known:
            faults.append(Fault(bundle.positions[unfit.index], Outcome.FAILED, unfit.reason))
    if faults:
        accounting.withdraw(retrieval.pk, faults, now)
        raise _changed(retrieval, sorted(faults, key=lambda fault: fault.position))
    return bundle, guarded


def _looked_at(bundle: Bundle) -> Iterable[Unfit]:
    """Stores are waited for, without a database connection."""
    if bundle.sources.are_remote and not connection.in_atomic_block:
        connection.close()
    return bundle.sources.unfit()


def _unavailable(retrieval: Retrieval, position: int, reason: str) -> Unavailable:
    path = retrieval.files.get(position=position).path
    return Unavailable(f"Nothing was sent, because of {path}: {reason} Ask for the download again later.")


def _refuse_unready(retrieval: Retrieval) -> None:
    if retrieval.phase in {Phase.ABORTED, Phase.ARCHIVED}:
        raise Problem(
            f"{retrieval.name} was cancelled. Its page can retrieve the same files again.",
            code="conflict",
            status=409,
        )
    if retrieval.length is None and retrieval.is_ended:
        raise Problem(f"{retrieval.name} cannot be sent. {retrieval.message}", code="conflict", status=409)
    if retrieval.phase == Phase.PENDING:
        raise NotReady(
            f"{retrieval.name} is being prepared: {retrieval.frozen:,} of {counted(retrieval.requested, 'file')} so "
            "far. Its page says when it is ready; then ask for it again."
        )
    if retrieval.length is None:
        raise NotReady(
            f"The files of {retrieval.name} are being read once, to know the exact length and checksums of the "
            "bundle. Its page says when it is ready; then ask for it again."
        )


def _laid_out_again(retrieval: Retrieval) -> Bundle:
    """The stored length and ETag are not those of the rows (another version laid it out): the rows are right."""
    with transaction.atomic():
        locked = Retrieval.objects.select_for_update().get(pk=retrieval.pk)
        bundle = layouts.settle(locked)
        if locked.phase == Phase.COMPLETED:
            locked.sent_ranges, locked.bytes_sent = [(0, bundle.plan.length)], bundle.plan.length
        locked.save()
    retrieval.refresh_from_db()
    return bundle


def _changed(retrieval: Retrieval, faults: list[Fault]) -> Problem:
    first, more = faults[0], len(faults) - 1
    path = retrieval.files.get(position=first.position).path
    others = f" The same holds for {more} more; the page of {retrieval.name} lists them." if more else ""
    if retrieval.phase == Phase.COMPLETED:
        way = "Retrieve the same selection again to get what the archive has now."
    else:
        way = "Download again: what can still be had is then sent, and the rest is listed with its reason."
    message = f"Nothing was sent, because of {path}: {first.reason}{others} {way}"
    return Problem(message, code="changed", status=409)


def _is_resumable(retrieval: Retrieval) -> bool:
    """A client without If-Range cannot know that the bundle was laid out anew since it began: it gets the whole then,
    and notices, instead of two halves of different archives."""
    return not retrieval.relaid


def _begin(retrieval: Retrieval, etag: str, now: datetime) -> bool:
    try:
        return accounting.begin(retrieval, etag, now)
    except Superseded:
        raise Problem(
            f"{retrieval.name} was changed while this download began. Ask for it again.",
            code="changed",
            status=409,
        ) from None
