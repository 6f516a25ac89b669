"""What a retrieval needs before it can be downloaded: a row for each file, what must be measured, its layout.

The rows are the job. A message or the tick only says "look"; who claims the row (retrieval.claims) works in slices
of seconds, and another goes on where they stopped.
"""

import time
from datetime import datetime

from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.utils import timezone

from portal.errors import Problem
from portal.models import StoredFile
from retrieval import bundle as layouts
from retrieval import claims, compression, measuring, selection
from retrieval.claims import LEASE, MOST_ATTEMPTS, Claim, Heart, Lost
from retrieval.freezing import CHUNK, NOTHING, Freezer, conclude
from retrieval.models import Method, Outcome, PackedSize, Phase, Retrieval, RetrievalFile, Selection

LITTLE_BYTES = 200_000_000
"""So much is read at once, inside the request that asks for it: about a second."""

SLICE_SECONDS = 5.0
FREEZING_SECONDS = 30.0
"""Longer, as whoever goes on has to learn all the paths given so far."""

SECONDS_BETWEEN_ENTRIES = 0.5

NOT_PUT_TOGETHER = (
    f"This download could not be put together: {MOST_ATTEMPTS} workers stopped over it. "
    "Ask the archive's operators."
)


def go_on(retrieval_id: str) -> bool:
    """One slice of what the retrieval waits for. True when there is more to do: whoever called rings again."""
    return freeze(retrieval_id) or measure(retrieval_id)


def due(now: datetime) -> list[str]:
    """Retrievals that wait for a worker and that nobody is working on, oldest first; at most 50."""
    found = Retrieval.objects.filter(claims.waiting(now))
    return list(found.order_by("created").values_list("pk", flat=True)[:50])


def measure_little(retrieval: Retrieval) -> bool:
    """Read at once what is quickly read. True when the retrieval needs no worker (any more)."""
    if retrieval.phase == Phase.PENDING:
        return False
    if retrieval.phase != Phase.QUEUED or retrieval.length is not None or not retrieval.is_bundle:
        return True
    if layouts.unmeasured(retrieval)[1] > LITTLE_BYTES or _is_far(retrieval):
        return False
    more = measure(retrieval.pk, seconds=float("inf"))
    retrieval.refresh_from_db()
    return not more


def _is_far(retrieval: Retrieval) -> bool:
    """Whether a store is to be waited for."""
    return layouts.unread(retrieval).filter(source__regex="^(https?|s3)://").exists()


def freeze(retrieval_id: str, *, seconds: float = FREEZING_SECONDS) -> bool:
    """One slice of giving files their rows. True when there is more to do, measuring included.

    Does nothing, and says False, for a retrieval that is frozen or that somebody else is freezing.
    """
    claim = claims.take(retrieval_id, Phase.PENDING, timezone.now())
    if claim is None:
        return False
    try:
        if claim.attempt > MOST_ATTEMPTS:
            _give_up(claim, timezone.now())
            return False
        if _write_rows(claim, time.monotonic() + seconds):
            return _conclude(claim, timezone.now())
    except Lost:
        return False
    return True


def measure(retrieval_id: str, *, seconds: float = SLICE_SECONDS) -> bool:
    """One slice of reading. True when there is more to read: whoever called rings again.

    Does nothing, and says False, for a retrieval that needs no reading or that somebody else is reading.
    """
    claim = claims.take(retrieval_id, Phase.QUEUED, timezone.now())
    if claim is None:
        return False
    try:
        if claim.attempt > MOST_ATTEMPTS:
            _set_aside_next(claim)
        if not _work(claim, time.monotonic() + seconds):
            return True
        _finish(claim, timezone.now())
    except Lost:
        return False
    return False


def _write_rows(claim: Claim, deadline: float) -> bool:
    """Give files their rows, a portion in each transaction. True when every file has one."""
    retrieval = Retrieval.objects.select_related("owner").get(pk=claim.retrieval_id)
    wanted = Selection.objects.select_related("origin").get(retrieval=retrieval)
    keys = selection.unpack(wanted.products)
    freezer = Freezer(retrieval, retrieval.owner or AnonymousUser(), timezone.now(), wanted.origin)
    while retrieval.frozen < len(keys):
        rows = freezer.rows(keys[retrieval.frozen : retrieval.frozen + CHUNK])
        with transaction.atomic():
            claim.held()
            freezer.write(rows)
            over = time.monotonic() >= deadline and retrieval.frozen < len(keys)
            retrieval.lease, retrieval.attempts = None if over else timezone.now() + LEASE, 0
            retrieval.save(update_fields=["frozen", "denied", "failed", "lease", "attempts"])
        if over:
            return False
    return True


def _conclude(claim: Claim, now: datetime) -> bool:
    """Every file has its row: it waits to be measured and laid out (True), or there is nothing to send."""
    with transaction.atomic():
        retrieval = claim.held()
        wanted = Selection.objects.get(retrieval=retrieval)
        try:
            conclude(retrieval, selection.unpack(wanted.observations), now)
        except Problem as problem:
            _end(retrieval, problem.message, now)
        wanted.delete()
        retrieval.lease, retrieval.attempts = None, 0
        retrieval.save()
    return retrieval.phase == Phase.QUEUED and retrieval.is_bundle


def _give_up(claim: Claim, now: datetime) -> None:
    with transaction.atomic():
        retrieval = claim.held()
        _end(retrieval, NOT_PUT_TOGETHER, now)
        retrieval.lease, retrieval.attempts = None, 0
        retrieval.save()


def _end(retrieval: Retrieval, message: str, now: datetime) -> None:
    layouts.skip_pending(retrieval, message)
    retrieval.mark_error(message, now)
    layouts.recount(retrieval)


def _work(claim: Claim, deadline: float) -> bool:
    """Read files in order until the deadline. True when none is left.

    After a failed attempt each file is written down by itself: the first one not written down is then the culprit.
    """
    retrieval = _with_this_compressor(claim)
    patience = SECONDS_BETWEEN_ENTRIES if claim.attempt == 1 else 0.0
    heart, pack = Heart(claim), retrieval.method == Method.TAR_GZ
    done: list[RetrievalFile] = []
    entry_due = time.monotonic() + patience
    unread = layouts.unread(retrieval)
    files = unread.order_by("position").iterator(chunk_size=500)
    for file in measuring.each(files, heart.beat, together=claim.attempt == 1, pack=pack):
        done.append(file)
        now = time.monotonic()
        if now >= min(entry_due, deadline):
            _enter(claim, done, last=now >= deadline)
            done, entry_due = [], now + patience
        if now >= deadline:
            return not unread.exists()
    _enter(claim, done, last=False)
    return True


def _with_this_compressor(claim: Claim) -> Retrieval:
    """The retrieval; what another compressor has measured of its files is forgotten."""
    with transaction.atomic():
        retrieval = claim.held()
        if retrieval.method == Method.TAR_GZ and retrieval.compressor != compression.name():
            retrieval.files.update(packed=None)
            retrieval.compressor = compression.name()
            retrieval.save(update_fields=["compressor"])
    return retrieval


def _enter(claim: Claim, done: list[RetrievalFile], *, last: bool) -> None:
    """Write down what was read: in the retrieval's rows, and in the archive's for the next retrieval."""
    with transaction.atomic():
        retrieval = claim.held()
        columns = ["mtime_ns", "etag", "crc32", "sha256", "packed", "outcome", "reason"]
        RetrievalFile.objects.bulk_update(done, columns, batch_size=500)
        for file in done:
            if file.outcome == Outcome.PENDING:
                StoredFile.objects.filter(product=file.product_id, path=file.source).update(
                    size=file.size, mtime_ns=file.mtime_ns, etag=file.etag, crc32=file.crc32, sha256=file.sha256
                )
        PackedSize.objects.bulk_create(_packed(done, retrieval.compressor), ignore_conflicts=True)
        retrieval.lease = None if last else timezone.now() + LEASE
        retrieval.attempts = 0 if done else retrieval.attempts
        retrieval.failed += sum(file.outcome == Outcome.FAILED for file in done)
        retrieval.save(update_fields=["lease", "attempts", "failed"])


def _packed(done: list[RetrievalFile], compressor: str) -> list[PackedSize]:
    """What is remembered of how their contents pack."""
    return [
        PackedSize(sha256=file.sha256, size=file.size, compressor=compressor, packed=file.packed)
        for file in done
        if file.packed is not None and file.size is not None
    ]


def _set_aside_next(claim: Claim) -> None:
    """The next file was begun by every attempt and finished by none."""
    with transaction.atomic():
        retrieval = claim.held()
        file = layouts.unread(retrieval).order_by("position").first()
        if file is None:
            return
        file.outcome = Outcome.FAILED
        file.reason = f"Reading this file stopped the reader {MOST_ATTEMPTS} times. Ask the archive's operators."
        file.save(update_fields=["outcome", "reason"])
        retrieval.attempts, retrieval.failed = 0, retrieval.failed + 1
        retrieval.save(update_fields=["attempts", "failed"])


def _finish(claim: Claim, now: datetime) -> None:
    """Every file is read: the bundle is laid out and has a length, or there is nothing to send.

    Laying out takes seconds where files are many, so nobody waits for the row meanwhile; nobody but us changes it.
    """
    retrieval = Retrieval.objects.select_related("owner", "split").get(pk=claim.retrieval_id)
    some = retrieval.files.filter(outcome=Outcome.PENDING).exists()
    laid_out = layouts.lay_out(retrieval, Heart(claim).beat) if some else None
    with transaction.atomic():
        retrieval = claim.held()
        layouts.recount(retrieval)
        if laid_out is not None:
            layouts.adopt(retrieval, laid_out)
        else:
            layouts.unsettle(retrieval)
            retrieval.mark_error(NOTHING, now)
        retrieval.lease, retrieval.attempts = None, 0
        retrieval.save()
