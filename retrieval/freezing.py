"""Giving every file of a retrieval its row: where it will lie in the delivery, who may have it, where its bytes are."""

import os
from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import Sum
from django.db.models.expressions import RawSQL

from basket.cube import Ints
from basket.manifests import products
from portal import access
from portal.archives import archive
from portal.archives.base import StoredBytes
from portal.errors import Problem
from portal.models import Membership, Product
from portal.quantities import format_size
from portal.remote.addresses import is_remote
from retrieval import bundle, manifest
from retrieval.fetching import UNREADABLE, is_readable, unreadable
from retrieval.models import Method, Outcome, PackedSize, Retrieval, RetrievalFile
from retrieval.paths import UniquePaths, component, delivery_path

CHUNK = 5000

NO_BYTES = "The archive has no bytes for this file."
NOT_LISTED = "The archive no longer lists this file."
NOTHING = "None of the files can be delivered; the list says why for each."


class Frozen(NamedTuple):
    """What a new row says of its file, beside its place and name."""

    outcome: Outcome
    reason: str = ""
    public_on: date | None = None
    source: str = ""
    size: int | None = None
    mtime_ns: int | None = None
    crc32: int | None = None
    sha256: str = ""
    etag: str = ""
    packed: int | None = None


class Row(NamedTuple):
    """A file that is about to get its row."""

    position: int
    path: str
    product: Product
    frozen: Frozen


class Freezer:
    """Freezes the files of one retrieval in order, for somebody at a moment; goes on where another left off."""

    def __init__(
        self, retrieval: Retrieval, user: access.User, now: datetime, origin: Retrieval | None = None
    ) -> None:
        """`origin` had the same files before: what it knew of one that is gone is told again."""
        self._retrieval = retrieval
        self._now = now
        self._origin = origin
        self._granted = access.granted_programs(user, now)
        self._unique = UniquePaths(manifest.NAMES)
        if retrieval.frozen:
            written = retrieval.files.order_by("position").values_list("path", flat=True)
            for path in written.iterator(chunk_size=CHUNK):
                self._unique.add(path)

    def rows(self, keys: Ints) -> list[Row]:
        """The rows of the products with these keys, which come next."""
        found = self._products(keys)
        located = _located(found)
        judged = [
            _frozen(product, located.get((product.archive, product.dataURI)), self._granted, self._now)
            for product in found
        ]
        if self._retrieval.method == Method.TAR_GZ:
            judged = _packed(judged, self._retrieval.compressor)
        return [
            Row(position, self._unique.add(self._path(product)), product, frozen)
            for position, (product, frozen) in enumerate(
                zip(found, judged, strict=True), start=self._retrieval.frozen
            )
        ]

    def write(self, rows: Iterable[Row]) -> None:
        """Give them their rows. The caller holds the retrieval and saves it."""
        counts = Counter(row.frozen.outcome for row in rows)
        _write(self._retrieval, rows)
        self._retrieval.frozen += counts.total()
        self._retrieval.denied += counts[Outcome.DENIED]
        self._retrieval.failed += counts[Outcome.FAILED]

    def _path(self, product: Product) -> str:
        if self._retrieval.layout == "flat":
            return component(product.productFilename)
        return delivery_path(product.obs_collection, product.obs_id, product.productFilename)

    def _products(self, keys: Ints) -> list[Product]:
        """The products as the catalogue has them now; one that is gone comes with a blank archive."""
        stored = products(keys).in_bulk()
        missing = [pk for pk in keys.tolist() if pk not in stored]
        if missing:
            known = (
                self._origin.files.filter(product_id__in=missing) if self._origin else RetrievalFile.objects.none()
            )
            told = {pk: (uri, path) for pk, uri, path in known.values_list("product_id", "uri", "path")}
            stored |= {pk: _gone(pk, *told.get(pk, (f"deleted:{pk}", f"deleted/deleted/{pk}"))) for pk in missing}
        return [stored[pk] for pk in keys.tolist()]


def freeze_all(
    retrieval: Retrieval, keys: Ints, user: access.User, now: datetime, origin: Retrieval | None = None
) -> None:
    """Give all files their rows at once. The caller holds the retrieval and saves it."""
    freezer = Freezer(retrieval, user, now, origin)
    for start in range(0, len(keys), CHUNK):
        freezer.write(freezer.rows(keys[start : start + CHUNK]))


def conclude(retrieval: Retrieval, observations: Ints, now: datetime) -> None:
    """Every file has its row: give the retrieval its numbers, and its phase QUEUED, or ERROR without anything to send.

    `observations` are the keys of those that list the files. The caller holds the retrieval and saves it. Raises
    Problem (413) for a bundle above STREAM_LIMIT_BYTES.
    """
    deliverable = retrieval.files.filter(outcome=Outcome.PENDING).aggregate(bytes=Sum("size", default=0))["bytes"]
    if retrieval.is_bundle and deliverable > settings.STREAM_LIMIT_BYTES:
        raise too_large(deliverable)
    bundle.recount(retrieval)
    retrieval.bytes = deliverable
    retrieval.duplicates += _duplicates(retrieval, observations)
    retrieval.mark_queued()
    if retrieval.is_bundle and not retrieval.pending:
        retrieval.mark_error(NOTHING, now)


def too_large(size: int, way: str = "Select fewer, for example one observation at a time.") -> Problem:
    """That so many bytes are more than one bundle may hold."""
    return Problem(
        f"The selected files hold {format_size(size)}; one download may hold at most "
        f"{format_size(settings.STREAM_LIMIT_BYTES)}. {way}",
        code="too_large",
        status=413,
    )


def _duplicates(retrieval: Retrieval, observations: Ints) -> int:
    """How many more rows of the archive's product lists there are than files, in these observations."""
    if not len(observations):
        return 0
    listing = RawSQL("SELECT unnest(%s::bigint[])", [observations.tolist()])
    rows = Membership.objects.filter(
        product_id__in=retrieval.files.values("product_id"), observation_id__in=listing
    )
    return max(rows.count() - retrieval.requested, 0)


def _located(found: Iterable[Product]) -> dict[tuple[str, str], StoredBytes]:
    by_archive: dict[str, list[str]] = {}
    for product in found:
        by_archive.setdefault(product.archive, []).append(product.dataURI)
    return {
        (name, uri): stored
        for name, uris in by_archive.items()
        if name
        for uri, stored in archive(name).locate(uris).items()
    }


def _frozen(product: Product, stored: StoredBytes | None, granted: set[tuple[str, str]], now: datetime) -> Frozen:
    verdict = access.judge(product, granted, now)
    if not verdict.ok:
        return Frozen(Outcome.DENIED, verdict.reason, verdict.public_on, size=product.size)
    if stored is None:
        return Frozen(Outcome.FAILED, NO_BYTES if product.archive else NOT_LISTED, size=product.size)
    if is_remote(stored.path):
        return _frozen_remote(product, stored)
    try:
        found = os.lstat(stored.path)  # half the time of Path(path).stat(), and there may be 500,000
    except OSError as error:
        return Frozen(Outcome.FAILED, unreadable(error), size=product.size)
    promised = stored.size if product.size is None else product.size
    if found.st_size != promised:
        reason = f"This file has {found.st_size:,} bytes on disk, but {promised:,} in the archive's catalogue."
        return Frozen(Outcome.FAILED, reason, size=product.size)
    if not is_readable(found, stored.path):
        return Frozen(Outcome.FAILED, UNREADABLE, size=product.size)
    known = (found.st_size, found.st_mtime_ns) == (stored.size, stored.mtime_ns)
    return Frozen(
        Outcome.PENDING,
        source=stored.path,
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
        crc32=stored.crc32 if known and stored.sha256 else None,
        sha256=stored.sha256 if known else "",
    )


def _frozen_remote(product: Product, stored: StoredBytes) -> Frozen:
    """As it was when last looked at: thousands of questions to a store would take minutes.

    The store is asked before the first byte (retrieval.delivery).
    """
    if product.size not in {None, stored.size}:
        reason = (
            f"This file has {stored.size:,} bytes in its store, but {product.size:,} in the archive's catalogue."
        )
        return Frozen(Outcome.FAILED, reason, size=product.size)
    return Frozen(
        Outcome.PENDING,
        source=stored.path,
        size=stored.size,
        mtime_ns=stored.mtime_ns,
        crc32=stored.crc32 if stored.sha256 else None,
        sha256=stored.sha256,
        etag=stored.etag,
    )


def _packed(rows: list[Frozen], compressor: str) -> list[Frozen]:
    """The same with what is remembered of how their contents pack."""
    wanted = {row.sha256 for row in rows if row.sha256}
    known = PackedSize.objects.filter(compressor=compressor, sha256__in=wanted)
    sizes = {(sha256, size): packed for sha256, size, packed in known.values_list("sha256", "size", "packed")}
    return [row._replace(packed=sizes.get((row.sha256, row.size or 0))) for row in rows]


def _write(retrieval: Retrieval, rows: Iterable[Row]) -> None:
    """By COPY: 500,000 rows are minutes as INSERTs."""
    columns = (
        "retrieval_id, position, product_id, uri, path, access, outcome, reason, public_on, "
        "source, size, mtime_ns, crc32, sha256, etag, packed"
    )
    table = RetrievalFile._meta.db_table
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        for position, path, product, frozen in rows:
            outcome, *rest = frozen
            named = (retrieval.pk, position, product.pk, product.dataURI, path, product.dataRights)
            copy.write_row((*named, outcome.value, *rest))


def _gone(product_id: int, uri: str, path: str) -> Product:
    mission, observation, name = ["", "", *path.split("/")][-3:]
    return Product(
        pk=product_id, archive="", dataURI=uri, obs_collection=mission, obs_id=observation, productFilename=name
    )
