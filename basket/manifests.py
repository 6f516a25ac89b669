"""Manifests: the packed, immutable product list of an observation, built when it is first wanted."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from django.db.models import Exists, OuterRef, QuerySet
from pyroaring import BitMap64

from basket import binary
from basket.cube import Ints, unpack_ids
from basket.models import ProductManifest
from basket.packing import build
from basket.rows import Rows
from portal.models import Observation, Product

ATTEMPTS: Final = 3  # a list may change while it is packed


class Manifest(NamedTuple):
    """What is read of a ProductManifest to put its observation into a basket."""

    pk: int
    observation_id: int
    mission: str
    files: int
    rows: int
    facet_counts: bytes
    product_ids: bytes
    guards: str  # as JSON


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
        build(missing)
        found |= _current(missing)
    return {pk: found[pk] for pk in wanted if pk in found}


def without_manifest(observations: Sequence[int]) -> list[int]:
    """Those of the observations (by primary key) whose list has no manifest yet as it is now."""
    return list(_missing().filter(pk__in=binary.each(observations)).values_list("pk", flat=True))


def build_missing(limit: int) -> int:
    """Build the manifests of so many observations that have none of their current list; how many there were."""
    missing = list(_missing().order_by("pk").values_list("pk", flat=True)[:limit])
    build(missing)
    return len(missing)


def rows_of(manifests: Sequence[int]) -> Rows:
    """The rows of these manifests (by primary key), in their order."""
    statement = "SELECT id, products FROM basket_productmanifest WHERE id = ANY(%b)"
    blobs = dict(binary.rows(statement, [binary.longs(manifests)]))
    return Rows([blobs[pk] for pk in manifests])


def ids_of_manifests(manifests: Sequence[int]) -> list[BitMap64]:
    """The ids of the files that each of these manifests lists."""
    statement = "SELECT id, product_ids FROM basket_productmanifest WHERE id = ANY(%b)"
    blobs = dict(binary.rows(statement, [binary.longs(manifests)]))
    return [unpack_ids(blobs[pk]) for pk in manifests]


def products(ids: Ints) -> QuerySet[Product]:
    """The products with these ids, in no order. One parameter, however many there are."""
    return Product.objects.filter(pk__in=binary.each(ids.tolist()))


def listing_any(ids: Iterable[int]) -> list[int]:
    """The observations (by primary key) that list one of these products now."""
    statement = "SELECT DISTINCT observation_id FROM portal_membership WHERE product_id = ANY(%b)"
    return [observation for (observation,) in binary.rows(statement, [binary.longs(ids)])]


def _missing() -> QuerySet[Observation]:
    current = ProductManifest.objects.filter(
        observation=OuterRef("pk"), products_version=OuterRef("products_version")
    )
    return Observation.objects.filter(~Exists(current))


def _current(observations: Sequence[int]) -> dict[int, Manifest]:
    statement = """
        SELECT m.id, o.id, o.obs_collection, m.files, m.rows, m.facet_counts, m.product_ids, m.guards::text
        FROM portal_observation o
        JOIN basket_productmanifest m ON m.observation_id = o.id AND m.products_version = o.products_version
        WHERE o.id = ANY(%b)"""
    return {row[1]: Manifest(*row) for row in binary.rows(statement, [binary.longs(observations)])}
