"""The bash script for files that are named by their URIs, whoever asks: MAST's Download/bundle.sh (astroquery's
``download_products(curl_flag=True)``). Nothing is written down, and nothing named is left out silently: what the
catalogue does not know stands in the script too, which says at its end that it could not be had."""

import os
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from django.http.response import HttpResponseBase

from portal import access
from portal.archives import archive
from portal.archives.base import StoredBytes
from portal.errors import Problem
from portal.models import Product
from retrieval import addresses, manifest
from retrieval.paths import UniquePaths, component, delivery_path
from retrieval.scripted import attachment, header, written
from retrieval.scripts import EMITTERS
from retrieval.scripts.entry import Entry
from retrieval.transfer import aside

MOST_FILES = 60_000
MOST_BYTES = 64 * 1024 * 1024
AT_ONCE = 5000


class Found(NamedTuple):
    """What is known under a URI: the file, and where its bytes lie."""

    uri: str
    product: Product | None
    stored: StoredBytes | None


def script(uris: Sequence[str], user: access.User, now: datetime, *, head: bool = False) -> HttpResponseBase:
    """The bash script. Raises Problem: 422 without a `uri`, 413 for more than MOST_FILES."""
    wanted = list(dict.fromkeys(uri for uri in uris if uri))
    if not wanted:
        message = "There is no uri. Repeat the field for each file: uri=mast:JWST/product/…&uri=…"
        raise Problem(message, field="uri", status=422)
    if len(wanted) > MOST_FILES:
        message = f"{len(wanted):,} files at once are too many: at most {MOST_FILES:,}. Ask for them in parts."
        raise Problem(message, field="uri", code="too_large", status=413)
    name = f"MAST_{now:%Y-%m-%dT%H%M%S}"
    return attachment(name, EMITTERS["bash"], None if head else _pieces(name, wanted, len(uris), user, now))


async def _pieces(
    name: str, wanted: list[str], asked: int, user: access.User, now: datetime
) -> AsyncIterator[bytes]:
    entries, archives = await aside(_gathered, wanted, user, now)
    whole = header(
        name,
        now,
        user=user.get_username() or "anonymous",
        files=len(entries),
        bytes=sum(entry.size or 0 for entry in entries),
        unknown_sizes=sum(entry.size is None for entry in entries),
        protected=sum(entry.protected for entry in entries),
        duplicates=asked - len(entries),
        archives=archives,
    )
    async for piece in written(EMITTERS["bash"], whole, iter(entries)):
        yield piece


def _gathered(wanted: list[str], user: access.User, now: datetime) -> tuple[list[Entry], set[str]]:
    """The entries, and the archives of those that need a token."""
    unique, entries, archives = UniquePaths(manifest.NAMES), list[Entry](), set[str]()
    granted = access.granted_programs(user, now)
    for start in range(0, len(wanted), AT_ONCE):
        for found in described(wanted[start : start + AT_ONCE]):
            entries.append(_entry(found, unique.add(_path(found)), granted, now))
            if entries[-1].protected and found.product is not None:
                archives.add(found.product.archive)
    return entries, archives


def described(uris: Sequence[str]) -> Iterator[Found]:
    """Each URI with its file and where the bytes lie, as far as there are any; in the order given."""
    # Of a file that several archives list, the first listed counts, as for one file alone (retrieval.onefile).
    products = {product.dataURI: product for product in Product.objects.filter(dataURI__in=uris).order_by("-pk")}
    stored = _located(products.values())
    for uri in uris:
        yield Found(uri, products.get(uri), stored.get(uri))


def _located(products: Iterable[Product]) -> dict[str, StoredBytes]:
    by_archive: dict[str, list[str]] = {}
    for product in products:
        by_archive.setdefault(product.archive, []).append(product.dataURI)
    found: dict[str, StoredBytes] = {}
    for name, uris in by_archive.items():
        found |= archive(name).locate(uris)
    return found


def _entry(found: Found, path: str, granted: set[tuple[str, str]], now: datetime) -> Entry:
    product, stored = found.product, found.stored
    if product is None:
        return Entry(url=addresses.of_file("", found.uri), uri=found.uri, path=path, access="")
    plain = access.judge(product, set(), now)
    readable = plain.ok or access.judge(product, granted, now).ok
    return Entry(
        url=addresses.of_file(product.archive, found.uri),
        uri=found.uri,
        path=path,
        size=stored.size if product.size is None and stored is not None else product.size,
        sha256=stored.sha256 if stored is not None and readable and _is_as_measured(stored) else "",
        protected=not plain.ok,
        public_on=plain.public_on,
        access=product.dataRights,
    )


def _path(found: Found) -> str:
    if found.product is None:
        return _path_of(found.uri)
    return delivery_path(found.product.obs_collection, found.product.obs_id, found.product.productFilename)


def _path_of(uri: str) -> str:
    """A place for a file of which only the URI is known, such as ``mast:JWST/product/jw1_i2d.fits``."""
    collection = uri.partition(":")[2].partition("/")[0]
    return f"{component(collection or 'unknown')}/unknown/{component(uri.rpartition('/')[2] or 'unknown')}"


def _is_as_measured(stored: StoredBytes) -> bool:
    """A checksum of bytes that have changed since would refuse what the archive now has."""
    try:
        found = os.lstat(stored.path)  # as in retrieval.plan
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns) == (stored.size, stored.mtime_ns)
