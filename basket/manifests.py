"""Manifests: the packed, immutable product list of an observation, built when it is first wanted.

MAST's rows repeat a file under every exposure of an observation (the pool, guide stars): 359 real rows are 316
files. A manifest lists each file once, through the row that says most about it, and keeps the number of rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, NamedTuple

import numpy as np
from django.db.models import BooleanField, Count, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, Window
from django.db.models.expressions import RawSQL
from django.db.models.functions import Collate

from basket.cube import Ints, Rows, ids_of, pack_ids, tally
from basket.models import ProductManifest
from basket.signatures import Register, Values, extension
from portal.archives.base import MRP
from portal.models import Membership, Observation, Product

STAGED_MISSIONS: Final = frozenset({"HST", "JWST"})  # MAST, "Download Basket": those with batch retrieval
PUBLIC: Final = "PUBLIC"
AT_ONCE: Final = 100
FETCHED: Final = 5000
ATTEMPTS: Final = 3  # a list may change while it is packed


class Row(NamedTuple):
    """The row of the archive's product list that stands for a file in an observation."""

    observation: int
    version: int
    rows: int  # of the whole list, repeats included
    own: bool
    owner: str
    product: int
    name: str
    size: int | None
    mission: str
    mrp: bool
    category: str
    type: str
    group: str
    rights: str

    @property
    def exposure(self) -> str:
        """The exposure under which the file is shown; nothing for the observation's own files."""
        return "" if self.own else self.owner

    @property
    def values(self) -> Values:
        """The file's facet values."""
        batch = self.mission in STAGED_MISSIONS
        return Values(self.mrp, self.category, self.type, extension(self.name), self.group, batch)


def manifests_for(observations: Iterable[int]) -> dict[int, ProductManifest]:
    """The manifest of each observation (by primary key) as its product list is now, without its largest columns.

    What is missing is built; an observation that does not exist is left out.
    """
    wanted = list(dict.fromkeys(observations))
    found = _current(wanted)
    for _ in range(ATTEMPTS):
        missing = [pk for pk in wanted if pk not in found]
        if not missing:
            break
        _build(missing)
        found |= _current(missing)
    return {pk: found[pk] for pk in wanted if pk in found}


def build_missing(limit: int) -> int:
    """Build the manifests of so many observations that have none of their current list; how many there were."""
    has_one = ProductManifest.objects.filter(
        observation=OuterRef("pk"), products_version=OuterRef("products_version")
    )
    missing = list(
        Observation.objects.filter(~Exists(has_one)).order_by("pk").values_list("pk", flat=True)[:limit]
    )
    _build(missing)
    return len(missing)


def rows_of(manifests: Sequence[int]) -> dict[int, Rows]:
    """The rows of these manifests, by primary key."""
    blobs = ProductManifest.objects.filter(pk__in=manifests).values_list("pk", "products")
    return {pk: Rows.unpack(blob) for pk, blob in blobs}


def products(ids: Ints) -> QuerySet[Product]:
    """The products with these ids, in no order. One parameter, however many there are."""
    unnested = RawSQL("SELECT unnest(%s::bigint[])", [ids.tolist()])
    return Product.objects.filter(pk__in=unnested)


def _current(observations: Sequence[int]) -> dict[int, ProductManifest]:
    now = ProductManifest.objects.filter(
        observation__in=observations, products_version=F("observation__products_version")
    )
    return {one.observation_id: one for one in now.defer("products", "guarded_ids")}


def _build(observations: Sequence[int]) -> None:
    """Two builders may meet: the first one's manifest stays, and both are the same."""
    register = Register()
    for start in range(0, len(observations), AT_ONCE):
        batch = Observation.objects.in_bulk(observations[start : start + AT_ONCE])
        ProductManifest.objects.bulk_create(_packed(batch, register), ignore_conflicts=True)


def _packed(observations: dict[int, Observation], register: Register) -> Iterator[ProductManifest]:
    without = dict(observations)
    rows = map(Row._make, _rows(list(observations)).iterator(FETCHED))
    for pk, listed in groupby(rows, attrgetter("observation")):
        yield _pack(without.pop(pk), list(listed), register)
    for observation in without.values():
        yield _pack(observation, [], register)


def _rows(observations: Sequence[int]) -> QuerySet[Membership, tuple[Any, ...]]:
    """One row per file of each observation. The observation's own row comes first, then a recommended one, then
    the highest calibration level, then the smallest name of an owner."""
    return (
        Membership.objects.filter(observation__in=observations)
        .annotate(
            own=ExpressionWrapper(Q(obsID=F("observation__obsid")), BooleanField()),
            recommended=ExpressionWrapper(Q(productGroupDescription=MRP), BooleanField()),
            rows=Window(Count("pk"), partition_by=F("observation")),
        )
        .order_by(
            "observation",
            "product",
            F("own").desc(),
            F("recommended").desc(),
            F("calib_level").desc(nulls_last=True),
            Collate("obs_id", "C"),
            "pk",
        )
        .distinct("observation", "product")
        .values_list(
            "observation",
            "observation__products_version",
            "rows",
            "own",
            "obs_id",
            "product",
            "product__productFilename",
            "product__size",
            "product__obs_collection",
            "recommended",
            "product__productType",
            "dataproduct_type",
            "product__productSubGroupDescription",
            "product__dataRights",
        )
    )


def _pack(observation: Observation, rows: list[Row], register: Register) -> ProductManifest:
    """Rows by exposure, then by file name, as the tree shows them. Python compares text as C does."""
    rows.sort(key=lambda row: (row.exposure, row.name, row.product))
    exposures = sorted({row.exposure for row in rows} | {""})
    place = {exposure: number for number, exposure in enumerate(exposures)}
    values = [row.values for row in rows]
    number = register.numbers(values)
    packed = Rows.pack(
        (row.product, number[one], place[row.exposure], row.size) for row, one in zip(rows, values, strict=True)
    )
    unpacked = Rows.unpack(packed)
    everything = np.ones(len(rows), np.bool_)
    guarded = np.array([row.product for row in rows if row.rights != PUBLIC], np.int64)
    return ProductManifest(
        observation=observation,
        products_version=rows[0].version if rows else observation.products_version,
        files=len(rows),
        bytes=int(unpacked.bytes.sum()),
        rows=rows[0].rows if rows else 0,
        unknown_sizes=sum(row.size is None for row in rows),
        exposures=[observation.obs_id, *exposures[1:]],
        facet_counts=tally(unpacked, everything, ~everything).tobytes(),
        products=packed,
        product_ids=pack_ids(ids_of(unpacked.product)),
        guarded_ids=pack_ids(ids_of(guarded)),
    )
