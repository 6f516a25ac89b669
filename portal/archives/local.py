"""The archive whose catalogue and files are our own."""

import errno
import hashlib
import os
import stat
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import fields
from itertools import islice

from django.db import transaction
from django.db.models import F, Q, QuerySet

from portal import models
from portal.archives.base import (
    OBSERVATION_COLUMNS,
    PRODUCT_COLUMNS,
    Criteria,
    Observation,
    Product,
    StoredBytes,
)
from portal.remote import measuring
from portal.remote.addresses import is_remote
from portal.sky import footprint_of, overlaps_cone
from portal.sky_query import cone_q

CHUNK = 2_000
BLOCK = 4 << 20

# Where the columns of a product row stand, seen from the membership
OF_THE_FILE = {
    "obs_collection", "description", "dataURI", "productType", "productSubGroupDescription",
    "productDocumentationURL", "project", "proposal_id", "productFilename", "size", "dataRights",
}  # fmt: skip
PRODUCT_FIELDS = [
    "observation__obsid" if name == "parent_obsid" else f"product__{name}" if name in OF_THE_FILE else name
    for name in PRODUCT_COLUMNS
]


class LocalArchive:
    """Observations, products and bytes that `ingest` loaded."""

    name = "local"
    label = "Local archive"

    def observations(self, criteria: Criteria) -> Iterator[Observation]:
        """The observations that match, by mission and name. A cone selects the footprints that it touches."""
        rows = matching(self.name, criteria).values_list(*OBSERVATION_COLUMNS).iterator(chunk_size=CHUNK)
        while some := [Observation(*row) for row in islice(rows, CHUNK)]:
            yield from _touched(some, criteria)

    def products(self, obsids: Sequence[str]) -> Iterator[Product]:
        """The product rows of each observation in turn, in the order in which they were loaded."""
        for obsid in dict.fromkeys(obsids):
            listed = models.Membership.objects.filter(observation__archive=self.name, observation__obsid=obsid)
            rows = listed.order_by("pk").values_list(*PRODUCT_FIELDS)
            yield from (Product(*row) for row in rows.iterator(chunk_size=CHUNK))

    def locate(self, uris: Sequence[str]) -> dict[str, StoredBytes]:
        """Where the bytes lie and what was measured of them; a file without bytes is left out."""
        columns = [field.name for field in fields(StoredBytes)]
        found: dict[str, StoredBytes] = {}
        for start in range(0, len(uris), CHUNK):
            stored = models.StoredFile.objects.filter(
                product__archive=self.name, product__dataURI__in=uris[start : start + CHUNK]
            )
            rows = stored.values_list("product__dataURI", *columns)
            found |= {uri: StoredBytes(*values) for uri, *values in rows}
        return found

    def address(self, uri: str) -> None:
        """None: its bytes come from us."""
        del uri


def matching(archive: str, criteria: Criteria) -> QuerySet[models.Observation]:
    """The observations of an archive that may match: a cone still has to be tested against each footprint."""
    wanted = Q(archive=archive)
    if criteria.ra is not None and criteria.dec is not None:
        wanted &= cone_q(criteria.ra, criteria.dec, criteria.radius or 0.0)
    if criteria.programs:
        wanted &= Q(proposal_id__in=criteria.programs)
    if criteria.collections:
        wanted &= Q(obs_collection__in=criteria.collections)
    for column, values in criteria.columns:
        wanted &= Q(**{f"{column}__in": values})
    return models.Observation.objects.filter(wanted).order_by("obs_collection", "obs_id", "obsid")


def measure(path: str, advance: Callable[[int], None] | None = None) -> StoredBytes:
    """Read a file once: its size in bytes, modification time, CRC-32 (RFC 1952) and SHA-256 (FIPS 180-4).

    `path` may be the address of a remote file: it also has an ETag then. `advance` is called with the bytes of each
    block read. Other threads run meanwhile. Raises OSError when the file cannot be read, is no regular file, or
    changes while it is read.
    """
    if is_remote(path):
        return _stored(path, measuring.measure(path, advance))
    with open(path, "rb", buffering=0, opener=_without_waiting) as stream:
        before = os.fstat(stream.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        digest, crc32, size = hashlib.sha256(), 0, 0
        block = memoryview(bytearray(BLOCK))
        while count := stream.readinto(block):
            part = block[:count]
            digest.update(part)
            crc32 = zlib.crc32(part, crc32)
            size += count
            if advance:
                advance(count)
        after = os.fstat(stream.fileno())
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, size):
        raise OSError(errno.EBUSY, "the file changed while it was read", path)
    return StoredBytes(path, size, before.st_mtime_ns, crc32, digest.hexdigest())


def measure_remote(
    paths: Sequence[str], advance: Callable[[int], None] | None = None
) -> Generator[StoredBytes | OSError, None, None]:
    """The same of many remote files in turn, each read before it is asked for. An OSError is handed out, not raised."""
    with closing(measuring.measure_each(paths, advance)) as each:
        for path, measured in zip(paths, each, strict=True):
            yield measured if isinstance(measured, OSError) else _stored(path, measured)


def _stored(path: str, measured: measuring.Measured) -> StoredBytes:
    (size, etag, mtime_ns), crc32, sha256 = measured
    return StoredBytes(path, size, mtime_ns, crc32, sha256, etag)


def remember(product_id: int, stored: StoredBytes) -> None:
    """Keep what was measured of a file. Its size is from then on the product's."""
    remember_all({product_id: stored})


def remember_all(measured: dict[int, StoredBytes]) -> None:
    """Keep what was measured of files, by the key of the product.

    A measured size replaces the catalogue's, and raises products_version of the observations that list the file.
    """
    with transaction.atomic():
        keep(measured)
        products = models.Product.objects.filter(pk__in=measured).only("size")
        wrong = [product for product in products if product.size != measured[product.pk].size]
        for product in wrong:
            product.size = measured[product.pk].size
        models.Product.objects.bulk_update(wrong, ["size"])
        listing = models.Membership.objects.filter(product__in=wrong).values("observation")
        models.Observation.objects.filter(pk__in=listing).update(products_version=F("products_version") + 1)


def keep(files: dict[int, StoredBytes]) -> None:
    """Write where files lie, by the key of the product."""
    columns = [field.name for field in fields(StoredBytes)]
    models.StoredFile.objects.bulk_create(
        [
            models.StoredFile(product_id=key, **{name: getattr(file, name) for name in columns})
            for key, file in files.items()
        ],
        update_conflicts=True,
        unique_fields=["product"],
        update_fields=columns,
    )


def _touched(rows: list[Observation], criteria: Criteria) -> Iterator[Observation]:
    """The observations whose footprint the cone touches; all of them without a cone."""
    if criteria.ra is None or criteria.dec is None:
        yield from rows
        return
    placed = [(row, footprint_of(row.s_region, row.s_ra, row.s_dec)) for row in rows]
    known = [(row, footprint) for row, footprint in placed if footprint is not None]
    inside = overlaps_cone(
        [footprint for _, footprint in known], criteria.ra, criteria.dec, criteria.radius or 0.0
    )
    yield from (row for (row, _), touches in zip(known, inside, strict=True) if touches)


def _without_waiting(path: str, flags: int) -> int:
    """Open without waiting for the other end of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
