"""An archive of a few files on disk, and a basket that holds them selected: what the retrieval tests start from."""

import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db import transaction

from basket.filling import add_observations
from basket.models import Basket
from basket.page import Filters
from basket.selection import select
from portal.access import datetime_to_mjd
from portal.models import Membership, Observation, Product, StoredFile
from retrieval.models import Outcome, Retrieval

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
RELEASE = datetime(2027, 3, 1, tzinfo=UTC)


class SmallArchive:
    """Makes products, their rows and their bytes, one at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.observations: dict[str, Observation] = {}

    def observation(self, obs_id: str = "jw1") -> Observation:
        """The observation of that name, made when it is first asked for."""
        if obs_id not in self.observations:
            number = str(1000 + len(self.observations))
            made = Observation.objects.create(obsid=number, obs_id=obs_id, obs_collection="JWST", calib_level=3)
            self.observations[obs_id] = made
        return self.observations[obs_id]

    def listing(self, name: str, size: int | None, *, obs_id: str = "jw1", **columns: Any) -> Product:
        """A product that is listed, without bytes. Size in bytes."""
        columns = {"dataRights": "PUBLIC", "proposal_id": "1234", "productType": "SCIENCE"} | columns
        group = columns.pop("productGroupDescription", "")
        product = Product.objects.create(
            dataURI=f"mast:JWST/product/{name}", obs_collection="JWST", obs_id=obs_id, productFilename=name,
            size=size, **columns,
        )  # fmt: skip
        observation = self.observation(obs_id)
        Membership.objects.create(
            observation=observation, product=product, obsID=observation.obsid, obs_id=obs_id,
            productGroupDescription=group,
        )  # fmt: skip
        return product

    def file(self, name: str, data: bytes = b"SIMPLE", *, measured: bool = True, **columns: Any) -> Product:
        """A product with bytes."""
        product = self.listing(name, len(data), **columns)
        path = self.folder / product.obs_id / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.store(product, path, data if measured else None)
        return product

    def sparse(self, name: str, size: int, *, measured: bool = True, **columns: Any) -> Product:
        """A product whose `size` bytes are all zero and take no room on disk."""
        product = self.listing(name, size, **columns)
        path = self.folder / name
        with path.open("wb") as hollow:
            hollow.truncate(size)
        stored = self.store(product, path, None)
        if measured:
            stored.crc32, stored.sha256 = crc_of_zeros(size), "0" * 64
            stored.save()
        return product

    def store(self, product: Product, path: Path, data: bytes | None) -> StoredFile:
        """Say where the bytes lie, and what was measured of them (None: nothing yet)."""
        found = path.stat()
        return StoredFile.objects.create(
            product=product, path=str(path), size=found.st_size, mtime_ns=found.st_mtime_ns,
            crc32=None if data is None else zlib.crc32(data),
            sha256="" if data is None else hashlib.sha256(data).hexdigest(),
        )  # fmt: skip

    def exclusive(
        self, name: str, data: bytes = b"SIMPLE", *, until: datetime = RELEASE, **columns: Any
    ) -> Product:
        """A product with bytes that only a grant opens, until its release."""
        release = datetime_to_mjd(until)
        return self.file(name, data, dataRights="EXCLUSIVE_ACCESS", t_obs_release=release, **columns)


def path_of(product: Product) -> Path:
    """Where the bytes of a product lie."""
    return Path(product.stored.path)


def crc_of_zeros(size: int) -> int:
    """CRC-32 of so many zero bytes."""
    crc, block = 0, bytes(1 << 24)
    while size > 0:
        crc = zlib.crc32(block[:size], crc)
        size -= len(block)
    return crc


def fill(basket: Basket, archive: SmallArchive) -> Basket:
    """Put every observation of the archive into the basket and select all of its files."""
    add_observations(basket, [one.pk for one in archive.observations.values()])
    select(basket, "", Filters(mrp=False), value=True)
    return basket


def law(retrieval: Retrieval) -> None:
    """The numbers are those of the rows, and they add up."""
    retrieval.refresh_from_db()
    outcomes = list(retrieval.files.values_list("outcome", flat=True))
    assert retrieval.requested == len(outcomes)
    for outcome in Outcome:
        assert getattr(retrieval, outcome.value) == outcomes.count(outcome), outcome
    parts = retrieval.delivered + retrieval.denied + retrieval.failed + retrieval.skipped + retrieval.pending
    assert retrieval.requested == parts
    if retrieval.is_ended:
        assert retrieval.pending == 0


@contextmanager
def undone() -> Iterator[None]:
    """One example of a property test leaves no rows to the next."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
