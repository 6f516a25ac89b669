"""The retrievals of a person: whose they are, what to say of each, and what the archive has changed since."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Count, Max, Min, QuerySet

from portal import access
from portal.errors import Problem
from portal.models import Product, StoredFile
from portal.quantities import counted, format_size
from retrieval.bundle import unmeasured
from retrieval.models import Method, Outcome, Phase, Retrieval, RetrievalFile

LONGEST_WAIT_SECONDS = 30.0
SHORTEST_SLEEP_SECONDS = 0.1
LONGEST_SLEEP_SECONDS = 5.0

MOST_CHANGES = 1000
CHUNK = 5000


def visible(user: access.User, key: str) -> QuerySet[Retrieval]:
    """What this person may see, newest first: their own when signed in, else those of this stranger's key."""
    if user.is_authenticated:
        mine = Retrieval.objects.filter(owner_id=user.pk)
    else:
        mine = Retrieval.objects.filter(owner=None, key=key) if key else Retrieval.objects.none()
    return mine.order_by("-created", "-pk")


def take_over(key: str, user: access.User) -> None:
    """What the stranger with this key retrieved is this person's from now on."""
    Retrieval.objects.filter(owner=None, key=key).update(owner_id=user.pk)


def find(user: access.User, key: str, retrieval_id: str) -> Retrieval:
    """One of them. Raises Problem (404) alike for what is somebody else's and for what never was."""
    retrieval = visible(user, key).select_related("owner").filter(pk=retrieval_id).first()
    if retrieval is None:
        raise Problem("There is no such download among yours.", code="not_found", status=404)
    return retrieval


def siblings(retrieval: Retrieval) -> list[Retrieval]:
    """All parts of the request that a retrieval is of, in order, each as it was last asked for; itself if undivided."""
    if retrieval.split_id is None:
        return [retrieval]
    return list(Retrieval.objects.filter(split=retrieval.split_id).order_by("part", "-created").distinct("part"))


def etags(keys: Iterable[str]) -> dict[str, str]:
    """The ETags of those of these retrievals that there are."""
    return dict(Retrieval.objects.filter(pk__in=list(keys)).values_list("pk", "etag"))


def wait_while(retrieval: Retrieval, phase: str, seconds: float) -> None:
    """Return when the retrieval has left the phase, has become ready, or `seconds` (at most 30) are over.

    As in UWS 1.1 (WAIT and PHASE); sleeps between looks, without a database connection.
    """
    deadline = time.monotonic() + min(seconds, LONGEST_WAIT_SECONDS)
    sleep = SHORTEST_SLEEP_SECONDS
    was_ready = is_ready(retrieval)
    while retrieval.phase == phase and is_ready(retrieval) == was_ready and time.monotonic() < deadline:
        if not connection.in_atomic_block:
            connection.close()
        time.sleep(max(min(sleep, deadline - time.monotonic()), 0))
        sleep = min(sleep * 1.5, LONGEST_SLEEP_SECONDS)
        retrieval.refresh_from_db()


def is_ready(retrieval: Retrieval) -> bool:
    """Whether its bundle or script can be downloaded now."""
    if retrieval.method == Method.SCRIPT:
        return retrieval.phase not in {Phase.PENDING, Phase.ABORTED, Phase.ARCHIVED}
    return retrieval.length is not None and retrieval.phase not in {Phase.ABORTED, Phase.ARCHIVED}


def headline(retrieval: Retrieval) -> str:
    """The truth about a retrieval in one or two sentences, as in "398 of 407 files delivered; 9 are …"."""
    match retrieval.phase:
        case Phase.PENDING:
            parts = [f"Preparing: {_of(retrieval, retrieval.frozen)} looked at"]
        case _ if retrieval.method == Method.SCRIPT:
            parts = [f"{_of(retrieval, retrieval.delivered + retrieval.pending)} can be fetched with the script"]
        case Phase.QUEUED if retrieval.length is None:
            parts = [_awaited(retrieval)]
        case Phase.QUEUED:
            parts = [f"{_of(retrieval, retrieval.pending)} ready to download"]
        case Phase.EXECUTING:
            sent = f"{format_size(retrieval.bytes_sent)} of {format_size(retrieval.length)} sent"
            parts = [f"{_of(retrieval, retrieval.delivered)} delivered so far, {sent}"]
        case _:
            parts = [f"{_of(retrieval, retrieval.delivered)} delivered"]
    parts += [part for part in (_denied(retrieval), _failed(retrieval), _skipped(retrieval)) if part]
    said = "; ".join(parts) + "."
    if retrieval.phase == Phase.ABORTED:
        return f"Cancelled. {said}"
    return f"{retrieval.message} {said}" if retrieval.message else said


def conservation(retrieval: Retrieval) -> str:
    """The conservation law with this retrieval's numbers."""
    parts = [(retrieval.delivered, "delivered"), (retrieval.denied, "denied"), (retrieval.failed, "failed")]
    parts.append((retrieval.skipped, "skipped"))
    if retrieval.pending:
        parts.append((retrieval.pending, "pending"))
    return f"{retrieval.requested:,} requested = " + " + ".join(f"{number:,} {word}" for number, word in parts)


def _awaited(retrieval: Retrieval) -> str:
    files, size = unmeasured(retrieval)
    if not files:
        return f"Preparing: the bundle of {counted(retrieval.pending, 'file')} is being laid out"
    return f"{counted(files, 'file')} ({format_size(size)}) still to be read before the download can start"


def _of(retrieval: Retrieval, number: int) -> str:
    return f"{number:,} of {counted(retrieval.requested, 'file')}"


def _denied(retrieval: Retrieval) -> str:
    if not retrieval.denied:
        return ""
    dates = retrieval.files.filter(outcome=Outcome.DENIED).aggregate(
        first=Min("public_on"), last=Max("public_on"), known=Count("public_on")
    )
    number, verb = f"{retrieval.denied:,}", "is" if retrieval.denied == 1 else "are"
    way = ", and in the script for those who give it a token" if retrieval.method == Method.SCRIPT else ""
    if not dates["known"]:
        return f"{number} {verb} not yours to read{way}"
    if dates["known"] < retrieval.denied:
        return f"{number} {verb} not yours to read, some of them until {dates['first']}{way}"
    if dates["first"] == dates["last"]:
        return f"{number} {verb} exclusive until {dates['first']}{way}"
    return f"{number} {verb} exclusive, the first until {dates['first']}, the last until {dates['last']}{way}"


def _failed(retrieval: Retrieval) -> str:
    return f"{retrieval.failed:,} failed" if retrieval.failed else ""


def _skipped(retrieval: Retrieval) -> str:
    if not retrieval.skipped:
        return ""
    return f"{retrieval.skipped:,} {'was' if retrieval.skipped == 1 else 'were'} not sent"


@dataclass(frozen=True, slots=True)
class Change:
    """One file that is no longer as it was frozen: "changed", "gone" or "released"."""

    kind: str
    uri: str
    path: str
    size: int | None
    size_now: int | None
    sha256: str
    sha256_now: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What the archive changed since: counts of all, and the first MOST_CHANGES of them."""

    changed: int
    gone: int
    released: int
    files: list[Change]


def changes(retrieval: Retrieval, user: access.User, now: datetime) -> Changes:
    """Compare the frozen files with the catalogue: new sizes or checksums, files gone, files now readable."""
    counts = {"changed": 0, "gone": 0, "released": 0}
    listed: list[Change] = []
    granted = access.granted_programs(user, now)
    files = retrieval.files.order_by("position")
    for start in range(0, retrieval.requested, CHUNK):
        for change in _changes(list(files.filter(position__range=(start, start + CHUNK - 1))), granted, now):
            counts[change.kind] += 1
            if len(listed) < MOST_CHANGES:
                listed.append(change)
    return Changes(**counts, files=listed)


def _changes(files: list[RetrievalFile], granted: set[tuple[str, str]], now: datetime) -> list[Change]:
    keys = [file.product_id for file in files]
    products = Product.objects.in_bulk(keys)
    stored = {one.product_id: one for one in StoredFile.objects.filter(product__in=keys)}
    found = []
    for file in files:
        change = _change(file, products.get(file.product_id), stored.get(file.product_id), granted, now)
        if change is not None:
            found.append(change)
    return found


def _change(
    file: RetrievalFile,
    product: Product | None,
    stored: StoredFile | None,
    granted: set[tuple[str, str]],
    now: datetime,
) -> Change | None:
    """The rows of the local archive tell; a checksum that was not measured, then or now, tells nothing."""
    size_now = stored.size if stored is not None else product.size if product is not None else None
    sha256_now = stored.sha256 if stored is not None else ""
    if product is None or (file.source and stored is None):
        kind = "gone"
    elif file.outcome == Outcome.DENIED and access.judge(product, granted, now).ok:
        kind = "released"
    elif _differs(file, size_now, sha256_now):
        kind = "changed"
    else:
        return None
    return Change(kind, file.uri, file.path, file.size, size_now, file.sha256, sha256_now)


def _differs(file: RetrievalFile, size_now: int | None, sha256_now: str) -> bool:
    if file.size is not None and size_now not in {None, file.size}:
        return True
    return bool(file.sha256 and sha256_now and file.sha256 != sha256_now)
