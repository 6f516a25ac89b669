"""What has left of a bundle, written down: byte ranges, outcomes of files, phases; each function a transaction.

Several streams may send parts of one bundle at once (a resumed download, a download accelerator), so the row is
locked for each entry and a stream is told when what it sends is no longer what the retrieval is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction

from basket.models import Basket
from basket.removal import remove_files
from portal.errors import Problem
from portal.quantities import format_size
from retrieval import bundle as layouts
from retrieval import progress
from retrieval.bundle import Bundle
from retrieval.freezing import NOTHING
from retrieval.models import Outcome, Phase, Retrieval
from retrieval.ranges import Span, around, covered, merged

LEASE = timedelta(seconds=60)
"""A transfer from which nothing was heard for so long has broken off."""

GRACE = timedelta(seconds=10)
"""The same, once its client is known to have gone: a resumed download comes within this time."""


class Superseded(Exception):
    """The bundle that is being sent is no longer the retrieval's: it was cancelled, or laid out anew."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A file that cannot be sent after all: its position, what it is now, and why."""

    position: int
    outcome: Outcome
    reason: str
    public_on: date | None = None


def begin(retrieval: Retrieval, etag: str, now: datetime) -> bool:
    """The first byte is about to leave. False when nothing is to be written down: it was complete before.

    Raises Superseded.
    """
    with transaction.atomic():
        locked = _locked(retrieval.pk, etag)
        if locked.phase == Phase.COMPLETED:
            return False
        _go_on(locked)
        locked.started = locked.started or now
        locked.sent_ranges = merged(locked.sent_ranges, (0, 0))
        locked.lease, locked.heard, locked.rate = now + LEASE, now, 0.0
        locked.save()
    return True


def record(retrieval_id: str, bundle: Bundle, sent: Span, now: datetime) -> None:
    """The bytes `sent` have arrived. Completes the retrieval when they were the last that lacked.

    Raises Superseded.
    """
    with transaction.atomic():
        retrieval = _locked(retrieval_id, bundle.plan.etag)
        if retrieval.phase == Phase.COMPLETED:
            return
        _go_on(retrieval)
        spans = merged(retrieval.sent_ranges, sent)
        new = covered(spans) - retrieval.bytes_sent
        retrieval.rate = progress.paced(retrieval.rate, new, (now - (retrieval.heard or now)).total_seconds())
        retrieval.heard = now
        retrieval.sent_ranges, retrieval.bytes_sent = spans, covered(spans)
        retrieval.lease = now + LEASE
        _deliver(retrieval, bundle.completed_by(sent, around(spans, sent)))
        if spans == [(0, bundle.plan.length)]:
            _complete(retrieval, now)
        retrieval.save()


def still_going(retrieval_id: str, etag: str, now: datetime) -> None:
    """The client is there, though nothing has arrived of late. Raises Superseded."""
    with transaction.atomic():
        retrieval = _locked(retrieval_id, etag)
        if retrieval.phase == Phase.EXECUTING:
            Retrieval.objects.filter(pk=retrieval_id).update(lease=now + LEASE)


def interrupted(retrieval_id: str, etag: str, now: datetime) -> None:
    """A client has gone before the end: unless another stream is heard of soon, the transfer has broken off."""
    Retrieval.objects.filter(pk=retrieval_id, etag=etag, phase=Phase.EXECUTING).update(lease=now + GRACE)


def handed_over(retrieval_id: str, now: datetime) -> None:
    """A script left whole: every file that this person may have now has its line in it, and so is delivered."""
    with transaction.atomic():
        retrieval = Retrieval.objects.select_for_update().get(pk=retrieval_id)
        if retrieval.phase in {Phase.COMPLETED, Phase.ABORTED, Phase.ARCHIVED}:
            return
        retrieval.mark_executing()
        retrieval.files.filter(outcome__in=[Outcome.PENDING, Outcome.SKIPPED]).update(
            outcome=Outcome.DELIVERED, reason=""
        )
        layouts.recount(retrieval)
        _complete(retrieval, now)
        retrieval.save()


def broken_off(now: datetime) -> int:
    """End the transfers from which nothing was heard for too long; each can be resumed. Returns how many."""
    count = 0
    with transaction.atomic():
        silent = Retrieval.objects.select_for_update(skip_locked=True).filter(phase=Phase.EXECUTING, lease__lt=now)
        for retrieval in silent[:100]:
            sent = f"{format_size(retrieval.bytes_sent)} of {format_size(retrieval.length)}"
            way = "Resume it in your browser or with curl -C -, or download again."
            _close(retrieval, f"The transfer broke off after {sent}. {way}", now)
            count += 1
    return count


def withdraw(retrieval_id: str, faults: Iterable[Fault], now: datetime) -> None:
    """Before the first byte: files that cannot be sent leave the bundle, and it is laid out anew.

    A retrieval that was complete keeps its numbers: they tell what was delivered then.
    """
    with transaction.atomic():
        retrieval = Retrieval.objects.select_for_update().get(pk=retrieval_id)
        if retrieval.phase in {Phase.COMPLETED, Phase.ABORTED, Phase.ARCHIVED}:
            return
        _mark(retrieval, faults)
        _lay_out_anew(retrieval)
        if retrieval.phase == Phase.ERROR:
            retrieval.message = retrieval.message if retrieval.length else NOTHING
        elif retrieval.length:
            layouts.reopen(retrieval)
        else:
            retrieval.mark_error(NOTHING, now)
        retrieval.save()


def cut(retrieval_id: str, etag: str, fault: Fault, now: datetime) -> None:
    """In mid-stream: the transfer ends in error because of this file, and the next one does without it."""
    with transaction.atomic():
        retrieval = Retrieval.objects.select_for_update().get(pk=retrieval_id)
        if retrieval.etag != etag or retrieval.phase not in {Phase.EXECUTING, Phase.ERROR}:
            return
        path = retrieval.files.get(position=fault.position).path
        _mark(retrieval, [fault])
        _lay_out_anew(retrieval)
        if retrieval.phase == Phase.ERROR:
            retrieval.mark_executing()
        way = f"Download again: that file is then left out, and listed as {fault.outcome.value}."
        _close(retrieval, f"The transfer was cut at {path}. {fault.reason} {way}", now)


def repack(retrieval_id: str, etag: str, position: int | None, now: datetime) -> None:
    """In mid-stream: the file at `position` (None: a manifest) was compressed to another size than was remembered.

    From now on that content is stored, not compressed.
    """
    with transaction.atomic():
        retrieval = Retrieval.objects.select_for_update().get(pk=retrieval_id)
        if retrieval.etag != etag or retrieval.phase not in {Phase.EXECUTING, Phase.ERROR}:
            return
        if position is not None:
            layouts.store_uncompressed(retrieval.files.get(position=position), retrieval.compressor)
        _lay_out_anew(retrieval)
        if retrieval.phase == Phase.ERROR:
            retrieval.mark_executing()
        _close(retrieval, "The transfer was cut: a file came out compressed to another size. Download again.", now)


def pause(retrieval_id: str, etag: str, position: int, reason: str, now: datetime) -> None:
    """In mid-stream: a store does not give this file at present. Nothing else changes, so the rest can be had later."""
    with transaction.atomic():
        retrieval = Retrieval.objects.select_for_update().get(pk=retrieval_id)
        if retrieval.etag == etag and retrieval.phase == Phase.EXECUTING:
            path = retrieval.files.get(position=position).path
            way = "Resume it later in your browser or with curl -C -, or download again."
            _close(retrieval, f"The transfer was cut at {path}. {reason} {way}", now)


def cancel(retrieval: Retrieval, now: datetime) -> Retrieval:
    """Its owner stops it; a stream that is under way is cut within seconds.

    Raises Problem (409) when it has ended.
    """
    with transaction.atomic():
        locked = Retrieval.objects.select_for_update().get(pk=retrieval.pk)
        if locked.phase in {Phase.COMPLETED, Phase.ABORTED, Phase.ARCHIVED}:
            raise Problem(
                f"{locked.name} is {locked.phase}: there is nothing left to cancel.", code="conflict", status=409
            )
        locked.mark_aborted(now)
        locked.lease = None
        layouts.skip_pending(locked, "Not sent: the retrieval was cancelled.")
        layouts.recount(locked)
        locked.save()
    return locked


def _locked(retrieval_id: str, etag: str) -> Retrieval:
    retrieval = Retrieval.objects.select_for_update().filter(pk=retrieval_id).first()
    if retrieval is None or retrieval.etag != etag or retrieval.phase in {Phase.ABORTED, Phase.ARCHIVED}:
        raise Superseded
    return retrieval


def _go_on(retrieval: Retrieval) -> None:
    if retrieval.phase == Phase.ERROR or (retrieval.delivered and not retrieval.bytes_sent):
        layouts.reopen(retrieval)
    retrieval.mark_executing()
    retrieval.message = ""


def _deliver(retrieval: Retrieval, positions: tuple[int, int] | None) -> None:
    if positions is not None:
        files = retrieval.files.filter(position__range=positions, outcome=Outcome.PENDING)
        retrieval.delivered += files.update(outcome=Outcome.DELIVERED)


def _complete(retrieval: Retrieval, now: datetime) -> None:
    retrieval.mark_completed(now)
    retrieval.lease = None
    if not retrieval.remove_completed or retrieval.basket_id is None:
        return
    basket = Basket.objects.filter(pk=retrieval.basket_id).first()
    if basket is not None:
        delivered = retrieval.files.filter(outcome=Outcome.DELIVERED)
        remove_files(basket, list(delivered.values_list("product_id", flat=True)))


def _close(retrieval: Retrieval, message: str, now: datetime) -> None:
    layouts.skip_pending(retrieval)
    layouts.recount(retrieval)
    retrieval.mark_error(message, now)
    retrieval.lease = None
    retrieval.save()


def _mark(retrieval: Retrieval, faults: Iterable[Fault]) -> None:
    alike: dict[tuple[Outcome, str, date | None], list[int]] = {}
    for fault in faults:
        alike.setdefault((fault.outcome, fault.reason, fault.public_on), []).append(fault.position)
    for (outcome, reason, public_on), positions in alike.items():
        retrieval.files.filter(position__in=positions).update(outcome=outcome, reason=reason, public_on=public_on)


def _lay_out_anew(retrieval: Retrieval) -> None:
    if retrieval.files.filter(outcome__in=layouts.OPEN).exists():
        layouts.settle(retrieval)
    else:
        layouts.unsettle(retrieval)
    layouts.recount(retrieval)
