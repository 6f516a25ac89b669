"""A catalogue in the database, row by row or at random, and the laws that every basket has to obey."""

import itertools
import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from basket import items
from basket.cube import AMOUNTS, Counts, Cube, unpack_ids
from basket.guards import public_from, until
from basket.items import Item, settled
from basket.ledger import cube_of, items_of, opened
from basket.models import Basket, BasketItem
from portal.archives.base import MRP
from portal.models import Membership, Observation, Product

# Category, group and ending of a file name: few enough that several files are alike
KINDS = [
    ("SCIENCE", "CAL", ".fits"),
    ("SCIENCE", "CAL", ".FITS"),
    ("SCIENCE", "I2D", ".fits.gz"),
    ("AUXILIARY", "GS-ID", ".fits"),
    ("PREVIEW", "", ".jpg"),
    ("", "", ""),
    ("AUXILIARY", "", ".json"),
]


class Catalogue:
    """Makes observations and products, and lets the ones list the others."""

    numbers = itertools.count(1)

    def observation(self, obs_id: str = "", mission: str = "JWST", **columns: object) -> Observation:
        """An observation without products; planned when calib_level says so."""
        number = next(self.numbers)
        columns = {"calib_level": 3, "dataRights": "PUBLIC"} | columns
        return Observation.objects.create(
            obsid=str(70_000_000 + number),
            obs_id=obs_id or f"jw{number:05}-o001_t001_nircam",
            obs_collection=mission,
            **columns,
        )

    def product(self, name: str, size: int | None = 100, mission: str = "JWST", **columns: object) -> Product:
        """A file that nothing lists yet."""
        columns = {"productType": "SCIENCE", "productSubGroupDescription": "CAL", "dataRights": "PUBLIC"} | columns
        return Product.objects.create(
            dataURI=f"mast:{mission}/product/{next(self.numbers)}/{name}",
            obs_collection=mission,
            obs_id=name.rpartition("_")[0],
            productFilename=name,
            size=size,
            **columns,
        )

    def lists(
        self,
        observation: Observation,
        *products: Product,
        exposure: str = "",
        mrp: bool = False,
        **columns: object,
    ) -> None:
        """Rows of the observation's product list, as its own files or as those of one of its exposures."""
        owner = observation.obsid if not exposure else f"x{exposure}"[:32]
        Membership.objects.bulk_create(
            Membership(
                observation=observation,
                product=product,
                obsID=owner,
                obs_id=exposure or observation.obs_id,
                productGroupDescription=MRP if mrp else "",
                **{"dataproduct_type": "image", "calib_level": 2 if exposure else 3} | columns,
            )
            for product in products
        )

    def filled(self, *names: str, obs_id: str = "", mission: str = "JWST", mrp: bool = True) -> Observation:
        """An observation that lists new files of these names as its own, recommended."""
        observation = self.observation(obs_id, mission)
        self.lists(observation, *(self.product(name, mission=mission) for name in names), mrp=mrp)
        return observation


@dataclass(frozen=True)
class File:
    """What a test knows about a file in an observation, straight from the catalogue's rows."""

    id: int
    name: str
    size: int | None
    exposure: str
    values: dict[str, str]


@dataclass
class Listing:
    """A product list as the catalogue has it: its files by id, in the order of the tree, and its raw rows."""

    observation: Observation
    files: dict[int, File] = field(default_factory=dict)
    rows: int = 0


def listing(observation: Observation) -> Listing:
    """One observation's list, read row by row: of several rows for a file the one that says most about it."""
    rows = list(observation.memberships.select_related("product").order_by("pk"))
    best: dict[int, Membership] = {}
    for row in sorted(
        rows,
        key=lambda row: (
            row.obsID != observation.obsid,
            row.productGroupDescription != MRP,
            100 if row.calib_level is None else -row.calib_level,
            row.obs_id,
        ),
    ):
        best.setdefault(row.product_id, row)
    files = [file_of(observation, row) for row in best.values()]
    files.sort(key=lambda file: (file.exposure, file.name, file.id))
    return Listing(observation, {file.id: file for file in files}, len(rows))


def file_of(observation: Observation, row: Membership) -> File:
    product = row.product
    name = product.productFilename
    ending = "fits.gz" if name.endswith(".fits.gz") else name.split(".")[-1] if "." in name else ""
    return File(
        id=product.pk,
        name=name,
        size=product.size,
        exposure="" if row.obsID == observation.obsid else row.obs_id,
        values={
            "mrp": "1" if row.productGroupDescription == MRP else "0",
            "category": product.productType,
            "type": row.dataproduct_type,
            "ext": ending.lower(),
            "batch": "1" if product.obs_collection in {"HST", "JWST"} else "0",
            "group": product.productSubGroupDescription,
        },
    )


def random_catalogue(seed: int, observations: int = 12, products: int = 150) -> list[Observation]:
    """Observations of three missions whose lists overlap; sizes up to 10**10, blanks, repeats, one planned."""
    draw = random.Random(seed)
    catalogue = Catalogue()
    missions = ["JWST", "HST", "TESS"]
    pool = []
    for number in range(products):
        category, group, ending = draw.choice(KINDS)
        product = catalogue.product(
            f"{draw.choice(['jw', 'gs'])}{number:04}_{group.lower() or 'thumb'}{ending}",
            size=draw.choice([None, 0, draw.randrange(10**10), draw.randrange(10**5)]),
            mission=draw.choice(["JWST", "JWST", "TESS"]),
            productType=category,
            productSubGroupDescription=group,
            dataRights=draw.choice(["PUBLIC", "PUBLIC", "EXCLUSIVE_ACCESS"]),
        )
        pool.append(product)
    made = [catalogue.observation(f"obs{number}", draw.choice(missions)) for number in range(observations - 1)]
    for observation in made:
        for product in draw.sample(pool, draw.randint(1, 30)):
            list_at_random(draw, catalogue, observation, product)
    return [*made, catalogue.observation("planned", "JWST", calib_level=-1)]


def list_at_random(draw: random.Random, catalogue: Catalogue, observation: Observation, product: Product) -> None:
    """One to three rows for one file: under the observation, or under exposures."""
    for exposure in draw.sample(
        ["", f"{observation.obs_id}_e1", f"{observation.obs_id}/e2", "12345"], draw.randint(1, 3)
    ):
        catalogue.lists(
            observation,
            product,
            exposure=exposure,
            mrp=draw.random() < 0.4,
            dataproduct_type=draw.choice(["image"] * 6 + ["spectrum", ""]),
            calib_level=draw.choice([None, 1, 2, 3]),
        )


def assert_lawful(basket: Basket) -> None:
    """Every invariant of a stored basket."""
    basket = Basket.objects.get(pk=basket.pk)
    cube, among = cube_of(basket), items.read(items_of(basket))
    counts = settled(cube, among)
    carried: list[int] = []
    for some, one in opened(cube, among):
        assert one.counts().pack(len(some)) == settled(cube, some).pack(len(some)), (
            "counts are the tally of the rows"
        )
        assert not (one.selected & ~one.carried).any(), "only what is carried is selected"
        carried += one.rows.product[one.carried].tolist()
    assert len(carried) == len(set(carried)), "a file is carried once"
    assert set(carried) == set(unpack_ids(basket.product_ids)), "the ids are those of the carried files"
    assert (counts.records["files"] > 0).all(), "no count of nothing is stored"
    assert all(item.applied_serial <= basket.bulk_serial for item in among)
    assert len({item.position for item in among}) == len(among), "positions are distinct"
    assert_sums(cube, among, counts)
    release = public_from(among, counts)
    guarded = Cube.unpack(basket.guarded_counts, len(basket.missions))
    assert_sums(guarded, among, counts.only(release > basket.guarded_as_of))
    assert_counters(basket)


def assert_sums(cube: Cube, among: Sequence[Item], counts: Counts) -> None:
    """The cube holds the sums of these counts, and nothing else."""
    sums: Counter[tuple[int, int, str]] = Counter()
    for count, place in zip(counts.records, counts.place, strict=True):
        for name in AMOUNTS:
            sums[among[place].mission, int(count["signature"]), name] += int(count[name])
    for name in AMOUNTS:
        stored = {(*map(int, at), name): int(cube.cells[name][tuple(at)]) for at in np.argwhere(cube.cells[name])}
        assert stored == {key: value for key, value in sums.items() if key[2] == name and value}, name


def assert_counters(basket: Basket) -> None:
    """What the row counts is what the items say one by one."""
    listed: Counter[int] = Counter()
    every = list(BasketItem.objects.filter(basket=basket).select_related("manifest", "observation"))
    for item in every:
        assert item.mission == basket.missions.index(item.observation.obs_collection)
        assert item.guarded_until == until(json.dumps(item.manifest.guards), basket.guarded_as_of)
        listed.update(set(unpack_ids(item.manifest.product_ids)))
    absent = set(listed) - set(unpack_ids(basket.product_ids))
    assert set(unpack_ids(basket.absent_ids)) == absent, "listed, and carried by nobody"
    assert {file for file, times in listed.items() if times > 1} <= set(unpack_ids(basket.shared_ids))
    assert basket.absent_files == len(absent)
    assert (basket.observations, basket.rows) == (len(every), sum(item.manifest.rows for item in every))
    missions = Counter(item.mission for item in every)
    bare = Counter(item.mission for item in every if not item.manifest.files)
    assert basket.per_mission == [[missions[number], bare[number]] for number in range(len(basket.missions))]


def names(products: Iterable[Product]) -> list[str]:
    """The file names, in order."""
    return [product.productFilename for product in products]
