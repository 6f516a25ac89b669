"""The displayed list as a table: one row per distinct file, MAST's 20 columns, who may read it, and its address."""

from collections.abc import Iterator
from datetime import datetime
from math import inf
from typing import Final

from django.conf import settings
from django.db.models.expressions import RawSQL

from basket.cube import Ints
from basket.details import LABELS, OF_THE_MEMBERSHIP
from basket.ledger import cube_of, items_of, opened, reading
from basket.models import Basket
from basket.page import Filters
from basket.sieve import Sieve
from portal import access, previews
from portal.archives.base import MRP, PRODUCT_COLUMNS
from portal.models import Membership, Product
from portal.tables import Column, Row

AT_ONCE: Final = 2000
NUMBERS: Final = {"size": "byte", "calib_level": ""}
ADDED: Final = (
    Column("access", str, "", "PUBLIC, or why and until when the reader of this list may not have the file"),
    Column("url", str, "", "Address of the bytes"),
)
COLUMNS: Final = (
    *(
        Column(name, int if name in NUMBERS else str, NUMBERS.get(name, ""), LABELS[name])
        for name in PRODUCT_COLUMNS
    ),
    *ADDED,
)
"""What an exported list holds, in this order."""


def displayed(basket: Basket, filters: Filters) -> list[tuple[int, Ints]]:
    """Per observation (by key), in basket order, the keys of the files that pass the filters."""
    with reading(basket) as stored:
        cube = cube_of(stored)
        sieve = Sieve(filters, cube)
        found = []
        for item, one in opened(cube, list(items_of(stored))):
            ids = one.rows.product[one.carried & sieve.rows(item.manifest_id, one.rows)]
            found.append((item.observation_id, ids))
    return [(observation, ids) for observation, ids in found if len(ids)]


def rows(listed: list[tuple[int, Ints]], user: access.User, now: datetime) -> Iterator[Row]:
    """The rows of these files in the same order, each as COLUMNS says; sizes in bytes. Read in portions."""
    granted = access.granted_programs(user, now)
    for observation, ids in listed:
        for start in range(0, len(ids), AT_ONCE):
            some = ids[start : start + AT_ONCE]
            stored = _as_listed(observation, some)
            yield from (_row(stored[key], granted, now) for key in some.tolist() if key in stored)


def _as_listed(observation: int, products: Ints) -> dict[int, Membership]:
    """The rows through which an observation lists these files, by the file's key: the rows that its manifest was
    built from (basket.manifests), worst first so that the best one stays."""
    wanted = RawSQL("SELECT unnest(%s::bigint[])", [products.tolist()])
    listed = Membership.objects.filter(observation=observation, product__in=wanted)
    rows = sorted(listed.select_related("product", "observation"), key=_rank, reverse=True)
    return {row.product_id: row for row in rows}


def _rank(row: Membership) -> tuple[bool, bool, float, str, int]:
    own, recommended = row.obsID == row.observation.obsid, row.productGroupDescription == MRP
    level = inf if row.calib_level is None else -row.calib_level
    return not own, not recommended, level, row.obs_id, row.pk


def notes(filters_query: str, now: datetime) -> list[tuple[str, str]]:
    """What the table says of itself."""
    return [
        ("source", f"{settings.SITE_URL}/basket/?{filters_query}"),
        ("created", f"{now:%Y-%m-%dT%H:%M:%SZ}"),
        ("columns", "MAST Products field documentation"),
    ]


def _row(row: Membership, granted: set[tuple[str, str]], now: datetime) -> Row:
    product = row.product
    values = [_value(row, product, name) for name in PRODUCT_COLUMNS]
    verdict = access.judge(product, granted, now)
    url = previews.file_url(product.dataURI)
    return [*values, verdict.reason or "PUBLIC", f"{settings.SITE_URL}{url}" if url else ""]


def _value(row: Membership, product: Product, name: str) -> str | int | None:
    if name == "parent_obsid":
        return row.observation.obsid
    value: str | int | None = getattr(row if name in OF_THE_MEMBERSHIP else product, name)
    return value
