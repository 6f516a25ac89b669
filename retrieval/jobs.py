"""Reading files whose checksums are not known, before a bundle has a length. The rows are the job.

A message or the tick only says "look": who claims the row gets a lease and the next epoch, writes nothing once the
epoch has moved on, and works in slices of seconds. A worker that dies leaves its lease to run out.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, islice

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from portal.archives.base import StoredBytes
from portal.archives.local import measure as read_whole
from portal.archives.local import measure_remote
from portal.models import StoredFile
from portal.remote.addresses import is_remote
from retrieval import bundle as layouts
from retrieval.fetching import unreadable
from retrieval.models import Method, Outcome, Phase, Retrieval, RetrievalFile
from retrieval.plan import NOTHING

LITTLE_BYTES = 200_000_000
"""So much is read at once, inside the request that asks for it: about a second."""

SLICE_SECONDS = 5.0
LEASE = timedelta(seconds=60)
SECONDS_BETWEEN_ENTRIES = 0.5

READ_TOGETHER = 100
"""So many neighbours in stores are looked at together and read ahead."""

MOST_ATTEMPTS = 5
"""So many claims without one file read: the next file stops whoever reads it, and is set aside."""


class Lost(Exception):
    """The job is no longer ours: somebody else claimed it, or it was cancelled."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a retrieval, until the lease runs out or the epoch moves on."""

    retrieval_id: str
    epoch: int
    attempt: int


def measure_little(retrieval: Retrieval) -> bool:
    """Read at once what is quickly read. True when the retrieval needs no worker (any more)."""
    if retrieval.phase != Phase.QUEUED or retrieval.length is not None or retrieval.method == Method.SCRIPT:
        return True
    if layouts.unmeasured(retrieval)[1] > LITTLE_BYTES or _is_far(retrieval):
        return False
    more = measure(retrieval.pk, seconds=float("inf"))
    retrieval.refresh_from_db()
    return not more


def _is_far(retrieval: Retrieval) -> bool:
    """Whether a store is to be waited for."""
    return retrieval.files.filter(source__regex="^(https?|s3)://", outcome=Outcome.PENDING, crc32=None).exists()


def measure(retrieval_id: str, *, seconds: float = SLICE_SECONDS) -> bool:
    """One slice of reading. True when there is more to read: whoever called rings again.

    Does nothing, and says False, for a retrieval that needs no reading or that somebody else is reading.
    """
    claim = _claim(retrieval_id, timezone.now())
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


def due(now: datetime) -> list[str]:
    """Retrievals that wait to be read and that nobody is reading, oldest first; at most 50."""
    waiting = Retrieval.objects.filter(_is_free(now), phase=Phase.QUEUED, length=None)
    return list(waiting.order_by("created").values_list("pk", flat=True)[:50])


def _is_free(now: datetime) -> Q:
    return (Q(lease=None) | Q(lease__lt=now)) & ~Q(method=Method.SCRIPT)


def _claim(retrieval_id: str, now: datetime) -> Claim | None:
    """Attempts count the claims since a file was last read, so a file that kills its reader is found by them."""
    with transaction.atomic():
        free = Retrieval.objects.filter(_is_free(now), pk=retrieval_id, phase=Phase.QUEUED, length=None)
        retrieval = free.select_for_update(skip_locked=True).first()
        if retrieval is None:
            return None
        retrieval.epoch += 1
        retrieval.attempts += 1
        retrieval.lease = now + LEASE
        retrieval.save(update_fields=["epoch", "attempts", "lease"])
    return Claim(retrieval.pk, retrieval.epoch, retrieval.attempts)


def _held(claim: Claim) -> Retrieval:
    """The row, locked, if it is still ours."""
    ours = Retrieval.objects.filter(pk=claim.retrieval_id, epoch=claim.epoch, phase=Phase.QUEUED)
    retrieval = ours.select_for_update().first()
    if retrieval is None:
        raise Lost
    return retrieval


def _unread(claim: Claim) -> QuerySet[RetrievalFile]:
    files = RetrievalFile.objects.filter(retrieval=claim.retrieval_id, outcome=Outcome.PENDING, crc32=None)
    return files.order_by("position")


def _work(claim: Claim, deadline: float) -> bool:
    """Read files in order until the deadline. True when none is left.

    After a failed attempt each file is written down by itself: the first one not written down is then the culprit.
    """
    patience = SECONDS_BETWEEN_ENTRIES if claim.attempt == 1 else 0.0
    heart = _Heart(claim)
    read: list[RetrievalFile] = []
    entry_due = time.monotonic() + patience
    for file in _each_read(_unread(claim).iterator(chunk_size=500), heart, together=claim.attempt == 1):
        read.append(file)
        now = time.monotonic()
        if now >= min(entry_due, deadline):
            _enter(claim, read, last=now >= deadline)
            read, entry_due = [], now + patience
        if now >= deadline:
            return not _unread(claim).exists()
    _enter(claim, read, last=False)
    return True


class _Heart:
    """Renews the lease while a large file is read, every tenth of its length in time."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._due = time.monotonic() + LEASE.total_seconds() / 10

    def beat(self, count: int) -> None:
        """So many bytes were read. Raises Lost when the job is no longer ours."""
        del count
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + LEASE.total_seconds() / 10
        ours = Retrieval.objects.filter(pk=self._claim.retrieval_id, epoch=self._claim.epoch, phase=Phase.QUEUED)
        if not ours.update(lease=timezone.now() + LEASE):
            raise Lost


def _each_read(files: Iterable[RetrievalFile], heart: _Heart, *, together: bool) -> Iterator[RetrievalFile]:
    """Measure one file after another, in memory; `together`: neighbours in stores are read ahead."""
    for remote, some in groupby(files, key=lambda file: is_remote(file.source)):
        while neighbours := list(islice(some, READ_TOGETHER if remote and together else 1)):
            if len(neighbours) == 1:
                _read(neighbours[0], heart)
                yield neighbours[0]
                continue
            with closing(measure_remote([file.source for file in neighbours], heart.beat)) as measured:
                for file, found in zip(neighbours, measured, strict=True):
                    _note(file, found)
                    yield file


def _read(file: RetrievalFile, heart: _Heart) -> None:
    try:
        _note(file, read_whole(file.source, heart.beat))
    except OSError as error:
        _note(file, error)


def _note(file: RetrievalFile, found: StoredBytes | OSError) -> None:
    """A file that cannot be read fails, and only that one."""
    if isinstance(found, OSError):
        file.outcome, file.reason = Outcome.FAILED, unreadable(found)
        return
    if found.size != file.size:
        file.outcome = Outcome.FAILED
        file.reason = f"This file has {found.size:,} bytes in the archive instead of {file.size:,}."
        return
    file.mtime_ns, file.etag = found.mtime_ns, found.etag
    file.crc32, file.sha256 = found.crc32, found.sha256


def _enter(claim: Claim, read: list[RetrievalFile], *, last: bool) -> None:
    """Write down what was read: in the retrieval's rows, and in the archive's for the next retrieval."""
    with transaction.atomic():
        retrieval = _held(claim)
        columns = ["mtime_ns", "etag", "crc32", "sha256", "outcome", "reason"]
        RetrievalFile.objects.bulk_update(read, columns, batch_size=500)
        for file in read:
            if file.outcome == Outcome.PENDING:
                StoredFile.objects.filter(product=file.product_id, path=file.source).update(
                    size=file.size, mtime_ns=file.mtime_ns, etag=file.etag, crc32=file.crc32, sha256=file.sha256
                )
        retrieval.lease = None if last else timezone.now() + LEASE
        retrieval.attempts = 0 if read else retrieval.attempts
        retrieval.failed += sum(file.outcome == Outcome.FAILED for file in read)
        retrieval.save(update_fields=["lease", "attempts", "failed"])


def _set_aside_next(claim: Claim) -> None:
    """The next file was begun by every attempt and finished by none."""
    with transaction.atomic():
        retrieval = _held(claim)
        file = _unread(claim).first()
        if file is None:
            return
        file.outcome = Outcome.FAILED
        file.reason = f"Reading this file stopped the reader {MOST_ATTEMPTS} times. Ask the archive's operators."
        file.save(update_fields=["outcome", "reason"])
        retrieval.attempts, retrieval.failed = 0, retrieval.failed + 1
        retrieval.save(update_fields=["attempts", "failed"])


def _finish(claim: Claim, now: datetime) -> None:
    """Every file is read: the bundle has a length, or there is nothing to send."""
    with transaction.atomic():
        retrieval = _held(claim)
        layouts.recount(retrieval)
        if retrieval.pending:
            layouts.settle(retrieval)
        else:
            layouts.unsettle(retrieval)
            retrieval.mark_error(NOTHING, now)
        retrieval.lease, retrieval.attempts = None, 0
        retrieval.save()
