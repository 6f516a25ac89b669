"""The bundle of a retrieval, laid out from its frozen files: what is in it and where the bytes lie."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from django.db.models import Count, Q, Sum

from retrieval import manifest
from retrieval.fetching import Sources
from retrieval.models import Method, Outcome, Retrieval, RetrievalFile
from retrieval.ranges import Span
from retrieval.tarplan import TarPlan
from retrieval.virtual import Inline, Member, VirtualArchive
from retrieval.zipplan import ZipPlan

OPEN = (Outcome.PENDING, Outcome.DELIVERED, Outcome.SKIPPED)
"""Outcomes of files that are, or may again be, in the bundle: not those that cannot be had."""

PLANS: dict[Method, type[ZipPlan] | type[TarPlan]] = {Method.ZIP: ZipPlan, Method.TAR: TarPlan}
"""Who lays a bundle out, by the way the files travel."""

NOT_SENT = "Not sent: the transfer ended before it came to this file."


class Row(NamedTuple):
    """The columns of a frozen file that its bundle needs, in database order."""

    position: int
    product_id: int
    uri: str
    path: str
    source: str
    size: int | None
    mtime_ns: int | None
    crc32: int | None
    sha256: str
    etag: str
    access: str
    public_on: date | None
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """A laid-out bundle. Member i of the plan is the file at `positions[i]`; the manifests follow the last."""

    plan: VirtualArchive
    sources: Sources
    positions: Sequence[int]
    product_ids: Sequence[int]
    bytes: int

    def completed_by(self, new: Span, around: Span) -> tuple[int, int] | None:
        """Positions of the first and last file that the bytes `new` completed; `around`: all that was sent there."""
        whole, every = self.plan.members_within(*around), range(len(self.positions))
        low = bisect_right(every, new[0], key=lambda index: self.plan.member_span(index)[1])
        high = bisect_left(every, new[1], key=lambda index: self.plan.member_span(index)[0])
        low, high = max(low, whole.start), min(high, whole.stop)
        return (self.positions[low], self.positions[high - 1]) if low < high else None


def load(retrieval: Retrieval) -> Bundle:
    """Lay out the bundle of a retrieval whose files are all measured. The same rows give the same bytes."""
    sources, members, listed = Sources(), list[Member](), list[manifest.FileOutcome]()
    positions, product_ids = array("L"), array("q")
    rows = retrieval.files.order_by("position").values_list(*Row._fields)
    for row in map(Row._make, rows.iterator(chunk_size=5000)):
        listed.append(_listed(row))
        if row.outcome in OPEN:
            assert row.size is not None
            assert row.mtime_ns is not None
            assert row.crc32 is not None
            positions.append(row.position)
            product_ids.append(row.product_id)
            sources.add(row.source, row.size, row.mtime_ns, row.crc32, row.etag)
            members.append(Member(row.path, row.size, row.crc32))
    plan = PLANS[Method(retrieval.method)](members, _manifests(retrieval, listed), mtime=retrieval.created)
    return Bundle(plan, sources, positions, product_ids, sum(sources.sizes))


def settle(retrieval: Retrieval) -> Bundle:
    """Store length and ETag of the bundle as the files now are; what had left of another bundle counts no more.

    The caller holds the row and saves it.
    """
    bundle = load(retrieval)
    retrieval.bytes = bundle.bytes
    if retrieval.etag != bundle.plan.etag:
        retrieval.relaid = retrieval.relaid or retrieval.started is not None
        retrieval.sent_ranges, retrieval.bytes_sent = [], 0
    retrieval.length, retrieval.etag = bundle.plan.length, bundle.plan.etag
    return bundle


def unsettle(retrieval: Retrieval) -> None:
    """There is nothing to send: no length, no ETag. The caller holds the row and saves it."""
    retrieval.length, retrieval.etag, retrieval.bytes = None, "", 0
    retrieval.sent_ranges, retrieval.bytes_sent = [], 0


def recount(retrieval: Retrieval) -> None:
    """Count the outcomes anew: the numbers of a retrieval are those of its rows. The caller saves it."""
    counts = dict(retrieval.files.order_by().values_list("outcome").annotate(Count("pk")))
    retrieval.requested = sum(counts.values())
    retrieval.delivered = counts.get(Outcome.DELIVERED, 0)
    retrieval.denied = counts.get(Outcome.DENIED, 0)
    retrieval.failed = counts.get(Outcome.FAILED, 0)
    retrieval.skipped = counts.get(Outcome.SKIPPED, 0)


def skip_pending(retrieval: Retrieval, reason: str = NOT_SENT) -> None:
    """Nothing more will be sent: what is pending was skipped. The caller recounts and saves."""
    retrieval.files.filter(outcome=Outcome.PENDING).update(outcome=Outcome.SKIPPED, reason=reason)


def reopen(retrieval: Retrieval) -> None:
    """It goes on: skipped files are pending again, and so are sent ones when the bundle begins anew."""
    stale = Q(outcome=Outcome.SKIPPED)
    if not retrieval.bytes_sent:
        stale |= Q(outcome=Outcome.DELIVERED)
    retrieval.files.filter(stale).update(outcome=Outcome.PENDING, reason="")
    recount(retrieval)


def unmeasured(retrieval: Retrieval) -> tuple[int, int]:
    """How many files must be read before the bundle has a length, and their bytes."""
    files = RetrievalFile.objects.filter(retrieval=retrieval, outcome=Outcome.PENDING, crc32=None)
    found = files.aggregate(files=Count("pk"), bytes=Sum("size", default=0))
    return found["files"], found["bytes"]


def _listed(row: Row) -> manifest.FileOutcome:
    """The file as the manifest inside the bundle tells it: what is in the bundle has arrived when that is read."""
    gone = row.outcome not in OPEN
    return manifest.FileOutcome(
        uri=row.uri,
        path=row.path,
        size=row.size,
        sha256=row.sha256,
        access=row.access,
        outcome=row.outcome if gone else Outcome.DELIVERED.value,
        reason=row.reason if gone else "",
        public_on=row.public_on,
    )


def _manifests(retrieval: Retrieval, listed: list[manifest.FileOutcome]) -> list[Inline]:
    summary = manifest.Summary.of(
        listed,
        name=retrieval.name,
        created=retrieval.created,
        user=retrieval.owner.get_username() if retrieval.owner else "anonymous",
        duplicates=retrieval.duplicates,
    )
    return [
        Inline(manifest.HTML_NAME, manifest.html(summary, listed)),
        Inline(manifest.JSON_NAME, manifest.json_bytes(summary, listed)),
        Inline(manifest.SHA256_NAME, manifest.sha256sums(listed)),
    ]
