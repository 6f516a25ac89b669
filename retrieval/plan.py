"""Freezing a selection: which files, where each will lie in the delivery, who may have it, where its bytes are.

From here on a retrieval no longer follows the basket: what was asked for stands in its rows, and each row gets
exactly one outcome (requested = delivered + denied + failed + skipped + pending).
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from basket.chosen import selected_products
from basket.models import Basket, BasketItem
from portal import access
from portal.archives import archive
from portal.archives.base import MRP, StoredBytes
from portal.errors import Problem
from portal.models import Membership, Observation, Product
from portal.quantities import format_size
from portal.remote.addresses import is_remote
from retrieval import bundle, manifest
from retrieval.fetching import unreadable
from retrieval.models import Method, Outcome, Retrieval, RetrievalFile
from retrieval.paths import UniquePaths, component, delivery_path
from retrieval.scripts import EMITTERS

LAYOUTS = ("nested", "flat")
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


@dataclass(slots=True)
class Tally:
    """Counts of a selection that is being frozen; `bytes` of the files that can be delivered."""

    outcomes: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    unmeasured: int = 0


def freeze(
    basket: Basket,
    user: access.User,
    now: datetime,
    *,
    method: str = Method.ZIP,
    layout: str = "nested",
    remove_completed: bool = False,
    script: str = "",
    key: str = "",
) -> Retrieval:
    """Freeze the basket's selected files for this person; `key` is the stranger's.

    The retrieval is QUEUED, with a length when nothing has to be measured; or ERROR when no file can be delivered,
    each file saying why. Raises Problem: 422 for an unknown method or layout and for an empty selection, 413 above
    STREAM_LIMIT_BYTES.
    """
    check(method, layout)
    script = check_script(method, script)
    with transaction.atomic():
        if not Basket.objects.select_for_update().filter(pk=basket.pk).exists():
            raise _nothing_selected()
        options = {"method": method, "layout": layout, "script": script, "remove_completed": remove_completed}
        retrieval = _new(user, now, **options, key=key, basket_id=basket.pk)
        tally = _copy(retrieval, selected_products(basket), user, now)
        retrieval.duplicates = _rows(retrieval, basket) - tally.outcomes.total()
        _conclude(retrieval, tally, now)
    return retrieval


def freeze_recommended(observation: Observation, user: access.User, now: datetime, *, key: str = "") -> Retrieval:
    """Freeze the Minimum Recommended Products of one observation. Raises Problem: 422 when it has none, 413."""
    files = Membership.objects.filter(observation=observation, productGroupDescription=MRP)
    with transaction.atomic():
        if not files.exists():
            way = "Add it to the basket to choose among all its files."
            message = f"{observation.obs_id} has no recommended products. {way}"
            raise Problem(message, code="nothing_selected", status=422)
        retrieval = _new(user, now, method=Method.ZIP, key=key)
        products = Product.objects.filter(pk__in=files.values("product_id")).order_by("pk")
        tally = _copy(retrieval, products.iterator(chunk_size=CHUNK), user, now)
        retrieval.duplicates = files.count() - tally.outcomes.total()
        _conclude(retrieval, tally, now)
    return retrieval


def again(old: Retrieval, user: access.User, now: datetime, *, missing_only: bool = False) -> Retrieval:
    """The same files once more, judged and located anew; `missing_only`: those that failed or were not sent.

    Raises Problem: 409 when there are none, 413 above STREAM_LIMIT_BYTES.
    """
    files = old.files.order_by("position")
    if missing_only:
        files = files.filter(outcome__in=[Outcome.FAILED, Outcome.SKIPPED])
    with transaction.atomic():
        if not files.exists():
            raise Problem(f"No file of {old.name} failed: there is nothing to retry.", code="conflict", status=409)
        retrieval = _new(
            user, now, method=old.method, script=old.script, layout=old.layout, remove_completed=old.remove_completed,
            key=old.key, basket_id=old.basket_id,
        )  # fmt: skip
        retrieval.duplicates = 0 if missing_only else old.duplicates
        _conclude(retrieval, _copy(retrieval, _products_of(files), user, now), now)
    return retrieval


def check(method: str, layout: str) -> None:
    """Raise Problem (422) unless this method and layout exist."""
    if method not in Method.values:
        message = f"method={method} is not available here. Available: {', '.join(Method.values)}."
        raise Problem(message, field="method", status=422)
    if layout not in LAYOUTS:
        message = f"layout={layout} is not known. Available: {', '.join(LAYOUTS)}."
        raise Problem(message, field="layout", status=422)


def check_script(method: str, script: str) -> str:
    """The name of the script, bash where none is given; blank for another method. Raises Problem (422)."""
    if method != Method.SCRIPT:
        return ""
    if script and script not in EMITTERS:
        message = f"script={script} is not available here. Available: {', '.join(EMITTERS)}."
        raise Problem(message, field="script", status=422)
    return script or "bash"


def _nothing_selected() -> Problem:
    return Problem(
        "No file is selected. Tick the files you want in the basket, then download them.",
        code="nothing_selected",
        status=422,
    )


def _new(user: access.User, now: datetime, **choices: object) -> Retrieval:
    owner_id = user.pk if user.is_authenticated else None
    name = f"MAST_{now:%Y-%m-%dT%H%M%S}"
    return Retrieval.objects.create(owner_id=owner_id, name=name, **choices)


def _copy(retrieval: Retrieval, products: Iterable[Product], user: access.User, now: datetime) -> Tally:
    """Write a row per product, in order, by COPY: 500,000 rows are minutes as INSERTs."""
    granted = access.granted_programs(user, now)
    unique, tally, rest = UniquePaths(manifest.NAMES), Tally(), iter(products)
    while chunk := list(islice(rest, CHUNK)):
        located = _located(chunk)
        rows = []
        for position, product in enumerate(chunk, start=tally.outcomes.total()):
            frozen = _frozen(product, located.get((product.archive, product.dataURI)), granted, now)
            rows.append((position, unique.add(_path(product, retrieval.layout)), product, frozen))
            tally.outcomes[frozen.outcome] += 1
            if frozen.outcome is Outcome.PENDING:
                tally.bytes += frozen.size or 0
                tally.unmeasured += frozen.crc32 is None
        _write(retrieval, rows)
    return tally


def _path(product: Product, layout: str) -> str:
    if layout == "flat":
        return component(product.productFilename)
    return delivery_path(product.obs_collection, product.obs_id, product.productFilename)


def _located(products: Iterable[Product]) -> dict[tuple[str, str], StoredBytes]:
    by_archive: dict[str, list[str]] = {}
    for product in products:
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
    if not os.access(stored.path, os.R_OK) or not os.path.isfile(stored.path):  # noqa: PTH113  # as above
        return Frozen(Outcome.FAILED, "This file cannot be read by the archive's server.", size=product.size)
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
    """As it was when last looked at: thousands of questions to a store would keep the basket locked for minutes.

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


def _write(retrieval: Retrieval, rows: list[tuple[int, str, Product, Frozen]]) -> None:
    columns = (
        "retrieval_id, position, product_id, uri, path, access, outcome, reason, public_on, "
        "source, size, mtime_ns, crc32, sha256, etag"
    )
    table = RetrievalFile._meta.db_table
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        for position, path, product, frozen in rows:
            outcome, *rest = frozen
            named = (retrieval.pk, position, product.pk, product.dataURI, path, product.dataRights)
            copy.write_row((*named, outcome.value, *rest))


def _rows(retrieval: Retrieval, basket: Basket) -> int:
    """Rows of the archive's product lists in which the basket's observations list the frozen files."""
    return Membership.objects.filter(
        product_id__in=retrieval.files.values("product_id"),
        observation_id__in=BasketItem.objects.filter(basket=basket).values("observation_id"),
    ).count()


def _conclude(retrieval: Retrieval, tally: Tally, now: datetime) -> None:
    """Give the retrieval its numbers and its phase, or refuse the whole."""
    requested, deliverable = tally.outcomes.total(), tally.outcomes[Outcome.PENDING]
    if not requested:
        raise _nothing_selected()
    is_script = retrieval.method == Method.SCRIPT
    if tally.bytes > settings.STREAM_LIMIT_BYTES and not is_script:
        raise Problem(
            f"The selected files hold {format_size(tally.bytes)}; one download may hold at most "
            f"{format_size(settings.STREAM_LIMIT_BYTES)}. Select fewer, or take a script, which has no limit.",
            code="too_large",
            status=413,
        )
    retrieval.requested, retrieval.bytes = requested, tally.bytes
    retrieval.denied, retrieval.failed = tally.outcomes[Outcome.DENIED], tally.outcomes[Outcome.FAILED]
    retrieval.mark_queued()
    if not deliverable and not is_script:
        retrieval.mark_error(NOTHING, now)
    elif not is_script and not tally.unmeasured:
        bundle.settle(retrieval)
    retrieval.save()


def _products_of(files: QuerySet[RetrievalFile]) -> Iterator[Product]:
    """The products of frozen files as the catalogue has them now; one that is gone comes with a blank archive."""
    rows = iter(files.values_list("product_id", "uri", "path").iterator(chunk_size=CHUNK))
    while chunk := list(islice(rows, CHUNK)):
        found = Product.objects.in_bulk([product_id for product_id, _, _ in chunk])
        for product_id, uri, path in chunk:
            yield found.get(product_id) or _gone(product_id, uri, path)


def _gone(product_id: int, uri: str, path: str) -> Product:
    mission, observation, name = ["", "", *path.split("/")][-3:]
    return Product(
        pk=product_id, archive="", dataURI=uri, obs_collection=mission, obs_id=observation, productFilename=name
    )
