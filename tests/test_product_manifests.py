"""Manifests: each file once, through the row that says most about it."""

import threading
import zlib
from typing import Any

import pytest
from django.db import connection

from basket.cube import Counts, unpack_ids
from basket.manifests import Manifest, build_missing, manifests_for, rows_of
from basket.models import FacetSignature, ProductManifest
from basket.signatures import MOST, OTHER, Register, Values, extension
from basket.tasks import build_manifests
from portal.access import Guard
from portal.models import Membership, Observation, Product
from tests.catalogue import Catalogue, listing, random_catalogue

PLAIN = Values(
    mrp=False, productType="", dataproduct_type="", extension="", productSubGroupDescription="", batch=False
)


def only(observation: Observation) -> ProductManifest:
    return ProductManifest.objects.get(pk=manifests_for([observation.pk])[observation.pk].pk)


def shown(manifest: ProductManifest) -> list[tuple[int, str, dict[str, str], int]]:
    """(product, exposure, facet values, size) of each row."""
    rows = rows_of([manifest.pk])
    signatures = FacetSignature.objects.in_bulk()
    exposures = ["", *manifest.exposures[1:]]
    return [
        (product, exposures[exposure], values_of(signatures[signature]), size)
        for product, signature, exposure, size in zip(
            rows.product.tolist(), rows.signature.tolist(), rows.exposure.tolist(), rows.size.tolist(), strict=True
        )
    ]


def values_of(signature: FacetSignature) -> dict[str, str]:
    return {
        "mrp": str(int(signature.mrp)),
        "category": signature.productType,
        "type": signature.dataproduct_type,
        "ext": signature.extension,
        "batch": str(int(signature.batch)),
        "group": signature.productSubGroupDescription,
    }


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_manifest_lists_each_file_once_as_the_rows_say(db: None, seed: int) -> None:
    for observation in random_catalogue(seed):
        expected, manifest = listing(observation), only(observation)
        files = list(expected.files.values())
        assert shown(manifest) == [
            (file.id, file.exposure, file.values, -1 if file.size is None else file.size) for file in files
        ]
        assert (manifest.files, manifest.rows) == (len(files), expected.rows)
        assert manifest.bytes == sum(file.size or 0 for file in files)
        assert set(unpack_ids(manifest.product_ids)) == {file.id for file in files}
        assert Counts.unpack([manifest.facet_counts]).records["files"].sum() == len(files)
        assert manifest.exposures == [observation.obs_id, *sorted({file.exposure for file in files} - {""})]
        names = zlib.decompress(manifest.names.names).decode().split("\n") if files else []
        assert names == [file.name.lower() for file in files]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_signature_tells_the_guard_of_a_file_and_whether_its_size_is_known(db: None, seed: int) -> None:
    signatures: dict[int, FacetSignature] = {}
    for observation in random_catalogue(seed):
        manifest = only(observation)
        rows = rows_of([manifest.pk])
        stored = Product.objects.in_bulk(rows.product.tolist())
        signatures |= FacetSignature.objects.in_bulk()
        for pk, number in zip(rows.product.tolist(), rows.signature.tolist(), strict=True):
            product, signature = stored[pk], signatures[number]
            assert signature.sized == (product.size is not None)
            facts = manifest.guards[signature.guard - 1] if signature.guard else None
            expected = {name: getattr(product, name) for name in Guard._fields}
            assert facts == (None if product.dataRights == "PUBLIC" else expected)


def test_the_observations_own_row_stands_for_a_file(db: None) -> None:
    catalogue = Catalogue()
    observation, pool = catalogue.observation(), catalogue.product("jw05224_pool.csv")
    catalogue.lists(observation, pool, exposure="jw_nrs1", dataproduct_type="image", mrp=True)
    catalogue.lists(observation, pool, dataproduct_type="spectrum")
    [(_, exposure, values, _)] = shown(only(observation))
    assert (exposure, values["type"], values["mrp"]) == ("", "spectrum", "0")


def test_then_a_recommended_row_then_the_highest_level_then_the_first_name(db: None) -> None:
    catalogue = Catalogue()
    observation, file = catalogue.observation(), catalogue.product("a.fits")
    rows: list[dict[str, Any]] = [
        {"exposure": "e4", "calib_level": None},
        {"exposure": "e3", "calib_level": 2},
        {"exposure": "e2", "calib_level": 3},
        {"exposure": "e1", "calib_level": 3},
        {"exposure": "e9", "calib_level": 1, "mrp": True},
    ]
    for most, expected in ((1, "e4"), (2, "e3"), (3, "e2"), (4, "e1"), (5, "e9")):
        observation.memberships.all().delete()
        for row in rows[:most]:
            catalogue.lists(observation, file, **row)
        observation.products_version += 1
        observation.save()
        assert [exposure for _, exposure, _, _ in shown(only(observation))] == [expected]


def test_rows_lie_as_the_tree_shows_them(db: None) -> None:
    catalogue = Catalogue()
    observation = catalogue.observation()
    catalogue.lists(
        observation, catalogue.product("b.fits"), catalogue.product("B.fits"), catalogue.product("a.fits")
    )
    catalogue.lists(observation, catalogue.product("0.fits"), exposure="z")
    catalogue.lists(observation, catalogue.product("1.fits"), exposure="Z")
    rows = rows_of([only(observation).pk])
    names = dict(observation.memberships.values_list("product", "product__productFilename"))
    assert [names[product] for product in rows.product.tolist()] == [
        "B.fits",
        "a.fits",
        "b.fits",
        "1.fits",
        "0.fits",
    ]
    assert only(observation).exposures[1:] == ["Z", "z"]


def test_a_planned_observation_has_an_empty_manifest(db: None) -> None:
    manifest = only(Catalogue().observation(calib_level=-1))
    assert (manifest.files, manifest.rows, bytes(manifest.facet_counts)) == (0, 0, b"")


def test_a_changed_list_is_a_new_manifest_and_the_old_one_stays(db: None) -> None:
    catalogue = Catalogue()
    observation = catalogue.filled("a.fits")
    before = only(observation)
    catalogue.lists(observation, catalogue.product("b.fits"))
    assert only(observation) == before
    Observation.objects.update(products_version=1)
    assert only(observation).files == 2
    assert ProductManifest.objects.get(pk=before.pk).files == 1


def test_an_observation_that_does_not_exist_has_none(db: None) -> None:
    assert manifests_for([987654321]) == {}


@pytest.mark.django_db(transaction=True)
def test_two_builders_at_once_make_one_manifest() -> None:
    observations = random_catalogue(4)
    pks = [observation.pk for observation in observations]
    found: list[dict[int, Manifest]] = []
    start = threading.Barrier(3)

    def build() -> None:
        start.wait()
        try:
            found.append(manifests_for(pks))
        finally:
            connection.close()

    threads = [threading.Thread(target=build) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert found[0] == found[1] == found[2]
    assert ProductManifest.objects.count() == len(pks)


def test_the_background_builds_what_is_missing_and_no_more_than_told(db: None) -> None:
    catalogue = Catalogue()
    for number in range(5):
        catalogue.filled(f"a{number}.fits")
    assert build_missing(3) == 3
    assert ProductManifest.objects.count() == 3
    build_manifests()
    assert ProductManifest.objects.count() == 5
    assert build_missing(3) == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jw1_cal.fits", "fits"),
        ("KPLR1_LLC.FITS.GZ", "fits.gz"),
        ("a.tar.gz", "gz"),
        ("README", ""),
        ("jw1_asn.json", "json"),
        ("a.", ""),
        ("a." + "x" * 90, "x" * 32),
    ],
)
def test_the_extension_is_the_ending_of_the_name(name: str, expected: str) -> None:
    assert extension(name) == expected


def test_a_known_combination_costs_no_new_number(db: None) -> None:
    one = PLAIN._replace(productType="A")
    other = one._replace(productSubGroupDescription="UNCAL")
    first = Register().numbers([one])
    again = Register().numbers([one, other])
    assert again[one] == first[one]
    assert again[other] == first[one] + 1, "nothing that exists was tried again"


def test_above_the_limit_a_new_group_counts_as_other(db: None) -> None:
    FacetSignature.objects.bulk_create(
        FacetSignature(mrp=False, productType="", dataproduct_type="", extension="", batch=False,
                       productSubGroupDescription=f"G{number}")
        for number in range(MOST)
    )  # fmt: skip
    known = PLAIN._replace(productSubGroupDescription="G7")
    new = PLAIN._replace(productSubGroupDescription="G99999", extension="x")
    numbers = Register().numbers([known, new, new._replace(extension="y")])
    assert FacetSignature.objects.get(pk=numbers[known]).productSubGroupDescription == "G7"
    assert FacetSignature.objects.get(pk=numbers[new]).productSubGroupDescription == OTHER
    assert numbers[new] == numbers[new._replace(extension="y")]


def test_a_file_listed_twice_over_counts_its_rows(db: None) -> None:
    catalogue = Catalogue()
    observation, star = catalogue.observation(), catalogue.product("gs.fits")
    for number in range(27):
        catalogue.lists(observation, star, exposure=f"e{number:02}")
    assert (only(observation).files, only(observation).rows) == (1, 27)
    assert Membership.objects.count() == 27
