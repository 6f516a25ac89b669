"""Manifests: each file once, through the row that says most about it."""

import threading
from typing import Any

import pytest
from django.db import connection

from basket.cube import unpack_counts, unpack_ids
from basket.manifests import build_missing, manifests_for, rows_of
from basket.models import FacetSignature, ProductManifest
from basket.signatures import MOST, OTHER, Register, Values, extension
from basket.tasks import build_manifests
from portal.models import Membership, Observation
from tests.catalogue import Catalogue, listing, random_catalogue

PLAIN = Values(
    mrp=False, productType="", dataproduct_type="", extension="", productSubGroupDescription="", batch=False
)


def only(observation: Observation) -> ProductManifest:
    return manifests_for([observation.pk])[observation.pk]


def shown(manifest: ProductManifest) -> list[tuple[int, str, dict[str, str], int]]:
    """(product, exposure, facet values, size) of each row."""
    rows = rows_of([manifest.pk])[manifest.pk]
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
    observations = random_catalogue(seed)
    manifests = manifests_for(observation.pk for observation in observations)
    for observation in observations:
        expected, manifest = listing(observation), manifests[observation.pk]
        files = list(expected.files.values())
        assert shown(manifest) == [
            (file.id, file.exposure, file.values, -1 if file.size is None else file.size) for file in files
        ]
        assert (manifest.files, manifest.rows) == (len(files), expected.rows)
        assert manifest.bytes == sum(file.size or 0 for file in files)
        assert manifest.unknown_sizes == sum(file.size is None for file in files)
        assert set(unpack_ids(manifest.product_ids)) == {file.id for file in files}
        assert unpack_counts(manifest.facet_counts)["files"].sum() == len(files)
        assert manifest.exposures == [observation.obs_id, *sorted({file.exposure for file in files} - {""})]
        guarded = observation.memberships.exclude(product__dataRights="PUBLIC").values_list("product", flat=True)
        assert set(unpack_ids(manifest.guarded_ids)) == set(guarded)


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
    rows = rows_of([only(observation).pk])[only(observation).pk]
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
    found: list[dict[int, ProductManifest]] = []
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
