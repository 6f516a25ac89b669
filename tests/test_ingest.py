"""Loading tables: what stands in the catalogue afterwards, whatever the order, and a second time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.archives.base import MRP
from portal.ingest import load_tables
from portal.models import Membership, Observation, Product, Program, StoredFile
from portal.sky_query import cone_q
from tests.mast_tables import (
    Row,
    catalogue,
    listing,
    load_observations,
    load_products,
    observation,
    own,
    product,
    refused_product,
    version,
    write,
)

pytestmark = pytest.mark.django_db

SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)


def test_the_718_real_rows_are_323_files(shared: Path) -> None:
    folder = shared / "data" / "jwst"
    report = load_tables(
        observations=folder / "jw05224_nirspec_msa_observations.csv",
        products=folder / "jw05224_nirspec_msa_products_full.csv",
    )
    assert (report.rows, report.files, report.duplicates) == (718, 323, 395)
    assert (report.observations_added, report.lists_changed) == (2, 2)
    assert (Product.objects.count(), Membership.objects.count(), Observation.objects.count()) == (323, 718, 2)
    assert Membership.objects.filter(productGroupDescription=MRP).count() == 10
    assert list(Program.objects.values_list("obs_collection", "proposal_id")) == [("JWST", "5224")]
    assert set(report.ignored["jw05224_nirspec_msa_observations.csv"]) == {
        "wave_region", "wave_min", "wave_max", "distance",
    }  # fmt: skip
    pool = Product.objects.get(productFilename="jw05224_20251221t142913_pool.csv")
    assert pool.memberships.count() == 54
    assert pool.obs_id == "jw05224-o004_s000277031_nirspec_clear-prism"
    assert pool.t_obs_release == 60964.55531238


def test_the_real_rows_a_second_time_change_nothing(shared: Path) -> None:
    folder = shared / "data" / "jwst"
    tables: dict[str, Any] = {
        "observations": folder / "jw05224_nirspec_msa_observations.csv",
        "products": folder / "jw05224_nirspec_msa_products_full.csv",
    }
    load_tables(**tables)
    before = catalogue()
    report = load_tables(**tables)
    assert catalogue() == before
    assert (report.observations_unchanged, report.observations_updated, report.lists_changed) == (2, 0, 0)
    assert (report.files_added, report.files_updated, report.files_removed) == (0, 0, 0)


def test_the_672_real_images_of_106_programs_load(shared: Path) -> None:
    report = load_tables(products=shared / "data" / "jwst" / "nircam_L3_i2d_mrp_products_part1.csv")
    assert (report.rows, report.files, report.observations_from_products) == (672, 672, 672)
    assert Program.objects.count() == 106
    found = Observation.objects.filter(cone_q(0.48875, -15.522972, 0.001))
    assert "jw04570-o002_t002_nircam_clear-f200w" in set(found.values_list("obs_id", flat=True))


def test_the_seed_basket_loads_with_its_totals(shared: Path) -> None:
    report = load_tables(products=shared / "data" / "seed" / "seed_basket_407.csv")
    assert (report.rows, report.files, report.duplicates) == (407, 407, 0)
    assert Product.objects.filter(productType="AUXILIARY").count() == 306
    assert Membership.objects.filter(dataproduct_type="").count() == 150
    assert Membership.objects.filter(productGroupDescription=MRP).count() == 7
    assert Product.objects.aggregate(bytes=Sum("size")) == {"bytes": 7_141_156_116}


def test_a_file_listed_twice_is_stored_once_and_its_rows_apart(tmp_path: Path) -> None:
    pool = {"name": "jw01_pool.csv", "productType": "INFO", "productSubGroupDescription": "POOL"}
    report = load_products(
        tmp_path, product(**pool), product(**pool, obsID="102", obs_id="jw02_nis"), own(**pool), product(**pool)
    )
    assert (report.rows, report.files, report.duplicates) == (4, 1, 3)
    assert listing() == [("900", owner, "jw01_pool.csv") for owner in ("101", "102", "900")]


def test_values_keep_their_text(tmp_path: Path) -> None:
    load_products(tmp_path, product(proposal_id="00625", prvversion="1.10", filters="CLEAR;F090W"))
    row = Membership.objects.get()
    assert (row.prvversion, row.filters) == ("1.10", "CLEAR;F090W")
    assert Product.objects.get().proposal_id == "00625"


def test_known_words_are_kept_in_the_spelling_of_mast(tmp_path: Path) -> None:
    words = {"productType": "science", "dataproduct_type": "IMAGE", "dataRights": "public", "type": "s"}
    load_products(tmp_path, product(**words, productGroupDescription="minimum recommended products"))
    row = Membership.objects.get()
    assert (row.dataproduct_type, row.type, row.productGroupDescription) == ("image", "S", MRP)
    assert (row.product.productType, row.product.dataRights) == ("SCIENCE", "PUBLIC")


@pytest.mark.parametrize("blank", ["", "--", "null", "NULL", "  "])
def test_a_masked_value_is_blank(tmp_path: Path, blank: str) -> None:
    load_products(tmp_path, product(size=blank, description=blank, calib_level=blank, dataproduct_type=blank))
    row = Membership.objects.get()
    assert (row.product.size, row.product.description, row.calib_level, row.dataproduct_type) == (
        None,
        "",
        None,
        "",
    )


def test_a_number_that_is_nan_is_blank(tmp_path: Path) -> None:
    load_products(tmp_path, product(size="nan", calib_level="NaN", parent_obsid="nan"))
    load_observations(tmp_path, observation(t_min="nan", sequence_number="nan", objID="nan"))
    row = Membership.objects.get()
    assert (row.product.size, row.calib_level, row.observation.obsid) == (None, None, "101")
    assert Observation.objects.values_list("t_min", "sequence_number", "objID").get(obsid="900") == (
        None,
        None,
        "",
    )


def test_numbers_may_be_written_as_floats(tmp_path: Path) -> None:
    load_products(tmp_path, product(size="2880.0", obsID="101.0", parent_obsid="900.0", calib_level="2.0"))
    row = Membership.objects.get()
    assert (row.product.size, row.obsID, row.observation.obsid, row.calib_level) == (2880, "101", "900", 2)


def test_without_a_parent_a_row_belongs_to_its_owner(tmp_path: Path) -> None:
    columns = [name for name in product() if name != "parent_obsid"]
    load_tables(products=write(tmp_path / "short.csv", [product()], columns))
    assert listing() == [("101", "101", "jw01_nis_cal.fits")]


def test_a_stub_is_made_from_the_rows_of_an_unknown_observation(tmp_path: Path) -> None:
    report = load_products(
        tmp_path, product(dataRights="EXCLUSIVE_ACCESS"), own(s_ra="", s_dec=""), own("jw01_t001_cat.ecsv")
    )
    stub = Observation.objects.get()
    assert (stub.obsid, stub.obs_id, stub.obs_collection, stub.calib_level) == ("900", "jw01_t001", "JWST", 3)
    assert (stub.dataRights, stub.proposal_id, stub.filters) == ("EXCLUSIVE_ACCESS", "1", "F200W")
    assert (report.observations_from_products, stub.products_version) == (1, 1)


def test_a_stub_follows_its_products_until_an_observations_table_tells_more(tmp_path: Path) -> None:
    load_products(tmp_path, own(dataRights="EXCLUSIVE_ACCESS"))
    load_products(tmp_path, own(dataRights="PUBLIC"))
    assert Observation.objects.get().dataRights == "PUBLIC"
    load_observations(tmp_path, observation(dataRights="EXCLUSIVE_ACCESS", filters="F150W"))
    load_products(tmp_path, own(dataRights="PUBLIC", filters="F444W"))
    assert Observation.objects.values_list("dataRights", "filters").get() == ("EXCLUSIVE_ACCESS", "F150W")


def test_an_observations_table_completes_a_stub_and_keeps_its_files(tmp_path: Path) -> None:
    load_products(tmp_path, own(), product())
    stub = Observation.objects.get()
    report = load_observations(tmp_path, observation())
    complete = Observation.objects.get()
    assert (report.observations_added, report.observations_updated) == (0, 1)
    assert (complete.pk, complete.target_name, complete.memberships.count()) == (stub.pk, "M57", 2)


def test_columns_that_a_table_lacks_take_nothing_away(tmp_path: Path) -> None:
    load_observations(tmp_path, observation())
    short = {"obsid": "900", "obs_collection": "JWST", "obs_id": "jw01_t001", "target_name": "Ring Nebula"}
    load_observations(tmp_path, short)
    kept = Observation.objects.get()
    assert (kept.target_name, kept.instrument_name, kept.t_min) == ("Ring Nebula", "NIRISS", 60000.5)
    assert kept.center_ra == pytest.approx(283.396)


def test_the_sky_index_follows_the_footprint(tmp_path: Path) -> None:
    load_observations(tmp_path, observation())
    assert Observation.objects.filter(cone_q(283.41, 33.03, 0.001)).exists()
    load_observations(tmp_path, observation(s_region="", s_ra=10, s_dec=-5))
    assert not Observation.objects.filter(cone_q(283.41, 33.03, 0.001)).exists()
    assert Observation.objects.filter(cone_q(10, -5, 0.001)).exists()
    load_observations(tmp_path, observation(s_region="", s_ra="", s_dec=""))
    assert Observation.objects.get().size_class is None


def test_the_planes_of_an_observation_become_one(tmp_path: Path) -> None:
    planes = {"obs_collection": "GALEX", "dataRights": "PUBLIC"}
    report = load_observations(
        tmp_path,
        observation(**planes, objID="2", filters="NUV", em_min=169.3, em_max=300.7, t_exptime=1610),
        observation(**planes, objID="1", filters="FUV", em_min=134, em_max=180.6, t_exptime=114),
    )
    one = Observation.objects.get()
    assert (one.filters, one.em_min, one.em_max, one.t_exptime, one.objID) == ("FUV;NUV", 134, 300.7, 1610, "1")
    assert report.observations_added == 1


def test_a_products_table_is_the_whole_list_of_its_observations(tmp_path: Path) -> None:
    load_products(tmp_path, product(), own(), own("other.fits", parent_obsid="901", obsID="901"))
    gone = Product.objects.get(productFilename="jw01_nis_cal.fits")
    StoredFile.objects.create(product=gone, path="/nowhere", size=1, mtime_ns=1)
    report = load_products(tmp_path, own())
    assert (report.files_removed, report.files_added) == (1, 0)
    assert listing() == [("900", "900", "jw01_t001_i2d.fits"), ("901", "901", "other.fits")]
    assert not StoredFile.objects.exists()


def test_a_file_that_another_observation_lists_stays(tmp_path: Path) -> None:
    load_products(tmp_path, own(), product(), product(parent_obsid="901"))
    load_products(tmp_path, own())
    assert listing() == [("900", "900", "jw01_t001_i2d.fits"), ("901", "101", "jw01_nis_cal.fits")]


@pytest.mark.parametrize(
    "changed",
    [
        {"size": 5760},
        {"productType": "AUXILIARY"},
        {"productSubGroupDescription": "I2D"},
        {"productGroupDescription": MRP},
        {"dataproduct_type": "cube"},
        {"dataRights": "EXCLUSIVE_ACCESS"},
        {"productFilename": "renamed.fits"},
        {"calib_level": 3},
        {"obs_id": "jw01_nis2"},
    ],
)
def test_a_changed_row_raises_the_version_of_its_observation_by_one(tmp_path: Path, changed: Row) -> None:
    rows = [own(), own("other.fits", obsID="901", parent_obsid="901")]
    load_products(tmp_path, product(), *rows)
    load_products(tmp_path, product() | changed, *rows)
    assert (version("900"), version("901")) == (2, 1)
    load_products(tmp_path, product() | changed, *rows)
    assert (version("900"), version("901")) == (2, 1)


def test_added_and_removed_rows_raise_the_version(tmp_path: Path) -> None:
    load_products(tmp_path, own())
    load_products(tmp_path, own(), product())
    load_products(tmp_path, own())
    assert version() == 3


def test_a_change_of_a_shared_file_raises_the_version_of_every_list(tmp_path: Path) -> None:
    load_products(tmp_path, product(), product(parent_obsid="901"))
    load_products(tmp_path, product(size=5760))
    assert (version("900"), version("901")) == (2, 2)


def test_the_title_of_a_file_is_updated_without_a_new_version(tmp_path: Path) -> None:
    load_products(tmp_path, product())
    report = load_products(tmp_path, product(description="calibrated"))
    assert (Product.objects.get().description, report.files_updated, version()) == ("calibrated", 1, 1)


def test_a_size_that_a_later_table_does_not_know_stays(tmp_path: Path) -> None:
    load_products(tmp_path, product())
    load_products(tmp_path, product(size=""))
    assert (Product.objects.get().size, version()) == (2880, 1)


def test_one_row_may_know_the_size_that_another_leaves_blank(tmp_path: Path) -> None:
    load_products(tmp_path, product(size=""), product(obsID="102", size=77))
    assert Product.objects.get().size == 77


def test_the_folder_is_that_of_the_only_observation_that_owns_the_file(tmp_path: Path) -> None:
    load_products(tmp_path, product(obs_id="aaa"), own("jw01_nis_cal.fits", obs_id="zzz", size=2880))
    assert Product.objects.get().obs_id == "zzz"


def test_the_folder_of_a_file_of_many_exposures_is_the_first_in_c_order(tmp_path: Path) -> None:
    load_products(
        tmp_path, product(obs_id="b"), product(obs_id="a", obsID="102"), product(obs_id="B", obsID="103")
    )
    assert Product.objects.get().obs_id == "B"


def test_the_mission_is_that_of_the_row_whose_folder_was_chosen(tmp_path: Path) -> None:
    load_products(tmp_path, product(obs_id="b", obs_collection="HLA"), product(obsID="102", obs_id="c"))
    assert Product.objects.values_list("obs_collection", "obs_id").get() == ("HLA", "b")


def test_new_files_get_consecutive_keys_within_an_observation(tmp_path: Path) -> None:
    rows = [own(f"{n:03}.fits", obsID=p, parent_obsid=p) for n in range(20) for p in ("900", "901")]
    Random(1).shuffle(rows)
    load_products(tmp_path, *rows)
    for obsid in ("900", "901"):
        keys = list(Membership.objects.filter(observation__obsid=obsid).values_list("product_id", flat=True))
        assert max(keys) - min(keys) == 19


def test_the_release_of_a_file_is_the_last_of_its_observations(tmp_path: Path) -> None:
    load_observations(
        tmp_path,
        observation("900", t_obs_release=60100),
        observation("901", t_obs_release=60300),
        observation("101", t_obs_release=60200),
    )
    load_products(tmp_path, product(), product("shared.fits"), product("shared.fits", parent_obsid="901"))
    released = dict(Product.objects.values_list("productFilename", "t_obs_release"))
    assert released == {"jw01_nis_cal.fits": 60200, "shared.fits": 60300}


def test_a_new_embargo_and_an_early_release_are_seen(tmp_path: Path) -> None:
    rights = {"dataRights": "EXCLUSIVE_ACCESS"}
    load_products(tmp_path, product(**rights))
    assert Product.objects.get().t_obs_release is None
    for release in (61000.25, 62000.5, 59000.0):
        before = version()
        load_observations(tmp_path, observation("101", t_obs_release=release))
        assert Product.objects.get().t_obs_release == release
        assert version() == before + 1


def test_the_release_of_a_public_file_leaves_the_version_alone(tmp_path: Path) -> None:
    load_products(tmp_path, product())
    load_observations(tmp_path, observation("101", t_obs_release=61000.25))
    assert (Product.objects.get().t_obs_release, version()) == (61000.25, 1)


def test_an_archive_of_another_name_is_left_alone(tmp_path: Path) -> None:
    load_products(tmp_path, product())
    load_products(tmp_path, product(size=1), archive="mast")
    assert dict(Product.objects.values_list("archive", "size")) == {"local": 2880, "mast": 1}


def test_a_table_without_rows_changes_nothing(tmp_path: Path) -> None:
    load_products(tmp_path, product())
    before = catalogue()
    columns = list(product())
    report = load_tables(
        observations=write(tmp_path / "o.csv", [], list(observation())),
        products=write(tmp_path / "p.csv", [], columns),
    )
    assert (report.rows, catalogue()) == (0, before)


@pytest.mark.django_db(transaction=True)
def test_a_refusal_and_two_loads_one_after_the_other_in_transactions_of_their_own(tmp_path: Path) -> None:
    load_products(tmp_path, product())
    assert "is not a number" in refused_product(tmp_path, own(), product(size="x"))[0]
    load_products(tmp_path, product(), own())
    assert (Product.objects.count(), version()) == (2, 2)


@pytest.mark.django_db(transaction=True)
def test_two_people_who_load_at_the_same_time_wait_for_each_other(tmp_path: Path) -> None:
    def load(obsid: str) -> None:
        folder = tmp_path / obsid
        folder.mkdir()
        rows = [product(f"{n}.fits", parent_obsid=obsid, proposal_id="7") for n in range(300)]
        try:
            load_products(folder, *rows)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as people:
        list(people.map(load, ["900", "901"]))
    assert (Product.objects.count(), Membership.objects.count()) == (300, 600)
    assert (version("900"), version("901")) == (1, 1)


def test_progress_is_told_for_every_stage(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    load_products(tmp_path, product(), progress=lambda *step: told.append(step))
    assert told == [("Reading products.csv", 1, 0), ("Loading products.csv", 0, 0)]


ROWS = [
    product(),
    product("pool.csv", obs_id="m"),
    product("pool.csv", obsID="102", obs_id="b"),
    product("pool.csv", parent_obsid="901", obsID="102", obs_id="b"),
    own(),
    own("pool.csv", size=2880),
    own("both.fits"),
    own("both.fits", obsID="901", parent_obsid="901", obs_id="jw01_t002"),
    own("last.fits", obsID="901", parent_obsid="901", obs_id="jw01_t002", obs_collection="HLA"),
]
LOOKS = [
    observation(),
    observation("901", obs_id="jw01_t002", t_obs_release=60400),
    observation("102", t_obs_release=60500),
]


@SLOW
@given(rows=st.permutations(ROWS), first=st.booleans())
def test_neither_the_order_of_rows_nor_of_tables_matters(tmp_path: Path, rows: list[Row], first: bool) -> None:
    def outcome(*steps: list[Row]) -> object:
        for model in (Observation, Product, Program):
            model.objects.all().delete()
        for step in steps:
            if step:
                (load_products if "dataURI" in step[0] else load_observations)(tmp_path, *step)
        return catalogue(keys=False)

    parents = [[row for row in rows if row["parent_obsid"] == obsid] for obsid in ("900", "901")]
    expected = outcome(LOOKS, ROWS)
    assert outcome(*([LOOKS, rows] if first else [rows, LOOKS])) == expected
    assert outcome(*([*parents, LOOKS] if first else [*reversed(parents), LOOKS])) == expected
