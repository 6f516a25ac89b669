"""The bundle of a retrieval, laid out from its frozen files: what is in it and where the bytes lie.

It is laid out once, into a file (retrieval.layout) from which every request is answered; the rows are the record, and
a layout that is not there is made again from them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import NamedTuple

from django.db.models import Count, Q, QuerySet, Sum

from basket.ledger import snapshot
from portal.errors import Problem
from portal.remote.addresses import is_remote
from retrieval import compression, manifest
from retrieval.fetching import Reader, Sources
from retrieval.gzplan import STORED, GzipPlan
from retrieval.layout import folder
from retrieval.layout.reading import Layout, StoredArchive, StoredGzip
from retrieval.layout.writing import LaidFile, LayoutWriter, Packing
from retrieval.models import Method, Outcome, PackedSize, Retrieval, RetrievalFile
from retrieval.packing import PackingReader, PieceReader, plain_reader, unpacked
from retrieval.ranges import Span
from retrieval.tarplan import TarFormat, TarPlan
from retrieval.zipplan import ZipFormat

OPEN = (Outcome.PENDING, Outcome.DELIVERED, Outcome.SKIPPED)
"""Outcomes of files that are, or may again be, in the bundle: not those that cannot be had."""

FRAMINGS: dict[Method, type[ZipFormat] | type[TarFormat]] = {
    Method.ZIP: ZipFormat,
    Method.TAR: TarFormat,
    Method.TAR_GZ: TarFormat,
}
"""What frames the members, by the way the files travel."""

AT_ONCE = 5000
"""Rows between two beats of whoever lays out."""

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
    packed: int | None
    access: str
    public_on: date | None
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """A laid-out bundle. Member i of the plan is the file at `positions[i]`; the manifests follow the last."""

    plan: StoredArchive | StoredGzip | TarPlan
    sources: Sources
    positions: Sequence[int]
    product_ids: Sequence[int]
    bytes: int

    @classmethod
    def of(cls, layout: Layout) -> "Bundle":
        """From its layout."""
        return cls(layout.plan, layout.sources, layout.positions, layout.product_ids, layout.bytes)

    def reader(self, *spans: Span) -> PieceReader:
        """What reads the pieces of its plan, for one stream; those in the spans are read ahead from stores."""
        coming = chain.from_iterable(self.plan.segments(*span) for span in spans)
        if isinstance(self.plan, GzipPlan):
            reader = Reader(self.sources, unpacked(self.plan, coming))
            return PackingReader(self.plan, reader, compression.new)
        return plain_reader(self.sources, coming)

    def completed_by(self, new: Span, around: Span) -> tuple[int, int] | None:
        """Positions of the first and last file that the bytes `new` completed; `around`: all that was sent there."""
        whole, every = self.plan.members_within(*around), range(len(self.positions))
        low = bisect_right(every, new[0], key=lambda index: self.plan.member_span(index)[1])
        high = bisect_left(every, new[1], key=lambda index: self.plan.member_span(index)[0])
        low, high = max(low, whole.start), min(high, whole.stop)
        return (self.positions[low], self.positions[high - 1]) if low < high else None


def load(retrieval: Retrieval) -> Bundle:
    """The bundle of a retrieval whose files are all measured, as it was laid out; laid out now where it was not.

    Raises Problem (409) when the compressor that its packed sizes are of is no longer here.
    """
    _check_compressor(retrieval)
    known = folder.find(retrieval.pk, retrieval.etag)
    if known is None:
        with folder.alone(retrieval.pk):
            known = folder.find(retrieval.pk, retrieval.etag)
            return Bundle.of(known) if known else lay_out(retrieval)
    return Bundle.of(known)


def lay_out(retrieval: Retrieval, beat: Callable[[], None] = lambda: None) -> Bundle:
    """Lay the bundle out from the rows as they are. The same rows give the same bytes.

    `beat` is called every second or so. Raises Problem (409) as `load` does, OSError when there is no room.
    """
    _check_compressor(retrieval)
    packing = Packing(compression.new, compression.name()) if retrieval.method == Method.TAR_GZ else None
    framing = FRAMINGS[Method(retrieval.method)](retrieval.created)
    with ExitStack() as stack:
        writer = stack.enter_context(LayoutWriter(folder.folder(), framing, packing))
        stack.enter_context(snapshot())
        spools = [writer.spool() for _ in manifest.NAMES]
        listing = manifest.Writer(_summary(retrieval), spools)
        rows = retrieval.files.order_by("position").values_list(*Row._fields)
        for number, row in enumerate(map(Row._make, rows.iterator(chunk_size=AT_ONCE))):
            if number % AT_ONCE == 0:
                beat()
            listing.add(_listed(row))
            if row.outcome in OPEN:
                writer.add(_laid(row, packed=packing is not None))
        listing.finish()
        for name, spool in zip(manifest.NAMES, spools, strict=True):
            writer.add_inline(name, spool)
        return Bundle.of(writer.publish(lambda etag: folder.place(retrieval.pk, etag)))


def settle(retrieval: Retrieval) -> Bundle:
    """Lay the bundle out as the files now are, and `adopt` it. The caller holds the row and saves it."""
    bundle = lay_out(retrieval)
    adopt(retrieval, bundle)
    return bundle


def adopt(retrieval: Retrieval, bundle: Bundle) -> None:
    """Store length and ETag of a bundle; what had left of another bundle counts no more.

    The caller holds the row and saves it.
    """
    retrieval.bytes = bundle.bytes
    if retrieval.etag != bundle.plan.etag:
        retrieval.relaid = retrieval.relaid or retrieval.started is not None
        retrieval.sent_ranges, retrieval.bytes_sent = [], 0
    retrieval.length, retrieval.etag = bundle.plan.length, bundle.plan.etag


def unsettle(retrieval: Retrieval) -> None:
    """There is nothing to send: no length, no ETag. The caller holds the row and saves it."""
    retrieval.length, retrieval.etag, retrieval.bytes = None, "", 0
    retrieval.sent_ranges, retrieval.bytes_sent = [], 0


def recount(retrieval: Retrieval) -> None:
    """Count the outcomes anew: the numbers of a retrieval are those of its rows. The caller saves it.

    Files that had not yet got a row when it ended were skipped.
    """
    counts = dict(retrieval.files.order_by().values_list("outcome").annotate(Count("pk")))
    unwritten = retrieval.requested - sum(counts.values())
    retrieval.delivered = counts.get(Outcome.DELIVERED, 0)
    retrieval.denied = counts.get(Outcome.DENIED, 0)
    retrieval.failed = counts.get(Outcome.FAILED, 0)
    retrieval.skipped = counts.get(Outcome.SKIPPED, 0) + (unwritten if retrieval.is_ended else 0)


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
    found = unread(retrieval).aggregate(files=Count("pk"), bytes=Sum("size", default=0))
    return found["files"], found["bytes"]


def unread(retrieval: Retrieval) -> QuerySet[RetrievalFile]:
    """The files that must be read before the bundle has a length: for their checksums, or to know how they pack."""
    lacking = Q(crc32=None)
    if retrieval.method == Method.TAR_GZ:
        lacking |= Q(packed=None)
    return RetrievalFile.objects.filter(lacking, retrieval=retrieval, outcome=Outcome.PENDING)


def store_uncompressed(file: RetrievalFile, compressor: str) -> None:
    """The compressor does not give the same bytes twice for this content: store it, here and from now on."""
    assert file.size is not None
    file.packed = STORED
    file.save(update_fields=["packed"])
    known = PackedSize.objects.filter(sha256=file.sha256, size=file.size, compressor=compressor)
    known.update(packed=STORED)


def _check_compressor(retrieval: Retrieval) -> None:
    if retrieval.method == Method.TAR_GZ and retrieval.compressor != compression.name():
        message = (
            f"{retrieval.name} was measured with another compressor than this server now has, so it cannot go on. "
            "Retrieve the same selection again."
        )
        raise Problem(message, code="changed", status=409)


def _laid(row: Row, *, packed: bool) -> LaidFile:
    assert row.size is not None
    assert row.mtime_ns is not None
    assert row.crc32 is not None
    assert row.packed is not None or not packed
    size = (row.packed or 0) if packed else 0
    etag = row.etag if is_remote(row.source) else None
    return LaidFile(
        row.path, row.size, row.crc32, row.source, row.mtime_ns, row.position, row.product_id, size, etag
    )


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


def _summary(retrieval: Retrieval) -> manifest.Summary:
    """The delivery as its manifest counts it: what is in the bundle counts as delivered."""
    counts = dict(retrieval.files.order_by().values_list("outcome").annotate(Count("pk")))
    told = {outcome: number for outcome, number in counts.items() if outcome not in OPEN}
    told[Outcome.DELIVERED.value] = sum(counts.values()) - sum(told.values())
    return manifest.Summary.counted(
        told,
        name=retrieval.name,
        created=retrieval.created,
        user=retrieval.owner.get_username() if retrieval.owner else "anonymous",
        duplicates=retrieval.duplicates,
        part=_part(retrieval),
    )


def _part(retrieval: Retrieval) -> manifest.Part | None:
    if retrieval.split is None:
        return None
    return manifest.Part(retrieval.part, retrieval.parts, retrieval.split.observations)
