"""Manifests: the packed, immutable product list of an observation, built when it is first wanted.

MAST's rows repeat a file under every exposure of an observation (the pool, guide stars): 359 real rows are 316
files. A manifest lists each file once, through the row that says most about it, and keeps the number of rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, NamedTuple

import numpy as np
from django.db import transaction
from django.db.models import BooleanField, Count, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, Window
from django.db.models.expressions import RawSQL
from django.db.models.functions import Collate
from pyroaring import BitMap64

from basket import items
from basket.cube import Ints, ids_of, pack_ids, unpack_ids
from basket.guards import Guard, numbered
from basket.matching import pack_names
from basket.models import ProductManifest
from basket.rows import UNKNOWN_SIZE, Rows
from basket.signatures import Register, Values, extension
from portal.archives.base import MRP
from portal.models import Membership, Observation, Product

STAGED_MISSIONS: Final = frozenset({"HST", "JWST"})  # MAST, "Download Basket": those with batch retrieval
AT_ONCE: Final = 100
FETCHED: Final = 5000
ATTEMPTS: Final = 3  # a list may change while it is packed
NAME: Final = """
    INSERT INTO basket_manifestnames (manifest_id, names)
    SELECT m.id, new.names FROM unnest(%b::bigint[], %b::int[], %b::bytea[]) new (observation, version, names)
    JOIN basket_productmanifest m ON m.observation_id = new.observation AND m.products_version = new.version
    ON CONFLICT DO NOTHING"""


class Manifest(NamedTuple):
    """What is read of a ProductManifest to put its observation into a basket."""

    pk: int
    observation_id: int
    mission: str
    files: int
    rows: int
    facet_counts: bytes
    product_ids: bytes
    guards: list[dict[str, Any]]


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
    release: float | None
    program: str

    @property
    def exposure(self) -> str:
        """The exposure under which the file is shown; nothing for the observation's own files."""
        return "" if self.own else self.owner

    @property
    def guard(self) -> Guard:
        """What a verdict on the file looks at."""
        return Guard(self.rights, self.release, self.mission, self.program)

    def values(self, guard: int) -> Values:
        """The file's facet values, and what else its signature tells."""
        batch, sized = self.mission in STAGED_MISSIONS, self.size is not None
        return Values(self.mrp, self.category, self.type, extension(self.name), self.group, batch, sized, guard)


def manifests_for(observations: Iterable[int]) -> dict[int, Manifest]:
    """The manifest of each observation (by primary key) as its product list is now.

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


def rows_of(manifests: Sequence[int]) -> Rows:
    """The rows of these manifests (by primary key), in their order."""
    statement = "SELECT id, products FROM basket_productmanifest WHERE id = ANY(%b)"
    blobs = dict(items.rows(statement, [list(manifests)]))
    return Rows([blobs[pk] for pk in manifests])


def ids_of_manifests(manifests: Sequence[int]) -> list[BitMap64]:
    """The ids of the files that each of these manifests lists."""
    statement = "SELECT id, product_ids FROM basket_productmanifest WHERE id = ANY(%b)"
    blobs = dict(items.rows(statement, [list(manifests)]))
    return [unpack_ids(blobs[pk]) for pk in manifests]


def products(ids: Ints) -> QuerySet[Product]:
    """The products with these ids, in no order. One parameter, however many there are."""
    return Product.objects.filter(pk__in=_each(ids.tolist()))


def listing_any(ids: Sequence[int]) -> QuerySet[Membership, int]:
    """The observations (by primary key) that list one of these products now."""
    return Membership.objects.filter(product__in=_each(ids)).values_list("observation", flat=True)


def _each(ids: Sequence[int]) -> RawSQL:
    return RawSQL("SELECT unnest(%s::bigint[])", [list(ids)])


def _current(observations: Sequence[int]) -> dict[int, Manifest]:
    statement = """
        SELECT m.id, o.id, o.obs_collection, m.files, m.rows, m.facet_counts, m.product_ids, m.guards
        FROM portal_observation o
        JOIN basket_productmanifest m ON m.observation_id = o.id AND m.products_version = o.products_version
        WHERE o.id = ANY(%b)"""
    return {row[1]: Manifest(*row) for row in items.rows(statement, [list(observations)])}


def _build(observations: Sequence[int]) -> None:
    """Two builders may meet: the first one's manifest stays, and both are the same."""
    register = Register()
    for start in range(0, len(observations), AT_ONCE):
        batch = Observation.objects.in_bulk(observations[start : start + AT_ONCE])
        with transaction.atomic():
            packed = list(_packed(batch, register))
            ProductManifest.objects.bulk_create([manifest for manifest, _ in packed], ignore_conflicts=True)
            observed, versions = (
                [one.observation_id for one, _ in packed],
                [one.products_version for one, _ in packed],
            )
            items.write(NAME, [observed, versions, [names for _, names in packed]])


def _packed(observations: dict[int, Observation], register: Register) -> Iterator[tuple[ProductManifest, bytes]]:
    """Manifests with their packed names."""
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
            "product__t_obs_release",
            "product__proposal_id",
        )
    )


def _pack(observation: Observation, rows: list[Row], register: Register) -> tuple[ProductManifest, bytes]:
    """Rows by exposure, then by file name, as the tree shows them. Python compares text as C does."""
    rows.sort(key=lambda row: (row.exposure, row.name, row.product))
    exposures = sorted({row.exposure for row in rows} | {""})
    place = {exposure: number for number, exposure in enumerate(exposures)}
    guards = numbered(row.guard for row in rows)
    values = [row.values(guards[row.guard]) for row in rows]
    number = register.numbers(values)
    packed = Rows.pack(
        _column(row.product for row in rows),
        _column(number[one] for one in values),
        _column(place[row.exposure] for row in rows),
        _column(UNKNOWN_SIZE if row.size is None else row.size for row in rows),
    )
    unpacked = Rows([packed])
    everything = ~unpacked.nothing
    watching = sorted((guard for guard in guards if guards[guard]), key=guards.__getitem__)
    manifest = ProductManifest(
        observation=observation,
        products_version=rows[0].version if rows else observation.products_version,
        files=len(rows),
        bytes=int(np.maximum(unpacked.size, 0).sum()),
        rows=rows[0].rows if rows else 0,
        exposures=[observation.obs_id, *exposures[1:]],
        guards=[guard._asdict() for guard in watching],
        facet_counts=unpacked.tally(everything, ~everything).records.tobytes(),
        products=packed,
        product_ids=pack_ids(ids_of(unpacked.product)),
    )
    return manifest, pack_names(row.name for row in rows)


def _column(values: Iterable[int]) -> Ints:
    return np.fromiter(values, np.int64)
