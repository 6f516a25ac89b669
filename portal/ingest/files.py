"""Linking the catalogue's files to bytes on disk or in a remote store, and measuring them.

Bytes lie at <folder>/<obs_collection>/<obs_id>/<productFilename>, under any of the obs_ids that list the file.
Nothing outside the folder is ever linked: what a symbolic link leads to counts, not where the link lies. In a store
the folder is a prefix of addresses.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import NamedTuple
from urllib.parse import quote

from django.db.models import QuerySet, Sum

from portal.archives.base import StoredBytes
from portal.archives.local import keep, measure, remember_all
from portal.ingest import sql
from portal.ingest.report import Progress, Report
from portal.models import Membership, Product, StoredFile
from portal.remote.addresses import is_remote
from portal.remote.measuring import look_at, look_at_all
from portal.remote.problems import StoreProblem
from portal.remote.reading import Found
from portal.remote.stores import configured

BATCH = 2_000
MEASURED_TOGETHER = 256
LOOKING, MEASURING = "Looking for files", "Computing checksums"


def folder(path: Path | str) -> Path | str:
    """The real path of a folder, or the prefix of addresses in a store.

    Raises NotADirectoryError; StoreProblem when the store does not answer.
    """
    if isinstance(path, str):
        return _prefix(path)
    if not path.is_dir():
        raise NotADirectoryError(f"{path} is not a folder. Give the folder that holds the missions, such as JWST.")
    return path.resolve()


def _prefix(url: str) -> str:
    prefix = f"{url.rstrip('/')}/"
    try:
        configured().target(prefix)
    except StoreProblem:
        raise NotADirectoryError(
            f"{url} is in no store that may be read from. Add it to REMOTE_STORES, for example: REMOTE_STORES={prefix}"
        ) from None
    try:
        look_at(prefix)
    except StoreProblem as problem:
        if problem.temporary:
            raise
    return prefix


def link(
    archive: str,
    root: Path | str | None,
    wanted: "Sequence[int] | None",
    *,
    checksums: bool,
    report: Report,
    progress: Progress,
) -> None:
    """Link the files with these keys, or all of the archive, and measure those that are not measured yet.

    Without a root, only files that are linked already are looked at.
    """
    report.looked_for_files = True
    if wanted is None:
        wanted = sql.numbers("SELECT id FROM portal_product WHERE archive = %s ORDER BY id", [archive])
    for done, keys in _batches(wanted, BATCH):
        _link(Look(root, report), keys)
        progress(LOOKING, done, len(wanted))
    if checksums:
        _measure_all(wanted, report, progress)


class Wanted(NamedTuple):
    """A file to look for: in the first of `folders` that has it, else where it is `known` to lie."""

    product: Product
    folders: list[str]
    known: StoredFile | None


class Look:
    """A search for the bytes of files below a folder or a prefix of addresses, told in the report."""

    def __init__(self, root: Path | str | None, report: Report) -> None:
        self.root = root
        self.report = report
        self.unsure: set[str] = set()

    def find(self, wanted: Sequence[Wanted]) -> list[StoredBytes | None]:
        """Where each lies; None where it is not found."""
        if isinstance(self.root, str):
            found = self._in_store(self.root, wanted)
        else:
            found = [self._below(one) for one in wanted]
        pairs = list(zip(wanted, found, strict=True))
        known = self._where_known([one.known for one, here in pairs if one.known and not here])
        return [here or (known.get(one.known.path) if one.known else None) for one, here in pairs]

    def _where_known(self, files: Sequence[StoredFile]) -> dict[str, StoredBytes | None]:
        """By path. A store that does not answer at present takes nothing away."""
        far = [one.path for one in files if is_remote(one.path)]
        found = dict(self._looked_at([path for path in far if path not in self.unsure]))
        found |= {one.path: _as_before(one) for one in files if one.path in self.unsure}
        return found | {one.path: self._at(one.path, one.path) for one in files if not is_remote(one.path)}

    def _in_store(self, prefix: str, wanted: Sequence[Wanted]) -> list[StoredBytes | None]:
        """First all of them in their first folder, then what is missing in its second, and so on."""
        found: list[StoredBytes | None] = [None] * len(wanted)
        for turn in range(max((len(one.folders) for one in wanted), default=0)):
            left = [n for n, one in enumerate(wanted) if found[n] is None and turn < len(one.folders)]
            addresses = [_address(prefix, wanted[n].product, wanted[n].folders[turn]) for n in left]
            for n, (_, here) in zip(left, self._looked_at(addresses), strict=True):
                found[n] = here
        return found

    def _looked_at(self, addresses: Sequence[str]) -> Iterator[tuple[str, StoredBytes | None]]:
        for address, found in zip(addresses, look_at_all(addresses), strict=True):
            if isinstance(found, Found):
                yield address, StoredBytes(address, found.size, found.mtime_ns, None, "", found.etag)
                continue
            if isinstance(found, StoreProblem) and not found.missing:
                self.report.unreadable.add(f"{address}: {found.reason}")
                self.unsure |= {address} if found.temporary else set()
            yield address, None

    def _below(self, wanted: Wanted) -> StoredBytes | None:
        for name in wanted.folders if self.root else []:
            found = self._inside(f"{wanted.product.obs_collection}/{name}/{wanted.product.productFilename}")
            if found:
                return found
        return None

    def _inside(self, path: str) -> StoredBytes | None:
        assert isinstance(self.root, Path)
        try:
            real = (self.root / path).resolve(strict=True)
        except (OSError, RuntimeError):  # not there, or links that lead round in a circle
            return None
        if not real.is_relative_to(self.root):
            self.report.refused.add(f"{path} leads to {real}, outside {self.root}")
            return None
        return self._at(str(real), path)

    def _at(self, real: str, path: str) -> StoredBytes | None:
        try:
            status = os.stat(real)  # noqa: PTH116  # the path is a text, and stays one
        except OSError:
            return None
        if not stat.S_ISREG(status.st_mode):
            self.report.refused.add(f"{path} is not a regular file")
            return None
        if not os.access(real, os.R_OK):
            self.report.unreadable.add(f"{path}: permission denied")
            return None
        return StoredBytes(real, status.st_size, status.st_mtime_ns, None, "")


def _as_before(stored: StoredFile) -> StoredBytes:
    return StoredBytes(stored.path, stored.size, stored.mtime_ns, stored.crc32, stored.sha256, stored.etag)


def _address(prefix: str, product: Product, name: str) -> str:
    path = f"{product.obs_collection}/{name}/{product.productFilename}"
    return prefix + (path if prefix.startswith("s3://") else quote(path))


def _link(look: Look, keys: Sequence[int]) -> None:
    """Find and keep the bytes of some files."""
    report = look.report
    products = Product.objects.filter(pk__in=keys).only("obs_collection", "obs_id", "productFilename", "size")
    folders = _folders(keys)
    known = {stored.product_id: stored for stored in StoredFile.objects.filter(product__in=keys)}
    found: dict[int, StoredBytes] = {}
    wanted = [
        Wanted(
            product,
            [product.obs_id, *sorted(folders.get(product.pk, set()) - {product.obs_id})],
            known.get(product.pk),
        )
        for product in products.order_by("pk")
    ]
    for (product, _, before), here in zip(wanted, look.find(wanted), strict=True):
        if here is None:
            report.missing += 1
            continue
        report.linked += 1
        if product.size not in {None, here.size}:
            where = "in the store" if is_remote(here.path) else "on disk"
            report.size_differences.add(
                f"{product.productFilename}: {here.size:,} bytes {where}, {product.size:,} in the catalogue"
            )
        found[product.pk] = _still_measured(here, before, report)
    keep({key: file for key, file in found.items() if not _same(file, known.get(key))})
    StoredFile.objects.filter(product__in=set(known) - set(found)).delete()


def _folders(keys: Sequence[int]) -> dict[int, set[str]]:
    folders: dict[int, set[str]] = {}
    rows = Membership.objects.filter(product__in=keys).values_list("product_id", "obs_id").distinct()
    for key, obs_id in rows.iterator(chunk_size=10_000):
        folders.setdefault(key, set()).add(obs_id)
    return folders


def _still_measured(here: StoredBytes, before: StoredFile | None, report: Report) -> StoredBytes:
    """With the checksums of before, when neither size nor modification time has changed since."""
    if before is None or before.crc32 is None or _identity(before) != _identity(here):
        return here
    report.kept += 1
    return replace(here, crc32=before.crc32, sha256=before.sha256)


def _identity(file: StoredFile | StoredBytes) -> tuple[int, int, str]:
    """What changes with a file's bytes. The same bytes have another time elsewhere, so a moved file is read again."""
    return file.size, file.mtime_ns, file.etag


def _same(file: StoredBytes, stored: StoredFile | None) -> bool:
    if stored is None or (file.path, file.crc32) != (stored.path, stored.crc32):
        return False
    return _identity(file) == _identity(stored)


class Meter:
    """Bytes read by several threads, told to whoever watches."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.progress = progress
        self.total = total
        self.done = 0
        self.stopped = False
        self._lock = Lock()

    def advance(self, count: int) -> None:
        """Note some more bytes. Raises InterruptedError once reading is to stop, for a large file takes minutes."""
        with self._lock:
            if self.stopped:
                raise InterruptedError
            self.done += count
            self.progress(MEASURING, self.done, self.total)


def _measure_all(wanted: Sequence[int], report: Report, progress: Progress) -> None:
    """Read what is not measured yet, several files at once; what was measured is kept every few hundred files."""
    sizes = (_unread(keys).aggregate(bytes=Sum("size"))["bytes"] for _, keys in _batches(wanted, BATCH))
    meter = Meter(progress, sum(size or 0 for size in sizes))
    with ThreadPoolExecutor(max(os.cpu_count() or 1, 2)) as readers:
        try:
            for _, keys in _batches(wanted, MEASURED_TOGETHER):
                _measure(keys, readers, meter, report)
        finally:
            meter.stopped = True


def _measure(keys: Sequence[int], readers: ThreadPoolExecutor, meter: Meter, report: Report) -> None:
    paths = dict(_unread(keys).values_list("product_id", "path"))
    read = readers.map(lambda path: _measured(path, meter), paths.values())
    outcomes = dict(zip(paths, read, strict=True))
    done = {key: file for key, file in outcomes.items() if isinstance(file, StoredBytes)}
    remember_all(done)
    report.measured += len(done)
    report.measured_bytes += sum(file.size for file in done.values())
    for key in sorted(set(outcomes) - set(done)):
        report.unreadable.add(f"{paths[key]}: {outcomes[key]}")


def _unread(keys: Sequence[int]) -> QuerySet[StoredFile]:
    return StoredFile.objects.filter(product__in=keys, crc32=None).order_by("product_id")


def _measured(path: str, meter: Meter) -> StoredBytes | str:
    """What was measured, or why it could not be."""
    try:
        return measure(path, meter.advance)
    except OSError as error:
        return error.strerror or str(error)


def _batches(keys: Sequence[int], size: int) -> Iterator[tuple[int, Sequence[int]]]:
    """The keys, `size` at a time, with how many have come by then."""
    for start in range(0, len(keys), size):
        yield min(start + size, len(keys)), keys[start : start + size]
