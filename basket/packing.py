"""Packing the product lists of observations into manifests, one immutable manifest per version of a list.

MAST's rows repeat a file under every exposure of an observation (the pool, guide stars): 359 real rows are 316
files. A manifest lists each file once, through the row that says most about it, and keeps the number of rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

import numpy as np
from django.db import connection, transaction

from basket import binary
from basket.cube import Ints, ids_of, pack_ids
from basket.guards import numbered
from basket.items import portions
from basket.matching import pack_names
from basket.models import ProductManifest
from basket.rows import UNKNOWN_SIZE, Rows
from basket.signatures import Register, Values, extension
from portal.access import Guard
from portal.archives.base import MRP
from portal.models import Observation

STAGED_MISSIONS: Final = frozenset({"HST", "JWST"})  # MAST, "Download Basket": those with batch retrieval
ROWS_AT_ONCE: Final = 100_000
# One row per file. The observation's own row speaks for it, then a recommended one, then the highest calibration
# level, then the smallest name of an owner. In the end they lie as the tree shows them: by exposure and name.
LISTED: Final = """
    SELECT * FROM (
        SELECT DISTINCT ON (m.observation_id, m.product_id) m.observation_id AS observation, o.products_version,
            listed.rows, CASE WHEN m."obsID" = o.obsid THEN '' ELSE m.obs_id END AS exposure, p.id AS product,
            p."productFilename" AS name, p.size, m."productGroupDescription" = %b AS mrp, p."productType",
            m.dataproduct_type, p."productSubGroupDescription", p.obs_collection, p."dataRights", p.t_obs_release,
            p.proposal_id
        FROM portal_membership m
        JOIN portal_observation o ON o.id = m.observation_id
        JOIN portal_product p ON p.id = m.product_id
        JOIN (SELECT observation_id AS id, count(*) AS rows FROM portal_membership
              WHERE observation_id = ANY(%b) GROUP BY 1) listed ON listed.id = m.observation_id
        WHERE m.observation_id = ANY(%b)
        ORDER BY m.observation_id, m.product_id, m."obsID" = o.obsid DESC, m."productGroupDescription" = %b DESC,
            m.calib_level DESC NULLS LAST, m.obs_id COLLATE "C", m.id) file
    ORDER BY observation, exposure COLLATE "C", name COLLATE "C", product"""
NAME: Final = """
    INSERT INTO basket_manifestnames (manifest_id, names)
    SELECT m.id, new.names FROM unnest(%b::bigint[], %b::bigint[], %b::bytea[]) new (observation, version, names)
    JOIN basket_productmanifest m ON m.observation_id = new.observation AND m.products_version = new.version
    ON CONFLICT DO NOTHING"""


class Kind(NamedTuple):
    """What files of one list have in common that get one signature."""

    extension: str
    sized: bool
    mrp: bool
    category: str
    type: str
    group: str
    mission: str
    rights: str
    release: float | None
    program: str

    @property
    def guard(self) -> Guard:
        """What a verdict on the files looks at."""
        return Guard(self.rights, self.release, self.mission, self.program)

    def values(self, guard: int) -> Values:
        """Their facet values, and what else their signature tells."""
        batch = self.mission in STAGED_MISSIONS
        return Values(self.mrp, self.category, self.type, self.extension, self.group, batch, self.sized, guard)


def build(observations: Sequence[int]) -> None:
    """Build the manifests of observations (by primary key) as their lists are now, in portions.

    Two builders may meet: the first one's manifest stays, and both are the same.
    """
    register = Register()
    for portion in _portions(observations):
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL work_mem = '128MB'; SET LOCAL jit = off")
            _store(list(_packed(portion, register)))


def heights(observations: Sequence[int]) -> dict[int, int]:
    """How many rows the list of each observation (by primary key) has, where it has any."""
    statement = "SELECT observation_id, count(*) FROM portal_membership WHERE observation_id = ANY(%b) GROUP BY 1"
    return dict(binary.rows(statement, [binary.longs(observations)]))


def _portions(observations: Sequence[int]) -> Iterator[list[int]]:
    rows = heights(observations)
    return portions(observations, [rows.get(pk, 0) for pk in observations], ROWS_AT_ONCE)


def _store(packed: Sequence[tuple[ProductManifest, bytes]]) -> None:
    manifests = [manifest for manifest, _ in packed]
    if not manifests:
        return
    ProductManifest.objects.bulk_create(manifests, ignore_conflicts=True)
    observations = binary.longs(one.observation_id for one in manifests)
    versions = binary.longs(one.products_version for one in manifests)
    binary.write(NAME, [observations, versions, binary.Blobs(names for _, names in packed)])


def _packed(observations: Sequence[int], register: Register) -> Iterator[tuple[ProductManifest, bytes]]:
    """Manifests with their packed names."""
    without = Observation.objects.only("obs_id", "products_version").in_bulk(observations)
    keys = binary.longs(observations)
    rows = binary.rows(LISTED, [MRP, keys, keys, MRP])
    for pk, listed in groupby(rows, itemgetter(0)):
        yield _pack(without.pop(pk), list(listed), register)
    for observation in without.values():
        yield _pack(observation, [], register)


def _pack(
    observation: Observation, listed: list[tuple[Any, ...]], register: Register
) -> tuple[ProductManifest, bytes]:
    """A manifest out of the rows of LISTED."""
    kinds = [Kind(extension(row[5]), row[6] is not None, *row[7:]) for row in listed]
    alike = set(kinds)
    guards = numbered(kind.guard for kind in kinds)
    values = {kind: kind.values(guards[kind.guard]) for kind in alike}
    numbers = register.numbers(values.values())
    signature = {kind: numbers[one] for kind, one in values.items()}
    exposures = ["", *(exposure for exposure, _ in groupby(listed, itemgetter(3)) if exposure)]
    place = {exposure: number for number, exposure in enumerate(exposures)}
    rows = Rows(
        [
            Rows.pack(
                _column(row[4] for row in listed),
                _column(signature[kind] for kind in kinds),
                _column(place[row[3]] for row in listed),
                _column(UNKNOWN_SIZE if row[6] is None else row[6] for row in listed),
            )
        ]
    )
    everything = ~rows.nothing
    watching = sorted((guard for guard in guards if guards[guard]), key=guards.__getitem__)
    manifest = ProductManifest(
        observation=observation,
        products_version=listed[0][1] if listed else observation.products_version,
        files=len(listed),
        bytes=int(np.maximum(rows.size, 0).sum()),
        rows=listed[0][2] if listed else 0,
        exposures=[observation.obs_id, *exposures[1:]],
        guards=[guard._asdict() for guard in watching],
        facet_counts=rows.tally(everything, ~everything).records.tobytes(),
        products=rows.blobs[0],
        product_ids=pack_ids(ids_of(rows.product)),
    )
    return manifest, pack_names(row[5] for row in listed)


def _column(values: Iterable[int]) -> Ints:
    return np.fromiter(values, np.int64)
